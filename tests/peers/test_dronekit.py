"""Ordinary DroneKit scripts, run by `missionctl script` against our simulator."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flight.signing.signatures import SigningKey, write_key
from sim.autopilot.params import PARAMETERS

pytest.importorskip("future")
_peers = Path(__file__).parents[1] / "flight" / "signed_peers.py"
_spec = importlib.util.spec_from_file_location("signed_peers", _peers)
signed_peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(signed_peers)

GOTO = """
from __future__ import print_function
import argparse, collections, time
from dronekit import connect, VehicleMode, LocationGlobalRelative, Command
from pymavlink import mavutil

parser = argparse.ArgumentParser(description='Commands vehicle using vehicle.simple_goto.')
parser.add_argument('--connect', help="Vehicle connection target string.")
parser.add_argument('--height', type=float, default=10)
args = parser.parse_args()
vehicle = connect(args.connect, wait_ready=True)
mapping = isinstance(vehicle.parameters, collections.MutableMapping)  # as scripts of Python 2 days say
print("parameters", len(vehicle.parameters.keys()), mapping)

def wait(condition, seconds=30):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            raise RuntimeError("did not come about")
        time.sleep(0.1)

wait(lambda: vehicle.is_armable)
vehicle.mode = VehicleMode("GUIDED")
wait(lambda: vehicle.mode.name == "GUIDED")
vehicle.armed = True
wait(lambda: vehicle.armed)
vehicle.simple_takeoff(args.height)
wait(lambda: vehicle.location.global_relative_frame.alt > 0.95 * args.height)
print("height", round(vehicle.location.global_relative_frame.alt))
home = vehicle.location.global_relative_frame
vehicle.airspeed = 5
vehicle.simple_goto(LocationGlobalRelative(home.lat + 0.0003, home.lon, args.height))
wait(lambda: vehicle.location.global_relative_frame.lat > home.lat + 0.00029)

cmds = vehicle.commands
cmds.download()
cmds.wait_ready()
cmds.clear()
for east in (0.0002, 0.0004):
    cmds.add(Command(0, 0, 0, mavutil.mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT,
                     mavutil.mavlink.MAV_CMD_NAV_WAYPOINT, 0, 0, 0, 0, 0, 0,
                     home.lat, home.lon + east, args.height))
cmds.upload()
cmds.download()
cmds.wait_ready()
print("items", vehicle.commands.count)
vehicle.mode = VehicleMode("AUTO")
wait(lambda: vehicle.commands.next == 2)
vehicle.mode = VehicleMode("RTL")
wait(lambda: not vehicle.armed, 60)
print("Completed")
vehicle.close()
"""


def run_script(file, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", "script", str(file), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_an_ordinary_script_flies_and_brings_its_vehicle_home(missionctl_sim, tmp_path):
    script = tmp_path / "simple_goto.py"
    script.write_text(GOTO)
    (url,) = missionctl_sim()
    done = run_script(script, "--connect", url, "--", "--height", "12")
    assert done.returncode == 0, done.stderr
    words = [
        line for line in done.stdout.splitlines() if line.split()[0] in ("parameters", "height", "items")
    ]
    assert words == [f"parameters {len(PARAMETERS)} True", "height 12", "items 2"]
    assert done.stdout.splitlines()[-1] == "Completed"


def test_a_script_without_options_finds_its_vehicle_in_its_environment(missionctl_sim, tmp_path):
    script = tmp_path / "hello.py"
    script.write_text(
        "import os\nfrom dronekit import connect\n"
        "vehicle = connect(os.environ['MISSIONCTL_CONNECT'], wait_ready=['mode'])\n"
        "print(vehicle.mode.name)\nvehicle.close()\n"
    )
    (url,) = missionctl_sim()
    done = run_script(script, "--connect", url)
    assert (done.returncode, done.stdout.strip()) == (0, "STABILIZE"), done.stderr


def test_a_script_that_fails_is_told_in_a_line(tmp_path):
    script = tmp_path / "bad.py"
    script.write_text("raise ValueError('the vehicle is not here')\n")
    done = run_script(script, "--connect", "tcp:127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "bad.py failed (exit code 1): ValueError: the vehicle is not here"
    )


class Door(signed_peers.Door):
    """A station that goes away, goes away."""

    def _serve(self, station, vehicle):
        with contextlib.suppress(OSError):
            super()._serve(station, vehicle)


@pytest.fixture
def signed(missionctl_sim, tmp_path, monkeypatch):
    """A vehicle that obeys signed messages only; gives its address, the key file, and its door."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (url,) = missionctl_sim()
    key = SigningKey(bytes(range(60, 92)))
    write_key(tmp_path / "drones.key", key)
    door = Door(int(url.rsplit(":", 1)[1]), key.reveal())
    yield f"tcp:127.0.0.1:{door.port}", tmp_path / "drones.key", door
    door.close()


@pytest.mark.slow
def test_a_script_flies_a_vehicle_that_obeys_signed_messages_only(signed, tmp_path):
    script = tmp_path / "simple_goto.py"
    script.write_text(GOTO + "import os, sys\nprint(os.environ, sys.argv)\n")
    url, key, door = signed
    done = run_script(script, "--connect", url, "--sign", str(key), "--", "--height", "12")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "Completed"
    assert "drones.key" not in done.stdout
    assert door.rejected == 0
    assert {"MISSION_ITEM_INT", "MISSION_ITEM"} & set(door.kinds)


def test_a_script_without_the_key_does_not_begin(signed, tmp_path):
    script = tmp_path / "hello.py"
    script.write_text("print('begun')\n")
    url, _, _ = signed
    other = tmp_path / "other.key"
    write_key(other, SigningKey(bytes(32 * [5])))
    done = run_script(script, "--connect", url, "--sign", str(other))
    assert (done.returncode, done.stdout) == (2, "")
    assert "signs with another key" in done.stderr
    assert "no vehicle answered" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C of another process")
@pytest.mark.parametrize("sign", [False, True])
def test_a_script_that_hears_ctrl_c_still_has_its_vehicle(missionctl_sim, signed, tmp_path, sign):
    script = tmp_path / "tidy.py"
    script.write_text(
        "import os, time\nfrom dronekit import connect, VehicleMode\n"
        "vehicle = connect(os.environ['MISSIONCTL_CONNECT'], wait_ready=['mode'])\n"
        "try:\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    vehicle.mode = VehicleMode('LAND')\n"
        "    end = time.time() + 10\n"
        "    while vehicle.mode.name != 'LAND' and time.time() < end: time.sleep(0.1)\n"
        "    print(vehicle.mode.name, flush=True)\n"
        "vehicle.close()\n"
    )
    url, key, _ = signed
    where = ["--connect", url, "--sign", str(key)] if sign else ["--connect", missionctl_sim()[0]]
    child = subprocess.Popen(
        [sys.executable, "-m", "missionctl.cli.main", "script", str(script), *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout.readline().strip() == "begun"
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = child.communicate(timeout=30)
    assert stdout.strip() == "LAND", stderr
    assert "Traceback" not in stderr
