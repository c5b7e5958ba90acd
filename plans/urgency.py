"""First things first: the order of sorties by what they show, and how soon the urgent ground is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rasterio import Affine
from rasterio.features import rasterize

from plans.coverage import GroundCells
from plans.flights import Sortie
from plans.frames import FloatArray
from plans.survey_job import SurveyArea
from plans.terrain import Terrain

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class TimeToImage:
    """How much of what is at stake has been photographed by when.

    `seconds` (n,) since the first take-off, rising, and `shares` (n,) of the zone's weight that photos have
    shown by then; `first_s` (rows, columns) is when each cell was, inf where never, NaN outside.
    """

    seconds: FloatArray
    shares: FloatArray
    first_s: FloatArray

    def seconds_to(self, share: float) -> float | None:
        """When so much of the weight had been seen, None if it never is."""
        enough = np.flatnonzero(self.shares >= share - 1e-9)
        return float(self.seconds[enough[0]]) if len(enough) else None

    def report(self) -> dict[str, float | None]:
        """Seconds to 10 %, 25 %, ... of the weight, and to all that is seen at all."""
        told: dict[str, float | None] = {f"{share:.0%}": self.seconds_to(share) for share in _SHARES}
        told["last"] = float(self.seconds[-1]) if len(self.seconds) else None
        return told


def cell_weights(cells: GroundCells, areas: Sequence[SurveyArea], exposure: Terrain | None) -> FloatArray:
    """What is at stake in each cell (rows, columns): the priority of its area times the exposure there
    (people, say; the raster's values, 0 where it has none)."""
    shape = cells.inside.shape
    transform = Affine(cells.cell_m, 0.0, cells.west_m, 0.0, -cells.cell_m, cells.north_m)
    shapes = [(area.region, area.priority) for area in reversed(areas)]
    weights = rasterize(shapes, shape, transform=transform, dtype="float64")
    weights[cells.inside & (weights == 0)] = min(area.priority for area in areas)
    if exposure is not None:
        for window in cells.windows:
            values = exposure.at(*np.meshgrid(window.east_m, window.north_m))
            weights[window.rows, window.cols] *= np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)
    return np.where(cells.inside, weights, 0.0)


def time_to_image(cells: GroundCells, weights: FloatArray, sorties: Sequence[Sortie]) -> TimeToImage:
    """When the sorties, as scheduled, show each cell for the first time."""
    first = np.where(cells.inside, np.inf, np.nan)
    for camera in dict.fromkeys(sortie.camera for sortie in sorties):
        own = [sortie for sortie in sorties if sortie.camera == camera]
        times = np.array([sortie.start_s + shot.time_s for sortie in own for shot in sortie.shots])
        poses = [shot.pose for sortie in own for shot in sortie.shots]
        first = np.fmin(first, cells.first_seen_s(poses, times, camera))
    seen = np.isfinite(first)
    order = np.argsort(first[seen], kind="stable")
    total = max(float(weights[cells.inside].sum()), 1e-12)
    return TimeToImage(first[seen][order], np.cumsum(weights[seen][order]) / total, first)


def most_urgent_first(values: Sequence[float], seconds: Sequence[float]) -> list[int]:
    """The order of jobs on one machine with the least value-weighted waiting: falling value over duration
    (Smith 1956), ties as given."""
    return sorted(range(len(values)), key=lambda i: (-values[i] / max(seconds[i], 1e-9), i))
