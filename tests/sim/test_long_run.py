"""Flight after flight with whatever goes wrong: nothing leaks, no clock drifts, nothing gets stuck, and the
same seed gives the same bits."""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from sim.faults import FAULT_KINDS, Fault, FaultTimeline

from .conftest import Bench
from .long_run import WARM_UP, random_faults, run_day

LEAK_BLOCKS = 40.0
"""A flight's own record here takes a dozen; a vehicle that kept an entry a second would take thousands."""


def nothing_is_stuck(flights):
    for flight in flights:
        assert flight.took_off
        assert flight.said > 0
        assert flight.why_not_ready == ()
    return flights


def test_two_flights_in_a_row_leave_it_ready_and_come_out_alike(world):
    once, again = (run_day(world.folder, seed=3, flights=2, hours=0.3) for _ in range(2))
    nothing_is_stuck(once)
    assert [flight.digest for flight in once] == [flight.digest for flight in again]
    assert once[0].digest != once[1].digest


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_day_of_flights_with_random_faults(world):
    """24 hours, 24 flights; the second time in another process."""
    day = (world.folder, 1, 24, 24.0)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        other = elsewhere.submit(run_day, *day)
        flights = nothing_is_stuck(run_day(*day))
        again = other.result()
    assert [flight.digest for flight in flights] == [flight.digest for flight in again]
    assert {kind for flight in flights for kind in flight.faults} == set(FAULT_KINDS)
    assert {flight.ended for flight in flights} == {"landed", "crashed", "drowned"}
    assert any(flight.lost for flight in flights)
    blocks = [flight.blocks for flight in flights[WARM_UP:]]
    a_flight_more = float(np.polyfit(range(len(blocks)), blocks, 1)[0])
    rss_mb = flights[-1].rss_mb - flights[WARM_UP].rss_mb
    ends = {
        kind: sum(flight.ended == kind for flight in flights) for kind in ("landed", "crashed", "drowned")
    }
    print(
        f"\n{sum(f.flight_s for f in flights) / 3600:.1f} h in the air, {ends}, {a_flight_more:+.0f} blocks",
        end="",
    )
    print(f" a flight, {rss_mb:+.1f} MB")
    assert a_flight_more < LEAK_BLOCKS
    assert rss_mb < 4.0


def test_random_faults_are_of_every_kind_and_make_sense():
    dice = random.Random(5)
    faults = [fault for flight in range(len(FAULT_KINDS)) for fault in random_faults(dice, flight)]
    assert {fault.kind for fault in faults} == set(FAULT_KINDS)
    assert all(str(fault) for fault in faults)


@pytest.mark.parametrize("kind", ["aircraft_near", "bird_near"])
def test_who_flies_on_is_forgotten_when_out_of_hearing(kind):
    """Otherwise it would be told of for ever, with a place beyond the end of the map in the end."""
    bench = Bench()
    timeline = FaultTimeline([Fault(kind, 1.0, north_m=500.0, speed_mps=150.0)], bench.vehicle)
    bench.run(600.0, timeline.update)
    assert len(bench.vehicle.aircraft) + len(bench.vehicle.birds) == 1
    bench.run(100.0, timeline.update)
    assert not bench.vehicle.aircraft
    assert not bench.vehicle.birds


def test_two_aircraft_at_the_same_moment_are_two():
    bench = Bench()
    faults = [Fault("aircraft_near", 1.0, north_m=500.0), Fault("aircraft_near", 1.0, east_m=500.0)]
    timeline = FaultTimeline(faults, bench.vehicle)
    bench.run(2.0, timeline.update)
    assert len({other.icao for other in bench.vehicle.aircraft}) == 2
