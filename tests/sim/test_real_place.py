"""Any real place as a world: photos of it show the right ground at the right coordinates, whatever CRS its
files are in, and files that cannot be one are refused in one line."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

from plans.cameras import find_camera
from plans.frames import GeoPoint, Pose
from sim.autopilot.mavlink import Face
from sim.autopilot.modes import Mode
from sim.dynamics import STEP_S
from sim.errors import WorldError
from sim.place import place_of_world
from sim.render import Renderer, load_scene
from sim.scenario import read_scenario
from sim.server import SimSettings, make_vehicles, true_shot
from sim.world import RealPlace, load_world, make_real_world

LAT, LON = 47.25, 9.6
UTM = pyproj.CRS.from_epsg(32632)
SWISS = pyproj.CRS.from_epsg(2056)
WGS84 = pyproj.CRS.from_epsg(4326)
SIDE_M, GSD_M = 200.0, 0.125
MARKS = {  # metres from the middle by the CRS's own axes, and colours
    (0.0, 0.0): (230, 30, 30),
    (60.0, 40.0): (30, 60, 230),
    (-70.0, 50.0): (240, 220, 30),
    (40.0, -35.0): (20, 220, 220),
}
MARK_M = 2.0
GROUND_M, SLOPE = 430.0, 0.12


def middle(crs):
    return pyproj.Transformer.from_crs(WGS84, crs, always_xy=True).transform(LON, LAT)


def height_m(east, north):
    """An inclined plane, by UTM coordinates."""
    e0, n0 = middle(UTM)
    return GROUND_M + SLOPE * (east - e0) - 0.05 * (north - n0)


def write(path, bands, crs, transform, **more):
    bands = np.atleast_3d(bands) if bands.ndim == 2 else bands
    bands = np.moveaxis(bands, 2, 0)
    count, rows, cols = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": rows, "width": cols, "dtype": bands.dtype}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, **more) as sink:
        sink.write(bands)
    return path


def ortho(path, crs=UTM, paint=lambda picture: picture, **more):
    """Grey ground with marks; in degrees for a geographic CRS."""
    rng = np.random.default_rng(3)
    count = round(SIDE_M / GSD_M)
    picture = rng.integers(96, 128, (count, count, 3)).astype(np.uint8)
    x0, y0 = middle(crs)
    per_x, per_y = (1.0, 1.0) if crs.is_projected else metres_per_degree()
    for (east, north), colour in MARKS.items():
        col, row = round((east + SIDE_M / 2) / GSD_M), round((SIDE_M / 2 - north) / GSD_M)
        half = round(MARK_M / 2 / GSD_M)
        picture[row - half : row + half, col - half : col + half] = colour
    transform = from_origin(x0 - SIDE_M / 2 / per_x, y0 + SIDE_M / 2 / per_y, GSD_M / per_x, GSD_M / per_y)
    return write(path, paint(picture), crs, transform, **more)


def metres_per_degree():
    geod = pyproj.Geod(ellps="WGS84")
    return geod.inv(LON, LAT, LON + 1e-3, LAT)[2] * 1e3, geod.inv(LON, LAT, LON, LAT + 1e-3)[2] * 1e3


def dem(path, side_m=600.0, step_m=5.0, crs=UTM, change=lambda heights: heights, **more):
    """The plane, in UTM."""
    e0, n0 = middle(UTM)
    count = round(side_m / step_m)
    east = e0 - side_m / 2 + (np.arange(count) + 0.5) * step_m
    north = n0 + side_m / 2 - (np.arange(count) + 0.5) * step_m
    heights = height_m(east[None, :], north[:, None]).astype(np.float32)
    corner = from_origin(e0 - side_m / 2, n0 + side_m / 2, step_m, step_m)
    return write(path, change(heights), crs, corner, **more)


def mark_place(crs, east, north):
    """(lat, lon) of a mark."""
    x0, y0 = middle(crs)
    per_x, per_y = (1.0, 1.0) if crs.is_projected else metres_per_degree()
    lon, lat = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True).transform(
        x0 + east / per_x, y0 + north / per_y
    )
    return lat, lon


def found_px(frame, colour):
    """Centre of the pixels of a mark's colour."""
    rows, cols = np.nonzero(np.abs(frame.astype(int) - colour).max(axis=2) < 60)
    return np.array([cols.mean(), rows.mean()]), len(rows)


@pytest.mark.parametrize("crs", [UTM, SWISS, WGS84], ids=["UTM", "another country's", "degrees"])
def test_a_photo_shows_each_mark_where_it_is(tmp_path, crs):
    world = make_real_world(
        tmp_path / "w", RealPlace(ortho(tmp_path / "o.tif", crs), dem(tmp_path / "d.tif"))
    )
    assert world.pixel_m == pytest.approx(GSD_M, rel=0.02)
    place, _ = place_of_world(world.folder)
    camera = find_camera("Simulated 6 MP")
    renderer = Renderer(load_scene(world.folder), camera)
    pose = Pose(10.0, -5.0, GROUND_M + 150.0, 20.0, -80.0, 0.0)
    frame, water = renderer.view(pose)
    assert water is None
    to_utm = pyproj.Transformer.from_crs(WGS84, UTM, always_xy=True)
    for (east, north), colour in MARKS.items():
        lat, lon = mark_place(crs, east, north)
        up = height_m(*to_utm.transform(lon, lat))
        e, n = place.to_local(lat, lon)
        assert place.ground.height_m(e, n) == pytest.approx(up, abs=0.02)
        wanted = camera.project((np.array([[e, n, up]]) - pose.centre) @ pose.camera_from_enu.T)[0]
        found, count = found_px(frame, colour)
        assert count > 200
        assert found == pytest.approx(wanted, abs=0.7)


def test_what_stands_on_the_ground_stands_up_in_the_photo(tmp_path):
    """A block of 20 m in the DSM leans away from the middle of the picture; its roof is 20 m nearer."""

    def with_block(heights):
        raised = heights.copy()
        raised[50:58, 70:78] += 20.0  # 40 m of 5 m cells, 32 m to 72 m east, 10 m to 50 m north
        return raised

    files = (ortho(tmp_path / "o.tif"), dem(tmp_path / "d.tif"), dem(tmp_path / "s.tif", change=with_block))
    flat = make_real_world(tmp_path / "flat", RealPlace(*files[:2]))
    tall = make_real_world(tmp_path / "tall", RealPlace(*files))
    camera = find_camera("Simulated 6 MP")
    pose = Pose(0.0, 0.0, GROUND_M + 120.0, 0.0, -90.0, 0.0)
    east, north = 60.0, 40.0  # a mark on the roof
    low, high = (Renderer(load_scene(w.folder), camera).view(pose)[0] for w in (flat, tall))
    (on_ground, _), (on_roof, _) = (found_px(picture, MARKS[(east, north)]) for picture in (low, high))
    middle_px = found_px(high, MARKS[(0.0, 0.0)])[0]
    assert found_px(low, MARKS[(0.0, 0.0)])[0] == pytest.approx(middle_px, abs=0.3)
    e0, n0 = middle(UTM)
    up = height_m(e0 + east, n0 + north) - GROUND_M
    stretch = (120.0 - up) / (100.0 - up)
    assert (on_roof - middle_px) == pytest.approx((on_ground - middle_px) * stretch, rel=0.01)
    assert place_of_world(tall.folder)[0].ground.height_m(50.0, 30.0) < GROUND_M + 10.0  # it lands on ground


def with_a_blank_west(picture):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :400] = 0
    return np.dstack([picture, alpha])


@pytest.mark.parametrize("kind", ["grey", "16 bit", "with alpha", "palette"])
def test_pictures_of_every_kind_are_taken(tmp_path, kind):
    more, crs = {}, UTM
    paint = {
        "grey": lambda p: p[..., :1],
        "16 bit": lambda p: p.astype(np.uint16) * 40,
        "with alpha": with_a_blank_west,
        "palette": lambda p: (p[..., :1] > 200).astype(np.uint8),
    }[kind]
    if kind == "with alpha":
        more = {"photometric": "RGB", "alpha": "yes"}
    if kind == "palette":
        more = {"photometric": "palette"}
    path = ortho(tmp_path / "o.tif", crs, paint, **more)
    if kind == "palette":
        with rasterio.open(path, "r+") as sink:
            sink.write_colormap(1, {0: (10, 120, 10), 1: (250, 10, 10)})
    world = make_real_world(tmp_path / "w", RealPlace(path, dem(tmp_path / "d.tif")))
    picture = load_scene(world.folder).pictures[0].astype(int)
    assert picture.shape[2] == 3
    middle_row = picture[picture.shape[0] // 2]
    if kind == "with alpha":
        assert np.abs(middle_row[100] - (176, 180, 184)).max() < 8  # haze where there is no picture
        east, _ = world.frame.to_local(world.launch.lat_deg, world.launch.lon_deg)
        assert east > -SIDE_M / 2 + 40.0
    if kind == "palette":
        assert np.abs(middle_row[400] - (10, 120, 10)).max() < 8
    assert picture.std() > 3.0


def refusal(tmp_path, **files):
    with pytest.raises(WorldError) as caught:
        make_real_world(tmp_path / "w", RealPlace(**files))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "w" / "world.json").exists()
    return str(caught.value)


def test_files_that_are_no_place_are_refused_in_one_line(tmp_path):
    good, heights = ortho(tmp_path / "o.tif"), dem(tmp_path / "d.tif")
    none = ortho(tmp_path / "nocrs.tif")
    with rasterio.open(none) as source:
        pixels = np.moveaxis(source.read(), 0, 2)
    write(none, pixels, None, from_origin(0, 0, 0.1, 0.1))
    assert "no CRS" in refusal(tmp_path, ortho=none, dem=heights)
    assert "no heights for" in refusal(tmp_path, ortho=good, dem=dem(tmp_path / "small.tif", side_m=120.0))
    assert "no heights for 100%" in refusal(
        tmp_path, ortho=good, dem=dem(tmp_path / "far.tif", crs=pyproj.CRS.from_epsg(32633))
    )
    holes = dem(tmp_path / "h.tif", change=lambda h: np.where(h > GROUND_M, -9999, h).astype(np.float32))
    assert "nodata" in refusal(tmp_path, ortho=good, dem=holes)
    with rasterio.open(holes, "r+") as sink:
        sink.nodata = -9999
    assert "no heights for" in refusal(tmp_path, ortho=good, dem=holes)
    assert "is a picture, no DEM" in refusal(tmp_path, ortho=good, dem=good)
    assert "DSM has no heights" in refusal(
        tmp_path, ortho=good, dem=heights, dsm=dem(tmp_path / "s.tif", side_m=60.0)
    )
    (tmp_path / "text.tif").write_text("not a picture")
    assert "cannot be read" in refusal(tmp_path, ortho=tmp_path / "text.tif", dem=heights)
    assert "cannot be read" in refusal(tmp_path, ortho=tmp_path / "missing.tif", dem=heights)
    assert "is not on it" in refusal(tmp_path, ortho=good, dem=heights, centre=GeoPoint(10, 10))
    assert "is not on" in refusal(tmp_path, ortho=good, dem=heights, launch=GeoPoint(47.3, 9.6))
    assert "60 to 6000 m wide" in refusal(tmp_path, ortho=good, dem=heights, size_m=20.0)


def test_small_holes_are_filled_and_the_same_files_are_not_laid_out_twice(tmp_path):
    def with_hole(heights):
        heights = heights.copy()
        heights[60, 61] = -9999
        return heights

    place = RealPlace(ortho(tmp_path / "o.tif"), dem(tmp_path / "d.tif", change=with_hole, nodata=-9999))
    world = make_real_world(tmp_path / "w", place)
    made = (world.folder / "world.json").stat().st_mtime_ns
    assert make_real_world(tmp_path / "w", place) == world == load_world(world.folder)
    assert (world.folder / "world.json").stat().st_mtime_ns == made
    with rasterio.open(world.dem) as source:
        assert np.ptp(source.read(1)) < 80
    part = make_real_world(tmp_path / "w", RealPlace(place.ortho, place.dem, size_m=100.0))
    assert (part.width_m, part.height_m) == (100.0, 100.0)


def test_a_scenario_flies_it_and_its_photo_shows_the_mark_beneath(tmp_path):
    """Its files are named from where it lies; the world is made beside it."""
    ortho(tmp_path / "o.tif", SWISS)
    dem(tmp_path / "d.tif")
    lat, lon = mark_place(SWISS, 40.0, -35.0)
    (tmp_path / "visit.toml").write_text(
        f'name = "A visit"\n[place]\northo = "o.tif"\ndem = "d.tif"\nlaunch = [{lat}, {lon}]\n'
    )
    settings = read_scenario(tmp_path / "visit.toml").apply(SimSettings())
    assert settings.world == tmp_path / "visit.world"
    place, (vehicle,) = make_vehicles(settings)
    face = Face(vehicle)

    def fly(seconds):
        for _ in range(round(seconds / STEP_S)):
            face.step()

    fly(45.0)
    assert vehicle.body.up_m == pytest.approx(place.ground.height_m(*place.to_local(lat, lon)), abs=0.01)
    vehicle.set_mode(Mode.GUIDED)
    assert vehicle.arm()
    vehicle.pilot.take_off(vehicle.body.up_m + 60.0)
    fly(40.0)
    vehicle.shutter.once()
    fly(1.0)
    (shot,) = face.shots
    frame = Renderer(load_scene(settings.world), find_camera("Simulated 6 MP")).view(true_shot(shot).pose)[0]
    found, count = found_px(frame, MARKS[(40.0, -35.0)])
    assert count > 1000
    assert np.hypot(*(found - (1500, 1000))) < 150  # it hovers over it, its gimbal looking down
