"""The simulated PX4 flown by sticks and by a program's set-points. Figures of a real PX4 1.16 stand beside
(tests/peers/test_real_sim_px4_safety.py flies both)."""

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.logs.files import read_log
from sim.autopilot.px4.modes import Mode
from sim.dynamics import STEP_S, Airframe

from .conftest import GROUND_M
from .px4_bench import NAN, ready

TEN_HZ = 0.1
MODES = {Mode.MANUAL: (1,), Mode.STABILIZED: (7,), Mode.ALTCTL: (2,), Mode.POSCTL: (3,), Mode.OFFBOARD: (6,)}
NO_SPEED, NO_ACCEL, NO_PLACE = 0o70, 0o700, 0o7
NO_YAW, NO_YAW_RATE = 1 << 10, 1 << 11
DRAGGING = Airframe(drag_quadratic_per_m=0.0, drag_linear_per_s=1.0)
"""The real one's in its own simulator, of fifty times the drag of ours."""


@pytest.fixture
def px4():
    return ready()


def steer(bench, seconds, forward=0, right=0, up=500, turn=0):
    """Hold a joystick so: thousandths, `up` of 0 to 1000."""
    for _ in range(round(seconds / TEN_HZ)):
        bench.say(mavlink.MAVLink_manual_control_message(1, forward, right, up, turn, 0))
        bench.run(TEN_HZ)


def stream(bench, seconds, point):
    for _ in range(round(seconds / TEN_HZ)):
        bench.say(point)
        bench.run(TEN_HZ)


def local(mask, north=0.0, east=0.0, up=0.0, speed=(0, 0, 0), accel=(0, 0, 0), frame=1, turn_radps=0.0):
    """SET_POSITION_TARGET_LOCAL_NED; speeds and accelerations north, east, up."""
    v, a = (speed[0], speed[1], -speed[2]), (accel[0], accel[1], -accel[2])
    return mavlink.MAVLink_set_position_target_local_ned_message(
        0, 1, 1, frame, mask, north, east, -up, *v, *a, 0.0, turn_radps
    )


def place(north, east, up):
    return local(NO_SPEED | NO_ACCEL | NO_YAW | NO_YAW_RATE, north, east, up)


def velocity(north, east, up, frame=1, turn_radps=0.0):
    return local(NO_PLACE | NO_ACCEL | NO_YAW, speed=(north, east, up), frame=frame, turn_radps=turn_radps)


def ground_speed(bench):
    body = bench.vehicle.body
    return math.hypot(body.v_east_mps, body.v_north_mps)


def lean_deg(bench):
    return math.degrees(bench.vehicle.body.pitch_rad)


def airborne(bench, height_m=12.0):
    """Lifted off by its throttle stick, in POSCTL."""
    steer(bench, 1.0)
    assert bench.vehicle.mode is Mode.POSCTL
    assert bench.arm() == 0
    steer(bench, 10.0, up=1000)
    while bench.vehicle.relative_alt_m < height_m:
        steer(bench, 0.5, up=1000)
    steer(bench, 4.0)


# -- sticks --------------------------------------------------------------------------------------------------


def test_the_first_sticks_choose_posctl_and_no_later_ones(px4):
    steer(px4, 0.5)
    assert px4.vehicle.mode is Mode.POSCTL
    assert px4.mode((4, 3)) == 0
    steer(px4, 0.5)
    assert px4.vehicle.mode is Mode.AUTO_LOITER


@pytest.mark.parametrize("mode", list(MODES))
def test_nobody_at_the_sticks_or_no_set_points_is_no_reason_to_change_the_mode_but_to_deny_arming(px4, mode):
    assert px4.mode(MODES[mode]) == 0
    assert px4.vehicle.mode is mode
    px4.run(1.5)
    beat = px4.heard("HEARTBEAT")[-1]
    assert (beat.custom_mode, beat.base_mode) == (int(mode), 1 if mode is Mode.OFFBOARD else 81)
    assert px4.arm() == 1


def test_a_throttle_that_is_up_denies_arming(px4):
    steer(px4, 1.0, up=700)
    assert px4.arm() == 1
    assert "Arming denied: throttle above center" in px4.texts()
    assert px4.mode(MODES[Mode.STABILIZED]) == 0
    steer(px4, 1.0, up=500)
    assert px4.arm() == 1
    assert "Arming denied: high throttle" in px4.texts()
    steer(px4, 1.0, up=0)
    assert px4.arm() == 0


def test_posctl_gathers_speed_and_brakes_as_a_real_one():
    """Real: 3.1 m/s after 2 s, 5.5 after 4, 7.7 after 8; 12.7 to 13.9 m to a stand."""
    px4 = ready(airframe=DRAGGING)
    airborne(px4)
    assert px4.vehicle.body.v_up_mps == pytest.approx(0.0, abs=0.1)
    speeds = []
    for seconds in (2.0, 2.0, 4.0):
        steer(px4, seconds, forward=1000)
        speeds.append(ground_speed(px4))
    assert speeds == [pytest.approx(real, abs=0.7) for real in (3.5, 5.8, 7.8)]
    begin = px4.vehicle.body.north_m
    steer(px4, 8.0)
    assert px4.vehicle.body.north_m - begin == pytest.approx(13.5, abs=1.5)
    steer(px4, 16.0)  # until what its controller had gathered against the drag is gone
    held = px4.vehicle.navigator.here
    steer(px4, 8.0)
    assert math.dist(px4.vehicle.navigator.here, held) < 0.5


def test_sticks_have_a_dead_middle_and_are_slow_near_it(px4):
    """Real: 0.9 to 1.1 m/s at 0.3, 32 deg/s at half the yaw stick, 0.47 m/s down at 0.2."""
    airborne(px4, 14.0)
    steer(px4, 6.0, forward=90)
    assert ground_speed(px4) < 0.1
    steer(px4, 8.0, forward=300)
    assert ground_speed(px4) == pytest.approx(0.95, abs=0.15)
    steer(px4, 4.0)
    steer(px4, 2.0, turn=500)
    yaw = px4.vehicle.body.yaw_rad
    steer(px4, 1.0, turn=500)
    assert math.degrees(math.remainder(px4.vehicle.body.yaw_rad - yaw, math.tau)) == pytest.approx(
        34.5, abs=2
    )
    steer(px4, 3.0, up=200)
    assert px4.vehicle.body.v_up_mps == pytest.approx(-0.48, abs=0.08)


def test_altctl_leans_and_keeps_its_height_and_stabilized_does_not(px4):
    """Real: 11.9 deg in ALTCTL, 10.5 in STABILIZED, both at 0.3."""
    airborne(px4)
    assert px4.mode(MODES[Mode.ALTCTL]) == 0
    up_m = px4.vehicle.relative_alt_m
    steer(px4, 3.0, forward=300)
    assert lean_deg(px4) == pytest.approx(-11.9, abs=0.7)
    assert px4.vehicle.relative_alt_m == pytest.approx(up_m, abs=0.7)
    assert px4.mode(MODES[Mode.STABILIZED]) == 0
    steer(px4, 1.5, forward=300)
    assert lean_deg(px4) == pytest.approx(-10.5, abs=0.7)
    steer(px4, 1.5, up=700)
    assert px4.vehicle.body.v_up_mps > 2.0


def test_landed_by_hand_it_disarms_and_stays_in_the_mode(px4):
    airborne(px4)
    steer(px4, 1.0, up=0)
    for _ in range(120):
        steer(px4, 0.5, up=0)
        if not px4.vehicle.armed:
            break
    assert px4.texts()[-2:] == ["Landing detected", "Disarmed by landing"]
    assert px4.vehicle.mode is Mode.POSCTL
    assert px4.vehicle.body.v_up_mps == pytest.approx(0.0, abs=0.1)


def test_sticks_that_move_take_over_from_a_mission_and_sticks_that_rest_do_not(px4):
    px4.upload([px4.at(0, 0, 20.0, 22), px4.at(0, 300, 20.0)])
    px4.mode((4, 4))
    px4.arm()
    px4.run(20.0)
    steer(px4, 2.0)
    assert px4.vehicle.mode is Mode.AUTO_MISSION
    steer(px4, 0.5, right=400)
    assert px4.vehicle.mode is Mode.POSCTL
    assert "Pilot took over using sticks" in px4.texts()


def test_with_com_rc_override_0_they_do_not(px4):
    px4.set_int("COM_RC_OVERRIDE", 0)
    steer(px4, 0.5)
    px4.take_off()
    steer(px4, 2.0, right=400)
    assert px4.vehicle.mode is Mode.AUTO_LOITER


def test_a_joystick_that_falls_silent_brings_it_home_and_takes_over_again(px4):
    airborne(px4)
    steer(px4, 8.0, forward=1000)
    steer(px4, 4.0)
    px4.run(1.5)
    assert px4.vehicle.mode is Mode.AUTO_LOITER
    px4.run(5.0)
    assert px4.vehicle.mode is Mode.AUTO_RTL
    waits = "Failsafe activated: entering Hold for 5 seconds"
    assert [t for t in px4.texts() if t.startswith("Failsafe")] == [waits, "Failsafe activated"]
    steer(px4, 2.0)
    assert px4.vehicle.mode is Mode.AUTO_RTL  # heard again, it goes on home
    steer(px4, 1.0, forward=600)
    assert px4.vehicle.mode is Mode.POSCTL


# -- set-points ----------------------------------------------------------------------------------------------


def test_offboard_is_entered_with_set_points_only(px4):
    px4.take_off()
    assert px4.mode(MODES[Mode.OFFBOARD]) == 1
    assert px4.vehicle.mode is Mode.AUTO_LOITER
    stream(px4, 0.5, place(0, 0, 20))
    assert px4.mode(MODES[Mode.OFFBOARD]) == 0
    stream(px4, 1.5, place(0, 0, 20))
    beat = px4.heard("HEARTBEAT")[-1]
    assert (beat.custom_mode, beat.base_mode) == (int(Mode.OFFBOARD), 145)


def offboard(bench, height_m=20.0):
    bench.take_off(height_m)
    here = bench.vehicle.navigator.here
    stream(bench, 0.5, place(here[1], here[0], height_m))
    assert bench.mode(MODES[Mode.OFFBOARD]) == 0


def test_it_flies_to_a_place_at_once_as_a_real_one():
    """Real: 30 m in 5.2 s, 8.9 m/s at most, 45 deg."""
    px4 = ready(airframe=DRAGGING)
    offboard(px4)
    fastest = steepest = seconds = 0.0
    while px4.vehicle.navigator.here[0] < 29.0:
        stream(px4, TEN_HZ, place(0, 30, 20))
        seconds += TEN_HZ
        fastest = max(fastest, ground_speed(px4))
        steepest = max(steepest, abs(math.degrees(px4.vehicle.body.roll_rad)))
        assert seconds < 10.0
    assert seconds == pytest.approx(5.0, abs=0.7)
    assert fastest == pytest.approx(9.0, abs=0.9)
    assert steepest == pytest.approx(45.0, abs=3.0)
    stream(px4, 8.0, place(0, 30, 20))
    assert math.dist(px4.vehicle.navigator.here, (30.0, 0.0, GROUND_M + 20.0)) < 1.0


def test_it_flies_speeds_over_the_ground_and_along_its_nose_and_turns(px4):
    offboard(px4)
    stream(px4, 5.0, velocity(3.0, 0, 0))
    assert px4.vehicle.body.v_north_mps == pytest.approx(3.0, abs=0.4)
    stream(px4, 3.0, velocity(0, 0, 1.0, turn_radps=math.radians(20)))
    assert px4.vehicle.body.v_up_mps == pytest.approx(1.0, abs=0.15)
    yaw = px4.vehicle.body.yaw_rad
    stream(px4, 1.0, velocity(0, 0, 0, turn_radps=math.radians(20)))
    assert math.degrees(px4.vehicle.body.yaw_rad - yaw) == pytest.approx(20.0, abs=1.5)
    stream(px4, 5.0, velocity(2.0, 0, 0, frame=8))
    body = px4.vehicle.body
    course = math.atan2(body.v_east_mps, body.v_north_mps)
    assert ground_speed(px4) == pytest.approx(2.0, abs=0.3)
    assert math.degrees(math.remainder(course - body.yaw_rad, math.tau)) == pytest.approx(0.0, abs=8.0)


def test_it_accelerates_as_asked_and_holds_place_and_speed_together(px4):
    offboard(px4)
    mask = NO_PLACE | NO_SPEED | NO_YAW | NO_YAW_RATE
    stream(px4, 2.0, local(mask, accel=(0, 1.0, 0)))
    assert px4.vehicle.body.v_east_mps == pytest.approx(2.0, abs=0.4)
    both = local(NO_ACCEL | NO_YAW | NO_YAW_RATE, 0.0, 0.0, 20.0, speed=(0.0, 2.0, 0.0))
    stream(px4, 15.0, both)  # it stands where the way back is as fast as what is asked for
    assert px4.vehicle.navigator.here[0] == pytest.approx(2.0 / 0.95, abs=0.4)


@pytest.mark.parametrize(("frame", "up"), [(5, GROUND_M + 25.0), (0, GROUND_M + 25.0), (6, 25.0), (3, 25.0)])
def test_it_flies_to_places_on_the_globe(px4, frame, up):
    offboard(px4)
    lat, lon = px4.place.to_geo(20.0, 10.0)
    point = mavlink.MAVLink_set_position_target_global_int_message(
        *(0, 1, 1, frame, NO_SPEED | NO_ACCEL | NO_YAW_RATE, round(lat * 1e7), round(lon * 1e7)),
        *(up, 0, 0, 0, 0, 0, 0, math.radians(90), 0),
    )
    stream(px4, 14.0, point)
    assert math.dist(px4.vehicle.navigator.here, (20.0, 10.0, GROUND_M + 25.0)) < 1.0
    assert math.degrees(px4.vehicle.body.yaw_rad) == pytest.approx(90.0, abs=2.0)


@pytest.mark.parametrize(
    ("action", "mode"),
    [
        (0, Mode.POSCTL),
        (1, Mode.ALTCTL),
        (2, Mode.STABILIZED),
        (3, Mode.AUTO_RTL),
        (4, Mode.AUTO_LAND),
        (5, Mode.AUTO_LOITER),
    ],
)
def test_without_set_points_it_does_what_com_obl_rc_act_says_and_goes_on_when_they_come(px4, action, mode):
    px4.set_int("COM_OBL_RC_ACT", action)
    offboard(px4)
    stream(px4, 1.0, place(0, 0, 20))
    px4.run(0.8)
    assert px4.vehicle.mode is Mode.OFFBOARD  # COM_OF_LOSS_T 1 s
    px4.run(0.6)
    assert px4.vehicle.mode is mode
    assert "Failsafe activated" in px4.texts()
    px4.run(1.5)
    assert px4.heard("HEARTBEAT")[-1].system_status == mavlink.MAV_STATE_CRITICAL
    assert px4.mode(MODES[Mode.OFFBOARD]) == 1
    stream(px4, 1.0, place(0, 0, 20))
    assert px4.vehicle.mode is Mode.OFFBOARD


def test_in_posctl_with_nobody_at_the_sticks_it_comes_down_slowly(px4):
    """Real: 0.7 m/s (MPC_LAND_SPEED)."""
    offboard(px4)
    stream(px4, 1.0, place(0, 0, 20))
    px4.run(5.0)
    assert px4.vehicle.mode is Mode.POSCTL
    assert px4.vehicle.body.v_up_mps == pytest.approx(-0.7, abs=0.1)
    assert px4.run(60, lambda: not px4.vehicle.armed)


def test_it_takes_off_and_lands_by_set_points_and_its_log_has_the_mode(px4, tmp_path):
    stream(px4, 0.5, place(0, 0, 0))
    assert px4.mode(MODES[Mode.OFFBOARD]) == 0
    assert px4.arm() == 0
    stream(px4, 3.0, place(0, 0, 0))
    assert px4.vehicle.landed
    stream(px4, 12.0, place(0, 0, 10))
    assert px4.vehicle.relative_alt_m == pytest.approx(10.0, abs=0.7)
    for _ in range(60):
        stream(px4, 0.5, velocity(0, 0, -0.7))
        if not px4.vehicle.armed:
            break
    assert not px4.vehicle.armed
    ((_, data),) = px4.face.logbook.contents().items()
    file = tmp_path / "flight.ulg"
    file.write_bytes(data)
    assert "OFFBOARD" in [change.mode for change in read_log(file).modes]


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (local(0o7777, frame=1), "SET_POSITION_TARGET_LOCAL_NED invalid"),
        (place(0, 0, 0).__class__(0, 1, 1, 7, 0, *(0.0,) * 11), "coordinate frame 7 unsupported"),
        (local(NO_PLACE | NO_SPEED | 1 << 9), "force not supported"),
    ],
)
def test_what_it_cannot_fly_it_says_and_does_not_count(px4, point, said):
    px4.take_off()
    stream(px4, 0.5, point)
    assert any(said in text for text in px4.texts())
    assert px4.mode(MODES[Mode.OFFBOARD]) == 1


def test_odd_set_points_do_it_no_harm(px4):
    offboard(px4)
    for odd in (NAN, math.inf, -math.inf, 1e30):
        stream(px4, 0.3, local(0, odd, odd, odd, (odd, odd, odd), (odd, odd, odd)))
        stream(px4, 0.3, velocity(odd, 0, 0))
        px4.run(STEP_S)
    px4.run(3.0)
    body = px4.vehicle.body
    assert all(map(math.isfinite, (body.east_m, body.north_m, body.up_m, body.yaw_rad)))
    assert math.hypot(body.east_m, body.north_m) < 50.0
