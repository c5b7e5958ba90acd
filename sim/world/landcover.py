"""What lies on the ground before the flood: roads, villages, fields, and the unit raster that joins them.

A unit is a patch of one material: a field, a road surface, a yard. The raster holds unit numbers; the
materials say how each is painted and which truth class it is.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt
from shapely import LineString, Polygon, box, get_coordinates, segmentize

from imagery.damage.legend import BARE, ROAD, VEGETATION
from sim.world.noise import PixelNoise, generator
from sim.world.terrain import (
    FLOOR_HALF_WIDTH_M,
    RIVER_HALF_WIDTH_M,
    STREAM_HALF_WIDTH_M,
    STREAM_ROOM_M,
    Grid,
    Relief,
    Valley,
    lay_road,
    terrace_phase,
)

Units = npt.NDArray[np.uint16]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a unit is painted. Colours are RGB 0..255; amplitudes are shares of the colour."""

    colour: Colour
    tint: Colour
    """Added times slow noise: the patchiness of real ground."""
    patch: float = 0.10
    """Amplitude at tens of metres down to one."""
    clump: float = 0.12
    """At about half a metre to one metre."""
    grain: float = 0.12
    """At two to four pixels."""
    speckle: float = 0.06
    """Pixel to pixel."""
    row_amplitude: float = 0.0
    row_spacing_m: float = 1.0
    row_heading_rad: float = 0.0
    class_code: int = VEGETATION


GRASS, SCRUB, FOREST, GRAVEL, RIVER_BED, ASPHALT, CONCRETE, DIRT, YARD, BUND = range(10)
_FIRST_TERRACE, _TERRACES = 16, 40
_FIRST_PARCEL = _FIRST_TERRACE + _TERRACES

_FIXED: dict[int, Material] = {
    GRASS: Material((104, 122, 66), (26, 10, 8), 0.16, 0.17, 0.15, 0.07),
    SCRUB: Material((78, 98, 52), (22, 14, 10), 0.18, 0.27, 0.18, 0.08),
    FOREST: Material((58, 74, 40), (20, 14, 10), 0.18, 0.28, 0.20, 0.08),
    GRAVEL: Material((168, 160, 146), (14, 10, 4), 0.10, 0.14, 0.20, 0.12, class_code=BARE),
    RIVER_BED: Material((112, 108, 88), (8, 10, 6), 0.10, 0.10, 0.10, 0.06, class_code=BARE),
    ASPHALT: Material((112, 112, 114), (9, 8, 6), 0.09, 0.05, 0.07, 0.06, class_code=ROAD),
    CONCRETE: Material((178, 174, 164), (10, 10, 9), 0.08, 0.06, 0.05, 0.045, class_code=ROAD),
    DIRT: Material((158, 132, 98), (14, 12, 10), 0.12, 0.14, 0.12, 0.07, class_code=ROAD),
    YARD: Material((160, 148, 128), (22, 18, 14), 0.14, 0.15, 0.12, 0.07, class_code=BARE),
    BUND: Material((122, 126, 80), (24, 10, 10), 0.14, 0.24, 0.20, 0.09),
}


@dataclass(frozen=True)
class Road:
    """A road's centre line in local metres."""

    road_id: int
    name: str
    line: LineString
    half_width_m: float
    unit: int
    raise_m: float

    @property
    def surface(self) -> Polygon:
        """The carriageway."""
        return self.line.buffer(self.half_width_m, cap_style="flat")


@dataclass(frozen=True)
class Bridge:
    """Where a road crosses water: `line` is the part of its centre line that is no embankment."""

    bridge_id: int
    road: Road
    line: LineString
    over_river: bool


@dataclass(frozen=True)
class Village:
    """A village about a street."""

    name_zh: str
    name_en: str
    east_m: float
    north_m: float
    heading_rad: float
    houses: int

    def place(self, along_m: float, across_m: float) -> tuple[float, float]:
        """Local coordinates of a place along and to the left of the street."""
        c, s = np.cos(self.heading_rad), np.sin(self.heading_rad)
        return self.east_m + c * along_m - s * across_m, self.north_m + s * along_m + c * across_m


@dataclass(frozen=True)
class Parcel:
    """A field."""

    polygon: Polygon
    material: Material
    orchard: bool = False


@dataclass(frozen=True)
class Layout:
    """Everything that people made of the valley."""

    valley: Valley
    relief: Relief
    """With road beds."""
    roads: tuple[Road, ...]
    villages: tuple[Village, ...]
    parcels: tuple[Parcel, ...]

    @cached_property
    def bridges(self) -> tuple[Bridge, ...]:
        """The one over the river first, then those over the tributaries."""
        valley = self.valley
        found = [(self.bridge_road, valley.river.buffer(RIVER_HALF_WIDTH_M + 7), True)]
        found += [(road, s.buffer(STREAM_ROOM_M[1]), False) for s in valley.streams for road in self.roads]
        bridges: list[Bridge] = []
        for road, water, over_river in found:
            over = road.line.intersection(water)
            if not over_river:
                over = over.difference(valley.river.buffer(RIVER_HALF_WIDTH_M + 7))
            if over.length > 2.0:
                part = max(getattr(over, "geoms", [over]), key=lambda g: g.length)
                bridges.append(Bridge(len(bridges), road, part, over_river))
        return tuple(bridges)

    @property
    def bridge_road(self) -> Road:
        """The road that crosses the river."""
        return next(road for road in self.roads if road.name == "Bridge road")


def lay_out(valley: Valley, relief: Relief) -> Layout:
    """Roads, villages and fields of the valley; the relief gets its road beds."""
    villages = _villages(valley)
    roads = _roads(valley, villages)
    for road in roads:
        relief = lay_road(relief, road.line, road.half_width_m, road.raise_m)
    return Layout(valley, relief, roads, villages, _parcels(valley))


def materials(layout: Layout) -> list[Material]:
    """The material of each unit number."""
    table = [_FIXED.get(unit, _FIXED[GRASS]) for unit in range(_FIRST_TERRACE)]
    rng = generator(layout.valley.seed, "terrace crops")
    table += [replace(_crop(rng), row_amplitude=0.0) for _ in range(_TERRACES)]
    return table + [parcel.material for parcel in layout.parcels]


def unit_raster(layout: Layout, grid: Grid, noise: PixelNoise, house_pads: list[Polygon]) -> Units:
    """Unit numbers (rows, cols) on the image grid."""
    units = np.zeros((grid.rows, grid.cols), np.uint16)
    _paint_slopes(units, layout, grid, noise)
    floor = _floor_polygon(layout.valley)
    fill(units, grid, [floor], BUND)
    for number, parcel in enumerate(layout.parcels):
        fill(units, grid, [parcel.polygon], _FIRST_PARCEL + number)
    ke, kn = layout.valley.knoll
    fill(units, grid, [ragged(LineString([(ke, kn), (ke + 1, kn)]).buffer(44), generator(0, ke), 0.5)], SCRUB)
    river, streams = layout.valley.river, layout.valley.streams
    fill(units, grid, [s.buffer(STREAM_HALF_WIDTH_M + 3.4) for s in streams], GRASS)
    fill(units, grid, [s.buffer(STREAM_HALF_WIDTH_M + 0.9) for s in streams], GRAVEL)
    fill(units, grid, [s.buffer(STREAM_HALF_WIDTH_M - 0.6) for s in streams], RIVER_BED)
    fill(units, grid, [river.buffer(RIVER_HALF_WIDTH_M + 9)], GRASS)
    fill(units, grid, [river.buffer(RIVER_HALF_WIDTH_M + 3.5)], GRAVEL)
    fill(units, grid, [river.buffer(RIVER_HALF_WIDTH_M - 2)], RIVER_BED)
    fill(units, grid, house_pads, YARD)
    for road in layout.roads:
        verge = road.line.buffer(road.half_width_m + 1.3, cap_style="flat")
        fill(units, grid, [verge], BUND if road.unit != CONCRETE else YARD)
    for road in layout.roads:
        fill(units, grid, [road.surface], road.unit)
    return units


def fill(raster: npt.NDArray, grid: Grid, polygons: list[Polygon], value: int) -> None:
    """Burn polygons (local metres) into a raster in place, to a sixteenth of a pixel."""
    for polygon in polygons:
        rings = []
        for part in getattr(polygon, "geoms", [polygon]):
            for ring in (part.exterior, *part.interiors):
                col, row = grid.to_pixel(*get_coordinates(ring).T)
                rings.append(np.round(np.stack([col, row], axis=1) * 16).astype(np.int32))
        if rings:
            cv2.fillPoly(raster, rings, value, shift=4)


def _paint_slopes(units: Units, layout: Layout, grid: Grid, noise: PixelNoise) -> None:
    relief = layout.relief
    for window in tiles(grid):
        z = upsampled(relief.heights_m, relief.grid, grid, window)
        woods = noise.tile("woods", window, [1024, 512, 128, 16, 4], [0.8, 0.5, 0.35, 0.10, 0.05])
        tile = np.full(z.shape, GRASS, np.uint16)
        tile[woods > -0.12] = SCRUB
        tile[woods > 0.10] = FOREST
        cut = upsampled(relief.terraced, relief.grid, grid, window) + 0.1 * woods > 0.5
        level, fraction = terrace_phase(z + 0.12 * woods)
        across = noise.tile("terrace ends", window, [512, 128, 16], [1.2, 0.4, 0.05])
        pick = (level.astype(np.int64) * 7 + np.floor(across * 2.2).astype(np.int64) * 3) % _TERRACES
        crop = np.where((fraction > 0.52) | (fraction < 0.015), BUND, _FIRST_TERRACE + pick)
        tile[cut] = crop[cut].astype(np.uint16)
        units[window] = tile


def tiles(grid: Grid, side_px: int = 512) -> list[tuple[slice, slice]]:
    """Windows (rows, cols) that cover the grid."""
    return [
        (slice(r, min(r + side_px, grid.rows)), slice(c, min(c + side_px, grid.cols)))
        for r in range(0, grid.rows, side_px)
        for c in range(0, grid.cols, side_px)
    ]


def upsampled(
    values: npt.NDArray, source: Grid, target: Grid, window: tuple[slice, slice]
) -> npt.NDArray[np.float32]:
    """Bilinear values of a coarse raster on a window of a finer grid, float32."""
    rows, cols = window
    east = target.west_m + (np.arange(cols.start, cols.stop) + 0.5) * target.step_m
    north = target.north_m - (np.arange(rows.start, rows.stop) + 0.5) * target.step_m
    col, row = source.to_pixel(east, north)
    by_row = _lerp(values.astype(np.float32, copy=False), row, 0)
    return _lerp(by_row, col, 1)


def _lerp(values: npt.NDArray, index: npt.NDArray, axis: int) -> npt.NDArray:
    size = values.shape[axis]
    low = np.clip(np.floor(index).astype(int), 0, size - 2)
    t = np.clip(index - low, 0, 1).astype(np.float32)
    t = t[:, None] if axis == 0 else t[None, :]
    return np.take(values, low, axis) * (1 - t) + np.take(values, low + 1, axis) * t


def _villages(valley: Valley) -> tuple[Village, ...]:
    names = (("河湾村", "Hewan", 22), ("柳坝村", "Liuba", 18), ("上坪村", "Shangping", 14))
    out = []
    for (e, n), (zh, en, houses) in zip(valley.village_places, names, strict=True):
        slope = float(valley.axis_n(e + 1) - valley.axis_n(e - 1)) / 2
        out.append(Village(zh, en, e, n, float(np.arctan(slope)), houses))
    return tuple(out)


def _roads(valley: Valley, villages: tuple[Village, ...]) -> tuple[Road, ...]:
    half = valley.width_m / 2 + 20
    e = np.arange(-half, half + 1, 6.0)

    def along(offset: float) -> LineString:
        return LineString(np.stack([e, valley.axis_n(e) + offset], axis=1))

    north_d, south_d = FLOOR_HALF_WIDTH_M + 26, -(FLOOR_HALF_WIDTH_M - 8)
    cross_e = valley.bridge_e
    cross_d = np.arange(south_d, north_d + 1, 6.0)
    cross = LineString(np.stack([cross_e + 0.05 * cross_d, valley.axis_n(cross_e) + cross_d], axis=1))
    roads = [
        Road(1, "Valley road", along(north_d), 3.4, ASPHALT, 0.3),
        Road(2, "South road", along(south_d), 2.4, CONCRETE, 0.7),
        Road(3, "Bridge road", cross, 2.8, ASPHALT, 1.7),
    ]
    for village in villages:
        reach = village.houses * 4.6
        street = LineString([village.place(-reach, 0), village.place(reach, 0)])
        main = roads[0] if village.north_m > valley.axis_n(village.east_m) else roads[1]
        foot = main.line.interpolate(main.line.project(street.centroid))
        roads.append(Road(len(roads) + 1, f"{village.name_en} street", street, 1.9, CONCRETE, 0.15))
        if foot.distance(street) > 4:
            lane = LineString([village.place(0, 0), (foot.x, foot.y)])
            roads.append(Road(len(roads) + 1, f"{village.name_en} lane", lane, 1.8, CONCRETE, 0.2))
    roads.append(Road(len(roads) + 1, "Hill track", _track(valley), 1.3, DIRT, 0.0))
    return tuple(roads)


def _track(valley: Valley) -> LineString:
    d = np.arange(FLOOR_HALF_WIDTH_M + 26, valley.height_m / 2 + 60, 4.0)
    e = -0.1 * valley.width_m + 26 * np.sin(d / 33) - 0.3 * (d - d[0])
    return LineString(np.stack([e, valley.axis_n(e) + d], axis=1))


def _parcels(valley: Valley) -> tuple[Parcel, ...]:
    rng = generator(valley.seed, "parcels")
    half_w, half_v = valley.width_m / 2 + 10, FLOOR_HALF_WIDTH_M + 44
    boxes: list[tuple[float, float, float, float]] = []
    stack = [(-half_w, -half_v, half_w, half_v)]
    while stack:
        u0, v0, u1, v1 = stack.pop()
        du, dv = u1 - u0, v1 - v0
        if du * dv < rng.uniform(450, 1500) and max(du, dv) < 60:
            boxes.append((u0, v0, u1, v1))
        elif du > dv * rng.uniform(0.8, 1.3):
            cut = u0 + du * rng.uniform(0.35, 0.65)
            stack += [(u0, v0, cut, v1), (cut, v0, u1, v1)]
        else:
            cut = v0 + dv * rng.uniform(0.35, 0.65)
            stack += [(u0, v0, u1, cut), (u0, cut, u1, v1)]
    return tuple(_parcel(valley, place, rng) for place in boxes)


def _parcel(valley: Valley, place: tuple[float, float, float, float], rng: np.random.Generator) -> Parcel:
    u0, v0, u1, v1 = place
    gap = float(rng.uniform(0.25, 0.6))
    ring = box(u0 + gap, v0 + gap, u1 - gap, v1 - gap).exterior
    uv = get_coordinates(segmentize(ring, 3.0))
    # One smooth warp for all fields: shared borders stay shared, and none is straight.
    e = uv[:, 0] + 2.2 * np.sin(uv[:, 1] / 17 + valley.phases[3]) + 0.9 * np.sin(uv[:, 1] / 5.3)
    n = valley.axis_n(uv[:, 0]) + uv[:, 1] + 2.0 * np.sin(uv[:, 0] / 21) + 0.8 * np.sin(uv[:, 0] / 6.1)
    along_valley = np.arctan(float(valley.axis_n(u0 + 1) - valley.axis_n(u0)))
    heading = along_valley + (np.pi / 2 if (u1 - u0) < (v1 - v0) else 0.0) + rng.normal(0, 0.03)
    orchard = bool(rng.random() < 0.07)
    material = _FIXED[GRASS] if orchard else replace(_crop(rng), row_heading_rad=float(heading))
    return Parcel(Polygon(np.stack([e, n], axis=1)), material, orchard)


_CROPS: tuple[tuple[float, Material], ...] = (
    (0.28, Material((92, 128, 58), (20, 8, 6), 0.10, 0.10, 0.13, 0.07, 0.10, 0.30)),  # rice
    (0.15, Material((142, 146, 66), (18, 8, 8), 0.12, 0.12, 0.13, 0.07, 0.10, 0.30)),  # ripening
    (0.16, Material((84, 112, 60), (18, 16, 12), 0.12, 0.18, 0.16, 0.08, 0.26, 1.1)),  # vegetables
    (0.12, Material((170, 162, 84), (14, 16, 10), 0.12, 0.20, 0.20, 0.10, 0.12, 0.9)),  # rapeseed
    (0.17, Material((140, 112, 82), (16, 14, 12), 0.12, 0.16, 0.15, 0.07, 0.16, 0.7, 0, BARE)),  # ploughed
    (0.12, Material((112, 116, 70), (26, 12, 10), 0.16, 0.22, 0.18, 0.08)),  # fallow
)


def _crop(rng: np.random.Generator) -> Material:
    index = int(rng.choice(len(_CROPS), p=[share for share, _ in _CROPS]))
    kind = _CROPS[index][1]
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in kind.colour))
    h, s, v = h + rng.normal(0, 0.012), s * rng.uniform(0.62, 0.9), v * rng.uniform(0.86, 1.14)
    r, g, b = colorsys.hsv_to_rgb(h % 1, min(s, 1), min(v, 1))
    return replace(
        kind,
        colour=(r * 255, g * 255, b * 255),
        row_spacing_m=kind.row_spacing_m * float(rng.uniform(0.85, 1.3)),
        row_heading_rad=float(rng.uniform(0, np.pi)),
    )


def _floor_polygon(valley: Valley) -> Polygon:
    e = np.arange(-valley.width_m / 2 - 20, valley.width_m / 2 + 21, 5.0)
    edge = FLOOR_HALF_WIDTH_M + 44 + 4 * np.sin(e / 13) + 6 * np.sin(e / 47 + 1)
    upper = np.stack([e, valley.axis_n(e) + edge], axis=1)
    lower = np.stack([e, valley.axis_n(e) - edge], axis=1)[::-1]
    return Polygon(np.concatenate([upper, lower]))


def ragged(polygon: Polygon, rng: np.random.Generator, amount: float = 1.0) -> Polygon:
    """The polygon with an uneven edge; `amount` 1 moves it by about a fifth of the radius."""
    ring = get_coordinates(segmentize(polygon.exterior, 2.0))[:-1]
    centre = ring.mean(axis=0)
    angle = np.linspace(0, 2 * np.pi, len(ring), endpoint=False)
    wave = sum(rng.normal(0, 0.3 * amount / k) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in range(2, 9))
    return Polygon(centre + (ring - centre) * (1 + np.asarray(wave))[:, None]).buffer(0)
