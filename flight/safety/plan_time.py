"""How long the legs of a flight take, and what they use of the battery, the way its autopilot flies
(plans.flight_time)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from flight.safety.plan_path import Leg, LegKind
from flight.safety.way_home import TOUCHDOWN_S
from plans.energy import Airframe, Wind, drain
from plans.errors import SurveyError
from plans.flight_time import landing_s, segment_uses, take_off_s
from plans.frames import FloatArray
from plans.px4_time import Px4Airframe


def leg_uses(legs: Sequence[Leg], airframe: Airframe, wind: Wind) -> FloatArray:
    """(seconds, battery seconds) of each leg with the wait at its end, shape (n, 2); inf where the wind does
    not let the vehicle fly. The legs must follow on each other."""
    if not legs:
        return np.zeros((0, 2))
    cruise = float(np.median([leg.speed_mps for leg in legs]))
    try:
        uses = np.concatenate(
            [_flown(list(alike), airframe, wind, cruise) for _, alike in itertools.groupby(legs, _kind)]
        )
    except SurveyError:
        return np.full((len(legs), 2), math.inf)
    hover = float(drain(0.0, 0.0, cruise, airframe))
    for row, leg in zip(uses, legs, strict=True):
        if leg.kind is LegKind.LAND:
            seconds = _landing_s(leg.start[2] - leg.end[2], airframe)
            row[:] = seconds, seconds * hover
        row += np.array([leg.hold_s, leg.hold_s * hover])
    return uses


def _kind(leg: Leg) -> LegKind:
    return leg.kind


def _landing_s(height_m: float, airframe: Airframe) -> float:
    touchdown_s = 0.0 if isinstance(airframe, Px4Airframe) else TOUCHDOWN_S
    return landing_s(height_m, airframe) + touchdown_s


def _flown(legs: Sequence[Leg], airframe: Airframe, wind: Wind, cruise_mps: float) -> FloatArray:
    """Legs of one kind: between kinds the vehicle stops."""
    points = np.array([legs[0].start, *(leg.end for leg in legs)])
    speeds = [leg.speed_mps for leg in legs]
    if legs[0].kind is LegKind.RISE and isinstance(airframe, Px4Airframe):
        rises = [leg.end[2] - leg.start[2] for leg in legs]
        seconds = np.array([take_off_s(max(rise, 0.0), airframe) for rise in rises])
        climbs = np.array(rises) / np.maximum(seconds, 1e-9)
        return np.column_stack([seconds, seconds * drain(0.0, climbs, cruise_mps, airframe)])
    stops = [leg.hold_s > 0 for leg in legs]
    return segment_uses(points, speeds, airframe, wind, cruise_mps, stops)


def flight_use(legs: Sequence[Leg], airframe: Airframe, wind: Wind) -> tuple[float, float]:
    """(seconds, battery seconds) of a whole flight, arming included; (inf, inf) where the wind does not let
    the vehicle fly."""
    if not legs:
        return 0.0, 0.0
    seconds, battery = (float(v) for v in leg_uses(legs, airframe, wind).sum(axis=0))
    return seconds + airframe.take_off_wait_s, battery + airframe.take_off_wait_s
