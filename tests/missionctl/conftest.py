"""The command line as a child process, and a simulated vehicle for it to talk to."""

import contextlib
import json
import subprocess
import sys
import threading

import pytest

from plans.frames import GeoPoint

HOME = GeoPoint(30.05, 103.15, 500.0)


@pytest.fixture
def run():
    """Run `missionctl` with some words; gives the finished process."""

    def start(*arguments, timeout_s=120):
        return subprocess.run(
            [sys.executable, "-m", "missionctl.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    return start


@pytest.fixture
def run_json(run):
    """Run `missionctl ... --json`, which must succeed; gives the result."""

    def start(*arguments):
        done = run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return start


@pytest.fixture
def complaint(run):
    """Run `missionctl`, which must refuse; gives its one line."""

    def start(*arguments):
        done = run(*arguments)
        assert done.returncode == 2, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return start


@pytest.fixture
def simulator():
    """Start a simulated vehicle in a thread; gives its address."""
    from sim.server import SimSettings, serve

    with contextlib.ExitStack() as stack:

        def start(**settings):
            ready, stop, addresses = threading.Event(), threading.Event(), []

            def on_ready(urls):
                addresses.extend(urls)
                ready.set()

            wanted = {"home": HOME, "listen": ("tcpin:127.0.0.1:0",), "speedup": 10.0, **settings}
            thread = threading.Thread(target=serve, args=(SimSettings(**wanted), on_ready, stop), daemon=True)
            thread.start()
            stack.callback(thread.join, 10.0)
            stack.callback(stop.set)
            assert ready.wait(30.0)
            return addresses[0]

        yield start


@pytest.fixture
def plan_file(tmp_path):
    """A plan of one lane with a photo each 20 m."""
    from plans.formats import write_mission
    from plans.mission import AltitudeFrame, Command, Mission, MissionItem

    plain, lat, lon = (0.0, 0.0, 0.0, 0.0), HOME.lat_deg, HOME.lon_deg

    def place(command, north_deg, east_deg):
        return MissionItem(command, AltitudeFrame.RELATIVE, plain, lat + north_deg, lon + east_deg, 30.0)

    def trigger(distance_m):
        first = 1.0 if distance_m else 0.0
        return MissionItem(
            Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, (distance_m, 0.0, first, 0.0)
        )

    items = (
        place(Command.NAV_TAKEOFF, 0.0, 0.0),
        place(Command.NAV_WAYPOINT, 0.0004, 0.0),
        trigger(20.0),
        place(Command.NAV_WAYPOINT, 0.0004, 0.0012),
        trigger(0.0),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    )
    file = tmp_path / "lane.plan"
    write_mission(Mission(items, home=HOME, cruise_speed_mps=8.0), file)
    return file
