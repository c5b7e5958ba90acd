"""Mission items as ArduCopter stores them: the commands it takes, and what it keeps of each (AP_Mission)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

HIGHEST_M = 83_000.0
"""What a height can be (ArduPilot's LOCATION_ALT_MAX_M)."""


class Result(IntEnum):
    """MAV_MISSION_RESULT, the members that this vehicle answers with."""

    ACCEPTED = 0
    ERROR = 1
    UNSUPPORTED_FRAME = 2
    UNSUPPORTED = 3
    NO_SPACE = 4
    INVALID = 5
    INVALID_PARAM1 = 6
    INVALID_PARAM2 = 7
    INVALID_PARAM3 = 8
    INVALID_PARAM4 = 9
    INVALID_PARAM5_X = 10
    INVALID_PARAM6_Y = 11
    INVALID_PARAM7 = 12
    INVALID_SEQUENCE = 13
    DENIED = 14
    OPERATION_CANCELLED = 15


class Frame(IntEnum):
    """MAV_FRAME as the vehicle stores it."""

    GLOBAL = 0
    MISSION = 2
    RELATIVE = 3
    TERRAIN = 10


FRAMES = {
    0: Frame.GLOBAL,
    2: Frame.GLOBAL,
    3: Frame.RELATIVE,
    5: Frame.GLOBAL,
    6: Frame.RELATIVE,
    10: Frame.TERRAIN,
    11: Frame.TERRAIN,
}

WAYPOINT, LOITER_UNLIM, LOITER_TURNS, LOITER_TIME, RTL, LAND, TAKEOFF = 16, 17, 18, 19, 20, 21, 22
LOITER_TO_ALT, SPLINE, GUIDED_ENABLE, DELAY = 31, 82, 92, 93
CONDITION_DELAY, CONDITION_DISTANCE, CONDITION_YAW = 112, 114, 115
JUMP, CHANGE_SPEED, SET_HOME, RETURN_PATH_START, LAND_START = 177, 178, 179, 188, 189
PAUSE_CONTINUE = 193
JUMP_TAG, JUMP_TO_TAG = 600, 601
ROI_LOCATION, ROI_NONE, ROI, DIGICAM, MOUNT_CONTROL, GIMBAL = 195, 197, 201, 203, 205, 1000
TRIGGER_DISTANCE, START_CAPTURE, STOP_CAPTURE = 206, 2000, 2001
FENCE_ENABLE = 207

_TABLE = """
16   WP                 nav   place  i...
17   LoitUnlim          nav   place  ..r.
18   LoitTurns          nav   place  t.Rb
19   LoitTime           nav   place  i.sb
20   RTL                nav   -      ....
21   Land               nav   place  i..s
22   Takeoff            nav   place  i...
31   LoitAltitude       nav   place  .r.b
82   SplineWP           nav   place  i...
92   GuidedEnable       nav   place  i...
93   Delay              nav   -      fiii
112  CondDelay          do    -      f...
114  CondDist           do    -      f...
115  CondYaw            do    -      ffii
177  Jump               do    -      ii..
178  ChangeSpeed        do    -      iff.
179  SetHome            do    place  i...
181  SetRelay           do    -      ii..
182  RepeatRelay        do    -      iif.
183  SetServo           do    -      ii..
184  RepeatServo        do    -      iiif
188  ReturnPathStart    do    place  ....
189  LandStart          do    place  ....
193  PauseContinue      do    -      i...
195  SetROILocation     do    place  i...
197  SetROINone         do    -      i...
201  SetROI             do    place  i...
202  DigiCamCfg         do    xyz    iiii
203  DigiCamCtrl        do    xy     iiii
205  MountControl       do    two    fff.
206  SetCamTrigDst      do    -      f.i.
207  FenceEnable        do    -      i...
208  Parachute          do    -      i...
211  Gripper            do    -      ii..
222  GuidedLimits       do    -      ifff
531  SetCameraZoom      do    -      if..
532  SetCameraFocus     do    -      if..
600  Tag                do    -      i...
601  JumpToTag          do    -      ii..
1000 GimbalPitchYaw     do    xz     ffff
2000 ImageStartCapture  do    -      ifii
2001 ImageStopCapture   do    -      i...
2500 VideoStartCapture  do    -      i...
2501 VideoStopCapture   do    -      i...
"""
"""Number, name in "Mission: 3 WP", kind, what of x, y and z is kept (a place, or numbers; two: z reads back
as 2), and of the four parameters: f as it is, i the whole number, r a signed whole radius, b whether it is
positive, s its sign, t turns, R their radius."""


@dataclass(frozen=True)
class Kind:
    """What there is to know of a command."""

    name: str
    navigates: bool
    keeps_xyz: str
    keeps: str


def _read_table() -> dict[int, Kind]:
    lines = (line.split() for line in _TABLE.split("\n"))
    return {int(f[0]): Kind(f[1], f[2] == "nav", f[3], f[4]) for f in lines if f}


KINDS = _read_table()
"""Every command that is taken into a mission."""
NAV_COMMANDS = frozenset(number for number, kind in KINDS.items() if kind.navigates)
WITH_PLACE = frozenset(number for number, kind in KINDS.items() if kind.keeps_xyz == "place")
SILENT = frozenset({181, 182, 183, 184, 202, DIGICAM, TRIGGER_DISTANCE, 208, 211, 531, 532, JUMP_TAG, GIMBAL})
SILENT |= {START_CAPTURE, STOP_CAPTURE, 2500, 2501}
"""Orders whose end is not told by MISSION_ITEM_REACHED (those that AP_Mission itself carries out)."""
_YAW_MAY_BE_NAN = frozenset({WAYPOINT, LOITER_UNLIM, LAND, TAKEOFF})


@dataclass(frozen=True)
class Item:
    """One stored item. x and y are degrees times 1e7, as they came over the wire."""

    command: int
    frame: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: int
    y: int
    z: float

    @property
    def has_place(self) -> bool:
        """True if the item names a place on the map."""
        return self.command in WITH_PLACE and (self.x != 0 or self.y != 0)


def check(item: Item) -> Result:
    """What ArduCopter says to an item before it stores it."""
    kind = KINDS.get(item.command)
    for number, value in enumerate((item.p1, item.p2, item.p3, item.p4)):
        may_be_nan = number == 3 and item.command in _YAW_MAY_BE_NAN
        if math.isinf(value) or (math.isnan(value) and not may_be_nan):
            return Result(Result.INVALID_PARAM1 + number)
    if kind is None:
        return Result.UNSUPPORTED
    if item.command in WITH_PLACE:
        if abs(item.x) > 900_000_000:
            return Result.INVALID_PARAM5_X
        if abs(item.y) > 1_800_000_000:
            return Result.INVALID_PARAM6_Y
        if not abs(item.z) < HIGHEST_M:  # NaN too
            return Result.INVALID_PARAM7
        if item.frame not in FRAMES:
            return Result.UNSUPPORTED_FRAME
    return Result.ACCEPTED


def _kept(how: str, value: float) -> float:
    """One parameter as it reads back."""
    if how == "f":
        return value
    if how == "i":
        return float(int(value))
    if how == "r":
        return math.copysign(float(int(abs(value))), value)
    if how == "R":  # eight bits, of tens where they do not suffice
        size = abs(value)
        return math.copysign(float(int(size) if size <= 255 else 10 * int(min(size * 0.1, 255))), value)
    if how == "t":  # eight bits, of 256ths below a whole turn
        return int(value * 256) / 256 if 0.0 < value < 1.0 else float(int(min(value, 255)))
    if how == "s":
        return -1.0 if value < 0.0 else 1.0
    return float(value > 0.0) if how == "b" else 0.0


def normalised(item: Item) -> Item:
    """The item as it reads back: frames folded, what the storage has no room for lost."""
    kind = KINDS[item.command]
    params = (item.p1, item.p2, item.p3, item.p4)
    p1, p2, p3, p4 = (_kept(how, value) + 0.0 for how, value in zip(kind.keeps, params, strict=True))
    kept = replace(item, p1=p1, p2=p2, p3=p3, p4=p4)
    if kind.keeps_xyz == "place":
        return replace(kept, frame=FRAMES[item.frame], z=int(item.z * 100.0) / 100.0)
    x, y = (value if axis in kind.keeps_xyz else 0 for axis, value in (("x", item.x), ("y", item.y)))
    z = float(int(item.z)) if "z" in kind.keeps_xyz and math.isfinite(item.z) else 0.0
    return replace(kept, frame=Frame.GLOBAL, x=x, y=y, z=2.0 if kind.keeps_xyz == "two" else z)
