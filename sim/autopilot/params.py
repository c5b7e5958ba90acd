"""The vehicle's parameters under ArduPilot's names.

Only parameters that this vehicle obeys, or that state a fact about it, are here. Values travel as floats
whatever their type, as ArduPilot does it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

INT8, INT16, INT32, REAL32 = 2, 4, 6, 9
"""MAV_PARAM_TYPE numbers that ArduPilot uses."""


@dataclass(frozen=True)
class ParamInfo:
    """One parameter: ArduPilot's default and range. `read_only` ones state a fact."""

    name: str
    type: int
    default: float
    low: float
    high: float
    read_only: bool = False


_TABLE = """
SYSID_THISMAV        int16  1      1     255
MAV_GCS_SYSID        int16  255    1     255
ARMING_CHECK         int32  1      0     1048575
DISARM_DELAY         int8   10     0     127
FRAME_CLASS          int8   1      1     1      fact
FRAME_TYPE           int8   1      1     1      fact
INITIAL_MODE         int8   0      0     30
ANGLE_MAX            int16  3000   1000  8000
PILOT_SPEED_UP       int16  250    50    500
PILOT_ACCEL_Z        int16  250    50    500
PILOT_TKOFF_ALT      real   0      0     1000
LOIT_SPEED           real   1250   20    3500
WPNAV_SPEED          real   1000   10    2000
WPNAV_SPEED_UP       real   250    10    1000
WPNAV_SPEED_DN       real   150    10    500
WPNAV_ACCEL          real   250    50    500
WPNAV_ACCEL_C        real   0      0     500
WPNAV_ACCEL_Z        real   100    50    500
WPNAV_RADIUS         real   200    5     1000
WPNAV_JERK           real   1      1     20
PSC_JERK_XY          real   5      1     20
PSC_JERK_Z           real   5      5     50
CIRCLE_RADIUS        real   1000   0     200000
CIRCLE_RATE          real   20     -90   90
GUID_TIMEOUT         real   3      0.1   5
WP_YAW_BEHAVIOR      int8   2      0     2
RTL_ALT              real   1500   30    300000
RTL_ALT_TYPE         int8   0      0     1
RTL_ALT_FINAL        int16  0      0     1000
RTL_CLIMB_MIN        int16  0      0     3000
RTL_CONE_SLOPE       real   3      0     10
RTL_LOIT_TIME        int32  5000   0     60000
RTL_SPEED            int16  0      0     2000
LAND_SPEED           int16  50     30    200
LAND_SPEED_HIGH      int16  0      0     500
LAND_ALT_LOW         int16  1000   100   10000
AUTO_OPTIONS         int32  0      0     255
MIS_TOTAL            int16  0      0     32766  fact
MIS_RESTART          int8   0      0     1
SRTL_ACCURACY        real   2      0     10
SRTL_POINTS          int16  300    0     500
FENCE_ENABLE         int8   0      0     1
FENCE_TYPE           int8   7      0     15
FENCE_ACTION         int8   1      0     5
FENCE_ALT_MAX        real   100    10    1000
FENCE_RADIUS         real   300    30    10000
FENCE_MARGIN         real   2      1     10
FENCE_TOTAL          int8   0      0     127    fact
FENCE_ALT_MIN        real   -10    -100  100
FENCE_AUTOENABLE     int8   0      0     3
FENCE_OPTIONS        int16  0      0     7
RALLY_TOTAL          int8   0      0     127    fact
RALLY_LIMIT_KM       real   0.3    0     100
RALLY_INCL_HOME      int8   1      0     1
TERRAIN_ENABLE       int8   1      0     1
TERRAIN_SPACING      int16  100    1     1000
TERRAIN_OPTIONS      int16  0      0     1
TERRAIN_OFS_MAX      real   30     0     50
FS_GCS_ENABLE        int8   0      0     7
FS_GCS_TIMEOUT       real   5      2     120
FS_THR_ENABLE        int8   1      0     7
FS_EKF_ACTION        int8   1      0     3
FS_CRASH_CHECK       int8   1      0     1
FS_EKF_THRESH        real   0.8    0     1
FS_OPTIONS           int32  16     0     63
BATT_MONITOR         int8   4      4     4      fact
BATT_CAPACITY        int32  3300   0     200000
BATT_LOW_VOLT        real   0      0     60
BATT_CRT_VOLT        real   0      0     60
BATT_LOW_MAH         real   0      0     200000
BATT_CRT_MAH         real   0      0     200000
BATT_LOW_TIMER       int8   10     0     120
BATT_FS_LOW_ACT      int8   0      0     7
BATT_FS_CRT_ACT      int8   0      0     7
BATT_ARM_VOLT        real   0      0     60
BATT_ARM_MAH         int32  0      0     200000
CAM1_TYPE            int8   1      0     1
CAM1_INTRVAL_MIN     real   0      0     10
CAM_AUTO_ONLY        int8   0      0     1
RC_OVERRIDE_TIME     real   3      0     120
GPS1_TYPE            int8   1      0     30     fact
AHRS_EKF_TYPE        int8   3      3     3      fact
EK3_ENABLE           int8   1      1     1      fact
"""

_TYPES = {"int8": INT8, "int16": INT16, "int32": INT32, "real": REAL32}


def read_table(text: str) -> dict[str, ParamInfo]:
    """Parameters by name from lines of name, type, default, least and greatest value, and "fact"."""
    table = {}
    for line in text.split("\n"):
        if fields := line.split():
            name, kind, default, low, high, *fact = fields
            table[name] = ParamInfo(name, _TYPES[kind], float(default), float(low), float(high), bool(fact))
    return table


PARAMETERS = read_table(_TABLE)
"""Every parameter by name, in the order in which the vehicle lists them."""


def problem_with(name: str, value: float, known: Mapping[str, ParamInfo] = PARAMETERS) -> str | None:
    """What is wrong with setting a parameter to this before the flight, or None."""
    info = known.get(name)
    if info is None:
        near = difflib.get_close_matches(name.upper(), known, 3)
        return f"{name} is not a parameter of this vehicle" + (
            f"; near it: {', '.join(near)}" if near else ""
        )
    if info.read_only:
        return f"{name} states a fact about this vehicle and cannot be set"
    if not info.low <= value <= info.high:
        return f"{name} = {value:g} is out of its range {info.low:g} to {info.high:g}"
    return None


class Params:
    """The values of one vehicle, whose parameters are those of `known`."""

    def __init__(self, known: Mapping[str, ParamInfo] = PARAMETERS, **changed: float) -> None:
        self.known = known
        self._values = {name: info.default for name, info in known.items()}
        self._names = list(known)
        for name, value in changed.items():
            self.put(name, value)

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._names)

    def name_at(self, index: int) -> str | None:
        """The name of the parameter at an index, or None."""
        return self._names[index] if 0 <= index < len(self._names) else None

    def index_of(self, name: str) -> int:
        """The place of a parameter in the list."""
        return self._names.index(name)

    def set(self, name: str, value: float) -> bool:
        """What PARAM_SET does: False if there is no such parameter. Facts keep their value; integers are
        rounded; values are not held to their range (ArduPilot does not either), but NaN and numbers
        beyond all reason are refused."""
        info = self.known.get(name)
        if info is None:
            return False
        if not info.read_only and abs(value) <= 1e9:
            self.put(name, value)
        return True

    def put(self, name: str, value: float) -> None:
        """Set a value from inside (facts too)."""
        info = self.known[name]
        self._values[name] = float(value) if info.type == REAL32 else float(round(value))
