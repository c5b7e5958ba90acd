"""MAVProxy as a station of our simulator, and as the router between our station and a vehicle."""

import importlib.util
import sys
from pathlib import Path

import pytest

from sim.autopilot.params import PARAMETERS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("MAVProxy") is None, reason="MAVProxy is not installed"
)
MODULES = "cmdlong,wp,param,mode,arm,misc,log,link"
WAYPOINTS = """\
QGC WPL 110
0\t1\t0\t16\t0\t0\t0\t0\t30.05\t103.15\t500\t1
1\t0\t3\t22\t0\t0\t0\t0\t30.05\t103.15\t20\t1
2\t0\t3\t16\t0\t0\t0\t0\t30.0503\t103.15\t20\t1
3\t0\t3\t20\t0\t0\t0\t0\t0\t0\t0\t1
"""


@pytest.fixture
def mavproxy(talk, tmp_path):
    def start(master, *options):
        program = Path(sys.executable).with_name("mavproxy.py")
        child = talk(
            *(sys.executable, "-u", program, "--master", master, "--state-basedir", tmp_path),
            *("--default-modules", MODULES, *options),
        )
        child.wait_for(f"Received {len(PARAMETERS)} parameters")
        return child

    return start


@pytest.mark.slow
def test_mavproxy_loads_a_mission_and_flies_it(missionctl_sim, mavproxy, tmp_path):
    (tmp_path / "way.waypoints").write_text(WAYPOINTS)
    (url,) = missionctl_sim()
    proxy = mavproxy(url)
    proxy.tell("wp load way.waypoints")
    proxy.wait_for("Got MISSION_ACK: TYPE_MISSION: ACCEPTED")
    proxy.tell("wp list")
    assert "16 3 30.0503000000 103.1500000000 20.000000" in proxy.wait_for("Saved 4 waypoints")
    if "EKF3 IMU0 is using GPS" not in proxy.said:
        proxy.wait_for("EKF3 IMU0 is using GPS")
    proxy.tell("mode GUIDED")
    proxy.wait_for("Mode GUIDED")
    proxy.tell("arm throttle")
    proxy.wait_for("ARMED")
    proxy.tell("takeoff 20")
    proxy.wait_for("NAV_TAKEOFF: ACCEPTED")
    proxy.tell("mode AUTO")
    proxy.wait_for("Mission: 2 WP")
    proxy.wait_for("DISARMED", 60.0)


@pytest.mark.slow
def test_our_station_works_through_mavproxy(missionctl_sim, mavproxy, missionctl, free_port):
    (url,) = missionctl_sim()
    port = free_port()
    mavproxy(url, "--out", f"udpout:127.0.0.1:{port}")
    (vehicle,) = missionctl("vehicles", "--connect", f"udp:127.0.0.1:{port}", "--listen", "1")["vehicles"]
    assert (vehicle["vehicle"], vehicle["autopilot"]) == (1, "ArduPilot")
    changed = missionctl("params", "set", "RTL_ALT", "2200", "--connect", f"udp:127.0.0.1:{port}")
    assert changed["params"] == {"RTL_ALT": 2200.0}
    listed = missionctl("params", "list", "--connect", f"udp:127.0.0.1:{port}")
    assert len(listed["params"]) == len(PARAMETERS)
