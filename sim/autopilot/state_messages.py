"""What every simulated vehicle tells of its state in the same way, one function per message.

This is where the simulator's east-north-up becomes MAVLink's north-east-down.
"""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.craft import Craft
from sim.sensors import GNSS_KINDS


def ms(v: Craft) -> int:
    """Milliseconds since power-up."""
    return round(v.time_s * 1000) & 0xFFFFFFFF


def utc_usec(v: Craft) -> int:
    """Simulated UTC in microseconds since 1970."""
    return round(v.setup.start_utc.timestamp() * 1e6 + v.time_s * 1e6)


def wrap_cdeg(angle_rad: float) -> int:
    """An angle as hundredths of a degree, 0 to 35999."""
    return round(math.degrees(angle_rad) * 100) % 36000


def believed_place(v: Craft) -> tuple[int, int]:
    """lat and lon times 1e7 as believed; 0, 0 before the filter has an origin."""
    if not v.origin_set:
        return 0, 0
    lat, lon = v.place.to_geo(v.estimate.east_m, v.estimate.north_m)
    return round(lat * 1e7), round(lon * 1e7)


def system_time(v: Craft) -> Message:
    """SYSTEM_TIME; no date before GNSS has one."""
    return mavlink.MAVLink_system_time_message(utc_usec(v) if v.has_fix else 0, ms(v))


def gps_raw_int(v: Craft) -> Message:
    """GPS_RAW_INT: what the receiver says, not what the filter makes of it."""
    usec = round(v.time_s * 1e6)
    if not v.has_fix:
        fix = mavlink.GPS_FIX_TYPE_NO_FIX if v.time_s > 2.0 else mavlink.GPS_FIX_TYPE_NO_GPS
        return mavlink.MAVLink_gps_raw_int_message(usec, fix, 0, 0, 0, 9999, 9999, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    body, gnss, error = v.body, v.estimator.gnss, v.estimator.gnss_error_m
    lat, lon = v.place.to_geo(body.east_m + error[0], body.north_m + error[1])
    alt_mm = round((body.up_m + error[2]) * 1000)
    return mavlink.MAVLink_gps_raw_int_message(
        usec,
        gnss.fix_type,
        round(lat * 1e7),
        round(lon * 1e7),
        alt_mm,
        round(gnss.hdop * 100),
        round(gnss.hdop * 150),
        round(math.hypot(body.v_east_mps, body.v_north_mps) * 100),
        wrap_cdeg(math.atan2(body.v_east_mps, body.v_north_mps)),
        gnss.satellites,
        alt_mm,
        round(gnss.sigma_h_m * 1000 * 1.414),
        round(gnss.sigma_v_m * 1000),
        50 if gnss is GNSS_KINDS["rtk"] else 200,
        0,
        0,
    )


def quaternion(roll_rad: float, pitch_rad: float, yaw_rad: float) -> tuple[float, float, float, float]:
    """(w, x, y, z), body to NED."""
    cr, sr = math.cos(roll_rad / 2), math.sin(roll_rad / 2)
    cp, sp = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
    cy, sy = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def attitude(v: Craft) -> Message:
    """ATTITUDE."""
    e, b = v.estimate, v.body
    yaw = math.remainder(e.yaw_rad, math.tau)
    return mavlink.MAVLink_attitude_message(
        ms(v), e.roll_rad, e.pitch_rad, yaw, b.roll_rate_radps, b.pitch_rate_radps, b.yaw_rate_radps
    )


def attitude_quaternion(v: Craft) -> Message:
    """ATTITUDE_QUATERNION (w, x, y, z; body to NED)."""
    e, b = v.estimate, v.body
    return mavlink.MAVLink_attitude_quaternion_message(
        ms(v),
        *quaternion(e.roll_rad, e.pitch_rad, e.yaw_rad),
        b.roll_rate_radps,
        b.pitch_rate_radps,
        b.yaw_rate_radps,
    )


def local_position_ned(v: Craft) -> Message:
    """LOCAL_POSITION_NED, about the filter's origin."""
    e = v.estimate
    return mavlink.MAVLink_local_position_ned_message(
        ms(v),
        e.north_m - v.origin_north_m,
        e.east_m - v.origin_east_m,
        v.origin_up_m - e.up_m,
        e.v_north_mps,
        e.v_east_mps,
        -e.v_up_mps,
    )


def global_position_int(v: Craft) -> Message:
    """GLOBAL_POSITION_INT."""
    e = v.estimate
    lat, lon = believed_place(v)
    return mavlink.MAVLink_global_position_int_message(
        ms(v),
        lat,
        lon,
        round(e.up_m * 1000),
        round(v.relative_alt_m * 1000),
        round(e.v_north_mps * 100),
        round(e.v_east_mps * 100),
        round(-e.v_up_mps * 100),
        wrap_cdeg(e.yaw_rad),
    )


def vfr_hud(v: Craft) -> Message:
    """VFR_HUD."""
    e = v.estimate
    ground_speed = math.hypot(e.v_east_mps, e.v_north_mps)
    heading = round(math.degrees(e.yaw_rad)) % 360
    throttle = round(v.climb_throttle * 100)
    return mavlink.MAVLink_vfr_hud_message(ground_speed, ground_speed, heading, throttle, e.up_m, e.v_up_mps)


def rc_channels(v: Craft) -> Message:
    """RC_CHANNELS: the sticks."""
    s = v.sticks
    rest = -1.0 if v.landed else 0.0
    throttle = s.throttle if s.throttle is not None else rest
    values = [round(1500 + 500 * x) for x in (s.roll, -s.pitch, throttle, s.yaw)]
    if s.failed:
        return mavlink.MAVLink_rc_channels_message(ms(v), 0, *[0] * 18, 0)
    return mavlink.MAVLink_rc_channels_message(ms(v), 8, *values, *[1800, 1000, 1000, 1800], *[0] * 10, 254)


def home_position(v: Craft) -> Message | None:
    """HOME_POSITION, or None before there is a home."""
    if not v.origin_set:
        return None
    lat, lon = v.place.to_geo(v.home_east_m, v.home_north_m)
    return mavlink.MAVLink_home_position_message(
        round(lat * 1e7),
        round(lon * 1e7),
        round(v.home_up_m * 1000),
        v.home_north_m - v.origin_north_m,
        v.home_east_m - v.origin_east_m,
        v.origin_up_m - v.home_up_m,
        [1.0, 0.0, 0.0, 0.0],
        0.0,
        0.0,
        0.0,
        utc_usec(v),
    )


def gps_global_origin(v: Craft) -> Message | None:
    """GPS_GLOBAL_ORIGIN, or None before there is one."""
    if not v.origin_set:
        return None
    lat, lon = v.place.to_geo(v.origin_east_m, v.origin_north_m)
    return mavlink.MAVLink_gps_global_origin_message(
        round(lat * 1e7), round(lon * 1e7), round(v.origin_up_m * 1000), utc_usec(v)
    )
