"""What a scenario asks of a flight, and whether it was reached: judged from the truth, at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.watcher import FlightSummary


@dataclass(frozen=True)
class GoalResult:
    """One goal: whether it was reached, and by what measure."""

    name: str
    met: bool
    measure: str


@dataclass(frozen=True)
class Goals:
    """What counts; None and False ask for nothing. Each vehicle is judged by all of them."""

    photos: int | None = None
    """On the card at the end, at least."""
    all_photos: bool = False
    """None that was announced may be missing from the card."""
    landed_within_m: float | None = None
    """Of where it started, on dry ground and disarmed."""
    touchdown_mps: float | None = None
    """At most."""
    fence_kept: bool = False
    return_above: float | None = None
    """Share of the charge when the first return or landing is ordered, at least."""
    charge_above: float | None = None
    """Share of the charge at the end, at least."""
    apart_m: float | None = None
    """From other aircraft and birds, always."""
    flight_s: float | None = None
    """In the air, at most."""

    def judge(self, flight: FlightSummary) -> tuple[GoalResult, ...]:
        """Hold a flight against every goal that is asked for."""
        return tuple(self._results(flight))

    def _results(self, flight: FlightSummary) -> Iterator[GoalResult]:
        flew = flight.flight_s > 0.0
        on_card = flight.photos_announced - flight.photos_lost
        if self.photos is not None:
            measure = f"{on_card} on the card, {self.photos} wanted"
            yield GoalResult("photos", on_card >= self.photos, measure)
        if self.all_photos:
            measure = f"{flight.photos_lost} of {flight.photos_announced} lost"
            yield GoalResult("all_photos", on_card > 0 and flight.photos_lost == 0, measure)
        if self.landed_within_m is not None:
            down = flew and not flight.armed and not flight.airborne and not flight.in_water
            where = "in water" if flight.in_water else f"{flight.away_m:.1f} m away"
            measure = where if down or flight.in_water else "not on the ground and disarmed"
            yield GoalResult("landed_within_m", down and flight.away_m <= self.landed_within_m, measure)
        if self.touchdown_mps is not None:
            sink = flight.max_touchdown_mps
            yield GoalResult("touchdown_mps", flew and sink <= self.touchdown_mps, f"{sink:.1f} m/s")
        if self.fence_kept:
            measure = f"{flight.fence_breaches} breaches"
            yield GoalResult("fence_kept", flew and flight.fence_breaches == 0, measure)
        if self.return_above is not None:
            share = flight.return_share
            measure = "never returned" if share is None else f"at {share:.0%}"
            yield GoalResult("return_above", share is not None and share >= self.return_above, measure)
        if self.charge_above is not None:
            met = flew and flight.charge_share >= self.charge_above
            yield GoalResult("charge_above", met, f"{flight.charge_share:.0%} left")
        if self.apart_m is not None:
            nearest = flight.nearest_m
            measure = "nobody near" if nearest is None else f"{nearest:.0f} m"
            yield GoalResult("apart_m", flew and (nearest is None or nearest >= self.apart_m), measure)
        if self.flight_s is not None:
            met = flew and flight.flight_s <= self.flight_s
            yield GoalResult("flight_s", met, f"{flight.flight_s:.0f} s in the air")
