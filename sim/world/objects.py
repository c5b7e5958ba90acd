"""What stands up from the ground: houses, the bridge deck, trees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from shapely import MultiPolygon, Point, Polygon, STRtree, points, prepare, unary_union

from imagery.damage.legend import GRADE_DESTROYED, GRADE_NONE
from sim.world.landcover import BUND, FOREST, GRASS, SCRUB, Bridge, Layout, Units
from sim.world.noise import generator
from sim.world.terrain import (
    RIVER_HALF_WIDTH_M,
    STREAM_HALF_WIDTH_M,
    FloatArray,
    Grid,
    Relief,
    Valley,
)

Colour = tuple[int, int, int]

TREE_SHAPES, TREE_TINTS = 12, 4


@dataclass(frozen=True)
class Building:
    """A box with a flat or a gabled roof (ridge along the length), in local metres.

    The bridge deck is one as well (`is_bridge`): a slab that stands on nothing the camera needs to see.
    """

    building_id: int
    village: str
    east_m: float
    north_m: float
    heading_rad: float
    length_m: float
    width_m: float
    base_m: float
    """Foot of the walls AMSL: a little under the ground at the lowest corner."""
    wall_m: float
    """Eave above the base."""
    rise_m: float
    """Ridge above the eave; 0 for a flat roof."""
    roof_colour: Colour
    wall_colour: Colour
    people: int
    grade: str = GRADE_NONE
    flooded: bool = False
    depth_m: float = 0.0
    """Water above the ground at the walls when the survey is flown."""
    is_bridge: bool = False

    @property
    def eave_m(self) -> float:
        """AMSL."""
        return self.base_m + self.wall_m

    @property
    def ridge_m(self) -> float:
        """AMSL."""
        return self.eave_m + self.rise_m

    @property
    def standing(self) -> bool:
        """False when only rubble is left."""
        return self.grade != GRADE_DESTROYED

    @property
    def axes(self) -> FloatArray:
        """2x2: unit vectors along the length and to its left, as rows."""
        c, s = np.cos(self.heading_rad), np.sin(self.heading_rad)
        return np.array([[c, s], [-s, c]])

    @property
    def corners(self) -> FloatArray:
        """(4, 2) east, north, counter-clockwise from back right."""
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [self.length_m / 2, self.width_m / 2]
        return np.array([self.east_m, self.north_m]) + half @ self.axes

    @property
    def footprint(self) -> Polygon:
        """Outline at the ground."""
        return Polygon(self.corners)

    @property
    def ridge(self) -> FloatArray:
        """(2, 2): the ridge's ends, east and north."""
        half = np.array([[-self.length_m / 2, 0.0], [self.length_m / 2, 0.0]])
        return np.array([self.east_m, self.north_m]) + half @ self.axes

    @property
    def roof_planes(self) -> list[FloatArray]:
        """Each plane's (4, 3) corners, counter-clockwise from above."""
        corners, eave = self.corners, self.eave_m
        if self.rise_m == 0:
            return [np.column_stack([corners, np.full(4, eave)])]
        a, b = np.column_stack([self.ridge, np.full(2, self.ridge_m)])
        low = np.column_stack([corners, np.full(4, eave)])
        return [np.array([low[0], low[1], b, a]), np.array([low[2], low[3], a, b])]

    @property
    def walls(self) -> list[FloatArray]:
        """Each wall's (n, 3) outline, n = 4 or 5 (gable ends), from the ground up."""
        corners = self.corners
        out = []
        for i in range(4):
            p, q = corners[i], corners[(i + 1) % 4]
            outline = [[*p, self.base_m], [*q, self.base_m], [*q, self.eave_m]]
            if self.rise_m and i in (1, 3):
                outline.append([*(self.ridge[1] if i == 1 else self.ridge[0]), self.ridge_m])
            out.append(np.array([*outline, [*p, self.eave_m]]))
        return out


@dataclass(frozen=True)
class Trees:
    """Arrays (n,), one entry a tree, local metres."""

    east_m: FloatArray
    north_m: FloatArray
    ground_m: FloatArray
    radius_m: FloatArray
    height_m: FloatArray
    look: npt.NDArray[np.int64]
    """Sprite number, 0 .. TREE_SHAPES * TREE_TINTS - 1."""
    angle_deg: FloatArray

    def __len__(self) -> int:
        return len(self.east_m)

    def keep(self, which: npt.NDArray) -> Trees:
        """Those of a mask or index array."""
        return Trees(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


_ROOFS: tuple[tuple[Colour, float], ...] = (
    ((94, 92, 96), 0.34),  # grey tile
    ((136, 88, 72), 0.22),  # red tile
    ((84, 110, 140), 0.14),  # blue sheet
    ((176, 170, 160), 0.30),  # concrete
)


def place_buildings(layout: Layout) -> tuple[Building, ...]:
    """Houses along the streets, before the flood."""
    rng = generator(layout.valley.seed, "houses")
    blocked = [
        *(road.line.buffer(road.half_width_m + 1.4) for road in layout.roads),
        layout.valley.river.buffer(RIVER_HALF_WIDTH_M + 13),
        *(stream.buffer(STREAM_HALF_WIDTH_M + 6) for stream in layout.valley.streams),
        Point(layout.valley.knoll).buffer(38),
    ]
    taken: list[Polygon] = []
    houses: list[Building] = []
    for village in layout.villages:
        placed, tries = 0, 0
        while placed < village.houses and tries < 900:
            tries += 1
            row = rng.choice([-1, 1]) * rng.choice([9.5, 24.0, 38.0], p=[0.5, 0.32, 0.18])
            along = rng.uniform(-1, 1) * village.houses * 4.4
            e, n = village.place(along, row + rng.normal(0, 1.2))
            house = _house(rng, len(houses) + 1, village.name_en, e, n, village.heading_rad)
            room = house.footprint.buffer(2.6)
            if any(room.intersects(other) for other in taken + blocked):
                continue
            houses.append(_on_ground(house, layout.relief))
            taken.append(house.footprint)
            placed += 1
    return tuple(houses)


def _house(
    rng: np.random.Generator, number: int, village: str, e: float, n: float, street_rad: float
) -> Building:
    heading = street_rad + rng.normal(0, 0.07) + (np.pi / 2 if rng.random() < 0.22 else 0)
    width = rng.uniform(6.5, 9.5)
    kind = int(rng.choice(len(_ROOFS), p=[share for _, share in _ROOFS]))
    floors = int(rng.choice([1, 2, 3], p=[0.4, 0.45, 0.15]))
    tone = rng.uniform(0.84, 1.14)
    colour = tuple(int(np.clip(c * tone + rng.normal(0, 3), 0, 255)) for c in _ROOFS[kind][0])
    light = int(rng.uniform(150, 215))
    return Building(
        building_id=number,
        village=village,
        east_m=e,
        north_m=n,
        heading_rad=float(heading),
        length_m=float(width * rng.uniform(1.15, 1.75)),
        width_m=float(width),
        base_m=0.0,
        wall_m=float(floors * 3.0 + rng.uniform(0.1, 0.7)),
        rise_m=0.0 if kind == 3 else float(width * rng.uniform(0.2, 0.3)),
        roof_colour=colour,  # type: ignore[arg-type]
        wall_colour=(light, light - 8, light - 22),
        people=int(rng.integers(1, 7)),
    )


def _on_ground(house: Building, relief: Relief) -> Building:
    heights = relief.at(house.corners[:, 0], house.corners[:, 1])
    return replace(house, base_m=float(heights.min()) - 0.2)


def bridge_deck(bridge: Bridge, layout: Layout) -> Building:
    """A bridge as a slab over the water; its number is that of the bridge, below zero."""
    road, part = bridge.road, bridge.line
    (e0, n0), (e1, n1) = part.coords[0], part.coords[-1]
    top = float(np.mean(layout.relief.at([e0, e1], [n0, n1])))
    return Building(
        building_id=-bridge.bridge_id,
        village="",
        east_m=(e0 + e1) / 2,
        north_m=(n0 + n1) / 2,
        heading_rad=float(np.arctan2(n1 - n0, e1 - e0)),
        length_m=part.length + 3.0,
        width_m=2 * road.half_width_m + 1.2,
        base_m=top - (1.1 if bridge.over_river else 0.6),
        wall_m=1.15 if bridge.over_river else 0.65,
        rise_m=0.0,
        roof_colour=(150, 148, 144),
        wall_colour=(140, 138, 132),
        people=0,
        is_bridge=True,
    )


def place_trees(layout: Layout, units: Units, grid: Grid, buildings: tuple[Building, ...]) -> Trees:
    """Forest on the slopes, orchards, willows by the river, trees about the houses."""
    valley = layout.valley
    rng = generator(valley.seed, "trees")
    spots = np.concatenate(
        [
            _scattered(valley, units, grid, rng, 5.0, {FOREST: 0.92, SCRUB: 0.10}),
            _scattered(valley, units, grid, rng, 11.0, {SCRUB: 0.35, GRASS: 0.22}),
            _scattered(valley, units, grid, rng, 4.0, {BUND: 0.10}),
            _orchards(layout, rng),
            _by_river(valley, rng),
            _about_houses(buildings, rng),
        ]
    )
    half_w, half_h = valley.width_m / 2, valley.height_m / 2
    inside = (np.abs(spots[:, 0]) < half_w - 1) & (np.abs(spots[:, 1]) < half_h - 1)
    spots = spots[inside]
    radius = np.clip(spots[:, 2] * rng.normal(1, 0.18, len(spots)), 0.8, 5.0)
    free = ~_near(spots, radius, buildings, layout)
    spots, radius = spots[free], radius[free]
    return Trees(
        spots[:, 0],
        spots[:, 1],
        layout.relief.at(spots[:, 0], spots[:, 1]),
        radius,
        radius * rng.uniform(1.7, 2.9, len(spots)),
        rng.integers(0, TREE_SHAPES * TREE_TINTS, len(spots)),
        rng.uniform(0, 360, len(spots)),
    )


def _scattered(
    valley: Valley,
    units: Units,
    grid: Grid,
    rng: np.random.Generator,
    spacing_m: float,
    chance: dict[int, float],
) -> FloatArray:
    e, n = np.meshgrid(
        np.arange(-valley.width_m / 2, valley.width_m / 2, spacing_m),
        np.arange(-valley.height_m / 2, valley.height_m / 2, spacing_m),
    )
    jitter = rng.uniform(-0.42, 0.42, (2, *e.shape)) * spacing_m
    e, n = (e + jitter[0]).ravel(), (n + jitter[1]).ravel()
    col, row = grid.to_pixel(e, n)
    unit = units[np.clip(row, 0, grid.rows - 1).astype(int), np.clip(col, 0, grid.cols - 1).astype(int)]
    share = np.zeros(len(e))
    for code, value in chance.items():
        share[unit == code] = value
    hit = rng.random(len(e)) < share
    return np.column_stack([e, n, np.full(len(e), 2.5)])[hit]


def _orchards(layout: Layout, rng: np.random.Generator) -> FloatArray:
    out = [np.empty((0, 3))]
    for parcel in layout.parcels:
        if not parcel.orchard:
            continue
        w, s, e, n = parcel.polygon.bounds
        grid = np.stack(np.meshgrid(np.arange(w + 2, e - 1, 4.4), np.arange(s + 2, n - 1, 4.0)), -1)
        spots = grid.reshape(-1, 2) + rng.normal(0, 0.35, (grid.shape[0] * grid.shape[1], 2))
        inside = np.array([parcel.polygon.contains(Point(p)) for p in spots], bool)
        inside &= rng.random(len(spots)) < 0.93
        out.append(np.column_stack([spots[inside], np.full(int(inside.sum()), 1.5)]))
    return np.concatenate(out)


def _by_river(valley: Valley, rng: np.random.Generator) -> FloatArray:
    count = int(valley.width_m / 4.2)
    at = rng.uniform(0, valley.river.length, count)
    base = np.array([valley.river.interpolate(d).coords[0] for d in at])
    ahead = np.array([valley.river.interpolate(d + 1).coords[0] for d in at]) - base
    normal = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.hypot(*ahead.T)[:, None]
    side = rng.choice([-1, 1], count) * rng.uniform(RIVER_HALF_WIDTH_M + 5, RIVER_HALF_WIDTH_M + 14, count)
    return np.column_stack([base + normal * side[:, None], np.full(count, 2.4)])


def _about_houses(buildings: tuple[Building, ...], rng: np.random.Generator) -> FloatArray:
    out = []
    for house in buildings:
        for _ in range(int(rng.integers(1, 4))):
            angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(7, 17)
            out.append([house.east_m + reach * np.cos(angle), house.north_m + reach * np.sin(angle), 2.1])
    return np.array(out).reshape(-1, 3)


def _near(
    spots: FloatArray, radius: FloatArray, buildings: tuple[Building, ...], layout: Layout
) -> npt.NDArray[np.bool_]:
    solid = [house.footprint.buffer(0.8) for house in buildings]
    solid += [road.surface.buffer(0.4) for road in layout.roads]
    solid.append(layout.valley.river.buffer(RIVER_HALF_WIDTH_M))
    solid += [stream.buffer(STREAM_HALF_WIDTH_M + 0.5) for stream in layout.valley.streams]
    whole = MultiPolygon([p for g in solid for p in getattr(g, "geoms", [g])])
    joined = unary_union(whole)
    prepare(joined)
    discs = points(spots[:, :2])
    tree = STRtree(list(getattr(joined, "geoms", [joined])))
    hit = np.zeros(len(spots), bool)
    for reach in np.unique(np.round(radius * 2) / 2):
        group = np.flatnonzero(np.round(radius * 2) / 2 == reach)
        index = tree.query(discs[group], predicate="dwithin", distance=float(reach))
        hit[group[index[0]]] = True
    return hit


def yards(buildings: tuple[Building, ...]) -> list[Polygon]:
    """Trodden ground about the houses."""
    joined = unary_union([b.footprint.buffer(5.5, join_style="mitre") for b in buildings]).buffer(-1.5)
    return list(getattr(joined, "geoms", [joined]))
