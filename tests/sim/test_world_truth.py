"""The truth about a flooded valley: every layer of it, before and after, and that they agree."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from scipy import ndimage

from imagery.damage.legend import (
    BARE,
    BUILDING,
    BUILDING_LOST,
    DEBRIS,
    FLOODED,
    GRADE_DESTROYED,
    LANDSLIDE,
    MUD,
    MUD_OR_DEBRIS_LAID,
    ROAD,
    ROAD_BLOCKED,
    ROAD_BRIDGE_OUT,
    ROAD_FLOODED,
    ROAD_LOST,
    ROAD_PASSABLE,
    UNCHANGED,
    VEGETATION,
    WATER,
)
from plans.cameras import find_camera
from plans.frames import Pose
from sim.errors import WorldError
from sim.render import Renderer, load_scene
from sim.world import load_world, make_world
from sim.world.store import load_image, read_band, read_picture

from .conftest import COARSE_M
from .layers import away_from, inside_of, layer


@pytest.fixture(scope="module")
def rasters(world):
    """Those on the DEM's grid, and those on the picture's."""
    names = ("dem", "dem_before", "truth_depth", "truth_depth_before", "truth_depth_peak")
    coarse = {name: read_band(getattr(world, name)).astype(float) for name in names}
    pictures = ("truth_classes", "truth_classes_before", "truth_change")
    return coarse | {name: read_band(getattr(world, name)) for name in pictures}


def rows_of(path, **wanted):
    """Shapes and fields of a layer, those with given values."""
    shapes, values, _ = layer(path)
    keep = np.ones(len(shapes), bool)
    for key, value in wanted.items():
        keep &= values[key] == value
    return shapes[keep], {key: column[keep] for key, column in values.items()}


def around(world, values, shape, reach_m=0.0):
    """Values of a raster on the DEM's grid inside a shape."""
    e, n = np.meshgrid(world.dem_grid.east_centres_m, world.dem_grid.north_centres_m)
    region = shape.buffer(reach_m) if reach_m else shape
    w, s, east, north = region.bounds
    near = (e > w - 1) & (e < east + 1) & (n > s - 1) & (n < north + 1)
    return values[near][shapely.contains_xy(region, e[near], n[near])]


def test_the_river_has_tributaries_that_run_down_into_it(world, rasters):
    (river,), _ = rows_of(world.rivers, kind="river")
    streams, _ = rows_of(world.rivers, kind="tributary")
    assert len(streams) == 2
    grid = world.dem_grid
    for stream in streams:
        at = shapely.get_coordinates(shapely.segmentize(stream, 2.0))
        bed = grid.sample(rasters["dem_before"], at[:, 0], at[:, 1])
        smooth = np.convolve(bed, np.ones(5) / 5, "valid")
        assert np.diff(smooth).max() < 0.12  # downhill all the way
        assert bed[0] - bed[-1] > 3.0
        assert shapely.distance(river, shapely.points(at[-1])) < 3.0
        for moment in ("truth_depth_before", "truth_depth", "truth_depth_peak"):
            assert np.median(grid.sample(rasters[moment], at[:, 0], at[:, 1])) > 0.1
    ranks = [(rasters[m] > 0.1).mean() for m in ("truth_depth_before", "truth_depth", "truth_depth_peak")]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("moment", ["before", "survey", "peak"])
def test_water_polygons_are_the_depth_rasters_and_all_joined_to_the_river(world, rasters, moment):
    name = "truth_depth" if moment == "survey" else f"truth_depth_{moment}"
    wet = rasters[name] > 0
    shapes, _ = rows_of(world.truth_water, moment=moment)
    assert sum(s.area for s in shapes) == pytest.approx(wet.sum(), rel=1e-6)
    labels, _ = ndimage.label(wet)
    river = away_from(world, world.rivers, kind="river") < 3.0
    assert set(np.unique(labels[wet])) <= set(np.unique(labels[river & wet]))


def test_classes_before_are_those_of_a_valley_in_peace(world, rasters):
    before = rasters["truth_classes_before"]
    assert set(np.unique(before)) == {WATER, VEGETATION, BARE, ROAD, BUILDING}
    houses, _ = rows_of(world.footprints)
    for house in houses:
        inside = before[inside_of(world, house.buffer(-COARSE_M))]
        assert np.isin(inside, [BUILDING, VEGETATION]).all()
    roads, _ = rows_of(world.roads)
    along = np.concatenate([before[inside_of(world, road.buffer(0.6))] for road in roads])
    assert np.isin(along, [ROAD, VEGETATION]).mean() > 0.97


def test_change_is_the_difference_between_the_classes(rasters):
    before, after, change = (rasters[n] for n in ("truth_classes_before", "truth_classes", "truth_change"))
    assert (after[change == FLOODED] == WATER).all()
    assert (before[change == FLOODED] != WATER).mean() > 0.97
    assert (before[change == BUILDING_LOST] == BUILDING).mean() > 0.85  # crowns over the eaves
    assert (before[change == ROAD_LOST] == ROAD).mean() > 0.9
    assert np.isin(after[change == MUD_OR_DEBRIS_LAID], [MUD, DEBRIS, LANDSLIDE, ROAD, BARE]).mean() > 0.99
    same = change == UNCHANGED
    assert (before[same] == after[same]).mean() > 0.97


def test_a_house_in_water_is_flagged_and_one_on_dry_ground_is_not(world, rasters):
    houses, values = rows_of(world.truth_buildings)
    ids, flags, depths, grades = (values[k] for k in ("id", "flooded", "depth_m", "grade"))
    for house, flooded, deepest, grade in zip(houses, flags, depths, grades, strict=True):
        walls = shapely.get_coordinates(shapely.segmentize(house.buffer(1.0).exterior, 1.0))
        at_walls = world.dem_grid.sample(rasters["truth_depth"], walls[:, 0], walls[:, 1])
        assert at_walls.max() == pytest.approx(deepest, abs=0.15)
        share = (at_walls > 0.08).mean()
        assert share > 0.2 if flooded else share < 0.3 or deepest < 0.15
        if around(world, rasters["truth_depth"], house, 2.5).max(initial=0.0) == 0.0:
            assert not flooded
        if grade == GRADE_DESTROYED:
            assert around(world, rasters["truth_depth_peak"], house, 2.0).max() > 0.3
    heaps, of = rows_of(world.truth_debris, kind="house")
    assert set(of["building_id"]) == set(ids[grades == GRADE_DESTROYED])
    assert len(heaps) == len(of["building_id"])


def test_a_flooded_road_lies_in_water_and_a_blocked_one_under_debris_or_where_it_is_gone(world, rasters):
    roads, values = rows_of(world.truth_roads)
    debris, _ = rows_of(world.truth_debris)
    covered = shapely.unary_union(list(debris)).buffer(0.1)
    lost, _ = rows_of(world.truth_bridges, state=GRADE_DESTROYED)
    decks = shapely.unary_union([b.buffer(1.5) for b in rows_of(world.truth_bridges)[0]])
    grid = world.dem_grid
    seen = set()
    for road, state, washed_out in zip(roads, values["state"], values["washed_out"], strict=True):
        middle = road.interpolate(0.5, normalized=True)
        depth = float(grid.sample(rasters["truth_depth"], middle.x, middle.y))
        seen.add((state, bool(washed_out)))
        if state == ROAD_FLOODED:
            assert depth > 0.05
        elif state == ROAD_PASSABLE:
            assert depth < 0.1 or decks.contains(middle)
        elif washed_out:
            gone = rasters["truth_change"][inside_of(world, road.buffer(1.0))]
            assert np.isin(gone, [ROAD_LOST, MUD_OR_DEBRIS_LAID]).mean() > 0.7
        else:
            assert state == ROAD_BLOCKED
            assert covered.contains(middle)
    assert seen == {
        (ROAD_FLOODED, False),
        (ROAD_PASSABLE, False),
        (ROAD_BLOCKED, True),
        (ROAD_BLOCKED, False),
        (ROAD_BRIDGE_OUT, True),
    }
    assert len(lost) == 1
    out = values["state"] == ROAD_BRIDGE_OUT
    assert out.any()
    assert (shapely.distance(roads[out], lost[0]) < 0.5).all()


def test_bridges_carry_their_roads_over_the_water_and_a_lost_one_is_gone(world, rasters):
    bridges, values = rows_of(world.truth_bridges)
    assert sorted(values["over"]) == ["river", "tributary", "tributary"]
    rivers, _ = rows_of(world.rivers)
    for bridge, state in zip(bridges, values["state"], strict=True):
        assert shapely.distance(shapely.union_all(rivers), bridge) < 0.5
        middle = bridge.interpolate(0.5, normalized=True).buffer(1.2)
        before, after = (
            rasters[n][inside_of(world, middle)] for n in ("truth_classes_before", "truth_classes")
        )
        assert (before == ROAD).all()
        if state == GRADE_DESTROYED:
            assert not (after == ROAD).any()
        else:
            assert (after == ROAD).all()


def test_landslides_leave_a_scar_above_and_earth_below(world, rasters):
    tongues, _ = rows_of(world.truth_debris, kind="landslide")
    scars, _ = rows_of(world.truth_debris, kind="scar")
    assert len(tongues) == 2
    moved = rasters["dem"] - rasters["dem_before"]
    for tongue in tongues:
        scar = min(scars, key=lambda s: s.distance(tongue))
        assert scar.distance(tongue) < 0.1
        assert (
            around(world, rasters["dem_before"], scar).mean()
            > around(world, rasters["dem_before"], tongue).mean()
        )
        assert around(world, moved, scar).min() < -0.8
        assert around(world, moved, tongue).max() > 0.6
        assert (rasters["truth_classes"][inside_of(world, tongue.buffer(-1))] == LANDSLIDE).mean() > 0.9
        assert (rasters["truth_classes"][inside_of(world, scar.buffer(-1))] == LANDSLIDE).mean() > 0.9
    assert (np.abs(moved) > 0.02).mean() < 0.02  # nothing else has moved but the washed-out road


# -- people and boats ---------------------------------------------------------------------------------


def test_people_are_on_roofs_on_dry_ground_and_in_boats_and_boats_on_water(world, rasters):
    places, values = rows_of(world.truth_finds)
    houses, of_house = rows_of(world.truth_buildings)
    grid = world.dem_grid
    boats = [p for p, kind in zip(places, values["kind"], strict=True) if kind == "boat"]
    assert len(boats) >= 3
    assert {"roof", "ground", "boat"} == set(values["where"][values["kind"] == "person"])
    columns = (values[name] for name in ("where", "alt_amsl_m", "building_id"))
    for place, where, up, number in zip(places, *columns, strict=True):
        depth = float(grid.sample(rasters["truth_depth"], place.x, place.y))
        ground = float(grid.sample(rasters["dem"], place.x, place.y))
        if where == "roof":
            row = int(np.flatnonzero(of_house["id"] == number)[0])
            assert houses[row].contains(place)
            assert of_house["flooded"][row]
            assert of_house["grade"][row] != GRADE_DESTROYED
            assert up > ground + 2.5
        elif where == "ground":
            assert depth == 0.0
            assert up == pytest.approx(ground, abs=0.3)
        else:
            assert depth > 0.3
            assert up == pytest.approx(ground + depth, abs=0.4)
            assert min(place.distance(boat) for boat in boats) < 2.0


@pytest.fixture(scope="module")
def sharp(tmp_path_factory):
    """A world fine enough for photos of 4 cm, as small as they come."""
    return make_world(tmp_path_factory.mktemp("sharp"), 4, size_m=600.0, pixel_m=0.1)


@pytest.mark.slow
def test_people_and_boats_are_seen_in_photos_where_the_truth_has_them(sharp):
    """At 4 cm: the picture at the place differs from that of the same world without them."""
    places, values = rows_of(sharp.truth_finds)
    scene = load_scene(sharp.folder)
    camera = find_camera("Simulated 6 MP")
    renderer = Renderer(scene, camera)
    for where, reach_m in (("roof", 0.4), ("ground", 0.4), ("water", 1.5)):
        row = int(np.flatnonzero(values["where"] == where)[0])
        place, up = places[row], float(values["alt_amsl_m"][row])
        pose = Pose(place.x + 6.0, place.y - 4.0, up + 80.0, 40.0, -90.0, 0.0)
        frame = renderer.view(pose)[0].astype(int)
        x, y = camera.project((np.array([[place.x, place.y, up]]) - pose.centre) @ pose.camera_from_enu.T)[0]
        scale = camera.focal_px / 80.0
        half, wide = round(reach_m * scale), round(3.5 * reach_m * scale)
        c, r = round(x), round(y)
        spot = frame[r - half : r + half + 1, c - half : c + half + 1].reshape(-1, 3)
        ring = frame[r - wide : r + wide + 1, c - wide : c + wide + 1].reshape(-1, 3)
        usual = np.median(ring, axis=0)
        assert np.abs(spot - usual).max(axis=1).max() > 60
        assert (np.abs(spot - usual).max(axis=1) > 40).mean() > 0.15


def test_roofs_boats_and_people_stand_out_of_rising_water(world):
    places, _ = rows_of(world.truth_finds, kind="boat")
    houses, of_house = rows_of(world.truth_buildings, flooded=True)
    before, after = load_scene(world.folder), load_scene(world.folder, 1.5)
    for place in places:
        inside = inside_of(world, place.buffer(1.0))
        assert np.array_equal(before.pictures[0][inside], after.pictures[0][inside])
    for house, grade in zip(houses, of_house["grade"], strict=True):
        if grade != GRADE_DESTROYED:
            inside = inside_of(world, house.buffer(-1.0))
            assert np.array_equal(before.pictures[0][inside], after.pictures[0][inside])
    assert load_image(world.water).max() > 200


# -- a stage of one's choice ---------------------------------------------------------------------------


def test_a_chosen_stage_floods_more_or_less(tmp_path):
    low, high = (make_world(tmp_path / str(s), 4, 600.0, 1.0, stage_m=s) for s in (-0.8, 2.4))
    assert (load_world(low.folder).stage_m, load_world(high.folder).stage_m) == (-0.8, 2.4)
    wet = [(read_band(world.truth_depth) > 0).mean() for world in (low, high)]
    assert wet[1] > 3 * wet[0]
    flooded = [rows_of(world.truth_buildings)[1]["flooded"].sum() for world in (low, high)]
    assert flooded[1] > flooded[0] == 0
    peak, now = (read_band(getattr(high, n)) for n in ("truth_depth_peak", "truth_depth"))
    assert peak.max() > now.max()
    assert read_picture(high.after).std() > 10
    with pytest.raises(WorldError, match="choose -1 to 3 m"):
        make_world(tmp_path / "x", 4, stage_m=9.0)
