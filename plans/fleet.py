"""Who flies what: laid lanes become one order, the order is shared among drones, each share cut into
sorties."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely import ops as shapely_ops

from plans.costs import FlightCosts, fixed_slots
from plans.drones import Kit
from plans.errors import SurveyError
from plans.flights import FlightRules, Sortie, fly_through, numbered
from plans.follow import FollowLimits
from plans.frames import FloatArray, GeoPoint
from plans.lanes import Lane
from plans.layout import LaidPart
from plans.route import order_lanes, order_tours
from plans.sorties import LaneCosts, SortieCut, makespan_s, share_out, too_small
from plans.survey_job import SurveyJob
from plans.terrain import Terrain
from plans.urgency import most_urgent_first

_KICKS = 30
_ROUNDS = 24  # of sharing out, flying through and correcting what was reckoned too low
_TOGETHER = 250  # lanes of several parts that are ordered as one tour


@dataclass(frozen=True)
class _Group:
    """Lanes first..last - 1 of the order: ground of one priority."""

    first: int
    last: int


@dataclass(frozen=True)
class Flown:
    """Sorties, the lanes as they number them, and lanes too far from every launch point."""

    sorties: list[Sortie]
    lanes: list[Lane]
    lost: list[Lane]

    @property
    def seconds(self) -> float:
        """Flight time of all sorties together."""
        return sum(sortie.duration_s for sortie in self.sorties)


def fly_lanes(job: SurveyJob, parts: Sequence[LaidPart], exposure: Terrain | None = None) -> Flown:
    """The sorties of a survey and its lanes in the order in which they number them.

    More urgent ground comes first: it is shared among all drones before any other. Every sortie keeps within
    its drone's battery, as flown over the terrain and with the way home from every point, and within what its
    autopilot stores. Lanes that no drone can reach are left out; raises SurveyError when that are all.
    """
    costs = [FlightCosts(job, kit) for kit in job.kits]
    ordered: list[Lane] = []
    groups: list[_Group] = []
    for priority in sorted({part.priority for part in parts}, reverse=True):
        tour = _tour(job, costs[0], [p for p in parts if p.lanes and p.priority == priority])
        if not tour:
            continue
        groups.append(_Group(len(ordered), len(ordered) + len(tour)))
        ordered += tour
    base, factors = _price(costs, ordered), np.ones((len(ordered), 3))
    pilot = _Pilot(job)
    lost: list[Lane] = []
    for _ in range(_ROUNDS):
        prices = _corrected(base, factors)
        cuts = _share(prices, groups)
        if cuts is None:
            cut = _cut_long_lanes(ordered, groups, prices, job)
            ordered, groups, lost = cut.lanes, cut.groups, [*lost, *cut.lost]
            base, factors = _price(costs, ordered), factors[cut.origin]
            continue
        flown = (cuts, ordered) if exposure is None else _by_exposure(cuts, ordered, exposure, groups)
        sorties = pilot.fly(*flown)
        short, over = _underestimates(sorties, flown[0], prices, job.kits)
        if not over:
            told, counted = pilot.numbered(sorties, *flown)
            return Flown(told, counted, lost)
        factors = factors * short
    raise too_small(_corrected(base, factors)[0])


def _tour(job: SurveyJob, costs: FlightCosts, parts: Sequence[LaidPart]) -> list[Lane]:
    lanes = [lane for part in parts for lane in part.lanes]
    if not lanes:
        return []
    if len(lanes) <= _TOGETHER or len(parts) == 1:
        return order_lanes(lanes, costs.launches_m, costs.around_s, _KICKS)
    tours = [order_lanes(part.lanes, job.launches_m, costs.around_s, _KICKS // 3) for part in parts]
    return order_tours(tours, job.launches_m)


def _price(costs: Sequence[FlightCosts], lanes: Sequence[Lane]) -> list[LaneCosts]:
    """The costs of the order for each drone; drones alike share them."""
    known: dict[tuple[object, ...], LaneCosts] = {}
    for cost in costs:
        if _kind(cost) not in known:
            known[_kind(cost)] = cost.lane_costs(lanes)
    return [known[_kind(cost)] for cost in costs]


def _kind(cost: FlightCosts) -> tuple[object, ...]:
    kit, drone = cost.kit, cost.kit.drone
    memory = (drone.autopilot, drone.item_limit)
    return (drone.airframe, drone.battery, memory, kit.speed_mps, kit.height_m, kit.launches)


def _corrected(prices: Sequence[LaneCosts], factors: FloatArray) -> list[LaneCosts]:
    """The costs multiplied by factors (lanes, 3); drones alike go on sharing them."""
    known: dict[int, LaneCosts] = {}
    for price in prices:
        if id(price) not in known:
            known[id(price)] = replace(
                price,
                lanes=price.lanes * factors,
                between=price.between * factors[:-1],
                out=price.out * factors,
                home=price.home * factors,
            )
    return [known[id(price)] for price in prices]


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


@dataclass(frozen=True)
class _Cut:
    """An order of lanes with the long ones in pieces: its groups, for each piece the lane that it is of, and
    the lanes that no drone can reach."""

    lanes: list[Lane]
    groups: list[_Group]
    origin: list[int]
    lost: list[Lane]


def _cut_long_lanes(
    lanes: Sequence[Lane], groups: Sequence[_Group], priced: Sequence[LaneCosts], job: SurveyJob
) -> _Cut:
    """Lanes that fit no drone's sortie alone, cut into as many pieces as batteries and autopilots ask; those
    that cannot be reached and come back from are left out. Raises SurveyError when that leaves none."""
    fits = np.zeros(len(lanes), bool)
    within_reach = np.zeros(len(lanes), bool)
    pieces = np.full(len(lanes), np.inf)
    for costs in priced:
        away = costs.out + costs.home
        rest = costs.limits - away
        fits |= (costs.lanes <= rest).all(axis=2).any(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.nanmax(np.where(rest > 0, costs.lanes / rest, np.inf), axis=2).min(axis=0)
        pieces = np.minimum(pieces, needed)
        there_and_back = np.minimum(2 * costs.out, 2 * costs.home)
        within_reach |= (there_and_back <= costs.limits).all(axis=2).any(axis=0)
    cut = _Cut([], [], [], [])
    for group in groups:
        first = len(cut.lanes)
        for index in range(group.first, group.last):
            lane = lanes[index]
            long = lane.length_m >= 4 * job.trigger_m
            if fits[index]:
                cut.lanes.append(lane)
                cut.origin.append(index)
            elif within_reach[index] and long:
                count = int(
                    np.clip(math.ceil(pieces[index] * 1.02) if np.isfinite(pieces[index]) else 2, 2, 50)
                )
                ends = np.linspace(0.0, lane.length_m, count + 1)
                for low, high in itertools.pairwise(ends.tolist()):
                    cut.lanes.append(replace(lane, line=shapely_ops.substring(lane.line, low, high)))
                    cut.origin.append(index)
            else:
                cut.lost.append(lane)
        if len(cut.lanes) > first:
            cut.groups.append(_Group(first, len(cut.lanes)))
    if not cut.lanes or fits.all():
        raise too_small(priced[0])
    return cut


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


class _Pilot:
    """Flies sorties through over the terrain and remembers them: most stay the same from one round to the
    next."""

    def __init__(self, job: SurveyJob) -> None:
        self._job = job
        self._rules = [flight_rules(job, kit) for kit in job.kits]
        self._flown: dict[tuple[object, ...], Sortie] = {}

    def fly(self, cuts: Sequence[tuple[int, SortieCut]], lanes: Sequence[Lane]) -> list[Sortie]:
        """The sorties of the cuts, not numbered yet."""
        sorties = []
        for drone, cut in cuts:
            kit = self._job.kits[drone]
            launch = self._job.launches[kit.launches[cut.launch]]
            own = tuple(lanes[cut.first : cut.last + 1])
            key = (kit.drone, kit.speed_mps, launch, own)
            if key not in self._flown:
                self._flown[key] = fly_through(launch, own, self._rules[drone])
            sorties.append(self._flown[key])
        return sorties

    def numbered(
        self, sorties: Sequence[Sortie], cuts: Sequence[tuple[int, SortieCut]], lanes: Sequence[Lane]
    ) -> tuple[list[Sortie], list[Lane]]:
        """The sorties in the order of the cuts with the plan's numbers, and the lanes that these count."""
        told: list[Sortie] = []
        counted: list[Lane] = []
        shots = 0
        for sortie, (drone, cut) in zip(sorties, cuts, strict=True):
            told.append(numbered(sortie, len(told), drone, len(counted), shots, self._rules[drone]))
            shots += len(told[-1].shots)
            counted += lanes[cut.first : cut.last + 1]
        return told, counted


def _underestimates(
    sorties: Sequence[Sortie],
    cuts: Sequence[tuple[int, SortieCut]],
    prices: Sequence[LaneCosts],
    kits: Sequence[Kit],
) -> tuple[FloatArray, bool]:
    """By what factor (lanes, 3) the costs fall short of sorties as flown through, and whether any of these
    exceeds its drone's limits."""
    factors = np.ones_like(prices[0].lanes)
    over = False
    for sortie, (drone, cut) in zip(sorties, cuts, strict=True):
        aircraft = kits[drone].drone
        slots = aircraft.slots(sortie.mission) - fixed_slots(aircraft)
        spent = np.array([0.0, max(sortie.battery_s, sortie.worst_home_s), slots])
        over = over or bool((spent > prices[drone].limits).any())
        short = spent / prices[drone].sortie(cut.first, cut.last, cut.launch)
        factors[cut.first : cut.last + 1] = np.where(short > 1.0, short * 1.005, 1.0)
    return factors, over


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
