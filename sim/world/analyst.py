"""What an analyst would paint: a few strokes per class, well inside what they can see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from shapely import LineString, Polygon

from imagery.damage.legend import CLASSES
from sim.errors import WorldError
from sim.world.noise import generator
from sim.world.store import World, read_band, write_layer
from sim.world.terrain import Grid

_WORK_STEP_M = 0.4
_WIDTH_M = {"road": 1.2, "building": 1.6, "debris": 1.2, "vegetation": 2.0}
_LENGTH_M = {"road": 12.0, "building": 5.0, "debris": 4.0}


def paint_samples(world: World, path: Path, strokes_per_class: int = 8, seed: int = 0) -> int:
    """Write strokes (narrow polygons) with a `class` attribute to a vector file; returns how many.

    Strokes lie inside the truth's areas and are spread: first far from each other. A class that the world
    shows nowhere gets none. Raises WorldError when nothing can be painted or written.
    """
    if strokes_per_class < 1:
        raise WorldError(f"{strokes_per_class} strokes per class: at least 1 is needed")
    codes = read_band(world.truth_classes)
    factor = max(1, round(_WORK_STEP_M / world.pixel_m))
    coarse = codes[factor // 2 :: factor, factor // 2 :: factor]
    full = world.image_grid
    grid = Grid(full.west_m, full.north_m, full.step_m * factor, *coarse.shape)
    rng = generator(seed, "strokes", world.seed)
    names = {entry.code: "bare" if entry.key == "bare_ground" else entry.key for entry in CLASSES[1:]}
    shapes: list[Polygon] = []
    labels: list[str] = []
    for code, name in names.items():
        strokes = _strokes(coarse == code, grid, name, strokes_per_class, rng)
        shapes += strokes
        labels += [name] * len(strokes)
    if not shapes:
        raise WorldError(f"{world.truth_classes}: no class to paint; make the world again")
    write_layer(Path(path), world.frame, shapes, {"class": labels})
    return len(shapes)


def _strokes(
    mask: npt.NDArray[np.bool_], grid: Grid, name: str, count: int, rng: np.random.Generator
) -> list[Polygon]:
    padded = np.pad(mask.astype(np.uint8), 1)
    room = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1] * grid.step_m
    half = _WIDTH_M.get(name, 2.4) / 2
    rows, cols = np.nonzero(room > half + grid.step_m)
    if len(rows) == 0:
        return []
    pick = rng.permutation(len(rows))[: 40 * count]
    places = np.column_stack([grid.east_centres_m[cols[pick]], grid.north_centres_m[rows[pick]]])
    out: list[Polygon] = []
    for index in _spread(places, count):
        line = _walk(places[index], room, grid, half, _LENGTH_M.get(name, 9.0), rng)
        out.append(line.buffer(half, quad_segs=4))
    return out


def _spread(places: npt.NDArray[np.float64], count: int) -> list[int]:
    """Indices of places far from each other (farthest-point order from the first)."""
    chosen = [0]
    nearest = np.hypot(*(places - places[0]).T)
    while len(chosen) < min(count, len(places)):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.hypot(*(places - places[chosen[-1]]).T))
    return chosen


def _walk(
    start: npt.NDArray[np.float64],
    room: npt.NDArray,
    grid: Grid,
    half_m: float,
    length_m: float,
    rng: np.random.Generator,
) -> LineString:
    """A short bent line from `start` that keeps half a stroke's width inside: the longest of some tries."""
    best = [start, start + np.array([0.05, 0.0])]
    for heading in rng.uniform(0, 2 * np.pi, 16):
        line, angle = [start], heading
        while len(line) * 0.8 < length_m:
            angle += rng.normal(0, 0.10)
            step = line[-1] + 0.8 * np.array([np.cos(angle), np.sin(angle)])
            col, row = (round(float(v)) for v in grid.to_pixel(*step))
            inside = 0 <= row < grid.rows and 0 <= col < grid.cols
            if not inside or room[row, col] < half_m + grid.step_m:
                break
            line.append(step)
        if len(line) > len(best):
            best = line
    return LineString(best)
