"""The ground under a live mosaic: by the points that tie its photos, or by the DEM."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from imagery.live_place import Stand, running_surface
from imagery.surface import Bounds, Surface, flat_surface, read_dem
from plans.frames import FloatArray, LocalFrame

POINTS_KEPT = 40
"""Of each photo."""
_DEM_STEPS_M = 200.0
_ABOVE_GROUND_M = 80.0
"""Where nothing tells how high photos were taken."""


class Ground:
    """Points (k, 3) by the photo that brought them, and the surface through them. `told_up_m` is its height
    by the tags."""

    def __init__(self, dem: Path | None) -> None:
        self._dem = dem
        self.points: dict[str, FloatArray] = {}
        self.told_up_m: float | None = None
        self.level_m = 0.0
        self.surface: Surface = flat_surface((-1.0, -1.0, 1.0, 1.0), 0.0)

    def renew(self, stands: Mapping[str, Stand], frame: LocalFrame) -> None:
        """The surface under all photos that stand."""
        if not stands:
            return
        some = [p for p in self.points.values() if len(p)]
        points = np.concatenate(some) if some else np.zeros((0, 3))
        centres = np.array([(s.pose.east_m, s.pose.north_m, s.pose.up_m) for s in stands.values()])
        self.level_m = self._level(points, centres[:, 2])
        height = max(float(np.median(centres[:, 2])) - self.level_m, 5.0)
        width = height * max(c.image_width_px / c.focal_px for c in {s.camera for s in stands.values()})

        def base_of(bounds: Bounds, step_m: float) -> Surface:
            assert self._dem is not None
            west, south, east, north = np.array(bounds) / _DEM_STEPS_M
            sides = math.floor(west), math.floor(south), math.ceil(east), math.ceil(north)
            step = 2.0 ** round(math.log2(max(1.0, step_m)))
            return _read_dem(self._dem, frame, tuple(_DEM_STEPS_M * side for side in sides), step)

        self.surface = running_surface(
            points, centres[:, :2], width, self.level_m, base_of if self._dem else None
        )

    def _level(self, points: FloatArray, photos_up_m: FloatArray) -> float:
        """The ground's usual height."""
        if len(points):
            return float(np.median(points[:, 2]))
        if self.told_up_m is not None:
            return self.told_up_m
        return float(np.median(photos_up_m)) - _ABOVE_GROUND_M


@lru_cache(maxsize=2)
def _read_dem(path: Path, frame: LocalFrame, bounds: Bounds, step_m: float) -> Surface:
    """Kept, and over a somewhat larger place than asked for, so that it is seldom read."""
    return read_dem(path, frame, bounds, step_m)
