"""What a vehicle does when it hears its station no more: when, where, and when it is on the ground.

Told before it happens, from the vehicle's own failsafe parameters, its place and its mission; and while it
happens, against the clock. Seconds count from the station's last word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flight.safety.ahead import IN_MISSION, place_of, rest_of_mission
from flight.safety.alerts import Alert, Severity
from flight.safety.failsafes import Action, LinkFailsafe, battery_failsafe, link_failsafe, radio_failsafe
from flight.safety.local_frames import frame_at
from flight.safety.plan_path import LegKind
from flight.safety.plan_time import leg_uses
from flight.safety.rally import Place, rally_places
from flight.safety.way_home import Doing, ReturnSettings, WayHome, landing, return_settings, way_home
from flight.state import VehicleState
from plans.energy import Wind
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission

_RETURNING = ("RTL", "SMART_RTL", "AUTO_RTL", "AUTO RTL", "AUTO.RTL")
_LANDING = ("LAND", "AUTO.LAND")
_STAYS = (
    "GUIDED",
    "AUTO.LOITER",
    "AUTO.READY",
    "BRAKE",
    "OFFBOARD",
    "CIRCLE",
    "THROW",
    "FOLLOW",
    "AUTO.FOLLOW",
)


@dataclass(frozen=True)
class Moment:
    """At `at_s` the vehicle begins to do what `alert` says, from a place on. `up_m` is above home."""

    at_s: float
    alert: Alert
    lat_deg: float
    lon_deg: float
    up_m: float

    def line(self, language: str = "en") -> str:
        """For a list: "+5 s it notices"."""
        return f"+{self.at_s:.0f} s  {self.alert.says(language)}"


@dataclass(frozen=True)
class LostLink:
    """The time after the last word. `ends_s` is when it is on the ground by itself, None when it never is (or
    nobody can tell); `acts` tells whether its failsafe does anything; `warnings` is what to know about it."""

    moments: tuple[Moment, ...]
    acts: bool
    ends_s: float | None
    warnings: tuple[Alert, ...] = ()

    def at(self, silence_s: float) -> Moment | None:
        """What it does by now; None for nothing (it is on the ground)."""
        return next((m for m in reversed(self.moments) if m.at_s <= silence_s), None)

    def after(self, silence_s: float) -> Moment | None:
        """What comes next."""
        return next((m for m in self.moments if m.at_s > silence_s), None)

    def now(self, silence_s: float) -> Alert:
        """In one sentence while nothing is heard: what it does by its settings, and what comes next."""
        doing, then = self.at(silence_s), self.after(silence_s)
        values: dict[str, object] = {"silence": silence_s}
        if doing is None:
            return Alert("lost.silent", Severity.BAD, values)
        values["doing"] = doing.alert
        if then is None:
            return Alert("lost.now_last", Severity.BAD, values)
        values |= {"next": then.alert, "left": then.at_s - silence_s}
        return Alert("lost.now", Severity.BAD, values)


class _Story:
    """Collects moments over home's local frame."""

    def __init__(self, local: LocalFrame) -> None:
        self.local = local
        self.moments: list[Moment] = []

    def tell(self, at_s: float, key: str, place: Place, **values: object) -> None:
        lat, lon = self.local.to_geo(place.east_m, place.north_m)
        alert = Alert(f"lost.{key}", Severity.INFO, values)
        self.moments.append(Moment(at_s, alert, float(lat), float(lon), place.up_m))


def lost_link(
    state: VehicleState,
    params: Mapping[str, float],
    mission: Mission | None,
    home: GeoPoint,
    station_sysid: int,
    wind: Wind | None = None,
) -> LostLink:
    """What happens if this is the last that the vehicle hears. `mission` is what it holds; `state` as it was
    when the last word came. Without a position or in the air by remote control there is little to tell."""
    local = frame_at(home)
    story = _Story(local)
    if not state.armed or state.position is None:
        return LostLink((), False, None)
    here = _place(state, local)
    velocity = (state.position.east_mps, state.position.north_mps)
    returns = return_settings(params, state.is_px4)
    failsafe = link_failsafe(state, params, station_sysid)
    calm = wind or Wind()
    if failsafe.action is Action.NONE:
        ends = _goes_on(story, state, mission, here, velocity, returns, calm, failsafe)
    else:
        story.tell(failsafe.notices_s, "notices", _ahead(here, velocity, failsafe.notices_s, state))
        acting = failsafe.notices_s + failsafe.acts_s
        at = _where_then(state, mission, here, velocity, returns, calm, failsafe.notices_s, local)
        if failsafe.acts_s > 0:  # it has stopped by then
            stop_s = math.hypot(*velocity) / returns.acceleration_mps2 / 2
            at = Place(at.east_m + stop_s * velocity[0], at.north_m + stop_s * velocity[1], at.up_m)
            velocity = (0.0, 0.0)
            story.tell(failsafe.notices_s, "holds", at, seconds=failsafe.acts_s)
        ends = _acts(story, failsafe, acting, at, velocity, returns, calm, rally_places(mission, local))
    warnings = tuple(_warnings(state, params, failsafe, ends))
    return LostLink(tuple(story.moments), failsafe.action is not Action.NONE, ends, warnings)


def _place(state: VehicleState, local: LocalFrame) -> Place:
    assert state.position is not None
    return place_of(state.position, local)


def _ahead(here: Place, velocity: tuple[float, float], seconds: float, state: VehicleState) -> Place:
    if state.mode not in IN_MISSION:
        return here
    return Place(here.east_m + velocity[0] * seconds, here.north_m + velocity[1] * seconds, here.up_m)


def _where_then(
    state: VehicleState,
    mission: Mission | None,
    here: Place,
    velocity: tuple[float, float],
    returns: ReturnSettings,
    wind: Wind,
    seconds: float,
    local: LocalFrame,
) -> Place:
    """Where its mission has taken it when the failsafe acts."""
    legs = rest_of_mission(state, mission, here, returns, local)
    if state.mode not in IN_MISSION or not legs:
        return _ahead(here, velocity, seconds, state)
    left = seconds
    for leg in legs:
        length = math.dist(leg.start, leg.end)
        needs = length / max(leg.speed_mps, 0.1)
        if needs >= left > 0:
            share = left / needs
            return Place(*(a + share * (b - a) for a, b in zip(leg.start, leg.end, strict=True)))
        left -= needs
    return Place(*legs[-1].end)


def _acts(
    story: _Story,
    failsafe: LinkFailsafe,
    at_s: float,
    here: Place,
    velocity: tuple[float, float],
    returns: ReturnSettings,
    wind: Wind,
    rallies: Sequence[Place],
) -> float | None:
    action = failsafe.action
    if action is Action.LAND:
        return _tell_way(story, landing(here, returns), at_s, returns)
    if action is Action.HOLD:
        story.tell(at_s, "stays", here)
        return None
    if action is Action.TERMINATE:
        story.tell(at_s, "terminates", here)
        return None
    if action is Action.BACKTRACK:
        story.tell(at_s, "backtracks", here)
        return None
    if action is Action.LAND_SEQUENCE:
        story.tell(at_s, "land_sequence", here)
    return _tell_way(story, way_home(here, returns, wind, velocity, rallies), at_s, returns)


def _tell_way(story: _Story, way: WayHome, begins_s: float, returns: ReturnSettings) -> float | None:
    """The phases of a way home; returns when it is on the ground."""
    if way.blown_away:
        here = way.phases[0].start if way.phases else Place(0.0, 0.0, 0.0)
        story.tell(begins_s, "blown_away", here)
        return None
    landing_told = False
    to, rally = ("_rally", {"number": way.goal.rally}) if way.goal.rally else ("", {})
    for phase in way.phases:
        at = begins_s + phase.begins_s
        if phase.doing is Doing.CLIMB and phase.end.up_m - phase.start.up_m > 0.5:
            story.tell(at, "climbs", phase.start, height=phase.end.up_m)
        elif phase.doing is Doing.BRAKE and math.dist(_xy(phase.start), _xy(phase.end)) > 0.0:
            story.tell(at, "turns", phase.start)
        elif phase.doing is Doing.RETURN:
            distance = phase.start.level_m(way.goal.place)
            story.tell(at, f"returns{to}", phase.start, height=phase.start.up_m, distance=distance, **rally)
        elif phase.doing is Doing.WAIT:
            story.tell(at, f"over_home{to}", phase.start, seconds=phase.ends_s - phase.begins_s, **rally)
        elif phase.doing is Doing.HOVER:
            story.tell(at, f"hovers{to}", phase.start, height=phase.start.up_m, **rally)
        elif phase.doing in (Doing.DESCEND, Doing.LAND) and not landing_told:
            story.tell(at, "comes_down", phase.start)
            landing_told = True
    if not way.lands:
        return None
    ends = begins_s + way.seconds
    story.tell(ends, "on_ground", way.phases[-1].end)
    return ends


def _xy(place: Place) -> tuple[float, float]:
    return place.east_m, place.north_m


def _goes_on(
    story: _Story,
    state: VehicleState,
    mission: Mission | None,
    here: Place,
    velocity: tuple[float, float],
    returns: ReturnSettings,
    wind: Wind,
    failsafe: LinkFailsafe,
) -> float | None:
    mode = state.mode
    if mode in _RETURNING:
        rallies = rally_places(mission, story.local)
        return _tell_way(story, way_home(here, returns, wind, velocity, rallies), 0.0, returns)
    if mode in _LANDING:
        return _tell_way(story, landing(here, returns), 0.0, returns)
    if mode in IN_MISSION and (state.mission is None or not state.mission.paused):
        return _tell_mission(story, state, mission, here, returns, wind)
    key = "stays" if mode in (*_STAYS, *IN_MISSION) or mode.startswith("AUTO") else "sticks"
    story.tell(0.0, key, here)
    return None


def _tell_mission(
    story: _Story,
    state: VehicleState,
    mission: Mission | None,
    here: Place,
    returns: ReturnSettings,
    wind: Wind,
) -> float | None:
    story.tell(0.0, "goes_on", here)
    legs = rest_of_mission(state, mission, here, returns, story.local)
    if not legs:
        return None
    uses = leg_uses(legs, returns.airframe(), wind)
    if not math.isfinite(uses.sum()):
        story.tell(0.0, "blown_away", here)
        return None
    now = 0.0
    told = ""
    for leg, (seconds, _) in zip(legs, uses.tolist(), strict=True):
        start = Place(*leg.start)
        if leg.kind is LegKind.HOME and told != "returns":
            distance = start.level_m(Place(*leg.end))
            chosen = returns.goal(start, rally_places(mission, story.local)).rally
            to, rally = ("_rally", {"number": chosen}) if chosen else ("", {})
            story.tell(now, f"returns{to}", start, height=start.up_m, distance=distance, **rally)
            told = "returns"
        elif leg.kind is LegKind.LAND:
            story.tell(now, "comes_down", start)
            now += seconds
            story.tell(now, "on_ground", Place(*leg.end))
            return now
        now += seconds
    story.tell(now, "mission_over", Place(*legs[-1].end))
    return None


def _warnings(
    state: VehicleState, params: Mapping[str, float], failsafe: LinkFailsafe, ends_s: float | None
) -> Sequence[Alert]:
    found = []
    if failsafe.why in ("off", "off_px4", "other_station", "option"):
        found.append(Alert(f"lost.why_{failsafe.why}", Severity.WARN, dict(failsafe.detail or {})))
    radio = radio_failsafe(state, params)
    if radio is not None:
        found.append(Alert(f"lost.radio_{radio}", Severity.INFO))
    empty = _battery_mark_s(state, params)
    if empty is not None and (ends_s is None or empty < ends_s):
        actions = battery_failsafe(params)
        action = actions[0] if actions else Action.NONE
        found.append(Alert(f"lost.battery_{action}", Severity.WARN, {"minutes": empty / 60}))
    return found


def _battery_mark_s(state: VehicleState, params: Mapping[str, float]) -> float | None:
    """Seconds until ArduPilot's low mark by charge, at the present current."""
    battery, mark, capacity = state.battery, params.get("BATT_LOW_MAH", 0.0), params.get("BATT_CAPACITY", 0.0)
    if battery is None or mark <= 0 or capacity <= 0:
        return None
    if not battery.current_a > 0.1 or math.isnan(battery.remaining_percent):
        return None
    left_mah = battery.remaining_percent / 100 * capacity - mark
    return max(left_mah, 0.0) * 3.6 / battery.current_a
