"""Photos that no message told of are looked up in parts of a ULog, as they are in DataFlash logs.

The logs are written here, from the specification (https://docs.px4.io/main/en/dev_log/ulog_file_format.html).
"""

import datetime as dt
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogPartsError, OtherFlightError
from flight.logs.files import read_log
from flight.logs.transfer import PIECE_BYTES
from flight.logs.ulog_parts import UlogLayout
from flight.photos.from_log import recover_from_log
from flight.photos.keeper import PhotoKeeper
from flight.wire import Encoder
from plans.mission import CameraEvent

from .photo_search import Found

START = dt.datetime(2026, 7, 1, 8, 0, tzinfo=dt.UTC)
"""Of the log, whose clock says BOOT_S then."""
BOOT_S = 30.0
LENGTH_S, EVERY_S = 160.0, 1.5
PHOTOS = range(80)
FORMATS = (
    "esc_report:uint64_t timestamp;uint32_t errors;int32_t rpm;float voltage;uint8_t[4] _padding0;",
    "esc_status:uint64_t timestamp;uint16_t counter;uint8_t[6] _padding0;esc_report[8] esc;",
    "vehicle_attitude:uint64_t timestamp;float[4] q;uint8_t counter;uint8_t[7] _padding0;",
    "vehicle_gps_position:uint64_t timestamp;uint64_t time_utc_usec;double latitude_deg;double longitude_deg;"
    "double altitude_msl_m;",
    "camera_capture:uint64_t timestamp;uint64_t timestamp_utc;double lat;double lon;uint32_t seq;float alt;"
    "float ground_distance;float[4] q;int8_t result;uint8_t[3] _padding0;",
    "late_topic:uint64_t timestamp;float value;uint8_t[4] _padding0;",
)
ATTITUDE, GPS, ESC, CAPTURE, LATE = 0, 1, 2, 7, 9


def message(kind, body):
    return struct.pack("<HB", len(body), ord(kind)) + body


def added(number, name, instance=0):
    return message("A", struct.pack("<BH", instance, number) + name.encode())


def data(number, after_s, *fields):
    stamp = round((BOOT_S + after_s) * 1e6)
    return message("D", struct.pack("<HQ", number, stamp) + b"".join(fields))


def keyed(kind, key, value, before=b""):
    return message(kind, before + bytes([len(key)]) + key.encode() + value)


def taken_s(number):
    """Seconds after the log's start."""
    return 20.0 + EVERY_S * number


def place(number):
    return 30.05 + 1e-4 * number, 103.15


def capture(number, shift_deg=0.0, with_utc=True, result=1):
    lat, lon = place(number)
    utc_us = round((START.timestamp() + taken_s(number)) * 1e6) if with_utc else 0
    values = (utc_us, lat + shift_deg, lon, number, 560.0, 60.0, 0.7071, 0.0, 0.0, 0.7071, result)
    return data(CAPTURE, taken_s(number), struct.pack("<QddIff4fb", *values))


def head(formats=FORMATS, early=False, filler=b""):
    """All that describes; 40 kB. Its B tells of data appended at its end."""
    flags = bytes(8) + b"\x01" + bytes(7) + struct.pack("<3Q", 1 << 40, 0, 0)
    parts = [b"ULog\x01\x12\x35\x01" + struct.pack("<Q", round(BOOT_S * 1e6)), message("B", flags)]
    parts += [keyed("I", "char[3] sys_name", b"PX4")]
    parts += [message("F", text.encode()) for text in formats]
    parts += [keyed("P", "int32_t MAV_SYS_ID", struct.pack("<i", 3))]
    parts += [keyed("P", f"float TEST_{i:04d}", struct.pack("<f", i)) for i in range(700)]
    parts += [keyed("M", "char[900] boot_console_output", bytes(900), before=b"\1") for _ in range(15)]
    parts += [filler, added(ATTITUDE, "vehicle_attitude"), added(GPS, "vehicle_gps_position")]
    parts += [added(ESC, "esc_status"), *([added(CAPTURE, "camera_capture")] if early else [])]
    return b"".join(parts)


def make_log(photos=PHOTOS, early=False, gps=True, shift_deg=0.0, with_utc=True, head_bytes=None):
    """160 s at 60 kB/s. Unless `early`, the photos' topic is added with its first one. In the data are bytes
    that look like messages."""
    dice = random.Random(7)
    traps = (capture(999), message("S", bytes.fromhex("2f731320250cbb12")), added(CAPTURE, "esc_status"))
    noise = [dice.randbytes(40) + dice.choice(traps) + dice.randbytes(200) for _ in range(50)]
    due = {round(taken_s(n) * 20): n for n in photos}
    parts = [head(early=early) if head_bytes is None else head_bytes]
    topics = {CAPTURE} if early else set()
    for tick in range(round(LENGTH_S * 20)):
        at_s = tick / 20
        for i in range(30):
            parts.append(data(ATTITUDE, at_s + i / 600, dice.randbytes(17)))
            if i % 4 == 0:
                parts.append(data(ESC, at_s + i / 600, dice.choice(noise)[:200]))
        if tick % 10 == 0:
            parts.append(message("S", bytes.fromhex("2f731320250cbb12")))
            utc_us = round((START.timestamp() + at_s) * 1e6) if gps else 0
            parts.append(data(GPS, at_s, struct.pack("<Qddd", utc_us, 30.05, 103.15, 560.0)))
        if tick == 700:
            parts += [added(LATE, "late_topic"), data(LATE, at_s - 12.0, struct.pack("<f", 1.0))]
        if tick % 130 == 3:
            parts.append(message("L", b"6" + struct.pack("<Q", round((BOOT_S + at_s) * 1e6)) + b"hello"))
        if tick in due:
            if CAPTURE not in topics:
                parts.append(added(CAPTURE, "camera_capture"))
                topics.add(CAPTURE)
            parts.append(capture(due[tick], shift_deg, with_utc))
    return b"".join(parts)


@pytest.fixture(scope="module")
def log():
    return make_log()


def heard_but(missing, late_s=0.0, slower=1.0):
    return {
        n: CameraEvent(n, START + dt.timedelta(seconds=taken_s(n) / slower + late_s), *place(n), 560.0)
        for n in PHOTOS
        if n not in missing
    }


def find(log, missing, tmp_path, heard=None, read_bytes=None):
    return Found(
        log, missing, heard_but(missing) if heard is None else heard, tmp_path / "excerpt.ulg", read_bytes
    )


@pytest.fixture(scope="module")
def whole(log, tmp_path_factory):
    """The photos of the whole log."""
    file = tmp_path_factory.mktemp("whole") / "whole.ulg"
    file.write_bytes(log)
    return {e.index: e for e in read_log(file).camera_events}


TEN = list(range(36, 46))


@pytest.mark.parametrize(
    ("missing", "share"),
    [
        (TEN, 0.2),
        ([40], 0.1),
        (list(range(5)), 0.25),
        (list(range(74, 80)), 0.2),
        ([*range(10, 15), *range(60, 65)], 0.25),
        ([*range(36, 40), *range(41, 45)], 0.2),
    ],
    ids=["10 photos", "one", "the first", "the last", "two gaps", "one known between"],
)
def test_a_gap_is_filled_from_a_small_part_of_the_log(log, missing, share, tmp_path):
    assert len(log) > 8e6
    found = find(log, missing, tmp_path)
    assert found.covered == set(missing)
    for number in missing:
        event = found.events[number]
        assert (event.lat_deg, event.lon_deg) == place(number)
        assert (event.time_utc - START).total_seconds() == pytest.approx(taken_s(number), abs=0.01)
    assert found.share < share
    assert (found.log.sysid, found.log.kind) == (3, "ulog")


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("gps", [True, False])
@pytest.mark.parametrize("slower", [1.0, 4.0], ids=["", "sped up"])
def test_whenever_the_topic_was_added_and_whatever_clocks_there_are(early, gps, slower, tmp_path):
    missing = [*range(10, 15), *range(60, 65)]
    heard = heard_but(missing, 0.0 if gps else -40_000.0, slower)
    found = find(make_log(early=early, gps=gps), missing, tmp_path, heard)
    assert found.covered == set(missing)
    assert set(missing) <= set(found.events)
    assert found.share < 0.5


@settings(max_examples=15, deadline=None)
@given(missing=st.sets(st.sampled_from(PHOTOS), min_size=1, max_size=60))
def test_what_is_found_in_parts_is_what_the_whole_log_tells(missing, log, whole, tmp_path_factory):
    missing = sorted(missing)
    found = find(log, missing, tmp_path_factory.mktemp("parts"))
    assert {n: found.events[n] for n in missing} == {n: whole[n] for n in missing}
    assert found.covered == set(missing)


def test_a_few_photos_in_a_long_flight_are_found_by_gps_time(tmp_path):
    few = range(60, 67)
    heard = {n: e for n, e in heard_but([63]).items() if n in few}
    found = find(make_log(few), [63], tmp_path, heard)
    assert (found.covered, set(found.events) >= {62, 63, 64}) == ({63}, True)


def test_photos_beside_a_damaged_stretch_are_found(log, tmp_path):
    """60 kB are noise, then others are gone; the parts tell what is whole."""
    at = log.index(capture(40)) + 7
    noise = random.Random(3).randbytes(60_000)
    damaged = log[:at] + noise + log[at + 60_000 : at + 100_003] + log[at + 130_000 :]
    kept = {n for n in TEN if capture(n) in damaged}
    assert len(kept) < len(TEN)
    found = find(damaged, TEN, tmp_path)
    assert kept <= set(found.events)
    assert not set(found.events) & (set(TEN) - kept)
    assert found.covered == set(TEN)


def test_a_stretch_of_noughts_is_passed_over(log, tmp_path):
    at = log.index(capture(40)) - 20
    found = find(log[:at] + bytes(70_000) + log[at + 70_000 :], TEN, tmp_path)
    assert set(TEN) - {40} <= set(found.events)
    assert found.covered == set(TEN)


def test_a_log_cut_at_its_end_tells_what_it_holds(log, tmp_path):
    cut = log[: log.index(capture(78)) + 30]
    found = find(cut, list(range(74, 80)), tmp_path)
    assert found.covered == {74, 75, 76, 77}
    assert {74, 75, 76, 77} <= set(found.events)


@pytest.mark.parametrize(("photos", "shift_deg"), [(PHOTOS, 0.01), ([], 0.0)], ids=["another", "empty"])
def test_a_log_of_another_flight_is_soon_known(photos, shift_deg, tmp_path):
    read = []
    with pytest.raises(OtherFlightError):
        find(make_log(photos, shift_deg=shift_deg), TEN, tmp_path, read_bytes=read)
    assert sum(read) < 2.6e6


@pytest.mark.parametrize(
    "beginning",
    [
        head(formats=[f for f in FORMATS if not f.startswith("camera")]),
        head(filler=keyed("M", "char[900] boot_console_output", bytes(900), before=b"\1") * 700),
        b"ULogEnc" + bytes(60_000),
    ],
    ids=["without photos", "that begins with more than is read", "encrypted"],
)
def test_a_log_that_cannot_be_read_in_parts_is_said_so(beginning, tmp_path):
    with pytest.raises(LogPartsError):
        find(make_log([], head_bytes=beginning), TEN, tmp_path)


def test_messages_are_found_wherever_a_part_begins_and_ends(log):
    layout = UlogLayout(log[:64_800])
    at = log.index(capture(3)) - 3_000
    whole = [p.raw for p in layout.parts(log[at : at + 20_000])]
    for torn in range(at, at + 400, 7):
        end = torn + 9_000 + torn % 331
        found = [p.raw for p in layout.parts(log[torn:end])]
        assert found
        first = whole.index(found[0])
        assert whole[first : first + len(found)] == found
        assert len(b"".join(found)) > end - torn - 1_000


def places(log):
    return {(point.boot_s, point.lat_deg, point.lon_deg) for point in log.track}


def test_a_real_ulog_survives_being_cut_into_parts(sample, tmp_path):
    file = sample("pyulog_sample_log_small.ulg")
    log, whole = file.read_bytes(), read_log(file)
    layout = UlogLayout(log[:200_000])
    (tmp_path / "whole.ulg").write_bytes(layout.excerpt([log]))
    again = read_log(tmp_path / "whole.ulg")
    assert (again.messages, again.sysid, again.texts) == (whole.messages, whole.sysid, whole.texts)
    assert again.track == whole.track
    half = layout.excerpt([log[100_001:400_003], log[500_007:800_001]])
    (tmp_path / "half.ulg").write_bytes(half)
    assert 0.99 * 600_000 < len(half) - layout.head_bytes < 600_000
    assert places(read_log(tmp_path / "half.ulg")) < places(whole)


# -- with a vehicle ----------------------------------------------------------------------------------------


def captured(number):
    lat, lon = place(number)
    stamp = round((START.timestamp() + taken_s(number)) * 1e6)
    where = (round(lat * 1e7), round(lon * 1e7), 560_000, 60_000)
    return mavlink.MAVLink_camera_image_captured_message(
        1000 * number, stamp, 0, *where, [1.0, 0.0, 0.0, 0.0], number, 1, b""
    )


class Px4Logger:
    """The logs of a scripted PX4 as (bytes, UTC seconds). What it sends of a request beyond 160 pieces is
    dropped on the way."""

    def __init__(self, vehicle, *logs):
        self.logs, self.sent = logs, 0
        vehicle.replies |= {"LOG_REQUEST_LIST": self.listed, "LOG_REQUEST_DATA": self.data}

    def listed(self, message):
        for number, (log, utc_s) in enumerate(self.logs):
            yield mavlink.MAVLink_log_entry_message(number, len(self.logs), 0xFFFF, utc_s, len(log))

    def data(self, message):
        log = self.logs[message.id][0]
        pieces = range(message.ofs, min(message.ofs + message.count, len(log)), PIECE_BYTES)
        for at in pieces[:160]:
            piece = log[at : at + PIECE_BYTES]
            self.sent += len(piece)
            padded = list(piece.ljust(PIECE_BYTES, b"\0"))
            yield mavlink.MAVLink_log_data_message(message.id, at, len(piece), padded)


def recover(meet, vehicle, missing, folder):
    async def work(v):
        keeper, encoder = PhotoKeeper(v), Encoder(1, 1)
        for number in PHOTOS:
            if number not in missing:
                told = captured(number)
                encoder.encode(told)  # gives it its source
                keeper.take(told, START)
        return await recover_from_log(v, keeper, folder), keeper

    return meet(vehicle, work)


def test_a_px4_is_asked_for_the_parts_of_its_newest_log(log, scripted, meet, tmp_path):
    drone = scripted(mavlink.MAV_AUTOPILOT_PX4)
    newest = round(START.timestamp()) + 200
    older = make_log(shift_deg=0.01)
    logger = Px4Logger(drone, (log, newest), (older, newest - 3_000), (older, newest - 9_000))
    missing = [*range(30, 34), 60]
    result, keeper = recover(meet, drone, missing, tmp_path)
    assert (result.found, result.why_not, keeper.missing) == (tuple(missing), None, ())
    assert result.log.name.endswith("_photos.ulg")
    assert result.log_bytes == len(log)
    assert result.bytes_read <= logger.sent < 0.25 * len(log)
    assert max(m.count for m in drone.heard if m.get_type() == "LOG_REQUEST_DATA") <= 160 * PIECE_BYTES
