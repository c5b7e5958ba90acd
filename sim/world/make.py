"""make_world: the steps from a seed to a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rasterio import features
from shapely import LineString, Point, Polygon, box, unary_union
from shapely.geometry import shape
from shapely.ops import split

from imagery.damage.legend import GRADE_DESTROYED, GRADE_NONE
from plans.frames import GeoPoint, LocalFrame
from sim.errors import WorldError
from sim.world import paint, store, wreckage
from sim.world.finds import Find, paint_finds, place_finds
from sim.world.flood import HIGHEST_STAGE_M, LOWEST_STAGE_M, Flood, strike, surviving
from sim.world.landcover import Layout, lay_out, unit_raster
from sim.world.noise import PixelNoise
from sim.world.objects import Building, Trees, bridge_deck, place_buildings, place_trees, yards
from sim.world.store import Progress, World
from sim.world.terrain import Valley, make_relief, world_grid

ORIGIN_LAT_DEG, ORIGIN_LON_DEG = 30.05, 103.15
"""Somewhere in the mountains; the valley itself exists nowhere."""
_SMALLEST_M, _LARGEST_M = 600.0, 1600.0
_HILL_RADIUS_M, _HILL_RIM_M = 36.0, 14.0
"""The dry hill is left out of the zone, what lies around it is not, even where the flood left it dry."""


@dataclass(frozen=True)
class _Scene:
    """All vectors of a world."""

    layout: Layout
    buildings: tuple[Building, ...]
    flood: Flood
    trees_before: Trees
    trees_after: Trees
    decks: tuple[Building, ...]
    """Of the bridges; those that are lost as destroyed houses."""
    finds: tuple[Find, ...]

    @property
    def standing(self) -> list[Building]:
        """After the event, bridges included."""
        return [b for b in (*self.flood.buildings, *self.decks) if b.standing]


def make_world(
    folder: Path,
    seed: int,
    size_m: float = 720.0,
    pixel_m: float = 0.1,
    on_progress: Progress | None = None,
    *,
    margin_m: float = 95.0,
    stage_m: float | None = None,
) -> World:
    """Make a flooded valley of size_m (east-west) by 5/6 of it, with all its truth, in `folder`.

    The flood zone keeps `margin_m` off the world's border: half a photo's footprint and a little more, so
    that no photo looks past the end of the world. `stage_m` is the water above the valley's floor when the
    survey is flown; without one it is the first at which some houses stand in water. The same seed, sizes
    and stage give the same world.

    Raises WorldError for sizes that cannot be laid out and when the folder cannot be written.
    """
    if not _SMALLEST_M <= size_m <= _LARGEST_M:
        raise WorldError(f"world size {size_m} m: choose {_SMALLEST_M:.0f} to {_LARGEST_M:.0f} m")
    if not 0.04 <= pixel_m <= 1.0:
        raise WorldError(f"pixel size {pixel_m} m: choose 0.04 to 1 m")
    if stage_m is not None and not LOWEST_STAGE_M <= stage_m <= HIGHEST_STAGE_M:
        raise WorldError(
            f"flood stage {stage_m} m: choose {LOWEST_STAGE_M:g} to {HIGHEST_STAGE_M:g} m above the floor"
        )
    folder = Path(folder)
    store.clear_world(folder)
    tell = on_progress or (lambda stage, share: None)
    tell("terrain", 0.0)
    width, height = float(round(size_m)), float(round(size_m * 5 / 6))
    valley = Valley.from_seed(seed, width, height)
    layout = lay_out(valley, make_relief(valley))
    grid = world_grid(width, height, pixel_m)
    noise = PixelNoise(seed, (grid.rows, grid.cols))
    buildings = place_buildings(layout)
    tell("land cover", 0.0)
    units = unit_raster(layout, grid, noise, yards(buildings))
    trees = place_trees(layout, units, grid, buildings)
    tell("flood", 0.0)
    flood = strike(layout, buildings, stage_m)
    left = surviving(trees, flood, seed)
    finds = place_finds(layout, flood, left)
    scene = _Scene(layout, buildings, flood, trees, left, _decks(layout, flood), finds)
    canvas = paint.Canvas.empty(grid)
    shadows = (
        paint.shadow_raster(grid, [*buildings, *scene.decks], trees, paint.SUN_BEFORE),
        paint.shadow_raster(grid, scene.standing, scene.trees_after, paint.SUN_AFTER),
    )
    paint.paint_ground(canvas, layout, flood, units, noise, shadows, lambda share: tell("ground", share))
    del units, shadows, noise
    wreckage.paint_scars(canvas, flood, seed)
    wreckage.paint_rubble(canvas, flood, seed)
    paint.paint_roofs(canvas, [*flood.buildings, *scene.decks], seed)
    wreckage.paint_holes(canvas, flood, seed)
    paint_finds(canvas.after, canvas.water, grid, finds, paint.SUN_AFTER)
    world = World(
        folder,
        seed,
        LocalFrame(ORIGIN_LAT_DEG, ORIGIN_LON_DEG),
        width,
        height,
        pixel_m,
        GeoPoint(0, 0, 0),
        flood.stage_m,
    )
    zone = flood_zone(scene.flood, layout, margin_m)
    world = _with_launch(world, scene, zone)
    _write_scene(world, canvas, scene, tell)
    paint.paint_trees(canvas, trees, scene.trees_after, lambda share: tell("trees", share))
    _write_rasters(world, canvas, scene, tell)
    _write_vectors(world, scene, zone)
    store.save_world(world)
    tell("world", 1.0)
    return world


def flood_zone(flood: Flood, layout: Layout, margin_m: float) -> Polygon:
    """What to survey: the reach of the flood, without the dry hill in it, `margin_m` off the borders."""
    grid = flood.relief.grid
    mask = (flood.peak_depth_m > 0).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((31, 31), np.uint8))
    mask = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((25, 25), np.uint8)), np.uint8)
    parts = [shape(g) for g, v in features.shapes(mask, transform=store.transform_of(grid)) if v == 1]
    largest = max(parts, key=lambda p: p.area)
    valley = layout.valley
    around_hill = Point(valley.knoll).buffer(_HILL_RADIUS_M + _HILL_RIM_M + 2)
    reach = Polygon(largest.exterior).buffer(6).union(around_hill)
    inner = box(
        -valley.width_m / 2 + margin_m,
        -valley.height_m / 2 + margin_m,
        valley.width_m / 2 - margin_m,
        valley.height_m / 2 - margin_m,
    )
    hill = (
        Point(valley.knoll)
        .buffer(_HILL_RADIUS_M)
        .intersection(reach.intersection(inner).buffer(-_HILL_RIM_M))
    )
    zone = reach.intersection(inner).simplify(4.0).difference(hill.simplify(2.0))
    return max(getattr(zone, "geoms", [zone]), key=lambda p: p.area)


def _with_launch(world: World, scene: _Scene, zone: Polygon) -> World:
    """Open, dry, level ground near the zone."""
    relief = scene.layout.relief
    step = 6.0
    e, n = np.meshgrid(
        np.arange(-world.width_m / 2 + 70, world.width_m / 2 - 70, step),
        np.arange(-world.height_m / 2 + 60, world.height_m / 2 - 60, step),
    )
    e, n = e.ravel(), n.ravel()
    solid = unary_union([*(b.footprint for b in scene.buildings), *(p.polygon for p in scene.flood.rubble)])
    around = np.array([[dx, dy] for dx in (-7, 0, 7) for dy in (-7, 0, 7)], float)
    heights = np.stack([relief.at(e + dx, n + dy) for dx, dy in around])
    wet = np.stack([relief.grid.sample(scene.flood.peak_depth_m, e + dx, n + dy) for dx, dy in around])
    trees = scene.trees_before
    near_tree = np.array(
        [np.hypot(trees.east_m - x, trees.north_m - y).min() for x, y in zip(e, n, strict=True)]
    )
    far = np.array([zone.distance(Point(x, y)) for x, y in zip(e, n, strict=True)])
    clear = np.array([solid.distance(Point(x, y)) for x, y in zip(e, n, strict=True)])
    cost = np.ptp(heights, axis=0) + 0.01 * far + 5.0 * (near_tree < 9) + 5.0 * (clear < 15)
    cost[wet.max(axis=0) > 0] += 100
    best = int(np.argmin(cost))
    lat, lon = world.frame.to_geo(e[best], n[best])
    alt = float(relief.at(e[best], n[best]))
    return replace(world, launch=GeoPoint(float(lat), float(lon), alt))


def _decks(layout: Layout, flood: Flood) -> tuple[Building, ...]:
    """The bridges as slabs, before and after."""
    decks = []
    for bridge in layout.bridges:
        deck = bridge_deck(bridge, layout)
        decks.append(replace(deck, grade=GRADE_DESTROYED) if bridge in flood.lost_bridges else deck)
    return tuple(decks)


def _write_scene(world: World, canvas: paint.Canvas, scene: _Scene, tell: Progress) -> None:
    tell("writing", 0.0)
    store.save_image(world.ground, canvas.after)
    store.save_image(world.water, canvas.water)
    store.save_objects(world.objects, scene.standing, scene.trees_after)


def _write_rasters(world: World, canvas: paint.Canvas, scene: _Scene, tell: Progress) -> None:
    flood, frame = scene.flood, world.frame
    store.write_grid(world.dem, flood.relief.heights_m, flood.relief.grid, frame)
    before = scene.layout.relief
    store.write_grid(world.dem_before, before.heights_m, before.grid, frame)
    store.write_grid(world.truth_depth, flood.depth_m, before.grid, frame)
    store.write_grid(world.truth_depth_before, flood.depth_before_m, before.grid, frame)
    store.write_grid(world.truth_depth_peak, flood.peak_depth_m, before.grid, frame)
    tell("writing", 0.3)
    store.write_picture(world.before, canvas.before, canvas.grid, frame)
    tell("writing", 0.5)
    store.write_picture(world.after, canvas.after, canvas.grid, frame)
    tell("writing", 0.7)
    store.write_classes(world.truth_classes_before, canvas.classes_before, canvas.grid, frame)
    store.write_classes(world.truth_classes, canvas.classes, canvas.grid, frame)
    store.write_classes(world.truth_change, canvas.change, canvas.grid, frame, changes=True)


def _write_vectors(world: World, scene: _Scene, zone: Polygon) -> None:
    frame, layout = world.frame, scene.layout
    store.write_layer(world.zone, frame, [zone], {"name": ["Flood zone"], "priority": [1.0]})
    houses = scene.flood.buildings
    outline = [h.footprint for h in houses]
    ids = [h.building_id for h in houses]
    store.write_layer(world.footprints, frame, outline, {"id": ids, "village": [h.village for h in houses]})
    store.write_layer(
        world.truth_buildings,
        frame,
        outline,
        {
            "id": ids,
            "grade": [h.grade for h in houses],
            "flooded": [h.flooded for h in houses],
            "depth_m": [h.depth_m for h in houses],
        },
    )
    store.write_layer(
        world.population,
        frame,
        [Point(h.east_m, h.north_m) for h in houses],
        {"people": [h.people for h in houses], "village": [h.village for h in houses]},
    )
    roads = layout.roads
    inside = box(-world.width_m / 2, -world.height_m / 2, world.width_m / 2, world.height_m / 2)
    store.write_layer(
        world.roads,
        frame,
        [r.line.intersection(inside) for r in roads],
        {
            "id": [r.road_id for r in roads],
            "name": [r.name for r in roads],
            "width_m": [2 * r.half_width_m for r in roads],
        },
    )
    pieces = scene.flood.roads
    store.write_layer(
        world.truth_roads,
        frame,
        [p.line for p in pieces],
        {
            "id": [p.road_id for p in pieces],
            "name": [p.name for p in pieces],
            "width_m": [2 * p.half_width_m for p in pieces],
            "state": [p.state for p in pieces],
            "washed_out": [p.washed_out for p in pieces],
        },
    )
    _write_event(world, scene)
    names = (("清溪镇", "Qingxi"), ("石桥乡", "Shiqiao"), ("云岭乡", "Yunling"))
    store.write_layer(
        world.townships,
        frame,
        townships(layout),
        {
            "code": [f"{n:03d}" for n in range(1, 4)],
            "name_zh": [zh for zh, _ in names],
            "name_en": [en for _, en in names],
        },
    )


def _write_event(world: World, scene: _Scene) -> None:
    """Water, bridges, debris, and who is to be found."""
    frame, layout, flood = world.frame, scene.layout, scene.flood
    valley, grid = layout.valley, layout.relief.grid
    inside = box(-world.width_m / 2, -world.height_m / 2, world.width_m / 2, world.height_m / 2)
    waters = [valley.river, *valley.streams]
    store.write_layer(
        world.rivers,
        frame,
        [line.intersection(inside) for line in waters],
        {"id": list(range(1, len(waters) + 1)), "kind": ["river"] + ["tributary"] * len(valley.streams)},
    )
    depths = {"before": flood.depth_before_m, "survey": flood.depth_m, "peak": flood.peak_depth_m}
    wet = [(moment, part) for moment, depth in depths.items() for part in store.outlines(depth, grid)]
    store.write_layer(
        world.truth_water, frame, [part for _, part in wet], {"moment": [moment for moment, _ in wet]}
    )
    bridges = layout.bridges
    lost = [bridge in flood.lost_bridges for bridge in bridges]
    store.write_layer(
        world.truth_bridges,
        frame,
        [bridge.line for bridge in bridges],
        {
            "id": [bridge.bridge_id + 1 for bridge in bridges],
            "road_id": [bridge.road.road_id for bridge in bridges],
            "over": ["river" if bridge.over_river else "tributary" for bridge in bridges],
            "state": [GRADE_DESTROYED if gone else GRADE_NONE for gone in lost],
        },
    )
    scars = [part for scar in flood.scars for part in getattr(scar, "geoms", [scar])]
    store.write_layer(
        world.truth_debris,
        frame,
        [*(patch.polygon for patch in flood.rubble), *scars],
        {
            "kind": [patch.kind for patch in flood.rubble] + ["scar"] * len(scars),
            "building_id": [patch.building_id or 0 for patch in flood.rubble] + [0] * len(scars),
        },
    )
    finds = scene.finds
    store.write_layer(
        world.truth_finds,
        frame,
        [Point(find.east_m, find.north_m) for find in finds],
        {
            "id": [find.find_id for find in finds],
            "kind": [find.kind for find in finds],
            "where": [find.where for find in finds],
            "alt_amsl_m": [find.up_m for find in finds],
            "waving": [find.waving for find in finds],
            "building_id": [find.building_id or 0 for find in finds],
        },
    )


def townships(layout: Layout) -> list[Polygon]:
    """Three polygons that fill the world: west, north-east and south-east of winding borders."""
    valley = layout.valley
    half_w, half_h = valley.width_m / 2, valley.height_m / 2
    whole = box(-half_w, -half_h, half_w, half_h)
    n = np.linspace(-half_h - 5, half_h + 5, 60)
    border = LineString(np.stack([-0.02 * valley.width_m + 14 * np.sin(n / 41), n], axis=1))
    first, second = split(whole, border).geoms
    west, rest = sorted((first, second), key=lambda p: p.centroid.x)
    north, south = sorted(split(rest, valley.river).geoms, key=lambda p: -p.centroid.y)[:2]
    return [west, north, south]
