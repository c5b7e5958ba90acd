"""Who comes too near to whom: own vehicles among each other, and traffic heard by ADS-B.

Each pair is flown on for a while: own vehicles along the mission that they fly, all others straight on. What
was heard some time ago may be elsewhere by now: the place gets a radius that grows with its age, and what is
too old is not reckoned with at all but told as lost from sight. Traffic whose height is unknown is taken to
be at every height.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.ahead import Ahead
from flight.safety.alerts import Alert, Severity, worst_first
from flight.safety.local_frames import frame_near
from flight.safety.own_flights import OwnFlights
from flight.state import VehicleState, is_on_earth
from flight.wire import Message, decode_text
from plans.frames import LocalFrame

_COORDINATES = mavlink.ADSB_FLAGS_VALID_COORDS
_ALTITUDE = mavlink.ADSB_FLAGS_VALID_ALTITUDE
_HEADING = mavlink.ADSB_FLAGS_VALID_HEADING
_VELOCITY = mavlink.ADSB_FLAGS_VALID_VELOCITY
_CALLSIGN = mavlink.ADSB_FLAGS_VALID_CALLSIGN
_CLIMB = mavlink.ADSB_FLAGS_VERTICAL_VELOCITY_VALID
_FORGOTTEN_S = 120.0


@dataclass(frozen=True)
class Track:
    """One aircraft at a moment (station's clock). `own` for our vehicles, `sysid` theirs. `alt_amsl_m` and
    the velocities are NaN where unknown; `place_m` and `height_m` is how wrong the place may have been.
    `ahead` is the way that it takes; without one it is taken to fly straight on."""

    name: str
    own: bool
    at_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    east_mps: float
    north_mps: float
    up_mps: float
    place_m: float = 5.0
    height_m: float = 5.0
    flying: bool = True
    sysid: int = 0
    ahead: tuple[Ahead, ...] = ()


@dataclass(frozen=True)
class SeparationLimits:
    """How near is too near, metres level and in height, and how far ahead is looked, seconds.

    `drift_mps2` is how hard an aircraft may have turned or climbed unseen: the radius of its place grows by
    half of it times the age squared. What is older than `stale_s` is not trusted.
    """

    own_level_m: float = 30.0
    own_height_m: float = 12.0
    traffic_level_m: float = 500.0
    traffic_height_m: float = 120.0
    own_ahead_s: float = 20.0
    traffic_ahead_s: float = 90.0
    own_stale_s: float = 5.0
    traffic_stale_s: float = 20.0
    own_drift_mps2: float = 2.0
    traffic_drift_mps2: float = 1.5
    act_s: float = 30.0
    """A traffic conflict sooner than this wants action, a later one attention."""
    own_act_s: float = 8.0
    same_height_m: float = 20.0
    """Traffic that passes within so much, and the doubt about both heights, is neither above nor below."""


@dataclass(frozen=True)
class Conflict:
    """Two aircraft that come closer than the limits: in `in_s` seconds (0: already), at their closest
    `level_m` apart and the other `higher_m` above ours at `closest_s` (NaN: unknown). The first is always
    ours. `same_height` is that nobody can tell which is the higher one."""

    ours: Track
    other: Track
    in_s: float
    closest_s: float
    level_m: float
    higher_m: float
    same_height: bool
    severity: Severity

    def alert(self) -> Alert:
        """In words: what it is and what to do."""
        values = {
            "ours": self.ours.name,
            "other": self.other.name,
            "level": self.level_m,
            "seconds": self.closest_s,
        }
        about = f"{self.ours.name}/{self.other.name}"
        if self.other.own:
            return Alert("conflict.own", self.severity, values, about)
        if math.isnan(self.higher_m):
            return Alert("conflict.traffic_unknown_height", self.severity, values, about)
        if self.same_height:
            return Alert("conflict.traffic_same_height", self.severity, values, about)
        values["height"] = abs(self.higher_m)
        key = "conflict.traffic_above" if self.higher_m > 0.0 else "conflict.traffic_below"
        return Alert(key, self.severity, values, about)


def find_conflicts(
    tracks: Sequence[Track], now_s: float, limits: SeparationLimits | None = None, sysid: int | None = None
) -> tuple[Conflict, ...]:
    """All pairs with one of ours in flight that come too near, the soonest first; with `sysid` only those
    with that vehicle of ours."""
    limits = limits or SeparationLimits()
    fresh = [t for t in tracks if now_s - t.at_s <= _stale_s(t, limits) and t.flying]
    if not fresh:
        return ()
    local = frame_near(fresh[0].lat_deg, fresh[0].lon_deg)
    found = []
    placed = [(t, _stretches(t, local, now_s)) for t in fresh]
    for number, (a, here) in enumerate(placed):
        if not a.own or (sysid is not None and a.sysid != sysid):
            continue
        for other, (b, there) in enumerate(placed):
            twice = b.own and sysid is None and other < number
            if other != number and not twice:
                conflict = _conflict(a, b, here, there, now_s, limits)
                if conflict is not None:
                    found.append(conflict)
    return tuple(sorted(found, key=lambda c: (c.in_s, c.closest_s)))


def _stale_s(track: Track, limits: SeparationLimits) -> float:
    return limits.own_stale_s if track.own else limits.traffic_stale_s


def _conflict(
    ours: Track,
    other: Track,
    a: Sequence[_Stretch],
    b: Sequence[_Stretch],
    now_s: float,
    limits: SeparationLimits,
) -> Conflict | None:
    both_own = other.own
    level_limit = limits.own_level_m if both_own else limits.traffic_level_m
    height_limit = limits.own_height_m if both_own else limits.traffic_height_m
    ahead = limits.own_ahead_s if both_own else limits.traffic_ahead_s
    level_limit += _spread(ours, now_s, limits, ours.place_m) + _spread(other, now_s, limits, other.place_m)
    doubt_m = ours.height_m + other.height_m
    height_limit += doubt_m
    meetings = [
        meeting
        for one in a
        for two in b
        if (meeting := _meeting(one, two, level_limit, height_limit, ahead)) is not None
    ]
    if not meetings:
        return None
    begins = min(meeting.begins_s for meeting in meetings)
    closest = min(meetings, key=lambda meeting: meeting.level_m)
    act = limits.own_act_s if both_own else limits.act_s
    severity = Severity.BAD if begins <= act else Severity.WARN
    same_height = abs(closest.higher_m) <= limits.same_height_m + doubt_m
    return Conflict(
        ours, other, begins, closest.closest_s, closest.level_m, closest.higher_m, same_height, severity
    )


@dataclass(frozen=True)
class _Stretch:
    """Flown evenly between two moments, seconds from now: where it is at the first (east, north, up; up NaN
    where unknown), and its rates."""

    begins_s: float
    ends_s: float
    place: tuple[float, float, float]
    rates: tuple[float, float, float]

    def at(self, moment_s: float) -> tuple[float, float, float]:
        """Where it is at a moment of the stretch."""
        (east, north, up), (e, n, u), after_s = self.place, self.rates, moment_s - self.begins_s
        return east + e * after_s, north + n * after_s, up + u * after_s


def _stretches(track: Track, local: LocalFrame, now_s: float) -> list[_Stretch]:
    """From now on, the last one for good."""
    points = [(track.lat_deg, track.lon_deg), *((p.lat_deg, p.lon_deg) for p in track.ahead)]
    east, north = (v.tolist() for v in local.to_local(*zip(*points, strict=True)))
    here, age = (east[0], north[0], track.alt_amsl_m), now_s - track.at_s
    if not track.ahead:
        e, n, u = (0.0 if math.isnan(v) else v for v in (track.east_mps, track.north_mps, track.up_mps))
        then = _Stretch(-age, math.inf, here, (e, n, u))
        return [replace(then, begins_s=0.0, place=then.at(0.0))]
    found, at_s = [], -age
    for ahead, e, n in zip(track.ahead, east[1:], north[1:], strict=True):
        there, until_s = (e, n, ahead.alt_amsl_m), ahead.in_s - age
        if until_s > max(at_s, 0.0):
            lasts = until_s - at_s
            rates = (
                (there[0] - here[0]) / lasts,
                (there[1] - here[1]) / lasts,
                (there[2] - here[2]) / lasts,
            )
            then = _Stretch(at_s, until_s, here, rates)
            begins = max(at_s, 0.0)
            found.append(replace(then, begins_s=begins, place=then.at(begins)))
        here, at_s = there, until_s
    return [*found, _Stretch(max(at_s, 0.0), math.inf, here, (0.0, 0.0, 0.0))]


@dataclass(frozen=True)
class _Meeting:
    begins_s: float
    closest_s: float
    level_m: float
    higher_m: float


def _meeting(
    a: _Stretch, b: _Stretch, level_limit: float, height_limit: float, ahead_s: float
) -> _Meeting | None:
    """When two stretches are closer than the limits, and how close."""
    begins, ends = max(a.begins_s, b.begins_s), min(a.ends_s, b.ends_s, ahead_s)
    if begins > ends:
        return None
    lasts = ends - begins
    apart = [there - here for here, there in zip(a.at(begins), b.at(begins), strict=True)]
    closing = [there - here for here, there in zip(a.rates, b.rates, strict=True)]
    inside = _overlap(
        _span(apart[2], closing[2], height_limit, lasts), _circle(apart, closing, level_limit, lasts)
    )
    if inside is None:
        return None
    closest = _closest_s(apart, closing, inside)
    level = math.hypot(*(apart[i] + closest * closing[i] for i in range(2)))
    return _Meeting(begins + inside[0], begins + closest, level, apart[2] + closest * closing[2])


def _spread(track: Track, now_s: float, limits: SeparationLimits, place_m: float) -> float:
    """How far it may be from where it is thought to be."""
    drift = limits.own_drift_mps2 if track.own else limits.traffic_drift_mps2
    age = max(now_s - track.at_s, 0.0)
    unknown = math.isnan(track.east_mps)
    return place_m + drift * age * age / 2 + (60.0 * age if unknown and not track.own else 0.0)


Span = tuple[float, float]


def _span(apart: float, rate: float, limit: float, ahead_s: float) -> Span | None:
    """When two heights are closer than the limit; always where a height is unknown."""
    if math.isnan(apart):
        return 0.0, ahead_s
    if abs(rate) < 1e-6:
        return (0.0, ahead_s) if abs(apart) < limit else None
    first, last = sorted(((-limit - apart) / rate, (limit - apart) / rate))
    return _overlap((first, last), (0.0, ahead_s))


def _circle(apart: Sequence[float], closing: Sequence[float], limit: float, ahead_s: float) -> Span | None:
    """When two places are closer than the limit, level."""
    a = closing[0] ** 2 + closing[1] ** 2
    b = 2 * (apart[0] * closing[0] + apart[1] * closing[1])
    c = apart[0] ** 2 + apart[1] ** 2 - limit**2
    if a < 1e-9:
        return (0.0, ahead_s) if c < 0 else None
    root = b * b - 4 * a * c
    if root <= 0:
        return None
    first, last = (-b - math.sqrt(root)) / (2 * a), (-b + math.sqrt(root)) / (2 * a)
    return _overlap((first, last), (0.0, ahead_s))


def _overlap(a: Span | None, b: Span | None) -> Span | None:
    if a is None or b is None:
        return None
    first, last = max(a[0], b[0]), min(a[1], b[1])
    return (first, last) if first <= last else None


def _closest_s(apart: Sequence[float], closing: Sequence[float], inside: Span) -> float:
    """When they are closest on the level within a span."""
    speed2 = closing[0] ** 2 + closing[1] ** 2
    best = 0.0 if speed2 < 1e-9 else -(apart[0] * closing[0] + apart[1] * closing[1]) / speed2
    return min(max(best, inside[0]), inside[1])


def own_track(state: VehicleState, ahead: tuple[Ahead, ...] = ()) -> Track | None:
    """A vehicle of ours and the way that it takes; None before it knows where it is."""
    p = state.position
    if p is None or (p.lat_deg == 0.0 and p.lon_deg == 0.0):
        return None
    return Track(
        name=f"vehicle {state.sysid}",
        own=True,
        at_s=p.at_s,
        lat_deg=p.lat_deg,
        lon_deg=p.lon_deg,
        alt_amsl_m=p.alt_amsl_m,
        east_mps=p.east_mps,
        north_mps=p.north_mps,
        up_mps=-p.down_mps,
        flying=state.armed,
        sysid=state.sysid,
        ahead=ahead,
    )


def traffic_track(message: Message, now_s: float) -> Track | None:
    """The track in an ADSB_VEHICLE; None without coordinates, or with some that are not on Earth."""
    flags = message.flags
    if not flags & _COORDINATES or (message.lat == 0 and message.lon == 0):
        return None
    if not is_on_earth(message.lat / 1e7, message.lon / 1e7):
        return None
    callsign = decode_text(message.callsign).strip() if flags & _CALLSIGN else ""
    moving = flags & _VELOCITY and flags & _HEADING
    speed, course = message.hor_velocity / 100, math.radians(message.heading / 100)
    pressure = message.altitude_type == mavlink.ADSB_ALTITUDE_TYPE_PRESSURE_QNH
    return Track(
        name=callsign or f"{message.ICAO_address:06X}",
        own=False,
        at_s=now_s - message.tslc,
        lat_deg=message.lat / 1e7,
        lon_deg=message.lon / 1e7,
        alt_amsl_m=message.altitude / 1000 if flags & _ALTITUDE else math.nan,
        east_mps=speed * math.sin(course) if moving else math.nan,
        north_mps=speed * math.cos(course) if moving else math.nan,
        up_mps=message.ver_velocity / 100 if flags & _CLIMB else math.nan,
        place_m=30.0,
        height_m=60.0 if pressure else 20.0,
    )


class Traffic:
    """The aircraft that receivers have told of, the newest word of each. `ignored` are ICAO addresses of our
    own vehicles, which receivers hear too."""

    def __init__(self, ignored: Iterable[int] = ()) -> None:
        self._ignored = set(ignored)
        self._tracks: dict[int, Track] = {}

    def ignore(self, addresses: Iterable[int]) -> None:
        """These are our own vehicles too."""
        self._ignored.update(addresses)
        self._tracks = {k: t for k, t in self._tracks.items() if k not in self._ignored}

    def take(self, message: Message, now_s: float) -> None:
        """Any message of a vehicle or receiver; only ADSB_VEHICLE counts."""
        if message.get_type() != "ADSB_VEHICLE" or message.ICAO_address in self._ignored:
            return
        track = traffic_track(message, now_s)
        before = self._tracks.get(message.ICAO_address)
        if track is not None and (before is None or track.at_s >= before.at_s):
            self._tracks[message.ICAO_address] = track

    def tracks(self, now_s: float) -> tuple[Track, ...]:
        """What is remembered; forgotten after two minutes."""
        self._tracks = {k: t for k, t in self._tracks.items() if now_s - t.at_s <= _FORGOTTEN_S}
        return tuple(self._tracks.values())


def traffic_alerts(
    states: Iterable[VehicleState],
    traffic: Traffic,
    now_s: float,
    limits: SeparationLimits | None = None,
    sysid: int | None = None,
    flights: OwnFlights | None = None,
) -> tuple[Alert, ...]:
    """Conflicts in words, the worst first, and traffic lost from sight while it was near; with `sysid` only
    those of that vehicle. `flights` are the missions that own vehicles fly."""
    limits, flights = limits or SeparationLimits(), flights or OwnFlights()
    seconds = max(limits.own_ahead_s, limits.traffic_ahead_s)
    own = [
        track for state in states if (track := own_track(state, flights.ahead(state, seconds))) is not None
    ]
    heard = traffic.tracks(now_s)
    alerts = [conflict.alert() for conflict in find_conflicts([*own, *heard], now_s, limits, sysid)]
    for track in heard:
        age = now_s - track.at_s
        if age > limits.traffic_stale_s:
            then = [replace(mine, at_s=track.at_s, ahead=()) for mine in own]
            if any(find_conflicts([mine, track], track.at_s, limits, sysid) for mine in then):
                values: Mapping[str, object] = {"other": track.name, "age": age}
                alerts.append(Alert("conflict.traffic_lost", Severity.WARN, values, track.name))
    return worst_first(alerts)
