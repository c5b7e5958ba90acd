"""Who and what is to be found after the flood: people on roofs, on the dry hill and in boats, and boats.

They are painted into the ground picture in their true size (a person is half a metre wide), so photos of 5 cm
and finer show them; people on a roof stand as high as it does, since roofs are taken from that picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Geometry, Point, prepare, unary_union

from imagery.damage.legend import GRADE_NONE, GRADE_POSSIBLE
from sim.world.flood import Flood
from sim.world.landcover import Layout
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.rise import STANDS_OUT
from sim.world.terrain import RIVER_HALF_WIDTH_M, Grid

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_CLOTHES: tuple[Colour, ...] = (
    (214, 64, 48),
    (236, 140, 32),
    (240, 206, 60),
    (52, 96, 196),
    (236, 236, 232),
    (44, 46, 58),
    (206, 72, 140),
)
_HULLS: tuple[Colour, ...] = ((226, 96, 30), (236, 236, 230), (44, 92, 168), (120, 84, 52))
_HAIR, _SKIN = (36, 30, 28), (206, 160, 128)
_BOAT_LENGTH_M, _BOAT_WIDTH_M = 4.6, 1.7
_ROOFS, _ON_HILL, _BOATS = 5, 4, 4
_PERSON_M = 1.7


@dataclass(frozen=True)
class Find:
    """One person or boat. Local metres, `up_m` AMSL: what it stands or floats on."""

    find_id: int
    kind: str
    """person or boat."""
    where: str
    """roof, ground, boat or water."""
    east_m: float
    north_m: float
    up_m: float
    heading_rad: float
    colour: Colour
    waving: bool = False
    building_id: int | None = None
    """The house on whose roof a person is."""


def place_finds(layout: Layout, flood: Flood, trees: Trees) -> tuple[Find, ...]:
    """People and boats of this flood."""
    rng = generator(layout.valley.seed, "finds")
    finds: list[Find] = []

    def add(kind: str, where: str, e: float, n: float, up_m: float, **more: object) -> None:
        palette = _CLOTHES if kind == "person" else _HULLS
        colour = palette[int(rng.integers(len(palette)))]
        heading = float(more.pop("heading_rad", rng.uniform(0, 2 * np.pi)))  # type: ignore[arg-type]
        waving = kind == "person" and bool(rng.random() < 0.6)
        finds.append(Find(len(finds) + 1, kind, where, e, n, up_m, heading, colour, waving, **more))  # type: ignore[arg-type]

    for house in _refuges(flood):
        for _ in range(int(rng.integers(1, 4))):
            along, across = (
                rng.uniform(-0.36, 0.36) * house.length_m,
                rng.uniform(-0.32, 0.32) * house.width_m,
            )
            e, n = np.array([house.east_m, house.north_m]) + np.array([along, across]) @ house.axes
            slope = house.rise_m * (1 - abs(across) / (house.width_m / 2))
            add("person", "roof", float(e), float(n), house.eave_m + slope, building_id=house.building_id)
    ke, kn = layout.valley.knoll
    covered = _covered(flood, trees)
    for e, n in _scattered(rng, ke, kn, 11.0, covered, _ON_HILL):
        add("person", "ground", e, n, float(flood.relief.at(e, n)))
    for e, n, surface_m, heading in _afloat(layout, flood, trees, rng):
        add("boat", "water", e, n, surface_m, heading_rad=heading)
        if rng.random() < 0.7:
            c, s = np.cos(heading), np.sin(heading)
            for seat in (-1.0, 0.6)[: int(rng.integers(1, 3))]:
                add("person", "boat", e + c * seat, n + s * seat, surface_m + 0.2)
    return tuple(finds)


def _refuges(flood: Flood) -> list[Building]:
    """Houses with a whole roof and the deepest water about them."""
    whole = (GRADE_NONE, GRADE_POSSIBLE)
    wet = [house for house in flood.buildings if house.flooded and house.grade in whole]
    return sorted(wet, key=lambda house: -house.depth_m)[:_ROOFS]


def _covered(flood: Flood, trees: Trees) -> Geometry:
    """What nobody can be seen on or stand in: houses, rubble, crowns."""
    crowns = [
        Point(e, n).buffer(r + 0.5)
        for e, n, r in zip(trees.east_m, trees.north_m, trees.radius_m, strict=True)
    ]
    solid = [house.footprint for house in flood.buildings] + [patch.polygon for patch in flood.rubble]
    covered = unary_union([*crowns, *solid])
    prepare(covered)
    return covered


def _scattered(
    rng: np.random.Generator, e: float, n: float, spread_m: float, covered: Geometry, count: int
) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for _ in range(400):
        place = (e + float(rng.normal(0, spread_m)), n + float(rng.normal(0, spread_m)))
        apart = all(np.hypot(place[0] - x, place[1] - y) > 1.0 for x, y in found)
        if apart and not covered.contains(Point(place)):
            found.append(place)
        if len(found) == count:
            break
    return found


def _afloat(
    layout: Layout, flood: Flood, trees: Trees, rng: np.random.Generator
) -> list[tuple[float, float, float, float]]:
    """(east, north, surface, heading) of boats on open water, off the river's middle."""
    grid, valley = flood.relief.grid, layout.valley
    covered = _covered(flood, trees)
    deep = (flood.depth_m > 0.35) & (flood.relief.river_distance_m > RIVER_HALF_WIDTH_M + 8)
    deep &= flood.relief.stream_distance_m > 12
    deep &= np.abs(grid.east_centres_m)[None, :] < 0.42 * valley.width_m
    if not deep.any():
        deep = (flood.depth_m > 0.35) & (flood.relief.river_distance_m < RIVER_HALF_WIDTH_M)
    rows, cols = np.nonzero(deep)
    boats: list[tuple[float, float, float, float]] = []
    for pick in rng.permutation(len(rows))[:3000]:
        e, n = float(grid.east_centres_m[cols[pick]]), float(grid.north_centres_m[rows[pick]])
        room = Point(e, n).buffer(_BOAT_LENGTH_M / 2 + 0.5)
        if any(np.hypot(e - x, n - y) < 25 for x, y, *_ in boats) or covered.intersects(room):
            continue
        surface = float(
            flood.relief.heights_m[rows[pick], cols[pick]] + flood.depth_m[rows[pick], cols[pick]]
        )
        boats.append((e, n, surface, float(rng.uniform(0, 2 * np.pi))))
        if len(boats) == _BOATS:
            break
    return boats


def paint_finds(
    picture: Pixels, water: Pixels, grid: Grid, finds: tuple[Find, ...], sun: tuple[float, float]
) -> None:
    """Draw them into the ground picture, in place, and mark them in the water's opacity. `sun` is azimuth and
    elevation in degrees."""
    for find in finds:
        if find.kind == "boat":
            _boat(picture, water, grid, find)
            continue
        if find.where != "boat":
            _shadow(picture, grid, find, sun)
        _person(picture, water, grid, find)


class _Brush:
    """Shapes in metres about a find, along its heading, on one picture."""

    def __init__(self, picture: Pixels, water: Pixels, grid: Grid, find: Find) -> None:
        self._picture, self._water, self._grid = picture, water, grid
        c, s = np.cos(find.heading_rad), np.sin(find.heading_rad)
        self._axes, self._place = np.array([[c, s], [-s, c]]), np.array([find.east_m, find.north_m])

    def polygon(self, points: npt.ArrayLike, colour: Colour) -> None:
        """A filled figure; points are (along, to the left) in metres."""
        at = self._place + np.asarray(points, float) @ self._axes
        col, row = self._grid.to_pixel(at[:, 0], at[:, 1])
        corners = np.round(np.stack([col, row], axis=1) * 16).astype(np.int32)
        cv2.fillPoly(self._picture, [corners], colour, cv2.LINE_AA, shift=4)
        cv2.fillPoly(self._water, [corners], STANDS_OUT, shift=4)

    def disc(self, along: float, left: float, half_m: tuple[float, float], colour: Colour) -> None:
        """A filled ellipse, its half axes along and across."""
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        self.polygon(
            np.stack([along + half_m[0] * np.cos(angle), left + half_m[1] * np.sin(angle)], axis=1), colour
        )


def _person(picture: Pixels, water: Pixels, grid: Grid, find: Find) -> None:
    """Shoulders, head and, of those who wave, both arms up: seen from above they reach out."""
    brush = _Brush(picture, water, grid, find)
    if find.waving:
        for side in (-1, 1):
            reach = [(-0.07, side * 0.2), (0.07, side * 0.2), (0.16, side * 0.78), (0.02, side * 0.8)]
            brush.polygon(reach, find.colour)
            brush.disc(0.09, side * 0.8, (0.09, 0.09), _SKIN)
    brush.disc(0.0, 0.0, (0.17, 0.29), find.colour)
    brush.disc(0.03, 0.0, (0.12, 0.11), _HAIR)


def _shadow(picture: Pixels, grid: Grid, find: Find, sun: tuple[float, float]) -> None:
    """A dark streak as long as a person's shadow."""
    azimuth, elevation = np.radians(sun)
    reach = _PERSON_M / np.tan(elevation)
    away = -np.array([np.sin(azimuth), np.cos(azimuth)])
    side = np.array([-away[1], away[0]]) * 0.2
    start = np.array([find.east_m, find.north_m])
    corners = np.array([start - side, start + side, start + away * reach + side, start + away * reach - side])
    col, row = grid.to_pixel(corners[:, 0], corners[:, 1])
    low = np.floor([col.min(), row.min()]).astype(int) - 2
    high = np.ceil([col.max(), row.max()]).astype(int) + 3
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0], picture.shape[1]), min(high[1], picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    figure = np.round((np.stack([col, row], axis=1) - [x0, y0]) * 16).astype(np.int32)
    cv2.fillPoly(mask, [figure], 255, cv2.LINE_AA, shift=4)
    dark = 1.0 - 0.55 * mask[..., None].astype(np.float32) / 255
    picture[y0:y1, x0:x1] = (picture[y0:y1, x0:x1] * dark).astype(np.uint8)


def _boat(picture: Pixels, water: Pixels, grid: Grid, find: Find) -> None:
    """A hull with a pointed bow, its floor darker, two benches."""
    brush = _Brush(picture, water, grid, find)
    length, width = _BOAT_LENGTH_M / 2, _BOAT_WIDTH_M / 2
    hull = [
        (-length, -0.8 * width),
        (-length, 0.8 * width),
        (0.3 * length, width),
        (length, 0.0),
        (0.3 * length, -width),
    ]
    brush.polygon(hull, find.colour)
    brush.polygon([(0.82 * x, 0.74 * y) for x, y in hull], tuple(int(0.55 * c) for c in find.colour))  # type: ignore[arg-type]
    for along in (-0.45, 0.2):
        x = along * length
        bench = [
            (x - 0.14, -0.78 * width),
            (x - 0.14, 0.78 * width),
            (x + 0.14, 0.78 * width),
            (x + 0.14, -0.78 * width),
        ]
        brush.polygon(bench, find.colour)
