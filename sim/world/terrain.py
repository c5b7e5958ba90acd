"""The shape of the valley: river, floor, terraces, slopes; heights on a metre grid.

All of it is made up; only the proportions are those of small mountain valleys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from shapely import LineString, Point, get_coordinates, segmentize

from sim.world.noise import fractal_grid, generator

FloatArray = npt.NDArray[np.float64]
Heights = npt.NDArray[np.float32]

RIVER_HALF_WIDTH_M = 9.0
STREAM_HALF_WIDTH_M = 2.4
STREAM_ROOM_M = (5.0, 7.0)
"""A road's bed ends this far from a tributary's middle: a bridge begins."""
FLOOR_HALF_WIDTH_M = 122.0
_FLOOR_AMSL_M = 640.0
_FALL = 0.006
_TERRACE_STEP_M = 2.6
_FAR_M = 60.0
_STREAM_DEPTH_M = 1.5
"""Of a tributary's bed below the ground beside it."""


def smoothstep(low: float, high: float, x: npt.NDArray) -> npt.NDArray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Grid:
    """Cell centres of a north-up raster in the local frame: row 0 is the northernmost."""

    west_m: float
    north_m: float
    step_m: float
    rows: int
    cols: int

    @property
    def east_centres_m(self) -> FloatArray:
        """Shape (cols,)."""
        return self.west_m + (np.arange(self.cols, dtype=np.float64) + 0.5) * self.step_m

    @property
    def north_centres_m(self) -> FloatArray:
        """Shape (rows,)."""
        return self.north_m - (np.arange(self.rows, dtype=np.float64) + 0.5) * self.step_m

    def to_pixel(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(col, row) with pixel centres at integers."""
        col = (np.asarray(east_m, float) - self.west_m) / self.step_m - 0.5
        row = (self.north_m - np.asarray(north_m, float)) / self.step_m - 0.5
        return col, row

    def sample(self, values: npt.NDArray, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> FloatArray:
        """Bilinear values at places; places outside take the border's."""
        col, row = self.to_pixel(east_m, north_m)
        col = np.clip(col, 0, self.cols - 1.001)
        row = np.clip(row, 0, self.rows - 1.001)
        c, r = col.astype(int), row.astype(int)
        fc, fr = col - c, row - r
        upper = values[r, c] * (1 - fc) + values[r, c + 1] * fc
        lower = values[r + 1, c] * (1 - fc) + values[r + 1, c + 1] * fc
        return upper * (1 - fr) + lower * fr


@dataclass(frozen=True)
class Valley:
    """The lines that everything else is laid out along. Metres in the local frame, origin in the middle."""

    seed: int
    width_m: float
    height_m: float
    phases: tuple[float, float, float, float]

    @classmethod
    def from_seed(cls, seed: int, width_m: float, height_m: float) -> Valley:
        """The valley of this seed."""
        rng = generator(seed, "valley")
        phases = rng.uniform(0, 2 * np.pi, 4)
        return cls(seed, width_m, height_m, tuple(float(p) for p in phases))  # type: ignore[arg-type]

    def axis_n(self, east_m: npt.ArrayLike) -> FloatArray:
        """North coordinate of the valley's axis."""
        e = np.asarray(east_m, float)
        return 22 * np.sin(2 * np.pi * e / 880 + self.phases[0]) - 22 * np.sin(self.phases[0])

    def river_n(self, east_m: npt.ArrayLike) -> FloatArray:
        """North coordinate of the river's centre line."""
        e = np.asarray(east_m, float)
        swing = 46 * np.sin(2 * np.pi * e / 395 + self.phases[1])
        return self.axis_n(e) + swing + 11 * np.sin(2 * np.pi * e / 171 + self.phases[2])

    def floor_amsl(self, east_m: npt.ArrayLike) -> FloatArray:
        """Height of the valley floor at the axis; it falls to the east."""
        return _FLOOR_AMSL_M - _FALL * np.asarray(east_m, float)

    @cached_property
    def river(self) -> LineString:
        """The river's centre line, a vertex per metre, past both borders."""
        e = np.arange(-self.width_m / 2 - 60, self.width_m / 2 + 61, 1.0)
        return LineString(np.stack([e, self.river_n(e)], axis=1))

    @cached_property
    def spur(self) -> tuple[float, float]:
        """(east, -1 or 1): where a spur of the terrace reaches into the floor, away from the river."""
        at = 0.04 * self.width_m
        side = -float(np.sign(self.river_n(at) - self.axis_n(at))) or 1.0
        ke, kn = self.knoll
        if side * (kn - float(self.axis_n(ke))) > 0:  # the hill stands there already
            at = ke + (105 if ke < 0 else -105)
        return float(at), side

    @cached_property
    def streams(self) -> tuple[LineString, ...]:
        """Two tributaries from the slopes to the river, a vertex per metre, from beyond the border down: in
        the west across from the village on the floor, in the east from where the river is nearest."""
        low_e, low_n = self.village_places[0]
        west_side = -float(np.sign(low_n - self.axis_n(low_e))) or 1.0
        east_e = 0.385 * self.width_m
        east_side = float(np.sign(self.river_n(east_e) - self.axis_n(east_e))) or 1.0
        places = ((-0.355 * self.width_m, west_side), (east_e, east_side))
        return tuple(self._stream(at, side, number) for number, (at, side) in enumerate(places))

    def _stream(self, at_e: float, side: float, number: int) -> LineString:
        phase = self.phases[3] + 2.1 * number
        mouth = float(self.river_n(at_e + 12))
        n = np.arange(mouth, side * (self.height_m / 2 + 40), side * 1.0)
        away = np.abs(n - mouth)
        e = (
            at_e
            + 12 * np.exp(-away / 22)
            + np.minimum(away / 30, 1) * (9 * np.sin(away / 31 + phase) - 9 * np.sin(phase))
        )
        return LineString(np.stack([e, n], axis=1)[::-1])

    @property
    def bridge_e(self) -> float:
        """East coordinate at which the bridge road leaves the axis."""
        return 0.085 * self.width_m

    @property
    def village_places(self) -> tuple[tuple[float, float], ...]:
        """(east, north) of three villages: on the floor across from the river, at the floor's southern
        edge, at the foot of the northern terrace."""
        low_e = -0.22 * self.width_m
        side = -float(np.sign(self.river_n(low_e) - self.axis_n(low_e))) or 1.0
        offsets = ((-0.22, side * 58), (0.21, 18 - FLOOR_HALF_WIDTH_M), (0.27, FLOOR_HALF_WIDTH_M + 8))
        return tuple(
            (share * self.width_m, float(self.axis_n(share * self.width_m)) + offset)
            for share, offset in offsets
        )

    @cached_property
    def knoll(self) -> tuple[float, float]:
        """Place of the dry hill on the floor: where it has most room between river, bridge and villages."""
        best, most = (0.0, 0.0), -np.inf
        for e in np.arange(-0.25 * self.width_m, 0.25 * self.width_m, 5.0):
            for offset in (-64, -56, -48, -40, 40, 48, 56, 64):
                n = float(self.axis_n(e)) + offset
                room = [self.river.distance(Point(e, n)) - 50, abs(e - self.bridge_e) - 62]
                room += [max(abs(e - ve) - 100, abs(n - vn) - 62) for ve, vn in self.village_places]
                if min(room) > most:
                    best, most = (float(e), n), min(room)
        return best


@dataclass(frozen=True)
class Relief:
    """Bare-earth heights with what the layout needs besides."""

    grid: Grid
    heights_m: Heights
    """(rows, cols), AMSL."""
    river_distance_m: Heights
    """(rows, cols), to the river's centre line; 60 m and farther count as 60."""
    stream_distance_m: Heights
    """(rows, cols), to the nearest tributary's centre line, as far."""
    stream_bed_m: Heights
    """(rows, cols), AMSL: its bed at the nearest place of it; 0 where it is 60 m away and farther."""
    terraced: Heights
    """(rows, cols), 0..1: how much the slope is cut into terraces."""

    def at(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> FloatArray:
        """Heights AMSL at places."""
        return self.grid.sample(self.heights_m, east_m, north_m)

    def with_heights(self, heights_m: Heights) -> Relief:
        """The same with other heights."""
        return replace(self, heights_m=heights_m)


def world_grid(width_m: float, height_m: float, step_m: float) -> Grid:
    """The grid of this step over the world."""
    rows, cols = round(height_m / step_m), round(width_m / step_m)
    return Grid(-width_m / 2, height_m / 2, step_m, rows, cols)


def make_relief(valley: Valley) -> Relief:
    """Heights before roads are built."""
    grid = world_grid(valley.width_m, valley.height_m, 1.0)
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    shape = e.shape

    def noise(key: str, cells: list[float], amplitudes: list[float]) -> Heights:
        return fractal_grid(valley.seed, key, shape, cells, amplitudes)

    river = _distance_to(valley.river, e, n)
    d = n - valley.axis_n(e)
    a = np.abs(d) + noise("floor edge", [90, 40], [16, 5])
    spur_e, spur_side = valley.spur
    spur = 46 * np.exp(-(((e - spur_e) / 42) ** 2)) * (d * spur_side > 0)
    river_room = smoothstep(22, 48, river)
    a += spur * river_room * smoothstep(30, 70, np.abs(d))
    z = valley.floor_amsl(e) + 0.004 * np.abs(d)
    z += noise("floor", [85, 34, 12], [0.72, 0.30, 0.08])
    z += 3.8 * smoothstep(FLOOR_HALF_WIDTH_M, FLOOR_HALF_WIDTH_M + 16, a)
    past = np.maximum(a - spur * river_room - FLOOR_HALF_WIDTH_M - 48, 0)
    rise = np.where(d > 0, 0.42, 0.34) * (np.sqrt(past**2 + 18**2) - 18)
    rise *= 1 + noise("spurs", [150, 70], [0.28, 0.14])
    z += rise + smoothstep(0, 60, past) * noise("gullies", [55, 24], [2.6, 0.9])
    terraced = smoothstep(-0.1, 0.15, noise("terraced", [130], [0.8])) * smoothstep(1.5, 5, rise)
    z = z + terraced * (_stepped(z) - z)
    ke, kn = valley.knoll
    z += 11 * np.exp(-(((e - ke) / 1.25) ** 2 + (n - kn) ** 2) / (2 * 19.0**2))
    bank = RIVER_HALF_WIDTH_M + noise("banks", [34, 12], [2.0, 0.8])
    z -= 3.1 * (1 - smoothstep(-2.0, 5.0, river - bank))
    z += noise("ground", [5, 2.5], [0.07, 0.03])
    stream, bed = _cut_streams(grid, z, valley)
    whole = (z, river, stream, bed, terraced)
    return Relief(grid, *(part.astype(np.float32) for part in whole))


def _cut_streams(grid: Grid, z: FloatArray, valley: Valley) -> tuple[FloatArray, FloatArray]:
    """Cut the tributaries' channels into the heights in place; (distance, bed) as Relief has them. A bed
    falls all the way and ends at the river's."""
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    nearest, bed = np.full(z.shape, _FAR_M), np.zeros(z.shape)
    for line in valley.streams:
        points = get_coordinates(line)
        ground = _smoothed(grid.sample(z, points[:, 0], points[:, 1]), 12)
        low = np.minimum.accumulate(ground - _STREAM_DEPTH_M)
        distance, index = cKDTree(points).query(
            np.stack([e.ravel(), n.ravel()], axis=1), distance_upper_bound=_FAR_M
        )
        near = np.isfinite(distance).reshape(z.shape)
        far, at = distance.reshape(z.shape)[near], index.reshape(z.shape)[near]
        bank = 1 - smoothstep(STREAM_HALF_WIDTH_M - 1.0, STREAM_HALF_WIDTH_M + 3.2, far)
        z[near] += bank * np.minimum(low[at] - z[near], 0.0)
        nearest[near], bed[near] = far, low[at]
    return nearest, bed


def terrace_phase(heights_m: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """(level, fraction 0..1 within it) of heights on terraced slopes."""
    level = np.floor(heights_m / _TERRACE_STEP_M)
    return level, heights_m / _TERRACE_STEP_M - level


def _stepped(z: npt.NDArray) -> npt.NDArray:
    level, fraction = terrace_phase(z)
    return (level + 0.18 * fraction + 0.82 * smoothstep(0.55, 1.0, fraction)) * _TERRACE_STEP_M


def lay_road(relief: Relief, line: LineString, half_width_m: float, raise_m: float) -> Relief:
    """The relief with a road bed along the line: level across, smooth along, `raise_m` above the ground."""
    points = get_coordinates(segmentize(line, 1.0))
    ground = relief.at(points[:, 0], points[:, 1])
    along = _smoothed(ground, 15) + raise_m
    grid = relief.grid
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    box = line.buffer(half_width_m + 10).bounds
    near = (e > box[0]) & (e < box[2]) & (n > box[1]) & (n < box[3])
    distance, index = cKDTree(points).query(
        np.stack([e[near], n[near]], axis=1), distance_upper_bound=half_width_m + 8
    )
    hit = np.isfinite(distance)
    weight = 1 - smoothstep(half_width_m + 0.8, half_width_m + 5.5, distance[hit])
    heights = relief.heights_m.copy()
    values = heights[near]
    # The channel stays open under bridges.
    weight = weight * smoothstep(13, 17, relief.river_distance_m[near][hit])
    weight = weight * smoothstep(*STREAM_ROOM_M, relief.stream_distance_m[near][hit])
    values[hit] += (weight * (along[index[hit]] - values[hit])).astype(np.float32)
    heights[near] = values
    return relief.with_heights(heights)


def _smoothed(values: FloatArray, half: int) -> FloatArray:
    kernel = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(values, half, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _distance_to(line: LineString, e: FloatArray, n: FloatArray) -> FloatArray:
    """Metres to the line, at most _FAR_M."""
    points = get_coordinates(segmentize(line, 0.5))
    places = np.stack([e.ravel(), n.ravel()], axis=1)
    distance, _ = cKDTree(points).query(places, distance_upper_bound=_FAR_M)
    return np.minimum(distance, _FAR_M).reshape(e.shape)
