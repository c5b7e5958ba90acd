"""The vehicle's ULog (.ulg), as PX4 writes it: from arming to disarming (SDLOG_MODE 0).

The format is https://docs.px4.io/main/en/dev_log/ulog_file_format.html: each topic is described by its fields
before its first use. Here are the topics that say where it was, what it flew and what it photographed.
"""

from __future__ import annotations

import math
import struct

from sim.autopilot.craft import SLOW_EVERY, Event, Shot, Text
from sim.autopilot.log_shelf import Log, LogShelf
from sim.autopilot.params import INT32
from sim.autopilot.px4.modes import Mode
from sim.autopilot.px4.params import bytes_of
from sim.autopilot.px4.vehicle import Px4
from sim.autopilot.state_messages import quaternion

_MAGIC = b"ULog\x01\x12\x35\x01"
_TOPICS: dict[str, tuple[str, str]] = {
    "vehicle_status": ("QBB", "uint64_t timestamp;uint8_t nav_state;uint8_t arming_state;"),
    "vehicle_gps_position": (
        "QQddddffB",
        "uint64_t timestamp;uint64_t time_utc_usec;double latitude_deg;double longitude_deg;"
        "double altitude_msl_m;double altitude_ellipsoid_m;float eph;float epv;uint8_t fix_type;",
    ),
    "vehicle_global_position": (
        "Qddfff",
        "uint64_t timestamp;double lat;double lon;float alt;float eph;float epv;",
    ),
    "vehicle_attitude": ("Q4f", "uint64_t timestamp;float[4] q;"),
    "battery_status": (
        "Qffff",
        "uint64_t timestamp;float voltage_v;float current_a;float discharged_mah;float remaining;",
    ),
    "camera_capture": (
        "QQIddff4fb",
        "uint64_t timestamp;uint64_t timestamp_utc;uint32_t seq;double lat;double lon;float alt;"
        "float ground_distance;float[4] q;int8_t result;",
    ),
}
"""Struct code and fields of each topic; its number is its place."""
_NUMBERS = {name: number for number, name in enumerate(_TOPICS)}
_NAV_STATES = {
    Mode.MANUAL: 0,
    Mode.ALTCTL: 1,
    Mode.POSCTL: 2,
    Mode.AUTO_MISSION: 3,
    Mode.AUTO_LOITER: 4,
    Mode.AUTO_RTL: 5,
    Mode.OFFBOARD: 14,
    Mode.STABILIZED: 15,
    Mode.AUTO_TAKEOFF: 17,
    Mode.AUTO_LAND: 18,
    Mode.ORBIT: 21,
}


def message(kind: str, body: bytes) -> bytes:
    """One message of a ULog."""
    return struct.pack("<HB", len(body), ord(kind)) + body


def data(topic: str, *values: float) -> bytes:
    """One row of a topic."""
    number = struct.pack("<H", _NUMBERS[topic])
    return message("D", number + struct.pack("<" + _TOPICS[topic][0], *values))


class Logbook(LogShelf):
    """All logs of one vehicle. Call `update` after each step, `hear` for each event."""

    def __init__(self, vehicle: Px4) -> None:
        super().__init__(vehicle)
        self._vehicle = vehicle
        self._names: dict[int, str] = {}
        self._mode: Mode | None = None

    @property
    def _utc_us(self) -> int:
        return round(self._vehicle.time_utc.timestamp() * 1e6)

    def contents(self) -> dict[str, bytearray]:
        """The logs by folder of their day and name by their time."""
        return {self._names[number]: log.data for number, log in self.logs.items()}

    def hear(self, event: Event) -> None:
        """Log an event of the vehicle."""
        if self._open is None:
            return
        if isinstance(event, Text):
            level = ord("0") + event.severity
            text = event.text.encode("utf-8")
            self._open.data += message("L", struct.pack("<BQ", level, self._now_us) + text)
        elif isinstance(event, Shot):
            self._open.data += self._photo(event)

    def _begin(self) -> None:
        vehicle, now = self._vehicle, self._vehicle.time_utc
        log = self._open = Log(int(now.timestamp()) if vehicle.has_fix else 0)
        number = max(self.logs, default=-1) + 1
        self.logs[number] = log
        self._names[number] = now.strftime("%Y-%m-%d/%H_%M_%S.ulg")
        log.data += _MAGIC + struct.pack("<Q", self._now_us)
        log.data += message("B", bytes(40))
        for name, (_, fields) in _TOPICS.items():
            log.data += message("F", f"{name}:{fields}".encode("ascii"))
        for key, value in (("sys_name", "PX4"), ("ver_hw", "missionctl simulator")):
            full = f"char[{len(value)}] {key}".encode("ascii")
            log.data += message("I", bytes([len(full)]) + full + value.encode("ascii"))
        for name, info in vehicle.params.known.items():
            full = f"{'int32_t' if info.type == INT32 else 'float'} {name}".encode("ascii")
            log.data += message("P", bytes([len(full)]) + full + bytes_of(vehicle.params, name))
        for name, topic in _NUMBERS.items():
            log.data += message("A", struct.pack("<BH", 0, topic) + name.encode("ascii"))
        self._mode = None
        vehicle.say(6, f"[logger] ./log/{self._names[number]}")

    def _write_state(self, log: bytearray) -> None:
        v, e, now = self._vehicle, self._vehicle.estimate, self._now_us
        gnss = v.estimator.gnss
        if v.mode is not self._mode or v.steps % (10 * SLOW_EVERY) == 0:
            self._mode = v.mode
            log += data("vehicle_status", now, _NAV_STATES[v.mode], 2)
        lat, lon = v.place.to_geo(e.east_m, e.north_m)
        log += data("vehicle_global_position", now, lat, lon, e.up_m, gnss.sigma_h_m, gnss.sigma_v_m)
        log += data("vehicle_attitude", now, *quaternion(e.roll_rad, e.pitch_rad, e.yaw_rad))
        if v.steps % (2 * SLOW_EVERY) == 0 and v.has_fix:
            body, error = v.body, v.estimator.gnss_error_m
            lat, lon = v.place.to_geo(body.east_m + error[0], body.north_m + error[1])
            up = body.up_m + error[2]
            place = lat, lon, up, up, gnss.sigma_h_m, gnss.sigma_v_m, gnss.fix_type
            log += data("vehicle_gps_position", now, self._utc_us, *place)
        if v.steps % (10 * SLOW_EVERY) == 0:
            battery = v.battery
            used = battery.volts, battery.amps, battery.consumed_mah, v.remaining_share
            log += data("battery_status", now, *used)

    def _photo(self, shot: Shot) -> bytes:
        angles = shot.airframe_roll_deg, shot.airframe_pitch_deg, shot.airframe_yaw_deg
        utc_us = round(shot.time_utc.timestamp() * 1e6)
        place = shot.believed_lat_deg, shot.believed_lon_deg, shot.believed_alt_amsl_m, -1.0
        attitude = quaternion(*map(math.radians, angles))
        return data("camera_capture", self._now_us, utc_us, shot.index - 1, *place, *attitude, 1)
