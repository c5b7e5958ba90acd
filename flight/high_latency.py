"""A vehicle over a satellite: one HIGH_LATENCY2 every few seconds instead of all other messages.

Source: https://mavlink.io/en/services/high_latency.html, and what ArduPilot (GCS_Common.cpp) and PX4
(streams/HIGH_LATENCY2.hpp) put into it: ArduPilot its base_mode into custom0 and the direction that the wind
comes from, PX4 the upper half of its custom_mode, and the direction that the wind goes to. PX4 does not tell
whether it is armed, but its mean throttle since the message before: where that is not 0, it has been armed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.modes import mode_name
from flight.state import (
    Battery,
    Ekf,
    Gps,
    Health,
    MissionProgress,
    Position,
    VehicleState,
    Wind,
    is_on_earth,
)
from flight.wire import Message

_NAME_FIRST = "HIGH_LATENCY"
NAMES = ("HIGH_LATENCY2", _NAME_FIRST)
_FIX_3D = 3
_NO_FIX = 1
_NO_ITEM = 65535
"""PX4's, without a mission."""
_EKF_GOOD = mavlink.ESTIMATOR_ATTITUDE | mavlink.ESTIMATOR_VELOCITY_HORIZ | mavlink.ESTIMATOR_POS_HORIZ_ABS
_FAILURES = {
    mavlink.HL_FAILURE_FLAG_GPS: "GPS",
    mavlink.HL_FAILURE_FLAG_DIFFERENTIAL_PRESSURE: "airspeed sensor",
    mavlink.HL_FAILURE_FLAG_ABSOLUTE_PRESSURE: "barometer",
    mavlink.HL_FAILURE_FLAG_3D_ACCEL: "accelerometer",
    mavlink.HL_FAILURE_FLAG_3D_GYRO: "gyroscope",
    mavlink.HL_FAILURE_FLAG_3D_MAG: "compass",
    mavlink.HL_FAILURE_FLAG_TERRAIN: "terrain heights",
    mavlink.HL_FAILURE_FLAG_BATTERY: "battery",
    mavlink.HL_FAILURE_FLAG_RC_RECEIVER: "remote control",
    mavlink.HL_FAILURE_FLAG_OFFBOARD_LINK: "offboard link",
    mavlink.HL_FAILURE_FLAG_ENGINE: "engine",
    mavlink.HL_FAILURE_FLAG_GEOFENCE: "fence",
    mavlink.HL_FAILURE_FLAG_ESTIMATOR: "position estimate",
    mavlink.HL_FAILURE_FLAG_MISSION: "mission",
}
_WINGED = frozenset({mavlink.MAV_TYPE_FIXED_WING, *range(19, 26)})
"""Aeroplanes and VTOLs."""


@dataclass(frozen=True)
class HighLatency:
    """One HIGH_LATENCY or HIGH_LATENCY2 in plain units; NaN and None where it does not tell.

    Climb is the greatest since the last message, without a sign (HIGH_LATENCY2). Wind comes from
    `wind_from_deg`.
    """

    vehicle_type: int | None
    autopilot: int | None
    custom_mode: int
    armed: bool | None
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    heading_deg: float
    ground_speed_mps: float
    climb_mps: float
    battery_percent: float
    mission_item: int | None
    wind_mps: float
    wind_from_deg: float
    gps_fix: int
    satellites: int | None
    failures: tuple[str, ...]

    @property
    def has_place(self) -> bool:
        """False before the vehicle knows where it is: it says 0, 0 then. False for what is not on Earth."""
        return (self.lat_deg, self.lon_deg) != (0.0, 0.0) and is_on_earth(self.lat_deg, self.lon_deg)


def is_high_latency(message: Message) -> bool:
    """Whether a message stands for all others of a vehicle."""
    return message.get_type() in NAMES


def introduces(message: Message) -> bool:
    """Whether a message alone tells enough of a vehicle to know it: a HIGH_LATENCY2 of an autopilot."""
    return message.get_type() == "HIGH_LATENCY2" and message.autopilot != mavlink.MAV_AUTOPILOT_INVALID


def decode(message: Message, autopilot: int = mavlink.MAV_AUTOPILOT_GENERIC) -> HighLatency:
    """The values in a HIGH_LATENCY2 or HIGH_LATENCY; the latter does not tell the `autopilot`."""
    if message.get_type() == _NAME_FIRST:
        return _decode_first(message, autopilot)
    px4 = message.autopilot == mavlink.MAV_AUTOPILOT_PX4
    ardupilot = message.autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
    flags = message.failure_flags
    if ardupilot and message.type not in _WINGED:  # it reports a sensor that it has not got as failed
        flags &= ~mavlink.HL_FAILURE_FLAG_DIFFERENTIAL_PRESSURE
    failures = tuple(words for flag, words in _FAILURES.items() if flags & flag)
    armed = None
    if ardupilot:
        armed = bool(message.custom0 & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)  # told as a signed byte
    elif px4 and message.throttle > 0:
        armed = True
    return HighLatency(
        vehicle_type=message.type,
        autopilot=message.autopilot,
        custom_mode=message.custom_mode << 16 if px4 else message.custom_mode,
        armed=armed,
        lat_deg=message.latitude / 1e7,
        lon_deg=message.longitude / 1e7,
        alt_amsl_m=float(message.altitude),
        heading_deg=message.heading * 2.0,
        ground_speed_mps=message.groundspeed / 5.0,
        climb_mps=message.climb_rate / 10.0,
        battery_percent=float(message.battery) if message.battery >= 0 else math.nan,
        mission_item=message.wp_num if message.wp_num != _NO_ITEM else None,
        wind_mps=message.windspeed / 5.0,
        wind_from_deg=(message.wind_heading * 2.0 + 180.0 * px4) % 360,
        gps_fix=_NO_FIX if message.failure_flags & mavlink.HL_FAILURE_FLAG_GPS else _FIX_3D,
        satellites=None,
        failures=failures,
    )


def _decode_first(message: Message, autopilot: int) -> HighLatency:
    return HighLatency(
        vehicle_type=None,
        autopilot=autopilot,
        custom_mode=message.custom_mode,
        armed=bool(message.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED),
        lat_deg=message.latitude / 1e7,
        lon_deg=message.longitude / 1e7,
        alt_amsl_m=float(message.altitude_amsl),
        heading_deg=message.heading / 100 % 360,
        ground_speed_mps=float(message.groundspeed),
        climb_mps=float(message.climb_rate),
        battery_percent=float(message.battery_remaining) if message.battery_remaining <= 100 else math.nan,
        mission_item=message.wp_num,
        wind_mps=math.nan,
        wind_from_deg=math.nan,
        gps_fix=message.gps_fix_type,
        satellites=message.gps_nsat if message.gps_nsat != 255 else None,
        failures=("failsafe",) if message.failsafe else (),
    )


def first_state(message: Message, now_s: float) -> VehicleState:
    """The state that a first HIGH_LATENCY2 gives: over a satellite it comes instead of heartbeats."""
    state = VehicleState(
        sysid=message.get_srcSystem(),
        compid=message.get_srcComponent(),
        autopilot=message.autopilot,
        vehicle_type=message.type,
        heard_s=now_s,
        heartbeat_s=now_s,
    )
    return update_from_high_latency(state, message, now_s)


def update_from_high_latency(state: VehicleState, message: Message, now_s: float) -> VehicleState:
    """The state after a HIGH_LATENCY2 or HIGH_LATENCY, which stand for heartbeat, position, battery, GPS,
    estimator, mission and wind at once.

    What it does not tell stays as it was: attitude, voltage. The height above the launch point follows from
    the launch point's own height, where that has been known; where it has not, what is armed is taken to fly.
    The way it moves is taken to be where it looks.
    """
    told = decode(message, state.autopilot)
    kind = state.vehicle_type if told.vehicle_type is None else told.vehicle_type
    autopilot = state.autopilot if told.autopilot is None else told.autopilot
    position = _position(state, told, now_s)
    before = state.health
    state = replace(
        state,
        autopilot=autopilot,
        vehicle_type=kind,
        heartbeat_s=now_s,
        custom_mode=told.custom_mode,
        mode=mode_name(autopilot, kind, told.custom_mode),
        armed=state.armed if told.armed is None else told.armed,
        position=position,
        landed_state=_landed(state, told, position),
        health=Health(now_s, before.prearm_ok if before else None, told.failures),
        gps=Gps(now_s, told.gps_fix, _satellites(state, told)),
        ekf=Ekf(now_s, 0 if "position estimate" in told.failures else _EKF_GOOD),
        mission=_mission(state, told, now_s),
    )
    if not math.isnan(told.battery_percent):
        state = replace(state, battery=Battery(now_s, math.nan, math.nan, told.battery_percent))
    if not math.isnan(told.wind_mps):
        state = replace(state, wind=Wind(now_s, told.wind_mps, told.wind_from_deg))
    return state


def _position(state: VehicleState, told: HighLatency, now_s: float) -> Position | None:
    before = state.position
    if not told.has_place:
        return before
    launch_m = math.nan if before is None else before.alt_amsl_m - before.alt_rel_m
    heading = math.radians(told.heading_deg)
    return Position(
        at_s=now_s,
        lat_deg=told.lat_deg,
        lon_deg=told.lon_deg,
        alt_amsl_m=told.alt_amsl_m,
        alt_rel_m=told.alt_amsl_m - launch_m,
        north_mps=told.ground_speed_mps * math.cos(heading),
        east_mps=told.ground_speed_mps * math.sin(heading),
        down_mps=math.nan,
        heading_deg=told.heading_deg,
    )


def _landed(state: VehicleState, told: HighLatency, position: Position | None) -> int:
    """What HIGH_LATENCY2 leaves of an older word: its height tells whether it flies, where that is known."""
    if told.armed is False:
        return int(mavlink.MAV_LANDED_STATE_ON_GROUND)
    if told.armed is None:
        return state.landed_state
    unknown = position is None or math.isnan(position.alt_rel_m)
    return int(mavlink.MAV_LANDED_STATE_IN_AIR if unknown else mavlink.MAV_LANDED_STATE_UNDEFINED)


def _satellites(state: VehicleState, told: HighLatency) -> int:
    if told.satellites is not None:
        return told.satellites
    return state.gps.satellites if state.gps else 0


def _mission(state: VehicleState, told: HighLatency, now_s: float) -> MissionProgress | None:
    if told.mission_item is None:
        return state.mission
    before = state.mission or MissionProgress(now_s)
    done = max(before.done, told.mission_item - 1) if state.armed else before.done
    return replace(before, at_s=now_s, current=told.mission_item, done=done)
