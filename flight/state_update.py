"""The next state of a vehicle from what it says: one small reader for each message.

What cannot be (a latitude of 214 degrees, an angle that is not a number) is passed over: the part keeps what
was told last, and its age tells that it is old.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import high_latency
from flight.modes import mode_name
from flight.state import (
    PREARM_BIT,
    Attitude,
    Battery,
    Camera,
    Ekf,
    Failsafe,
    Gps,
    Health,
    Home,
    MissionProgress,
    Position,
    Rangefinder,
    Rc,
    VehicleState,
    Vibration,
    Wind,
    is_on_earth,
)
from flight.status_texts import status_text, with_text
from flight.wire import Message

_TEXTS_KEPT = 50
_UNKNOWN_U16 = 65535
_DOWN = mavlink.MAV_SENSOR_ROTATION_PITCH_270
_CRITICAL = (mavlink.MAV_STATE_CRITICAL, mavlink.MAV_STATE_EMERGENCY)
_PARTS = {
    mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO: "gyroscope",
    mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL: "accelerometer",
    mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG: "compass",
    mavlink.MAV_SYS_STATUS_SENSOR_ABSOLUTE_PRESSURE: "barometer",
    mavlink.MAV_SYS_STATUS_SENSOR_GPS: "GPS",
    mavlink.MAV_SYS_STATUS_SENSOR_LASER_POSITION: "rangefinder",
    mavlink.MAV_SYS_STATUS_SENSOR_MOTOR_OUTPUTS: "motors",
    mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER: "remote control",
    mavlink.MAV_SYS_STATUS_GEOFENCE: "fence",
    mavlink.MAV_SYS_STATUS_AHRS: "attitude and position",
    mavlink.MAV_SYS_STATUS_TERRAIN: "terrain heights",
    mavlink.MAV_SYS_STATUS_LOGGING: "log",
    mavlink.MAV_SYS_STATUS_SENSOR_BATTERY: "battery",
    mavlink.MAV_SYS_STATUS_SENSOR_PROXIMITY: "proximity sensor",
}


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
    failsafe = replace(state.failsafe or Failsafe(now), at_s=now, critical=m.system_status in _CRITICAL)
    return replace(
        state,
        autopilot=m.autopilot,
        vehicle_type=m.type,
        heartbeat_s=now,
        failsafe=failsafe,
        custom_mode=m.custom_mode,
        mode=mode_name(m.autopilot, m.type, m.custom_mode),
        armed=bool(m.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED),
    )


def _position(state: VehicleState, m: Message, now: float) -> VehicleState:
    if not is_on_earth(m.lat / 1e7, m.lon / 1e7):
        return state
    position = Position(
        at_s=now,
        lat_deg=m.lat / 1e7,
        lon_deg=m.lon / 1e7,
        alt_amsl_m=m.alt / 1e3,
        alt_rel_m=m.relative_alt / 1e3,
        north_mps=m.vx / 100,
        east_mps=m.vy / 100,
        down_mps=m.vz / 100,
        heading_deg=m.hdg / 100 if m.hdg != _UNKNOWN_U16 else math.nan,
    )
    return replace(state, position=position)


def _attitude(state: VehicleState, m: Message, now: float) -> VehicleState:
    angles = (math.degrees(m.roll), math.degrees(m.pitch), math.degrees(m.yaw))
    if not all(map(math.isfinite, angles)):
        return state
    return replace(state, attitude=Attitude(now, *angles))


def _sys_status(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.battery or Battery(now, math.nan, math.nan, math.nan)
    battery = replace(
        before,
        at_s=now,
        voltage_v=m.voltage_battery / 1e3 if m.voltage_battery != _UNKNOWN_U16 else math.nan,
        current_a=m.current_battery / 100 if m.current_battery != -1 else math.nan,
        remaining_percent=float(m.battery_remaining) if m.battery_remaining >= 0 else math.nan,
    )
    told = m.onboard_control_sensors_present & PREARM_BIT or state.is_px4  # which sets it in health alone
    ok = bool(m.onboard_control_sensors_health & PREARM_BIT) if told else None
    bad = (
        m.onboard_control_sensors_present
        & m.onboard_control_sensors_enabled
        & ~m.onboard_control_sensors_health
    )
    faulty = tuple(words for bit, words in _PARTS.items() if bad & bit)
    return replace(state, battery=battery, health=Health(now, ok, faulty))


def _battery_status(state: VehicleState, m: Message, now: float) -> VehicleState:
    if m.id != 0:
        return state  # not the main pack
    before = state.battery or Battery(now, math.nan, math.nan, math.nan)
    battery = replace(
        before,
        used_mah=float(m.current_consumed) if m.current_consumed >= 0 else math.nan,
        left_s=float(m.time_remaining) if m.time_remaining > 0 else math.nan,
    )
    return replace(state, battery=battery)


def _gps(state: VehicleState, m: Message, now: float) -> VehicleState:
    satellites = m.satellites_visible if m.satellites_visible != 255 else 0
    hdop = m.eph / 100 if m.eph != _UNKNOWN_U16 else math.nan
    return replace(state, gps=Gps(now, m.fix_type, satellites, hdop))


def _ekf(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, ekf=Ekf(now, m.flags))


def _estimator(state: VehicleState, m: Message, now: float) -> VehicleState:
    """PX4 sets CONST_POS_MODE whenever it stands still; without a position it sets no POS_HORIZ_ABS."""
    return replace(state, ekf=Ekf(now, m.flags & ~mavlink.ESTIMATOR_CONST_POS_MODE))


def _mission_current(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.mission or MissionProgress(now)
    done = max(before.done, m.seq - 1) if state.armed else before.done
    total = getattr(m, "total", 0)
    known = total if total not in (0, _UNKNOWN_U16) else None
    progress = MissionProgress(now, m.seq, done, int(getattr(m, "mission_state", 0)), known)
    return replace(state, mission=progress)


def _item_reached(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.mission or MissionProgress(now)
    return replace(state, mission=replace(before, at_s=now, done=max(before.done, m.seq)))


def _wind(state: VehicleState, m: Message, now: float) -> VehicleState:
    if not math.isfinite(m.speed) or not math.isfinite(m.direction):
        return state
    return replace(state, wind=Wind(now, m.speed, m.direction % 360))


def _vfr_hud(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, climb_mps=m.climb) if math.isfinite(m.climb) else state


def _distance_sensor(state: VehicleState, m: Message, now: float) -> VehicleState:
    if m.orientation != _DOWN:
        return state
    return replace(state, rangefinder=Rangefinder(now, m.current_distance / 100))


def _rangefinder(state: VehicleState, m: Message, now: float) -> VehicleState:
    if not math.isfinite(m.distance):
        return state
    return replace(state, rangefinder=Rangefinder(now, m.distance))


def _rc_channels(state: VehicleState, m: Message, now: float) -> VehicleState:
    strength = m.rssi * 100 / 254 if m.rssi != 255 else math.nan
    return replace(state, rc=Rc(now, m.chancount, strength))


def _capture_status(state: VehicleState, m: Message, now: float) -> VehicleState:
    room = m.available_capacity if 0 < m.available_capacity < math.inf else math.nan
    return replace(state, camera=Camera(now, int(getattr(m, "image_count", 0)), room))


def _home(state: VehicleState, m: Message, now: float) -> VehicleState:
    if not is_on_earth(m.latitude / 1e7, m.longitude / 1e7):
        return state
    return replace(state, home=Home(now, m.latitude / 1e7, m.longitude / 1e7, m.altitude / 1e3))


def _fence(state: VehicleState, m: Message, now: float) -> VehicleState:
    before = state.failsafe or Failsafe(now)
    return replace(state, failsafe=replace(before, at_s=now, fence_breached=bool(m.breach_status)))


def _vibration(state: VehicleState, m: Message, now: float) -> VehicleState:
    axes = m.vibration_x, m.vibration_y, m.vibration_z
    if not all(map(math.isfinite, axes)):
        return state
    worst = max(axes)
    clipped = m.clipping_0 + m.clipping_1 + m.clipping_2
    return replace(state, vibration=Vibration(now, worst, clipped))


def _landed(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, landed_state=m.landed_state)


def _text(state: VehicleState, m: Message, now: float) -> VehicleState:
    return replace(state, texts=with_text(state.texts, status_text(m, now), _TEXTS_KEPT))


_READERS: Mapping[str, Callable[[VehicleState, Message, float], VehicleState]] = {
    "HEARTBEAT": _heartbeat,
    "GLOBAL_POSITION_INT": _position,
    "ATTITUDE": _attitude,
    "SYS_STATUS": _sys_status,
    "GPS_RAW_INT": _gps,
    "EKF_STATUS_REPORT": _ekf,
    "ESTIMATOR_STATUS": _estimator,
    "MISSION_CURRENT": _mission_current,
    "MISSION_ITEM_REACHED": _item_reached,
    "WIND": _wind,
    "VFR_HUD": _vfr_hud,
    "EXTENDED_SYS_STATE": _landed,
    "STATUSTEXT": _text,
    "BATTERY_STATUS": _battery_status,
    "DISTANCE_SENSOR": _distance_sensor,
    "RANGEFINDER": _rangefinder,
    "RC_CHANNELS": _rc_channels,
    "CAMERA_CAPTURE_STATUS": _capture_status,
    "HOME_POSITION": _home,
    "FENCE_STATUS": _fence,
    "VIBRATION": _vibration,
    **dict.fromkeys(high_latency.NAMES, high_latency.update_from_high_latency),
}
