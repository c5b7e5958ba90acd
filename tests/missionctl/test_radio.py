"""missionctl radio: from a plan, a station and a DEM to lost stretches, a relay, a raster and a map."""

import itertools
import json

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from plans.formats import write_mission
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 100.0)
FRAME = LocalFrame(HOME.lat_deg, HOME.lon_deg)
HALF_M, STEP_M = 6000.0, 30.0


def place(command, east_m, north_m):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return MissionItem(command, AltitudeFrame.RELATIVE, (0.0,) * 4, float(lat), float(lon), 80.0)


def lat_lon(east_m, north_m):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return f"{float(lat):.6f},{float(lon):.6f}"


@pytest.fixture
def valley(tmp_path):
    """A DEM of level ground at 100 m with a ridge of 250 m 1.5 km west of home, and a plan east of it."""
    east = -HALF_M + (np.arange(int(2 * HALF_M / STEP_M)) + 0.5) * STEP_M
    heights = np.tile(100 + 250 * np.exp(-(((east + 1500) / 200) ** 2)), (len(east), 1))
    dem = tmp_path / "dem.tif"
    profile = {"driver": "GTiff", "width": len(east), "height": len(east), "count": 1, "dtype": "float32"}
    transform = Affine(STEP_M, 0, -HALF_M, 0, -STEP_M, HALF_M)
    with rasterio.open(dem, "w", crs=FRAME.crs.to_wkt(), transform=transform, **profile) as out:
        out.write(heights.astype("float32"), 1)
    items = (
        place(Command.NAV_TAKEOFF, 0.0, 0.0),
        place(Command.NAV_WAYPOINT, 0.0, 1000.0),
        place(Command.NAV_WAYPOINT, 800.0, 1000.0),
        place(Command.NAV_WAYPOINT, 800.0, -1000.0),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    )
    plan = tmp_path / "flight.plan"
    write_mission(Mission(items, home=HOME, cruise_speed_mps=8.0), plan)
    return plan, dem


BEHIND = lat_lon(-3000.0, 0.0)


def test_a_station_beside_the_flight_needs_no_relay(valley, run):
    plan, dem = valley
    done = run("radio", plan, "--station", lat_lon(0, 0), "--dem", dem, "--propose-relay", "ground")
    assert done.returncode == 0, done.stderr
    assert "100.0% of" in done.stdout
    assert "no relay is needed" in done.stdout


def test_from_a_lost_link_to_a_relay_that_holds(valley, run, run_json, tmp_path):
    plan, dem = valley
    words = ("radio", plan, "--station", BEHIND, "--dem", dem)
    report = tmp_path / "radio.json"
    alone = run_json(*words, "--propose-relay", "ground", "--report", report, "-o", tmp_path / "path.geojson")
    assert json.loads(report.read_text())["connected_share"] == alone["connected_share"] < 0.3
    lost = alone["lost"]
    assert sum(stretch["length_m"] for stretch in lost) == pytest.approx(
        alone["length_m"] * (1 - alone["connected_share"]), rel=0.01
    )
    assert lost[0]["duration_s"] == pytest.approx(lost[0]["length_m"] / 8.0, rel=0.01)
    found = alone["proposal"]
    assert found["share_after"] > 0.99
    assert found["station_margin_db"] >= 0
    there = f"{found['lat_deg']},{found['lon_deg']}"
    relayed = run_json(*words, "--relay", there, "--relay-height", found["height_agl_m"])
    assert relayed["relay"]["station_margin_db"] == pytest.approx(found["station_margin_db"], abs=0.5)
    assert relayed["connected_share"] == pytest.approx(found["share_after"], abs=0.01)

    deaf = run(*words, "--relay", lat_lon(3000.0, 0.0))
    assert "the relay's own link to the station lacks" in deaf.stdout
    spoken = run(*words, "--propose-relay", "air")
    assert "flight 1: no link for" in spoken.stdout
    assert "a relay 100 m above ground at 30." in spoken.stdout

    features = json.loads((tmp_path / "path.geojson").read_text())["features"]
    lines = [f for f in features if f["geometry"]["type"] == "LineString"]
    assert {f["properties"]["lost"] for f in lines} <= {True, False}
    assert all(f["properties"]["lost"] == (f["properties"]["margin_db"] < 0) for f in lines)
    assert all(len(f["geometry"]["coordinates"]) >= 2 for f in lines)
    ends = [f["geometry"]["coordinates"] for f in lines]
    assert all(one[-1] == other[0] for one, other in itertools.pairwise(ends))
    assert [f["properties"]["kind"] for f in features[-2:]] == ["station", "proposed relay"]


def test_the_raster_of_margins(valley, run_json, tmp_path):
    plan, dem = valley
    out = tmp_path / "margin.tif"
    words = ("radio", plan, "--station", BEHIND, "--dem", dem)
    result = run_json(*words, "--propose-relay", "ground", "-o", out)
    assert result["file"] == str(out)
    assert result["raster_height_agl_m"] == pytest.approx(80.0, abs=1.0)
    with rasterio.open(out) as raster:
        assert raster.count == 2
        assert raster.crs
        assert raster.nodata == -9999.0
        assert raster.descriptions[0] == "link margin, dB"
        direct, relayed = raster.read(masked=True)
        assert (relayed >= direct - 1e-3).all()
        frame = LocalFrame(*_origin(raster.crs))
        west, east = (raster.sample([_at(frame, e, 0.0)]) for e in (-2500.0, 500.0))
        assert next(west)[0] > 20
        assert next(east)[0] < 0


def _origin(crs):
    values = crs.to_dict()
    return values["lat_0"], values["lon_0"]


def _at(frame, east_m, north_m):
    e, n = frame.to_local(*FRAME.to_geo(east_m, north_m))
    return float(e), float(n)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--station", "here"), "--station 'here'"),
        (("--station", "40,103"), "the station lies"),
        (("--link", "morse"), "known are wifi"),
        (("--mast", -3), "--mast -3"),
        (("--relay", "30.05,103.15", "--propose-relay", "air"), "exclude each other"),
        (("--relay-height", 5), "--relay-height"),
        (("--propose-relay", "sea"), "'sea'"),
        (("--relay", "30.4,103.15"), "no height at the relay"),
        (("--dem", "none.tif"), "none.tif: no such file"),
        (("-o", "margins.png"), "margins.png"),
        (("-o", "/proc/none/margins.tif"), "/proc/none/margins.tif"),
        (("-o", "/proc/none/path.geojson"), "/proc/none/path.geojson"),
    ],
)
def test_bad_input_is_one_line(valley, complaint, more, says, tmp_path):
    plan, dem = valley
    before = sorted(tmp_path.iterdir())
    assert says in complaint("radio", plan, "--station", BEHIND, "--dem", dem, *more)
    assert sorted(tmp_path.iterdir()) == before


def test_without_ground_there_is_no_answer(valley, complaint, tmp_path):
    plan, dem = valley
    assert "--dem" in complaint("radio", plan, "--station", BEHIND)
    small = tmp_path / "small.tif"
    with rasterio.open(dem) as source:
        window = rasterio.windows.Window(0, 0, 215, 400)
        profile = {**source.profile, "width": 215}
        with rasterio.open(small, "w", **profile) as out:
            out.write(source.read(1, window=window), 1)
    assert "the DEM lacks ground between the station and" in complaint(
        "radio", plan, "--station", BEHIND, "--dem", small
    )
    assert "nowhere.plan" in complaint("radio", tmp_path / "nowhere.plan", "--station", BEHIND, "--dem", dem)
