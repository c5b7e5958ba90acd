"""A day with a simulated vehicle: flights with random faults, a crew that mends what broke, a station that
listens; all of it from one seed, without sockets and without a wall clock."""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
import math
import random
import struct
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Parser
from sim.autopilot.core import Vehicle, VehicleSetup
from sim.autopilot.mavlink import Face
from sim.dynamics import STEP_S, Weather
from sim.faults import FAULT_KINDS, Fault, FaultTimeline
from sim.links import Address, Link
from sim.place import place_of_world
from sim.radio import RadioSettings
from sim.sensors import GNSS_KINDS
from sim.server import STEPS_PER_POLL, _Port
from sim.watcher import Watcher

START = dt.datetime(2026, 7, 1, 0, 0, tzinfo=dt.UTC)
STREAMS_HZ = {1: 1.0, 2: 1.0, 33: 2.0, 193: 1.0, 147: 0.5}
"""SYS_STATUS, SYSTEM_TIME, GLOBAL_POSITION_INT, EKF_STATUS_REPORT, BATTERY_STATUS."""
RADIO = RadioSettings(loss=0.02, latency_s=0.15, jitter_s=0.1, bytes_per_s=5700.0)
LATE_S = 3.0
"""A message is at most this old when it is heard: two seconds of backlog, latency, jitter, a look."""
PATIENCE_S = 2400.0
"""After this long every pack is empty: what is still in the air then is stuck there."""
LONGEST_FAULT_S = 320.0
"""From take-off to the end of the last one."""
MOST_LANES = 5
WARM_UP = 4
"""Flights after which it has seen all the ground it flies over, and caches are full."""
PARAMS = (("FS_GCS_ENABLE", 1.0), ("BATT_LOW_VOLT", 21.0), ("BATT_FS_LOW_ACT", 2.0), ("BATT_CRT_VOLT", 19.8))
_NUMBERS = {
    "gps_jump": {"east_m": (-60.0, 60.0), "north_m": (-60.0, 60.0), "up_m": (-5.0, 5.0)},
    "battery_sag": {"ohm": (0.01, 0.15), "charge_share": (0.0, 0.4)},
    "wind_step": {"wind_mps": (4.0, 22.0), "from_deg": (0.0, 360.0), "gust_mps": (0.5, 4.0)},
    "motor_weak": {"thrust_share": (0.2, 0.5)},
    "aircraft_near": {"east_m": (-900.0, 900.0), "north_m": (-900.0, 900.0), "speed_mps": (20.0, 80.0)},
    "bird_near": {"east_m": (-90.0, 90.0), "north_m": (-90.0, 90.0), "speed_mps": (8.0, 15.0)},
    "compass_error": {"deg": (-120.0, 120.0)},
    "pressure_drift": {"hpa_per_h": (-20.0, 20.0)},
    "rising_water": {"up_m": (4.0, 8.0)},
}


def random_faults(dice: random.Random, flight: int) -> list[Fault]:
    """Of each kind one after the other over the flights, and up to two of any kind besides. Others in the
    sky fly on for ever."""
    kinds = [FAULT_KINDS[flight % len(FAULT_KINDS)], *dice.choices(FAULT_KINDS, k=dice.randint(0, 2))]
    faults = []
    for kind in kinds:
        numbers = {name: round(dice.uniform(*span), 3) for name, span in _NUMBERS.get(kind, {}).items()}
        lasts_s = 0.0 if kind in ("aircraft_near", "bird_near") else round(dice.uniform(5.0, 120.0), 1)
        faults.append(Fault(kind, round(dice.uniform(0.0, 200.0), 1), "takeoff", lasts_s, **numbers))
    return faults


class Ether(Link):
    """A link in memory."""

    def __init__(self) -> None:
        super().__init__(Address("tcpin", "memory", 0))
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.digest = hashlib.sha256()

    def read(self) -> list[bytes]:
        taken, self.up = self.up, []
        return taken

    def write(self, data: bytes, droppable: bool) -> None:
        self.down.append(data)
        self.digest.update(data)

    def flush(self) -> None:
        pass


@dataclass(frozen=True)
class FlightRecord:
    """One flight, and what was left when the crew was done."""

    faults: tuple[str, ...]
    """Their kinds."""
    took_off: bool
    flight_s: float
    photos: int
    lost: int
    ended: str
    """landed, crashed or drowned."""
    said: int
    """Texts that the station heard from it during the flight."""
    why_not_ready: tuple[str, ...]
    """What the vehicle said against arming half a minute after the crew was done; empty: it was armed."""
    blocks: int
    """Allocated memory blocks of the interpreter, garbage collected."""
    rss_mb: float
    digest: str
    """Of every byte on the link and every state of the body until now."""


class Station:
    """Heartbeats, clocks, uploads and orders over a radio; keeps what the last flight said."""

    def __init__(self, ether: Ether, vehicle: Vehicle) -> None:
        self._ether, self._vehicle = ether, vehicle
        self._mouth, self._ears = Encoder(255, 190), Parser(clock=lambda: vehicle.time_s)
        self._next_s = 0.0
        self._items: list = []
        self.texts: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.uploaded: int | None = None
        self._heard_of_items_s = 0.0
        self.acks: dict[int, int] = {}
        self.clock_error_s = self.late_s = self.round_trip_s = 0.0
        self._last_boot_ms = 0

    def say(self, message) -> None:
        self._ether.up.append(self._mouth.encode(message))

    def command(self, number, *params) -> None:
        self.acks.pop(number, None)
        filled = (*params, *(0.0,) * (7 - len(params)))
        self.say(mavlink.MAVLink_command_long_message(1, 1, number, 0, *filled))

    def upload(self, items) -> None:
        self._items, self.uploaded = items, None
        self._heard_of_items_s = -60.0

    def look(self) -> None:
        """Hear everything; once a second speak."""
        now_s = self._vehicle.time_s
        packets, self._ether.down = self._ether.down, []
        for packet in packets:
            for message in self._ears.feed(packet):
                self._hear(message, now_s)
        if now_s >= self._next_s:
            self._next_s = now_s + 1.0
            self.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
            if self._items and self.uploaded is None and now_s - self._heard_of_items_s > 10.0:
                self._heard_of_items_s = now_s
                self.say(mavlink.MAVLink_mission_count_message(1, 1, len(self._items), 0))
            if round(now_s) % 10 == 0:
                self.say(mavlink.MAVLink_timesync_message(0, round(now_s * 1e9)))
                for number, hz in STREAMS_HZ.items():
                    self.command(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, number, 1e6 / hz)

    def _hear(self, message, now_s: float) -> None:
        kind = message.get_type()
        self.kinds[kind] += 1
        if kind == "STATUSTEXT":
            self.texts.append(message.text)
        elif kind == "COMMAND_ACK":
            self.acks[message.command] = message.result
        elif kind in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
            self._heard_of_items_s = now_s
            self.say(self._items[message.seq])
        elif kind == "MISSION_ACK":
            self.uploaded = message.type
        elif kind == "SYSTEM_TIME":
            if message.time_unix_usec:  # without a fix it does not know
                unix_s = message.time_unix_usec / 1e6 - START.timestamp()
                self.clock_error_s = max(self.clock_error_s, abs(unix_s - message.time_boot_ms / 1e3))
            self._heard_at(message.time_boot_ms, now_s)
        elif kind == "GLOBAL_POSITION_INT":
            self._heard_at(message.time_boot_ms, now_s)
        elif kind == "TIMESYNC" and message.tc1:
            self.round_trip_s = max(self.round_trip_s, now_s - message.ts1 / 1e9)
            assert message.ts1 <= message.tc1 <= round(now_s * 1e9)

    def _heard_at(self, boot_ms: int, now_s: float) -> None:
        assert boot_ms >= self._last_boot_ms, "the vehicle's clock went back"
        self._last_boot_ms = boot_ms
        self.late_s = max(self.late_s, now_s - boot_ms / 1e3)
        assert boot_ms / 1e3 <= now_s + 1e-3


class Day:
    """A vehicle in a flooded world with its crew."""

    def __init__(self, world: Path, seed: int, flights: int, hours: float) -> None:
        self._dice = random.Random(f"day {seed}")
        self._flights, self._every_s = flights, hours * 3600.0 / flights
        place, launch = place_of_world(world)
        setup = VehicleSetup(
            place, launch, seed=seed, gnss=GNSS_KINDS["standard"], start_utc=START, params=PARAMS
        )
        setup = replace(setup, weather=Weather(3.0, 240.0, 0.8))
        self.vehicle = Vehicle(setup)
        self._launch = (self.vehicle.body.east_m, self.vehicle.body.north_m, self.vehicle.body.up_m)
        self.watcher = Watcher(self.vehicle)
        self.face = Face(self.vehicle, self.watcher.hear)
        self.ether = Ether()
        self._port = _Port(self.ether, [self.face], RADIO, f"{seed} memory")
        self.station = Station(self.ether, self.vehicle)
        self._timeline = FaultTimeline((), self.vehicle)
        self._bodies = hashlib.sha256()
        self._shots = [0, 0]

    def run(self) -> list[FlightRecord]:
        self._live(60.0)
        return [self._flight(number) for number in range(self._flights)]

    def _live(self, seconds: float, until=None) -> bool:
        """Let time pass as the server does; stop early when `until()` is true. True if it was."""
        vehicle, face = self.vehicle, self.face
        for step in range(round(seconds / STEP_S)):
            face.step()
            self._timeline.update()
            self.watcher.update()
            if face.shots:
                self._shots[0] += len(face.shots)
                self._shots[1] += sum(not shot.captured for shot in face.shots)
                for shot in face.shots:
                    assert abs((shot.time_utc - START).total_seconds() - vehicle.time_s) < STEP_S
                face.shots.clear()
            if step % STEPS_PER_POLL == 0:
                self._port.pump()
                self.station.look()
                body, e = vehicle.body, vehicle.estimate
                self._bodies.update(
                    struct.pack(
                        "<6d", body.east_m, body.north_m, body.up_m, e.east_m, e.yaw_rad, vehicle.time_s
                    )
                )
                if until is not None and until():
                    return True
        return False

    def _ask(self, number, *params) -> int | None:
        """A command, said again until it is answered, as over any radio."""
        for _ in range(5):
            self.station.command(number, *params)
            if self._live(3.0, lambda: number in self.station.acks):
                return self.station.acks[number]
        return None

    def _mission(self, lanes):
        """Lanes over the water with photos, and the way home."""
        place, dice = self.vehicle.place, self._dice
        east, north, _ = self._launch
        up = round(dice.uniform(60.0, 110.0))
        places = [(16, 0.0, 0.0, 0.0), (22, 0.0, 0.0, up)]
        for lane in range(lanes):
            for end in (0, 1):
                way = 240.0 * ((lane + end) % 2) - 120.0
                places.append((16, way, 30.0 * lane - 60.0, up))
        items = []
        for command, e, n, height in places:
            lat, lon = place.to_geo(east + e, north + n)
            lat7, lon7 = round(lat * 1e7), round(lon * 1e7)
            items.append((command, 6, (0, 0, 0, 0), lat7, lon7, float(height)))
            if command == 22:
                items.append((206, 2, (15.0, 0, 1, 0), 0, 0, 0.0))
        items += [(206, 2, (0, 0, 0, 0), 0, 0, 0.0), (20, 2, (0, 0, 0, 0), 0, 0, 0.0)]
        return [
            mavlink.MAVLink_mission_item_int_message(1, 1, seq, frame, command, 0, 1, *params, *place_, 0)
            for seq, (command, frame, params, *place_) in enumerate(items)
        ]

    def _flight(self, number: int) -> FlightRecord:
        vehicle, station = self.vehicle, self.station
        station.texts.clear()
        self._shots = [0, 0]
        faults = random_faults(self._dice, number)
        self._timeline = FaultTimeline(
            faults, vehicle, (self._port.up, self._port.down), self.watcher.on_fault
        )
        lanes = self._dice.randint(2, MOST_LANES)
        station.upload(self._mission(lanes if number >= WARM_UP else MOST_LANES))
        assert self._live(90.0, lambda: station.uploaded is not None), "the upload got stuck"
        assert station.uploaded == 0
        assert self._ask(mavlink.MAV_CMD_DO_SET_MODE, 1, 4) == 0, station.texts[-5:]
        assert self._ask(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0, station.texts[-5:]
        began_s = self.watcher.summary().flight_s
        assert self._ask(mavlink.MAV_CMD_DO_SET_MODE, 1, 3) == 0, station.texts[-5:]
        self._ask(mavlink.MAV_CMD_MISSION_START)
        took_off = self._live(20.0, lambda: not vehicle.body.on_ground)
        self._live(900.0, lambda: not vehicle.armed)
        # what nobody brings down lands where it is, as a crew would order it in the end
        for mode in (6, 9):
            if vehicle.armed:
                self._ask(mavlink.MAV_CMD_DO_SET_MODE, 1, mode)
                self._live(300.0, lambda: not vehicle.armed)
        self._live(PATIENCE_S, lambda: not vehicle.armed)
        ended = "drowned" if vehicle.in_water else "crashed" if vehicle.body.broken else "landed"
        assert not vehicle.armed, f"flight {number} is stuck in {vehicle.mode.name}: {station.texts[-8:]}"
        assert vehicle.body.on_ground
        flown_s = self.watcher.summary().flight_s - began_s
        self._live(max(LONGEST_FAULT_S + 10.0 - flown_s, 30.0))  # every fault with an end is over
        said = len(station.texts)
        self._serve()
        assert self._ask(mavlink.MAV_CMD_DO_SET_MODE, 1, 4) == 0, station.texts[-5:]
        station.texts.clear()
        self._live(45.0)
        why_not = tuple(text for text in station.texts if text.startswith("PreArm:"))
        if not why_not:
            assert self._ask(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0, station.texts[-5:]
            assert self._ask(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 0) == 0, station.texts[-5:]
            station.say(mavlink.MAVLink_log_erase_message(1, 1))
        self._live(max((number + 1) * self._every_s - vehicle.time_s, 0.0))
        self._timeline = FaultTimeline((), vehicle)
        return FlightRecord(
            tuple(fault.kind for fault in faults),
            took_off,
            self.watcher.summary().flight_s - began_s,
            *self._shots,
            ended,
            said,
            why_not,
            *_memory(),
            self.digest,
        )

    @property
    def digest(self) -> str:
        return self.ether.digest.hexdigest()[:16] + self._bodies.hexdigest()[:16]

    def _serve(self) -> None:
        """The crew: back to the launch point, a full pack, what broke replaced, the log fetched and erased.
        The water goes down and the air calms."""
        vehicle, body = self.vehicle, self.vehicle.body
        body.east_m, body.north_m, body.up_m = self._launch
        vehicle.ground_m = body.up_m
        body.broken = vehicle.in_water = False
        vehicle.motor_share = 1.0
        body.roll_rad = body.pitch_rad = 0.0
        vehicle.battery.used_mah = vehicle.battery.consumed_mah = 0.0
        vehicle.place.tide = None
        self.station.say(mavlink.MAVLink_log_erase_message(1, 1))


def _memory() -> tuple[int, float]:
    gc.collect()
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return sys.getallocatedblocks(), pages * 4096 / 1e6


def run_day(world: Path, seed: int, flights: int, hours: float) -> list[FlightRecord]:
    """Flights over so many simulated hours; the clocks are looked at in the end."""
    day = Day(world, seed, flights, hours)
    records = day.run()
    clocks_agree(day, hours)
    return records


def clocks_agree(day: Day, hours: float) -> None:
    """The vehicle's clocks after all that time: steps, seconds since power-up, UTC, and what the station
    has heard of them."""
    vehicle, station = day.vehicle, day.station
    assert math.isclose(vehicle.time_s, vehicle.steps * STEP_S, rel_tol=1e-12)
    assert vehicle.time_s >= hours * 3600.0 - 1.0
    assert abs((vehicle.time_utc - START).total_seconds() - vehicle.time_s) < 1e-5
    assert station.clock_error_s < 1.1e-3  # time_boot_ms is in whole milliseconds
    assert station.late_s < LATE_S
    assert 0.0 < station.round_trip_s < 2 * LATE_S
