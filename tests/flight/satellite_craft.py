"""A copter with a satellite modem beside its radio, in virtual time."""

import asyncio
import contextlib
from unittest import mock

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import station as station_module
from flight.links.high_latency_switch import HighLatencySwitch
from flight.links.link import Address
from flight.links.profiles import find_profile
from flight.station import open_station
from flight.wire import Encoder, Parser, vehicle_heartbeat

from .virtual_time import Weather, _OneWay, run_virtually

FAST, SPACE = "tcp:field:1", "tcp:space:2"
BOTH = (FAST, f"{SPACE}?profile=satellite")
COPTER, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
AUTO, RTL = 3, 6


class Craft:
    """An armed copter on two links, after ArduPilot's GCS_Common.cpp: over its modem it says HIGH_LATENCY2
    each ten seconds, once that is opened. `heard` are (link, message)."""

    def __init__(self, sysid=42, autopilot=COPTER, loss=0.0, seed=1):
        self.autopilot, self.mode, self.battery, self.item = autopilot, AUTO, 80, 3
        self.open = self.cut = False
        self.heard = []
        space = Weather(loss=loss, latency_s=6.0, bytes_per_s=100.0)
        self._ways = {
            place: (_OneWay(weather, seed), _OneWay(weather, seed + 1))
            for place, weather in ((FAST, Weather(latency_s=0.02)), (SPACE, space))
        }
        self._encoders = {place: Encoder(sysid, 1) for place in self._ways}
        self._links = {}

    def count(self, place, kind):
        return sum(m.get_type() == kind for p, m in self.heard if p == place)

    def commands(self, place):
        return [(m.command, m.param1) for p, m in self.heard if p == place and m.get_type() == "COMMAND_LONG"]

    @contextlib.asynccontextmanager
    async def meet(self, *addresses):
        """A station that has these links."""

        async def open_link(text, on_bytes):
            link = _Link(self, text, on_bytes)
            self._links[text] = link
            return link

        with mock.patch.object(station_module, "open_link", open_link):
            async with open_station(addresses, find_profile("wifi"), sysid=255) as station:
                life = asyncio.get_running_loop().create_task(self._live())
                try:
                    yield station
                finally:
                    life.cancel()

    async def _live(self):
        second = 0
        while True:
            self.say(FAST, vehicle_heartbeat(2, self.autopilot, 0x89, self.mode, 4))
            if self.open and second % 10 == 0:
                self.say(SPACE, self.one_message())
            second += 1
            await asyncio.sleep(1.0)

    def one_message(self, **values):
        fields = {
            "timestamp": 0, "type": 2, "autopilot": self.autopilot, "custom_mode": self.mode,
            "latitude": 300500000, "longitude": 1031500000, "altitude": 560, "target_altitude": 560,
            "heading": 45, "target_heading": 45, "target_distance": 12, "throttle": 40, "airspeed": 0,
            "airspeed_sp": 0, "groundspeed": 50, "windspeed": 0, "wind_heading": 0, "eph": 0, "epv": 0,
            "temperature_air": 20, "climb_rate": 0, "battery": self.battery, "wp_num": self.item,
            "failure_flags": 0, "custom0": -119, "custom1": 0, "custom2": 0,
        }  # fmt: skip
        return mavlink.MAVLink_high_latency2_message(**fields | values)

    def say(self, place, message):
        link = self._links.get(place)
        if link is not None and not (place == FAST and self.cut):
            self._ways[place][1].carry(self._encoders[place].encode(message), link.on_bytes)

    def write(self, place, data):
        if not (place == FAST and self.cut):
            self._ways[place][0].carry(data, lambda packet: self._take(place, packet))

    def _take(self, place, packet):
        for message in Parser(lambda: 0.0).feed(packet):
            self.heard.append((place, message))
            if message.get_type() == "COMMAND_LONG":
                if message.command == mavlink.MAV_CMD_CONTROL_HIGH_LATENCY:
                    self.open = message.param1 == 1.0
                if message.command == mavlink.MAV_CMD_DO_SET_MODE:
                    self.mode = int(message.param2)
                if place == FAST or self.open:
                    self.say(place, mavlink.MAVLink_command_ack_message(message.command, 0))


class _Link:
    connected = True
    dropped = 0

    def __init__(self, craft, place, on_bytes):
        kind, host, port = place.split(":")
        self.address = Address(kind, host, int(port))
        self.on_bytes = on_bytes
        self._craft, self._place = craft, place

    def write(self, data):
        self._craft.write(self._place, data)

    async def close(self):
        pass


def virtually(craft, work, *addresses):
    """Run `work(station)`; gives its result and how long it took."""

    async def whole():
        async with craft.meet(*addresses) as station:
            return await work(station)

    return run_virtually(whole())


@contextlib.asynccontextmanager
async def beside(*works):
    """Everything that `fly` runs beside a flight."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def switch_of(vehicle, events=None):
    def on_event(action, **detail):
        if events is not None:
            events.append((round(vehicle.now_s()), action, detail["open"]))

    return HighLatencySwitch(vehicle, lambda: vehicle.station.satellite_links, on_event)
