"""A real place under water: how far a flood of a chosen stage reaches over its DEM, and how it looks.

The stage counts from the river's own surface as the DEM shows it, so depths in the river are those above that
surface: no DEM knows its bed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rasterio import features
from shapely import Polygon, box
from shapely.geometry import shape

from imagery.damage.legend import FLOODED, MUD, MUD_OR_DEBRIS_LAID, UNCHANGED, WATER
from plans.frames import LocalFrame
from sim.errors import WorldError
from sim.world import store
from sim.world.flood import joined
from sim.world.landcover import upsampled
from sim.world.noise import PixelNoise
from sim.world.paint import MUD_RGB, WATER_DEEP_RGB, WATER_SHALLOW_RGB
from sim.world.rise import STANDS_OUT
from sim.world.river import River, RiverSource, find_river, river_levels
from sim.world.store import World
from sim.world.terrain import Grid, Heights

Pixels = npt.NDArray[np.uint8]

_MOST_STAGE_M = 40.0
_BAND_ROWS = 512
_SHORE_M = 0.05
"""Ground is rough: the shore wanders within this height."""
_STANDS_M = 0.5
"""What is so much higher than the water over the bare ground stands out of it."""


@dataclass(frozen=True)
class RealFlood:
    """The flood of a real place. `stage_m` is the water's height above the river's own surface when photos
    are taken, `peak_m` the highest that it had been: between them lies mud."""

    stage_m: float
    peak_m: float | None = None
    river: RiverSource = ()

    def __post_init__(self) -> None:
        """Raises WorldError for heights that no flood has."""
        if not 0.0 < self.stage_m <= _MOST_STAGE_M:
            raise WorldError(
                f"flood stage {self.stage_m:g} m: choose up to {_MOST_STAGE_M:g} m over the river's own"
            )
        if self.peak_m is not None and not self.stage_m <= self.peak_m <= _MOST_STAGE_M:
            raise WorldError(
                f"flood peak {self.peak_m:g} m: choose {self.stage_m:g} m (the stage) to {_MOST_STAGE_M:g} m"
            )

    @property
    def made_from(self) -> dict[str, Any]:
        """What tells whether a world is still that of this flood."""
        source: Any = [[p.lat_deg, p.lon_deg] for p in self.river] if isinstance(self.river, tuple) else None
        if isinstance(self.river, Path):
            try:
                facts = self.river.stat()
            except OSError as error:
                raise WorldError(
                    f"{self.river}: the river cannot be read ({error.strerror}); name a file"
                ) from error
            source = [str(self.river.resolve()), facts.st_size, facts.st_mtime_ns]
        return {"stage_m": self.stage_m, "peak_m": self.peak_m, "river": source}


@dataclass(frozen=True)
class Inundation:
    """Where the water stands: rasters (rows, cols) in metres on the DEM's grid."""

    river: River
    stage_m: float
    depth_m: Heights
    peak_depth_m: Heights
    above_m: Heights
    """The water's surface over the ground, negative where that is higher; also where no water gets to."""


def inundate(flood: RealFlood, dem: Path, frame: LocalFrame, grid: Grid, heights_m: Heights) -> Inundation:
    """Raise the river's surface by the stage: all lower ground that is joined to the river is under water.

    Raises WorldError when there is no river.
    """
    river = find_river(flood.river, dem, frame, grid)
    runs, level = river_levels(river, heights_m, grid)
    above = (level + flood.stage_m - heights_m).astype(np.float32)
    depth = joined(above, runs)
    peak_m = flood.stage_m if flood.peak_m is None else flood.peak_m
    peak = depth if peak_m == flood.stage_m else joined(above + (peak_m - flood.stage_m), runs)
    return Inundation(river, flood.stage_m, depth, peak, above)


def paint_flood(
    picture: Pixels,
    grid: Grid,
    water: Inundation,
    heights_m: Heights,
    surface_m: Heights | None,
    coarse: Grid,
) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """The picture (rows, cols, 3) with water and mud, the water's opacity, and classes and changes as legend
    codes (classes only where there is water or mud: 0 elsewhere). Heights are on the `coarse` grid; what
    stands on the ground is known from `surface_m` alone."""
    noise = PixelNoise(0, (grid.rows, grid.cols))
    after = picture.copy()
    opacity, classes = (np.zeros((grid.rows, grid.cols), np.uint8) for _ in range(2))
    change = np.full((grid.rows, grid.cols), UNCHANGED, np.uint8)
    signed = np.where(water.depth_m > 0, water.depth_m, np.minimum(water.above_m, -0.02)).astype(np.float32)
    own = _own_bed(water.river, grid)
    tall = None if surface_m is None else (surface_m - heights_m).astype(np.float32)
    for top in range(0, grid.rows, _BAND_ROWS):
        window = slice(top, min(top + _BAND_ROWS, grid.rows)), slice(0, grid.cols)
        clump = noise.tile("clump", window, [64, 16, 8, 4], [0.4, 0.5, 0.5, 0.3])
        depth = upsampled(signed, coarse, grid, window) + _SHORE_M * clump * (own[window[0]] == 0)
        peak = upsampled(water.peak_depth_m, coarse, grid, window)
        mud = np.clip((peak + 0.2 * clump - 0.1) * 4.0, 0, 1) * (peak > 0)
        see = np.clip(depth * 5.5, 0, 1) * 0.96
        if tall is not None:
            stands = upsampled(tall, coarse, grid, window)
            out = stands > np.maximum(depth, 0) + _STANDS_M
            mud[stands > np.maximum(peak, 0) + _STANDS_M] = 0.0
            see[out] = 0.0
        _mix(after[window], mud, see, depth, clump)
        thin = (see * 255).astype(np.uint8)
        opacity[window] = np.where(thin == STANDS_OUT, 0, thin)
        if tall is not None:
            opacity[window][out & (depth > 0)] = STANDS_OUT
        wet, muddy = (see > 0) & (depth > 0.03), mud > 0.5
        classes[window] = np.where(wet, WATER, np.where(muddy, MUD, 0))
        flooded = np.where(own[window[0]] > 0, UNCHANGED, FLOODED)
        change[window] = np.where(wet, flooded, np.where(muddy, MUD_OR_DEBRIS_LAID, UNCHANGED))
    return after, opacity, classes, change


def _own_bed(river: River, grid: Grid) -> Pixels:
    """1 where the river runs without a flood, as far as that is known: it is for areas."""
    if not river.areas:
        return np.zeros((grid.rows, grid.cols), np.uint8)
    shapes = [(area, 1) for area in river.areas]
    burnt = features.rasterize(shapes, (grid.rows, grid.cols), transform=store.transform_of(grid))
    return np.asarray(burnt, np.uint8)


def _mix(
    picture: Pixels,
    mud: npt.NDArray,
    opacity: npt.NDArray,
    depth: npt.NDArray,
    clump: npt.NDArray,
) -> None:
    """Lay mud, then water, over a part of the picture. Light and shade of the ground show through the mud."""
    light = picture.mean(axis=2, dtype=np.float32) / 255.0
    wet = np.clip(1.15 - 1.4 * np.maximum(-depth, 0), 0, 1)
    silt = (1 - 0.2 * wet) * (1 + 0.12 * clump) * (0.72 + 0.5 * light)
    far = np.clip(depth / 2.5, 0, 1)
    for band in range(3):
        plane = picture[..., band].astype(np.float32)
        plane += 0.88 * mud * (MUD_RGB[band] * silt - plane)
        water = WATER_SHALLOW_RGB[band] + far * (WATER_DEEP_RGB[band] - WATER_SHALLOW_RGB[band])
        plane += opacity * (water - plane)
        picture[..., band] = np.clip(plane, 0, 255)


def reach(depth_m: Heights, grid: Grid) -> Polygon | None:
    """The outline of the largest connected part under water, its small islands and inlets left out; None if
    none is wide enough to be flown over."""
    mask = (depth_m > 0).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((31, 31), np.uint8))
    mask = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)), np.uint8)
    parts = [shape(g) for g, value in features.shapes(mask, transform=store.transform_of(grid)) if value == 1]
    if not parts:
        return None
    return Polygon(max(parts, key=lambda part: part.area).exterior).buffer(6.0).simplify(4.0)


def write_truth(world: World, water: Inundation) -> None:
    """Depths, outlines of the water, the river, and the zone to survey."""
    frame, grid = world.frame, world.dem_grid
    store.write_grid(world.truth_depth, water.depth_m, grid, frame)
    store.write_grid(world.truth_depth_peak, water.peak_depth_m, grid, frame)
    moments = {"survey": water.depth_m, "peak": water.peak_depth_m}
    wet = [(moment, part) for moment, depth in moments.items() for part in store.outlines(depth, grid)]
    store.write_layer(world.truth_water, frame, [part for _, part in wet], {"moment": [m for m, _ in wet]})
    runs = [
        *water.river.lines,
        *(part for area in water.river.areas for part in getattr(area, "geoms", [area])),
    ]
    store.write_layer(world.rivers, frame, runs, {"known_by": [water.river.found] * len(runs)})
    zone = reach(water.peak_depth_m, grid)
    world.zone.unlink(missing_ok=True)
    if zone is not None:
        half_e, half_n = world.width_m / 2, world.height_m / 2
        part = zone.intersection(box(-half_e, -half_n, half_e, half_n))
        largest = max(getattr(part, "geoms", [part]), key=lambda p: p.area)
        store.write_layer(world.zone, frame, [largest], {"name": ["Flood zone"], "priority": [1.0]})
