"""How many mission items a vehicle or its app holds, and how many a mission takes there.

- ArduPilot: (StorageMission bytes - 4) / 15, home in slot 0 counted. ArduCopter on boards with 16 kB of
  storage has 2422 + 2132 + 5204 bytes: 650 (libraries/StorageManager/StorageManager.cpp, ArduPilot 0038b8e;
  a SITL ArduCopter 4.7 refuses the 651st). The 718 and 724 that its comments and older pages name are from
  before the CAN area took a kilobyte. With an SD card and BRD_SD_MISSION up to 4,367 (ArduPilot#22921);
  boards with 15 kB laid out for parameters hold only 303.
- PX4: NUM_MISSIONS_SUPPORTED, 500 on a flight controller since December 2021 (PX4-Autopilot#18827,
  src/modules/navigator/navigation.h; 2000 before, 65,534 in simulation). No home slot.
- DJI: waypoint indices of a WPML route run to 65,535, and a route has 2 to 65,535 of them (Cloud API, "Common
  Elements"; Mobile-SDK-Android-V5#435). Triggers are not waypoints. DJI Fly on phones and the RC 2 is known
  to stop or crash above 99 (YMapper#8, drone-flightplan#19); DJI documents no number for it.
"""

from __future__ import annotations

from plans.errors import SurveyError
from plans.mission import Command, Mission

_CAPACITY = {"ardupilot": 650, "px4": 500, "dji": 65_535, "dji-fly": 99}
AUTOPILOTS = tuple(_CAPACITY)
"""The names that item_capacity and count_items know."""

_ROUTE_POINTS = (Command.NAV_TAKEOFF, Command.NAV_WAYPOINT, Command.NAV_SPLINE_WAYPOINT)


def item_capacity(autopilot: str) -> int:
    """The most items (as count_items counts them) that one mission may have. Raises SurveyError."""
    return _CAPACITY[_known(autopilot)]


def count_items(mission: Mission, autopilot: str) -> int:
    """The slots that a mission takes: for ArduPilot home too, for DJI the points of the route alone.

    Raises SurveyError for an autopilot that is not known.
    """
    name = _known(autopilot)
    if name.startswith("dji"):
        return sum(item.has_place and item.command in _ROUTE_POINTS for item in mission.items)
    return len(mission.items) + (1 if name == "ardupilot" else 0)


def _known(autopilot: str) -> str:
    name = autopilot.strip().lower()
    if name not in _CAPACITY:
        raise SurveyError(f"autopilot {autopilot!r} is not known; use one of {', '.join(AUTOPILOTS)}")
    return name
