"""A vehicle on a bench: stepped by hand on its own clock, spoken to in MAVLink bytes, no sockets."""

from __future__ import annotations

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Parser
from plans.frames import GeoPoint, LocalFrame
from sim.autopilot.core import Vehicle, VehicleSetup
from sim.autopilot.mavlink import Channel, Face
from sim.dynamics import STEP_S
from sim.place import FlatGround, Place
from sim.world import make_world

COARSE_M = 0.5  # a world's layout is the same at any pixel size, and this takes a tenth of the time
GROUND_M = 500.0
HOME = GeoPoint(30.0, 103.0)


def flat_place():
    """Level ground at 500 m around 30 N, 103 E."""
    return Place(LocalFrame(HOME.lat_deg, HOME.lon_deg), FlatGround(GROUND_M))


class Bench:
    """One vehicle with one station on one link."""

    def __init__(self, **setup):
        self.place = flat_place()
        self.vehicle = Vehicle(VehicleSetup(self.place, HOME, **setup))
        self.face = Face(self.vehicle)
        self.inbox = []
        """(simulated time, message) of everything that the station heard, in order."""
        self._ears = Parser(clock=lambda: 0.0)
        self.channel = self.new_channel(self._hear)
        self._mouth, self._wire = Encoder(255, 190), Parser(clock=lambda: 0.0)

    def new_channel(self, write, high_latency=False):
        channel = Channel(self.vehicle, write, high_latency)
        self.face.channels.append(channel)
        return channel

    def _hear(self, data, droppable):
        self.inbox += [(self.vehicle.time_s, message) for message in self._ears.feed(data)]

    def run(self, seconds, until=None):
        """Let simulated time pass; stop early when `until()` is true. True if it was."""
        for _ in range(round(seconds / STEP_S)):
            self.face.step()
            if until is not None and until():
                return True
        return False

    def say(self, message, encoder=None):
        """Speak to the vehicle as system 255."""
        for parsed in self._wire.feed((encoder or self._mouth).encode(message)):
            self.face.handle(self.channel, parsed)

    def heard(self, kind, since=0.0):
        """Messages of a kind heard from a time on."""
        return [m for t, m in self.inbox if m.get_type() == kind and t >= since]

    def texts(self, since=0.0):
        return [m.text for m in self.heard("STATUSTEXT", since)]

    def command(self, number, *params):
        """COMMAND_LONG; the MAV_RESULT that came back."""
        filled = (*params, *(0.0,) * (7 - len(params)))
        before = len(self.inbox)
        self.say(mavlink.MAVLink_command_long_message(1, 1, number, 0, *filled))
        acks = [m for _, m in self.inbox[before:] if m.get_type() == "COMMAND_ACK"]
        assert [ack.command for ack in acks] == [number]
        return acks[0].result

    def mode(self, number):
        return self.command(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, number)

    def arm(self, on=True, force=0.0):
        return self.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, float(on), force)

    def stream(self, message_id, hz):
        return self.command(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message_id, 1e6 / hz)

    def set_param(self, name, value):
        self.say(mavlink.MAVLink_param_set_message(1, 1, name.encode(), value, 9))

    def take_off(self, height_m=30.0):
        """GUIDED, arm, NAV_TAKEOFF, and wait until it is up there."""
        assert self.mode(4) == 0
        assert self.arm() == 0
        assert self.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, height_m) == 0
        up = self.run(120, lambda: self.vehicle.relative_alt_m > height_m - 0.5)
        assert up

    # -- missions --------------------------------------------------------------------------------------

    def item(self, seq, command, frame=3, params=(0, 0, 0, 0), lat=0.0, lon=0.0, alt=0.0, **more):
        """A MISSION_ITEM_INT for the vehicle."""
        return mavlink.MAVLink_mission_item_int_message(
            more.get("system", 1),
            more.get("component", 1),
            seq,
            frame,
            command,
            0,
            1,
            *params,
            round(lat * 1e7),
            round(lon * 1e7),
            alt,
            more.get("kind", 0),
        )

    def at(self, seq, east, north, up, command=16, frame=6, params=(0, 0, 0, 0)):
        """An item at a place in metres from home."""
        lat, lon = self.place.to_geo(east, north)
        return self.item(seq, command, frame, params, lat, lon, up)

    def order(self, seq, command, *params):
        """An item without a place."""
        return self.item(seq, command, 2, (*params, *(0,) * (4 - len(params))))

    def upload(self, items, kind=0, component=1):
        """The whole upload; the MAV_MISSION_RESULT of its end, None if there was none."""
        self.say(mavlink.MAVLink_mission_count_message(1, component, len(items), kind))
        for _ in range(3 * len(items) + 3):
            last = self.inbox[-1][1]
            if last.get_type() == "MISSION_REQUEST":
                self.say(items[last.seq])
            elif last.get_type() == "MISSION_ACK":
                return last.type
            else:
                self.run(STEP_S)
        return None

    def read_back(self, kind=0):
        """The items on the vehicle, as MISSION_ITEM_INT."""
        self.say(mavlink.MAVLink_mission_request_list_message(1, 1, kind))
        count = self.heard("MISSION_COUNT")[-1].count
        for seq in range(count):
            self.say(mavlink.MAVLink_mission_request_int_message(1, 1, seq, kind))
        return self.heard("MISSION_ITEM_INT")[-count:] if count else []


@pytest.fixture
def bench():
    """A vehicle that has just been switched on."""
    return Bench()


@pytest.fixture
def ready():
    """A vehicle that may be armed: 42 seconds after power-up."""
    bench = Bench()
    bench.run(42.5)
    return bench


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A flooded valley with all its truth; tests only read it."""
    return make_world(tmp_path_factory.mktemp("world"), 4, pixel_m=COARSE_M)
