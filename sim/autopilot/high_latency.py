"""HIGH_LATENCY2: all that matters in one message, for satellite modems (ArduPilot's GCS_Common.cpp)."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.core import Vehicle
from sim.autopilot.state_messages import believed_place, ms, wrap_cdeg
from sim.autopilot.telemetry import heartbeat, remaining_percent, sys_status

_HIGH_LATENCY_FAILURES = (
    (mavlink.MAV_SYS_STATUS_SENSOR_GPS, mavlink.HL_FAILURE_FLAG_GPS),
    (mavlink.MAV_SYS_STATUS_SENSOR_ABSOLUTE_PRESSURE, mavlink.HL_FAILURE_FLAG_ABSOLUTE_PRESSURE),
    (mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL, mavlink.HL_FAILURE_FLAG_3D_ACCEL),
    (mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO, mavlink.HL_FAILURE_FLAG_3D_GYRO),
    (mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG, mavlink.HL_FAILURE_FLAG_3D_MAG),
    (mavlink.MAV_SYS_STATUS_SENSOR_BATTERY, mavlink.HL_FAILURE_FLAG_BATTERY),
    (mavlink.MAV_SYS_STATUS_SENSOR_RC_RECEIVER, mavlink.HL_FAILURE_FLAG_RC_RECEIVER),
    (mavlink.MAV_SYS_STATUS_GEOFENCE, mavlink.HL_FAILURE_FLAG_GEOFENCE),
    (mavlink.MAV_SYS_STATUS_AHRS, mavlink.HL_FAILURE_FLAG_ESTIMATOR),
)


def high_latency2(v: Vehicle) -> Message:
    """HIGH_LATENCY2, as ArduPilot fills it: base_mode in custom0, no wind without an airspeed sensor."""
    e = v.estimate
    lat, lon = believed_place(v)
    beat, health = heartbeat(v), sys_status(v).onboard_control_sensors_health
    failures = sum(flag for sensor, flag in _HIGH_LATENCY_FAILURES if not health & sensor)
    goal = v.pilot.goal
    east, north = goal[0] - e.east_m, goal[1] - e.north_m
    return mavlink.MAVLink_high_latency2_message(
        ms(v),
        beat.type,
        beat.autopilot,
        beat.custom_mode,
        lat,
        lon,
        math.floor(e.up_m),
        math.floor(v.pilot.target.up_m),
        wrap_cdeg(e.yaw_rad) // 200,
        wrap_cdeg(math.atan2(east, north)) // 200,
        min(round(math.hypot(east, north) / 10), 65535),
        round(v.climb_throttle * 100),
        0,
        0,
        min(int(math.hypot(e.v_east_mps, e.v_north_mps) * 5), 255),
        0,
        0,
        0,
        0,
        -128,
        0,
        remaining_percent(v),
        v.walk.nav_index,
        failures,
        beat.base_mode - 256 if beat.base_mode > 127 else beat.base_mode,
        0,
        0,
    )
