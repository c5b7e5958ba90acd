"""What ArduPilot tells of a camera on its trigger (AP_Camera_Backend.cpp)."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.core import Shot, Vehicle
from sim.autopilot.state_messages import ms

CARD_MIB = 32_000.0
_PHOTO_MIB = 8.0


def camera_feedback(v: Vehicle, shot: Shot) -> Message:
    """CAMERA_FEEDBACK: the airframe's attitude, as ArduPilot reports it for a camera on its trigger."""
    return mavlink.MAVLink_camera_feedback_message(
        round(shot.time_utc.timestamp() * 1e6),
        0,
        0,
        shot.index & 0xFFFF,
        round(shot.believed_lat_deg * 1e7),
        round(shot.believed_lon_deg * 1e7),
        shot.believed_alt_amsl_m,
        shot.believed_rel_alt_m,
        shot.airframe_roll_deg,
        shot.airframe_pitch_deg,
        shot.airframe_yaw_deg,
        0.0,
        mavlink.CAMERA_FEEDBACK_PHOTO,
        shot.index & 0xFFFF,
    )


def newest_feedback(v: Vehicle) -> Message | None:
    """CAMERA_FEEDBACK of the newest photo: ArduPilot keeps no older one."""
    return camera_feedback(v, v.last_shot) if v.has_camera and v.last_shot is not None else None


def camera_information(v: Vehicle) -> Message | None:
    """CAMERA_INFORMATION of a camera on the autopilot's trigger: it knows nothing of the camera's lens."""
    if not v.has_camera:
        return None
    unknown = (math.nan, math.nan, math.nan)
    flags = mavlink.CAMERA_CAP_FLAGS_CAPTURE_IMAGE
    return mavlink.MAVLink_camera_information_message(
        ms(v), [0] * 32, [0] * 32, 0, *unknown, 0, 0, 0, flags, 0, b""
    )


def camera_settings(v: Vehicle) -> Message | None:
    """CAMERA_SETTINGS: it takes photos; zoom and focus are not known."""
    if not v.has_camera:
        return None
    return mavlink.MAVLink_camera_settings_message(ms(v), mavlink.CAMERA_MODE_IMAGE, math.nan, math.nan)


def camera_capture_status(v: Vehicle) -> Message | None:
    """CAMERA_CAPTURE_STATUS: photos since power-up, as ArduPilot counts them."""
    if not v.has_camera:
        return None
    room_mib = 0.0 if v.card_full else math.nan
    return mavlink.MAVLink_camera_capture_status_message(
        ms(v), 0, 0, v.shutter.interval_s, 0, room_mib, v.shutter.count
    )


def storage_information(v: Vehicle) -> Message | None:
    """STORAGE_INFORMATION of the camera's card."""
    if not v.has_camera:
        return None
    used_mib = CARD_MIB if v.card_full else min(v.shutter.count * _PHOTO_MIB, CARD_MIB)
    return mavlink.MAVLink_storage_information_message(
        ms(v), 1, 1, mavlink.STORAGE_STATUS_READY, CARD_MIB, used_mib, CARD_MIB - used_mib, 40.0, 40.0
    )
