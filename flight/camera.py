"""Camera events from CAMERA_FEEDBACK (ArduPilot) and CAMERA_IMAGE_CAPTURED (PX4, MAVLink cameras)."""

from __future__ import annotations

import datetime as dt
import math

from pymavlink import quaternion

from flight.wire import Message
from plans.mission import CameraEvent

_UTC_FROM_US = 1_000_000_000_000_000
"""A time below this (2001) is a time since boot, not UTC."""


def camera_event(message: Message, heard_utc: dt.datetime) -> CameraEvent | None:
    """The event in a camera message, or None for any other message. A source without UTC gets the moment at
    which it was heard."""
    kind = message.get_type()
    if kind == "CAMERA_FEEDBACK":
        return CameraEvent(
            index=message.img_idx,
            time_utc=_utc(message.time_usec, heard_utc),
            lat_deg=message.lat / 1e7,
            lon_deg=message.lng / 1e7,
            alt_amsl_m=message.alt_msl,
            yaw_deg=message.yaw % 360,
            pitch_deg=message.pitch,
            roll_deg=message.roll,
        )
    if kind == "CAMERA_IMAGE_CAPTURED":
        yaw, pitch, roll = _angles(message.q)
        return CameraEvent(
            index=message.image_index,
            time_utc=_utc(message.time_utc, heard_utc),
            lat_deg=message.lat / 1e7,
            lon_deg=message.lon / 1e7,
            alt_amsl_m=message.alt / 1e3,
            yaw_deg=yaw,
            pitch_deg=pitch,
            roll_deg=roll,
            captured=message.capture_result == 1,
        )
    return None


def missing_indices(events: tuple[CameraEvent, ...]) -> tuple[int, ...]:
    """Numbers between the first and the last event that were never heard: lost messages, not lost photos."""
    heard = {e.index for e in events}
    return tuple(i for i in range(min(heard, default=0), max(heard, default=-1)) if i not in heard)


def _utc(microseconds: int, heard_utc: dt.datetime) -> dt.datetime:
    if microseconds < _UTC_FROM_US:
        return heard_utc
    return dt.datetime.fromtimestamp(microseconds / 1e6, dt.UTC)


def _angles(q: object) -> tuple[float, float, float]:
    values = [float(v) for v in q]  # type: ignore[attr-defined]
    if not any(values) or not all(math.isfinite(v) for v in values):
        return math.nan, math.nan, math.nan
    roll, pitch, yaw = (math.degrees(a) for a in quaternion.Quaternion(values).euler)
    return yaw % 360, pitch, roll
