"""`missionctl sim` as others meet it: a process of its own, at an address."""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sim.real_sitl import SitlSettings, run_sitl

from .px4_pair import ours, pair  # noqa: F401

SCENARIO = """
name = "Meeting a peer"
start = 2026-07-01T02:00:00Z

[params]
DISARM_DELAY = 120
"""

PX4_SCENARIO = """
name = "Meeting a peer"
start = 2026-07-01T02:00:00Z

[battery]
capacity_mah = 50000
"""
"""A pack for two hours: a station that counts its own seconds sees one empty ten times as fast."""


class Talk:
    """A child process that is spoken to by lines, and listened to until it says something."""

    def __init__(self, command, cwd):
        self.child = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
        )
        self.said = ""
        self._lines = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.child.stdout:
            self._lines.put(line)

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def wait_for(self, words, timeout_s=30.0):
        """Everything said until some words come."""
        deadline_s, heard = time.monotonic() + timeout_s, ""
        while words not in heard:
            left_s = deadline_s - time.monotonic()
            try:
                line = self._lines.get(timeout=max(left_s, 0.001))
            except queue.Empty:
                raise AssertionError(f"no {words!r} within {timeout_s} s in:\n{self.said}") from None
            heard += line
            self.said += line
        return heard

    def close(self):
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        self.child.terminate()
        try:
            self.child.wait(10.0)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self._thread.join(5.0)
        self.child.stdout.close()


@pytest.fixture
def talk(tmp_path):
    """Start a program that is spoken to by lines."""
    with contextlib.ExitStack() as stack:

        def start(*command):
            child = Talk([str(part) for part in command], tmp_path)
            stack.callback(child.close)
            return child

        yield start


@pytest.fixture
def missionctl_sim(talk, tmp_path):
    """Start `missionctl sim`; gives its addresses."""

    def start(*listen, speedup=10, autopilot="ardupilot"):
        scenario = tmp_path / "peer.toml"
        scenario.write_text(SCENARIO if autopilot == "ardupilot" else PX4_SCENARIO)
        child = talk(
            *(sys.executable, "-m", "missionctl.cli.main", "sim", "--json"),
            *("--home", "30.05,103.15,500", "--speedup", speedup, "--scenario", scenario),
            *("--autopilot", autopilot),
            *(part for url in listen or ("tcpin:127.0.0.1:0",) for part in ("--listen", url)),
        )
        text = child.wait_for("\n}")
        return json.loads(text)["connect"]

    return start


@pytest.fixture
def free_port():
    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture
def missionctl():
    """Run the command line; gives its JSON."""

    def run(*arguments, timeout_s=120):
        done = subprocess.run(
            [sys.executable, "-m", "missionctl.cli.main", *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def wait(condition, timeout_s=30.0):
    """Wait until something is so; a peer that only answers questions has no event to wait for."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, "did not come about"
        time.sleep(0.05)
    return value


@pytest.fixture
def until():
    return wait


BINARIES = {"ardupilot": "MISSIONCTL_ARDUCOPTER", "px4": "MISSIONCTL_PX4"}


@pytest.fixture
def real_sitl():
    """Start real autopilots in simulation, whose binaries the environment names; gives their addresses."""
    stop, threads = threading.Event(), []

    def start(autopilot, home, speedup=1.0, vehicles=1, instance=0):
        binary = os.environ.get(BINARIES[autopilot], "")
        if not binary:
            pytest.skip(f"{BINARIES[autopilot]} names no {autopilot} SITL binary")
        ready, urls = threading.Event(), []

        def on_ready(found):
            urls.extend(found)
            ready.set()

        settings = SitlSettings(autopilot, Path(binary), home, speedup, vehicles, instance)
        thread = threading.Thread(target=run_sitl, args=(settings, on_ready, stop), daemon=True)
        thread.start()
        threads.append(thread)
        assert ready.wait(90.0)
        return urls

    yield start
    stop.set()
    for thread in threads:
        thread.join(20.0)
