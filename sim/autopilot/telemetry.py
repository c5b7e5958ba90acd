"""What ArduCopter tells of its state in a way of its own, one function per message (sim.autopilot.streams
finds them)."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.core import Vehicle
from sim.autopilot.fence import Limit
from sim.autopilot.modes import Mode
from sim.autopilot.state_messages import believed_place, ms

_PRESENT = (
    mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO
    | mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL
    | mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG
    | mavlink.MAV_SYS_STATUS_SENSOR_ABSOLUTE_PRESSURE
    | mavlink.MAV_SYS_STATUS_SENSOR_GPS
    | mavlink.MAV_SYS_STATUS_SENSOR_ANGULAR_RATE_CONTROL
    | mavlink.MAV_SYS_STATUS_SENSOR_ATTITUDE_STABILIZATION
    | mavlink.MAV_SYS_STATUS_SENSOR_YAW_POSITION
    | mavlink.MAV_SYS_STATUS_SENSOR_Z_ALTITUDE_CONTROL
    | mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL
    | mavlink.MAV_SYS_STATUS_SENSOR_MOTOR_OUTPUTS
    | mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    | mavlink.MAV_SYS_STATUS_AHRS
    | mavlink.MAV_SYS_STATUS_SENSOR_BATTERY
    | mavlink.MAV_SYS_STATUS_PREARM_CHECK
)

CAPABILITIES = (
    mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_FLOAT
    | mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_INT
    | mavlink.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
    | mavlink.MAV_PROTOCOL_CAPABILITY_SET_POSITION_TARGET_LOCAL_NED
    | mavlink.MAV_PROTOCOL_CAPABILITY_SET_POSITION_TARGET_GLOBAL_INT
    | mavlink.MAV_PROTOCOL_CAPABILITY_FLIGHT_TERMINATION
    | mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_FENCE
    | mavlink.MAV_PROTOCOL_CAPABILITY_MISSION_RALLY
    | mavlink.MAV_PROTOCOL_CAPABILITY_FTP
    | mavlink.MAV_PROTOCOL_CAPABILITY_TERRAIN
)
VERSION = 4 << 24 | 7 << 16
"""flight_sw_version: 4.7.0, development."""


def heartbeat(v: Vehicle) -> Message:
    """HEARTBEAT."""
    base = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | mavlink.MAV_MODE_FLAG_MANUAL_INPUT_ENABLED
    if v.mode not in (Mode.STABILIZE, Mode.ALT_HOLD):
        base |= mavlink.MAV_MODE_FLAG_GUIDED_ENABLED
    base |= mavlink.MAV_MODE_FLAG_STABILIZE_ENABLED
    if v.armed:
        base |= mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    state = mavlink.MAV_STATE_STANDBY if v.landed else mavlink.MAV_STATE_ACTIVE
    if v.time_s < 3.0:
        state = mavlink.MAV_STATE_BOOT
    elif v.failsafe.triggered:
        state = mavlink.MAV_STATE_CRITICAL
    return mavlink.MAVLink_heartbeat_message(
        mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, base, int(v.shown_mode), state, 3
    )


def sys_status(v: Vehicle) -> Message:
    """SYS_STATUS, with the PREARM bit."""
    fence = v.geofence
    present = _PRESENT | (mavlink.MAV_SYS_STATUS_GEOFENCE if fence.present else 0)
    # without a fence it is not breached, as ArduPilot says it too
    health = _PRESENT | (0 if fence.present and fence.breached else mavlink.MAV_SYS_STATUS_GEOFENCE)
    if not v.readiness.has_fix:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_GPS
    if not v.readiness.has_position:
        health &= ~(mavlink.MAV_SYS_STATUS_AHRS | mavlink.MAV_SYS_STATUS_SENSOR_XY_POSITION_CONTROL)
    if v.sticks.failed:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    if v.failsafe.battery_low:
        health &= ~mavlink.MAV_SYS_STATUS_SENSOR_BATTERY
    if v.terrain.on:
        present |= mavlink.MAV_SYS_STATUS_TERRAIN
        known = v.origin_set and v.terrain.known_m(v.estimate.east_m, v.estimate.north_m) is not None
        health |= mavlink.MAV_SYS_STATUS_TERRAIN if known else 0
    if not v.armed and v.readiness.reasons(Mode.GUIDED):
        health &= ~mavlink.MAV_SYS_STATUS_PREARM_CHECK
    enabled = _PRESENT if v.armed else _PRESENT & ~mavlink.MAV_SYS_STATUS_SENSOR_MOTOR_OUTPUTS
    enabled |= mavlink.MAV_SYS_STATUS_GEOFENCE if fence.acts else 0
    enabled |= present & mavlink.MAV_SYS_STATUS_TERRAIN
    battery = v.battery
    return mavlink.MAVLink_sys_status_message(
        present,
        enabled,
        health,
        150,
        round(battery.volts * 1000),
        min(round(battery.amps * 100), 32767),
        remaining_percent(v),
        *(0,) * 6,
    )


def remaining_percent(v: Vehicle) -> int:
    """Remaining charge as the power monitor counts it."""
    return max(0, min(100, round(100 * v.remaining_mah / max(v.params["BATT_CAPACITY"], 1.0))))


def battery_status(v: Vehicle) -> Message:
    """BATTERY_STATUS: the whole pack's voltage in the first slot."""
    battery = v.battery
    return mavlink.MAVLink_battery_status_message(
        0,
        0,
        mavlink.MAV_BATTERY_TYPE_LIPO,
        32767,
        [round(battery.volts * 1000)] + [65535] * 9,
        min(round(battery.amps * 100), 32767),
        round(battery.consumed_mah),
        -1,
        remaining_percent(v),
    )


def mission_current(v: Vehicle) -> Message:
    """MISSION_CURRENT: the total leaves home out, DO items are never current."""
    total = v.mission.flyable
    if total == 0:
        state = mavlink.MISSION_STATE_NO_MISSION
    elif v.walk.complete:
        state = mavlink.MISSION_STATE_COMPLETE
    elif v.pilot.auto.running and v.armed:
        stopped = v.pilot.auto.paused or v.mode is not Mode.AUTO
        state = mavlink.MISSION_STATE_PAUSED if stopped else mavlink.MISSION_STATE_ACTIVE
    else:
        state = mavlink.MISSION_STATE_NOT_STARTED
    mode = 1 if v.mode is Mode.AUTO else 2
    return mavlink.MAVLink_mission_current_message(v.walk.nav_index, total, state, mode)


def nav_controller_output(v: Vehicle) -> Message:
    """NAV_CONTROLLER_OUTPUT: where the target is."""
    t, e, d = v.pilot.target, v.estimate, v.pilot.demand
    goal = v.pilot.goal
    east, north = goal[0] - e.east_m, goal[1] - e.north_m
    bearing = round(math.degrees(math.atan2(east, north)))
    return mavlink.MAVLink_nav_controller_output_message(
        math.degrees(d.roll_rad),
        math.degrees(d.pitch_rad),
        bearing,
        bearing,
        min(round(math.hypot(east, north)), 65535),
        t.up_m - e.up_m,
        0.0,
        0.0,
    )


def position_target_global_int(v: Vehicle) -> Message:
    """POSITION_TARGET_GLOBAL_INT: where the current leg ends."""
    goal = v.pilot.goal
    lat, lon = v.place.to_geo(goal[0], goal[1])
    return mavlink.MAVLink_position_target_global_int_message(
        ms(v), 0, 0xDF8, round(lat * 1e7), round(lon * 1e7), v.pilot.target.up_m, *(0,) * 8
    )


def extended_sys_state(v: Vehicle) -> Message:
    """EXTENDED_SYS_STATE."""
    if v.landed:
        landed = mavlink.MAV_LANDED_STATE_ON_GROUND
    elif v.pilot.phase == "land":
        landed = mavlink.MAV_LANDED_STATE_LANDING
    else:
        landed = mavlink.MAV_LANDED_STATE_IN_AIR
    return mavlink.MAVLink_extended_sys_state_message(mavlink.MAV_VTOL_STATE_UNDEFINED, landed)


def ekf_status_report(v: Vehicle) -> Message:
    """EKF_STATUS_REPORT."""
    trust = v.estimator.variances
    return mavlink.MAVLink_ekf_status_report_message(
        int(v.readiness.flags), trust.velocity, trust.position, trust.height, trust.compass, 0.0, 0.0
    )


def autopilot_version(v: Vehicle) -> Message:
    """AUTOPILOT_VERSION."""
    return mavlink.MAVLink_autopilot_version_message(
        CAPABILITIES, VERSION, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0x1209, 0x5740, 0x5157000 + v.sysid
    )


def gimbal_device_attitude_status(v: Vehicle) -> Message:
    """GIMBAL_DEVICE_ATTITUDE_STATUS: level, at its pitch, with the airframe's yaw."""
    half = math.radians(v.gimbal.at_pitch_deg) / 2
    flags = mavlink.GIMBAL_DEVICE_FLAGS_ROLL_LOCK | mavlink.GIMBAL_DEVICE_FLAGS_PITCH_LOCK
    return mavlink.MAVLink_gimbal_device_attitude_status_message(
        0, 0, ms(v), flags, [math.cos(half), 0.0, math.sin(half), 0.0], 0.0, 0.0, 0.0, 0
    )


def fence_status(v: Vehicle) -> Message | None:
    """FENCE_STATUS, or None while no fence is on."""
    fence = v.geofence
    if not fence.switched_on:
        return None
    kind = mavlink.FENCE_BREACH_NONE
    if fence.breached & (Limit.CIRCLE | Limit.POLYGON):
        kind = mavlink.FENCE_BREACH_BOUNDARY
    elif fence.breached & Limit.ALT_MAX:
        kind = mavlink.FENCE_BREACH_MAXALT
    elif fence.breached:
        kind = mavlink.FENCE_BREACH_MINALT
    return mavlink.MAVLink_fence_status_message(
        int(bool(fence.breached)), fence.breach_count, kind, fence.breach_ms, mavlink.FENCE_MITIGATE_NONE
    )


def terrain_report(v: Vehicle) -> Message:
    """TERRAIN_REPORT: the ground below, and how much of what is needed is known."""
    lat, lon = believed_place(v)
    e = v.estimate
    known = v.terrain.known_m(e.east_m, e.north_m)
    ground = v.terrain.height_m(e.east_m, e.north_m)
    spacing = v.terrain.spacing_m if known is not None else 0
    return mavlink.MAVLink_terrain_report_message(
        lat, lon, spacing, ground, e.up_m - ground, *v.terrain.counts()
    )


def terrain_report_at(v: Vehicle, lat_e7: int, lon_e7: int) -> Message:
    """TERRAIN_REPORT of another place, as TERRAIN_CHECK asks for it."""
    place = v.place.to_local(lat_e7 / 1e7, lon_e7 / 1e7)
    known, e = v.terrain.known_m(*place), v.estimate
    v.terrain.want(*place)
    height = e.up_m - v.terrain.height_m(e.east_m, e.north_m)
    spacing = v.terrain.spacing_m if known is not None else 0
    return mavlink.MAVLink_terrain_report_message(
        lat_e7, lon_e7, spacing, known or 0.0, height, *v.terrain.counts()
    )


def terrain_request(v: Vehicle) -> Message | None:
    """TERRAIN_REQUEST, when heights are missing and it is time to ask."""
    request = v.terrain.request() if v.origin_set else None
    if request is None:
        return None
    return mavlink.MAVLink_terrain_request_message(
        request.lat_e7, request.lon_e7, request.spacing_m, request.mask
    )
