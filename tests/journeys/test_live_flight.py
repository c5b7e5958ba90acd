"""A flight with a map that grows beside it: simulator, station and live mosaic as three programs.

The camera has no receiver: what it hands over one by one says when each photo was taken by a clock of its own
and nothing of where. The places come from the camera events that `missionctl fly` writes into the flight's
folder, and photos that were taken and are not here yet are told.
"""

import datetime as dt
import json
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pyogrio
import pytest
import rasterio

from imagery.photo_tags import PhotoTags, embed_tags, read_tags
from missionctl.services.demo import CAMERA, simulated_vehicle
from missionctl.services.planning import PlanRequest, plan_to_file
from missionctl.workspace import MissionConfig, Workspace
from plans.frames import GeoPoint, LocalFrame
from sim.world import make_world

pytestmark = pytest.mark.slow

PATIENCE_S = 200.0
CAMERAS_CLOCK = dt.timedelta(hours=8, seconds=12)
MISSIONCTL = [sys.executable, "-m", "missionctl.cli.main"]


@pytest.fixture(scope="module")
def mission(tmp_path_factory):
    """A mission folder with a plan of some twenty photos over a simulated valley."""
    place = tmp_path_factory.mktemp("live") / "mission"
    world = make_world(place / "world", 3, 720.0, 0.25, margin_m=205.0)
    frame = world.frame
    config = MissionConfig(
        name="Live", camera=CAMERA, origin_lat_deg=frame.origin_lat_deg, origin_lon_deg=frame.origin_lon_deg
    )
    workspace = Workspace.create(place, config)
    workspace.set_input("dem", world.dem)
    plan = place / "plans" / "survey.plan"
    request = PlanRequest(
        zone=world.zone, out=plan, camera=CAMERA, gsd_m=0.13, dem=world.dem, launches=(world.launch,)
    )
    plan_to_file(request)
    return workspace, world, plan


def hand_over(photo, folder):
    """A photo as a camera without a receiver would have written it."""
    tags = read_tags(photo)
    own = PhotoTags(
        make=tags.make, model=tags.model, clock=(tags.clock + CAMERAS_CLOCK).replace(microsecond=0),
        focal_mm=tags.focal_mm, focal_35mm=tags.focal_35mm,
    )  # fmt: skip
    _, data = cv2.imencode(".jpg", cv2.imread(str(photo)), [cv2.IMWRITE_JPEG_QUALITY, 92])
    part = folder / f".{photo.name}.part"
    part.write_bytes(embed_tags(data.tobytes(), own))
    part.rename(folder / photo.name)


def photos_told(folder):
    """How many photos the flight's journal tells of."""
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["action"] for line in lines].count("photo")


def test_the_map_grows_by_the_events_of_a_flight_whose_photos_have_no_place(mission):
    workspace, world, plan = mission
    flight, here = workspace.new_flight_folder(), workspace.path / "here"
    card, out = flight / "card", workspace.path / "mosaics" / "live.tif"
    here.mkdir()
    live = subprocess.Popen(
        [*MISSIONCTL, "mosaic", str(here), "-o", str(out), "--live", "--quality", "quick", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    ear = threading.Thread(target=lambda: said.extend(live.stderr))
    ear.start()
    try:
        with simulated_vehicle(world, card, 3, flight / "sim.log") as (url, finish):
            fly = [*MISSIONCTL, "fly", str(plan), "--connect", url, "--out", str(flight), "--yes", "--json"]
            flown = subprocess.run(fly, capture_output=True, text=True, timeout=PATIENCE_S)
            assert flown.returncode == 0, flown.stderr
            finish()
        expected = out.with_name("live.expected.geojson")
        photos = sorted(card.glob("*.JPG"))
        assert photos_told(flight) == len(photos) >= 10
        wait_until(lambda: len(told(expected)) == len(photos), "all are expected: none has been handed over")
        for photo in photos:
            hand_over(photo, here)
            time.sleep(0.02)
        drafts = f"draft of {len(photos)} photos"
        wait_until(lambda: any(drafts in line for line in list(said)), f"{drafts}: {said[-3:]}")
        assert told(expected) == []
    finally:
        live.send_signal(signal.SIGINT)
    result = json.loads(live.stdout.read())
    assert live.wait(PATIENCE_S) == 0
    ear.join()
    for pipe in (live.stdout, live.stderr):
        pipe.close()
    assert result["placed"] == len(photos)
    assert not [warning for warning in result["warnings"] if "never arrived" in warning]
    assert not expected.exists()
    assert any("taken and not here yet" in line for line in said)
    with rasterio.open(out) as mosaic:
        assert mosaic.read().any()
    assert places_off_m(workspace, photos, out.name) < 2.0


def wait_until(there, what):
    until = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def told(expected):
    return json.loads(expected.read_text())["features"] if expected.exists() else [None]


def places_off_m(workspace, photos, mosaic):
    """By how much the mission's record of the photos is off the card's own places at the worst."""
    _, _, _, values = pyogrio.raw.read(
        workspace.path / "mission.gpkg", layer="photos", columns=["name", "mosaic", "lat_deg", "lon_deg"]
    )
    names, mosaics, lats, lons = values
    tags = {photo.name: read_tags(photo) for photo in photos}
    off = []
    for name, lat, lon in zip(names[mosaics == mosaic], lats, lons, strict=False):
        frame = LocalFrame.around([GeoPoint(tags[name].lat_deg, tags[name].lon_deg)])
        off.append(float(np.hypot(*frame.to_local(lat, lon))))
    assert len(off) == len(photos)
    return max(off)
