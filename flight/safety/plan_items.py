"""Whether the items of a plan are such that an autopilot takes them and does them.

Sources: ArduPilot AP_Mission.cpp (mavlink_int_to_mission_cmd, sanity_check_params) and ArduCopter
mode_auto.cpp (start_command), 4.7; PX4 mavlink_mission.cpp (parse_mavlink_mission_item), 1.16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from flight.commands.basics import command_name
from flight.safety.alerts import Alert, Severity
from flight.safety.plan_path import AMSL_FRAMES, LOCATED, RELATIVE_FRAMES, TERRAIN_FRAMES
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

_ARDUPILOT = frozenset(
    {
        *(16, 17, 18, 19, 20, 21, 22, 30, 31, 82, 83, 84, 85, 92, 93, 94, 112, 114, 115, 177, 178, 179, 181),
        *(182, 183, 184, 188, 189, 191, 193, 194, 195, 197, 201, 202, 203, 205, 206, 207, 208, 210, 211, 212),
        *(213, 215, 216, 217, 218, 222, 223, 531, 532, 534, 600, 601, 1000, 2000, 2001, 2500, 2501, 3000),
        *(42600, 42702, 42703),
    }
)
_ARDUCOPTER_IDLE = frozenset({30, 83, 191, 193, 194, 210, 212, 213, 223, 3000})
"""Stored, but a multirotor passes over them."""
_PX4 = frozenset(
    {
        *(16, 17, 19, 20, 21, 22, 31, 80, 84, 85, 93, 112, 114, 177, 178, 179, 183, 187, 189, 195, 196, 197),
        *(200, 201, 203, 204, 205, 206, 211, 214, 260, 530, 531, 532, 534, 1000, 1001, 2000, 2001, 2003),
        *(2500, 2501, 3000, 4501, 42600),
    }
)
KNOWN = {"ardupilot": _ARDUPILOT, "px4": _PX4}
FRAMES = {
    "ardupilot": (*AMSL_FRAMES, *RELATIVE_FRAMES, *TERRAIN_FRAMES),
    "px4": (*AMSL_FRAMES, *RELATIVE_FRAMES),
}
_HIGHEST_M = 83_000.0
"""LOCATION_ALT_MAX_M of ArduPilot."""
_YAW_MAY_BE_NAN = (16, 17, 21, 22, 84, 85)
_FASTEST_MPS = 20.0
"""The highest WPNAV_SPEED that ArduCopter lets set."""


def item_alerts(mission: Mission, autopilot: str) -> Iterator[Alert]:
    """What is wrong with single items. `autopilot` is "ardupilot" or "px4"; items are counted from 1."""
    for index, item in enumerate(mission.items):
        for key, severity, values in _faults(item, autopilot, len(mission.items)):
            named = {"item": index + 1, "command": command_name(item.command), **values}
            yield Alert(f"plan.{key}", severity, named, about=str(index + 1))


def in_this_world(item: MissionItem) -> bool:
    """Whether an item's place can be reckoned with."""
    numbers = (item.lat_deg, item.lon_deg, item.alt_m)
    return all(map(math.isfinite, numbers)) and abs(item.lat_deg) <= 90.0 and abs(item.lon_deg) <= 180.0


def _faults(
    item: MissionItem, autopilot: str, count: int
) -> Iterator[tuple[str, Severity, dict[str, object]]]:
    known = KNOWN.get(autopilot)
    if known is not None and item.command not in known:
        yield "command_unknown", Severity.BAD, {"autopilot": autopilot}
        return
    if autopilot == "ardupilot" and item.command in _ARDUCOPTER_IDLE:
        yield "command_idle", Severity.WARN, {}
    located = item.command in LOCATED and (item.lat_deg != 0.0 or item.lon_deg != 0.0)
    if not in_this_world(item):
        place = f"{item.lat_deg:g}, {item.lon_deg:g}, {item.alt_m:g} m"
        yield "place", Severity.BAD, {"place": place}
    elif located and abs(item.alt_m) >= _HIGHEST_M:
        yield "altitude", Severity.BAD, {"alt": item.alt_m}
    if located and item.frame == AltitudeFrame.MISSION:
        yield "frame_mission", Severity.BAD, {}
    elif located and item.frame not in FRAMES.get(autopilot, FRAMES["ardupilot"]):
        yield "frame", Severity.BAD, {"frame": item.frame, "autopilot": autopilot}
    yield from _parameter_faults(item, autopilot)
    if item.command == Command.DO_JUMP and not 1 <= item.params[0] <= count:
        yield "jump", Severity.BAD, {"target": item.params[0], "count": count}
    if item.command == Command.DO_CHANGE_SPEED and item.params[1] > _FASTEST_MPS:
        yield "speed", Severity.WARN, {"speed": item.params[1], "most": _FASTEST_MPS}


def _parameter_faults(item: MissionItem, autopilot: str) -> Iterator[tuple[str, Severity, dict[str, object]]]:
    for number, value in enumerate(item.params, start=1):
        yaw = number == 4 and item.command in _YAW_MAY_BE_NAN
        if math.isinf(value) or (math.isnan(value) and autopilot == "ardupilot" and not yaw):
            yield "parameter", Severity.BAD, {"number": number, "value": value}
            return
