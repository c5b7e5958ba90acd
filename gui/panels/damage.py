"""Damage: what the newest damage run says, by class, grade and township."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PyQt6.QtWidgets import QVBoxLayout, QWidget

from gui.damage.boxes import GradeBox, PaintBox
from gui.layers import class_legend
from gui.panels.mapping import job_section
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.widgets import (
    Figure,
    FigureGrid,
    Panel,
    Share,
    ShareList,
    Table,
    clear_layout,
    empty,
    label,
    rule,
    section,
    titled,
)
from gui.words import Words
from imagery.damage.legend import GRADE_DAMAGED, GRADE_DESTROYED, GRADES, Legend


class DamagePanel(Panel):
    """Shows a damage report."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words
        self.paint, self.grade = PaintBox(theme, words), GradeBox(theme, words)
        self._report = QVBoxLayout()
        self._report.setContentsMargins(0, 0, 0, 0)
        self._report.setSpacing(theme.sizes.pad)
        below = QWidget()
        below.setLayout(self._report)
        self.fill([self.paint, self.grade, rule(), below])

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the newest run."""
        w = self._words
        report = snapshot.damage_report
        if not report:
            self._show(
                [empty(w("damage_none"), w("damage_none_how")), *job_section(snapshot.jobs, "damage", w)]
            )
            return
        widgets: list[QWidget] = [titled(w("damage_kicker"), snapshot.damage_run, w("suspected"))]
        widgets.append(FigureGrid(self._figures(report), self.theme))
        widgets += job_section(snapshot.jobs, "damage", w)
        if report.get("classes"):
            widgets.append(
                section(w("classes"), ShareList(self._classes(report, class_legend(snapshot)), self.theme))
            )
        if report.get("buildings"):
            parts: list[QWidget] = [ShareList(self._buildings(report), self.theme)]
            if report.get("buildings_flooded"):
                parts.append(label(w("flooded_buildings", n=report["buildings_flooded"]), "soft"))
            widgets.append(section(w("buildings"), *parts))
        if report.get("townships"):
            widgets.append(section(w("townships"), self._townships(report)))
        self._show(widgets)

    def _show(self, widgets: Sequence[QWidget]) -> None:
        clear_layout(self._report)
        for widget in widgets:
            self._report.addWidget(widget)

    def _figures(self, report: Mapping[str, Any]) -> list[QWidget]:
        w = self._words
        figures: list[QWidget] = []
        if report.get("water_area_m2") is not None:
            figures.append(Figure(w.area(report["water_area_m2"]), w("water_area")))
        if report.get("buildings"):
            figures.append(Figure(str(_hit(report["buildings"])), w("buildings_hit")))
        if report.get("roads_cut_m") is not None:
            figures.append(Figure(w.length(report["roads_cut_m"]), w("roads_cut")))
        if report.get("people_exposed") is not None:
            figures.append(Figure(f"{report['people_exposed']:.0f}", w("people_exposed")))
        return figures

    def _classes(self, report: Mapping[str, Any], legend: Legend) -> list[Share]:
        w = self._words
        entries = {e.key: e for e in legend.entries}
        rows = []
        for key, values in report["classes"].items():
            if key in entries:
                entry = entries[key]
                text = f"{w.area(values['area_m2'])}   {values['share'] * 100:.0f} %"
                rows.append(Share(entry.name(w.language), entry.colour, values["share"], text))
        return rows

    def _buildings(self, report: Mapping[str, Any]) -> list[Share]:
        counts = report["buildings"]
        return [
            Share(e.name(self._words.language), e.colour, counts[e.key], str(counts[e.key]))
            for e in reversed(GRADES)
            if counts.get(e.key)
        ]

    def _townships(self, report: Mapping[str, Any]) -> QWidget:
        w = self._words
        head = [w(k) for k in ("township", "seen_short", "water_short", "hit_short", "people_short")]
        rows = []
        for town in report["townships"]:
            people = town.get("people_exposed")
            rows.append(
                [
                    str(town.get(f"name_{w.language}") or town.get("name_zh") or town.get("name_en") or ""),
                    f"{town.get('seen_share', 0) * 100:.0f} %",
                    w.area(town.get("water_area_m2", 0)),
                    str(_hit(town.get("buildings", {}))),
                    "" if people is None else f"{people:.0f}",
                ]
            )
        return Table(head, rows, self.theme)


def _hit(buildings: Mapping[str, int]) -> int:
    return int(buildings.get(GRADE_DAMAGED, 0)) + int(buildings.get(GRADE_DESTROYED, 0))
