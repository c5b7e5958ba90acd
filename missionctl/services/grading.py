"""How well a scenario was flown: from the record, and from the truth that only the simulator has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import shapely

from flight.logs.flight_log import FlightLog
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission
from plans.resume import remaining_mission

_MARGIN_M = 50.0
"""So far beside the planned ways a vehicle may be: turns and wind are not leaving."""
_AIRBORNE_M = 2.0
_GAP_S = 5.0
_NEAR_M = 10.0
_HARD_MPS = 2.0
_RESERVE_SHARE = 0.2
_FAILSAFE_WORDS = ("failsafe", "lost", "land complete", "glitch", "breached")
_VEHICLE_S = 1.5

News = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What is known of a run. `summary` is the simulator's, None when it was ended early; `complete` None
    where no plan says what complete is."""

    news: Sequence[News]
    summary: News | None
    log: FlightLog | None
    mission: Mission | None
    photos_expected: int | None
    complete: bool | None


@dataclass(frozen=True)
class Criterion:
    """One thing that is judged: `points` of `of`, and the measure that they come from."""

    name: str
    points: float
    of: float
    measure: str


@dataclass(frozen=True)
class Reaction:
    """What came first after a fault began: a change of mode, by the vehicle itself or by whoever commands
    it. None when nothing changed."""

    fault: str
    began_s: float
    after_s: float | None
    mode: str | None
    by: str | None


def grade(evidence: Evidence) -> dict[str, Any]:
    """Points of 100 over what can be judged, the criteria one by one, and the reactions to the faults."""
    outside_s = time_outside_s(evidence) if (evidence.summary or {}).get("flight_s") else None
    photos = _planned_photos(evidence)
    criteria = [c for c in _criteria(evidence, outside_s, photos) if c is not None]
    possible = sum(c.of for c in criteria)
    summary = evidence.summary or {}
    return {
        "score": round(100 * sum(c.points for c in criteria) / possible, 1) if possible else None,
        "criteria": [asdict(c) for c in criteria],
        "reactions": [asdict(r) for r in reactions(evidence.news)],
        "photos_planned": photos[1] if photos else None,
        "planned_photos_taken": photos[0] if photos else None,
        "photos_on_card": len(photos_on_card(evidence.news)),
        "photos_announced": summary.get("photos_announced"),
        "time_outside_s": outside_s,
        "landed": _landed(evidence),
        "flight_s": summary.get("flight_s"),
        "distance_m": summary.get("distance_m"),
        "max_height_m": summary.get("max_height_m"),
        "min_height_m": summary.get("min_height_m"),
        "max_touchdown_mps": summary.get("max_touchdown_mps"),
        "away_m": summary.get("away_m"),
        "charge_share": summary.get("charge_share"),
        "fence_breaches": summary.get("fence_breaches"),
        "nearest_m": summary.get("nearest_m"),
        "goals": list(summary.get("goals") or ()),
    }


def _criteria(
    evidence: Evidence, outside_s: float | None, photos: tuple[int, int] | None
) -> list[Criterion | None]:
    return [
        _mission_flown(evidence),
        _photos(photos),
        _landing(evidence),
        _inside(outside_s),
        _battery(evidence),
        _goals(evidence),
    ]


def _mission_flown(evidence: Evidence) -> Criterion | None:
    if evidence.complete is None:
        return None
    words = "flown to its end" if evidence.complete else "not flown to its end"
    return Criterion("mission", 25.0 if evidence.complete else 0.0, 25.0, words)


def photos_on_card(news: Sequence[News]) -> list[GeoPoint]:
    """Where the photos were taken that the camera really wrote, by its own belief."""
    places = []
    for line in news:
        if line["kind"] == "photo":
            lat, lon = line["text"].split(" at ", 1)[1].split(",")
            places.append(GeoPoint(float(lat), float(lon)))
    return places


def _planned_photos(evidence: Evidence) -> tuple[int, int] | None:
    """How many of the planned photos are on the card, and how many were planned; photos elsewhere do not
    count."""
    if evidence.mission is None or not evidence.photos_expected:
        return None
    rest = remaining_mission(evidence.mission, photos_on_card(evidence.news))
    return rest.shots_taken, rest.shots_planned


def _photos(planned: tuple[int, int] | None) -> Criterion | None:
    if planned is None or not planned[1]:
        return None
    taken, wanted = planned
    return Criterion("photos", 25.0 * taken / wanted, 25.0, f"{taken} of the {wanted} planned")


def _landed(evidence: Evidence) -> bool | None:
    summary = evidence.summary
    if summary is None:
        return None
    return bool(summary["flight_s"] > 0 and not summary["armed"] and not summary["airborne"])


def _landing(evidence: Evidence) -> Criterion | None:
    summary = evidence.summary
    if summary is None:
        return None
    if summary.get("in_water"):
        return Criterion("landing", 0.0, 25.0, "in water")
    if not _landed(evidence):
        flew = summary["flight_s"] > 0
        return Criterion("landing", 0.0, 25.0, "not on the ground and disarmed" if flew else "never flew")
    soft = summary["max_touchdown_mps"] <= _HARD_MPS
    near = summary["away_m"] <= _NEAR_M
    points = 25.0 * (0.6 * soft + 0.4 * near)
    measure = f"touched down at {summary['max_touchdown_mps']:.1f} m/s, {summary['away_m']:.0f} m from launch"
    return Criterion("landing", points, 25.0, measure)


def _inside(outside_s: float | None) -> Criterion | None:
    if outside_s is None:
        return None
    points = max(0.0, 15.0 * (1.0 - outside_s / 30.0))
    return Criterion(
        "inside the area", points, 15.0, f"{outside_s:.0f} s more than {_MARGIN_M:.0f} m outside"
    )


def _battery(evidence: Evidence) -> Criterion | None:
    summary = evidence.summary
    if summary is None or not summary["flight_s"]:
        return None
    share = float(summary["charge_share"])
    points = 10.0 * min(share / _RESERVE_SHARE, 1.0)
    return Criterion("battery reserve", points, 10.0, f"{share:.0%} left at the end")


def _goals(evidence: Evidence) -> Criterion | None:
    goals = (evidence.summary or {}).get("goals")
    if not goals:
        return None
    missed = [f"{goal['name']} ({goal['measure']})" for goal in goals if not goal["met"]]
    measure = f"{len(goals) - len(missed)} of {len(goals)}" + (f", not {', '.join(missed)}" if missed else "")
    return Criterion("goals", 25.0 * (len(goals) - len(missed)) / len(goals), 25.0, measure)


def time_outside_s(evidence: Evidence) -> float | None:
    """How long the vehicle was in the air further than 50 m outside the planned ways, by its own clock; None
    without a plan or a track."""
    if evidence.mission is None or evidence.log is None or len(evidence.log.track) < 2:
        return None
    places = [GeoPoint(i.lat_deg, i.lon_deg) for i in evidence.mission.items if i.has_place]
    first = evidence.log.track[0]
    places.append(GeoPoint(first.lat_deg, first.lon_deg))
    frame = LocalFrame.around(places)
    east, north = frame.to_local([p.lat_deg for p in places], [p.lon_deg for p in places])
    area = shapely.MultiPoint(list(zip(east, north, strict=True))).convex_hull.buffer(_MARGIN_M)
    track = evidence.log.track
    t_east, t_north = frame.to_local([p.lat_deg for p in track], [p.lon_deg for p in track])
    outside = ~shapely.contains_xy(area, t_east, t_north)
    return float(
        sum(
            min(b.boot_s - a.boot_s, _GAP_S)
            for (a, b), out in zip(pairwise(track), outside[1:], strict=True)
            if out and b.alt_rel_m > _AIRBORNE_M and b.boot_s > a.boot_s
        )
    )


def reactions(news: Sequence[News]) -> list[Reaction]:
    """For each fault the first change of mode after it began, before the next fault."""
    found = []
    began = [line for line in news if line["kind"] == "fault"]
    for number, fault in enumerate(began):
        until = began[number + 1]["time_s"] if number + 1 < len(began) else float("inf")
        change = next(
            (n for n in news if n["kind"] == "mode" and fault["time_s"] <= n["time_s"] < until), None
        )
        if change is None:
            found.append(Reaction(fault["text"], fault["time_s"], None, None, None))
            continue
        by = "vehicle" if _said_so(news, change["time_s"]) else "station"
        after_s = round(change["time_s"] - fault["time_s"], 1)
        found.append(Reaction(fault["text"], fault["time_s"], after_s, change["text"], by))
    return found


def _said_so(news: Sequence[News], at_s: float) -> bool:
    """Whether the vehicle gave a reason of its own for what it did at a moment."""
    return any(
        n["kind"] == "text"
        and abs(n["time_s"] - at_s) <= _VEHICLE_S
        and any(word in n["text"].lower() for word in _FAILSAFE_WORDS)
        for n in news
    )
