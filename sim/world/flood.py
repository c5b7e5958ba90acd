"""The flood: stage, connected depth, mud, rubble, what it did to houses and roads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from shapely import LineString, Point, Polygon, box, contains, distance, points, prepare, unary_union
from shapely.affinity import rotate, scale
from shapely.ops import substring

from imagery.damage.legend import (
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_POSSIBLE,
    ROAD_BLOCKED,
    ROAD_BRIDGE_OUT,
    ROAD_FLOODED,
    ROAD_PASSABLE,
)
from sim.world.landcover import Bridge, Layout, Road, ragged
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.terrain import (
    FLOOR_HALF_WIDTH_M,
    RIVER_HALF_WIDTH_M,
    STREAM_HALF_WIDTH_M,
    FloatArray,
    Heights,
    Relief,
    Valley,
    smoothstep,
)

BEFORE_STAGE_M, PEAK_STAGE_M = -1.7, 1.75
"""Water above the floor at the valley's axis: normal, and at the worst."""
LOWEST_STAGE_M, HIGHEST_STAGE_M = -1.0, 3.0
"""What may be chosen: in its banks, and half the height of the terraces."""
_ABOVE_SURVEY_M = 0.4
"""By so much the worst was higher than what is surveyed, at least."""
_STREAM_DEPTHS_M = ((BEFORE_STAGE_M, 0.25), (0.0, 0.55), (HIGHEST_STAGE_M, 1.1))
"""Water in the tributaries when the river has a stage."""
SURVEY_STAGES_M = (0.30, 0.40, 0.50, 0.60, 0.70, 0.80)
"""When the survey is flown: the first at which _FLOODED_HOUSES stand in water."""
_FLOODED_HOUSES = 7


@dataclass(frozen=True)
class RubblePatch:
    """Ground covered with debris. `kind` is house, driftwood, landslide or bridge."""

    kind: str
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
    peak_stage_m: float
    depth_before_m: Heights
    depth_m: Heights
    peak_depth_m: Heights
    washout: Polygon
    """Where the bridge road's embankment is gone."""
    rubble: tuple[RubblePatch, ...]
    scars: tuple[Polygon, ...]
    """Bare ground where the slope has slid."""
    lost_bridges: tuple[Bridge, ...]
    buildings: tuple[Building, ...]
    roads: tuple[RoadPiece, ...]


def water_surface_m(valley: Valley, east_m: npt.ArrayLike, stage_m: float) -> FloatArray:
    """AMSL: smooth, falling with the valley."""
    return valley.floor_amsl(east_m) + stage_m


def connected_depth(relief: Relief, valley: Valley, stage_m: float) -> Heights:
    """Depth over the heights where the water is joined to the river, tributaries included, else 0.
    (rows, cols), metres."""
    surface = water_surface_m(valley, relief.grid.east_centres_m, stage_m)[None, :]
    levels, depths = zip(*_STREAM_DEPTHS_M, strict=True)
    in_channel = relief.stream_distance_m < STREAM_HALF_WIDTH_M + 3.0
    running = relief.stream_bed_m + np.interp(stage_m, levels, depths)
    depth = np.where(in_channel, np.maximum(surface, running), surface) - relief.heights_m
    return joined(depth, relief.river_distance_m < 3)


def joined(depth_m: npt.NDArray, river: npt.NDArray[np.bool_]) -> Heights:
    """The depths (rows, cols) of water that is joined to the river, else 0."""
    labels, _ = ndimage.label(depth_m > 0)
    of_river = np.unique(labels[river & (depth_m > 0)])
    wet = np.isin(labels, of_river[of_river > 0])
    return np.where(wet, depth_m, 0).astype(np.float32)


def strike(layout: Layout, buildings: tuple[Building, ...], stage_m: float | None = None) -> Flood:
    """Let the flood run over the layout. Without a stage the survey is flown at the first at which some
    houses stand in water."""
    valley, before = layout.valley, layout.relief
    washout = _washout(layout)
    slides = _slides(layout)
    relief = _slid(_eroded(before, washout, valley), slides)
    stages = SURVEY_STAGES_M if stage_m is None else (stage_m,)
    peak_stage_m = max(PEAK_STAGE_M, stages[0] + _ABOVE_SURVEY_M)
    peak = connected_depth(before, valley, peak_stage_m)
    for stage in stages:
        depth = connected_depth(relief, valley, stage)
        graded = _graded(buildings, relief, depth, peak, valley)
        if sum(house.flooded and house.standing for house in graded) >= _FLOODED_HOUSES:
            break
    lost = tuple(bridge for bridge in layout.bridges if not bridge.over_river)[:1]
    rubble = (
        *_rubble(layout, graded, relief, peak),
        *(slide.patch for slide in slides),
        *_stumps(lost, valley),
    )
    return Flood(
        relief,
        stage,
        peak_stage_m,
        connected_depth(before, valley, BEFORE_STAGE_M),
        depth,
        peak,
        washout,
        rubble,
        tuple(slide.scar for slide in slides),
        lost,
        graded,
        _road_pieces(layout, depth, relief, washout, rubble, lost),
    )


def surviving(trees: Trees, flood: Flood, seed: int) -> Trees:
    """Trees that the flood left: it takes some by the river and all in the washed-out embankment."""
    grid = flood.relief.grid
    peak = grid.sample(flood.peak_depth_m, trees.east_m, trees.north_m)
    river = grid.sample(flood.relief.river_distance_m, trees.east_m, trees.north_m)
    torn = (peak > 1.0) & (river < 34) & (generator(seed, "torn trees").random(len(trees)) < 0.35)
    buried = unary_union([*(patch.polygon for patch in flood.rubble), *flood.scars])
    prepare(buried)
    torn |= contains(buried, points(trees.east_m, trees.north_m))
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
            "house",
            ragged(house.footprint.buffer(1.6), rng, 0.3).union(house.footprint),
            house.roof_colour,
            building_id=house.building_id,
        )
        for house in buildings
        if house.grade == GRADE_DESTROYED
    ]
    patches += _drift(layout, relief, peak, rng)
    return tuple(patches)


def _drift(layout: Layout, relief: Relief, peak: Heights, rng: np.random.Generator) -> list[RubblePatch]:
    """Driftwood left along the reach of the peak."""
    grid = relief.grid
    e, n = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    edge = (
        (peak > 0.85)
        & (peak < 1.35)
        & (relief.stream_distance_m > 10)
        & (np.abs(e) < 0.44 * layout.valley.width_m)
    )
    rows, cols = np.nonzero(edge)
    out: list[RubblePatch] = []
    for pick in rng.permutation(len(rows))[:4000]:
        place = Point(float(e[0, cols[pick]]), float(n[rows[pick], 0]))
        if any(place.distance(p.polygon.centroid) < 46 for p in out):
            continue
        blob = place.buffer(rng.uniform(2.6, 6.0))
        out.append(RubblePatch("driftwood", ragged(_stretched(blob, rng), rng, 0.8), (112, 92, 66)))
        if len(out) >= 16:
            break
    return out


@dataclass(frozen=True)
class _Slide:
    """A landslide: where the slope broke off, and what lies at its foot."""

    scar: Polygon
    patch: RubblePatch


def _slides(layout: Layout) -> tuple[_Slide, ...]:
    """One across the valley road, one on the slope on the other side of the valley."""
    valley, rng = layout.valley, generator(layout.valley.seed, "slides")
    road = layout.roads[0].line
    foot = road.interpolate(road.project(Point(-0.12 * valley.width_m, 400)))
    other_e = -0.03 * valley.width_m
    other_n = float(valley.axis_n(other_e)) - FLOOR_HALF_WIDTH_M - 66
    places = ((foot.x, foot.y, 1.0, 52.0, 7.0), (other_e, other_n, -1.0, 44.0, 9.0))
    return tuple(_slide(e, n, up, length, half, rng) for e, n, up, length, half in places)


def _slide(e: float, n: float, up: float, length_m: float, half_m: float, rng: np.random.Generator) -> _Slide:
    """An uneven scar that narrows uphill, and the tongue of earth at its foot."""
    along = np.linspace(0.0, 1.0, 60)
    bend = length_m * (rng.uniform(-0.35, 0.35) * along + rng.uniform(-0.2, 0.2) * along**2)
    middle = np.stack([e + bend, n + up * length_m * along], axis=1)
    sides = []
    for side in (-1.0, 1.0):
        wave = sum(
            rng.normal(0, 0.20 / k**0.5) * np.sin(6.3 * k * along + rng.uniform(0, 6.3)) for k in range(1, 12)
        )
        width = (
            half_m * (1.15 - 0.45 * along + np.asarray(wave)) * np.sqrt(np.clip(8 * (1.0 - along), 0.0, 1.0))
        )
        sides.append(middle + side * np.stack([np.clip(width, 1.0, None), np.zeros_like(width)], axis=1))
    whole = Polygon(np.concatenate([sides[0], sides[1][::-1]])).buffer(0.4)
    tongue = ragged(_stretched(Point(e, n - up * 2).buffer(half_m + 1.5), rng, 8.0), rng, 0.7)
    return _Slide(whole.difference(tongue), RubblePatch("landslide", tongue, (126, 100, 72)))


def _slid(relief: Relief, slides: tuple[_Slide, ...]) -> Relief:
    """The relief with scars a metre and a half deep and the earth at their feet."""
    heights = relief.heights_m.copy()
    e, n = np.meshgrid(relief.grid.east_centres_m, relief.grid.north_centres_m)
    for slide in slides:
        for polygon, most_m in ((slide.scar, -1.5), (slide.patch.polygon, 1.2)):
            w, s, east, north = polygon.bounds
            near = (e > w) & (e < east) & (n > s) & (n < north)
            places = points(e[near], n[near])
            inside = np.where(contains(polygon, places), distance(polygon.boundary, places), 0.0)
            heights[near] += (most_m * smoothstep(0.0, 5.0, inside)).astype(np.float32)
    return relief.with_heights(heights)


def _stumps(lost: tuple[Bridge, ...], valley: Valley) -> Iterator[RubblePatch]:
    """What is left of a bridge: a heap at either bank."""
    for bridge in lost:
        rng = generator(valley.seed, "stumps", bridge.bridge_id)
        for at in (0.0, bridge.line.length):
            end = bridge.line.interpolate(at)
            yield RubblePatch("bridge", ragged(end.buffer(2.2), rng, 0.6), (150, 148, 144))


def _stretched(polygon: Polygon, rng: np.random.Generator, turn_deg: float = 25.0) -> Polygon:
    return rotate(scale(polygon, rng.uniform(1.2, 2.4), 1.0), rng.normal(0, turn_deg))


def _road_pieces(
    layout: Layout,
    depth: Heights,
    relief: Relief,
    washout: Polygon,
    rubble: tuple[RubblePatch, ...],
    lost: tuple[Bridge, ...],
) -> tuple[RoadPiece, ...]:
    half_w, half_h = layout.valley.width_m / 2, layout.valley.height_m / 2
    inside = box(-half_w, -half_h, half_w, half_h)
    decks: dict[int, list[Polygon]] = {bridge.road.road_id: [] for bridge in layout.bridges}
    for bridge in layout.bridges:
        if bridge not in lost:
            decks[bridge.road.road_id].append(bridge.line.buffer(1.0))
    gaps = [(layout.bridge_road.road_id, washout)]
    missing = [(bridge.road.road_id, bridge.line.buffer(0.5)) for bridge in lost]
    out: list[RoadPiece] = []
    for road in layout.roads:
        ways = _Ways(
            tuple(shape for number, shape in missing if number == road.road_id),
            tuple(shape for number, shape in gaps if number == road.road_id),
            tuple(patch.polygon for patch in rubble),
            tuple(decks.get(road.road_id, ())),
        )
        line = road.line.intersection(inside)
        for part in getattr(line, "geoms", [line]):
            out += _pieces_of(road, part, relief, depth, ways)
    return tuple(out)


@dataclass(frozen=True)
class _Ways:
    """What decides over a road: where its bridge or itself is gone, where something lies on it, where a deck
    carries it."""

    bridge_out: tuple[Polygon, ...]
    gone: tuple[Polygon, ...]
    covered: tuple[Polygon, ...]
    decks: tuple[Polygon, ...]

    def state(self, place: Point, relief: Relief, depth: Heights) -> tuple[str, bool]:
        """(state, washed out) at a place of the road."""
        if any(gap.contains(place) for gap in self.bridge_out):
            return ROAD_BRIDGE_OUT, True
        if any(gap.contains(place) for gap in self.gone):
            return ROAD_BLOCKED, True
        if any(cover.contains(place) for cover in self.covered):
            return ROAD_BLOCKED, False
        wet = float(relief.grid.sample(depth, place.x, place.y)) > 0.08
        over = any(deck.contains(place) for deck in self.decks)
        return (ROAD_FLOODED if wet and not over else ROAD_PASSABLE), False


def _pieces_of(
    road: Road, line: LineString, relief: Relief, depth: Heights, ways: _Ways
) -> Iterator[RoadPiece]:
    edges = np.append(np.arange(0, line.length, 2.0), line.length)
    states = [ways.state(line.interpolate(m), relief, depth) for m in (edges[:-1] + edges[1:]) / 2]
    start = 0
    for i in range(1, len(states) + 1):
        if i == len(states) or states[i] != states[start]:
            piece = substring(line, edges[start], edges[i])
            yield RoadPiece(road.road_id, road.name, piece, road.half_width_m, *states[start])
            start = i
