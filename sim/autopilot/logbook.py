"""The vehicle's DataFlash log, as ArduPilot writes it.

A log begins when the motors are armed and ends when they are disarmed (LOG_DISARMED 0). The format is
ArduPilot's: each message kind is described by a FMT record before its first use.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from sim.autopilot.core import SLOW_EVERY, Event, Shot, Text, Vehicle
from sim.autopilot.log_shelf import Log, LogShelf
from sim.autopilot.modes import Mode
from sim.autopilot.params import PARAMETERS

_HEAD = b"\xa3\x95"
_GPS_EPOCH_S, _LEAP_S, _WEEK_S = 315_964_800, 18, 604_800

_FORMATS: dict[str, tuple[int, str, str]] = {
    "FMT": (128, "BBnNZ", "Type,Length,Name,Format,Columns"),
    "PARM": (64, "QNff", "TimeUS,Name,Value,Default"),
    "MSG": (65, "QZ", "TimeUS,Message"),
    "MODE": (66, "QMBB", "TimeUS,Mode,ModeNum,Rsn"),
    "GPS": (67, "QBBIHBcLLeffffB", "TimeUS,I,Status,GMS,GWk,NSats,HDop,Lat,Lng,Alt,Spd,GCrs,VZ,Yaw,U"),
    "POS": (68, "QLLfff", "TimeUS,Lat,Lng,Alt,RelHomeAlt,RelOriginAlt"),
    "ATT": (69, "QccC", "TimeUS,Roll,Pitch,Yaw"),
    "BAT": (70, "QBfffB", "TimeUS,Inst,Volt,Curr,CurrTot,RemPct"),
    "CAM": (71, "QBHIHLLeeeccC", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"),
}
"""Number, field types and columns of each message kind."""
_STRUCT = {
    "B": "B",
    "M": "B",
    "H": "H",
    "I": "I",
    "Q": "Q",
    "f": "f",
    "L": "i",
    "c": "h",
    "C": "H",
    "e": "i",
    "n": "4s",
    "N": "16s",
    "Z": "64s",
}
_SCALE = {"c": 100.0, "C": 100.0, "e": 100.0, "L": 1e7}


def record(kind: str, *values: Any) -> bytes:
    """One record of a log: header, number of the kind, fields scaled as their types say."""
    number, types, _ = _FORMATS[kind]
    packed = []
    for letter, value in zip(types, values, strict=True):
        if letter in _SCALE:
            value = round(value * _SCALE[letter])
        elif letter in "nNZ":
            value = str(value).encode("utf-8")
        packed.append(value)
    return _HEAD + bytes([number]) + struct.pack("<" + "".join(_STRUCT[t] for t in types), *packed)


def _length(kind: str) -> int:
    return 3 + struct.calcsize("<" + "".join(_STRUCT[t] for t in _FORMATS[kind][1]))


class Logbook(LogShelf):
    """All logs of one vehicle. Call `update` after each step, `hear` for each event."""

    def __init__(self, vehicle: Vehicle) -> None:
        super().__init__(vehicle)
        self._vehicle = vehicle
        self._mode: Mode | None = None

    # -- writing -------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Log an event of the vehicle."""
        if self._open is None:
            return
        if isinstance(event, Text):
            self._open.data += record("MSG", self._now_us, event.text[:64])
        elif isinstance(event, Shot):
            self._open.data += self._photo(event)

    def _begin(self) -> None:
        vehicle = self._vehicle
        started = vehicle.time_utc.timestamp() if vehicle.readiness.has_fix else 0.0
        log = self._open = Log(int(started))
        self.logs[max(self.logs, default=0) + 1] = log
        for kind, (number, types, columns) in _FORMATS.items():
            log.data += record("FMT", number, _length(kind), kind, types, columns)
        log.data += record("MSG", self._now_us, "ArduCopter V4.7.0-dev (missionctl simulator)")
        for name, info in PARAMETERS.items():
            log.data += record("PARM", self._now_us, name, vehicle.params[name], info.default)
        self._mode = None

    def _write_state(self, log: bytearray) -> None:
        v, now, e = self._vehicle, self._now_us, self._vehicle.estimate
        if v.shown_mode is not self._mode:
            self._mode = v.shown_mode
            log += record("MODE", now, int(self._mode), int(self._mode), 0)
        lat, lon = v.place.to_geo(e.east_m, e.north_m)
        log += record("POS", now, lat, lon, e.up_m, v.relative_alt_m, e.up_m - v.origin_up_m)
        yaw = math.degrees(e.yaw_rad) % 360
        log += record("ATT", now, math.degrees(e.roll_rad), math.degrees(e.pitch_rad), yaw)
        if v.steps % (2 * SLOW_EVERY) == 0:
            log += self._gps()
        if v.steps % (10 * SLOW_EVERY) == 0:
            battery = v.battery
            percent = max(0, min(100, round(100 * v.remaining_mah / max(v.params["BATT_CAPACITY"], 1.0))))
            log += record("BAT", now, 0, battery.volts, battery.amps, battery.consumed_mah, percent)

    def _gps(self) -> bytes:
        v = self._vehicle
        body, gnss, error = v.body, v.estimator.gnss, v.estimator.gnss_error_m
        if not v.readiness.has_fix:
            return record("GPS", self._now_us, 0, 1, 0, 0, 0, 99.99, 0, 0, 0, 0, 0, 0, 0, 1)
        lat, lon = v.place.to_geo(body.east_m + error[0], body.north_m + error[1])
        week, week_ms = _gps_time(v.time_utc.timestamp())
        course = math.degrees(math.atan2(body.v_east_mps, body.v_north_mps)) % 360
        speed = math.hypot(body.v_east_mps, body.v_north_mps)
        place = (gnss.hdop, lat, lon, body.up_m + error[2])
        moving = (speed, course, -body.v_up_mps, 0.0)
        return record(
            "GPS", self._now_us, 0, gnss.fix_type, week_ms, week, gnss.satellites, *place, *moving, 1
        )

    def _photo(self, shot: Shot) -> bytes:
        week, week_ms = _gps_time(shot.time_utc.timestamp())
        alt, angles = shot.believed_alt_amsl_m, (shot.airframe_roll_deg, shot.airframe_pitch_deg)
        place = (shot.believed_lat_deg, shot.believed_lon_deg, alt, shot.believed_rel_alt_m, alt)
        yaw = shot.airframe_yaw_deg % 360
        return record("CAM", self._now_us, 0, shot.index & 0xFFFF, week_ms, week, *place, *angles, yaw)

    def contents(self) -> dict[str, bytearray]:
        """The logs by the name of their file."""
        return {f"{number:08d}.BIN": log.data for number, log in self.logs.items()}


def _gps_time(unix_s: float) -> tuple[int, int]:
    """GPS week and milliseconds of the week."""
    since = unix_s - _GPS_EPOCH_S + _LEAP_S
    return int(since // _WEEK_S), round(since % _WEEK_S * 1000)
