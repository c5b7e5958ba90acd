"""What GUIDED makes of targets, as a real ArduCopter 4.7 did on 2026-11-28 (tests/peers/test_real_sim.py)."""

from __future__ import annotations

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

LOCAL, OFFSET, BODY, BODY_OFFSET = 1, 7, 8, 9
ABOVE_HOME, ABOVE_GROUND = 6, 11
PLACE, VELOCITY, ACCEL, YAW, RATE = 0x7, 0x38, 0x1C0, 0x400, 0x800
ALL = PLACE | VELOCITY | ACCEL | YAW | RATE
FORCE = 0x200
_FIELDS = ("x", "y", "z", "vx", "vy", "vz", "afx", "afy", "afz", "yaw", "yaw_rate")


def tell(bench, given, frame=LOCAL, **fields):
    """SET_POSITION_TARGET_LOCAL_NED with these parts given."""
    values = [fields.get(name, 0.0) for name in _FIELDS]
    bench.say(mavlink.MAVLink_set_position_target_local_ned_message(0, 1, 1, frame, ALL & ~given, *values))


def tell_global(bench, given, east, north, up, frame=ABOVE_HOME, **fields):
    lat, lon = bench.vehicle.place.to_geo(east, north)
    values = [fields.get(name, 0.0) for name in _FIELDS[3:]]
    place = round(lat * 1e7), round(lon * 1e7), up
    bench.say(
        mavlink.MAVLink_set_position_target_global_int_message(0, 1, 1, frame, ALL & ~given, *place, *values)
    )


def here(bench):
    e = bench.vehicle.body
    return e.east_m, e.north_m, e.up_m


def speed(bench):
    return math.hypot(bench.vehicle.body.v_east_mps, bench.vehicle.body.v_north_mps)


def ned(bench):
    """Its place as LOCAL_NED counts it."""
    east, north, up = here(bench)
    origin = bench.vehicle.origin
    return {"x": north - origin[1], "y": east - origin[0], "z": origin[2] - up}


def moved(bench, given, frame=LOCAL, seconds=12.0, **fields):
    """(east, north, up) that it has moved when it stands again."""
    before = here(bench)
    tell(bench, given, frame, **fields)
    bench.run(seconds)
    return tuple(b - a for a, b in zip(before, here(bench), strict=True))


def yaw(bench):
    return math.remainder(bench.vehicle.body.yaw_rad, math.tau)


@pytest.fixture
def flying(ready):
    ready.take_off(40.0)
    ready.run(3.0)
    return ready


def test_a_velocity_ends_three_seconds_after_it_was_told(flying):
    tell(flying, VELOCITY, vx=5.0)
    flying.run(2.8)
    assert speed(flying) == pytest.approx(5.0, abs=0.4)
    flying.run(5.0)
    assert speed(flying) < 0.3
    flying.set_param("GUID_TIMEOUT", 1.0)
    tell(flying, VELOCITY, vx=5.0)
    flying.run(4.0)
    assert speed(flying) < 0.3


def test_a_place_that_moves_is_kept_up_with(flying):
    """Told anew ten times a second, as a follower does; the vehicle is where the place is, not behind it."""
    start = ned(flying)
    for step in range(100):
        tell(flying, PLACE | VELOCITY, **{**start, "x": start["x"] + 0.4 * step}, vx=4.0)
        flying.run(0.1)
    assert ned(flying)["x"] - start["x"] == pytest.approx(40.0, abs=1.0)
    assert speed(flying) == pytest.approx(4.0, abs=0.3)
    flying.run(10.0)  # told no more, the place goes on for 3 s
    assert ned(flying)["x"] - start["x"] == pytest.approx(39.6 + 12.0, abs=1.0)


def test_an_acceleration_goes_on_from_the_velocity_it_came_with(flying):
    tell(flying, VELOCITY | ACCEL, vx=2.0, afx=0.5)
    flying.run(2.9)
    assert speed(flying) == pytest.approx(2.0 + 0.5 * 2.9, abs=0.5)
    flying.run(8.0)
    assert moved(flying, PLACE | VELOCITY | ACCEL, **ned(flying), vz=-1.0, afz=-0.2)[2] == pytest.approx(
        3 * 1.0 + 0.2 * 9 / 2, abs=1.2
    )


def test_frames_count_from_the_vehicle_and_by_its_nose(flying):
    tell(flying, VELOCITY | YAW, vx=0.1, yaw=math.pi / 2)  # nose to the east
    flying.run(10.0)
    assert yaw(flying) == pytest.approx(math.pi / 2, abs=0.05)
    assert moved(flying, PLACE | YAW, BODY_OFFSET, x=20.0, y=5.0) == pytest.approx((20.0, -5.0, 0.0), abs=0.7)
    assert moved(flying, PLACE, OFFSET, x=-10.0, y=3.0, z=-2.0) == pytest.approx((3.0, -10.0, 2.0), abs=0.5)
    tell(flying, VELOCITY | YAW, vx=0.1, yaw=math.pi / 2)
    flying.run(10.0)
    east, north, _ = moved(flying, VELOCITY, BODY, vx=3.0)
    assert (east, north) == pytest.approx((9.0, 0.0), abs=0.8)


def test_the_nose_points_ahead_or_where_it_is_told(flying):
    tell(flying, VELOCITY, vy=4.0)
    flying.run(8.0)
    assert yaw(flying) == pytest.approx(math.pi / 2, abs=0.1)
    tell(flying, VELOCITY | YAW, LOCAL, vy=-4.0, yaw=0.3)
    flying.run(8.0)
    assert yaw(flying) == pytest.approx(0.3, abs=0.05)
    tell(flying, VELOCITY | YAW, BODY_OFFSET, yaw=0.7)
    flying.run(6.0)
    assert yaw(flying) == pytest.approx(1.0, abs=0.05)
    tell(flying, VELOCITY | RATE, yaw_rate=-0.3)
    flying.run(8.0)
    assert yaw(flying) == pytest.approx(0.1, abs=0.06)
    tell(flying, VELOCITY | YAW | RATE, yaw=0.1, yaw_rate=0.2)
    flying.run(8.0)
    assert yaw(flying) == pytest.approx(0.7, abs=0.06)


@pytest.mark.parametrize(
    ("given", "frame", "fields"),
    [
        (PLACE | ACCEL, LOCAL, {"afx": 1.0}),
        (0, LOCAL, {}),
        (ACCEL, LOCAL, {"afx": 1.0, "force": True}),
        (PLACE, ABOVE_HOME, {}),
        (VELOCITY, LOCAL, {"vx": 2000.0}),
        (VELOCITY, LOCAL, {"vx": math.nan}),
        (PLACE, LOCAL, {"x": math.nan}),
    ],
    ids=["a place and an acceleration", "nothing", "force", "frame", "too fast", "no velocity", "no place"],
)
def test_what_it_cannot_follow_stops_it(flying, given, frame, fields):
    fields = dict(fields)
    force = fields.pop("force", False)
    tell(flying, VELOCITY, vx=5.0)
    flying.run(2.0)
    before = here(flying)
    values = [fields.get(name, 0.0) for name in _FIELDS]
    mask = (ALL & ~given) | (FORCE if force else 0)
    flying.say(mavlink.MAVLink_set_position_target_local_ned_message(0, 1, 1, frame, mask, *values))
    flying.run(0.7)
    assert speed(flying) < 4.0  # at once, not when the target runs out
    flying.run(8.0)
    assert speed(flying) < 0.3
    assert math.dist(before, here(flying)) < 9.0


def test_a_global_place_with_a_velocity(flying):
    east, north, _ = here(flying)
    up = flying.vehicle.relative_alt_m
    tell_global(flying, PLACE | VELOCITY, east, north, up, vx=3.0, vy=-1.0)
    flying.run(12.0)
    after = here(flying)
    assert (after[0] - east, after[1] - north) == pytest.approx((-3.0, 9.0), abs=1.0)
    tell_global(flying, PLACE | VELOCITY, east + 50, north, up, ABOVE_GROUND, vx=3.0)  # not above ground
    flying.run(6.0)
    assert math.dist(after, here(flying)) < 1.0
    tell_global(flying, PLACE, east + 50, north, 30.0, ABOVE_GROUND)
    flying.run(25.0)
    assert here(flying)[0] == pytest.approx(east + 50, abs=1.0)


def test_a_pause_holds_whatever_it_follows(flying):
    for given, fields in ((VELOCITY, {"vx": 5.0}), (PLACE, {**ned(flying), "x": 200.0})):
        tell(flying, given, **fields)
        flying.run(2.5)
        assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0) == 0
        flying.run(6.0)
        assert speed(flying) < 0.2
        assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 1) == 0
    flying.run(4.0)
    assert speed(flying) > 3.0
