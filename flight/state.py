"""What a vehicle has said of itself, each part with the moment when it was heard.

State is a value: `update` gives the next one from a message. Moments are of the monotonic clock, seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.modes import mode_name
from flight.wire import Message, decode_text

PREARM_BIT = mavlink.MAV_SYS_STATUS_PREARM_CHECK
_EKF_GOOD = mavlink.ESTIMATOR_ATTITUDE | mavlink.ESTIMATOR_VELOCITY_HORIZ | mavlink.ESTIMATOR_POS_HORIZ_ABS
_EKF_BAD = mavlink.ESTIMATOR_CONST_POS_MODE
_TEXTS_KEPT = 50


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
    """The main pack; NaN where the vehicle does not know."""

    at_s: float
    voltage_v: float
    current_a: float
    remaining_percent: float


@dataclass(frozen=True)
class Gps:
    """GPS_FIX_TYPE (3 is 3D, 6 is RTK fixed) and the satellites used."""

    at_s: float
    fix: int
    satellites: int


@dataclass(frozen=True)
class Health:
    """Whether its own pre-arm checks pass; None from a vehicle that does not tell."""

    at_s: float
    prearm_ok: bool | None


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
    """The current item, the highest one done, and MISSION_STATE (0 where it is not told)."""

    at_s: float
    current: int = 0
    done: int = -1
    mission_state: int = 0


@dataclass(frozen=True)
class Wind:
    """Wind as the vehicle estimates it; the direction is where it comes from."""

    at_s: float
    speed_mps: float
    from_deg: float


@dataclass(frozen=True)
class StatusText:
    """Words of the vehicle. Severity as in MAV_SEVERITY: 0 emergency to 7 debug."""

    at_s: float
    severity: int
    text: str


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


def first_state(heartbeat: Message, now_s: float) -> VehicleState:
    """The state that a first heartbeat gives."""
    state = VehicleState(
        sysid=heartbeat.get_srcSystem(),
        compid=heartbeat.get_srcComponent(),
        autopilot=heartbeat.autopilot,
        vehicle_type=heartbeat.type,
        heard_s=now_s,
        heartbeat_s=now_s,
    )
    return _heartbeat(state, heartbeat, now_s)


def update(state: VehicleState, message: Message, now_s: float) -> VehicleState:
    """The state after a message of the vehicle's autopilot."""
    reader = _READERS.get(message.get_type())
    state = replace(state, heard_s=now_s)
    return reader(state, message, now_s) if reader else state


def _heartbeat(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(
        state,
        autopilot=m.autopilot,
        vehicle_type=m.type,
        heartbeat_s=now,
        custom_mode=m.custom_mode,
        mode=mode_name(m.autopilot, m.type, m.custom_mode),
        armed=bool(m.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED),
    )


def _position(state: VehicleState, m: Message, now: float) -> VehicleState:
    position = Position(
        at_s=now,
        lat_deg=m.lat / 1e7,
        lon_deg=m.lon / 1e7,
        alt_amsl_m=m.alt / 1e3,
        alt_rel_m=m.relative_alt / 1e3,
        north_mps=m.vx / 100,
        east_mps=m.vy / 100,
        down_mps=m.vz / 100,
        heading_deg=m.hdg / 100 if m.hdg != 65535 else math.nan,
    )
    return replace(state, position=position)


def _attitude(state: VehicleState, m: Message, now: float) -> VehicleState:
    angles = (math.degrees(m.roll), math.degrees(m.pitch), math.degrees(m.yaw))
    return replace(state, attitude=Attitude(now, *angles))


def _sys_status(state: VehicleState, m: Message, now: float) -> VehicleState:
    battery = Battery(
        at_s=now,
        voltage_v=m.voltage_battery / 1e3 if m.voltage_battery != 65535 else math.nan,
        current_a=m.current_battery / 100 if m.current_battery != -1 else math.nan,
        remaining_percent=float(m.battery_remaining) if m.battery_remaining >= 0 else math.nan,
    )
    told = m.onboard_control_sensors_present & PREARM_BIT
    ok = bool(m.onboard_control_sensors_health & PREARM_BIT) if told else None
    return replace(state, battery=battery, health=Health(now, ok))


def _gps(state: VehicleState, m: Message, now: float) -> VehicleState:
    satellites = m.satellites_visible if m.satellites_visible != 255 else 0
    return replace(state, gps=Gps(now, m.fix_type, satellites))


def _ekf(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, ekf=Ekf(now, m.flags))


def _mission_current(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.mission or MissionProgress(now)
    done = max(before.done, m.seq - 1) if state.armed else before.done
    progress = MissionProgress(now, m.seq, done, int(getattr(m, "mission_state", 0)))
    return replace(state, mission=progress)


def _item_reached(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.mission or MissionProgress(now)
    return replace(state, mission=replace(before, at_s=now, done=max(before.done, m.seq)))


def _wind(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, wind=Wind(now, m.speed, m.direction % 360))


def _vfr_hud(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, climb_mps=m.climb)


def _landed(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, landed_state=m.landed_state)


def _text(state: VehicleState, m: Message, now: float) -> VehicleState:
    text = decode_text(m.text)
    last = state.texts[-1] if state.texts else None
    if getattr(m, "id", 0) and m.chunk_seq and last:
        whole = replace(last, text=last.text + text)
        return replace(state, texts=(*state.texts[:-1], whole))
    return replace(state, texts=(*state.texts, StatusText(now, m.severity, text))[-_TEXTS_KEPT:])


_READERS: Mapping[str, Callable[[VehicleState, Message, float], VehicleState]] = {
    "HEARTBEAT": _heartbeat,
    "GLOBAL_POSITION_INT": _position,
    "ATTITUDE": _attitude,
    "SYS_STATUS": _sys_status,
    "GPS_RAW_INT": _gps,
    "EKF_STATUS_REPORT": _ekf,
    "ESTIMATOR_STATUS": _ekf,
    "MISSION_CURRENT": _mission_current,
    "MISSION_ITEM_REACHED": _item_reached,
    "WIND": _wind,
    "VFR_HUD": _vfr_hud,
    "EXTENDED_SYS_STATE": _landed,
    "STATUSTEXT": _text,
}
