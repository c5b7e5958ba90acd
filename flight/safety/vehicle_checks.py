"""Is this vehicle ready for this plan, by its telemetry and its parameters?

`check_vehicle` is a function of what is known; `flight.safety.vehicle_facts` asks the vehicle for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flight.commands.basics import arming_reasons
from flight.safety.alerts import LANGUAGES, phrase
from flight.safety.checklist import Check, CheckState
from flight.safety.failsafes import Action, battery_marks, listens_to, radio_failsafe, station_ids
from flight.safety.local_frames import frame_at
from flight.safety.plan_check import PlanReport
from flight.safety.way_home import first_param, return_settings
from flight.state import VehicleState
from plans.frames import GeoPoint

_FENCE_HEIGHT, _FENCE_RADIUS, _FENCE_POLYGONS = 1, 2, 4
"""Bits of FENCE_TYPE."""
_PX4_ALWAYS, _PX4_BY_DISTANCE = 3, 4
"""TRIG_MODE: by distance from the start to the end of power, and while the mission asks for it."""
_PX4_FENCE_HOLDS = 2
"""The first GF_ACTION that does something."""
OK, WARN, FAIL, UNKNOWN = CheckState.OK, CheckState.WARN, CheckState.FAIL, CheckState.UNKNOWN


@dataclass(frozen=True)
class VehicleFacts:
    """What was asked of the vehicle and of this computer. None: not known. Differences are lines; none means
    that the vehicle holds what the plan says."""

    params: Mapping[str, float] = field(default_factory=dict)
    home: GeoPoint | None = None
    clock_off_s: float | None = None
    mission_differences: tuple[str, ...] | None = None
    fence_differences: tuple[str, ...] | None = None
    rally_differences: tuple[str, ...] | None = None
    rally_points: tuple[GeoPoint, ...] | None = None
    """Those that it holds, where the plan has none of its own; heights as in Mission.rally."""
    loss_share: float | None = None
    quiet_s: float = 3.5
    station_sysid: int = 255
    disputed: str | None = None
    free_bytes: int | None = None


@dataclass(frozen=True)
class CheckLimits:
    """From where on something is told (warn) or keeps the vehicle on the ground (fail)."""

    battery_warn_percent: float = 50.0
    battery_fail_percent: float = 25.0
    landing_percent: float = 20.0
    endurance_s: float | None = None
    """How long 100 % of the pack cruises; the plan's need is checked when it is given."""
    satellites: int = 8
    hdop_warn: float = 1.5
    hdop_fail: float = 3.0
    launch_warn_m: float = 50.0
    launch_fail_m: float = 500.0
    wind_warn_mps: float = 8.0
    wind_fail_mps: float = 12.0
    clock_s: float = 3.0
    free_warn_bytes: int = 2_000_000_000
    free_fail_bytes: int = 200_000_000
    loss_warn: float = 0.2


def check_vehicle(
    state: VehicleState,
    now_s: float,
    facts: VehicleFacts,
    plan: PlanReport,
    limits: CheckLimits | None = None,
) -> tuple[Check, ...]:
    """The automatic checks. `now_s` is of the clock of the state's moments."""
    limits = limits or CheckLimits()
    return (
        *_link(state, now_s, facts, limits),
        *_readiness(state, now_s),
        _gps(state, limits),
        _battery(state, plan, limits),
        _home(state, facts, plan, limits),
        *_held(facts, plan),
        *_plan(plan),
        *_camera(state, facts, plan),
        *_fence(state, facts, plan),
        *_failsafes(state, facts),
        _return_height(state, facts, plan),
        _wind(state, limits),
        _clock(facts, limits),
        _disk(facts, limits),
    )


def _check(key: str, state: CheckState, words: str = "", **values: Any) -> Check:
    name = f"check.{words or key}" + ("_ok" if state is CheckState.OK and not words else "")
    return Check(key, state, {language: phrase(name, language, values) for language in LANGUAGES})


def _link(state: VehicleState, now_s: float, facts: VehicleFacts, limits: CheckLimits) -> Iterator[Check]:
    silence = now_s - state.heard_s
    if facts.disputed is not None:
        yield Check("system_id", FAIL, {"en": (facts.disputed, ""), "zh": (facts.disputed, "")})
    if silence > facts.quiet_s:
        yield _check("link", FAIL, "link_silent", silence=silence)
    elif facts.loss_share is not None and facts.loss_share > limits.loss_warn:
        yield _check("link", WARN, "link_lossy", loss=100 * facts.loss_share)
    else:
        yield _check("link", OK)


def _readiness(state: VehicleState, now_s: float) -> Iterator[Check]:
    health, ekf = state.health, state.ekf
    if health is None or health.prearm_ok is None:
        yield _check("prearm", UNKNOWN, "prearm_unknown")
    elif health.prearm_ok:
        yield _check("prearm", OK)
    else:
        reasons = "; ".join(arming_reasons(state, now_s - 60.0))
        if reasons:
            yield _check("prearm", FAIL, "prearm_fails", reasons=reasons)
        else:
            yield _check("prearm", FAIL, "prearm_silent")
    if ekf is None:
        yield _check("ekf", UNKNOWN, "ekf_unknown")
    elif ekf.has_position:
        yield _check("ekf", OK)
    else:
        yield _check("ekf", FAIL, "ekf_lost")


def _gps(state: VehicleState, limits: CheckLimits) -> Check:
    gps = state.gps
    if gps is None:
        return _check("gps", UNKNOWN, "gps_unknown")
    values: dict[str, Any] = {"fix": gps.fix, "satellites": gps.satellites, "hdop": gps.hdop}
    if gps.fix < 3:
        return _check("gps", FAIL, "gps_no_fix", **values)
    if gps.hdop > limits.hdop_fail:
        return _check("gps", FAIL, "gps_poor", **values)
    if gps.satellites < limits.satellites or gps.hdop > limits.hdop_warn:
        return _check("gps", WARN, "gps_poor", **values)
    return _check("gps", OK, **values)


def _battery(state: VehicleState, plan: PlanReport, limits: CheckLimits) -> Check:
    battery = state.battery
    if battery is None or math.isnan(battery.remaining_percent):
        return _check("battery", UNKNOWN, "battery_unknown")
    percent = battery.remaining_percent
    values: dict[str, Any]
    if limits.endurance_s is not None and math.isfinite(plan.facts.battery_s):
        need = 100 * plan.facts.battery_s / limits.endurance_s + limits.landing_percent
        values = {"percent": percent, "need": need, "landing": limits.landing_percent}
        return _check("battery", FAIL if percent < need else OK, "battery_for_plan", **values)
    values = {"percent": percent, "voltage": battery.voltage_v}
    if percent < limits.battery_fail_percent:
        return _check("battery", FAIL, "battery_low", **values)
    if percent < limits.battery_warn_percent:
        return _check("battery", WARN, "battery_low", **values)
    return _check("battery", OK, **values)


def _home(state: VehicleState, facts: VehicleFacts, plan: PlanReport, limits: CheckLimits) -> Check:
    position, home = state.position, facts.home
    if home is None:
        if position is None or (position.lat_deg == 0.0 and position.lon_deg == 0.0):
            return _check("home", FAIL, "home_unset")
        home = GeoPoint(position.lat_deg, position.lon_deg)
    if plan.facts.launch is None:
        return _check("home", UNKNOWN, "home_no_launch")
    distance = frame_at(home).distance_m(plan.facts.launch)
    state_ = FAIL if distance > limits.launch_fail_m else WARN if distance > limits.launch_warn_m else OK
    return _check("home", state_, "home_distance", distance=distance)


def _held(facts: VehicleFacts, plan: PlanReport) -> Iterator[Check]:
    kinds = (
        ("mission", facts.mission_differences, True),
        ("fence", facts.fence_differences, plan.facts.fence),
        ("rally", facts.rally_differences, plan.facts.rally),
    )
    for name, differences, wanted in kinds:
        if not wanted:
            continue
        if differences is None:
            yield _check(f"{name}_held", UNKNOWN, "held_unknown", name=name)
        elif differences:
            more = {"first": differences[0], "count": len(differences)}
            yield _check(f"{name}_held", FAIL, "held_differs", name=name, **more)
        else:
            yield _check(f"{name}_held", OK, "held", name=name)
    known = facts.rally_points
    others = facts.params.get("RALLY_TOTAL", 0.0) if known is None else len(known)
    if others > 0 and not plan.facts.rally:
        yield _check("rally_held", WARN, "rally_others", count=others)


def _plan(plan: PlanReport) -> Iterator[Check]:
    found = plan.faults or plan.warnings
    if not found:
        yield _check("plan", OK)
    for alert in found:
        words = {language: (alert.says(language), alert.todo(language)) for language in LANGUAGES}
        yield Check(alert.key, FAIL if alert in plan.faults else WARN, words)


def _camera(state: VehicleState, facts: VehicleFacts, plan: PlanReport) -> Iterator[Check]:
    if not plan.facts.photos:
        return
    name = "TRIG_MODE" if state.is_px4 else "CAM1_TYPE"
    value = facts.params.get(name)
    if value is None:
        yield _check("camera", UNKNOWN, "camera_unknown", name=name)
    elif value == 0:
        yield _check("camera", WARN, "camera_off", name=name, wanted=_PX4_BY_DISTANCE if state.is_px4 else 1)
    elif state.is_px4 and value != _PX4_BY_DISTANCE:
        words = "camera_always" if value == _PX4_ALWAYS else "camera_by_time"
        yield _check("camera", WARN, words, name=name, value=value, wanted=_PX4_BY_DISTANCE)
    else:
        yield _check("camera", OK)


def _fence(state: VehicleState, facts: VehicleFacts, plan: PlanReport) -> Iterator[Check]:
    params = facts.params
    switch = "GF_ACTION" if state.is_px4 else "FENCE_ENABLE"
    if switch not in params:
        return
    value, least = params[switch], _PX4_FENCE_HOLDS if state.is_px4 else 1
    if value < least:
        if plan.facts.fence:
            yield _check("fence_enabled", WARN, "fence_off", name=switch, value=value, wanted=least)
        return
    kinds = int(params.get("FENCE_TYPE", 7))
    if plan.facts.fence and not kinds & _FENCE_POLYGONS:
        yield _check("fence_enabled", WARN, "fence_no_polygons")
    heights, radii = _px4_bounds(params) if state.is_px4 else _ardupilot_bounds(params, kinds)
    highest, farthest = plan.facts.highest_m, plan.facts.farthest_m
    for name, roof in heights:
        if highest is not None and highest > roof:
            yield _check("fence_height", FAIL, "fence_height", highest=highest, roof=roof, name=name)
    for name, radius in radii:
        if farthest is not None and farthest > radius:
            yield _check("fence_radius", FAIL, "fence_radius", farthest=farthest, radius=radius, name=name)


_Bounds = list[tuple[str, float]]


def _ardupilot_bounds(params: Mapping[str, float], kinds: int) -> tuple[_Bounds, _Bounds]:
    """(name, metres) of what bounds the height, and the distance from home."""
    bounds = (("FENCE_ALT_MAX", _FENCE_HEIGHT), ("FENCE_RADIUS", _FENCE_RADIUS))
    height, radius = (
        [(name, params[name])] if kinds & bit and name in params else [] for name, bit in bounds
    )
    return height, radius


def _px4_bounds(params: Mapping[str, float]) -> tuple[_Bounds, _Bounds]:
    """As _ardupilot_bounds; 0 is no bound."""
    height, radius = (
        [(name, params[name])] if params.get(name, 0.0) > 0 else []
        for name in ("GF_MAX_VER_DIST", "GF_MAX_HOR_DIST")
    )
    return height, radius


def _failsafes(state: VehicleState, facts: VehicleFacts) -> Iterator[Check]:
    params = facts.params
    if not params:
        yield _check("failsafes", UNKNOWN, "failsafes_unknown")
        return
    radio = radio_failsafe(state, params)
    if radio is Action.NONE:
        name = "NAV_RCL_ACT" if state.is_px4 else "FS_THR_ENABLE"
        yield _check("radio_failsafe", WARN, "radio_failsafe_off", name=name)
    elif radio is not None:
        yield _check("radio_failsafe", OK)
    if state.is_px4:
        off = not params.get("NAV_DLL_ACT", 0.0)
        yield _check("gcs_failsafe", WARN if off else OK, "gcs_failsafe_off_px4" if off else "")
        return
    enabled = params.get("FS_GCS_ENABLE", 0.0) > 0
    yield _check("gcs_failsafe", OK if enabled else WARN, "" if enabled else "gcs_failsafe_off")
    if listens_to(params, facts.station_sysid) is False:
        theirs = (station_ids(params) or (0, 0))[0]
        values: dict[str, Any] = {"theirs": theirs, "ours": facts.station_sysid}
        yield _check("gcs_id", FAIL if enabled else WARN, "gcs_id_other", **values)
    elif enabled:
        yield _check("gcs_id", OK)
    if not battery_marks(params):
        yield _check("battery_failsafe", WARN, "battery_failsafe_off")


def _return_height(state: VehicleState, facts: VehicleFacts, plan: PlanReport) -> Check:
    need = plan.facts.rtl_height_m
    known = first_param(facts.params, (("RTL_ALT", 0.01), ("RTL_ALT_M", 1.0), ("RTL_RETURN_ALT", 1.0)))
    if known is None or need is None:
        name = "RTL_RETURN_ALT" if state.is_px4 else "RTL_ALT"
        return _check("return_height", UNKNOWN, "return_height_unknown", name=name)
    settings = return_settings(facts.params, state.is_px4)
    if settings.over_terrain or known >= need:
        return _check("return_height", OK, height=known)
    return _check("return_height", FAIL, "return_height_low", height=known, need=math.ceil(need))


def _wind(state: VehicleState, limits: CheckLimits) -> Check:
    if state.wind is None:
        return _check("wind", UNKNOWN, "wind_unknown")
    wind = state.wind.speed_mps
    found = FAIL if wind > limits.wind_fail_mps else WARN if wind > limits.wind_warn_mps else OK
    return _check("wind", found, "wind", wind=wind)


def _clock(facts: VehicleFacts, limits: CheckLimits) -> Check:
    if facts.clock_off_s is None:
        return _check("clock", UNKNOWN, "clock_unknown")
    off = facts.clock_off_s
    return _check("clock", WARN if abs(off) > limits.clock_s else OK, "clock", off=off)


def _disk(facts: VehicleFacts, limits: CheckLimits) -> Check:
    free = facts.free_bytes
    if free is None:
        return _check("disk", UNKNOWN, "disk_unknown")
    found = FAIL if free < limits.free_fail_bytes else WARN if free < limits.free_warn_bytes else OK
    return _check("disk", found, "disk", free=free / 1e9)
