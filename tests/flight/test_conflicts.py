"""Who comes too near to whom."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.ahead import Ahead
from flight.safety.alerts import Severity
from flight.safety.conflicts import (
    SeparationLimits,
    Track,
    Traffic,
    find_conflicts,
    traffic_alerts,
    traffic_track,
)
from flight.safety.own_flights import OwnFlight, OwnFlights, icao_address
from flight.safety.way_home import ReturnSettings
from flight.state import MissionProgress, Position, VehicleState
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission, MissionItem

LOCAL = LocalFrame(30.05, 103.15)


def track(east, north, up, velocity=(0.0, 0.0, 0.0), name="a", own=True, at_s=0.0, **more):
    lat, lon = LOCAL.to_geo(east, north)
    return Track(name, own, at_s, float(lat), float(lon), up, *velocity, **more)


def plane(east, north, up, velocity, **more):
    return track(east, north, up, velocity, name="B-1234", own=False, place_m=0.0, height_m=0.0, **more)


def adsb(
    east=0.0, north=2000.0, up=650.0, course=180.0, speed=50.0, flags=0x3F | 0x80, tslc=0, icao=0x780ABC
):
    lat, lon = LOCAL.to_geo(east, north)
    return mavlink.MAVLink_adsb_vehicle_message(
        icao, round(float(lat) * 1e7), round(float(lon) * 1e7), 1, round(up * 1000), round(course * 100),
        round(speed * 100), 0, b"CA1234  ", 1, tslc, flags, 7000,
    )  # fmt: skip


def vehicle(sysid, east, north, up, velocity=(0.0, 0.0), armed=True, at_s=0.0):
    lat, lon = LOCAL.to_geo(east, north)
    place = Position(at_s, float(lat), float(lon), up, up - 500, velocity[1], velocity[0], 0.0, 0.0)
    return VehicleState(sysid, 1, 3, 2, at_s, at_s, mode="AUTO", armed=armed, position=place)


def test_two_of_ours_on_one_line():
    a, b = track(0, 0, 540, (8, 0, 0)), track(200, 0, 540, (-8, 0, 0), name="b")
    (conflict,) = find_conflicts([a, b], 0.0)
    assert conflict.in_s == pytest.approx((200 - 40) / 16, abs=0.1)  # 30 m and 5 m of doubt for each
    assert conflict.severity is Severity.WARN
    assert conflict.level_m == pytest.approx(0.0, abs=0.5)
    assert find_conflicts([a, replace(b, alt_amsl_m=565.0)], 0.0) == ()
    assert find_conflicts([a, replace(b, flying=False)], 0.0) == (), "one on the ground is no conflict"
    near = replace(b, lat_deg=a.lat_deg, lon_deg=a.lon_deg)
    assert find_conflicts([a, near], 0.0)[0].severity is Severity.BAD


def test_traffic_is_seen_further_ahead():
    ours = track(0, 0, 540)
    coming = plane(0, 4000, 600, (0, -60, 0))
    (conflict,) = find_conflicts([ours, coming], 0.0)
    assert conflict.in_s == pytest.approx((4000 - 505) / 60, abs=0.5)
    assert conflict.severity is Severity.WARN
    assert conflict.alert().key == "conflict.traffic_above"
    assert "B-1234" in conflict.alert().says()
    assert find_conflicts([ours, plane(0, 1500, 600, (0, -60, 0))], 0.0)[0].severity is Severity.BAD
    assert find_conflicts([ours, plane(0, 4000, 600, (0, 60, 0))], 0.0) == ()
    assert find_conflicts([ours, plane(0, 4000, 900, (0, -60, 0))], 0.0) == ()
    sinking = plane(0, 4000, 900, (0, -60, -5))
    assert find_conflicts([ours, sinking], 0.0), "it comes down on the way"
    assert find_conflicts([coming, plane(0, 4000, 600, (0, 0, 0))], 0.0) == (), (
        "others are not ours to keep apart"
    )


def test_traffic_at_our_height_is_neither_above_nor_below_however_the_heights_waver():
    def told(up, climbs=0.0):
        (conflict,) = find_conflicts([track(0, 0, 540), plane(0, 1500, up, (0, -60, climbs))], 0.0)
        return conflict.alert()

    assert {told(540 + wavers).key for wavers in (-20, -3, 0, 3, 20)} == {"conflict.traffic_same_height"}
    assert "right of way" in told(540).todo()
    assert "高度相近" in told(540).says("zh")
    assert told(600).key == "conflict.traffic_above"
    assert told(480).key == "conflict.traffic_below"
    assert "60 m lower" in told(480).says()
    assert told(580, climbs=-4).key == "conflict.traffic_below", "by how it passes, not by where it is now"


def test_a_height_that_nobody_knows_counts_as_every_height():
    (conflict,) = find_conflicts([track(0, 0, 540), plane(0, 1000, math.nan, (0, -60, 0))], 0.0)
    assert conflict.alert().key == "conflict.traffic_unknown_height"


def test_old_words_count_less_and_very_old_ones_not_at_all():
    ours, beside = track(0, 0, 540, at_s=15.0), plane(600, 0, 560, (0, 0, 0))
    assert find_conflicts([replace(ours, at_s=0.0), beside], 0.0) == ()
    assert find_conflicts([ours, beside], 15.0), "it may have come nearer unseen"
    assert find_conflicts([replace(ours, at_s=40.0), plane(0, 0, 540, (0, 0, 0))], 40.0) == ()
    assert find_conflicts([track(0, 0, 540), track(5, 0, 540, name="b", at_s=0.0)], 20.0) == ()


def test_what_a_receiver_says():
    found = traffic_track(adsb(tslc=3), 100.0)
    assert (found.name, found.at_s, found.alt_amsl_m) == ("CA1234", 97.0, 650.0)
    assert found.north_mps == pytest.approx(-50.0)
    assert traffic_track(adsb(flags=0), 0.0) is None
    vague = traffic_track(adsb(flags=1), 0.0)
    assert vague.name == "780ABC"
    assert math.isnan(vague.alt_amsl_m)
    assert math.isnan(vague.north_mps)


def test_alerts_of_the_whole_sky():
    traffic = Traffic(ignored=[0x111111])
    traffic.take(adsb(), 0.0)
    traffic.take(adsb(north=0.0, icao=0x111111), 0.0)
    (alert,) = traffic_alerts([vehicle(1, 0, 0, 560)], traffic, 0.0)
    assert alert.key == "conflict.traffic_above"
    assert "right of way" in alert.todo()
    assert "有人机优先" in alert.todo("zh")
    (lost,) = traffic_alerts([vehicle(1, 0, 0, 560, at_s=30.0)], traffic, 30.0)
    assert lost.key == "conflict.traffic_lost"
    assert traffic_alerts([vehicle(1, 0, 0, 560, at_s=200.0)], traffic, 200.0) == ()
    assert traffic_alerts([vehicle(1, 0, 0, 560, armed=False)], traffic, 0.0) == ()


coordinate = st.floats(-3000, 3000)
speed = st.floats(-60, 60)


@settings(deadline=None, max_examples=60)
@given(*[coordinate] * 4, st.floats(400, 900), st.floats(400, 900), *[speed] * 4, st.floats(-8, 8))
def test_nothing_that_comes_near_goes_unseen(ax, ay, bx, by, az, bz, avx, avy, bvx, bvy, climb):
    """Against flying it in small steps."""
    limits = SeparationLimits()
    a = track(ax, ay, az, (avx, avy, 0.0), place_m=0.0, height_m=0.0)
    b = plane(bx, by, bz, (bvx, bvy, climb))
    near = [
        t
        for t in range(int(limits.traffic_ahead_s))
        if math.hypot(ax - bx + t * (avx - bvx), ay - by + t * (avy - bvy)) < limits.traffic_level_m - 1
        and abs(az - bz - t * climb) < limits.traffic_height_m - 1
    ]
    found = find_conflicts([a, b], 0.0, limits)
    if near:
        assert found
        assert found[0].in_s <= near[0] + 0.1
    if found:
        c = found[0]
        assert c.level_m <= limits.traffic_level_m + 2


def test_a_watch_is_told_only_of_its_own_vehicle():
    three = [vehicle(1, 0, 0, 540), vehicle(2, 5, 0, 540), vehicle(21, 1000, 0, 540)]
    for sysid, count in ((1, 1), (2, 1), (21, 0)):
        assert len(traffic_alerts(three, Traffic(), 0.0, sysid=sysid)) == count
    assert len(traffic_alerts(three, Traffic(), 0.0)) == 1


def lane(*places, up=40.0):
    """A mission that begins with its first waypoint."""
    items = []
    for east, north in places:
        lat, lon = LOCAL.to_geo(east, north)
        items.append(MissionItem(16, 3, (0.0, 0.0, 0.0, 0.0), float(lat), float(lon), up))
    return Mission(tuple(items), GeoPoint(30.05, 103.15, 500.0), 10.0)


def on_lane(sysid, east, north, velocity, current=1, mode="AUTO"):
    place = replace(vehicle(sysid, east, north, 540.0, velocity), mode=mode)
    return replace(place, mission=MissionProgress(0.0, current))


def told(mine, theirs, my_mission, their_mission):
    """What the watches say while both fly their missions."""
    flights = OwnFlights()
    with (
        flights.flying(1, OwnFlight(my_mission, my_mission.home, ReturnSettings())),
        flights.flying(2, OwnFlight(their_mission, their_mission.home, ReturnSettings())),
    ):
        return traffic_alerts([mine, theirs], Traffic(), 0.0, flights=flights)


def test_a_vehicle_that_turns_at_the_end_of_its_lane_is_not_flown_straight_on():
    mine, theirs = on_lane(1, -110, 0, (10, 0)), on_lane(2, 110, 0, (-10, 0))
    missions = lane((-60, 0), (-60, 25), (-200, 25)), lane((60, 0), (60, 25), (200, 25))
    assert traffic_alerts([mine, theirs], Traffic(), 0.0), "straight on they would meet"
    assert told(mine, theirs, *missions) == ()
    for left in ("RTL", "GUIDED"):  # it has left its mission: nobody knows where it turns
        assert told(replace(mine, mode=left), replace(theirs, mode=left), *missions)


def test_a_turn_into_the_way_of_another_is_seen_before_it_is_made():
    mine, theirs = on_lane(1, -110, 0, (10, 0)), on_lane(2, -60, 200, (0, -10))
    assert told(mine, theirs, lane((200, 0)), lane((-60, 60))) == ()
    (alert,) = told(mine, theirs, lane((-60, 0), (-60, 150)), lane((-60, -100)))
    assert alert.key == "conflict.own"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(coordinate, coordinate, st.floats(480, 620)), min_size=1, max_size=5),
    st.lists(st.floats(0.5, 15.0), min_size=5, max_size=5),
    *[coordinate] * 2,
    *[speed] * 2,
    st.floats(0.0, 3.0),
)
def test_nothing_that_comes_near_on_the_way_goes_unseen(corners, lasts, bx, by, bvx, bvy, now_s):
    """A bent way against flying it in small steps."""
    limits = SeparationLimits()
    places = [(0.0, 0.0, 540.0), *corners]
    times = [0.0]
    for seconds in lasts[: len(corners)]:
        times.append(times[-1] + seconds)
    ahead = tuple(
        Ahead(t, *(float(v) for v in LOCAL.to_geo(e, n)), up)
        for t, (e, n, up) in zip(times[1:], corners, strict=True)
    )
    a = track(0, 0, 540, place_m=0.0, height_m=0.0, ahead=ahead)
    b = plane(bx, by, 540, (bvx, bvy, 0.0), at_s=now_s)

    def place(seconds):
        return [np.interp(now_s + seconds, times, [p[i] for p in places]) for i in range(3)]

    found = find_conflicts([a, b], now_s, replace(limits, own_drift_mps2=0.0))
    for step in range(10 * int(limits.traffic_ahead_s)):
        here = place(step / 10)
        there = bx + bvx * step / 10, by + bvy * step / 10
        level, height = math.dist(here[:2], there), abs(here[2] - 540)
        if level < limits.traffic_level_m - 2 and height < limits.traffic_height_m - 1:
            assert found
            assert found[0].in_s <= step / 10 + 0.1
            break
    if found:
        assert found[0].level_m <= limits.traffic_level_m + 2


def test_a_vehicle_is_not_its_own_traffic():
    assert icao_address({"ADSB_ICAO_ID": 7867068.0}) == 0x780ABC
    assert [icao_address({"ADSB_ICAO_ID": v}) for v in (0.0, -1.0, 2.0**24)] == [None] * 3
    assert icao_address({}) is None
    flights, traffic = OwnFlights(), Traffic()
    traffic.take(adsb(), 0.0)
    with flights.flying(2, OwnFlight(Mission(()), None, ReturnSettings(), icao=0x780ABC)):
        traffic.ignore(flights.icao_addresses())
    traffic.take(adsb(), 0.0)
    assert traffic_alerts([vehicle(1, 0, 0, 560)], traffic, 0.0) == ()
    assert flights.icao_addresses() == frozenset()
