"""Shows beside the window what strokes make of the ground in view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj

from imagery.damage.legend import Entry
from imagery.damage.own_classes import OwnClasses
from imagery.damage.preview import LivePreview, bounds_of_degrees
from imagery.damage.samples import read_samples
from missionctl.services.side_process import Done, SideProcess, serve
from missionctl.services.strokes import PAINTED
from missionctl.workspace import Workspace

Degrees = tuple[float, float, float, float]


@dataclass(frozen=True)
class PreviewWish:
    """A window of a mosaic to judge by the strokes that the mission has (lon/lat degrees west, south, east,
    north)."""

    folder: Path
    mosaic: Path
    window: Degrees


@dataclass(frozen=True, eq=False)
class Shown:
    """Classes of a window: codes (rows, columns) uint8, its corners in lon/lat from the north-west
    clockwise, and the legend."""

    classes: npt.NDArray[np.uint8]
    corners_deg: tuple[tuple[float, float], ...]
    legend: tuple[Entry, ...]


class PreviewWorker:
    """The process. `give` gets a Done whose result is a Shown."""

    def __init__(self, give: Callable[[Done], object]):
        # what it has read of the mosaic is worth more than a second
        self._process = SideProcess("missionctl.services.preview_worker", give, patience_s=60.0)

    def show(self, folder: Path, mosaic: Path, window: Degrees) -> int:
        """Wish for what the mission's strokes make of a window; the ticket."""
        return self._process.wish(PreviewWish(folder, mosaic, window))

    def close(self) -> None:
        """End the process."""
        self._process.close()


class Work:
    """Judges windows; keeps what it has read of the last mosaic."""

    def __init__(self) -> None:
        self._mosaic: tuple[Path, int] | None = None
        self._live: LivePreview | None = None

    def __call__(self, wish: PreviewWish) -> Shown:
        workspace = Workspace.open(wish.folder)
        live = self._of(wish.mosaic)
        own = OwnClasses(workspace.path / "classes")
        samples = read_samples(workspace.input("samples") or workspace.path / PAINTED, live.grid, own)
        seen = live.show(samples, bounds_of_degrees(wish.window, live.grid))
        rows, columns = seen.classes.shape
        to_geo = pyproj.Transformer.from_crs(seen.grid.crs, 4326, always_xy=True)
        places = [seen.grid.transform * p for p in ((0, 0), (columns, 0), (columns, rows), (0, rows))]
        corners = tuple(to_geo.transform(*place) for place in places)
        return Shown(seen.classes, corners, samples.legend.entries)

    def _of(self, mosaic: Path) -> LivePreview:
        version = mosaic, mosaic.stat().st_mtime_ns
        if self._live is None or self._mosaic != version:
            self._mosaic, self._live = version, LivePreview(mosaic)
        return self._live


if __name__ == "__main__":
    from missionctl.services import preview_worker  # results are of this name's classes, not of __main__'s

    serve(preview_worker.Work())
