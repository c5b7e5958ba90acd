"""A survey that one drone begins and others end: another camera, a shorter battery, another launch point; the
ground that nobody has photographed yet is all that they fly, and in the end every place is seen."""

import dataclasses
import datetime as dt
import io
import json
import sys
from functools import cache

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from shapely import LineString, Polygon

from imagery.photo_tags import PhotoTags, embed_tags
from missionctl.cli.main import main
from plans.cameras import find_camera
from plans.coverage import ground_cells
from plans.formats import read_mission, write_plan
from plans.formats.qgc_plan import read_camera, read_goal
from plans.frames import GeoPoint, LocalFrame
from plans.mission_shots import flights_of, mission_poses
from plans.survey import SurveySettings, plan_survey
from plans.terrain import flat_terrain, read_terrain
from plans.zones import Zone

FRAME = LocalFrame(30.0, 104.0)
SHELL = [(0, 0), (700, -40), (760, 380), (420, 420), (450, 640), (60, 620)]
HOLE = [(300, 150), (410, 160), (400, 270), (310, 260)]
ZONE = Zone("zone", FRAME.geometry_to_geo(Polygon(SHELL, [HOLE])))
A, B, C = "DJI Mavic 3E", "DJI Mini 3", "DJI Phantom 4 RTK"
MODELS = {A: "M3E", B: "FC3682", C: "FC6310R"}
START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)


def geo(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon))


@cache
def pixels(camera):
    """A JPEG of the camera's shape, as small as can be."""
    known, out = find_camera(camera), io.BytesIO()
    size = (known.image_width_px // 40, known.image_height_px // 40)
    Image.new("RGB", size, (90, 90, 90)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def dem(tmp_path):
    """Hills of some 60 m about 500 m AMSL, in UTM zone 48N, 2.4 km wide around the zone."""
    east, north = 403_500.0, 3_319_300.0  # 30 N, 104 E
    rows, cols = np.mgrid[0:240, 0:240]
    heights = 500 + 20 * np.sin(cols / 21.0) + 15 * np.cos(rows / 17.0 + cols / 40.0)
    file = tmp_path / "dem.tif"
    with rasterio.open(
        file, "w", driver="GTiff", width=240, height=240, count=1, dtype="float32", crs="EPSG:32648",
        transform=Affine(10, 0, east - 1000, 0, -10, north + 1400),
    ) as sink:  # fmt: skip
        sink.write(heights.astype("float32"), 1)
    return file


@pytest.fixture
def resume(monkeypatch, capfd):
    """Run `missionctl resume ... --json`; gives the result."""

    def run(*arguments):
        words = ["missionctl", "resume", *map(str, arguments), "--json"]
        monkeypatch.setattr(sys, "argv", words)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert not ended.value.code, err
        return json.loads(out)

    return run


def terrain_of(dem):
    if dem is None:
        return flat_terrain(FRAME, 0.0, (-5e3, -5e3, 5e3, 5e3))
    return read_terrain(dem, FRAME, (-600.0, -600.0, 1300.0, 1200.0))


def first_plan(file, dem, camera=A, minutes=25.0):
    settings = SurveySettings(gsd_m=0.03, endurance_s=minutes * 60)
    terrain = terrain_of(dem) if dem else None
    plan = plan_survey([ZONE], find_camera(camera), settings, terrain=terrain, launches=(geo(-30, -30),))
    write_plan(plan, file)
    return plan


def take(folder, camera, poses, *, start=START, shift=(0.0, 0.0, 0.0), attitude=True, name="DJI"):
    """Photos of a camera at these poses, their positions off by `shift` (metres)."""
    folder.mkdir(exist_ok=True)
    for number, pose in enumerate(poses):
        place = geo(pose.east_m + shift[0], pose.north_m + shift[1])
        tags = PhotoTags(
            make="DJI",
            model=MODELS[camera],
            time_utc=start + dt.timedelta(seconds=2 * number),
            focal_mm=find_camera(camera).focal_mm,
            lat_deg=place.lat_deg,
            lon_deg=place.lon_deg,
            alt_amsl_m=pose.up_m + shift[2],
            yaw_deg=pose.yaw_deg if attitude else None,
            pitch_deg=pose.pitch_deg if attitude else None,
            roll_deg=pose.roll_deg if attitude else None,
        )
        (folder / f"{name}_{number:04d}.JPG").write_bytes(embed_tags(pixels(camera), tags))


def poses_of(file, terrain):
    return mission_poses(read_mission(file), terrain)


def share_seen(terrain, views, *taken):
    """The share of the zone, on 2 m cells, that `views` of the photos see; pairs of (camera, poses)."""
    cells = ground_cells(FRAME.geometry_to_local(ZONE.polygon), terrain, 2.0)
    total = None
    for camera, poses in taken:
        seen = cells.count(poses, find_camera(camera))
        total = seen if total is None else total.plus(seen)
    return total.share(views)


def check_flights(file, result):
    assert result["sorties"]
    assert all(sortie["battery_share"] <= 1.0 for sortie in result["sorties"])
    assert all(sortie["battery_share_home"] <= 1.0 for sortie in result["sorties"])
    hole = Polygon(HOLE)
    for flight in flights_of(read_mission(file), FRAME):
        places = [flight.path[:, :2]]
        if flight.launch is not None:
            base = np.column_stack(FRAME.to_local([flight.launch.lat_deg], [flight.launch.lon_deg]))
            places = [base, *places, base]
        assert LineString(np.concatenate(places)).intersection(hole).length < 0.2


@pytest.mark.parametrize("relief", [False, True], ids=["flat", "relief"])
@pytest.mark.parametrize("cut", ["in a lane", "here and there"])
def test_another_drone_flies_what_the_first_left(relief, cut, dem, resume, tmp_path):
    dem = dem if relief else None
    terrain, plan_a, plan_b = terrain_of(dem), tmp_path / "a.plan", tmp_path / "b.plan"
    plan = first_plan(plan_a, dem)
    poses = poses_of(plan_a, terrain)
    if cut == "in a lane":
        came = poses[: int(0.6 * len(poses))]
    else:
        gone = np.random.default_rng(3).permutation(len(poses) // 8)[: int(0.4 * len(poses) / 8)]
        came = [pose for i, pose in enumerate(poses) if i // 8 not in gone]
    take(tmp_path / "photos", A, came)
    launch = geo(780, 400)
    options = ["--dem", dem] if dem else []
    result = resume(
        plan_a, "--photos", tmp_path / "photos", "-o", plan_b, "--camera", B, "--endurance", 11,
        "--launch", f"{launch.lat_deg},{launch.lon_deg}", *options,
    )  # fmt: skip
    views = plan.settings.views_asked
    assert (result["mode"], result["photos_taken"]) == ("coverage", len(came))
    assert result["coverage"]["views"] == views
    check_flights(plan_b, result)
    assert all(s["launch"] == pytest.approx([launch.lat_deg, launch.lon_deg]) for s in result["sorties"])
    before = share_seen(terrain, views, (A, came))
    after = share_seen(terrain, views, (A, came), (B, poses_of(plan_b, terrain)))
    assert result["coverage"]["share_before"] == pytest.approx(before, abs=0.02)
    assert result["coverage"]["share_after"] == pytest.approx(after, abs=0.005)
    assert after >= (0.995 if relief else 0.999)
    # not the whole zone over again
    assert result["coverage"]["planned_area_m2"] < 0.9 * result["coverage"]["zone_area_m2"]
    assert read_camera(plan_b).name == B
    assert shapely.equals_exact(read_goal(plan_b).zones[0].polygon, ZONE.polygon, 1e-7, normalize=True)


def test_three_drones_one_after_another_with_positions_off_and_no_attitude(dem, resume, tmp_path):
    """A's photos are off by metres and in another height datum, without attitude; B flies a part, C the
    rest; in the end nothing is left."""
    terrain, photos = terrain_of(dem), tmp_path / "photos"
    plan_a, plan_b, plan_c = (tmp_path / f"{name}.plan" for name in "abc")
    plan = first_plan(plan_a, dem)
    views = plan.settings.views_asked
    came_a = poses_of(plan_a, terrain)[: int(0.55 * len(poses_of(plan_a, terrain)))]
    take(photos, A, came_a, shift=(3.0, -2.0, -38.0), attitude=False, name="A")
    resume(plan_a, "--photos", photos, "-o", plan_b, "--camera", B, "--dem", dem, "--endurance", 14)
    planned_b = poses_of(plan_b, terrain)
    came_b = planned_b[len(planned_b) // 5 : 3 * len(planned_b) // 5]
    take(photos, B, came_b, start=START + dt.timedelta(hours=1), shift=(-2.0, 2.0, 0.0), name="B")
    result = resume(
        plan_b, "--photos", photos, "-o", plan_c, "--camera", C, "--dem", dem, "--endurance", 18
    )  # fmt: skip
    assert result["photos_taken"] == len(came_a) + len(came_b)
    assert any("were shifted" in note for note in result["notes"])
    check_flights(plan_c, result)
    planned_c = poses_of(plan_c, terrain)
    assert share_seen(terrain, views, (A, came_a), (B, came_b), (C, planned_c)) >= 0.995
    take(photos, C, planned_c, start=START + dt.timedelta(hours=2), name="C")
    done = resume(plan_c, "--photos", photos, "-o", tmp_path / "d.plan", "--dem", dem, "--mode", "coverage")
    if done["file"] is not None:  # some metres of error leave some metres of ground
        assert done["coverage"]["share_before"] > 0.99
    same = resume(plan_c, "--photos", photos, "-o", tmp_path / "e.plan")
    assert (same["mode"], same["file"]) == ("shots", None)


def test_no_photo_at_all_plans_the_whole_zone_and_says_so(resume, tmp_path):
    plan_a, plan_b = tmp_path / "a.plan", tmp_path / "b.plan"
    first_plan(plan_a, None)
    (tmp_path / "photos").mkdir()
    result = resume(plan_a, "--photos", tmp_path / "photos", "-o", plan_b, "--camera", B)
    assert "no photo came: the whole is planned" in result["notes"]
    assert result["coverage"]["share_before"] == 0.0
    assert result["coverage"]["share_after"] >= 0.999
    again = resume(plan_a, "--photos", tmp_path / "photos", "-o", tmp_path / "c.plan")
    assert (again["mode"], again["photos_taken"]) == ("shots", 0)


def test_when_every_photo_came_nothing_is_written(resume, tmp_path):
    plan_a = tmp_path / "a.plan"
    first_plan(plan_a, None)
    take(tmp_path / "photos", A, poses_of(plan_a, terrain_of(None)))
    for options in ((), ("--camera", B)):
        result = resume(plan_a, "--photos", tmp_path / "photos", "-o", tmp_path / "b.plan", *options)
        assert result["file"] is None
        assert not (tmp_path / "b.plan").exists()
        assert result["coverage"]["share_before"] >= 0.999


def test_a_battery_swap_with_the_same_drone_flies_the_missing_shots(resume, tmp_path):
    plan_a, plan_b = tmp_path / "a.plan", tmp_path / "b.plan"
    first_plan(plan_a, None)
    poses = poses_of(plan_a, terrain_of(None))
    came = poses[: len(poses) // 2]
    take(tmp_path / "photos", A, came)
    result = resume(plan_a, "--photos", tmp_path / "photos", "-o", plan_b)
    assert (result["mode"], result["photos_taken"]) == ("shots", len(came))
    assert result["coverage"]["share_after"] >= 0.999
    shorter = resume(
        plan_a,
        "--photos",
        tmp_path / "photos",
        "-o",
        tmp_path / "c.plan",
        "--mode",
        "shots",
        "--endurance",
        8,
    )
    assert shorter["flights"] > result["flights"]
    parts = [poses_of(file, terrain_of(None)) for file in shorter["files"][1:]]
    together = [pose for part in parts for pose in part]
    share = share_seen(terrain_of(None), 5, (A, came), (A, together))
    assert share >= 0.999
    assert dataclasses.replace(read_goal(tmp_path / "c.plan"), zones=()) == dataclasses.replace(
        read_goal(plan_a), zones=()
    )
