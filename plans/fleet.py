"""Who flies what: laid lanes become one order, the order is shared among drones, each share cut into
sorties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely import ops as shapely_ops

from plans.costs import FlightCosts
from plans.drones import Kit
from plans.errors import SurveyError
from plans.flights import FlightRules, Sortie, build_sortie
from plans.follow import FollowLimits
from plans.frames import FloatArray, GeoPoint
from plans.lanes import Lane
from plans.layout import LaidPart
from plans.route import order_lanes, order_tours
from plans.sorties import BATTERY, ITEMS, LaneCosts, SortieCut, makespan_s, share_out, too_small
from plans.survey_job import SurveyJob
from plans.terrain import Terrain
from plans.urgency import most_urgent_first

_KICKS = 30
_TOGETHER = 250  # lanes of several parts that are ordered as one tour


@dataclass(frozen=True)
class _Group:
    """Lanes first..last - 1 of the order: ground of one priority."""

    first: int
    last: int


def fly_lanes(
    job: SurveyJob, parts: Sequence[LaidPart], exposure: Terrain | None = None
) -> tuple[list[Sortie], list[Lane]]:
    """The sorties of a survey and its lanes in the order in which they number them.

    More urgent ground comes first: it is shared among all drones before any other. Every sortie keeps within
    its drone's battery, as flown over the terrain and with the way home from every point, and within what its
    autopilot stores. Raises SurveyError where that cannot be.
    """
    costs = [FlightCosts(job, kit) for kit in job.kits]
    ordered: list[Lane] = []
    groups: list[_Group] = []
    for priority in sorted({part.priority for part in parts}, reverse=True):
        tour = _tour(job, costs[0], [part for part in parts if part.priority == priority])
        groups.append(_Group(len(ordered), len(ordered) + len(tour)))
        ordered += tour
    tightened = np.ones((len(costs), 3))
    for _ in range(14):
        priced = _price(costs, ordered, tightened)
        cuts = _share(priced, groups)
        if cuts is None:
            ordered, groups = _halve_long_lanes(ordered, groups, priced, job)
            continue
        if exposure is not None:
            cuts, ordered = _by_exposure(cuts, ordered, exposure, groups)
        sorties, flown = _build(job, ordered, cuts)
        excess = _excess(sorties, job.kits)
        if (excess <= 1.0).all():
            return sorties, flown
        tightened *= 0.99 / np.maximum(excess, 0.99)
    raise too_small(_price(costs, ordered, np.ones((len(costs), 3)))[0])


def _tour(job: SurveyJob, costs: FlightCosts, parts: Sequence[LaidPart]) -> list[Lane]:
    lanes = [lane for part in parts for lane in part.lanes]
    if len(lanes) <= _TOGETHER or len(parts) == 1:
        return order_lanes(lanes, costs.launches_m, costs.around_s, _KICKS)
    tours = [order_lanes(part.lanes, job.launches_m, costs.around_s, _KICKS // 3) for part in parts]
    return order_tours(tours, job.launches_m)


def _price(costs: Sequence[FlightCosts], lanes: Sequence[Lane], tightened: FloatArray) -> list[LaneCosts]:
    """The costs of the order for each drone; drones alike share them."""
    known: dict[tuple[object, ...], LaneCosts] = {}
    priced = []
    for cost, factors in zip(costs, tightened, strict=True):
        kit, drone = cost.kit, cost.kit.drone
        key = (drone.airframe, drone.battery, drone.item_limit, kit.speed_mps, kit.height_m, kit.launches)
        key = (*key, *factors.tolist())
        if key not in known:
            known[key] = cost.lane_costs(lanes, factors)
        priced.append(known[key])
    return priced


def _share(priced: Sequence[LaneCosts], groups: Sequence[_Group]) -> list[tuple[int, SortieCut]] | None:
    """(drone, cut) of every sortie, group after group and along the order."""
    busy = [0.0] * len(priced)
    cuts: list[tuple[int, SortieCut]] = []
    for group in groups:
        shares = share_out(priced, busy, range(group.first, group.last))
        if shares is None:
            return None
        for share in shares:
            cuts += [(share.drone, cut) for cut in share.cuts]
            alone = makespan_s([share], priced, busy)
            busy[share.drone] = alone + priced[share.drone].swap_s
    return cuts


def _halve_long_lanes(
    lanes: Sequence[Lane], groups: Sequence[_Group], priced: Sequence[LaneCosts], job: SurveyJob
) -> tuple[list[Lane], list[_Group]]:
    """Lanes that fit no drone's sortie alone, cut in two. Raises SurveyError where that cannot help."""
    fits = np.zeros(len(lanes), bool)
    hopeless = np.ones(len(lanes), bool)
    for costs in priced:
        away = (costs.out + costs.home).min(axis=0)
        fits |= ((costs.lanes + away) <= costs.limits).all(axis=1)
        hopeless &= (away >= costs.limits).any(axis=1)
    if fits.all():
        raise too_small(priced[0])
    cut: list[Lane] = []
    again: list[_Group] = []
    for group in groups:
        first = len(cut)
        for index in range(group.first, group.last):
            lane = lanes[index]
            if fits[index]:
                cut.append(lane)
                continue
            if hopeless[index] or lane.length_m < 4 * job.trigger_m:
                raise too_small(priced[0])
            middle = lane.length_m / 2
            cut.append(replace(lane, line=shapely_ops.substring(lane.line, 0.0, middle)))
            cut.append(replace(lane, line=shapely_ops.substring(lane.line, middle, lane.length_m)))
        again.append(_Group(first, len(cut)))
    return cut, again


def _by_exposure(
    cuts: list[tuple[int, SortieCut]], lanes: list[Lane], exposure: Terrain, groups: Sequence[_Group]
) -> tuple[list[tuple[int, SortieCut]], list[Lane]]:
    """Of each priority the sorties with the most at stake for their time first; and each flown from the end
    where more is at stake."""
    weights = np.array([_weight(lane, exposure) for lane in lanes])
    lanes = list(lanes)
    for _, cut in cuts:
        own = weights[cut.first : cut.last + 1]
        middle = (own * np.arange(len(own))).sum() / max(own.sum(), 1e-12)
        if middle > (len(own) - 1) / 2 + 0.5:
            lanes[cut.first : cut.last + 1] = [
                lane.turned() for lane in reversed(lanes[cut.first : cut.last + 1])
            ]
    ordered: list[tuple[int, SortieCut]] = []
    for group in groups:
        some = [(drone, cut) for drone, cut in cuts if group.first <= cut.first < group.last]
        values = [float(weights[cut.first : cut.last + 1].sum()) for _, cut in some]
        ordered += [some[i] for i in most_urgent_first(values, [cut.seconds for _, cut in some])]
    return ordered, lanes


def _weight(lane: Lane, exposure: Terrain) -> float:
    points = shapely.get_coordinates(shapely.segmentize(lane.line, max(exposure.step_m, 10.0)))
    values = exposure.at(points[:, 0], points[:, 1])
    return float(np.mean(np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)) * lane.length_m)


def _build(
    job: SurveyJob, lanes: Sequence[Lane], cuts: Sequence[tuple[int, SortieCut]]
) -> tuple[list[Sortie], list[Lane]]:
    rules = [flight_rules(job, kit) for kit in job.kits]
    sorties: list[Sortie] = []
    flown: list[Lane] = []
    shots = 0
    for index, (drone, cut) in enumerate(cuts):
        own = lanes[cut.first : cut.last + 1]
        numbered = [(len(flown) + i, lane) for i, lane in enumerate(own)]
        launch = job.launches[job.kits[drone].launches[cut.launch]]
        sorties.append(build_sortie(index, drone, launch, numbered, shots, rules[drone]))
        shots += len(sorties[-1].shots)
        flown += own
    return sorties, flown


def _excess(sorties: Sequence[Sortie], kits: Sequence[Kit]) -> FloatArray:
    """How many times over its limits each drone's worst sortie is, (drones, 3)."""
    excess = np.zeros((len(kits), 3))
    for sortie in sorties:
        worst = max(sortie.battery_s, sortie.worst_home_s) / sortie.usable_s
        excess[sortie.drone, BATTERY] = max(excess[sortie.drone, BATTERY], worst)
        limit = kits[sortie.drone].drone.item_limit
        if limit is not None:
            excess[sortie.drone, ITEMS] = max(excess[sortie.drone, ITEMS], len(sortie.mission.items) / limit)
    return excess


def follow_limits(job: SurveyJob, kit: Kit) -> FollowLimits:
    """How a drone follows the ground: on steep ground it flies slower, down to half its speed, before its
    path is lifted off the ground."""
    frame = kit.drone.airframe
    slowest = 0.5 * kit.speed_mps
    return FollowLimits(
        height_m=kit.height_m,
        clearance_m=job.settings.clearance_m,
        tolerance_m=max(1.0, 0.05 * kit.height_m),
        climb_slope=frame.climb_mps / slowest,
        descent_slope=frame.descent_mps / slowest,
    )


def flight_rules(job: SurveyJob, kit: Kit) -> FlightRules:
    """What all flights of this drone in the survey share."""
    fence = []
    for area in job.no_fly:
        lat, lon = job.frame.to_geo(*np.asarray(area.exterior.coords)[:-1].T)
        fence.append(tuple(GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)))
    return FlightRules(
        frame=job.frame,
        terrain=job.terrain,
        obstacles=job.obstacles,
        kit=kit,
        overlap=job.settings.overlap,
        limits=follow_limits(job, kit),
        wind=job.settings.wind,
        gimbal_pitch_deg=job.settings.gimbal_pitch_deg,
        fence_exclusion=tuple(fence),
    )


def no_lanes() -> SurveyError:
    """The error of a survey without a lane."""
    return SurveyError("the no-fly areas and their margin leave nothing of the zone to photograph")
