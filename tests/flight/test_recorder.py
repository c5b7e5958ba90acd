"""What was heard is readable after any crash."""

import json
import os
import signal
import subprocess
import sys

import pytest

from flight.errors import FlightError
from flight.recorder import Recorder
from flight.tlog import packets
from flight.wire import Encoder, station_heartbeat

WRITER = """
import sys, time
from pathlib import Path
from flight.recorder import Recorder
from flight.wire import Encoder, station_heartbeat
recorder, encoder = Recorder(Path(sys.argv[1])), Encoder(255)
for number in range(10**9):
    recorder.packet(encoder.encode(station_heartbeat()))
    if number == 5000:
        recorder.event("ready", number=number)
        print("ready", flush=True)
"""


def test_a_killed_recorder_leaves_whole_lines_and_whole_packets(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["ready"]
    found = list(packets(tmp_path / "telemetry.tlog"))
    assert len(found) > 1000
    assert all(p.message_id == 0 for p in found)


def test_a_recording_goes_on_in_the_same_file(tmp_path):
    for _ in range(2):
        with Recorder(tmp_path) as recorder:
            recorder.packet(Encoder(255).encode(station_heartbeat()))
            recorder.event("photo", index=1, place="汶川")
    assert len(list(packets(tmp_path / "telemetry.tlog"))) == 2
    assert "汶川" in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FlightError, match="the flight cannot be recorded here"):
        Recorder(tmp_path / "file" / "flight")
