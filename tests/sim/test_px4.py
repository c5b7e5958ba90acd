"""The simulated PX4 on a bench: what a client sees of it."""

import math
import random
import struct

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.logs.files import read_log
from flight.missions.ids import current_id_of, opaque_id_of
from plans.frames import GeoPoint
from sim.autopilot.px4 import commands
from sim.autopilot.px4.modes import Mode
from sim.autopilot.px4.params import HASH, PARAMETERS, hash_of
from sim.autopilot.px4.vehicle import Px4
from sim.dynamics import STEP_S
from sim.faults import Fault, FaultTimeline
from sim.scenario import parse_scenario
from sim.server import SimSettings, make_vehicles

from .conftest import GROUND_M
from .px4_bench import NAN, Bench, order, ready

MISSION, HOLD, LAND, RTL = (4, 4), (4, 3), (4, 6), (4, 5)


@pytest.fixture
def px4():
    """A PX4 that may be armed."""
    return ready()


def square(bench):
    return [
        bench.at(0, 0, 20.0, 22),
        order(206, 15.0, 0, 1),
        bench.at(0, 60, 20.0),
        bench.at(60, 60, 20.0),
        order(206, 0),
        order(20),
    ]


def test_it_is_seen_as_a_px4_and_streams_of_itself(px4):
    beat = px4.heard("HEARTBEAT")[-1]
    assert (beat.autopilot, beat.type, beat.custom_mode) == (12, 2, 3 << 24 | 4 << 16)
    assert beat.base_mode == 29
    assert beat.system_status == 3
    for kind in ("GLOBAL_POSITION_INT", "ATTITUDE", "EXTENDED_SYS_STATE", "GPS_RAW_INT", "HOME_POSITION"):
        assert px4.heard(kind), kind
    assert len(px4.heard("GLOBAL_POSITION_INT", 1.0)) == pytest.approx(25, abs=2)
    assert px4.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 148) == 0
    version = px4.heard("AUTOPILOT_VERSION")[-1]
    assert version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE
    assert px4.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 42) == 2
    current = px4.heard("MISSION_CURRENT")[-1]
    assert (current.seq, current.total, current.mission_state) == (0, 65535, 0)


def test_it_takes_off_to_a_height_above_the_sea_holds_lands_and_disarms(px4):
    px4.take_off(20.0)
    assert px4.vehicle.relative_alt_m == pytest.approx(20.0, abs=1.0)
    px4.run(2.0)
    assert px4.arm(on=False) == 1  # not in flight
    assert px4.command(mavlink.MAV_CMD_NAV_LAND) == 0
    assert px4.run(60, lambda: not px4.vehicle.armed)
    states = [m.landed_state for m in px4.heard("EXTENDED_SYS_STATE")]
    assert [s for s, before in zip(states, [0, *states], strict=False) if s != before] == [1, 3, 2, 4, 1]
    texts = px4.texts()
    for text in ("Armed by external command", "Takeoff detected", "Landing detected", "Disarmed by landing"):
        assert text in texts
    assert math.hypot(px4.vehicle.body.east_m, px4.vehicle.body.north_m) < 0.5


def test_a_mission_is_flown_from_its_first_item_and_told_as_px4_tells_it(px4):
    assert px4.upload(square(px4)) == 0
    assert px4.heard("MISSION_REQUEST")[0].seq == 0
    assert [m.seq for m in px4.heard("MISSION_REQUEST_INT")] == [1, 2, 3, 4, 5]
    assert px4.mode(MISSION) == 0
    assert px4.arm() == 0
    assert px4.run(250, lambda: not px4.vehicle.armed)
    reached = [m.seq for m in px4.heard("MISSION_ITEM_REACHED")]
    assert list(dict.fromkeys(reached)) == [1, 2, 4]  # orders that come at once are told by the last of them
    assert reached.count(2) == 11
    photos = px4.heard("CAMERA_IMAGE_CAPTURED")
    assert [m.image_index for m in photos] == list(range(len(photos)))
    assert 8 <= len(photos) <= 10
    assert "RTL: land at destination" in px4.texts()
    assert px4.vehicle.mode is Mode.AUTO_MISSION  # as it was chosen on the ground
    assert px4.arm() == 0  # from the start again
    px4.run(5.0)
    assert px4.vehicle.navigator.progress.seq == 0
    assert px4.heard("MISSION_CURRENT")[-1].total == 6


def test_a_mission_is_taken_whole_or_not_at_all_and_has_a_mark(px4):
    assert px4.upload(square(px4)) == 0
    mark = opaque_id_of(px4.heard("MISSION_ACK")[-1])
    assert mark != 0
    held = [(m.command, m.x, m.y, m.z) for m in px4.read_back()]
    assert opaque_id_of(px4.heard("MISSION_COUNT")[-1]) == mark
    assert [m.frame for m in px4.heard("MISSION_ITEM_INT")] == [6, 2, 6, 6, 2, 2]
    other = [px4.at(0, 0, 30.0, 22), px4.at(0, 30, 30.0), px4.at(0, 40, 30.0, 18)]
    assert px4.upload(other) == 3  # LOITER_TURNS is none of PX4's
    assert [(m.command, m.x, m.y, m.z) for m in px4.read_back()] == held
    assert px4.upload(other, stop_after=1) is None
    px4.run(6.0)
    assert "Operation timeout" in px4.texts()
    assert [(m.command, m.x, m.y, m.z) for m in px4.read_back()] == held
    px4.run(1.5)
    assert current_id_of(px4.heard("MISSION_CURRENT")[-1], 0) == mark


def test_a_station_that_wants_whole_numbers_is_asked_for_them(px4):
    px4.say(mavlink.MAVLink_mission_count_message(1, 1, 1, 0))
    assert px4.inbox[-1][1].get_type() == "MISSION_REQUEST"
    px4.say(mavlink.MAVLink_mission_ack_message(1, 1, 3, 0))  # as MAVSDK answers it
    assert px4.inbox[-1][1].get_type() == "MISSION_REQUEST_INT"


@pytest.mark.parametrize(
    ("item", "result"),
    [
        ((82, 6, (0, 0, 0, 0), 1, 1, 20.0), 3),  # no splines
        ((16, 10, (0, 0, 0, 0), 1, 1, 20.0), 2),  # no heights above ground
        ((16, 2, (0, 0, 0, 0), 1, 1, 20.0), 3),
        ((115, 2, (90, 0, 0, 0), 0, 0, 0.0), 3),
        ((201, 6, (7, 0, 0, 0), 1, 1, 0.0), 6),
        ((5001, 6, (4, 0, 0, 0), 1, 1, 0.0), 1),  # a fence's corner
        ((178, 2, (1, 5, -1, 0), 0, 0, 0.0), 0),
    ],
)
def test_items_are_refused_as_px4_refuses_them(px4, item, result):
    assert px4.upload([item]) == result
    if result in (2, 3, 6):
        assert "IGN MISSION_ITEM: Invalid item" in px4.texts()


def test_a_mission_that_cannot_be_flown_is_taken_and_keeps_it_on_the_ground(px4):
    assert px4.upload([px4.at(0, 30, 20.0), px4.at(0, 0, 20.0, 22)]) == 0
    assert "Mission rejected: takeoff not first waypoint item" in px4.texts()
    assert px4.command(mavlink.MAV_CMD_MISSION_START) == 2
    assert px4.mode(MISSION) == 0  # on the ground every mode can be chosen
    assert px4.arm() == 1
    assert "Arming denied: Resolve system health failures first" in px4.texts()


def test_it_is_not_armed_before_it_has_a_position():
    bench = Bench()
    bench.run(2.0)
    assert bench.heard("HEARTBEAT")[-1].system_status == 0
    assert bench.arm() == 1
    assert bench.texts() == ["Arming denied: Resolve system health failures first"]  # why it says in events


def test_it_goes_to_places_and_round_them(px4):
    px4.take_off(20.0)
    lat, lon = px4.place.to_geo(40.0, 0.0)
    reposition = mavlink.MAV_CMD_DO_REPOSITION
    assert px4.command(reposition, -1, 0, 0, NAN, lat, lon, GROUND_M + 20) == 3  # without the mode's bit
    assert px4.command(reposition, -1, 1, 0, NAN, lat, lon, GROUND_M + 25) == 0
    assert px4.run(40, lambda: math.dist(px4.vehicle.navigator.here[:2], (40.0, 0.0)) < 0.5)
    px4.run(5.0)
    assert px4.vehicle.relative_alt_m == pytest.approx(25.0, abs=0.5)
    assert px4.command(mavlink.MAV_CMD_DO_ORBIT, 15, 3, 0, NAN, lat, lon, GROUND_M + 25) == 0
    px4.run(20.0)
    for _ in range(10):
        px4.run(2.0)
        body = px4.vehicle.body
        assert math.dist((body.east_m, body.north_m), (40.0, 0.0)) == pytest.approx(15.0, abs=1.0)
        assert math.hypot(body.v_east_mps, body.v_north_mps) == pytest.approx(3.0, abs=0.4)
    assert px4.heard("HEARTBEAT")[-1].custom_mode == 1 << 24 | 3 << 16
    assert px4.heard("ORBIT_EXECUTION_STATUS")[-1].radius == 15.0
    assert px4.mode(HOLD) == 0
    px4.run(6.0)
    assert math.hypot(px4.vehicle.body.v_east_mps, px4.vehicle.body.v_north_mps) < 0.2


def test_a_return_climbs_first_and_speeds_are_obeyed(px4):
    px4.take_off(10.0)
    lat, lon = px4.place.to_geo(0.0, 60.0)
    px4.command(mavlink.MAV_CMD_DO_REPOSITION, 3.0, 1, 0, NAN, lat, lon, GROUND_M + 10)
    fastest = 0.0
    while math.dist(px4.vehicle.navigator.here[:2], (0.0, 60.0)) > 1.0:
        px4.run(0.5)
        fastest = max(fastest, math.hypot(px4.vehicle.body.v_east_mps, px4.vehicle.body.v_north_mps))
    assert fastest == pytest.approx(3.0, abs=0.3)
    px4.set_real("RTL_RETURN_ALT", 25.0)
    assert px4.mode(RTL) == 0
    assert px4.run(30, lambda: px4.vehicle.relative_alt_m > 24.0)
    assert px4.vehicle.navigator.here[1] > 55.0
    assert "RTL: start return at 525 m (25 m above destination)" in px4.texts()
    assert px4.run(120, lambda: not px4.vehicle.armed)
    assert math.hypot(px4.vehicle.body.east_m, px4.vehicle.body.north_m) < 1.0


def test_parameters_travel_as_bytes_and_their_checksum_comes_first(px4):
    px4.say(mavlink.MAVLink_param_request_list_message(1, 1))
    px4.run(2.0)
    values = px4.heard("PARAM_VALUE")
    assert values[0].param_id == HASH
    assert struct.unpack("<I", struct.pack("<f", values[0].param_value))[0] == hash_of(px4.vehicle.params)
    assert [m.param_id for m in values[1:]] == list(PARAMETERS)
    before = hash_of(px4.vehicle.params)
    px4.set_int("COM_DL_LOSS_T", 30)
    told = px4.heard("PARAM_VALUE")[-1]
    assert struct.unpack("<i", struct.pack("<f", told.param_value))[0] == 30
    assert px4.vehicle.params["COM_DL_LOSS_T"] == 30.0
    assert hash_of(px4.vehicle.params) != before
    px4.say(mavlink.MAVLink_param_set_message(1, 1, b"COM_DL_LOSS_T", 12.0, 9))  # of the wrong type
    assert px4.vehicle.params["COM_DL_LOSS_T"] == 30.0


@pytest.mark.parametrize(
    ("action", "modes"),
    [
        (0, []),
        (1, [Mode.AUTO_LOITER]),
        (2, [Mode.AUTO_LOITER, Mode.AUTO_RTL]),
        (3, [Mode.AUTO_LOITER, Mode.AUTO_LAND]),
    ],
)
def test_without_its_station_it_does_what_nav_dll_act_says(px4, action, modes):
    px4.set_int("NAV_DLL_ACT", action)
    px4.upload([px4.at(0, 0, 20.0, 22), px4.at(0, 400, 20.0), px4.at(0, 0, 20.0)])
    px4.mode(MISSION)
    px4.arm()
    px4.run(40.0)
    px4.beats = False
    seen = []

    def look():
        if px4.vehicle.mode not in (Mode.AUTO_MISSION, *seen[-1:]):
            seen.append(px4.vehicle.mode)
        return False

    px4.run(18.0, look)
    assert seen == modes
    if action > 1:
        assert "Failsafe activated: entering Hold for 5 seconds" in px4.texts()
        assert px4.heard("HEARTBEAT")[-1].system_status == mavlink.MAV_STATE_CRITICAL
        assert px4.mode(MISSION) == 0  # whoever asks for a mode takes over
        px4.beats = True
        px4.run(3.0)
        assert px4.vehicle.mode is Mode.AUTO_MISSION


def test_an_empty_battery_brings_it_home(px4):
    px4.set_int("COM_LOW_BAT_ACT", 3)
    px4.take_off(20.0)
    timeline = FaultTimeline([Fault("battery_sag", 0.0, "start", charge_share=0.935)], px4.vehicle)
    timeline.update()
    assert px4.run(30, lambda: px4.vehicle.mode is Mode.AUTO_RTL)
    texts = px4.texts()
    begin = texts.index("Critical battery")
    assert texts[begin + 1 : begin + 3] == [
        "Failsafe activated: entering Hold for 5 seconds",
        "Failsafe activated",
    ]


def test_its_log_is_a_ulog_that_holds_the_photos(px4, tmp_path):
    px4.upload(square(px4))
    px4.mode(MISSION)
    px4.arm()
    assert px4.run(250, lambda: not px4.vehicle.armed)
    ((name, data),) = px4.face.logbook.contents().items()
    file = tmp_path / "flight.ulg"
    file.write_bytes(data)
    log = read_log(file)
    assert name.endswith(".ulg")
    assert log.vehicle == "PX4"
    assert len(log.camera_events) == len(px4.heard("CAMERA_IMAGE_CAPTURED"))
    assert [change.mode for change in log.modes][:1] == ["AUTO.MISSION"]
    assert "AUTO.RTL" in [change.mode for change in log.modes]
    assert any("Takeoff detected" in text.text for text in log.texts)


def test_a_scenario_asks_for_it():
    scenario = parse_scenario('name = "x"\nautopilot = "px4"\n[params]\nMPC_XY_CRUISE = 8', "x.toml")
    settings = scenario.apply(SimSettings(home=GeoPoint(30.0, 103.0, 500.0)))
    _, (vehicle,) = make_vehicles(settings)
    assert isinstance(vehicle, Px4)
    assert vehicle.params["MPC_XY_CRUISE"] == 8.0


ODD = (0.0, 1.0, -1.0, NAN, math.inf, -math.inf, 1e30, -1e30, 91.0, 400.0)


@pytest.mark.parametrize("flying", [False, True])
def test_odd_numbers_in_commands_and_items_do_it_no_harm(px4, flying):
    if flying:
        px4.take_off(20.0)
    chance = random.Random(7)
    with np.errstate(invalid="ignore"):
        for number in sorted(commands._HANDLERS):
            if number in (185, 400):
                continue  # motors off is no harm that they do
            for _ in range(12):
                px4.command(number, *(chance.choice(ODD) for _ in range(7)))
                px4.run(STEP_S)
        for _ in range(200):
            params = tuple(chance.choice(ODD) for _ in range(4))
            place = chance.choice((0, 1, 2**31 - 1, -(2**31))), chance.choice((0, 2**31 - 1))
            number, frame = (
                chance.choice((16, 17, 19, 21, 22, 31, 93, 177, 178, 195)),
                chance.choice((2, 3, 6)),
            )
            px4.upload([(number, frame, params, *place, chance.choice(ODD))])
            px4.mode(MISSION)
            px4.run(0.2)
    px4.vehicle.set_mode(Mode.AUTO_LAND)
    px4.run(20.0)
    body = px4.vehicle.body
    assert all(map(math.isfinite, (body.east_m, body.north_m, body.up_m, body.yaw_rad)))
