"""A real autopilot's own simulator as a child: started with what it needs, ended with us, its end told."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from plans.frames import GeoPoint
from sim.errors import SettingsError, SitlError
from sim.real_sitl import SitlSettings, run_sitl

HOME = GeoPoint(30.0, 103.0, 650.0)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for the binaries")


def binary(folder: Path, script: str, name: str = "arducopter") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
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
    assert "--sysid" not in arguments
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
        (SitlSettings("ardupilot", good, HOME, vehicles=0), "0 vehicles are not possible"),
    ]
    if os.geteuid() != 0 or not os.access(plain, os.X_OK):
        cases.append((SitlSettings("ardupilot", plain, HOME), "cannot be run"))
    for settings, says in cases:
        with pytest.raises(SettingsError, match=says):
            run_sitl(settings)


def test_several_are_numbered_stand_in_a_row_and_end_together(tmp_path):
    script = f"""
        mavlink() {{ echo "$@" >> {tmp_path}/link-$number; }}
        param() {{ echo "$@" >> {tmp_path}/params-$number; }}
        number=$6; echo "$@" > {tmp_path}/arguments-$6
        echo $$ > {tmp_path}/pid-$6; env > {tmp_path}/environment-$6
        . px4-rc.mavlink; . px4-rc.params
        echo Startup script returned; exec sleep 60"""
    path = binary(tmp_path, script, "build/bin/px4")
    (tmp_path / "build/etc").mkdir()
    stop, addresses = threading.Event(), []

    def ready(urls):
        addresses.extend(urls)
        stop.set()

    run_sitl(SitlSettings("px4", path, HOME, speedup=4.0, vehicles=2, instance=3), ready, stop)
    assert addresses == ["udpin:127.0.0.1:14553", "udpin:127.0.0.1:14554"]
    for number in (3, 4):
        assert f"-i {number}" in (tmp_path / f"arguments-{number}").read_text()
        assert f"-u {18570 + number} -o {14550 + number} " in (tmp_path / f"link-{number}").read_text()
        assert "TRIG_MODE 4" in (tmp_path / f"params-{number}").read_text()
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / f"pid-{number}").read_text()), 0)
    places = [(tmp_path / f"environment-{n}").read_text().splitlines() for n in (3, 4)]
    lons = [float(next(w for w in words if w.startswith("PX4_HOME_LON")).split("=")[1]) for words in places]
    assert 2.5e-5 < lons[1] - lons[0] < 3.5e-5
    assert all("PX4_SIM_SPEED_FACTOR=4" in words for words in places)


def test_when_one_of_several_ends_the_others_are_ended_too(tmp_path):
    path = binary(
        tmp_path,
        f'case "$*" in *-I0*) echo $$ > {tmp_path}/pid; exec sleep 60;; esac; sleep 0.3; echo ill; exit 4',
    )
    with pytest.raises(SitlError, match=r"code 4\); it said: ill"):
        run_sitl(SitlSettings("ardupilot", path, HOME, vehicles=2))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_px4_takes_a_number_that_no_other_has(tmp_path):
    path = binary(tmp_path, "echo Startup script returned; exec sleep 60", "build/bin/px4")
    (tmp_path / "build/etc").mkdir()
    stop, addresses = threading.Event(), []

    def ready(urls):
        addresses.extend(urls)
        stop.set()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        with contextlib.suppress(OSError):  # a real one runs on this machine: as good
            other.bind(("", 18570))
        run_sitl(SitlSettings("px4", path, HOME), ready, stop)
    assert addresses[0].startswith("udpin:127.0.0.1:145")
    assert addresses != ["udpin:127.0.0.1:14550"]
