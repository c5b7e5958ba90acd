"""Whole flights of real autopilots in simulation, as pilots have them: a survey of 120 items by `missionctl
fly`, the link cut twice, the station killed, two vehicles at once. MISSIONCTL_ARDUCOPTER and MISSIONCTL_PX4
name the SITL binaries; skipped without them."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plans.formats import write_mission
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

_spec = importlib.util.spec_from_file_location("proxy", Path(__file__).parents[1] / "flight" / "proxy.py")
proxy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(proxy)

HOME = GeoPoint(30.05, 103.15, 500.0)
MISSIONCTL = Path(sys.executable).with_name("missionctl")
SPEEDUP = {"ardupilot": 8.0, "px4": 4.0}
LANES, PHOTOS_A_LANE = 29, 6

pytestmark = [pytest.mark.soak, pytest.mark.parametrize("autopilot", SPEEDUP)]


def survey(north_deg=0.0004):
    """29 short lanes north of home, a photo each 10 m: 119 items."""
    plain = (0.0,) * 4
    place = {"lat_deg": HOME.lat_deg, "lon_deg": HOME.lon_deg}
    items = [
        MissionItem(Command.NAV_TAKEOFF, AltitudeFrame.RELATIVE, plain, alt_m=30.0, **place),
        MissionItem(Command.DO_CHANGE_SPEED, AltitudeFrame.MISSION, (1.0, 6.0, -1.0, 0.0)),
    ]

    def point(lat, lon):
        return MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, plain, lat, lon, 30.0)

    def trigger(distance_m, first):
        return MissionItem(
            Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, (distance_m, 0.0, first, 0.0)
        )

    for lane in range(LANES):
        lat = HOME.lat_deg + north_deg + lane * 5e-5
        ends = [HOME.lon_deg, HOME.lon_deg + 0.00055]  # 53 m: photos at 0, 10, .. 50 m
        if lane % 2:
            ends.reverse()
        items += [point(lat, ends[0]), trigger(10.0, 1.0), point(lat, ends[1]), trigger(0.0, 0.0)]
    items.append(MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION))
    return Mission(tuple(items), home=HOME, cruise_speed_mps=6.0)


@pytest.fixture
def vehicles(real_sitl):
    return lambda autopilot, count=1: real_sitl(autopilot, HOME, SPEEDUP[autopilot], count)


class Flight:
    """`missionctl fly` as a process."""

    def __init__(self, plans, addresses, out, *more):
        links = [word for address in addresses for word in ("--connect", address)]
        self.command = [MISSIONCTL, "fly", *plans, *links, "--out", out, "--yes", "--json", *more]
        self.out = out
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def events(self, folder=None):
        journal = (folder or self.out) / "events.jsonl"
        if not journal.is_file():
            return []
        return [json.loads(line) for line in journal.read_text("utf-8").splitlines()]

    def count(self, action):
        return sum(event["action"] == action for event in self.events())

    def wait_for(self, photos):
        while self.count("photo") < photos:
            assert self.child.poll() is None, self.child.communicate()
            time.sleep(0.1)

    def report(self, timeout_s=420):
        out, words = self.child.communicate(timeout=timeout_s)
        assert self.child.returncode == 0, words.decode()[-2000:]
        return json.loads(out)


def check(report):
    assert (report["complete"], report["identical"], report["differences"]) == (True, True, [])
    assert report["items_sent"] >= 119
    assert report["photos_unheard"] == [], report["notes"]
    photos = report["photos_confirmed"]
    # a real trigger fires up to once more where a lane begins and ends
    assert LANES * (PHOTOS_A_LANE - 1) <= photos <= LANES * (PHOTOS_A_LANE + 1), photos
    print(
        f"{report['items_sent']} items, {photos} photos (recovered {len(report['photos_recovered'])}), "
        f"{report['duration_s']:.0f} s; notes {report['notes']}"
    )


@pytest.fixture
def plan(tmp_path):
    write_mission(survey(), tmp_path / "survey.plan")
    return tmp_path / "survey.plan"


@pytest.mark.timeout(900)
def test_a_survey_of_119_items_is_flown_as_sent(vehicles, autopilot, plan, tmp_path):
    check(Flight([plan], vehicles(autopilot), tmp_path / "flight").report())


@pytest.mark.timeout(900)
def test_a_link_cut_twice(vehicles, autopilot, plan, tmp_path):
    with proxy.proxy_to(vehicles(autopilot)[0]) as link:
        flight = Flight([plan], [link.address], tmp_path / "flight")
        for photos in (20, 90):
            flight.wait_for(photos)
            link.cut = True
            time.sleep(6.0)
            link.cut = False
        report = flight.report()
    assert (flight.count("link lost"), flight.count("link back")) == (2, 2)
    compared = [event for event in flight.events() if event["action"] == "mission compared"]
    assert compared
    assert all(event["held"] for event in compared)
    check(report)


@pytest.mark.timeout(900)
def test_a_station_killed_and_started_again(vehicles, autopilot, plan, tmp_path):
    with proxy.proxy_to(vehicles(autopilot)[0]) as link:
        first = Flight([plan], [link.address], tmp_path / "flight")
        first.wait_for(30)
        os.kill(first.child.pid, signal.SIGKILL)
        first.child.communicate()
        time.sleep(3.0)
        second = Flight([plan], [link.address], tmp_path / "flight")
        report = second.report()
    assert report["taken_over"] is True
    check(report)


@pytest.mark.timeout(900)
def test_two_vehicles_at_once_each_its_own_plan(vehicles, autopilot, plan, tmp_path):
    write_mission(survey(0.0024), tmp_path / "north.plan")
    flight = Flight(
        [plan, tmp_path / "north.plan"],
        vehicles(autopilot, 2),
        tmp_path / "out",
        *("--vehicle", "1", "--vehicle", "2"),
    )
    reports = flight.report()["flights"]
    assert [report["vehicle"] for report in reports] == [1, 2]
    for number, report in enumerate(reports, 1):
        check(report)
        photos = [e for e in flight.events(tmp_path / "out" / f"vehicle-{number}") if e["action"] == "photo"]
        lats = [photo["lat_deg"] for photo in photos]
        south = HOME.lat_deg + (0.0004, 0.0024)[number - 1]
        assert south - 3e-5 < min(lats)
        assert max(lats) < south + LANES * 5e-5 + 3e-5
