"""What lanes and the ways between them cost one drone: time, battery and mission items, before they are flown
through over the terrain. Orders, splits and sweep angles are chosen by these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from plans.drones import Drone, Kit
from plans.energy import drain
from plans.flight_time import corners_save_s, leg_of_tour_s, path_use, straight_uses, take_off_and_land_use
from plans.frames import FloatArray
from plans.lanes import Lane
from plans.sorties import LaneCosts
from plans.survey_job import SurveyJob

_RELIEF_BASE_M = 60.0
"""Slopes of lanes are taken over this length: steps of the ground below it are flown over within
tolerance."""
_DETOURS = 60  # ways around obstacles that are worked out where angles are only compared
_FIXED_ITEMS, _FIXED_WAYPOINTS = 6, 2
"""Slots of a sortie beside those of its lanes: take-off, speeds, gimbal, return, home."""


@dataclass(frozen=True, eq=False)
class FlightCosts:
    """The costs of one kit in a survey."""

    job: SurveyJob
    kit: Kit

    def straight_s(self, points_m: FloatArray) -> FloatArray:
        """Seconds (n, n) of straight calm legs between points (n, 2), as parts of a tour."""
        e, n = points_m[:, 0], points_m[:, 1]
        return self._leg_s(np.hypot(e[:, None] - e[None, :], n[:, None] - n[None, :]))

    def around_s(self, points_m: FloatArray) -> FloatArray:
        """As straight_s, around obstacles."""
        return self._leg_s(self.job.obstacles.distances(points_m))

    def lanes_use(self, lanes: Sequence[Lane]) -> FloatArray:
        """(seconds, battery seconds) of each lane, shape (n, 2); over relief a lane is flown at the speed of
        its steepest place."""
        starts = np.array([lane.start_m for lane in lanes])
        ends = np.array([lane.end_m for lane in lanes])
        airframe, wind = self.kit.drone.airframe, self.job.settings.wind
        use = straight_uses(starts, ends, self.kit.speed_mps, airframe, wind, in_tour=True)
        for index, lane in enumerate(lanes):
            if len(lane.line.coords) > 2:
                use[index] = self._path_use(lane.points_m)
        if not self.job.has_relief:
            return use
        slowed, climbed = self._slopes(lanes)
        lengths = np.array([lane.length_m for lane in lanes])
        longer = np.maximum(lengths / slowed - lengths / self.kit.speed_mps, 0.0)
        use += longer[:, None]
        use[:, 1] += self._climb_s(climbed)
        return use

    def ways_use(self, a_m: FloatArray, b_m: FloatArray, exact: np.ndarray | None = None) -> FloatArray:
        """(seconds, battery seconds), shape (n, 2), of the transits from a_m to b_m, both (n, 2), around what
        stands between. Where `exact` (n,) is False a blocked one is put at half as much again."""
        use = straight_uses(
            a_m, b_m, self.kit.speed_mps, self.kit.drone.airframe, self.job.settings.wind, in_tour=True
        )
        for index in np.flatnonzero(self.job.obstacles.crosses(a_m, b_m)):
            if exact is None or exact[index]:
                use[index] = self._path_use(self.job.obstacles.path(a_m[index], b_m[index]))
            else:
                use[index] *= 1.5
        if self.job.has_relief:
            rise = self._ground(b_m) - self._ground(a_m)
            use[:, 0] = np.maximum(use[:, 0], self._vertical_s(rise))
            use[:, 1] = np.maximum(use[:, 1], use[:, 0]) + self._climb_s(np.maximum(rise, 0.0))
        return use

    def tour_s(self, lanes: Sequence[Lane]) -> float:
        """Seconds of one flight over lanes in order, from the nearest launch point and back to the
        nearest."""
        starts = np.array([lane.start_m for lane in lanes])
        ends = np.array([lane.end_m for lane in lanes])
        bases = self.launches_m
        first, last = (bases[np.argmin(np.hypot(*(bases - place).T))] for place in (starts[0], ends[-1]))
        exact = np.arange(len(lanes) + 1) < _DETOURS
        transits = self.ways_use(np.vstack([first, ends]), np.vstack([starts, last]), exact)
        return float(self.lanes_use(lanes)[:, 0].sum() + transits[:, 0].sum())

    def lane_costs(self, lanes: Sequence[Lane]) -> LaneCosts:
        """All costs of a lane order and the drone's limits."""
        frame, drone = self.kit.drone.airframe, self.kit.drone
        starts = np.array([lane.start_m for lane in lanes])
        ends = np.array([lane.end_m for lane in lanes])
        bases = [np.broadcast_to(p, starts.shape) for p in self.launches_m]
        near_start, near_end = (_nearest_two(places, self.launches_m) for places in (starts, ends))
        take_off = take_off_and_land_use(self.kit.height_m, 0.0, self.kit.speed_mps, frame)
        landing = take_off_and_land_use(0.0, self.kit.height_m, self.kit.speed_mps, frame)
        points = np.array([len(lane.line.coords) for lane in lanes], float)
        limits = np.array([np.inf, drone.battery.usable_s, np.inf])
        if drone.memory is not None:
            limits[2] = drone.memory - fixed_slots(drone)
        orders = 0 if drone.counts_waypoints_alone else 3 if self.job.has_relief else 2  # camera, speed
        return LaneCosts(
            np.column_stack([self.lanes_use(lanes), points + orders]),
            _with_items(self.ways_use(ends[:-1], starts[1:])),
            np.array(
                [
                    _with_items(self.ways_use(base, starts, near) + take_off)
                    for base, near in zip(bases, near_start, strict=True)
                ]
            ),
            np.array(
                [
                    _with_items(self.ways_use(ends, base, near) + landing)
                    for base, near in zip(bases, near_end, strict=True)
                ]
            ),
            limits,
            drone.battery.swap_s,
        )

    @cached_property
    def launches_m(self) -> FloatArray:
        """East, north of the launch points that the kit may use, shape (k, 2)."""
        return self.job.launches_m[list(self.kit.launches)]

    def _leg_s(self, lengths_m: FloatArray) -> FloatArray:
        return leg_of_tour_s(lengths_m, self.kit.speed_mps, self.kit.drone.airframe)

    def _path_use(self, points_m: FloatArray) -> FloatArray:
        flat = np.column_stack([points_m[:, :2], np.zeros(len(points_m))])
        airframe = self.kit.drone.airframe
        use = path_use(flat, self.kit.speed_mps, airframe, self.job.settings.wind)
        return use * max(1.0 - corners_save_s(self.kit.speed_mps, airframe) / max(float(use[0]), 1e-9), 0.5)

    def _ground(self, points_m: FloatArray) -> FloatArray:
        heights = self.job.terrain.at(points_m[:, 0], points_m[:, 1])
        return np.where(np.isfinite(heights), heights, 0.0)

    def _vertical_s(self, rise_m: FloatArray) -> FloatArray:
        frame = self.kit.drone.airframe
        return np.where(rise_m > 0, rise_m / frame.climb_mps, -rise_m / frame.descent_mps)

    def _climb_s(self, climbed_m: FloatArray) -> FloatArray:
        """Battery seconds of climbing so far, beside those of flying level."""
        frame = self.kit.drone.airframe
        extra = drain(self.kit.speed_mps, frame.climb_mps, self.kit.speed_mps, frame) - 1.0
        return climbed_m / frame.climb_mps * extra

    def _slopes(self, lanes: Sequence[Lane]) -> tuple[FloatArray, FloatArray]:
        """For each lane the speed that its steepest place allows, and all its climbs together (metres)."""
        step = max(_RELIEF_BASE_M, self.job.terrain.step_m)
        points, owner = shapely.get_coordinates(
            shapely.segmentize([lane.line for lane in lanes], step), return_index=True
        )
        rise = np.diff(self._ground(points))
        run = np.maximum(np.hypot(*np.diff(points, axis=0).T), 1e-6)
        own = owner[1:] == owner[:-1]
        frame = self.kit.drone.airframe
        allowed = (
            np.where(rise > 0, frame.climb_mps, frame.descent_mps) * run / np.maximum(np.abs(rise), 1e-9)
        )
        slowed = np.full(len(lanes), self.kit.speed_mps)
        np.minimum.at(slowed, owner[1:][own], allowed[own])
        climbed = np.bincount(owner[1:][own], np.maximum(rise[own], 0.0), minlength=len(lanes))
        return np.maximum(slowed, 0.5 * self.kit.speed_mps), np.asarray(climbed, float)


def fixed_slots(drone: Drone) -> int:
    """Slots that a sortie takes whatever its lanes."""
    return _FIXED_WAYPOINTS if drone.counts_waypoints_alone else _FIXED_ITEMS


def _nearest_two(places_m: FloatArray, launches_m: FloatArray) -> np.ndarray:
    """For every launch point and place, shape (k, n), whether it is one of the place's two nearest."""
    away = np.hypot(*(launches_m[:, None] - places_m[None]).transpose(2, 0, 1))
    return np.asarray(np.argsort(np.argsort(away, axis=0, kind="stable"), axis=0) < 2)


def _with_items(use: FloatArray) -> FloatArray:
    return np.column_stack([use, np.zeros(len(use))])
