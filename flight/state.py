"""What a vehicle has said of itself, each part with the moment when it was heard.

State is a value: `flight.state_update.update` gives the next one from a message. Moments are of the station's
clock (monotonic), seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.status_texts import StatusText

PREARM_BIT = mavlink.MAV_SYS_STATUS_PREARM_CHECK
_EKF_GOOD = mavlink.ESTIMATOR_ATTITUDE | mavlink.ESTIMATOR_VELOCITY_HORIZ | mavlink.ESTIMATOR_POS_HORIZ_ABS
_EKF_BAD = mavlink.ESTIMATOR_CONST_POS_MODE


def is_on_earth(lat_deg: float, lon_deg: float) -> bool:
    """Whether these can be a latitude and a longitude: a message may be whole and yet make no sense, and
    autopilots that do not know where they are say 0, 0."""
    return abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0 and not (lat_deg == 0.0 and lon_deg == 0.0)


@dataclass(frozen=True)
class Position:
    """Where it is. Heights: above mean sea level, and above the launch point."""

    at_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    alt_rel_m: float
    north_mps: float
    east_mps: float
    down_mps: float
    heading_deg: float

    @property
    def ground_speed_mps(self) -> float:
        """Speed over ground."""
        return math.hypot(self.north_mps, self.east_mps)


@dataclass(frozen=True)
class Attitude:
    """Angles of the airframe."""

    at_s: float
    roll_deg: float
    pitch_deg: float
    yaw_deg: float


@dataclass(frozen=True)
class Battery:
    """The main pack; NaN where the vehicle does not know. `used_mah` since switched on; `left_s` as the
    vehicle reckons it."""

    at_s: float
    voltage_v: float
    current_a: float
    remaining_percent: float
    used_mah: float = math.nan
    left_s: float = math.nan


@dataclass(frozen=True)
class Gps:
    """GPS_FIX_TYPE (3 is 3D, 6 is RTK fixed), the satellites used, and the dilution of its position; NaN
    where it does not tell."""

    at_s: float
    fix: int
    satellites: int
    hdop: float = math.nan


@dataclass(frozen=True)
class Health:
    """Whether its own pre-arm checks pass; None from a vehicle that does not tell. `faulty` are the parts
    that are switched on and not healthy, in words."""

    at_s: float
    prearm_ok: bool | None
    faulty: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ekf:
    """Flags of EKF_STATUS_REPORT or ESTIMATOR_STATUS."""

    at_s: float
    flags: int

    @property
    def has_position(self) -> bool:
        """True when attitude, velocity and an absolute position are known."""
        return self.flags & _EKF_GOOD == _EKF_GOOD and not self.flags & _EKF_BAD


@dataclass(frozen=True)
class MissionProgress:
    """The current item, the highest one done, MISSION_STATE (0 where it is not told), and how many items
    there are (ArduPilot leaves the home slot out; None where it is not told)."""

    at_s: float
    current: int = 0
    done: int = -1
    mission_state: int = 0
    total: int | None = None

    @property
    def paused(self) -> bool:
        """Held by the pilot, where the vehicle tells it (ArduPilot)."""
        return self.mission_state == mavlink.MISSION_STATE_PAUSED


@dataclass(frozen=True)
class Wind:
    """Wind as the vehicle estimates it; the direction is where it comes from."""

    at_s: float
    speed_mps: float
    from_deg: float


@dataclass(frozen=True)
class Rangefinder:
    """The height over what is below, as a sensor that looks down measures it."""

    at_s: float
    distance_m: float


@dataclass(frozen=True)
class Rc:
    """The remote control. `channels` is 0 while it is not heard; the strength is NaN where it is not told."""

    at_s: float
    channels: int
    strength_percent: float

    @property
    def heard(self) -> bool:
        """Whether the vehicle hears its remote control."""
        return self.channels > 0


@dataclass(frozen=True)
class Camera:
    """How many photos the vehicle counts, and the room left on the card; None, NaN where it does not tell."""

    at_s: float
    photos: int | None
    room_mib: float


@dataclass(frozen=True)
class Home:
    """Where it would return to."""

    at_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float


@dataclass(frozen=True)
class Failsafe:
    """What the vehicle itself says is wrong in flight. `critical`: its heartbeat calls its state critical or
    an emergency, which ArduPilot does while a failsafe acts. `fence_breached`: it is outside its fence."""

    at_s: float
    critical: bool = False
    fence_breached: bool = False


@dataclass(frozen=True)
class Vibration:
    """Shaking of the airframe, and how often the sensors were at their stops."""

    at_s: float
    worst_mps2: float
    clipped: int


@dataclass(frozen=True)
class VehicleState:
    """All that is known of a vehicle. Parts that it never told are None."""

    sysid: int
    compid: int
    autopilot: int
    vehicle_type: int
    heard_s: float
    heartbeat_s: float
    custom_mode: int = 0
    mode: str = ""
    armed: bool = False
    position: Position | None = None
    attitude: Attitude | None = None
    battery: Battery | None = None
    gps: Gps | None = None
    health: Health | None = None
    ekf: Ekf | None = None
    mission: MissionProgress | None = None
    wind: Wind | None = None
    rangefinder: Rangefinder | None = None
    rc: Rc | None = None
    camera: Camera | None = None
    home: Home | None = None
    failsafe: Failsafe | None = None
    vibration: Vibration | None = None
    climb_mps: float | None = None
    landed_state: int = mavlink.MAV_LANDED_STATE_UNDEFINED
    texts: tuple[StatusText, ...] = ()

    @property
    def is_ardupilot(self) -> bool:
        """True for ArduPilot, which keeps home in mission slot 0."""
        return self.autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    @property
    def is_px4(self) -> bool:
        """True for PX4."""
        return self.autopilot == mavlink.MAV_AUTOPILOT_PX4

    def ages_s(self, now_s: float) -> Mapping[str, float]:
        """How old each part is that the vehicle has told of."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: now_s - part.at_s for name, part in parts.items() if hasattr(part, "at_s")}
