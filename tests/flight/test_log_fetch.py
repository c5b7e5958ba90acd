"""Logs as files from the card, and by the log protocol where that does not work."""

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.logs.fetch import fetch_log
from flight.logs.transfer import LogEntry

from .ftp_double import FileDouble

LOG = b"\xa3\x95\x80" + bytes(i % 251 for i in range(9_000))
ENTRY = LogEntry(7, len(LOG), None)


@pytest.fixture
def double(scripted):
    """A vehicle with log 7, on its card and in its log protocol."""
    vehicle = scripted()
    double = FileDouble(vehicle)
    double.folders |= {"/APM", "/APM/LOGS"}
    double.files = {"/APM/LOGS/00000007.BIN": LOG, "/APM/LOGS/LASTLOG.TXT": b"7"}

    def pieces(message):
        for at in range(message.ofs, min(message.ofs + message.count, len(LOG)), 90):
            piece = LOG[at : at + 90]
            yield mavlink.MAVLink_log_data_message(7, at, len(piece), list(piece.ljust(90, b"\0")))

    vehicle.replies["LOG_REQUEST_DATA"] = pieces
    return double


def fetch(meet, double, folder):
    return meet(double.vehicle, lambda vehicle: fetch_log(vehicle, ENTRY, folder))


def test_a_log_comes_as_a_file_where_the_card_can_be_read(double, meet, tmp_path):
    file = fetch(meet, double, tmp_path)
    assert (file.name, file.read_bytes()) == ("log_00007.BIN", LOG)
    assert double.vehicle.count("LOG_REQUEST_DATA") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["log_00007.BIN"]


@pytest.mark.parametrize("why", ["no folder", "another size", "a broken server", "PX4"])
def test_else_it_comes_by_the_log_protocol(double, meet, tmp_path, why):
    if why == "no folder":
        double.folders = {"/"}
    elif why == "another size":
        double.files["/APM/LOGS/00000007.BIN"] += b"more"
    elif why == "a broken server":
        double.twist = lambda name, reply: reply | {"op": 129, "data": b"\1"} if name == "open_ro" else reply
    else:
        double.vehicle.autopilot = mavlink.MAV_AUTOPILOT_PX4
    file = fetch(meet, double, tmp_path)
    assert (file.name, file.read_bytes()) == ("log_00007.BIN", LOG)
    assert double.vehicle.count("LOG_REQUEST_DATA") > 0
