"""The flood: stage, connected depth, mud, rubble, what it did to houses and roads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from shapely import LineString, Point, Polygon, box, distance, points
from shapely.affinity import rotate, scale
from shapely.ops import substring

from imagery.damage.legend import (
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_POSSIBLE,
    ROAD_BLOCKED,
    ROAD_FLOODED,
    ROAD_PASSABLE,
)
from sim.world.landcover import Layout, Road, ragged
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.terrain import RIVER_HALF_WIDTH_M, FloatArray, Heights, Relief, Valley, smoothstep

BEFORE_STAGE_M, PEAK_STAGE_M = -1.7, 1.75
"""Water above the floor at the valley's axis: normal, and at the worst."""
SURVEY_STAGES_M = (0.30, 0.40, 0.50, 0.60, 0.70, 0.80)
"""When the survey is flown: the first at which _FLOODED_HOUSES stand in water."""
_FLOODED_HOUSES = 7


@dataclass(frozen=True)
class RubblePatch:
    """Ground covered with debris."""

    polygon: Polygon
    colour: tuple[int, int, int]
    building_id: int | None = None
    """The house that it was, if it was one."""


@dataclass(frozen=True)
class RoadPiece:
    """A stretch of road after the flood."""

    road_id: int
    name: str
    line: LineString
    half_width_m: float
    state: str
    washed_out: bool


@dataclass(frozen=True)
class Flood:
    """The event over a layout."""

    relief: Relief
    """Bare earth after the event."""
    stage_m: float
    """When the survey is flown."""
    depth_before_m: Heights
    depth_m: Heights
    peak_depth_m: Heights
    washout: Polygon
    """Where the bridge road's embankment is gone."""
    rubble: tuple[RubblePatch, ...]
    buildings: tuple[Building, ...]
    roads: tuple[RoadPiece, ...]


def water_surface_m(valley: Valley, east_m: npt.ArrayLike, stage_m: float) -> FloatArray:
    """AMSL: smooth, falling with the valley."""
    return valley.floor_amsl(east_m) + stage_m


def connected_depth(relief: Relief, valley: Valley, stage_m: float) -> Heights:
    """Depth over the heights where the water is joined to the river, else 0. (rows, cols), metres."""
    surface = water_surface_m(valley, relief.grid.east_centres_m, stage_m)[None, :]
    depth = surface - relief.heights_m
    labels, _ = ndimage.label(depth > 0)
    river = np.unique(labels[(relief.river_distance_m < 3) & (depth > 0)])
    wet = np.isin(labels, river[river > 0])
    return np.where(wet, depth, 0).astype(np.float32)


def strike(layout: Layout, buildings: tuple[Building, ...]) -> Flood:
    """Let the flood run over the layout."""
    valley, before = layout.valley, layout.relief
    washout = _washout(layout)
    relief = _eroded(before, washout, valley)
    peak = connected_depth(before, valley, PEAK_STAGE_M)
    for stage in SURVEY_STAGES_M:
        depth = connected_depth(relief, valley, stage)
        graded = _graded(buildings, relief, depth, peak, valley)
        if sum(house.flooded and house.standing for house in graded) >= _FLOODED_HOUSES:
            break
    rubble = _rubble(layout, graded, relief, peak)
    return Flood(
        relief,
        stage,
        connected_depth(before, valley, BEFORE_STAGE_M),
        depth,
        peak,
        washout,
        rubble,
        graded,
        _road_pieces(layout, relief, depth, washout, rubble),
    )


def surviving(trees: Trees, flood: Flood, seed: int) -> Trees:
    """Trees that the flood left: it takes some by the river and all in the washed-out embankment."""
    grid = flood.relief.grid
    peak = grid.sample(flood.peak_depth_m, trees.east_m, trees.north_m)
    river = grid.sample(flood.relief.river_distance_m, trees.east_m, trees.north_m)
    torn = (peak > 1.0) & (river < 34) & (generator(seed, "torn trees").random(len(trees)) < 0.35)
    for patch in flood.rubble:
        torn |= np.hypot(
            trees.east_m - patch.polygon.centroid.x, trees.north_m - patch.polygon.centroid.y
        ) < np.sqrt(patch.polygon.area / np.pi)
    return trees.keep(~torn)


def _washout(layout: Layout) -> Polygon:
    """A stretch of the bridge road's approach, on the side with the longer way over the floor."""
    line = layout.bridge_road.line
    crossing = line.intersection(layout.valley.river)
    at = line.project(Point(crossing.centroid))
    first = (at - RIVER_HALF_WIDTH_M - 12, -1) if at > line.length / 2 else (at + RIVER_HALF_WIDTH_M + 12, 1)
    start, way = first
    gap = substring(line, start, start + way * 24)
    return ragged(gap.buffer(7.5, cap_style="flat"), generator(layout.valley.seed, "washout"), 0.35)


def _eroded(relief: Relief, washout: Polygon, valley: Valley) -> Relief:
    grid = relief.grid
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    w, s, east, north = washout.buffer(6).bounds
    near = (e > w) & (e < east) & (n > s) & (n < north)
    away = distance(washout, points(e[near], n[near]))
    bed = valley.floor_amsl(e[near]) - 0.9
    values = relief.heights_m[near]
    weight = 1 - smoothstep(0.0, 4.0, away)
    heights = relief.heights_m.copy()
    heights[near] = np.minimum(values, values + weight * (bed - values)).astype(np.float32)
    return relief.with_heights(heights)


def _graded(
    buildings: tuple[Building, ...], relief: Relief, depth: Heights, peak: Heights, valley: Valley
) -> tuple[Building, ...]:
    """Grades by rank of hazard (peak depth, nearness to the river, chance), so that each occurs."""
    rng = generator(valley.seed, "grades")
    grid = relief.grid
    hazard = np.zeros(len(buildings))
    wet = []
    for i, house in enumerate(buildings):
        ring = np.asarray(house.footprint.buffer(1.0).exterior.segmentize(1.5).coords)
        deepest = float(grid.sample(peak, ring[:, 0], ring[:, 1]).max())
        now = grid.sample(depth, ring[:, 0], ring[:, 1])
        wet.append((float(now.max()), float((now > 0.08).mean())))
        river = float(grid.sample(relief.river_distance_m, house.east_m, house.north_m))
        hazard[i] = 0 if deepest <= 0 else deepest + 25 / (river + 10) + rng.uniform(0, 1.0)
    order = np.argsort(-hazard)
    struck = [int(i) for i in order if hazard[i] > 0]
    shares = {GRADE_DESTROYED: 0.24, GRADE_DAMAGED: 0.24, GRADE_POSSIBLE: 0.22}
    grades: dict[int, str] = {}
    start = 0
    for grade, share in shares.items():
        stop = start + max(1, round(share * len(struck)))
        grades |= dict.fromkeys(struck[start:stop], grade)
        start = stop
    return tuple(
        replace(
            house,
            grade=grades.get(i, house.grade),
            depth_m=wet[i][0],
            flooded=wet[i][0] > 0.1 and wet[i][1] > 0.25,
        )
        for i, house in enumerate(buildings)
    )


def _rubble(
    layout: Layout, buildings: tuple[Building, ...], relief: Relief, peak: Heights
) -> tuple[RubblePatch, ...]:
    rng = generator(layout.valley.seed, "rubble")
    patches = [
        RubblePatch(
            ragged(house.footprint.buffer(1.6), rng, 0.3).union(house.footprint),
            house.roof_colour,
            building_id=house.building_id,
        )
        for house in buildings
        if house.grade == GRADE_DESTROYED
    ]
    patches += _drift(layout, relief, peak, rng)
    patches.append(_slide(layout, rng))
    return tuple(patches)


def _drift(layout: Layout, relief: Relief, peak: Heights, rng: np.random.Generator) -> list[RubblePatch]:
    """Driftwood left along the reach of the peak."""
    grid = relief.grid
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    edge = (peak > 0.85) & (peak < 1.35) & (np.abs(e) < 0.44 * layout.valley.width_m)
    rows, cols = np.nonzero(edge)
    out: list[RubblePatch] = []
    for pick in rng.permutation(len(rows))[:4000]:
        place = Point(float(e[0, cols[pick]]), float(n[rows[pick], 0]))
        if any(place.distance(p.polygon.centroid) < 46 for p in out):
            continue
        blob = place.buffer(rng.uniform(2.6, 6.0))
        out.append(RubblePatch(ragged(_stretched(blob, rng), rng, 0.8), (112, 92, 66)))
        if len(out) >= 16:
            break
    return out


def _slide(layout: Layout, rng: np.random.Generator) -> RubblePatch:
    """Debris across the valley road."""
    road = layout.roads[0].line
    at = road.interpolate(road.project(Point(-0.12 * layout.valley.width_m, 400)))
    return RubblePatch(ragged(at.buffer(9.5), rng, 0.7), (126, 100, 72))


def _stretched(polygon: Polygon, rng: np.random.Generator) -> Polygon:
    return rotate(scale(polygon, rng.uniform(1.2, 2.4), 1.0), rng.normal(0, 25))


def _road_pieces(
    layout: Layout,
    relief: Relief,
    depth: Heights,
    washout: Polygon,
    rubble: tuple[RubblePatch, ...],
) -> tuple[RoadPiece, ...]:
    inside = box(
        -layout.valley.width_m / 2,
        -layout.valley.height_m / 2,
        layout.valley.width_m / 2,
        layout.valley.height_m / 2,
    )
    bridge = layout.valley.river.buffer(RIVER_HALF_WIDTH_M + 7)
    out: list[RoadPiece] = []
    for road in layout.roads:
        line = road.line.intersection(inside)
        for part in getattr(line, "geoms", [line]):
            out += _pieces_of(road, part, relief, depth, washout, rubble, bridge)
    return tuple(out)


def _pieces_of(
    road: Road,
    line: LineString,
    relief: Relief,
    depth: Heights,
    washout: Polygon,
    rubble: tuple[RubblePatch, ...],
    bridge: Polygon,
) -> list[RoadPiece]:
    step = 2.0
    edges = np.append(np.arange(0, line.length, step), line.length)
    states: list[tuple[str, bool]] = []
    for middle in (edges[:-1] + edges[1:]) / 2:
        place = line.interpolate(middle)
        gone = road.name == "Bridge road" and washout.contains(place)
        on_deck = road.name == "Bridge road" and bridge.contains(place)
        wet = float(relief.grid.sample(depth, place.x, place.y)) > 0.08 and not on_deck
        blocked = gone or any(patch.polygon.contains(place) for patch in rubble)
        states.append((ROAD_BLOCKED if blocked else ROAD_FLOODED if wet else ROAD_PASSABLE, gone))
    out, start = [], 0
    for i in range(1, len(states) + 1):
        if i == len(states) or states[i] != states[start]:
            piece = substring(line, edges[start], edges[i])
            out.append(RoadPiece(road.road_id, road.name, piece, road.half_width_m, *states[start]))
            start = i
    return out
