"""How long a PX4 takes, against legs that a real one (1.16, SITL) has flown: docs/figures.md."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from flight.safety.plan_check import check_plan
from flight.safety.way_home import Place, return_settings, way_home
from plans.cameras import find_camera
from plans.drones import Drone
from plans.energy import Airframe, Wind
from plans.flight_time import airframe_of, leg_of_tour_s, segment_uses, stop_to_stop_s
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.px4_time import (
    Px4Airframe,
    px4_airframe,
    px4_landing_s,
    px4_segment_uses,
    px4_take_off_s,
)
from plans.survey import SurveySettings, plan_survey
from plans.zones import Zone

PX4 = Px4Airframe()
CALM = Wind()


def lanes(length_m, spacing_m=16.7, count=10, up=40.0):
    """To and fro with square corners, as surveys are."""
    points = []
    for lane in range(count):
        ends = (0.0, length_m) if lane % 2 == 0 else (length_m, 0.0)
        points += [(lane * spacing_m, north, up) for north in ends]
    return np.array(points)


def seconds(points, speed=10.0, airframe=PX4, wind=CALM, **more):
    return px4_segment_uses(points, [speed] * (len(points) - 1), airframe, wind, speed, **more)[:, 0]


@pytest.mark.parametrize(
    ("length_m", "flown_s"), [(16.7, 6.4), (33.3, 9.22), (83.0, 14.5), (184.0, 24.7), (386.0, 46.2)]
)
def test_a_lane_takes_as_long_as_a_real_one_took(length_m, flown_s):
    middle = seconds(lanes(length_m))[4]
    assert middle == pytest.approx(flown_s, rel=0.05)


@pytest.mark.parametrize("length_m", [0.0, 1.0, 5.0, 16.7, 33.3, 83.0, 184.0, 386.0, 1500.0])
@pytest.mark.parametrize("speed", [4.0, 10.0, 14.0])
def test_a_leg_of_a_tour_takes_as_long_as_in_a_whole_flight(length_m, speed):
    inside = seconds(lanes(length_m, spacing_m=50.0), speed)[4]
    many = np.full(2000, length_m)  # read from a table
    assert leg_of_tour_s(length_m, speed, PX4) == pytest.approx(inside, rel=1e-6)
    assert leg_of_tour_s(many, speed, PX4) == pytest.approx(np.full(2000, inside), rel=2e-3, abs=0.01)
    alone = seconds(np.array([(0.0, 0.0, 40.0), (0.0, length_m, 40.0)]), speed)[0]
    assert stop_to_stop_s(length_m, speed, PX4) == pytest.approx(alone, rel=1e-6)


def test_a_plan_for_a_px4_is_reckoned_as_one_flew_it():
    """Lanes of 33 m at 40 m and 10 m/s, 124 items: a real PX4 took 598 s, motors off (docs/figures.md)."""
    local = LocalFrame(30.05, 103.15)
    corners = [local.to_geo(e, n) for e, n in ((40, 30), (540, 30), (540, 63), (40, 63))]
    zone = Zone("bank", Polygon([(float(lon), float(lat)) for lat, lon in corners]))
    wishes = SurveySettings(height_agl_m=40.0, angle_deg=0.0)
    launch = [GeoPoint(30.05, 103.15)]
    camera = find_camera("DJI Mavic 3E")
    px4, copter = (
        plan_survey(
            [zone],
            camera,
            wishes,
            launches=launch,
            drones=[Drone(airframe=airframe_of(name), autopilot=name)],
        ).sorties[0]
        for name in ("px4", "ardupilot")
    )
    assert len(px4.mission.items) == 124
    assert px4.duration_s == pytest.approx(598.0, rel=0.05)
    assert px4.duration_s == pytest.approx(
        check_plan(px4.mission, autopilot="px4").facts.duration_s, rel=0.01
    )
    assert copter.duration_s < 0.8 * px4.duration_s
    assert px4.worst_home_s > px4.battery_s * 1.05, "it comes home at 5 m/s, whatever its survey's speed"


def test_a_px4_is_planned_no_faster_than_it_flies():
    local = LocalFrame(30.05, 103.15)
    corners = [local.to_geo(e, n) for e, n in ((40, 30), (240, 30), (240, 230), (40, 230))]
    zone = Zone("bank", Polygon([(float(lon), float(lat)) for lat, lon in corners]))
    wishes = SurveySettings(height_agl_m=100.0, speed_mps=14.0)
    camera = find_camera("Sony RX1R II")
    plan = plan_survey([zone], camera, wishes, drones=[Drone(airframe=airframe_of("px4"), autopilot="px4")])
    assert plan.kits[0].speed_mps <= PX4.max_speed_mps
    assert any("its airframe's most" in note for note in plan.notes)


def test_a_survey_of_short_lanes_is_slower_than_an_arducopter_flies_it():
    points = lanes(33.3, count=30)
    copter = segment_uses(points, [10.0] * (len(points) - 1), Airframe(), CALM, 10.0)[:, 0]
    assert 1.2 < seconds(points).sum() / copter.sum() < 1.6


def test_take_off_and_landing_as_a_real_one_made_them():
    assert PX4.take_off_wait_s + px4_take_off_s(40.0, PX4) == pytest.approx(24.5, abs=1.5)
    assert px4_landing_s(40.0, PX4) == pytest.approx(43.0, abs=4.0)
    assert px4_take_off_s(5.0, PX4) < px4_take_off_s(10.0, PX4) < px4_take_off_s(11.0, PX4)


def test_its_parameters_count():
    points = lanes(100.0)
    usual = seconds(points).sum()
    assert px4_airframe({}) == PX4
    gentle = px4_airframe({"MPC_ACC_HOR": 2.0, "MPC_JERK_AUTO": 2.0})
    assert seconds(points, airframe=gentle).sum() > 1.1 * usual
    assert seconds(points, airframe=px4_airframe({"MPC_XY_VEL_MAX": 5.0})).sum() > 1.2 * usual
    assert seconds(points, airframe=px4_airframe({"NAV_ACC_RAD": 5.0})).sum() < usual


def test_a_waypoint_with_a_wait_is_a_stop():
    straight = np.array([(0.0, 100.0 * i, 40.0) for i in range(4)])
    through = seconds(straight)
    assert through[1] == pytest.approx(100.0 / 9.65, rel=0.05), "a straight line is flown through"
    assert seconds(straight, stops=[False, True, False]).sum() > through.sum() + 5.0


def test_wind_and_slopes_slow_it_down():
    straight = np.array([(0.0, 0.0, 40.0), (0.0, 500.0, 40.0)])
    assert seconds(straight, wind=Wind(8.0, 0.0)).sum() > 1.2 * seconds(straight).sum()
    steep = np.array([(0.0, 0.0, 200.0), (0.0, 500.0, 40.0)])
    assert seconds(steep).sum() > 160.0 / PX4.descent_mps


def test_the_check_before_upload_is_made_for_the_autopilot():
    local = LocalFrame(30.05, 103.15)

    def item(command, east, north):
        lat, lon = local.to_geo(east, north)
        return MissionItem(command, 3, (0.0, 0.0, 0.0, 0.0), float(lat), float(lon), 40.0)

    flown = [item(Command.NAV_WAYPOINT, east, north) for east, north, _ in lanes(33.3, count=50)]
    home = MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION)
    fast = MissionItem(Command.DO_CHANGE_SPEED, AltitudeFrame.MISSION, (1.0, 10.0, -1.0, 0.0))
    items = item(Command.NAV_TAKEOFF, 0, 0), fast, *flown, home
    mission = Mission(items, GeoPoint(30.05, 103.15, 500.0), 10.0)
    px4, copter = (check_plan(mission, autopilot=name).facts for name in ("px4", "ardupilot"))
    assert px4.duration_s > 1.2 * copter.duration_s
    assert px4.battery_s > 1.1 * copter.battery_s
    unsaid = replace(mission, items=tuple(i for i in items if i is not fast))
    slow = check_plan(unsaid, autopilot="px4").facts
    assert slow.duration_s > px4.duration_s + 20.0, "it flies at MPC_XY_CRUISE, whatever the file says"


def test_the_way_home_of_a_px4():
    way = way_home(Place(283.0, 0.0, 40.0), return_settings({"RTL_RETURN_ALT": 30.0}, px4=True))
    assert way.lands
    # a real one turned home at 57.3 s, came down at 119.4 and was on the ground with motors off at 161
    assert way.seconds == pytest.approx(161.0 - 57.3, abs=6.0)


corner = st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.floats(0, 120))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(corner, min_size=2, max_size=8), st.floats(0.5, 20.0), st.floats(0.1, 8.0), st.floats(0.2, 8.0)
)
def test_no_path_is_flown_faster_than_its_limits(points, speed, acceleration, jerk):
    airframe = px4_airframe({"MPC_ACC_HOR": acceleration, "MPC_JERK_AUTO": jerk})
    path = np.array(points)
    uses = px4_segment_uses(path, [speed] * (len(path) - 1), airframe, CALM, speed)
    assert np.isfinite(uses).all()
    assert (uses[:, 1] >= uses[:, 0] - 1e-9).all()
    fastest = min(speed, airframe.max_speed_mps)
    for (seconds_, _), start, end in zip(uses, path, path[1:], strict=False):
        level = math.dist(start[:2], end[:2])
        if level > 2 * airframe.accept_m:
            assert seconds_ >= (level - 2 * airframe.accept_m) / fastest - 1e-6
            assert seconds_ >= abs(end[2] - start[2]) / max(airframe.climb_mps, airframe.descent_mps) - 1e-6
