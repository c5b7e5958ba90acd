"""One mission uploaded over one bad link to one vehicle, and what came of it: shared by the tests and the
bench."""

import random
import time
from dataclasses import dataclass

from flight.errors import FlightError
from flight.links.profiles import find_profile
from flight.missions.upload import upload
from flight.wire import item_to_message
from plans.mission import AltitudeFrame, Command, MissionItem

from .mission_doubles import ArduPilotMissions, Px4Missions, content_of
from .virtual_time import Radio, Weather, run_virtually

VEHICLES = {
    "ArduPilot with MAVFTP": lambda old: ArduPilotMissions(ftp=True, old=old),
    "ArduPilot without": lambda old: ArduPilotMissions(old=old),
    "PX4": lambda old: Px4Missions(old=old),
}
_HOME = MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.AMSL, lat_deg=30.0, lon_deg=103.0, alt_m=500.0)


@dataclass(frozen=True)
class Outcome:
    """`end` is "complete and verified", or what the error says that the vehicle holds: "whole", "part of the
    new one", "nothing new", "unknown". `right`: that is what it holds in truth."""

    weather: Weather
    end: str
    right: bool
    link_s: float
    link_bytes: int
    wall_s: float
    words: str

    @property
    def complete(self):
        return self.end == "complete and verified"


def weather_of(seed):
    """0 to 40 % lost each way, 0 to 3 s one way, up to a tenth doubled, up to a tenth late by up to 1 s, 1.2
    kB/s each way."""
    chance = random.Random(seed)
    return Weather(
        loss=chance.uniform(0.0, 0.4),
        latency_s=chance.uniform(0.0, 3.0),
        late=chance.uniform(0.0, 0.1),
        twice=chance.uniform(0.0, 0.1),
        bytes_per_s=1200.0,
    )


def items_of(count, alt_m):
    return (
        _HOME,
        *(
            MissionItem(
                Command.NAV_WAYPOINT,
                AltitudeFrame.RELATIVE,
                lat_deg=30.05 + i * 1e-4,
                lon_deg=103.15,
                alt_m=alt_m,
            )
            for i in range(count - 1)
        ),
    )


def contents(items):
    return [content_of(item_to_message(item, seq, 1, 1)) for seq, item in enumerate(items)]


def fly_up(name, seed, count=700):
    """Upload `count` items over the link of a seed to a vehicle that held another mission."""
    old = contents(items_of(random.Random(-seed).choice([1, 30, 300, count, count + 20]), 900.0))
    vehicle = VEHICLES[name](old)
    weather = weather_of(seed)
    radio, new = Radio(weather, seed), items_of(count, 40.0)

    async def work():
        async with radio.meet(vehicle, find_profile("narrowband")) as met:
            began_s = met.now_s()
            try:
                await upload(met, new)
            except FlightError as fault:
                return fault, met.now_s() - began_s
            return None, met.now_s() - began_s

    began = time.perf_counter()
    (fault, link_s), _ = run_virtually(work())
    wall_s = time.perf_counter() - began
    truth = vehicle.store[1:]  # the home slot is the vehicle's own
    if fault is None:
        end, right = "complete and verified", truth == contents(new)[1:]
    elif fault.held is None:
        end, right = "unknown", "unknown" in str(fault)
    else:
        held = contents(fault.held)[1:]
        new_ones = sum(content[-1] == 40.0 for content in held)
        end = "nothing new" if not new_ones else "part of the new one"
        right = held == truth
    return Outcome(weather, end, right, link_s, radio.up.bytes + radio.down.bytes, wall_s, str(fault or ""))
