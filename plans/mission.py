"""What a vehicle is told and what its camera did: the values that plans, flight, sim and imagery share."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from enum import IntEnum

from plans.frames import GeoPoint


class Command(IntEnum):
    """The MAV_CMD numbers that our plans use (MAVLink common.xml)."""

    NAV_WAYPOINT = 16
    NAV_LOITER_UNLIM = 17
    NAV_LOITER_TIME = 19
    NAV_RETURN_TO_LAUNCH = 20
    NAV_LAND = 21
    NAV_TAKEOFF = 22
    NAV_SPLINE_WAYPOINT = 82
    NAV_DELAY = 93
    CONDITION_DELAY = 112
    CONDITION_DISTANCE = 114
    CONDITION_YAW = 115
    DO_JUMP = 177
    DO_CHANGE_SPEED = 178
    DO_SET_HOME = 179
    DO_LAND_START = 189
    DO_SET_ROI_LOCATION = 195
    DO_SET_ROI_NONE = 197
    DO_SET_ROI = 201
    DO_DIGICAM_CONTROL = 203
    DO_MOUNT_CONTROL = 205
    DO_SET_CAM_TRIGG_DIST = 206
    DO_SET_CAM_TRIGG_INTERVAL = 214
    IMAGE_START_CAPTURE = 2000
    IMAGE_STOP_CAPTURE = 2001


class AltitudeFrame(IntEnum):
    """MAV_FRAME, the members that plans use. MISSION is for items without a place."""

    AMSL = 0
    MISSION = 2
    RELATIVE = 3
    TERRAIN = 10


@dataclass(frozen=True)
class MissionItem:
    """One MAVLink mission item, without its sequence number (that is its place in the list).

    `params` are param1..param4; NaN means "leave as it is" (PX4) and is kept. Items without a place have
    lat and lon 0 and frame MISSION. `alt_m` is in the frame's datum.
    """

    command: int
    frame: int = AltitudeFrame.RELATIVE
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    lat_deg: float = 0.0
    lon_deg: float = 0.0
    alt_m: float = 0.0
    autocontinue: bool = True

    @property
    def has_place(self) -> bool:
        """True for items that stand somewhere on the map."""
        return self.frame != AltitudeFrame.MISSION and (self.lat_deg != 0.0 or self.lon_deg != 0.0)


@dataclass(frozen=True)
class Mission:
    """What goes to a vehicle: the items after home (slot 0 is made by the station for ArduPilot), a fence
    and rally points. `home` is where the plan expects to be launched."""

    items: tuple[MissionItem, ...]
    home: GeoPoint | None = None
    cruise_speed_mps: float | None = None
    fence_inclusion: tuple[tuple[GeoPoint, ...], ...] = ()
    fence_exclusion: tuple[tuple[GeoPoint, ...], ...] = ()
    rally: tuple[GeoPoint, ...] = ()


@dataclass(frozen=True)
class CameraEvent:
    """One shutter release as the vehicle told it (CAMERA_FEEDBACK, CAMERA_IMAGE_CAPTURED or a log).

    `index` counts from the source's own start (ArduPilot 1, PX4 0). Angles are those of the source:
    the camera's when it has a gimbal (pitch -90 is down), NaN where unknown. `time_utc` is aware.
    """

    index: int
    time_utc: dt.datetime
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    height_agl_m: float = math.nan
    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    roll_deg: float = math.nan
    captured: bool = True
