"""The camera trigger: by distance, by time, once; and never sooner than the camera can."""

from __future__ import annotations

import pytest

from sim.autopilot.shutter import Shutter
from sim.dynamics import STEP_S
from sim.sensors import Estimate


class Flight:
    """Flies east at a steady speed; `places` is where photos were taken, `times` when."""

    def __init__(self, speed_mps=10.0):
        self.estimate, self.time_s, self.speed_mps = Estimate(), 0.0, speed_mps
        self.places, self.times = [], []
        self.shutter = Shutter(self._fire)

    def _fire(self):
        self.places.append(self.estimate.east_m)
        self.times.append(self.time_s)

    def fly(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.time_s += STEP_S
            self.estimate.east_m += self.speed_mps * STEP_S
            self.shutter.update(self.estimate, self.time_s)


@pytest.fixture
def flight():
    return Flight()


def test_by_distance_the_first_photo_comes_a_whole_distance_later(flight):
    flight.shutter.by_distance(20.0, at_once=False)
    flight.fly(10)
    assert flight.places == pytest.approx([20, 40, 60, 80], abs=0.5)


def test_or_at_once_when_asked(flight):
    flight.shutter.by_distance(20.0, at_once=True)
    flight.fly(9)
    assert flight.places == pytest.approx([0, 20, 40, 60, 80], abs=0.5)
    assert flight.shutter.count == 5


def test_a_new_lane_counts_its_distance_from_its_own_start(flight):
    flight.shutter.by_distance(20.0, at_once=False)
    flight.fly(3)
    flight.shutter.by_distance(0.0, at_once=False)
    flight.fly(5)  # a turn without photos
    assert len(flight.places) == 1
    assert flight.shutter.idle
    flight.shutter.by_distance(20.0, at_once=False)
    flight.fly(3)
    assert flight.places[1:] == pytest.approx([100], abs=0.5)


def test_by_time_photos_come_at_the_interval_until_stopped(flight):
    flight.shutter.by_time(1.5)
    flight.fly(6.1)
    assert flight.times == pytest.approx([0.02, 1.52, 3.02, 4.52, 6.02], abs=0.1)
    flight.shutter.stop()
    flight.fly(5)
    assert len(flight.times) == 5


def test_a_number_of_photos_is_a_number_of_photos(flight):
    flight.shutter.by_time(1.0, 3)
    flight.fly(10)
    assert len(flight.times) == 3
    flight.shutter.once()
    flight.fly(1)
    assert len(flight.times) == 4
    assert flight.shutter.idle


def test_a_photo_that_comes_too_soon_waits_for_the_camera(flight):
    flight.shutter.min_interval_s = 3.0
    flight.shutter.by_distance(20.0, at_once=True)  # every 2 s at this speed
    flight.fly(10)
    gaps = [b - a for a, b in zip(flight.times[:-1], flight.times[1:], strict=True)]
    assert min(gaps) >= 3.0 - 1e-6
