"""Logs from the vehicle: listed, downloaded over a bad link, gone on with after a break."""

import datetime as dt

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.logs.transfer import PIECE_BYTES, download_log, list_logs

START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)


def content(size, head=b"\xa3\x95\x80"):
    return (head + bytes((i * 37 + i // 251) % 256 for i in range(size)))[:size]


@pytest.fixture
def vehicle(scripted):
    """Holds logs 3 and 8; sends at most `pieces` pieces in its life."""
    vehicle = scripted()
    vehicle.logs = {3: content(50_000), 8: content(1_000, b"ULog\x01\x12\x35")}
    vehicle.pieces = 10**9

    def on_list(message):
        if not vehicle.logs:
            return [mavlink.MAVLink_log_entry_message(0, 0, 0, 0, 0)]
        return [
            mavlink.MAVLink_log_entry_message(
                number,
                len(vehicle.logs),
                max(vehicle.logs),
                int(START.timestamp()) if number == 3 else 0,
                len(data),
            )
            for number, data in vehicle.logs.items()
        ]

    def on_data(message):
        data = vehicle.logs[message.id]
        for at in range(message.ofs, min(message.ofs + message.count, len(data)), PIECE_BYTES):
            vehicle.pieces -= 1
            if vehicle.pieces < 0:
                return
            piece = data[at : at + PIECE_BYTES]
            padded = list(piece) + [0] * (PIECE_BYTES - len(piece))
            yield mavlink.MAVLink_log_data_message(message.id, at, len(piece), padded)

    vehicle.replies = {"LOG_REQUEST_LIST": on_list, "LOG_REQUEST_DATA": on_data}
    return vehicle


def fetch(meet, vehicle, number, folder):
    async def work(v):
        entry = next(e for e in await list_logs(v) if e.number == number)
        return await download_log(v, entry, folder)

    return meet(vehicle, work)


def test_logs_are_listed_by_number_with_their_dates(vehicle, meet):
    first, second = meet(vehicle, list_logs)
    assert (first.number, first.size_bytes, first.time_utc) == (3, 50_000, START)
    assert (second.number, second.time_utc) == (8, None)


def test_a_vehicle_without_logs_has_an_empty_list(vehicle, meet):
    vehicle.logs = {}
    assert meet(vehicle, list_logs) == ()


def test_a_vehicle_that_does_not_answer_is_named(vehicle, meet):
    vehicle.replies = {}
    with pytest.raises(LogError, match="vehicle 1: does not tell its logs"):
        meet(vehicle, list_logs)


def test_a_log_arrives_whole_under_a_name_that_tells_its_kind(vehicle, meet, tmp_path):
    file = fetch(meet, vehicle, 3, tmp_path)
    assert file.name == "log_00003_20260701T020000Z.BIN"
    assert file.read_bytes() == vehicle.logs[3]
    assert fetch(meet, vehicle, 8, tmp_path).name == "log_00008.ulg"
    assert vehicle.count("LOG_REQUEST_END") >= 2


def test_pieces_lost_on_the_way_are_asked_for_again(vehicle, meet, tmp_path):
    sent = []

    def every_seventh_is_lost(message):
        if message.get_type() != "LOG_DATA":
            return False
        sent.append(message.ofs)
        return len(sent) % 7 == 0

    vehicle.lost = every_seventh_is_lost
    assert fetch(meet, vehicle, 3, tmp_path).read_bytes() == vehicle.logs[3]
    assert len(sent) < 1.4 * 50_000 / PIECE_BYTES  # only what was lost came again


def test_a_download_that_broke_off_goes_on_where_it_stopped(vehicle, meet, tmp_path):
    vehicle.logs[3] = content(120_000)
    vehicle.pieces = 700  # the first windowful is 512
    with pytest.raises(LogError, match=r"log 3 stopped at .* run the same again"):
        fetch(meet, vehicle, 3, tmp_path)
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    vehicle.pieces = 10**9
    vehicle.heard.clear()
    assert fetch(meet, vehicle, 3, tmp_path).read_bytes() == vehicle.logs[3]
    offsets = [m.ofs for m in vehicle.heard if m.get_type() == "LOG_REQUEST_DATA"]
    assert min(offsets) == 512 * PIECE_BYTES
    assert [p.suffix for p in tmp_path.iterdir()] == [".BIN"]


def test_a_place_that_cannot_be_written_is_named(vehicle, meet, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(LogError, match="cannot be written here"):
        fetch(meet, vehicle, 8, blocked)
