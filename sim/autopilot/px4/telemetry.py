"""What a PX4 tells of its state in a way of its own, one function per message (mavlink/streams, 1.16)."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.px4.modes import BY_STICKS, Mode
from sim.autopilot.px4.navigator import Kind
from sim.autopilot.px4.vehicle import Px4
from sim.autopilot.state_messages import believed_place, ms, utc_usec, wrap_cdeg

_SENSORS = (
    mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO
    | mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL
    | mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG
    | mavlink.MAV_SYS_STATUS_SENSOR_ABSOLUTE_PRESSURE
    | mavlink.MAV_SYS_STATUS_SENSOR_GPS
    | mavlink.MAV_SYS_STATUS_SENSOR_ATTITUDE_STABILIZATION
    | mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL
    | mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    | mavlink.MAV_SYS_STATUS_AHRS
    | mavlink.MAV_SYS_STATUS_SENSOR_BATTERY
    | mavlink.MAV_SYS_STATUS_LOGGING
)
CAPABILITIES = (
    mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_FLOAT
    | mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_INT
    | mavlink.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
    | mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE
    | mavlink.MAV_PROTOCOL_CAPABILITY_FTP
    | mavlink.MAV_PROTOCOL_CAPABILITY_FLIGHT_TERMINATION
    | mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_FENCE
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_RALLY
)
VERSION = 1 << 24 | 16 << 16
"""flight_sw_version: 1.16.0, development."""
_ESTIMATES = 1023
_NO_POSITION = 0b10_0011_0101 & ~(mavlink.ESTIMATOR_POS_HORIZ_ABS | mavlink.ESTIMATOR_POS_HORIZ_REL)


def heartbeat(v: Px4) -> Message:
    """HEARTBEAT."""
    base = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
    if v.armed:
        base |= mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    if v.mode in BY_STICKS:
        base |= mavlink.MAV_MODE_FLAG_MANUAL_INPUT_ENABLED | mavlink.MAV_MODE_FLAG_STABILIZE_ENABLED
    elif v.mode is Mode.ORBIT or (v.mode is Mode.OFFBOARD and v.pilot.offboard.is_fed):
        base |= mavlink.MAV_MODE_FLAG_STABILIZE_ENABLED
    elif v.mode is Mode.OFFBOARD:
        pass  # nothing is controlled
    else:
        base |= mavlink.MAV_MODE_FLAG_AUTO_ENABLED | mavlink.MAV_MODE_FLAG_STABILIZE_ENABLED
        base |= mavlink.MAV_MODE_FLAG_GUIDED_ENABLED
    state = mavlink.MAV_STATE_UNINIT
    if v.armed:
        state = mavlink.MAV_STATE_CRITICAL if v.failsafe.triggered else mavlink.MAV_STATE_ACTIVE
    elif v.readiness.is_ready(v.mode):
        state = mavlink.MAV_STATE_STANDBY
    return mavlink.MAVLink_heartbeat_message(
        mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_PX4, base, int(v.mode), state, 3
    )


def sys_status(v: Px4) -> Message:
    """SYS_STATUS: the pre-arm bit is in the health alone."""
    health = _SENSORS
    if not v.has_fix:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_GPS
    if not v.readiness.has_position:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL
    if v.failsafe.sticks_lost:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    if v.failsafe.warning > 1:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_BATTERY
    if v.armed or v.readiness.is_ready(v.mode):
        health |= mavlink.MAV_SYS_STATUS_PREARM_CHECK
    battery = v.battery
    volts, amps = round(battery.volts * 1000), min(round(battery.amps * 100), 32767)
    percent = math.ceil(v.remaining_share * 100)
    return mavlink.MAVLink_sys_status_message(
        _SENSORS, _SENSORS, health, 142, volts, amps, percent, *(0,) * 6
    )


def battery_status(v: Px4) -> Message:
    """BATTERY_STATUS: the cells' voltages in their slots."""
    battery = v.battery
    cells = battery.pack.cells
    volts = [round(battery.volts / cells * 1000)] * cells + [65535] * (10 - cells)
    amps = min(round(battery.amps * 100), 32767)
    percent = round(v.remaining_share * 100)
    state = mavlink.MAV_BATTERY_CHARGE_STATE_OK + v.failsafe.warning
    return mavlink.MAVLink_battery_status_message(
        *(0, mavlink.MAV_BATTERY_FUNCTION_ALL, mavlink.MAV_BATTERY_TYPE_LIPO, 32767),
        *(volts, amps, round(battery.consumed_mah), -1, percent, 0, state),
    )


def extended_sys_state(v: Px4) -> Message:
    """EXTENDED_SYS_STATE."""
    kind = v.navigator.setpoint.kind
    if v.landed:
        landed = mavlink.MAV_LANDED_STATE_ON_GROUND
    elif v.mode.is_auto and kind is Kind.TAKE_OFF:
        landed = mavlink.MAV_LANDED_STATE_TAKEOFF
    elif v.mode.is_auto and kind is Kind.LAND:
        landed = mavlink.MAV_LANDED_STATE_LANDING
    else:
        landed = mavlink.MAV_LANDED_STATE_IN_AIR
    return mavlink.MAVLink_extended_sys_state_message(mavlink.MAV_VTOL_STATE_UNDEFINED, landed)


def estimator_status(v: Px4) -> Message:
    """ESTIMATOR_STATUS."""
    trust, gnss = v.estimator.variances, v.estimator.gnss
    flags = _ESTIMATES if v.readiness.has_position else _NO_POSITION
    return mavlink.MAVLink_estimator_status_message(
        round(v.time_s * 1e6),
        flags,
        *(trust.velocity, trust.position, trust.height, trust.compass, 0.0, math.nan),
        *(gnss.sigma_h_m, gnss.sigma_v_m),
    )


def altitude(v: Px4) -> Message:
    """ALTITUDE."""
    up, local = v.estimate.up_m, v.estimate.up_m - v.origin_up_m
    return mavlink.MAVLink_altitude_message(
        round(v.time_s * 1e6), up, up, local, v.relative_alt_m, math.nan, math.nan
    )


def home_position(v: Px4) -> Message | None:
    """HOME_POSITION, or None before there is one."""
    if not v.origin_set:
        return None
    lat, lon = v.place.to_geo(v.home_east_m, v.home_north_m)
    half = v.body.yaw_rad / 2
    return mavlink.MAVLink_home_position_message(
        *(round(lat * 1e7), round(lon * 1e7), round(v.home_up_m * 1000)),
        *(v.home_north_m - v.origin_north_m, v.home_east_m - v.origin_east_m),
        v.origin_up_m - v.home_up_m,
        [math.cos(half), 0.0, 0.0, math.sin(half)],
        *(0.0, 0.0, 0.0),
        round(v.time_s * 1e6),
    )


def _goal(v: Px4) -> tuple[float, float, float] | None:
    setpoint = v.navigator.setpoint
    return None if v.mode in (*BY_STICKS, Mode.OFFBOARD) or setpoint.kind is Kind.IDLE else setpoint.goal


def position_target_global_int(v: Px4) -> Message | None:
    """POSITION_TARGET_GLOBAL_INT: where it flies to; nothing while it flies nowhere."""
    goal = _goal(v)
    if goal is None:
        return None
    lat, lon = v.place.to_geo(goal[0], goal[1])
    return mavlink.MAVLink_position_target_global_int_message(
        ms(v), 5, 0xDF8, round(lat * 1e7), round(lon * 1e7), goal[2], *(0.0,) * 8
    )


def position_target_local_ned(v: Px4) -> Message | None:
    """POSITION_TARGET_LOCAL_NED: the trajectory's place and motion."""
    if not v.armed:
        return None
    t = v.pilot.target
    return mavlink.MAVLink_position_target_local_ned_message(
        *(ms(v), 1, 0),
        *(t.north_m - v.origin_north_m, t.east_m - v.origin_east_m, v.origin_up_m - t.up_m),
        *(t.v_north_mps, t.v_east_mps, -t.v_up_mps),
        *(t.a_north_mps2, t.a_east_mps2, -t.a_up_mps2),
        *(v.pilot.yaw_rad, 0.0),
    )


def nav_controller_output(v: Px4) -> Message | None:
    """NAV_CONTROLLER_OUTPUT: where the goal is."""
    goal = _goal(v)
    if goal is None:
        return None
    e, demand = v.estimate, v.demand
    east, north = goal[0] - e.east_m, goal[1] - e.north_m
    bearing = round(math.degrees(math.atan2(east, north)))
    return mavlink.MAVLink_nav_controller_output_message(
        *(math.degrees(demand.roll_rad), math.degrees(demand.pitch_rad), bearing, bearing),
        *(min(round(math.hypot(east, north)), 65535), goal[2] - e.up_m, 0.0, 0.0),
    )


def orbit_execution_status(v: Px4) -> Message | None:
    """ORBIT_EXECUTION_STATUS while it orbits."""
    if v.mode is not Mode.ORBIT or not v.armed:
        return None
    orbit = v.pilot.orbit
    lat, lon = v.place.to_geo(orbit.centre[0], orbit.centre[1])
    radius = math.copysign(orbit.radius_m, orbit.speed_mps)
    return mavlink.MAVLink_orbit_execution_status_message(
        utc_usec(v), radius, 0, round(lat * 1e7), round(lon * 1e7), orbit.centre[2]
    )


def autopilot_version(v: Px4) -> Message:
    """AUTOPILOT_VERSION."""
    return mavlink.MAVLink_autopilot_version_message(
        *(CAPABILITIES, VERSION, VERSION, 0, 1, [0] * 8, [0] * 8, [0] * 8, 0, 0),
        0x4954_5000_0000_0000 + v.sysid,
    )


def flight_information(v: Px4) -> Message:
    """FLIGHT_INFORMATION."""
    start = round(v.setup.start_utc.timestamp() * 1e6)
    armed = start + round(v.armed_at_s * 1e6) if v.armed else 0
    return mavlink.MAVLink_flight_information_message(ms(v), armed, armed if v.took_off else 0, 1)


def storage_information(v: Px4) -> Message:
    """STORAGE_INFORMATION of the card that logs are on."""
    return mavlink.MAVLink_storage_information_message(
        ms(v), 1, 1, mavlink.STORAGE_STATUS_READY, 32_000.0, 100.0, 31_900.0, math.nan, math.nan
    )


_FAILURES = (
    (mavlink.MAV_SYS_STATUS_SENSOR_GPS, mavlink.HL_FAILURE_FLAG_GPS),
    (mavlink.MAV_SYS_STATUS_SENSOR_BATTERY, mavlink.HL_FAILURE_FLAG_BATTERY),
    (mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER, mavlink.HL_FAILURE_FLAG_RC_RECEIVER),
    (mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL, mavlink.HL_FAILURE_FLAG_ESTIMATOR),
)


def high_latency2(v: Px4) -> Message:
    """HIGH_LATENCY2, as PX4 fills it: the upper half of its custom_mode, throttle only while armed."""
    e = v.estimate
    lat, lon = believed_place(v)
    health = sys_status(v).onboard_control_sensors_health
    failures = sum(flag for sensor, flag in _FAILURES if not health & sensor)
    if v.geofence.breached:
        failures |= mavlink.HL_FAILURE_FLAG_GEOFENCE
    goal = _goal(v) or v.navigator.here
    east, north = goal[0] - e.east_m, goal[1] - e.north_m
    return mavlink.MAVLink_high_latency2_message(
        *(ms(v), mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_PX4, int(v.mode) >> 16),
        *(lat, lon, math.floor(e.up_m), math.floor(goal[2])),
        *(wrap_cdeg(e.yaw_rad) // 200, wrap_cdeg(math.atan2(east, north)) // 200),
        min(round(math.hypot(east, north) / 10), 65535),
        round(v.climb_throttle * 100),
        *(0, 0, min(int(math.hypot(e.v_east_mps, e.v_north_mps) * 5), 255), 0, 0),
        *(round(v.estimator.gnss.sigma_h_m * 10), round(v.estimator.gnss.sigma_v_m * 10), -128),
        max(-127, min(127, round(e.v_up_mps * 10))),
        round(v.remaining_share * 100),
        v.navigator.progress.seq,
        failures,
        *(0, 0, 0),
    )
