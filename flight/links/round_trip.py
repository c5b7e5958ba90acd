"""How long an answer takes on a link, and how long to wait for one (RFC 6298)."""

from __future__ import annotations

from dataclasses import dataclass, replace

MOST_WAIT_S = 60.0
"""A wait is never longer than this, however slow the link looks."""


@dataclass(frozen=True)
class RoundTrip:
    """Smoothed mean and mean deviation of measured round trips, seconds; None before the first."""

    mean_s: float | None = None
    deviation_s: float = 0.0

    def after(self, sample_s: float) -> RoundTrip:
        """The estimate after one more answer. Only answers to what was asked once may be taken (Karn)."""
        if self.mean_s is None:
            return RoundTrip(sample_s, sample_s / 2)
        off_s = sample_s - self.mean_s
        return replace(
            self,
            mean_s=self.mean_s + 0.125 * off_s,
            deviation_s=self.deviation_s + 0.25 * (abs(off_s) - self.deviation_s),
        )

    def wait_s(self, least_s: float, unmeasured_s: float) -> float:
        """How long to wait before asking again: mean plus four deviations, `least_s` at least."""
        if self.mean_s is None:
            return unmeasured_s
        return min(max(self.mean_s + 4 * self.deviation_s, least_s), MOST_WAIT_S)
