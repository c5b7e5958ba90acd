"""Photos and releases by their times: how many find each other, and whether "sure" can be relied on."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from imagery.geotag import PhotoStamp, match_photos
from plans.mission import CameraEvent

START = dt.datetime(2026, 7, 1, 8, 0, tzinfo=dt.UTC)
SEEDS = 12


def a_flight(seed, count, lost, pace_s, spread_s, turn_every):
    """(photos, events, pairs there are): clock off by hours, 50 ppm drift, 0.3 s jitter, whole seconds."""
    rng = np.random.default_rng(seed)
    steps = np.maximum(rng.normal(pace_s, spread_s, count), 0.8)
    if turn_every:
        steps[::turn_every] += rng.uniform(5, 15, len(steps[::turn_every]))
    times = np.cumsum(steps)
    wrong_s = rng.uniform(-40_000, 40_000) + times * (1 + 50e-6) + rng.normal(0, 0.3, count)
    events = [
        CameraEvent(i + 1, START + dt.timedelta(seconds=float(t)), 30.0 + i * 2e-4, 103.0, 700.0)
        for i, t in enumerate(times)
    ]
    photos = [
        PhotoStamp(f"P{i + 1:04d}.JPG", (START + dt.timedelta(seconds=float(t))).replace(microsecond=0))
        for i, t in enumerate(wrong_s)
    ]
    has_photo, has_event = rng.random(count) >= lost, rng.random(count) >= lost
    return (
        [p for p, keep in zip(photos, has_photo, strict=True) if keep],
        [e for e, keep in zip(events, has_event, strict=True) if keep],
        int(np.sum(has_photo & has_event)),
    )


@pytest.mark.parametrize(
    ("label", "count", "lost", "pace_s", "spread_s", "turn_every"),
    [
        ("500 photos, uneven pace", 500, 0.1, 2.5, 0.5, 40),
        ("500 photos, steady pace with turns", 500, 0.1, 2.0, 0.0, 40),
        ("500 photos, steady pace with turns, 2 % lost", 500, 0.02, 2.0, 0.0, 40),
        ("500 photos every 1.2 s", 500, 0.1, 1.2, 0.2, 40),
        ("500 photos, steady pace without turns", 500, 0.1, 2.0, 0.0, 0),
        ("40 photos, uneven pace", 40, 0.1, 2.5, 0.5, 0),
        ("12 photos, uneven pace", 12, 0.1, 2.5, 0.5, 0),
    ],
)
def test_certainty(label, count, lost, pace_s, spread_s, turn_every):
    refused = possible = 0
    right: dict[str, int] = {"sure": 0, "likely": 0, "doubtful": 0}
    wrong = dict(right)
    for seed in range(SEEDS):
        photos, events, pairs = a_flight(seed, count, lost, pace_s, spread_s, turn_every)
        found = match_photos(photos, events)
        refused += not found.matches
        possible += pairs if found.matches else 0
        for match in found.matches:
            (right if int(match.photo[1:5]) == match.event.index else wrong)[match.certainty] += 1
    share = sum(right.values()) / max(possible, 1)
    print(f"{label}: {refused} of {SEEDS} refused; {share:.2%} right; right {right}, wrong {wrong}")
    assert wrong["sure"] <= 0.001 * max(right["sure"], 1)
