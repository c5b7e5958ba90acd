"""The parameters of the simulated PX4, with PX4 1.16's defaults for a multirotor and ranges.

Only parameters that this vehicle obeys, or that state a fact about it, are here. Whole numbers travel as
their four bytes in the float field.
"""

from __future__ import annotations

import struct
import zlib

from sim.autopilot.params import INT32, Params, read_table

HASH = "_HASH_CHECK"
"""A parameter that is none: the checksum of all others, by which a station sees whether any has changed."""

PARAMETERS = read_table(
    """
MAV_SYS_ID        int32  1      1      250    fact
MAV_TYPE          int32  2      0      22     fact
SYS_AUTOSTART     int32  4001   0      9999999 fact
MPC_XY_CRUISE     real   5      3      20
MPC_XY_VEL_MAX    real   12     0      20
MPC_VEL_MANUAL    real   10     3      20
MPC_ACC_HOR       real   3      2      15
MPC_JERK_MAX      real   8      0.5    500
MPC_JERK_AUTO     real   4      1      80
MPC_XY_TRAJ_P     real   0.5    0.1    1
MPC_XY_ERR_MAX    real   2      0.1    10
MPC_Z_V_AUTO_UP   real   3      0.5    8
MPC_Z_V_AUTO_DN   real   1.5    0.5    4
MPC_Z_VEL_MAX_UP  real   3      0.5    8
MPC_Z_VEL_MAX_DN  real   1.5    0.5    4
MPC_ACC_UP_MAX    real   4      2      15
MPC_ACC_DOWN_MAX  real   3      2      15
MPC_TILTMAX_AIR   real   45     20     89
MPC_MAN_TILT_MAX  real   35     1      70
MPC_MAN_Y_MAX     real   150    0      400
MPC_HOLD_DZ       real   0.1    0      1
MPC_XY_MAN_EXPO   real   0.6    0      1
MPC_Z_MAN_EXPO    real   0.6    0      1
MPC_YAW_EXPO      real   0.6    0      1
MPC_TKO_SPEED     real   1.5    1      5
MPC_TKO_RAMP_T    real   3      0      5
MPC_LAND_SPEED    real   0.7    0.6    12
MPC_LAND_ALT1     real   10     0      122
MPC_LAND_ALT2     real   5      0      122
MPC_YAWRAUTO_MAX  real   45     5      360
MC_ORBIT_RAD_MAX  real   1000   1      10000
NAV_ACC_RAD       real   2      0.05   200
NAV_MC_ALT_RAD    real   0.8    0.05   200
NAV_DLL_ACT       int32  0      0      6
NAV_RCL_ACT       int32  2      1      6
MIS_TAKEOFF_ALT   real   2.5    0      80
MIS_DIST_1WP      real   10000  -1     100000
MIS_TKO_LAND_REQ  int32  0      0      5
MIS_YAW_ERR       real   12     0      90
COM_DL_LOSS_T     int32  10     5      300
COM_RC_LOSS_T     real   0.5    0      35
COM_RC_OVERRIDE   int32  1      0      3
COM_RC_STICK_OV   real   30     5      80
COM_OF_LOSS_T     real   1      0      60
COM_OBL_RC_ACT    int32  0      0      7
COM_FAIL_ACT_T    real   5      0      25
COM_RCL_EXCEPT    int32  0      0      31
COM_LOW_BAT_ACT   int32  0      0      3
COM_ARM_BAT_MIN   real   -1     -1     0.9
COM_ARM_MIS_REQ   int32  0      0      1
COM_DISARM_LAND   real   2      -1     20
COM_DISARM_PRFLT  real   10     -1     120
COM_SPOOLUP_TIME  real   1      0      30
COM_HOME_EN       int32  1      0      1
RTL_RETURN_ALT    real   30     0      5000
RTL_DESCEND_ALT   real   10     0      5000
RTL_LAND_DELAY    real   0      -1     300
RTL_MIN_DIST      real   10     0.5    5000
RTL_CONE_ANG      int32  45     0      90
RTL_TYPE          int32  0      0      3
GF_ACTION         int32  2      0      5
GF_MAX_HOR_DIST   real   0      0      10000
GF_MAX_VER_DIST   real   0      0      10000
BAT_LOW_THR       real   0.15   0.12   0.5
BAT_CRIT_THR      real   0.07   0.05   0.5
BAT_EMERGEN_THR   real   0.05   0.03   0.5
BAT1_CAPACITY     real   -1     -1     100000
BAT1_N_CELLS      int32  6      0      16     fact
TRIG_MODE         int32  4      0      4
TRIG_INTERFACE    int32  3      1      4      fact
TRIG_DISTANCE     real   25     0      10000
TRIG_INTERVAL     real   40     4      10000
TRIG_MIN_INTERVA  real   1      1      10000
SDLOG_MODE        int32  0      0      0      fact
"""
)
"""Every parameter by name, in the order in which the vehicle lists them."""


def bytes_of(params: Params, name: str) -> bytes:
    """A value as it is kept: four bytes."""
    if params.known[name].type == INT32:
        return struct.pack("<i", int(params[name]))
    return struct.pack("<f", params[name])


def on_wire(params: Params, name: str) -> float:
    """The float whose bytes are the value's."""
    return float(struct.unpack("<f", bytes_of(params, name))[0])


def from_wire(params: Params, name: str, field: float) -> float:
    """The value that a PARAM_SET's float field means."""
    if name in params and params.known[name].type == INT32:
        return float(struct.unpack("<i", struct.pack("<f", field))[0])
    return field


def hash_of(params: Params) -> int:
    """The checksum of all names and values: CRC32 that begins and ends with nought, as PX4 computes it."""
    crc = 0xFFFFFFFF
    for name in params.known:
        crc = zlib.crc32(name.encode("ascii") + bytes_of(params, name), crc)
    return crc ^ 0xFFFFFFFF
