"""ULog files of PX4 (.ulg), read with pyulog."""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyulog
from pymavlink import quaternion

from flight.errors import LogError
from flight.logs.flight_log import FlightLog, LogText, ModeChange, in_order, utc
from flight.logs.track import TrackPoint
from flight.state import is_on_earth
from plans.mission import CameraEvent

MAGIC = pyulog.ULog.HEADER_BYTES
_FAULTS = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError)
_READ = ["camera_capture", "camera_trigger", "vehicle_gps_position", "vehicle_global_position"]
_STATE = ["vehicle_status"]
_SINCE_2001_US = 1_000_000_000_000_000
_MODES = {
    0: "MANUAL",
    1: "ALTCTL",
    2: "POSCTL",
    3: "AUTO.MISSION",
    4: "AUTO.LOITER",
    5: "AUTO.RTL",
    10: "ACRO",
    12: "DESCEND",
    13: "TERMINATION",
    14: "OFFBOARD",
    15: "STABILIZED",
    17: "AUTO.TAKEOFF",
    18: "AUTO.LAND",
    19: "AUTO.FOLLOW",
    20: "AUTO.PRECLAND",
}
"""vehicle_status.nav_state."""

Rows = Mapping[str, Any]
"""The columns of a topic, each an array with one value a row."""


def read_ulog(path: Path) -> FlightLog:
    """Read a ULog. Raises LogError."""
    with contextlib.redirect_stdout(io.StringIO()):  # the reader prints what it stumbles over
        try:
            return _read(path)
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror}); name a log file") from None
        except (pyulog.core.ULogException, *_FAULTS) as error:
            raise LogError(f"{path}: is damaged ({error}); download it from the vehicle again") from None


def _read(path: Path) -> FlightLog:
    log = pyulog.ULog(str(path))
    topics: dict[str, Rows] = {}
    counts: dict[str, int] = {}
    for topic in log.data_list:
        counts[topic.name] = counts.get(topic.name, 0) + len(topic.data["timestamp"])
        topics.setdefault(topic.name, topic.data)
    if not counts:
        raise ValueError("no messages in it")
    boot_us = _boot_utc_us(topics)
    status = topics.get("vehicle_status")
    return FlightLog(
        path=path,
        kind="ulog",
        sysid=int(log.initial_parameters.get("MAV_SYS_ID", 0)),
        vehicle="PX4",
        started_utc=utc((boot_us + log.start_timestamp) / 1e6),
        ended_utc=utc((boot_us + _last_us(log)) / 1e6),
        messages=counts,
        modes=_mode_changes(status, boot_us) if status else (),
        texts=tuple(
            LogText(utc((boot_us + m.timestamp) / 1e6), _severity(m.log_level), m.message)
            for m in log.logged_messages
        ),
        camera_events=_events(topics, boot_us),
        track=_track(topics, boot_us),
    )


def _last_us(log: pyulog.ULog) -> int:
    """The end by the topics that run: one that is told once may carry the time of another day."""
    ends = [int(t.data["timestamp"][-1]) for t in log.data_list if len(t.data["timestamp"]) > 1]
    return max(ends, default=int(log.last_timestamp))


def _severity(level: int) -> int | None:
    """The level is a digit as text: 0 emergency to 7 debug."""
    severity = level - ord("0")
    return severity if 0 <= severity <= 7 else None


def _boot_utc_us(topics: Mapping[str, Rows]) -> int:
    """UTC of the vehicle's power-up in microseconds, by its GPS, else by the clock that its photos have (of a
    GPS without time, as in its simulator); 0 without either."""
    for topic, field in (("vehicle_gps_position", "time_utc_usec"), ("camera_capture", "timestamp_utc")):
        rows = topics.get(topic)
        if rows is None or field not in rows:
            continue
        known = np.flatnonzero(rows[field] > _SINCE_2001_US)
        if len(known):
            return int(rows[field][known[0]]) - int(rows["timestamp"][known[0]])
    return 0


def _mode_changes(status: Rows, boot_us: int) -> tuple[ModeChange, ...]:
    changes: list[ModeChange] = []
    for time_us, state in zip(status["timestamp"], status["nav_state"], strict=True):
        name = _MODES.get(int(state), f"MODE {state}")
        if not changes or changes[-1].mode != name:
            changes.append(ModeChange(utc((boot_us + int(time_us)) / 1e6), name))
    return tuple(changes)


def _events(topics: Mapping[str, Rows], boot_us: int) -> tuple[CameraEvent, ...]:
    rows = topics.get("camera_capture")
    if rows is None:
        return ()
    events = []
    for i in range(len(rows["timestamp"])):
        angles = _angles([float(rows[f"q[{k}]"][i]) for k in range(4)]) if "q[0]" in rows else (math.nan,) * 3
        stamp = int(rows["timestamp_utc"][i]) if "timestamp_utc" in rows else 0
        if stamp < _SINCE_2001_US:
            stamp = boot_us + int(rows["timestamp"][i])
        event = CameraEvent(
            index=int(rows["seq"][i]),
            time_utc=utc(stamp / 1e6),
            lat_deg=float(rows["lat"][i]),
            lon_deg=float(rows["lon"][i]),
            alt_amsl_m=float(rows["alt"][i]),
            height_agl_m=float(rows["ground_distance"][i]) if "ground_distance" in rows else math.nan,
            yaw_deg=angles[2] % 360,
            pitch_deg=angles[1],
            roll_deg=angles[0],
            captured="result" not in rows or int(rows["result"][i]) != 0,
        )
        events.append((0, event))
    on_earth = (pair for pair in events if is_on_earth(pair[1].lat_deg, pair[1].lon_deg))
    return tuple(e for e in in_order(on_earth) if e.captured)


def _angles(q: list[float]) -> tuple[float, float, float]:
    norm = math.hypot(*q)
    if not 0.9 < norm < 1.1:  # no rotation: unknown, or damaged
        return math.nan, math.nan, math.nan
    roll, pitch, yaw = (math.degrees(a) for a in quaternion.Quaternion([v / norm for v in q]).euler)
    return roll, pitch, yaw


def _track(topics: Mapping[str, Rows], boot_us: int) -> tuple[TrackPoint, ...]:
    rows, scale_deg, scale_m = topics.get("vehicle_global_position"), 1.0, 1.0
    if rows is None:
        rows = topics.get("vehicle_gps_position")
        if rows is None:
            return ()
        if "lat" in rows:  # whole numbers until 2023, then latitude_deg in degrees
            scale_deg, scale_m = 1e-7, 1e-3
    lat, lon, alt = (
        (rows["lat"], rows["lon"], rows["alt"])
        if "lat" in rows
        else (rows["latitude_deg"], rows["longitude_deg"], rows["altitude_msl_m"])
    )
    points = []
    for i, time_us in enumerate(rows["timestamp"]):
        if lat[i] == 0 and lon[i] == 0:
            continue
        points.append(
            TrackPoint(
                time_utc=utc((boot_us + int(time_us)) / 1e6),
                boot_s=int(time_us) / 1e6,
                lat_deg=float(lat[i]) * scale_deg,
                lon_deg=float(lon[i]) * scale_deg,
                alt_amsl_m=float(alt[i]) * scale_m,
                alt_rel_m=math.nan,
                heading_deg=math.nan,
            )
        )
    return tuple(points)
