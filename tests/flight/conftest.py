"""A vehicle that does what a test tells it, one that is simulated, and the ground under both."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.links.link import open_link
from flight.links.profiles import LinkProfile
from flight.station import open_station
from flight.wire import Encoder, Parser, vehicle_heartbeat
from plans.frames import GeoPoint
from sim.server import SimSettings, serve

HOME = GeoPoint(30.05, 103.15, 500.0)
SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "plans"


@pytest.fixture
def sample():
    """A real log or plan by its name; the test is skipped where the collection is not at hand."""

    def find(name):
        if not (SAMPLES / name).exists():
            pytest.skip(f"the collection of real files is not here ({SAMPLES})")
        return SAMPLES / name

    return find


@pytest.fixture
def quick():
    """A link profile for tests: answers come at once or not at all."""
    return LinkProfile("test", answer_s=0.15, tries=6, silence_s=1.0, rates_hz={33: 4.0})


@pytest.fixture
def free_port():
    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


class ScriptedVehicle:
    """The other end of a link: answers each message by `replies[TYPE](message)`, which gives messages.

    `heard` is all that came. `lost` says which of its own messages get lost on the way.
    """

    def __init__(self, autopilot=mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, sysid=1):
        self.autopilot = autopilot
        self.encoder = Encoder(sysid, 1)
        self.replies = {}
        self.heard = []
        self.lost = lambda message: False
        self.link = None

    def send(self, message):
        if not self.lost(message):
            self.link.write(self.encoder.encode(message))

    def take(self, data, parser):
        for message in parser.feed(data):
            self.heard.append(message)
            for answer in self.replies.get(message.get_type(), lambda m: ())(message):
                self.send(answer)

    def count(self, kind):
        return sum(m.get_type() == kind for m in self.heard)

    @contextlib.asynccontextmanager
    async def on_air(self, port):
        parser = Parser()
        self.link = await open_link(f"tcpin:127.0.0.1:{port}", lambda data: self.take(data, parser))
        beat = asyncio.get_running_loop().create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await self.link.close()

    async def _beat(self):
        while True:
            self.send(vehicle_heartbeat(mavlink.MAV_TYPE_QUADROTOR, self.autopilot, 81, 0, 3))
            await asyncio.sleep(0.1)


@pytest.fixture
def scripted():
    return ScriptedVehicle


@pytest.fixture
def meet(free_port, quick):
    """Run `work(vehicle)` on a station that has met a scripted vehicle."""

    def run(vehicle, work):
        async def whole():
            port = free_port()
            async with (
                vehicle.on_air(port),
                open_station([f"tcp:127.0.0.1:{port}"], quick, sysid=255) as station,
            ):
                return await work(await station.wait_for_vehicle(5.0))

        return asyncio.run(whole())

    return run


@pytest.fixture
def simulator():
    """Start a simulated vehicle in a thread; gives its address."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            ready, stop = threading.Event(), threading.Event()
            addresses = []

            def on_ready(urls):
                addresses.extend(urls)
                ready.set()

            wanted = SimSettings(
                **{"home": HOME, "listen": ("tcpin:127.0.0.1:0",), "speedup": 20.0} | settings
            )
            thread = threading.Thread(target=serve, args=(wanted, on_ready, stop), daemon=True)
            thread.start()
            stack.callback(thread.join, 10.0)
            stack.callback(stop.set)
            assert ready.wait(30.0)
            return addresses[0] if len(addresses) == 1 else addresses

        yield start


@pytest.fixture
def mission():
    """A small survey: two lanes with photos each 20 m, then home."""
    from plans.mission import AltitudeFrame, Command, Mission, MissionItem

    lat, lon = HOME.lat_deg, HOME.lon_deg
    plain = (0.0, 0.0, 0.0, 0.0)

    def waypoint(north_deg, east_deg):
        return MissionItem(
            Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, plain, lat + north_deg, lon + east_deg, 40.0
        )

    def trigger(distance_m):
        return MissionItem(
            Command.DO_SET_CAM_TRIGG_DIST,
            AltitudeFrame.MISSION,
            (distance_m, 0.0, 1.0 * bool(distance_m), 0.0),
        )

    return Mission(
        (
            MissionItem(Command.NAV_TAKEOFF, AltitudeFrame.RELATIVE, plain, lat, lon, 40.0),
            waypoint(0.0005, 0.0),
            trigger(20.0),
            waypoint(0.0005, 0.001),
            waypoint(0.0008, 0.001),
            waypoint(0.0008, 0.0),
            trigger(0.0),
            MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
        ),
        home=HOME,
        cruise_speed_mps=8.0,
    )
