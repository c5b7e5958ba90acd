"""Where photos that came were taken from, whatever their tags leave out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from shapely import box

from plans.cameras import find_camera
from plans.formats.convert import whole_mission
from plans.frames import GeoPoint
from plans.mission_shots import planned_shots
from plans.survey import SurveySettings, plan_survey
from plans.taken import PlannedBy, TakenPhoto, place_photos
from plans.terrain import flat_terrain

from .conftest import FRAME, hills, zone_of

A, B = find_camera("DJI Mavic 3E"), find_camera("DJI Mini 3")
HILLS = hills(30.0)
HEIGHT = A.height_for_gsd_m(0.03)


def geo(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon))


@cache
def survey():
    return plan_survey(
        [zone_of(box(0, 0, 400, 300))],
        A,
        SurveySettings(gsd_m=0.03),
        terrain=HILLS,
        launches=(geo(-40, -40),),
    )


@cache
def planned():
    return PlannedBy(planned_shots(whole_mission(survey()), HILLS), A, HEIGHT)


def photos(camera=A, east=0.0, north=0.0, up=0.0, rel=False, attitude=False):
    """The survey's photos, displaced, saying as little as is asked."""
    launch = float(HILLS.at(-40.0, -40.0))
    found = []
    for pose in (shot.pose for shot in survey().shots):
        place = geo(pose.east_m + east, pose.north_m + north)
        height = {"alt_rel_m": pose.up_m - launch} if rel else {"alt_amsl_m": pose.up_m + up}
        angles = {"yaw_deg": pose.yaw_deg, "pitch_deg": pose.pitch_deg, "roll_deg": 0.0} if attitude else {}
        found.append(TakenPhoto(camera, place.lat_deg, place.lon_deg, **height, **angles))
    return found


def check_near(placed, camera=A, level_m=3.0, turn_deg=1.0):
    for found, shot in zip(placed.poses[camera], survey().shots, strict=True):
        assert found.up_m == pytest.approx(shot.pose.up_m, abs=level_m)
        turn = (found.yaw_deg - shot.pose.yaw_deg + 90) % 180 - 90
        assert abs(turn) <= turn_deg
        assert found.pitch_deg == -90.0


@pytest.mark.parametrize("rel", [False, True], ids=["AMSL", "above launch"])
def test_heading_and_height_come_from_the_plan_where_tags_say_nothing(rel):
    check_near(place_photos(photos(rel=rel, east=3.0, north=-4.0), HILLS, planned()))


def test_another_datum_is_found_out_and_taken_away():
    placed = place_photos(photos(up=-41.0), HILLS, planned())
    check_near(placed)
    assert placed.shifts_m[A.name] == pytest.approx(-41.0, abs=0.5)


def test_a_datum_that_is_known_already_holds_for_photos_of_other_flights():
    """Photos of the first flight, when the plan is that of the second: few lie on its lanes."""
    other = PlannedBy(
        replace(
            planned().shots,
            places_m=planned().shots.places_m[:3],
            yaws_deg=planned().shots.yaws_deg[:3],
            bases_m=planned().shots.bases_m[:3] + 200,
            triggers_m=planned().shots.triggers_m[:3],
        ),
        A,
        HEIGHT,
    )
    check_near(place_photos(photos(up=-41.0), HILLS, other, known_shifts={A.name: -41.0}), turn_deg=180.0)
    unknown = place_photos(photos(up=0.0), HILLS, other)
    check_near(unknown, turn_deg=180.0)  # three chance neighbours do not shift six hundred photos


def test_a_flight_that_truly_was_higher_says_so_by_its_height_above_launch():
    higher = [replace(photo, alt_rel_m=photo.alt_rel_m + 15.0) for photo in photos(rel=True)]
    placed = place_photos(higher, HILLS, planned())
    for found, shot in zip(placed.poses[A], survey().shots, strict=True):
        assert found.up_m == pytest.approx(shot.pose.up_m + 15.0, abs=0.1)


def test_another_camera_is_not_shifted_to_the_plan():
    placed = place_photos(photos(B, up=20.0), HILLS, planned())
    for found, shot in zip(placed.poses[B], survey().shots, strict=True):
        assert found.up_m == pytest.approx(shot.pose.up_m + 20.0, abs=0.1)


def test_without_a_plan_photos_lie_along_their_course():
    placed = place_photos(photos(), HILLS, None)
    turns = [
        abs((f.yaw_deg - s.pose.yaw_deg + 90) % 180 - 90)
        for f, s in zip(placed.poses[A], survey().shots, strict=True)
    ]
    assert np.mean(np.array(turns) < 2.0) > 0.95


def test_without_any_height_they_are_where_the_plan_flew():
    mute = [replace(photo, alt_amsl_m=math.nan) for photo in photos()]
    check_near(place_photos(mute, HILLS, planned()))
    placed = place_photos(mute, HILLS, None)
    assert (placed.count, placed.without_height) == (0, len(mute))


def test_on_level_ground_without_a_datum_heights_are_taken_from_the_plan():
    level = flat_terrain(FRAME, 0.0)
    shots = planned().shots
    flat = replace(
        shots,
        places_m=np.column_stack([shots.places_m[:, :2], np.full(len(shots.yaws_deg), HEIGHT)]),
        bases_m=np.zeros(len(shots.yaws_deg)),
    )
    by = PlannedBy(flat, A, HEIGHT)
    even = [replace(photo, alt_amsl_m=1600.0 + HEIGHT) for photo in photos()]
    for taken in (even, [replace(photo, camera=B) for photo in even]):
        placed = place_photos(taken, level, by, has_datum=False)
        (poses,) = placed.poses.values()
        wanted = HEIGHT if taken is even else B.height_for_gsd_m(0.03)
        assert {round(pose.up_m, 3) for pose in poses} == {round(wanted, 3)}


def test_the_attitude_of_the_tags_is_believed_and_what_looks_aside_does_not_count():
    taken = photos(attitude=True)
    taken[0] = replace(taken[0], pitch_deg=-20.0)
    taken[1] = replace(taken[1], pitch_deg=-75.0, yaw_deg=12.5)
    taken[2] = replace(taken[2], pitch_deg=0.0)  # a gimbal that reports zero whatever it does
    placed = place_photos(taken, HILLS, planned())
    assert placed.oblique == 1
    assert (placed.poses[A][0].pitch_deg, placed.poses[A][0].yaw_deg) == (-75.0, 12.5)
    assert placed.poses[A][1].pitch_deg == -90.0


def test_places_that_are_none_are_left_out():
    lost = [TakenPhoto(A, 91.0, 200.0, 500.0), TakenPhoto(A, math.nan, 104.0, 500.0)]
    assert place_photos(lost, HILLS, planned()).count == 0
    assert place_photos([], HILLS, planned()).count == 0
