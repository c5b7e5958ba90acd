"""What is kept of a flight: the vehicle's own log, and what the trainer saw."""

from __future__ import annotations

import math

import pytest
from pymavlink import DFReader
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.faults import Fault
from sim.watcher import Watcher

from .conftest import Bench


@pytest.fixture(scope="module")
def flown():
    """A short hop with three photos; (bench, watcher, news)."""
    bench, news = Bench(), []
    watcher = Watcher(bench.vehicle, news.append)
    bench.face._on_event = watcher.hear

    def watch():
        watcher.update()

    bench.run(42.5, watch)
    bench.mode(4)
    bench.arm()
    bench.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20)
    bench.run(20, watch)
    lat, lon = bench.place.to_geo(100.0, 0.0)
    bench.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST, 30, 0, 0)
    bench.say(
        mavlink.MAVLink_set_position_target_global_int_message(
            0, 1, 1, 6, 0xDF8, round(lat * 1e7), round(lon * 1e7), 20, *(0,) * 8
        )
    )
    bench.run(20, watch)
    bench.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST, 0)
    bench.mode(6)
    watcher.on_fault(Fault("gps_loss", 0.0), True)
    bench.run(120, lambda: watcher.update() or not bench.vehicle.armed)
    bench.run(1, watch)
    return bench, watcher, news


def download(bench, number):
    """A log as a station gets it."""
    before = len(bench.inbox)
    bench.say(mavlink.MAVLink_log_request_data_message(1, 1, number, 0, 0xFFFFFFFF))
    bench.run(20, lambda: bench.inbox[-1][1].get_type() == "LOG_DATA" and bench.inbox[-1][1].count < 90)
    pieces = [m for _, m in bench.inbox[before:] if m.get_type() == "LOG_DATA"]
    return b"".join(bytes(m.data[: m.count]) for m in pieces)


def test_a_download_takes_a_third_of_a_radio(flown):
    bench, _, _ = flown
    bench.say(mavlink.MAVLink_log_request_list_message(1, 1, 0, 0xFFFF))
    bench.run(0.1)
    entry = bench.heard("LOG_ENTRY")[-1]
    bench.channel.bytes_per_s = 3000.0
    try:
        before = len(bench.inbox)
        bench.say(mavlink.MAVLink_log_request_data_message(1, 1, entry.id, 0, 0xFFFFFFFF))
        bench.run(10.0)
        sent = [m for _, m in bench.inbox[before:] if m.get_type() == "LOG_DATA"]
        assert entry.size > 20_000
        assert sum(90 + 19 for _ in sent) == pytest.approx(10_000, rel=0.02)
        assert [m.ofs for m in sent] == list(range(0, 90 * len(sent), 90))
    finally:
        bench.channel.bytes_per_s = 0.0
        bench.say(mavlink.MAVLink_log_request_end_message(1, 1))


def test_the_log_is_ardupilots_and_tells_the_flight(flown, tmp_path):
    bench, _, _ = flown
    bench.say(mavlink.MAVLink_log_request_list_message(1, 1, 0, 0xFFFF))
    bench.run(0.1)
    entry = bench.heard("LOG_ENTRY")[-1]
    data = download(bench, entry.id)
    assert len(data) == entry.size
    path = tmp_path / "flight.bin"
    path.write_bytes(data)
    reader = DFReader.DFReader_binary(str(path))
    try:
        kinds = {}
        while (message := reader.recv_msg()) is not None:
            kinds.setdefault(message.get_type(), []).append(message)
    finally:
        reader.close()
    photos, told = kinds["CAM"], bench.heard("CAMERA_FEEDBACK")
    assert [m.Img for m in photos] == [m.img_idx for m in told] == [1, 2, 3]
    assert [m.Lat for m in photos] == pytest.approx([m.lat / 1e7 for m in told], abs=1e-6)
    assert max(m.RelHomeAlt for m in kinds["POS"]) == pytest.approx(20, abs=1)
    assert [m.ModeNum for m in kinds["MODE"]] == [4, 6]
    assert "PARM" in kinds
    assert any("Hit ground" in m.Message for m in kinds["MSG"])


def test_a_part_of_a_log_can_be_asked_for_again(flown):
    bench, _, _ = flown
    whole = download(bench, 1)
    before = len(bench.inbox)
    bench.say(mavlink.MAVLink_log_request_data_message(1, 1, 1, 900, 180))
    bench.run(0.2)
    pieces = [m for _, m in bench.inbox[before:] if m.get_type() == "LOG_DATA"]
    assert [(m.ofs, m.count) for m in pieces] == [(900, 90), (990, 90)]
    assert b"".join(bytes(m.data) for m in pieces) == whole[900:1080]


def test_no_log_is_sent_while_armed(ready):
    ready.mode(4)
    ready.arm()
    ready.say(mavlink.MAVLink_log_request_list_message(1, 1, 0, 0xFFFF))
    ready.run(1)
    assert not ready.heard("LOG_ENTRY")


def test_logs_erased_just_after_they_were_asked_for_do_not_bring_it_down(ready):
    ready.mode(4)
    ready.arm()
    ready.run(1)
    ready.arm(on=False)
    ready.say(mavlink.MAVLink_log_request_list_message(1, 1, 0, 0xFFFF))
    ready.say(mavlink.MAVLink_log_request_data_message(1, 1, 1, 0, 900))
    ready.say(mavlink.MAVLink_log_erase_message(1, 1))
    ready.run(1)
    ready.say(mavlink.MAVLink_log_request_list_message(1, 1, 0, 0xFFFF))
    ready.run(0.1)
    assert ready.heard("LOG_ENTRY")[-1].num_logs == 0


def test_the_trainer_sees_the_flight_in_numbers(flown):
    bench, watcher, _ = flown
    summary = watcher.summary()
    assert summary.distance_m == pytest.approx(200, abs=15)
    assert summary.max_height_m == pytest.approx(20, abs=1)
    assert summary.min_height_m == pytest.approx(20, abs=1)  # away from the launch point
    assert 50 < summary.flight_s < summary.time_s - 42
    assert summary.photos_announced == 3
    assert (summary.photos_lost, summary.armed, summary.airborne) == (0, False, False)
    assert summary.max_touchdown_mps < 1.0
    assert summary.away_m < 1.0
    assert summary.charge_share == bench.vehicle.battery.charge_share


def test_the_trainer_hears_the_news_in_their_order(flown):
    _, _, news = flown
    told = [(n.kind, n.text) for n in news if n.kind != "text"]
    kinds = [kind for kind, _ in told]
    assert kinds == ["mode", "armed", "airborne", *["photo"] * 3, "fault", "mode", "down", "disarmed"]
    assert told[0] == ("mode", "GUIDED")
    times = [n.time_s for n in news]
    assert times == sorted(times)
    assert any(n.kind == "text" and n.text == "Arming motors" for n in news)
    assert math.isfinite(times[-1])
