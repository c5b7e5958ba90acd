"""What a PX4 tells of a camera on its trigger (camera_feedback, CAMERA_IMAGE_CAPTURED.hpp, 1.16)."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.craft import Shot
from sim.autopilot.px4.vehicle import Px4
from sim.autopilot.state_messages import ms, quaternion

_CAMERA = 1
_BLIND = -1.0


def image_captured(v: Px4, shot: Shot) -> Message:
    """CAMERA_IMAGE_CAPTURED: counted from 0, the airframe's attitude, the height above ground (which it does
    not know)."""
    angles = shot.airframe_roll_deg, shot.airframe_pitch_deg, shot.airframe_yaw_deg
    attitude = list(quaternion(*map(math.radians, angles)))
    return mavlink.MAVLink_camera_image_captured_message(
        ms(v),
        round(shot.time_utc.timestamp() * 1e6),
        _CAMERA,
        round(shot.believed_lat_deg * 1e7),
        round(shot.believed_lon_deg * 1e7),
        round(shot.believed_alt_amsl_m * 1000),
        round(_BLIND * 1000),
        attitude,
        shot.index - 1,
        1,
        b"",
    )
