"""Which messages can be asked for, of any vehicle and of ArduCopter, and what its old stream groups hold."""

from __future__ import annotations

from collections.abc import Callable

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot import camera_messages, high_latency, state_messages, telemetry
from sim.autopilot.core import Vehicle
from sim.autopilot.craft import Craft

OF_ANY: dict[int, Callable[[Craft], Message | None]] = {
    mavlink.MAVLINK_MSG_ID_SYSTEM_TIME: state_messages.system_time,
    mavlink.MAVLINK_MSG_ID_GPS_RAW_INT: state_messages.gps_raw_int,
    mavlink.MAVLINK_MSG_ID_ATTITUDE: state_messages.attitude,
    mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION: state_messages.attitude_quaternion,
    mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED: state_messages.local_position_ned,
    mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: state_messages.global_position_int,
    mavlink.MAVLINK_MSG_ID_VFR_HUD: state_messages.vfr_hud,
    mavlink.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN: state_messages.gps_global_origin,
}
"""Messages that every autopilot fills in the same way, by message number."""

BUILDERS: dict[int, Callable[[Vehicle], Message | None]] = {
    **OF_ANY,
    mavlink.MAVLINK_MSG_ID_HEARTBEAT: telemetry.heartbeat,
    mavlink.MAVLINK_MSG_ID_SYS_STATUS: telemetry.sys_status,
    mavlink.MAVLINK_MSG_ID_BATTERY_STATUS: telemetry.battery_status,
    mavlink.MAVLINK_MSG_ID_RC_CHANNELS: state_messages.rc_channels,
    mavlink.MAVLINK_MSG_ID_MISSION_CURRENT: telemetry.mission_current,
    mavlink.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT: telemetry.nav_controller_output,
    mavlink.MAVLINK_MSG_ID_POSITION_TARGET_GLOBAL_INT: telemetry.position_target_global_int,
    mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: telemetry.extended_sys_state,
    mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT: telemetry.ekf_status_report,
    mavlink.MAVLINK_MSG_ID_HOME_POSITION: state_messages.home_position,
    mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION: telemetry.autopilot_version,
    mavlink.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS: telemetry.gimbal_device_attitude_status,
    mavlink.MAVLINK_MSG_ID_TERRAIN_REPORT: telemetry.terrain_report,
    mavlink.MAVLINK_MSG_ID_TERRAIN_REQUEST: telemetry.terrain_request,
    mavlink.MAVLINK_MSG_ID_FENCE_STATUS: telemetry.fence_status,
    mavlink.MAVLINK_MSG_ID_CAMERA_FEEDBACK: camera_messages.newest_feedback,
    mavlink.MAVLINK_MSG_ID_CAMERA_INFORMATION: camera_messages.camera_information,
    mavlink.MAVLINK_MSG_ID_CAMERA_SETTINGS: camera_messages.camera_settings,
    mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS: camera_messages.camera_capture_status,
    mavlink.MAVLINK_MSG_ID_STORAGE_INFORMATION: camera_messages.storage_information,
    mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2: high_latency.high_latency2,
}
"""Messages that can be asked for, once or as a stream, by message number."""

STREAM_GROUPS: dict[int, tuple[int, ...]] = {
    mavlink.MAV_DATA_STREAM_EXTENDED_STATUS: (
        mavlink.MAVLINK_MSG_ID_SYS_STATUS,
        mavlink.MAVLINK_MSG_ID_MISSION_CURRENT,
        mavlink.MAVLINK_MSG_ID_GPS_RAW_INT,
        mavlink.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT,
        mavlink.MAVLINK_MSG_ID_POSITION_TARGET_GLOBAL_INT,
        mavlink.MAVLINK_MSG_ID_FENCE_STATUS,
    ),
    mavlink.MAV_DATA_STREAM_RC_CHANNELS: (mavlink.MAVLINK_MSG_ID_RC_CHANNELS,),
    mavlink.MAV_DATA_STREAM_POSITION: (
        mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT,
        mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED,
    ),
    mavlink.MAV_DATA_STREAM_EXTRA1: (mavlink.MAVLINK_MSG_ID_ATTITUDE,),
    mavlink.MAV_DATA_STREAM_EXTRA2: (mavlink.MAVLINK_MSG_ID_VFR_HUD,),
    mavlink.MAV_DATA_STREAM_EXTRA3: (
        mavlink.MAVLINK_MSG_ID_SYSTEM_TIME,
        mavlink.MAVLINK_MSG_ID_BATTERY_STATUS,
        mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT,
        mavlink.MAVLINK_MSG_ID_TERRAIN_REPORT,
        mavlink.MAVLINK_MSG_ID_TERRAIN_REQUEST,
    ),
}
"""What REQUEST_DATA_STREAM's groups hold (MAV_DATA_STREAM_ALL is all of them)."""
