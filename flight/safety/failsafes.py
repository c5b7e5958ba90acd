"""What a vehicle's own failsafes are set to do, from its parameters.

Sources: ArduCopter events.cpp (failsafe_gcs_check, failsafe_gcs_on_event, failsafe_radio_on_event) and
defines.h, 4.7; PX4 failsafe.cpp and failsafe/framework.cpp, 1.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flight.safety.way_home import first_param
from flight.state import VehicleState
from plans.px4_time import PX4_TIME_PARAMETERS

_GCS_CONTINUE_IF_AUTO, _RC_CONTINUE_IF_AUTO = 2, 1
_CONTINUE_IF_LANDING, _CONTINUE_IF_PILOT = 8, 16
_LANDING_MODES = ("LAND", "AUTO.LAND", "AUTO.PRECLAND")
_BY_STICKS = ("STABILIZE", "ALT_HOLD", "LOITER", "POSHOLD", "ACRO", "SPORT", "DRIFT", "BRAKE", "FLIP")
_PAUSE_BEFORE_LANDING_S = 4.0
"""ArduCopter's LAND_WITH_DELAY_MS."""

PARAMETERS = (
    *("FS_GCS_ENABLE", "FS_GCS_TIMEOUT", "FS_OPTIONS", "FS_THR_ENABLE", "FS_EKF_ACTION"),
    *("MAV_GCS_SYSID", "MAV_GCS_SYSID_HI", "SYSID_MYGCS", "BATT_CAPACITY"),
    *("BATT_LOW_MAH", "BATT_CRT_MAH", "BATT_LOW_VOLT", "BATT_CRT_VOLT", "BATT_FS_LOW_ACT", "BATT_FS_CRT_ACT"),
    *("RTL_ALT", "RTL_ALT_M", "RTL_ALT_FINAL", "RTL_ALT_FINAL_M", "RTL_ALT_TYPE", "RTL_CLIMB_MIN"),
    *("RTL_CLIMB_MIN_M", "RTL_CONE_SLOPE", "RTL_LOIT_TIME", "RTL_SPEED", "RTL_SPEED_MS"),
    *("WPNAV_SPEED", "WPNAV_SPEED_UP", "WPNAV_SPEED_DN", "WPNAV_ACCEL", "WP_SPD", "WP_SPD_UP", "WP_SPD_DN"),
    *("WP_ACC", "LAND_SPEED", "LAND_SPD_MS", "LAND_SPEED_HIGH", "LAND_ALT_LOW", "LAND_ALT_LOW_M"),
    *("FENCE_ENABLE", "FENCE_TYPE", "FENCE_ALT_MAX", "FENCE_RADIUS", "FENCE_MARGIN", "FENCE_OPTIONS"),
    *("CAM1_TYPE", "RALLY_TOTAL", "RALLY_LIMIT_KM", "RALLY_INCL_HOME", "ADSB_ICAO_ID"),
)
"""Those of ArduCopter that the safety checks look at."""
PX4_PARAMETERS = (
    *("NAV_DLL_ACT", "COM_DL_LOSS_T", "COM_FAIL_ACT_T", "NAV_RCL_ACT", "COM_RCL_EXCEPT", "COM_LOW_BAT_ACT"),
    *("RTL_RETURN_ALT", "RTL_DESCEND_ALT", "RTL_LAND_DELAY", "RTL_MIN_DIST", "RTL_CONE_ANG", "RTL_TYPE"),
    *PX4_TIME_PARAMETERS,
    *("GF_ACTION", "GF_MAX_HOR_DIST", "GF_MAX_VER_DIST", "TRIG_MODE", "ADSB_ICAO_ID"),
)


class Action(StrEnum):
    """What a failsafe does. The values are keys of the words for it."""

    NONE = "none"
    HOLD = "hold"
    RETURN = "return"
    BACKTRACK = "backtrack"
    LAND = "land"
    LAND_SEQUENCE = "land_sequence"
    TERMINATE = "terminate"


@dataclass(frozen=True)
class LinkFailsafe:
    """What a vehicle does without its station: `notices_s` after the last word, `acts_s` later `action`.

    `why` is a key of the words for why it does nothing (empty when it does something); `detail` its figures.
    """

    action: Action
    notices_s: float = 0.0
    acts_s: float = 0.0
    why: str = ""
    detail: Mapping[str, float] | None = None


_ARDUPILOT_ACTIONS = {
    1: Action.RETURN,
    2: Action.RETURN,
    3: Action.BACKTRACK,
    4: Action.BACKTRACK,
    5: Action.LAND,
    6: Action.LAND_SEQUENCE,
    7: Action.HOLD,
}
_PX4_ACTIONS = {
    1: Action.HOLD,
    2: Action.RETURN,
    3: Action.LAND,
    5: Action.TERMINATE,
    6: Action.TERMINATE,
}


def station_ids(params: Mapping[str, float]) -> tuple[int, int] | None:
    """The first and last system id that an ArduPilot takes for its station; None when it does not tell."""
    low = first_param(params, (("MAV_GCS_SYSID", 1.0), ("SYSID_MYGCS", 1.0)))
    if low is None:
        return None
    high = params.get("MAV_GCS_SYSID_HI", 0.0)
    return int(low), max(int(low), int(high))


def listens_to(params: Mapping[str, float], station_sysid: int) -> bool | None:
    """Whether an ArduPilot's failsafe watches for this station; None when that cannot be told."""
    ids = station_ids(params)
    return None if ids is None else ids[0] <= station_sysid <= ids[1]


def link_failsafe(state: VehicleState, params: Mapping[str, float], station_sysid: int) -> LinkFailsafe:
    """What the vehicle's own link failsafe does in its present mode."""
    if state.is_px4:
        return _px4_link(state, params)
    return _ardupilot_link(state, params, station_sysid)


def _ardupilot_link(state: VehicleState, params: Mapping[str, float], station_sysid: int) -> LinkFailsafe:
    enabled = int(params.get("FS_GCS_ENABLE", 0))
    notices = params.get("FS_GCS_TIMEOUT", 5.0)
    options = int(params.get("FS_OPTIONS", _CONTINUE_IF_PILOT))
    if not enabled:
        return LinkFailsafe(Action.NONE, why="off")
    if listens_to(params, station_sysid) is False:
        ids = station_ids(params) or (0, 0)
        return LinkFailsafe(
            Action.NONE, why="other_station", detail={"theirs": ids[0], "ours": station_sysid}
        )
    if state.mode in _LANDING_MODES and options & _CONTINUE_IF_LANDING:
        return LinkFailsafe(Action.NONE, notices, why="landing")
    if state.mode == "AUTO" and options & _GCS_CONTINUE_IF_AUTO:
        return LinkFailsafe(Action.NONE, notices, why="option")
    if state.mode in _BY_STICKS and options & _CONTINUE_IF_PILOT:
        return LinkFailsafe(Action.NONE, notices, why="pilot")
    action = _ARDUPILOT_ACTIONS.get(enabled, Action.RETURN)
    if action is Action.RETURN and state.mode == "RTL":
        return LinkFailsafe(Action.NONE, notices, why="returning")
    return LinkFailsafe(action, notices, _PAUSE_BEFORE_LANDING_S if action is Action.LAND else 0.0)


def _px4_link(state: VehicleState, params: Mapping[str, float]) -> LinkFailsafe:
    action = _PX4_ACTIONS.get(int(params.get("NAV_DLL_ACT", 0)), Action.NONE)
    notices = params.get("COM_DL_LOSS_T", 10.0)
    if action is Action.NONE:
        return LinkFailsafe(Action.NONE, why="off_px4")
    if state.mode in _LANDING_MODES:
        return LinkFailsafe(Action.NONE, notices, why="landing")
    if action is Action.RETURN and state.mode == "AUTO.RTL":
        return LinkFailsafe(Action.NONE, notices, why="returning")
    holds = 0.0 if action in (Action.HOLD, Action.TERMINATE) else params.get("COM_FAIL_ACT_T", 5.0)
    return LinkFailsafe(action, notices, holds)


def radio_failsafe(state: VehicleState, params: Mapping[str, float]) -> Action | None:
    """What it does when the remote control is lost, in a mission; None when it does not tell."""
    if state.is_px4:
        if "NAV_RCL_ACT" not in params:
            return None
        if int(params.get("COM_RCL_EXCEPT", 0)) & 1:
            return Action.NONE
        return _PX4_ACTIONS.get(int(params["NAV_RCL_ACT"]), Action.NONE)
    if "FS_THR_ENABLE" not in params:
        return None
    enabled = int(params["FS_THR_ENABLE"])
    if not enabled or int(params.get("FS_OPTIONS", 0)) & _RC_CONTINUE_IF_AUTO:
        return Action.NONE
    return Action.LAND if enabled == 3 else _ARDUPILOT_ACTIONS.get(enabled, Action.LAND)


def battery_failsafe(params: Mapping[str, float]) -> tuple[Action, Action] | None:
    """What ArduPilot does at its low and at its critical mark; None when it does not tell. Marks of 0 never
    come: see `battery_marks`."""
    if "BATT_FS_LOW_ACT" not in params:
        return None
    actions = {
        1: Action.LAND,
        2: Action.RETURN,
        3: Action.BACKTRACK,
        4: Action.BACKTRACK,
        5: Action.TERMINATE,
    }
    actions |= {6: Action.LAND_SEQUENCE, 7: Action.HOLD}
    low = actions.get(int(params["BATT_FS_LOW_ACT"]), Action.NONE)
    return low, actions.get(int(params.get("BATT_FS_CRT_ACT", 0)), Action.NONE)


def battery_marks(params: Mapping[str, float]) -> bool:
    """Whether any mark is set at which ArduPilot's battery failsafe would act."""
    names = ("BATT_LOW_MAH", "BATT_CRT_MAH", "BATT_LOW_VOLT", "BATT_CRT_VOLT")
    return any(params.get(name, 0.0) > 0 for name in names)
