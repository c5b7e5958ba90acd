"""What was heard is readable after any crash."""

import json
import os
import signal
import subprocess
import sys

import pytest

from flight.errors import FlightError
from flight.logs.recorder import Recorder
from flight.logs.tlog import packets
from flight.wire import Encoder, station_heartbeat

WRITER = """
import sys, time
from pathlib import Path
from flight.logs.recorder import Recorder
from flight.wire import Encoder, station_heartbeat
recorder, encoder = Recorder(Path(sys.argv[1])), Encoder(255)
for number in range(5000):
    recorder.packet(encoder.encode(station_heartbeat()))
recorder.event("ready")
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_recorder_has_lost_nothing(tmp_path):
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
    assert len(found) == 5000  # not one is lost, though nothing came behind them
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


def test_a_recorder_of_one_vehicle_takes_its_packets_and_what_is_for_everybody(tmp_path):
    beat = Encoder(255).encode(station_heartbeat())
    with Recorder(tmp_path, sysid=2) as recorder:
        for sysid in (1, 2, None, 3, 2):
            recorder.packet(beat, sysid)
    assert len(list(packets(tmp_path / "telemetry.tlog"))) == 3


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="file sizes are limited per process on Linux"
)
def test_a_full_disk_stops_the_recording_and_nothing_else(tmp_path):
    """Half a packet is taken back; recording goes on when there is room."""
    import resource

    beat = Encoder(255).encode(station_heartbeat())
    said = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Recorder(tmp_path, on_trouble=said.append) as recorder:
            recorder.packet(beat)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60, before[1]))  # a packet and a bit
            for _ in range(3):
                recorder.packet(beat)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            recorder.packet(beat)
            assert recorder.lost == 3 - (60 // (8 + len(beat)) - 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(said) == 1
    assert "nothing can be recorded" in said[0]
    whole = (tmp_path / "telemetry.tlog").stat().st_size / (8 + len(beat))
    assert whole == len(list(packets(tmp_path / "telemetry.tlog"))) == 2 + (60 // (8 + len(beat)) - 1)
