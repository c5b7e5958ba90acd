"""Map: what the newest mosaic shows and how its photos were placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import rasterio
import shapely
from PyQt6.QtWidgets import QProgressBar, QWidget

from gui.snapshot import RASTER_FAULTS, RasterFile, Snapshot
from gui.theme import Theme
from gui.widgets import Figure, FigureGrid, Panel, Rows, empty, label, section, titled
from gui.words import Words
from imagery.quality import BY_PRIORS, BY_TIE_POINTS
from missionctl.geopackage import Feature
from missionctl.jobs import JobState


class MapPanel(Panel):
    """Shows the mosaics of a mission."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the newest mosaic, work under way and all mosaics."""
        w = self._words
        widgets: list[QWidget] = []
        if snapshot.mosaic:
            widgets += self._mosaic(snapshot, snapshot.mosaic)
        else:
            widgets.append(empty(w("mosaic_none"), w("mosaic_none_how")))
        widgets += job_section(snapshot.jobs, "mosaic", w)
        if len(snapshot.mosaics) > 1:
            rows = [
                (m.path.name, w("newest") if m == snapshot.mosaic else "") for m in reversed(snapshot.mosaics)
            ]
            widgets.append(section(w("mosaics"), Rows(rows, self.theme)))
        self.fill(widgets)

    def _mosaic(self, snapshot: Snapshot, mosaic: RasterFile) -> list[QWidget]:
        w = self._words
        photos = [f for f in snapshot.features["photos"] if f.values["mosaic"] == mosaic.path.name]
        figures: list[QWidget] = []
        if photos:
            figures.append(Figure(str(len(photos)), w("placed")))
        if snapshot.photos_on_disk:
            figures.append(Figure(str(snapshot.photos_on_disk), w("photos_taken")))
        below = ""
        try:
            with rasterio.open(mosaic.path) as data:
                step_m = abs(data.transform.a) if data.crs and data.crs.is_projected else None
                size_mb = mosaic.path.stat().st_size / 1e6
                below = w("size_px", w=f"{data.width:,}", h=f"{data.height:,}", mb=f"{size_mb:.0f}")
        except RASTER_FAULTS:
            step_m = None  # the map says it in the bar
        if step_m:
            figures.append(Figure(w("cm", v=f"{step_m * 100:.1f}"), w("pixel")))
        if photos and snapshot.frame:
            figures.append(Figure(w.area(_seen_m2(photos, snapshot)), w("area")))
        widgets: list[QWidget] = [
            titled(w("mosaic_kicker"), mosaic.path.name, below),
            FigureGrid(figures, self.theme),
        ]
        if photos:
            widgets.append(section(w("placed_by"), Rows(self._placed_by(photos), self.theme)))
        return widgets

    def _placed_by(self, photos: Sequence[Feature]) -> list[tuple[str, str]]:
        w = self._words
        known = {BY_TIE_POINTS: "placed_adjusted", BY_PRIORS: "placed_prior"}
        counts = Counter(str(f.values["placed_by"]) for f in photos)
        return [(w(known[how]) if how in known else how, str(n)) for how, n in counts.most_common()]


def job_section(jobs: Sequence[JobState], kind: str, w: Words) -> list[QWidget]:
    """Work of one kind that is under way, or broke off."""
    widgets: list[QWidget] = []
    for job in jobs:
        if job.kind == kind and job.state == "running":
            bar = QProgressBar()
            bar.setTextVisible(False)
            bar.setRange(0, 1000)
            bar.setValue(round(job.progress * 1000))
            widgets.append(section(w("jobs"), label(f"{job.stage} {job.progress * 100:.0f} %", "soft"), bar))
    if not widgets and jobs:
        last = [j for j in jobs if j.kind == kind][-1:]
        if last and last[0].state in ("failed", "interrupted"):
            text = last[0].detail.get("error") or w("job_interrupted")
            widgets.append(section(w(f"job_{kind}"), label(str(text), "bad", wrap=True)))
    return widgets


def _seen_m2(photos: Sequence[Feature], snapshot: Snapshot) -> float:
    assert snapshot.frame is not None
    shapes = [snapshot.frame.geometry_to_local(f.geometry) for f in photos if f.geometry is not None]
    return float(shapely.union_all(shapes).area)
