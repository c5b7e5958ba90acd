"""Ready to fly: what keeps a vehicle on the ground, and what the station does about it by itself."""

import asyncio

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import set_mode
from flight.errors import ArmingError, CommandError
from flight.links.profiles import find_profile
from flight.preflight import wait_until_ready
from flight.wire import vehicle_heartbeat

from .mission_doubles import Double
from .virtual_time import Radio, Weather, run_virtually

HOLD, POSCTL, MISSION = 4 << 16 | 3 << 24, 3 << 16, 4 << 16 | 4 << 24


class Px4OnGround(Double):
    """A PX4 that passes its checks in some modes only, as one without a transmitter does."""

    autopilot = mavlink.MAV_AUTOPILOT_PX4

    def __init__(self, mode, ready_in, obeys=True):
        super().__init__()
        self.mode, self.ready_in, self.obeys = mode, ready_in, obeys
        self.ordered = []

    def each_second(self):
        self.send(vehicle_heartbeat(mavlink.MAV_TYPE_QUADROTOR, self.autopilot, 81, self.mode, 3))
        self.send(
            mavlink.MAVLink_global_position_int_message(1, 305_000_000, 1_030_000_000, 0, 0, 0, 0, 0, 0)
        )
        ready = mavlink.MAV_SYS_STATUS_PREARM_CHECK if self.mode in self.ready_in else 0
        self.send(mavlink.MAVLink_sys_status_message(0, 0, ready, 0, 12000, 0, 90, 0, 0, 0, 0, 0, 0))

    def on_command_long(self, m):
        result = mavlink.MAV_RESULT_UNSUPPORTED
        if m.command == mavlink.MAV_CMD_DO_SET_MODE:
            self.ordered.append(int(m.param2) << 16 | int(m.param3) << 24)
            result = mavlink.MAV_RESULT_ACCEPTED if self.obeys else mavlink.MAV_RESULT_DENIED
            self.mode = self.ordered[-1] if self.obeys else self.mode
        self.send(mavlink.MAVLink_command_ack_message(m.command, result))


def waited(vehicle, timeout_s=60.0):
    async def wait():
        radio = Radio(Weather(bytes_per_s=1e6))
        async with radio.meet(vehicle, find_profile("wifi")) as met:
            await wait_until_ready(met, timeout_s)
            return met.state.mode

    return run_virtually(wait(), 600.0)[0]


def test_a_px4_without_a_transmitter_is_put_in_hold():
    vehicle = Px4OnGround(POSCTL, {HOLD, MISSION})
    assert waited(vehicle) == "AUTO.LOITER"
    assert vehicle.ordered == [HOLD]


def test_a_px4_that_is_ready_keeps_its_mode():
    vehicle = Px4OnGround(POSCTL, {POSCTL})
    assert waited(vehicle) == "POSCTL"
    assert vehicle.ordered == []


@pytest.mark.parametrize("obeys", [True, False])
def test_one_that_is_not_ready_in_hold_either_is_told_of_and_asked_once(obeys):
    vehicle = Px4OnGround(POSCTL, set(), obeys)
    with pytest.raises(ArmingError, match="its pre-arm checks do not pass"):
        waited(vehicle, 40.0)
    assert set(vehicle.ordered) == {HOLD}
    assert vehicle.mode == (HOLD if obeys else POSCTL)


def test_a_mode_that_flies_a_mission_is_left_alone():
    vehicle = Px4OnGround(MISSION, set())
    with pytest.raises(ArmingError):
        waited(vehicle, 20.0)
    assert vehicle.ordered == []


def test_places_that_are_nowhere_are_no_position():
    class Lost(Px4OnGround):
        def send(self, message):
            if message.get_type() == "GLOBAL_POSITION_INT":
                message = mavlink.MAVLink_global_position_int_message(1, 0, 0, 0, 0, 0, 0, 0, 0)
            super().send(message)

    async def wait():
        async with Radio(Weather(bytes_per_s=1e6)).meet(Lost(HOLD, {HOLD}), find_profile("wifi")) as met:
            await asyncio.sleep(5.0)
            return met.state.position

    assert run_virtually(wait(), 600.0)[0] is None


class NeverAnswers(Px4OnGround):
    """A PX4 behind its satellite modem: it obeys, and acknowledges nothing."""

    def send(self, message):
        if message.get_type() != "COMMAND_ACK":
            super().send(message)


@pytest.mark.parametrize("obeys", [True, False])
def test_a_change_of_mode_that_shows_is_an_answer(obeys):
    vehicle = NeverAnswers(POSCTL, {HOLD}, obeys)

    async def change():
        async with Radio(Weather(bytes_per_s=1e6)).meet(vehicle, find_profile("wifi")) as met:
            began_s = met.now_s()
            await set_mode(met, "AUTO.LOITER")
            return met.now_s() - began_s, met.state.mode

    if obeys:
        lasted_s, mode = run_virtually(change(), 600.0)[0]
        assert (mode, set(vehicle.ordered)) == ("AUTO.LOITER", {HOLD})
        assert lasted_s < 4.0
    else:
        with pytest.raises(CommandError, match="no answer"):
            run_virtually(change(), 600.0)
