"""The simulated PX4's fence, rally points, failsafes and satellite modem. What is expected here a real PX4
1.16 was seen to do (tests/peers/test_real_sim_px4_safety.py holds the two beside each other)."""

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Parser
from sim.autopilot.mavlink import Channel
from sim.autopilot.px4.modes import Mode
from sim.faults import Fault, FaultTimeline

from .conftest import GROUND_M
from .px4_bench import NAN, Bench, order, ready

FENCE, RALLY = 1, 2
POLYGON_IN, POLYGON_OUT = 5001, 5002
VIOLATION = "Geofence violation: approaching or outside geofence"
WAITS, ACTS = "Failsafe activated: entering Hold for 5 seconds", "Failsafe activated"
CONTROL = mavlink.MAV_CMD_CONTROL_HIGH_LATENCY


@pytest.fixture
def px4():
    return ready()


def box(bench, west, south, east, north, command=POLYGON_IN):
    corners = (west, south), (east, south), (east, north), (west, north)
    return [bench.at(e, n, 0.0, command, (4.0, 0, 0, 0), 3) for e, n in corners]


def go_to(bench, east, north, up=20.0):
    lat, lon = bench.place.to_geo(east, north)
    return bench.command(mavlink.MAV_CMD_DO_REPOSITION, -1, 1, 0, NAN, lat, lon, GROUND_M + up)


def away(bench, east, north):
    return math.dist(bench.vehicle.navigator.here[:2], (east, north))


def across(bench):
    """A mission there and back over what lies 40 to 70 m to the north."""
    return [bench.at(0, 0, 20.0), bench.at(0, 110, 20.0), bench.at(0, 0, 20.0)]


def modes_of(bench, seconds):
    """The modes that it is in meanwhile."""
    seen = []

    def look():
        if bench.vehicle.mode not in seen[-1:]:
            seen.append(bench.vehicle.mode)
        return False

    bench.run(seconds, look)
    return seen


# -- fence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "modes", "said"),
    [
        (1, [Mode.AUTO_MISSION], [VIOLATION, ACTS]),
        (2, [Mode.AUTO_MISSION, Mode.AUTO_LOITER], [VIOLATION, ACTS]),
        (3, [Mode.AUTO_MISSION, Mode.AUTO_LOITER, Mode.AUTO_RTL], [VIOLATION, WAITS, ACTS]),
        (5, [Mode.AUTO_MISSION, Mode.AUTO_LOITER, Mode.AUTO_LAND], [VIOLATION, WAITS, ACTS]),
    ],
)
def test_a_mission_across_an_area_to_stay_out_of_ends_as_gf_action_says(px4, action, modes, said):
    px4.set_int("GF_ACTION", action)
    areas = box(px4, -100, -100, 100, 150) + box(px4, -20, 40, 20, 70, POLYGON_OUT)
    assert px4.upload(areas, FENCE) == 0
    assert px4.upload(across(px4)) == 0
    px4.take_off()
    assert px4.mode((4, 4)) == 0
    assert modes_of(px4, 27.0) == modes
    texts = px4.texts()
    assert [text for text in texts if text in (VIOLATION, WAITS, ACTS)] == said
    if action == 2:  # it goes back to where it broke the fence, and stays
        assert px4.vehicle.navigator.here[1] == pytest.approx(40.0, abs=1.5)
    assert px4.mode((4, 4)) == 0  # whoever asks for the mode takes over
    px4.run(6.0)
    assert px4.vehicle.mode is Mode.AUTO_MISSION
    assert px4.heard("HEARTBEAT")[-1].system_status == mavlink.MAV_STATE_ACTIVE


def test_a_fence_that_stops_the_flight_stops_the_motors(px4):
    px4.set_int("GF_ACTION", 4)
    px4.upload(box(px4, -100, -100, 100, 150) + box(px4, -20, 40, 20, 70, POLYGON_OUT), FENCE)
    px4.upload(across(px4))
    px4.take_off()
    px4.mode((4, 4))
    assert px4.run(40, lambda: not px4.vehicle.armed)
    assert px4.vehicle.navigator.here[1] == pytest.approx(40.0, abs=2.0)


def test_a_mission_with_a_place_outside_is_refused_whatever_gf_action_says(px4):
    px4.set_int("GF_ACTION", 0)
    assert px4.upload(box(px4, -60, -60, 60, 60), FENCE) == 0
    assert px4.upload([px4.at(0, 0, 20.0), px4.at(0, 100, 20.0)]) == 0
    assert "Geofence violation for waypoint 2" in px4.texts()
    assert px4.mode((4, 4)) == 0
    assert px4.arm() == 1
    assert px4.upload([], FENCE) == 0  # without the fence it can be flown
    assert px4.arm() == 0


def test_a_place_must_lie_in_all_areas_to_stay_in(px4):
    both = box(px4, -60, -60, 60, 60) + box(px4, -30, -30, 100, 30)
    assert px4.upload(both, FENCE) == 0
    px4.upload([px4.at(0, 20, 20.0), px4.at(0, 50, 20.0)])
    assert "Geofence violation for waypoint 2" in px4.texts()
    px4.take_off()
    go_to(px4, 80, 0)
    assert "Reposition is outside geofence" in px4.texts()


def test_an_area_that_home_is_beyond_does_not_count(px4):
    px4.upload(box(px4, 50, 50, 90, 90), FENCE)
    assert px4.texts() == ["Geofence invalid, doesn't contain Home position"]
    px4.upload(box(px4, -10, -10, 10, 10, POLYGON_OUT), FENCE)
    assert px4.texts()[1:] == ["Geofence invalid, doesn't contain Home position"]
    px4.take_off()
    go_to(px4, 30, 0)
    assert px4.run(30, lambda: away(px4, 30, 0) < 1.0)
    px4.upload(box(px4, -20, -20, 20, 20), FENCE)
    assert "Geofence invalid, doesn't contain current vehicle position" in px4.texts()
    assert px4.vehicle.breach_count == 0


@pytest.mark.parametrize(("action", "refused"), [(0, False), (1, False), (2, True), (3, True)])
def test_an_order_to_go_outside_is_obeyed_unless_the_fence_acts(px4, action, refused):
    px4.upload(box(px4, -60, -60, 60, 60), FENCE)
    px4.take_off()
    px4.set_int("GF_ACTION", action)
    assert go_to(px4, 0, 100) == 0
    px4.run(15.0)
    assert ("Reposition is outside geofence" in px4.texts()) is refused
    assert (px4.vehicle.navigator.here[1] < 5.0) is refused


def test_a_circle_about_home_keeps_it(px4):
    px4.set_real("GF_MAX_HOR_DIST", 50.0)
    px4.set_int("GF_ACTION", 0)
    px4.take_off()
    go_to(px4, 0, 80)
    px4.run(5.0)
    px4.set_int("GF_ACTION", 3)
    assert px4.run(40, lambda: px4.vehicle.mode is Mode.AUTO_RTL)
    assert "Geofence violation: exceeding maximum distance to Home" in px4.texts()
    assert px4.vehicle.breach_count == 1


# -- rally points --------------------------------------------------------------------------------------------


def rally(bench, *places):
    points = [bench.at(east, north, 0.0, 5100, (0, 0, 0, 0), 3) for east, north in places]
    assert bench.upload(points, RALLY) == 0


def lands(bench):
    assert bench.run(200, lambda: not bench.vehicle.armed)
    return bench.vehicle.navigator.here[:2]


def test_it_returns_to_the_nearest_of_home_and_rally_points(px4):
    rally(px4, (5, 0), (0, 120), (300, 300))
    held = [(m.command, m.frame) for m in px4.read_back(RALLY)]
    assert held == [(5100, 6)] * 3
    px4.take_off()
    go_to(px4, 0, 80)
    assert px4.run(60, lambda: away(px4, 0, 80) < 1.0)
    assert px4.mode((4, 5)) == 0
    assert math.dist(lands(px4), (0, 120)) < 1.0


def test_a_rally_point_beside_home_is_none(px4):
    """Nearer than 10 m to home; home itself is a place to return to with RTL_TYPE 0."""
    rally(px4, (5, 0))
    px4.take_off()
    go_to(px4, 20, 0)
    assert px4.run(60, lambda: away(px4, 20, 0) < 1.0)
    assert px4.mode((4, 5)) == 0
    assert math.dist(lands(px4), (0, 0)) < 1.0


def test_with_rtl_type_1_home_is_the_last_choice(px4):
    px4.set_int("RTL_TYPE", 1)
    rally(px4, (0, 120))
    px4.take_off()
    assert px4.mode((4, 5)) == 0
    assert math.dist(lands(px4), (0, 120)) < 1.0


# -- returns along the mission -------------------------------------------------------------------------------


def corners(bench, landing=False):
    """Up, north, east, north again; if wanted a way down beside it, to a landing in the south."""
    items = [
        bench.at(0, 0, 20.0, 22),
        bench.at(0, 60, 20.0),
        bench.at(60, 60, 25.0),
        bench.at(60, 120, 20.0),
    ]
    if landing:
        items += [order(189), bench.at(80, 0, 25.0), bench.at(40, 0, 15.0), bench.at(20, -20, 0.0, 21)]
    return items


def returns(bench, kind, items):
    """Ordered to return on the way east: the places, to ten metres, that it comes by; and where it lands."""
    bench.set_int("RTL_TYPE", kind)
    assert bench.upload(items) == 0
    bench.mode((4, 4))
    bench.arm()
    assert bench.run(90, lambda: bench.vehicle.navigator.here[0] > 40.0)
    assert bench.mode((4, 5)) == 0
    by = []

    def look():
        here = tuple(round(x / 10) * 10 for x in bench.vehicle.navigator.here[:2])
        if here not in by[-1:]:
            by.append(here)
        return not bench.vehicle.armed

    assert bench.run(200, look)
    return by, bench.vehicle.navigator.here[:2]


def in_turn(by, *places):
    left = iter(by)
    return all(place in left for place in places)


def test_rtl_type_2_goes_back_the_way_it_came(px4):
    by, at = returns(px4, 2, corners(px4))
    assert in_turn(by, (0, 60), (0, 30), (0, 0))
    assert math.dist(at, (0, 0)) < 1.0
    assert "Mission finished, landed" in px4.texts()
    assert not any(text.startswith("RTL") for text in px4.texts())
    assert [m.seq for m in px4.heard("MISSION_CURRENT")][-1] == 0


def test_rtl_type_2_goes_on_to_the_missions_landing(px4):
    by, at = returns(px4, 2, corners(px4, landing=True))
    assert in_turn(by, (60, 60), (60, 120), (80, 0), (40, 0), (20, -20))
    assert math.dist(at, (20, -20)) < 1.0
    seqs = dict.fromkeys(m.seq for m in px4.heard("MISSION_CURRENT"))
    assert list(seqs) == [0, 1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("kind", [1, 3])
def test_rtl_types_1_and_3_go_straight_to_the_missions_landing(px4, kind):
    if kind == 3:  # where it is nearer than home
        px4.set_real("RTL_RETURN_ALT", 30.0)
        items = [*corners(px4)[:-1], order(189), px4.at(80, 0, 25.0), px4.at(60, 20, 0.0, 21)]
    else:
        items = corners(px4, landing=True)
    by, at = returns(px4, kind, items)
    assert in_turn(by, (80, 0))
    assert (60, 120) not in by
    assert math.dist(at, (60, 20) if kind == 3 else (20, -20)) < 1.0
    assert any(text.startswith("RTL Mission land: climb to 5") for text in px4.texts())


def test_rtl_type_3_goes_home_where_that_is_nearer(px4):
    _, at = returns(px4, 3, [*corners(px4), order(189), px4.at(300, 300, 20.0), px4.at(300, 290, 0.0, 21)])
    assert math.dist(at, (0, 0)) < 1.0
    assert "RTL: land at destination" in px4.texts()


def test_rtl_type_2_without_a_mission_stays_where_it_is(px4):
    px4.set_int("RTL_TYPE", 2)
    px4.take_off()
    assert px4.mode((4, 5)) == 0
    px4.run(20.0)
    assert px4.vehicle.mode is Mode.AUTO_RTL
    assert "No valid mission available, loitering" in px4.texts()
    assert px4.vehicle.relative_alt_m == pytest.approx(20.0, abs=1.0)


# -- sticks, battery -----------------------------------------------------------------------------------------


def test_a_lost_transmitter_brings_it_home_after_a_hold(px4):
    px4.upload([px4.at(0, 0, 20.0, 22), px4.at(0, 300, 20.0)])
    px4.mode((4, 4))
    px4.arm()
    px4.run(25.0)
    FaultTimeline([Fault("rc_loss", 0.0)], px4.vehicle).update()
    assert modes_of(px4, 10.0) == [Mode.AUTO_MISSION, Mode.AUTO_LOITER, Mode.AUTO_RTL]
    assert px4.texts()[-3:-1] == [WAITS, ACTS]


def test_what_was_lost_before_arming_is_not_missed(px4):
    FaultTimeline([Fault("rc_loss", 0.0)], px4.vehicle).update()
    px4.take_off()
    px4.run(10.0)
    assert px4.vehicle.mode is Mode.AUTO_LOITER


def test_a_battery_that_gets_worse_makes_it_land(px4):
    px4.set_int("COM_LOW_BAT_ACT", 3)
    px4.take_off()
    for left in (0.12, 0.065, 0.045):
        lost = px4.vehicle.remaining_share - left
        FaultTimeline([Fault("battery_sag", 0.0, charge_share=lost)], px4.vehicle).update()
        px4.run(8.0)
    assert px4.vehicle.mode is Mode.AUTO_LAND
    said = [t for t in px4.texts() if "atter" in t or "Failsafe" in t]
    assert said == ["Low battery", ACTS, "Critical battery", WAITS, ACTS, "Emergency battery level", ACTS]


# -- satellite modem -----------------------------------------------------------------------------------------


@pytest.fixture
def modem():
    """A PX4 with a modem beside its radio, and what comes over it."""
    bench, came, parser = Bench(), [], Parser(clock=lambda: 0.0)
    bench.face.channels.append(
        Channel(bench.vehicle, lambda data, droppable: came.extend(parser.feed(data)), high_latency=True)
    )
    return bench, came


def test_a_modem_speaks_while_no_station_is_heard_and_says_one_thing(modem):
    bench, came = modem
    bench.beats = False
    bench.run(20.0)
    assert {m.get_type() for m in came} == {"HIGH_LATENCY2"}
    assert 3 <= len(came) <= 5
    bench.beats = True
    bench.run(1.0)
    assert "Disable transmitting with IRIDIUM mavlink on device /dev/iridium" in bench.texts()
    heard = len(came)
    bench.run(20.0)
    assert len(came) == heard
    bench.beats = False
    bench.run(16.0)  # COM_DL_LOSS_T 10
    assert len(came) > heard
    assert "Enable transmitting with IRIDIUM mavlink on device /dev/iridium" in bench.texts()
    last = came[-1]
    assert last.custom_mode == (bench.vehicle.mode >> 16)


def test_an_order_to_open_it_holds_only_until_the_station_is_looked_at(modem):
    bench, came = modem
    bench.run(10.0)
    heard = len(came)
    assert bench.command(CONTROL, 1.0) == 0
    bench.run(20.0)
    assert len(came) - heard <= 1
    texts = bench.texts()
    assert "Enable transmitting with IRIDIUM mavlink on device /dev/iridium by command" in texts
    assert texts[-1] == "Disable transmitting with IRIDIUM mavlink on device /dev/iridium"


def test_without_a_modem_the_order_fails(px4):
    assert px4.command(CONTROL, 1.0) == mavlink.MAV_RESULT_FAILED
    assert "Control high latency failed! Telemetry unavailable" in px4.texts()


def test_what_is_ordered_over_the_modem_is_done_and_not_acknowledged(modem):
    bench, came = modem
    bench.run(8.0)
    bench.take_off()
    bench.beats = False
    bench.run(16.0)
    channel, before = bench.face.channels[1], len(came)
    rtl = mavlink.MAVLink_command_long_message(1, 1, 176, 0, 1.0, 4.0, 5.0, *(0.0,) * 4)
    for parsed in bench._wire.feed(bench._mouth.encode(rtl)):
        bench.face.handle(channel, parsed)
    bench.run(6.0)
    assert {m.get_type() for m in came[before:]} == {"HIGH_LATENCY2"}
    assert came[-1].custom_mode == Mode.AUTO_RTL >> 16
