"""A real autopilot's own simulator as a child: started with what it needs, ended with us, its end told."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from plans.frames import GeoPoint
from sim.errors import SettingsError, SitlError
from sim.real_sitl import SitlSettings, run_sitl

HOME = GeoPoint(30.0, 103.0, 650.0)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for the binaries")


def binary(folder: Path, script: str) -> Path:
    path = folder / "arducopter"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_it_is_started_at_home_and_ended_when_told(tmp_path):
    record = tmp_path / "arguments"
    path = binary(
        tmp_path,
        f'echo "$@" > {record}; echo $$ > {tmp_path}/pid; echo Waiting for connection; exec sleep 60',
    )
    stop, addresses = threading.Event(), []

    def ready(urls):
        addresses.extend(urls)
        stop.set()

    begun = time.monotonic()
    run_sitl(SitlSettings("ardupilot", path, HOME, speedup=3.0), ready, stop)
    assert time.monotonic() - begun < 8
    arguments = record.read_text()
    assert "--home 30.00000000,103.00000000,650.000,0" in arguments
    assert "--speedup 3" in arguments
    port = arguments.split("--base-port ")[1].split()[0]
    assert addresses == [f"tcp:127.0.0.1:{port}"]
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_when_it_ends_by_itself_its_last_words_are_told_in_one_line(tmp_path):
    path = binary(tmp_path, "echo first; echo bad model; echo giving up; exit 3")
    with pytest.raises(
        SitlError, match=r"arducopter ended by itself \(code 3\); it said: first / bad model / giving up"
    ):
        run_sitl(SitlSettings("ardupilot", path, HOME))


def test_a_silent_end_is_told_too(tmp_path):
    with pytest.raises(SitlError, match="without a word"):
        run_sitl(SitlSettings("ardupilot", binary(tmp_path, "exit 1"), HOME))


def test_what_cannot_be_started_is_refused(tmp_path):
    good = binary(tmp_path, "exit 0")
    plain = tmp_path / "plain"
    plain.write_text("no program")
    cases = [
        (SitlSettings("betaflight", good, HOME), "is not known; take one of: ardupilot, px4"),
        (SitlSettings("ardupilot", tmp_path / "none", HOME), "no such file"),
        (SitlSettings("ardupilot", good, GeoPoint(30.0, 103.0)), "needs the height of its home"),
        (SitlSettings("px4", good, HOME), "has no etc folder beside its bin folder"),
    ]
    if os.geteuid() != 0 or not os.access(plain, os.X_OK):
        cases.append((SitlSettings("ardupilot", plain, HOME), "cannot be run"))
    for settings, says in cases:
        with pytest.raises(SettingsError, match=says):
            run_sitl(settings)
