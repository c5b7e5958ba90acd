"""Other programs ride along on a flight of `missionctl fly`: pymavlink, MAVProxy and DroneKit."""

import contextlib
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pymavlink import mavutil

from flight.logs.tlog import packets
from sim.autopilot.params import PARAMETERS

_spec = importlib.util.spec_from_file_location(
    "signed_peers", Path(__file__).parents[1] / "flight" / "signed_peers.py"
)
signed_peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(signed_peers)

PLAN = """\
QGC WPL 110
0\t1\t0\t16\t0\t0\t0\t0\t30.05\t103.15\t500\t1
1\t0\t3\t22\t0\t0\t0\t0\t30.05\t103.15\t30\t1
2\t0\t3\t16\t0\t0\t0\t0\t30.0505\t103.15\t30\t1
3\t0\t2\t206\t20\t0\t1\t0\t0\t0\t0\t1
4\t0\t3\t16\t0\t0\t0\t0\t30.0505\t103.151\t30\t1
5\t0\t3\t16\t0\t0\t0\t0\t30.0508\t103.151\t30\t1
6\t0\t2\t206\t0\t0\t0\t0\t0\t0\t0\t1
7\t0\t2\t20\t0\t0\t0\t0\t0\t0\t0\t1
"""

LOOK = """
import sys, time
from dronekit import connect
vehicle = connect(sys.argv[1], wait_ready=["parameters", "mode"], timeout=60)
print("parameters", len(vehicle.parameters.keys()), flush=True)
end = time.time() + 60
while vehicle.mode.name != "AUTO" and time.time() < end:
    time.sleep(0.1)
print("mode", vehicle.mode.name, flush=True)
cmds = vehicle.commands
cmds.download()
cmds.wait_ready()
print("items", cmds.count, flush=True)
vehicle.close()
"""


@pytest.fixture
def fly(tmp_path):
    """Start `missionctl fly`; gives the process and its folder."""

    def start(url, *forward):
        plan = tmp_path / "way.waypoints"
        plan.write_text(PLAN)
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "missionctl.cli.main", "fly", str(plan), "--connect", url),
                *("--yes", "--json", "--out", str(tmp_path / "flight")),
                *(part for text in forward for part in ("--forward", text)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return child, tmp_path / "flight"

    return start


def landed(child, timeout_s=150):
    out, err = child.communicate(timeout=timeout_s)
    assert child.returncode == 0, err
    return json.loads(out)


def events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


class Ride:
    """pymavlink at an endpoint: tells all it hears, asks for the mission, and knows the flight's end."""

    def __init__(self, url):
        self.link = mavutil.mavlink_connection(url, source_system=255, source_component=0)
        self.kinds = {}
        self.parameters = set()
        self.items = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        asked_s = 0.0
        while not self._stop.is_set():
            if time.monotonic() - asked_s > 1.0:
                asked_s = time.monotonic()
                self.link.mav.heartbeat_send(6, 8, 0, 0, 4)
                if not self.parameters:
                    self.link.mav.param_request_list_send(1, 1)
                if not self.items:
                    self.link.mav.mission_request_list_send(1, 1, 0)
            message = self.link.recv_match(blocking=True, timeout=0.2)
            if message is None:
                continue
            kind = message.get_type()
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if kind == "PARAM_VALUE":
                self.parameters.add(message.param_id)
            elif kind == "MISSION_COUNT":
                self.items = message.count

    def close(self):
        self._stop.set()
        self._thread.join(5.0)
        self.link.close()


@pytest.mark.slow
def test_pymavlink_rides_along_and_its_death_does_nothing(missionctl_sim, fly, free_port, talk):
    (url,) = missionctl_sim(speedup=5)
    door, grave = free_port(), free_port()
    doomed = talk(
        sys.executable,
        "-c",
        "import sys\nfrom pymavlink import mavutil\n"
        f"c = mavutil.mavlink_connection('udpin:127.0.0.1:{grave}', source_system=254)\n"
        "print('ready', flush=True)\n"
        "while True:\n    m = c.recv_match(blocking=True)\n    print(m.get_type(), flush=True)\n"
        "    c.mav.param_request_list_send(1, 1)\n",
    )
    doomed.wait_for("ready")
    ride = Ride(f"udpin:127.0.0.1:{door}")
    with contextlib.closing(ride):
        child, folder = fly(url, f"udpout:127.0.0.1:{door}", f"udpout:127.0.0.1:{grave}")
        doomed.wait_for("PARAM_VALUE", 60.0)
        os.kill(doomed.child.pid, signal.SIGKILL)
        report = landed(child)
    assert report["identical"]
    assert report["complete"]
    assert report["photos_confirmed"] >= 4
    assert len(ride.parameters) == len(PARAMETERS)
    assert ride.items == 8
    assert ride.kinds["GLOBAL_POSITION_INT"] > 50
    assert ride.kinds["CAMERA_FEEDBACK"] == report["photos_confirmed"]
    assert "MISSION_REQUEST" not in ride.kinds  # the station's upload is between it and the vehicle
    assert "COMMAND_ACK" not in ride.kinds
    assert [end["dropped"] for end in report["forward"]] == [0, 0]
    spoke = {p.sysid for p in packets(folder / "telemetry.tlog")}
    assert spoke - set(range(201, 245)) == {
        1,
        255,
    }  # under its own id until it knows whom the vehicle watches


@pytest.mark.soak
@pytest.mark.skipif(importlib.util.find_spec("MAVProxy") is None, reason="MAVProxy is not installed")
def test_mavproxy_rides_along_and_brings_the_flight_home(missionctl_sim, fly, free_port, talk, tmp_path):
    """It may command: the flight ends in its RTL, and the journal says who it was."""
    (url,) = missionctl_sim(speedup=4)
    door = free_port()
    program = Path(sys.executable).with_name("mavproxy.py")
    child, folder = fly(url, f"udpin:127.0.0.1:{door}")
    proxy = talk(
        *(sys.executable, "-u", program, "--master", f"udpout:127.0.0.1:{door}", "--state-basedir", tmp_path),
        *("--default-modules", "cmdlong,wp,param,mode,arm,misc,log,link"),
    )
    proxy.wait_for(f"Received {len(PARAMETERS)} parameters", 60.0)
    if "Mission: 2 WP" not in proxy.said:
        proxy.wait_for("Mission: 2 WP", 90.0)
    proxy.tell("wp clear")
    proxy.tell("mode RTL")
    _, err = child.communicate(timeout=120)
    assert child.returncode == 2, err
    assert "left AUTO for RTL" in err
    report = json.loads((folder / "report.json").read_text())
    assert report["identical"]
    (end,) = report["forward"]
    assert list(end["refused"]) == ["the station flies its own mission"]
    said = [e["message"] for e in events(folder) if e["action"] == "rider command"]
    assert "SET_MODE" in said or "COMMAND_LONG" in said


@pytest.mark.soak
def test_a_dronekit_script_rides_along(missionctl_sim, fly, free_port, until, tmp_path):
    pytest.importorskip("future")
    (url,) = missionctl_sim(speedup=4)
    door = free_port()
    script = tmp_path / "look.py"
    script.write_text(LOOK)
    child, folder = fly(url, f"tcpin:127.0.0.1:{door}?deny=RC_CHANNELS_RAW")
    until((folder / "events.jsonl").is_file, 60.0)  # the door is open by now
    looked = subprocess.run(
        [
            *(sys.executable, "-m", "missionctl.cli.main", "script", str(script)),
            *("--connect", f"tcp:127.0.0.1:{door}", "--", f"tcp:127.0.0.1:{door}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert looked.returncode == 0, looked.stderr
    words = [w for w in looked.stdout.splitlines() if w.split()[0] in ("parameters", "items", "mode")]
    assert words == [f"parameters {len(PARAMETERS)}", "mode AUTO", "items 7"]
    report = landed(child)
    assert report["identical"]
    assert report["complete"]


@pytest.mark.slow
def test_a_rider_hears_the_vehicles_that_are_only_watched(missionctl_sim, talk, free_port, until):
    (url,) = missionctl_sim(speedup=1)
    door = free_port()
    with contextlib.closing(Ride(f"udpin:127.0.0.1:{door}")) as ride:
        watching = subprocess.Popen(
            [
                *(sys.executable, "-m", "missionctl.cli.main", "vehicles", "--connect", url, "--watch"),
                *("--forward", f"udpout:127.0.0.1:{door}?may=read&deny=ATTITUDE", "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(
            lambda: len(ride.parameters) == len(PARAMETERS) and ride.kinds.get("GLOBAL_POSITION_INT", 0) > 5,
            60.0,
        )
        ride.link.mav.set_mode_send(1, 1, 4)
        time.sleep(0.5)
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=30)
    assert watching.returncode == 0, err
    result = json.loads(out)
    assert result["vehicles"][0]["mode"] == "STABILIZE"
    assert result["forward"][0]["refused"]["may only read"] >= 2  # heartbeats and the mode
    assert "ATTITUDE" not in ride.kinds


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("MAVProxy") is None, reason="MAVProxy is not installed")
def test_mavproxy_with_the_key_rides_along_on_a_signed_station(missionctl_sim, talk, free_port, tmp_path):
    """Without the key it is not heard; with it, it reads the parameters of a vehicle that signs."""
    key = hashlib.sha256(b"highwater").digest()
    (tmp_path / "drones.key").write_text(key.hex())
    (tmp_path / "drones.key").chmod(0o600)
    (url,) = missionctl_sim(speedup=1)
    vehicle = signed_peers.Door(int(url.rsplit(":", 1)[1]), key)
    door, program = free_port(), Path(sys.executable).with_name("mavproxy.py")
    with contextlib.closing(vehicle):
        watching = talk(
            *(sys.executable, "-m", "missionctl.cli.main", "vehicles", "--watch"),
            *("--connect", f"tcp:127.0.0.1:{vehicle.port}", "--sign", tmp_path / "drones.key"),
            *("--forward", f"udpin:127.0.0.1:{door}?sign=own"),
        )
        proxy = talk(
            *(sys.executable, "-u", program, "--master", f"udpout:127.0.0.1:{door}"),
            *("--state-basedir", tmp_path, "--default-modules", "signing,cmdlong,wp,param,mode,misc,link"),
        )
        watching.wait_for("unsigned", 60.0)
        assert "PARAM_REQUEST_LIST" not in vehicle.kinds
        proxy.tell("set allow_unsigned False")
        proxy.tell("signing key highwater")
        proxy.wait_for(f"Received {len(PARAMETERS)} parameters", 60.0)
        watching.child.send_signal(signal.SIGINT)
        said = watching.wait_for("messages out", 20.0)
    assert "vehicle 1 (ArduPilot)" in watching.said
    assert "not heard for their signature" in said or "(unsigned)" in said
    assert "highwater" not in watching.said
    assert key.hex() not in watching.said
