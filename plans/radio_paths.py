"""Where along a flight the radio link is lost, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plans.errors import PlanFileError, TerrainError
from plans.flights import Sortie
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.mission import Command, Mission
from plans.mission_shots import PlannedFlight, flights_of, heights_amsl_m
from plans.radio import Antenna, RadioLink, margins_db
from plans.terrain import Terrain

STEP_M = 30.0


@dataclass(frozen=True, eq=False)
class RadioPath:
    """The way of one flight, densely: `points_m` (n, 3) east, north, up AMSL; `speed_mps` (n,) is the speed
    on the way to each point, NaN where unknown. `flight` counts from 0."""

    flight: int
    points_m: FloatArray
    speed_mps: FloatArray

    @property
    def steps_m(self) -> FloatArray:
        """Lengths over ground between the points, shape (n - 1,)."""
        return np.hypot(*np.diff(self.points_m[:, :2], axis=0).T)


@dataclass(frozen=True)
class LostStretch:
    """A piece of a flight without a link. `duration_s` is None where the speed is not known."""

    flight: int
    start: GeoPoint
    end: GeoPoint
    length_m: float
    duration_s: float | None
    worst_margin_db: float


def sortie_paths(sorties: Sequence[Sortie], step_m: float = STEP_M) -> tuple[RadioPath, ...]:
    """The ways of planned sorties, a point every `step_m` or less. Frame and heights are the plan's: it must
    be made over the terrain that the margins are asked of."""
    paths = []
    for sortie in sorties:
        legs = [leg.points_m for leg in sortie.legs]
        points = np.concatenate([legs[0][:1], *(leg[1:] for leg in legs)])
        speeds = [np.full(len(leg.points_m) - 1, leg.speed_mps or np.nan) for leg in sortie.legs]
        paths.append(_dense(sortie.index, points, np.concatenate([[np.nan], *speeds]), step_m))
    return tuple(paths)


def mission_paths(mission: Mission, terrain: Terrain, step_m: float = STEP_M) -> tuple[RadioPath, ...]:
    """The ways of a mission's flights in the terrain's frame, a point every `step_m` or less: from over the
    launch point along the waypoints, and back where the mission returns to launch.

    Relative altitudes count from the terrain under the launch point. Raises PlanFileError when there is
    nothing to fly, TerrainError where the terrain does not know the ground that altitudes count from.
    """
    paths = []
    speed = mission.cruise_speed_mps or np.nan
    for index, flight in enumerate(flights_of(mission, terrain.frame)):
        points, speeds, speed = _waypoints(flight, terrain.frame, speed)
        if len(points):
            path = _dense(index, points, speeds, step_m)
            paths.append(RadioPath(index, _amsl(path.points_m, flight, terrain), path.speed_mps))
    if not paths:
        raise PlanFileError("the mission has no waypoints; take the plan of a flight")
    return tuple(paths)


def _waypoints(
    flight: PlannedFlight, frame: LocalFrame, speed: float
) -> tuple[FloatArray, FloatArray, float]:
    """The flight's corners (k, 3) with altitudes as the items say them, the speed towards each, and the last
    speed commanded."""
    speeds: list[float] = []
    for item in flight.items:
        if item.command == Command.DO_CHANGE_SPEED and item.params[1] > 0:
            speed = item.params[1]
        elif item.has_place and item.command < Command.NAV_DELAY and item is not flight.take_off:
            speeds.append(speed)
    points = flight.path
    towards = np.array(speeds if len(speeds) == len(points) else [speed] * len(points))
    if not len(points) or flight.launch is None:
        return points, towards, speed
    launch = [float(v) for v in frame.to_local(flight.launch.lat_deg, flight.launch.lon_deg)]
    up = points[0, 2]
    if flight.take_off is not None and flight.take_off.frame == flight.frame:
        up = flight.take_off.alt_m
    points, towards = np.vstack([[*launch, up], points]), np.concatenate([[np.nan], towards])
    if any(item.command == Command.NAV_RETURN_TO_LAUNCH for item in flight.items):
        points, towards = np.vstack([points, [*launch, points[-1, 2]]]), np.append(towards, speed)
    return points, towards, speed


def _amsl(points: FloatArray, flight: PlannedFlight, terrain: Terrain) -> FloatArray:
    """Points whose altitudes are as the flight's items say them, with heights AMSL instead."""
    heights = heights_amsl_m(points, flight, terrain)
    missing = ~np.isfinite(heights)
    if missing.any():
        lat, lon = terrain.frame.to_geo(*points[missing][0, :2])
        raise TerrainError(
            f"{terrain.source}: the DEM has no height at lat {float(lat):.5f}, lon {float(lon):.5f}, from "
            "which the plan's altitudes count; take one that covers the flight"
        )
    return np.column_stack([points[:, :2], heights])


def _dense(flight: int, corners: FloatArray, speed_mps: FloatArray, step_m: float) -> RadioPath:
    """Corners (k, 3), and the speed towards each, with points between them."""
    lengths = np.hypot(*np.diff(corners[:, :2], axis=0).T)
    parts = np.maximum(np.ceil(lengths / step_m - 1e-9), 1).astype(int)
    at = np.concatenate([[0.0], *(leg + np.arange(1, n + 1) / n for leg, n in enumerate(parts))])
    points = np.column_stack([np.interp(at, np.arange(len(corners)), axis) for axis in corners.T])
    return RadioPath(flight, points, np.concatenate([speed_mps[:1], np.repeat(speed_mps[1:], parts)]))


def path_margins(
    paths: Sequence[RadioPath],
    terrain: Terrain,
    station: Antenna,
    link: RadioLink,
    relay: Antenna | None = None,
) -> tuple[FloatArray, ...]:
    """The link margin in dB at every point of every path; see `plans.radio.margins_db`.

    Raises TerrainError when the DEM lacks ground between the antennas and the paths.
    """
    points = np.concatenate([path.points_m for path in paths])
    margins = margins_db(terrain, station, points, link, relay)
    unknown = ~np.isfinite(margins)
    if unknown.any():
        lat, lon = terrain.frame.to_geo(*points[unknown][0, :2])
        raise TerrainError(
            f"{terrain.source}: the DEM lacks ground between the station and {_percent(unknown.mean())} of "
            f"the flight (first to lat {float(lat):.5f}, lon {float(lon):.5f}); take one that covers both"
        )
    return tuple(np.split(margins, np.cumsum([len(path.points_m) for path in paths])[:-1]))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.2%}"


def lost_shares(margin_db: FloatArray) -> FloatArray:
    """Of each step between two points the share without a link, shape (n - 1,): margins change evenly."""
    low = np.minimum(margin_db[:-1], margin_db[1:])
    high = np.maximum(margin_db[:-1], margin_db[1:])
    crossing = -low / np.where(high - low > 0, high - low, 1.0)
    return np.where(high < 0, 1.0, np.where(low >= 0, 0.0, np.clip(crossing, 0.0, 1.0)))


def connected_share(paths: Sequence[RadioPath], margins: Sequence[FloatArray]) -> float:
    """The share of the paths' length that has a link."""
    lost = sum(float(lost_shares(m) @ p.steps_m) for p, m in zip(paths, margins, strict=True))
    length = sum(float(p.steps_m.sum()) for p in paths)
    if length <= 0:
        return float(np.mean(np.concatenate(list(margins)) >= 0))
    return max(1.0 - lost / length, 0.0)


def lost_stretches(
    paths: Sequence[RadioPath], margins: Sequence[FloatArray], frame: LocalFrame
) -> tuple[LostStretch, ...]:
    """The pieces of the paths whose margin is below 0, in the order flown; `frame` is that of the paths."""
    found = []
    for path, margin in zip(paths, margins, strict=True):
        edges = np.diff(np.concatenate([[0], (margin < 0).astype(int), [0]]))
        for first, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            found.append(_stretch(path, margin, int(first), int(end) - 1, frame))
    return tuple(found)


def _stretch(path: RadioPath, margin: FloatArray, first: int, last: int, frame: LocalFrame) -> LostStretch:
    """The stretch of the lost points first..last, with what is lost of the steps before and behind."""
    steps = slice(max(first - 1, 0), min(last + 1, len(margin) - 1))
    share = lost_shares(margin)[steps]
    lengths = share * path.steps_m[steps]
    speed = path.speed_mps[1:][steps]
    points = path.points_m
    start = points[first] + (share[0] * (points[first - 1] - points[first]) if first > 0 else 0.0)
    end = points[last] + (share[-1] * (points[last + 1] - points[last]) if last + 1 < len(margin) else 0.0)
    return LostStretch(
        path.flight,
        _geo(start, frame),
        _geo(end, frame),
        float(lengths.sum()),
        float((lengths / speed).sum()) if np.isfinite(speed).all() else None,
        float(margin[first : last + 1].min()),
    )


def _geo(point: FloatArray, frame: LocalFrame) -> GeoPoint:
    lat, lon = frame.to_geo(point[0], point[1])
    return GeoPoint(float(lat), float(lon), float(point[2]))
