"""A trainer's own valley under water: the river is told or found by the DEM, the water stands where it is
joined to it, photos show it without features that stay, and the world holds the truth about it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from pyogrio import raw
from rasterio import features
from rasterio.transform import from_origin

from imagery.damage.legend import FLOODED, MUD, MUD_OR_DEBRIS_LAID, UNCHANGED, WATER
from plans.cameras import find_camera
from plans.frames import GeoPoint, Pose
from sim.errors import ScenarioError, WorldError
from sim.place import Tide, place_of_world
from sim.render import Renderer, load_scene
from sim.scenario import parse_scenario, read_scenario
from sim.server import SimSettings
from sim.world import RealFlood, RealPlace, load_world, make_real_world
from sim.world.drainage import drainage, stem
from sim.world.store import load_image, read_band, read_picture, transform_of
from sim.world.terrain import Grid

from .layers import layer
from .test_real_place import UTM, middle, write

LYONS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "flood" / "fwdet_lyons"
SIDE_M, GSD_M = 320.0, 0.25
FALL = 0.01
POLDER = (slice(60, 110), slice(200, 260))
"""Rows and columns of metre cells that lie low, with a dam about them."""
ROOF = (slice(137, 149), slice(210, 222))
"""A house of 6 m, in the river's way; only the DSM has it."""


def river_n(east):
    """North of the river at local east."""
    return 18.0 * np.sin(east / 45.0)


def bare(east, north):
    """A valley with slopes of one in ten, its river falling eastward by one in a hundred: metres AMSL."""
    return 300.0 - FALL * east + 0.1 * np.abs(north - river_n(east))


def metre_cells(side_m=SIDE_M):
    at = np.arange(round(side_m)) + 0.5 - side_m / 2
    return np.meshgrid(at, -at)


def valley(path, roof_m=0.0):
    east, north = metre_cells(640.0)
    heights = bare(east, north).astype(np.float32)
    off = round((640.0 - SIDE_M) / 2)
    rows, cols = (slice(s.start + off, s.stop + off) for s in POLDER)
    heights[rows.start - 3 : rows.stop + 3, cols.start - 3 : cols.stop + 3] = 312.0
    heights[rows, cols] = 299.0
    rows, cols = (slice(s.start + off, s.stop + off) for s in ROOF)
    heights[rows, cols] += roof_m
    e0, n0 = middle(UTM)
    return write(path, heights, UTM, from_origin(e0 - 320.0, n0 + 320.0, 1.0, 1.0))


def meadow(path):
    """A picture full of features: green ground, sharp and coarse."""
    count = round(SIDE_M / GSD_M)
    rng = np.random.default_rng(7)
    spots = sum(
        cv2.resize(rng.normal(0, 14, (count // n, count // n)), (count, count), interpolation=cv2.INTER_CUBIC)
        for n in (1, 4, 16)
    )
    picture = np.clip(np.array([84, 118, 62]) + spots[..., None], 0, 255).astype(np.uint8)
    e0, n0 = middle(UTM)
    return write(path, picture, UTM, from_origin(e0 - SIDE_M / 2, n0 + SIDE_M / 2, GSD_M, GSD_M))


def geo(east, north):
    """A place by metres from the middle, as (lat, lon)."""
    e0, n0 = middle(UTM)
    lon, lat = pyproj.Transformer.from_crs(UTM, 4326, always_xy=True).transform(e0 + east, n0 + north)
    return lat, lon


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valley")
    return {
        "ortho": meadow(folder / "o.tif"),
        "dem": valley(folder / "d.tif"),
        "dsm": valley(folder / "s.tif", 6.0),
    }


def place(files, flood, dsm=False, **more):
    return RealPlace(files["ortho"], files["dem"], files["dsm"] if dsm else None, flood=flood, **more)


@pytest.fixture(scope="module")
def flooded(files, tmp_path_factory):
    """1.5 m of water, 2.5 m at its highest; the river found by the DEM."""
    folder = tmp_path_factory.mktemp("flooded")
    return make_real_world(folder / "w", place(files, RealFlood(1.5, 2.5), dsm=True))


def expected(world, stage_m):
    """Depths in the world's grid by the formula of the valley, the polder left out."""
    grid = world.dem_grid
    east, north = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    depth = np.maximum(stage_m - 0.1 * np.abs(north - river_n(east)), 0.0)
    depth[POLDER[0].start - 6 : POLDER[0].stop + 6, POLDER[1].start - 6 : POLDER[1].stop + 6] = 0.0
    return depth


def test_the_river_is_found_by_the_dem_and_the_water_stands_by_the_stage(flooded):
    assert flooded.stage_m == 1.5
    assert "drainage of the DEM" in flooded.river
    assert load_world(flooded.folder).river == flooded.river
    for name, stage_m in (("truth_depth", 1.5), ("truth_depth_peak", 2.5)):
        depth, wanted = read_band(getattr(flooded, name)), expected(flooded, stage_m)
        # the world is laid in its own frame: turned by some tenths of a degree against UTM
        assert np.mean((depth > 0) != (wanted > 0)) < 0.02
        assert np.median(np.abs(depth - wanted)[wanted > 0]) < 0.12
        assert depth.max() == pytest.approx(stage_m, abs=0.25)


def test_low_ground_behind_a_dam_stays_dry(flooded):
    inner = tuple(slice(s.start + 4, s.stop - 4) for s in POLDER)
    heights, depth = read_band(flooded.dem), read_band(flooded.truth_depth_peak)
    assert heights[inner].max() < 299.5
    assert not depth[inner].any()


SOURCES = {
    "a line of points": lambda folder: tuple(
        GeoPoint(*geo(e, river_n(e))) for e in np.linspace(-155, 155, 40)
    ),
    "the same drawn upstream": lambda folder: tuple(
        GeoPoint(*geo(e, river_n(e))) for e in np.linspace(155, -155, 40)
    ),
    "one point": lambda folder: (GeoPoint(*geo(20.0, river_n(20.0) + 15.0)),),
    "a mask": lambda folder: mask(folder / "m.tif"),
    "areas": lambda folder: river_areas(folder / "r.geojson"),
}


def mask(path):
    east, north = metre_cells()
    e0, n0 = middle(UTM)
    wet = (np.abs(north - river_n(east)) < 2.0).astype(np.uint8)
    return write(path, wet, UTM, from_origin(e0 - SIDE_M / 2, n0 + SIDE_M / 2, 1.0, 1.0))


def river_areas(path):
    east = np.linspace(-155, 155, 80)
    line = shapely.LineString([geo(e, river_n(e))[::-1] for e in east])
    wide = line.buffer(2.0 / 90_000)
    raw.write(
        str(path),
        np.array([shapely.to_wkb(wide)], object),
        [],
        [],
        geometry_type="Polygon",
        crs="EPSG:4326",
        layer="river",
    )
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_a_river_that_is_told_gives_the_same_water(files, flooded, tmp_path, kind):
    world = make_real_world(tmp_path / "w", place(files, RealFlood(1.5, river=SOURCES[kind](tmp_path))))
    found, told = read_band(flooded.truth_depth), read_band(world.truth_depth)
    assert ("drainage" in world.river) is (kind == "one point")
    assert np.mean((found > 0) != (told > 0)) < 0.03
    assert np.median(np.abs(found - told)[found > 0]) < 0.15
    assert np.array_equal(read_band(world.truth_depth_peak), told)  # nothing has fallen yet


def test_the_picture_shows_water_and_above_it_mud_and_beyond_it_what_was(flooded):
    before, after = read_picture(flooded.before).astype(int), read_picture(flooded.after).astype(int)
    classes, change = read_band(flooded.truth_classes), read_band(flooded.truth_change)
    assert set(np.unique(classes)) == {0, WATER, MUD}
    grid = flooded.image_grid
    east, north = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    beside = np.abs(north - river_n(east))
    away = np.abs(east) < 40.0  # neither polder nor house
    deep, silted, dry = (
        away & (beside < 8.0),
        away & (beside > 17.5) & (beside < 21.0),
        away & (beside > 30.0),
    )
    for where, code, changed in (
        (deep, WATER, FLOODED),
        (silted, MUD, MUD_OR_DEBRIS_LAID),
        (dry, 0, UNCHANGED),
    ):
        assert (classes[where] == code).mean() > 0.97
        assert (change[where] == changed).mean() > 0.97
    assert np.abs(after[dry] - before[dry]).max() < 25  # two JPEGs
    green = before[..., 1] - before[..., 0]
    assert np.median(green[dry]) > 20
    assert np.median((after[..., 0] - after[..., 2])[deep]) > 30  # brown
    assert np.median((after[..., 0] - after[..., 2])[silted]) > 20
    assert after[deep].std(axis=0).mean() < 0.5 * before[deep].std(axis=0).mean()


def test_a_house_of_the_surface_model_stands_out_of_the_water(files, flooded, tmp_path):
    """Also when it rises; without a surface model nobody knows how tall it is."""
    without = make_real_world(tmp_path / "w", place(files, RealFlood(1.5, 2.5)))
    opacity = load_image(flooded.water)
    east, north = (v[ROOF] for v in metre_cells())
    col, row = flooded.image_grid.to_pixel(east[3:-3, 3:-3], north[3:-3, 3:-3])
    at = np.round(row).astype(int), np.round(col).astype(int)
    assert flooded.dem_grid.sample(read_band(flooded.truth_depth), east[6, 6], north[6, 6]) > 0.8
    assert opacity[at].max() <= 1
    assert load_image(without.water)[at].min() > 200
    higher = load_scene(flooded.folder, 2.0)
    assert higher.waters[0][at].max() <= 1
    assert np.abs(higher.pictures[0][at].astype(int) - load_scene(flooded.folder).pictures[0][at]).max() == 0
    grid, surface = higher.surface_grid, higher.surface_m
    roof = float(grid.sample(surface, east[6, 6], north[6, 6]))
    water = float(grid.sample(surface, east[6, 6] - 25.0, river_n(east[6, 6] - 25.0)))
    assert roof - water > 1.0


def test_water_in_photos_has_no_features_that_stay(flooded):
    """Two photos from one place: ground correlates, water does not."""
    renderer = Renderer(load_scene(flooded.folder), find_camera("Simulated 6 MP"))
    pose = Pose(0.0, float(river_n(0.0)), 300.0 + 70.0, 0.0, -90.0, 0.0)
    _, opacity = renderer.view(pose)
    assert opacity is not None
    first, second = (
        cv2.GaussianBlur(renderer.render(pose, seed).mean(axis=2), (0, 0), 2.0) for seed in (1, 2)
    )
    first, second = (frame - cv2.GaussianBlur(frame, (0, 0), 25.0) for frame in (first, second))
    wet = cv2.erode((opacity > 230).astype(np.uint8), np.ones((61, 61))) > 0
    dry = cv2.erode((opacity == 0).astype(np.uint8), np.ones((61, 61))) > 0
    assert min(wet.sum(), dry.sum()) > 50_000
    assert abs(np.corrcoef(first[wet], second[wet])[0, 1]) < 0.3
    assert np.corrcoef(first[dry], second[dry])[0, 1] > 0.7


def test_it_rises_for_the_vehicle_and_in_the_photos(flooded):
    place_, _ = place_of_world(flooded.folder)
    beside = 18.0  # 0.3 m above the water
    spot = (0.0, float(river_n(0.0)) + beside)
    assert place_.depth_m(*spot, 0.0) == 0.0
    place_.tide = Tide(0.0, 0.1, 1.0)
    assert place_.depth_m(*spot, 10.0) == pytest.approx(0.7, abs=0.15)
    now, later = load_scene(flooded.folder), load_scene(flooded.folder, 1.0)
    assert (later.waters[0] > 200).sum() > 1.4 * (now.waters[0] > 200).sum()
    assert later.pictures[0][later.waters[0] > 220].std(axis=0).max() < 12.0  # no trace of the old shore


def test_its_truth_comes_in_layers_too(flooded):
    parts, fields, _ = layer(flooded.truth_water)
    assert set(fields["moment"]) == {"survey", "peak"}
    areas = {
        m: sum(p.area for p, name in zip(parts, fields["moment"], strict=True) if name == m)
        for m in fields["moment"]
    }
    assert areas["survey"] == pytest.approx((read_band(flooded.truth_depth) > 0).sum(), rel=0.001)
    assert areas["peak"] > 1.4 * areas["survey"]
    runs, fields, _ = layer(flooded.rivers)
    assert set(fields["known_by"]) == {flooded.river}
    assert sum(run.length for run in runs) == pytest.approx(SIDE_M, rel=0.35)
    assert flooded.zone.exists()
    lat, lon = flooded.launch.lat_deg, flooded.launch.lon_deg
    at = place_of_world(flooded.folder)[0].to_local(lat, lon)
    assert flooded.dem_grid.sample(read_band(flooded.truth_depth_peak), *at) == 0.0


def test_what_cannot_be_flooded_is_said_in_one_line(files, tmp_path):
    def complaint(flood, **more):
        with pytest.raises(WorldError) as caught:
            make_real_world(tmp_path / "x", place(files, flood, **more))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with pytest.raises(WorldError, match="choose up to 40 m"):
        RealFlood(90.0)
    with pytest.raises(WorldError, match=r"1\.5 m \(the stage\)"):
        RealFlood(1.5, 1.0)
    away = (GeoPoint(*geo(4000.0, 0.0)), GeoPoint(*geo(5000.0, 0.0)))
    assert "no river runs through" in complaint(RealFlood(1.0, river=away))
    assert "is not on the picture" in complaint(RealFlood(1.0, river=away[:1]))
    assert "cannot be read" in complaint(RealFlood(1.0, river=tmp_path / "none.gpkg"))
    (tmp_path / "r.txt").write_text("no river")
    assert "river" in complaint(RealFlood(1.0, river=tmp_path / "r.txt"))
    wet = GeoPoint(*geo(0.0, river_n(0.0)))
    assert "under water in this flood" in complaint(RealFlood(1.5), launch=wet)
    assert "choose a lower stage" in complaint(RealFlood(40.0))


SCENARIO = 'name = "Flood"\n[place]\northo = "o.tif"\ndem = "d.tif"\n'


def test_a_scenario_floods_it(files):
    folder = files["ortho"].parent
    lat, lon = geo(20.0, river_n(20.0))
    (folder / "f.toml").write_text(SCENARIO + f"stage_m = 1.2\npeak_m = 2\nriver = [[{lat}, {lon}]]\n")
    scenario = read_scenario(folder / "f.toml")
    world = load_world(scenario.apply(SimSettings()).world)
    assert (world.stage_m, read_band(world.truth_depth).max()) == (1.2, pytest.approx(1.2, abs=0.25))
    (folder / "f.toml").write_text(SCENARIO)
    dry = load_world(read_scenario(folder / "f.toml").apply(SimSettings()).world)
    assert dry.stage_m is None
    assert not read_band(dry.truth_depth).any()
    assert not dry.zone.exists()
    for extra, says in (
        ("peak_m = 2", "peak_m has no effect without stage_m"),
        ('river = "r.gpkg"', "river has no effect without stage_m"),
        ("stage_m = 2\npeak_m = 1", "choose 2 m (the stage)"),
        ("stage_m = 2\nriver = [[100, 0]]", "is no place"),
    ):
        with pytest.raises(ScenarioError, match="place") as caught:
            parse_scenario(SCENARIO + extra, "f.toml")
        assert says in str(caught.value)


def test_a_stream_runs_down_where_most_drains():
    """Two furrows meet: all water arrives at the border, and the stream is the longer furrow."""
    grid = Grid(-50.0, 50.0, 1.0, 100, 100)
    east, north = np.meshgrid(grid.east_centres_m, grid.north_centres_m)
    side = np.minimum(np.abs(north), np.abs(north - np.clip(-east, 0, None)))
    heights = 100.0 - 0.05 * east + 0.2 * side
    heights[:3] = np.nan
    heights[60:64, 60:64] = 50.0  # a pit runs over
    drained = drainage(heights, grid)
    outlets = np.flatnonzero(drained.into == np.arange(grid.rows * grid.cols))
    assert drained.area_m2[outlets].sum() == pytest.approx(97 * 100)
    assert (drained.into.reshape(100, 100)[:3] == -1).all()
    at = np.array(stem(drained, int(np.argmax(drained.area_m2))).coords)
    assert at[-1, 0] == pytest.approx(49.5)
    assert np.ptp(at[:, 0]) > 70.0
    assert np.abs(at[at[:, 0] > 0.0, 1]).max() < 1.6


@pytest.mark.skipif(not LYONS.exists(), reason="real data (../shared/data) is not here")
def test_a_real_river_floods_where_it_did(tmp_path):
    """The valley and flood of the FwDET example (Cohen et al. 2018): its DEM and a stage are given."""
    with rasterio.open(LYONS / "lyons_elevation.tif") as source:
        heights, profile = source.read(1, masked=True), source.profile
    seen = cv2.erode((~heights.mask).astype(np.uint8), np.ones((5, 5))) * 120
    profile = {"driver": "GTiff", **{k: profile[k] for k in ("width", "height", "crs", "transform")}}
    with rasterio.open(tmp_path / "o.tif", "w", count=3, dtype="uint8", nodata=0, **profile) as sink:
        sink.write(np.stack([seen] * 3))
    flood = RealFlood(3.6)
    world = make_real_world(
        tmp_path / "w", RealPlace(tmp_path / "o.tif", LYONS / "lyons_elevation.tif", flood=flood)
    )
    meta, _, shapes, _ = raw.read(LYONS / "Lyons.gdb", layer="FloodExtent")
    to_local = pyproj.Transformer.from_crs(meta["crs"], world.frame.crs, always_xy=True)
    extent = shapely.transform(
        shapely.union_all(shapely.make_valid(shapely.from_wkb(shapes))),
        lambda at: np.column_stack(to_local.transform(*at.T)),
    )
    wet = read_band(world.truth_depth) > 0
    observed = features.rasterize([(extent, 1)], wet.shape, transform=transform_of(world.dem_grid)) > 0
    assert (wet & observed).sum() / observed.sum() > 0.9
    assert (wet & observed).sum() / (wet | observed).sum() > 0.78
