"""A mission of 700 items over links that lose, delay, double and reorder, in virtual time: what comes of each
of the runs, against vehicles with ArduPilot's and PX4's own timers; and a mission of 300 items over a good
link."""

import asyncio
import collections
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from flight.links.profiles import find_profile
from flight.missions.upload import upload
from flight.station import open_station
from tests.flight.lossy_uploads import VEHICLES, fly_up, items_of

RUNS = int(os.environ.get("MISSIONCTL_LOSSY_RUNS", "200"))
LOSSES = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.4))
LATENCIES = ((0.0, 1.0), (1.0, 3.0))
SERVER = """
from plans.frames import GeoPoint
from sim.server import SimSettings, serve
settings = SimSettings(home=GeoPoint(30.05, 103.15, 500.0), listen=("tcpin:127.0.0.1:0",))
serve(settings, lambda urls: print(urls[0], flush=True))
"""


@pytest.mark.parametrize("name", VEHICLES)
def test_700_items_over_bad_links(name, tell):
    runs = [fly_up(name, seed) for seed in range(RUNS)]
    ends = collections.Counter(run.end for run in runs)
    tell(f"{name}: {RUNS} runs: " + ", ".join(f"{end} {number}" for end, number in ends.most_common()))
    tell(f"{name}: {np.median([run.wall_s for run in runs]):.1f} s of computing for a run (median)")
    for low, high in LOSSES:
        for soon, late in LATENCIES:
            some = [
                run for run in runs if low <= run.weather.loss < high and soon <= run.weather.latency_s < late
            ]
            done = [run for run in some if run.complete]
            times = [run.link_s for run in done] or [np.nan]
            sizes = [run.link_bytes / 1000 for run in done] or [np.nan]
            tell(
                f"{name}: loss {low:.0%}-{high:.0%}, {soon:g}-{late:g} s one way: {len(done)} of "
                f"{len(some)}, median {np.median(times):.0f} s, 95 % {np.percentile(times, 95):.0f} s, "
                f"{np.median(sizes):.0f} kB"
            )
    wrong = [run for run in runs if not run.right]
    for run in wrong:
        tell(f"{name}: WRONG: {run}")
    assert not wrong


def test_300_items_over_a_good_link(tell):
    child = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        url = child.stdout.readline().strip()

        async def work():
            async with open_station([url], find_profile("wifi")) as station:
                vehicle = await station.wait_for_vehicle(20.0)
                began = time.perf_counter()
                uploaded = await upload(vehicle, items_of(300, 40.0))
                return time.perf_counter() - began, len(uploaded.items)

        took_s, count = asyncio.run(work())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    tell(f"300 items up and read back over a good link: {took_s:.2f} s")
    assert count == 300
