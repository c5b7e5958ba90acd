"""Drones that share the air: apart in height or on the map at every moment, each flight in its turn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely

from plans.cameras import find_camera
from plans.drones import Drone
from plans.energy import Battery
from plans.frames import GeoPoint
from plans.survey import SurveySettings, plan_survey
from plans.traffic import APART_M, APART_UP_M, schedule, track
from plans.zones import Zone

from .conftest import FRAME

CAMERA = find_camera("DJI Mavic 3E")
ZONE = Zone("z", FRAME.geometry_to_geo(shapely.box(0, 0, 900, 700)))


def place(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), 500.0)


def planned(drones, **more):
    settings = SurveySettings(gsd_m=0.03, endurance_s=12 * 60.0, **more)
    return plan_survey([ZONE], CAMERA, settings, launches=(place(-40, -40),), drones=drones)


def least_apart(plan):
    """The least distance on the map of two drones that are less than APART_UP_M apart in height, over all
    seconds at which both are in the air."""
    least = np.inf
    for a, b in itertools.combinations(plan.sorties, 2):
        if a.drone == b.drone:
            continue
        one, two = track(a), track(b)
        for i, at in enumerate(one):
            j = round((a.start_s + 2.0 * i - b.start_s) / 2.0)
            if 0 <= j < len(two) and abs(at[2] - two[j][2]) < APART_UP_M:
                least = min(least, float(np.hypot(*(at[:2] - two[j][:2]))))
    return least


@pytest.mark.parametrize("drones", [2, 3, 5])
def test_drones_from_one_launch_point_stay_apart(drones):
    plan = planned(drones)
    assert len({sortie.drone for sortie in plan.sorties}) == drones
    assert least_apart(plan) >= APART_M
    assert len({round(sortie.start_s) for sortie in plan.sorties}) == len(plan.sorties)


def test_a_drone_flies_again_only_when_its_battery_is_changed():
    plan = planned(2, swap_s=240.0)
    for drone in (0, 1):
        own = sorted((s for s in plan.sorties if s.drone == drone), key=lambda s: s.start_s)
        assert len(own) > 1
        for before, after in itertools.pairwise(own):
            assert after.start_s >= before.start_s + before.duration_s + 240.0 - 1e-6
    assert plan.makespan_s == max(s.start_s + s.duration_s for s in plan.sorties)


def test_more_drones_are_sooner_done():
    spans = [planned(n).makespan_s for n in (1, 2, 3)]
    assert spans[0] > 1.5 * spans[1]
    assert spans[1] > 1.1 * spans[2]


def test_unlike_drones_are_done_at_about_the_same_time():
    fast = Drone("fast", battery=Battery(1500.0))
    small = Drone("small", battery=Battery(700.0), launch=place(940, 740))
    plan = planned([fast, small])
    ends = [max(s.start_s + s.duration_s for s in plan.sorties if s.drone == d) for d in (0, 1)]
    assert abs(ends[0] - ends[1]) < 0.35 * max(ends)
    assert all(s.launch == small.launch for s in plan.sorties if s.drone == 1)
    assert sum(len(s.lanes) for s in plan.sorties if s.drone == 0) > len(plan.lanes) / 2


def test_a_track_begins_and_ends_on_the_ground_and_passes_every_photo():
    plan = planned(1)
    sortie = plan.sorties[0]
    path = track(sortie)
    at = plan.frame.to_local(sortie.launch.lat_deg, sortie.launch.lon_deg)
    east, north = (float(value) for value in at)
    assert path[0] == pytest.approx([east, north, 500], abs=0.5)
    assert path[-1] == pytest.approx([east, north, 500], abs=0.5)
    for shot in sortie.shots[::7]:
        at = path[round(shot.time_s / 2.0)]
        assert np.linalg.norm(at - shot.pose.centre) < 35.0


def test_the_schedule_is_the_same_every_time():
    plan = planned(3)
    again, notes = schedule(list(plan.sorties), [300.0] * 3)
    assert [s.start_s for s in again] == [s.start_s for s in plan.sorties]
    assert notes == []
