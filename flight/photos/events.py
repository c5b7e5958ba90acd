"""Camera events from CAMERA_FEEDBACK (ArduPilot) and CAMERA_IMAGE_CAPTURED (PX4, MAVLink cameras)."""

from __future__ import annotations

import datetime as dt
import math

from pymavlink import quaternion

from flight.state import is_on_earth
from flight.wire import Message
from plans.mission import CameraEvent

_UTC_FROM_US = 1_000_000_000_000_000
"""A time below this (2001) is a time since boot, not UTC."""
_UTC_TO_US = 5_000_000_000_000_000
"""A time beyond this (2128) is no time at all."""


def camera_event(message: Message, heard_utc: dt.datetime) -> CameraEvent | None:
    """The event in a camera message, or None for any other message, and for one that cannot be true (a place
    that is not on Earth). A source without UTC gets the moment at which it was heard."""
    event = _event(message, heard_utc)
    if event is None or event.index < 0 or not is_on_earth(event.lat_deg, event.lon_deg):
        return None
    return event if math.isfinite(event.alt_amsl_m) else None


def _event(message: Message, heard_utc: dt.datetime) -> CameraEvent | None:
    kind = message.get_type()
    if kind == "CAMERA_FEEDBACK":
        return CameraEvent(
            index=message.img_idx,
            time_utc=_utc(message.time_usec, heard_utc),
            lat_deg=message.lat / 1e7,
            lon_deg=message.lng / 1e7,
            alt_amsl_m=message.alt_msl,
            yaw_deg=_known(message.yaw) % 360,
            pitch_deg=_known(message.pitch),
            roll_deg=_known(message.roll),
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


def same_place(a: CameraEvent, b: CameraEvent, within_deg: float = 1e-6) -> bool:
    """Whether two events are of one photo, by their places; messages round them to 1e-7 degrees, logs tell
    them a moment apart."""
    return abs(a.lat_deg - b.lat_deg) < within_deg and abs(a.lon_deg - b.lon_deg) < within_deg


def _utc(microseconds: int, heard_utc: dt.datetime) -> dt.datetime:
    if not _UTC_FROM_US <= microseconds < _UTC_TO_US:
        return heard_utc
    return dt.datetime.fromtimestamp(microseconds / 1e6, dt.UTC)


def _known(angle_deg: float) -> float:
    return angle_deg if math.isfinite(angle_deg) else math.nan


def _angles(q: object) -> tuple[float, float, float]:
    values = [float(v) for v in q]  # type: ignore[attr-defined]
    norm = math.hypot(*values)
    if not 0.9 < norm < 1.1:  # no rotation: unknown, or nonsense
        return math.nan, math.nan, math.nan
    values = [v / norm for v in values]
    roll, pitch, yaw = (math.degrees(a) for a in quaternion.Quaternion(values).euler)
    return yaw % 360, pitch, roll
