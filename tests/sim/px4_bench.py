"""A simulated PX4 with one station on one link, stepped by hand."""

import math
import struct

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Parser
from sim.autopilot.craft import VehicleSetup
from sim.autopilot.mavlink import Channel, Face
from sim.autopilot.px4.modes import Mode
from sim.autopilot.px4.vehicle import Px4
from sim.dynamics import STEP_S

from .conftest import GROUND_M, HOME, flat_place

NAN = math.nan


class Bench:
    """One PX4 with one station on one link, stepped by hand."""

    def __init__(self, **setup):
        self.place = flat_place()
        self.vehicle = Px4(VehicleSetup(self.place, HOME, **setup))
        self.face = Face(self.vehicle)
        self.inbox = []
        self._ears = Parser(clock=lambda: 0.0)
        self.channel = Channel(self.vehicle, self._hear)
        self.face.channels.append(self.channel)
        self._mouth, self._wire = Encoder(255, 190), Parser(clock=lambda: 0.0)
        self.beats = True
        self._next_beat_s = 0.0

    def _hear(self, data, droppable):
        self.inbox += [(self.vehicle.time_s, message) for message in self._ears.feed(data)]

    def run(self, seconds, until=None):
        for _ in range(round(seconds / STEP_S)):
            if self.beats and self.vehicle.time_s >= self._next_beat_s:
                self._next_beat_s = self.vehicle.time_s + 1.0
                self.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
            self.face.step()
            if until is not None and until():
                return True
        return False

    def say(self, message):
        for parsed in self._wire.feed(self._mouth.encode(message)):
            self.face.handle(self.channel, parsed)

    def heard(self, kind, since=0.0):
        return [m for t, m in self.inbox if m.get_type() == kind and t >= since]

    def texts(self):
        self.run(STEP_S)
        whole = []
        for m in self.heard("STATUSTEXT"):
            if m.chunk_seq:
                whole[-1] += m.text
            else:
                whole.append(m.text)
        return [text.removesuffix("\t") for text in whole]

    def command(self, number, *params):
        before = len(self.inbox)
        self.say(mavlink.MAVLink_command_long_message(1, 1, number, 0, *params, *(0.0,) * (7 - len(params))))
        acks = [m for _, m in self.inbox[before:] if m.get_type() == "COMMAND_ACK"]
        return acks[0].result if acks else None

    def mode(self, mode):
        return self.command(mavlink.MAV_CMD_DO_SET_MODE, 1, *mode)

    def arm(self, on=True, force=0.0):
        return self.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, float(on), force)

    def take_off(self, height_m=20.0):
        assert self.command(mavlink.MAV_CMD_NAV_TAKEOFF, *(NAN,) * 6, GROUND_M + height_m) == 0
        assert self.arm() == 0
        assert self.run(60, lambda: self.vehicle.mode is Mode.AUTO_LOITER)

    def at(self, east, north, up, command=16, params=(0, 0, 0, NAN), frame=6):
        lat, lon = self.place.to_geo(east, north)
        return command, frame, params, round(lat * 1e7), round(lon * 1e7), up

    def upload(self, items, kind=0, stop_after=None):
        """The MAV_MISSION_RESULT, None where it does not end."""
        self.say(mavlink.MAVLink_mission_count_message(1, 1, len(items), kind))
        for _ in range(2 * len(items) + 2):
            last = self.inbox[-1][1]
            if last.get_type() == "MISSION_ACK":
                return last.type
            if last.seq == stop_after:
                return None
            command, frame, params, x, y, z = items[last.seq]
            self.say(
                mavlink.MAVLink_mission_item_int_message(
                    1, 1, last.seq, frame, command, 0, 1, *params, x, y, z, kind
                )
            )
        return None

    def read_back(self, kind=0):
        self.say(mavlink.MAVLink_mission_request_list_message(1, 1, kind))
        count = self.heard("MISSION_COUNT")[-1].count
        for seq in range(count):
            self.say(mavlink.MAVLink_mission_request_int_message(1, 1, seq, kind))
        self.say(mavlink.MAVLink_mission_ack_message(1, 1, 0, kind))
        return self.heard("MISSION_ITEM_INT")[-count:] if count else []

    def set_int(self, name, value):
        field = struct.unpack("<f", struct.pack("<i", value))[0]
        self.say(mavlink.MAVLink_param_set_message(1, 1, name.encode(), field, 6))

    def set_real(self, name, value):
        self.say(mavlink.MAVLink_param_set_message(1, 1, name.encode(), value, 9))


def order(command, *params):
    return command, 2, (*params, *(0,) * (4 - len(params))), 0, 0, 0.0


def ready(**setup):
    """One that may be armed."""
    bench = Bench(**setup)
    bench.run(6.0)
    return bench
