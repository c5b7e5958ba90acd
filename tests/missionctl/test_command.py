"""`missionctl command`: what each vehicle did, one line and exit code 2 where it did not."""

import contextlib
import json
import socket
import subprocess
import sys
import threading

import pytest

from plans.frames import GeoPoint
from sim.server import SimSettings, serve


@pytest.fixture(scope="module")
def fleet():
    """Two simulated vehicles; gives the address at which a station meets them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready, stop = threading.Event(), threading.Event()
    settings = SimSettings(
        home=GeoPoint(30.05, 103.15, 500.0),
        listen=(f"udpout:127.0.0.1:{port}",),
        speedup=20.0,
        vehicles=2,
    )
    thread = threading.Thread(target=serve, args=(settings, lambda urls: ready.set(), stop), daemon=True)
    thread.start()
    assert ready.wait(30.0)
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join, 10.0)
        stack.callback(stop.set)
        yield f"udp:127.0.0.1:{port}"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", "command", *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.slow
def test_vehicles_are_told_and_seen(fleet):
    unasked = command("takeoff", 15, "--all", "--connect", fleet)
    assert unasked.returncode == 2
    assert "nobody is there to confirm 'take off'" in unasked.stderr
    unnamed = command("--connect", fleet, "pause")
    assert unnamed.returncode == 2
    assert "vehicles 1, 2 are heard; name some with --vehicle" in unnamed.stderr

    up = command("--connect", fleet, "takeoff", 15, "--vehicle", 1, "--yes", "--by", "A. Pilot", "--json")
    assert up.returncode == 0, up.stderr
    (outcome,) = json.loads(up.stdout)["vehicles"]
    assert outcome["done"]
    assert outcome["result"]["proven"]

    home = command("--connect", fleet, "rtl", "--all", "--json")
    assert home.returncode == 2
    report = json.loads(home.stdout)
    assert [o["done"] for o in report["vehicles"]] == [True, False]
    assert report["done"] is False
    (line,) = home.stderr.splitlines()
    assert line.startswith("missionctl: vehicle 2: return home: it is on the ground")


@pytest.mark.slow
def test_a_satellite_modem_is_opened_by_hand(fleet):
    opened = command("--connect", fleet, "--vehicle", 2, "high-latency", "on")
    assert opened.returncode == 0, opened.stderr
    assert (
        "open the satellite modem: accepted; no link of this station goes over it (not seen)" in opened.stdout
    )


@pytest.mark.slow
def test_who_flies_by_commands_has_a_record(fleet, tmp_path):
    from flight.logs.files import read_log

    folder = tmp_path / "commands"
    common = ("--connect", fleet, "--vehicle", 2, "--record", folder, "--by", "A. Pilot")
    assert command(*common, "takeoff", 12, "--yes").returncode == 0
    size = (folder / "telemetry.tlog").stat().st_size
    assert command("land", *common).returncode == 0
    assert command(*common, "speed", 900).returncode == 2

    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    of = {name: [e for e in events if e["what"] == name] for name in ("takeoff", "land", "speed")}
    assert [e["action"] for e in of["takeoff"]] == ["command", "connected", "confirmed", "command ended"]
    assert [e["action"] for e in of["land"]] == ["command", "connected", "command ended"]
    assert all(e["by"] == "A. Pilot" for e in events if e["action"] in ("command", "confirmed"))
    assert (of["takeoff"][2]["vehicle"], of["takeoff"][2]["danger"]) == (2, "take off")
    assert of["takeoff"][3]["done"]
    assert of["takeoff"][3]["result"]["proven"]
    assert (of["speed"][-1]["action"], of["speed"][-1]["done"]) == ("command ended", False)
    assert "900" in of["speed"][-1]["error"]
    assert (folder / "telemetry.tlog").stat().st_size > size > 1000
    log = read_log(folder / "telemetry.tlog", 2)
    assert log.messages["COMMAND_ACK"] >= 2
    assert "LAND" in [m.mode for m in log.modes]


def test_a_command_that_nobody_hears_is_on_record_too(tmp_path):
    done = command("--connect", "udp:127.0.0.1:0", "--record", tmp_path, "pause")
    assert done.returncode == 2
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [e["action"] for e in events] == ["command", "command failed"]
    assert "no vehicle answered" in events[1]["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pause"], "--connect URL is missing"),
        (["--connect", "udp:127.0.0.1:1", "--all", "--vehicle", "1", "pause"], "exclude each other"),
        (["--connect", "udp:127.0.0.1:1", "stop", "--yes"], "give --really"),
        (["--connect", "udp:127.0.0.1:1", "goto", "here"], "give LAT,LON"),
        (["--connect", "udp:127.0.0.1:1", "goto", "-95,10"], "latitude must be within 90"),
        (["--connect", "udp:127.0.0.1:1", "photo", "--stop", "--metres", "3"], "one of"),
        (["--connect", "udp:127.0.0.1:1", "high-latency", "maybe"], "give on or off"),
        (["--connect", "udp:127.0.0.1:1", "dance"], "dance"),
    ],
)
def test_what_is_typed_wrongly_is_one_line(arguments, words):
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
