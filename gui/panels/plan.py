"""Plan: the newest plan's figures, its sorties, and the zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PyQt6.QtWidgets import QWidget

from gui.snapshot import Snapshot, report_of
from gui.theme import Theme
from gui.widgets import Figure, FigureGrid, Panel, Rows, empty, label, section, titled
from gui.words import Words
from missionctl.geopackage import Feature


class PlanPanel(Panel):
    """Shows what is planned."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the newest plan and all zones."""
        w = self._words
        plans = snapshot.features["plans"]
        widgets: list[QWidget] = []
        if plans:
            widgets += self._plan(plans[-1])
        else:
            widgets.append(empty(w("plan_none"), w("plan_none_how")))
        zones = snapshot.features["zones"]
        rows = [(self._zone_name(z), self._zone_area(z, snapshot)) for z in zones]
        body = Rows(rows, self.theme) if rows else label(w("no_zones"), "soft")
        widgets.append(section(w("zones"), body))
        self.fill(widgets)

    def _plan(self, plan: Feature) -> list[QWidget]:
        w = self._words
        values = plan.values
        report = report_of(plan)
        widgets: list[QWidget] = [titled(w("plan_kicker"), values["name"], values["camera"] or "")]
        widgets.append(FigureGrid(plan_figures(report, w), self.theme))
        sorties = report.get("sorties", [])
        if len(sorties) > 1:
            rows = [(w("sortie", n=n), self._sortie(s)) for n, s in enumerate(sorties, start=1)]
            widgets.append(section(w("sorties"), Rows(rows, self.theme)))
        return widgets

    def _sortie(self, sortie: Mapping[str, Any]) -> str:
        w = self._words
        return w(
            "sortie_line",
            photos=sortie["photos"],
            length=w.length(sortie["length_m"]),
            time=w.duration(sortie["duration_s"]),
        )

    def _zone_name(self, zone: Feature) -> str:
        priority = zone.values["priority"]
        name = str(zone.values["name"])
        return (
            f"{name} ({self._words('priority', p=f'{priority:g}')})" if priority not in (None, 1.0) else name
        )

    def _zone_area(self, zone: Feature, snapshot: Snapshot) -> str:
        if zone.geometry is None or snapshot.frame is None:
            return ""
        return self._words.area(snapshot.frame.geometry_to_local(zone.geometry).area)


def plan_figures(report: Mapping[str, Any], w: Words) -> list[QWidget]:
    """The figures that a plan's report has."""
    figures: list[QWidget] = []
    for key in ("photos", "lanes"):
        if key in report:
            figures.append(Figure(f"{report[key]}", w(key)))
    if "duration_s" in report:
        figures.append(Figure(w.duration(report["duration_s"]), w("flight_time")))
    if "length_m" in report:
        figures.append(Figure(w.length(report["length_m"]), w("flown_length")))
    if "gsd_cm" in report:
        figures.append(Figure(w("cm", v=f"{report['gsd_cm']['mean']:.1f}"), w("gsd")))
    if "coverage" in report:
        coverage = report["coverage"]
        figures.append(Figure(_percent(coverage["share"]), w("coverage", k=coverage["k"])))
    if "min_clearance_m" in report:
        figures.append(Figure(w("m", v=f"{report['min_clearance_m']:.0f}"), w("clearance")))
    if "sorties" in report:
        figures.append(Figure(str(len(report["sorties"])), w("sorties")))
    return figures


def _percent(share: float) -> str:
    """Never rounds up to a whole that is not there."""
    percent = share * 100
    return "100 %" if share >= 1 else f"{min(percent, 99.9):.1f} %"
