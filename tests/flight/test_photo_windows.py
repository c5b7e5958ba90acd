"""Photos that no message told of are looked up in the parts of the log that hold them."""

import datetime as dt
import math
import random
import struct

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogPartsError, OtherFlightError
from flight.links.profiles import LinkProfile
from flight.logs.dataflash_parts import Layout
from flight.logs.flight_log import GPS_EPOCH_S, LEAP_S
from flight.logs.transfer import PIECE_BYTES
from flight.photos.from_log import recover_from_log
from flight.photos.keeper import PhotoKeeper
from flight.wire import Encoder
from plans.mission import CameraEvent

from .photo_search import Found

TAKE_OFF = dt.datetime(2026, 7, 1, 8, 0, tzinfo=dt.UTC)
BOOT_S = 70.0
"""The log's clock says this at take-off."""
LENGTH_S, EVERY_S = 420.0, 1.5
PHOTOS = range(1, 201)
FMT = struct.Struct("<BB4s16s64s")
FORMATS = {
    128: ("FMT", "BBnNZ", "Type,Length,Name,Format,Columns", FMT),
    64: ("PARM", "QNf", "TimeUS,Name,Value", struct.Struct("<Q16sf")),
    29: (
        "GPS",
        "QBBIHLLe",
        "TimeUS,I,Status,GMS,GWk,Lat,Lng,Alt",
        struct.Struct("<QBBIHiii"),
    ),
    88: (
        "CAM",
        "QBHIHLLeeeccC",
        "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y",
        struct.Struct("<QBHIHiiiiihhH"),
    ),
    160: ("IMU", "QZZZ", "TimeUS,A,B,C", struct.Struct("<Q64s64s64s")),
}


def taken_s(number):
    """Seconds after take-off."""
    return 60.0 + EVERY_S * number


def place(number):
    return 30.05 + 1e-4 * number, 103.15


def gps_time(after_s):
    seconds = TAKE_OFF.timestamp() + after_s - GPS_EPOCH_S + LEAP_S
    return round(seconds % 604_800 * 1000), int(seconds // 604_800)


def packed(number, *values):
    return b"\xa3\x95" + bytes([number]) + FORMATS[number][3].pack(*values)


def time_us(after_s):
    return round((BOOT_S + after_s) * 1e6)


def camera(number, camera_number=0, shift_deg=0.0):
    lat, lon = place(number)
    where = round((lat + shift_deg) * 1e7), round(lon * 1e7)
    heights = 56_000, 6_000, 56_000
    times = gps_time(taken_s(number))
    return packed(88, time_us(taken_s(number)), camera_number, number, *times, *where, *heights, 0, 0, 9000)


def head(formats=FORMATS):
    described = b"".join(
        packed(128, number, body.size + 3, name.encode(), chars.encode(), fields.encode())
        for number, (name, chars, fields, body) in formats.items()
    )
    return described + packed(64, time_us(0), b"MAV_SYSID", 1.0) * 40


def make_log(photos=PHOTOS, shift_deg=0.0, bytes_per_s=48_000, formats=FORMATS):
    """420 s at 48 kB/s, with bytes in it that look like beginnings of photos, and types never described."""
    dice = random.Random(5)
    junk = [dice.randbytes(60) + b"\xa3\x95\x58" + dice.randbytes(130) for _ in range(50)]
    strange = [b"\xa3\x95\xf9" + dice.randbytes(size) for size in (16, 252, 349)]
    due = {round(taken_s(n) * 10): n for n in photos}
    parts = [head(formats)]
    for tenth in range(round(LENGTH_S * 10)):
        at_s = tenth / 10
        stamp = time_us(at_s)
        block = [
            b"\xa3\x95\xa0" + struct.pack("<Q", stamp + i) + dice.choice(junk)[:192].ljust(192, b"\0")
            for i in range(bytes_per_s // 2_100)
        ]
        block.insert(3, dice.choice(strange))
        if tenth % 2 == 0:
            block.append(packed(29, stamp, 0, 4, *gps_time(at_s), 300_500_000, 1_031_500_000, 56_000))
        if tenth in due:
            block.append(camera(due[tenth], 0, shift_deg))
            block.append(camera(due[tenth], 1, 1.0))  # another camera
        parts.append(b"".join(block))
    return b"".join(parts)


@pytest.fixture(scope="module")
def log():
    return make_log()


def heard_but(missing, late_s=0.0):
    return {
        n: CameraEvent(
            n, TAKE_OFF + dt.timedelta(seconds=taken_s(n) + late_s), *place(n), 560.0, yaw_deg=math.nan
        )
        for n in PHOTOS
        if n not in missing
    }


def find(log, missing, tmp_path, heard=None, read_bytes=None):
    return Found(
        log, missing, heard_but(missing) if heard is None else heard, tmp_path / "excerpt.BIN", read_bytes
    )


TWENTY = list(range(90, 110))


@pytest.mark.parametrize(
    ("missing", "share"),
    [
        (TWENTY, 0.1),
        ([100], 0.02),
        (list(range(1, 8)), 0.06),
        (list(range(190, 201)), 0.06),
        ([*range(30, 40), *range(150, 160)], 0.1),
        ([*range(95, 99), *range(100, 104)], 0.06),
    ],
    ids=["20 photos", "one", "the first", "the last", "two gaps", "one known between"],
)
def test_a_gap_is_filled_from_a_small_part_of_the_log(log, missing, share, tmp_path):
    assert len(log) > 19e6
    found = find(log, missing, tmp_path)
    assert found.covered == set(missing)
    for number in missing:
        event = found.events[number]
        assert (event.lat_deg, event.lon_deg) == pytest.approx(place(number), abs=1e-7)
        assert (event.time_utc - TAKE_OFF).total_seconds() == pytest.approx(taken_s(number), abs=0.01)
    assert found.share < share
    assert found.log.sysid == 1


@pytest.mark.parametrize("late_s", [-40_000.0, 65.0, 7_200.0])
def test_the_clock_of_what_was_heard_may_be_wrong(log, late_s, tmp_path):
    found = find(log, TWENTY, tmp_path, heard_but(TWENTY, late_s))
    assert found.covered == set(TWENTY)
    assert found.share < 0.1


def test_a_clock_that_runs_eight_times_slower_still_leads_there(log, tmp_path):
    heard = {
        n: CameraEvent(n, TAKE_OFF + dt.timedelta(seconds=taken_s(n) / 8), *place(n), 560.0)
        for n in PHOTOS
        if n not in TWENTY
    }
    found = find(log, TWENTY, tmp_path, heard)
    assert found.covered == set(TWENTY)
    assert found.share < 0.3


def test_few_photos_in_a_long_flight_are_found_by_gps_time(tmp_path):
    few = range(120, 127)
    heard = {n: e for n, e in heard_but([123]).items() if n in few}
    found = find(make_log(few), [123], tmp_path, heard)
    assert (found.covered, set(found.events) >= {122, 123, 124}) == ({123}, True)


def test_a_photo_that_was_not_taken_is_covered_and_not_told(tmp_path):
    found = find(make_log([n for n in PHOTOS if n != 100]), [99, 100], tmp_path)
    assert found.covered == {99, 100}
    assert 99 in found.events
    assert 100 not in found.events


def test_a_log_that_lost_its_message_of_the_next_photo_is_not_read_to_its_end(tmp_path):
    found = find(make_log([n for n in PHOTOS if n not in range(101, 201)]), [100], tmp_path)
    assert (found.covered, 100 in found.events) == ({100}, True)
    assert found.share < 0.12


@pytest.mark.parametrize(("photos", "shift_deg"), [(PHOTOS, 0.01), ([], 0.0)], ids=["another", "empty"])
def test_a_log_of_another_flight_is_soon_known(photos, shift_deg, tmp_path):
    read = []
    with pytest.raises(OtherFlightError):
        find(make_log(photos, shift_deg), TWENTY, tmp_path, read_bytes=read)
    assert sum(read) < 2e6


def test_a_log_that_does_not_number_its_photos_cannot_be_read_in_parts(tmp_path):
    old = FORMATS | {88: ("CAM", "QIH", "TimeUS,GPSTime,GPSWeek", struct.Struct("<QIH"))}
    with pytest.raises(LogPartsError):
        find(make_log([], formats=old, bytes_per_s=5_000), TWENTY, tmp_path)


def test_messages_are_found_wherever_a_part_begins_and_ends(log):
    layout = Layout(log[:64_800])
    whole = {p.start + 1_000_000: p.raw for p in layout.parts(log[1_000_000:1_020_000])}
    cameras = sum(p.format.name == "CAM" for p in layout.parts(log))
    assert cameras == 2 * len(PHOTOS)
    for torn in range(1_000_000, 1_000_700, 7):
        end = torn + 15_000 + torn % 331
        found = {p.start + torn: p.raw for p in layout.parts(log[torn:end])}
        assert set(found.items()) <= set(whole.items())
        kept = {at for at, raw in whole.items() if torn + 700 <= at and at + len(raw) <= end - 700}
        assert kept <= set(found)


# -- with a vehicle ----------------------------------------------------------------------------------------


def feedback(number):
    lat, lon = place(number)
    stamp = round((TAKE_OFF.timestamp() + taken_s(number)) * 1e6)
    where = (round(lat * 1e7), round(lon * 1e7), 560.0, 60.0)
    return mavlink.MAVLink_camera_feedback_message(stamp, 0, 0, number, *where, 0.0, 0.0, 90.0, 0.0, 0, 0)


class Logger:
    """The logs of a scripted vehicle, newest last, by the log protocol; silent after `most_bytes`, for
    good or for so many requests (`pauses`)."""

    def __init__(self, vehicle, *logs, most_bytes=1 << 40, pauses=1000):
        self.logs, self.left, self.sent, self.pauses = logs, most_bytes, 0, pauses
        vehicle.replies |= {"LOG_REQUEST_LIST": self.listed, "LOG_REQUEST_DATA": self.data}

    def listed(self, message):
        for number, log in enumerate(self.logs, 1):
            yield mavlink.MAVLink_log_entry_message(number, len(self.logs), len(self.logs), 0, len(log))

    def data(self, message):
        log = self.logs[message.id - 1]
        for at in range(message.ofs, min(message.ofs + message.count, len(log)), PIECE_BYTES):
            piece = log[at : min(at + PIECE_BYTES, message.ofs + message.count)]
            if self.sent + len(piece) > self.left:
                self.pauses -= 1
                if self.pauses <= 0:
                    self.left = 1 << 40
                return
            self.sent += len(piece)
            padded = piece.ljust(PIECE_BYTES, b"\0")
            yield mavlink.MAVLink_log_data_message(message.id, at, len(piece), list(padded))


def recover(meet, vehicle, missing, folder, longest_s=30.0):
    async def work(v):
        keeper = PhotoKeeper(v)
        encoder = Encoder(1, 1)
        for number in PHOTOS:
            if number not in missing:
                message = feedback(number)
                encoder.encode(message)  # gives it its source
                keeper.take(message, TAKE_OFF)
        return await recover_from_log(v, keeper, folder, longest_s), keeper

    return meet(vehicle, work)


def test_a_vehicle_is_asked_for_no_more_than_it_takes(log, scripted, meet, tmp_path):
    drone = scripted()
    logger = Logger(drone, log, make_log([], bytes_per_s=5_000))  # another log was begun after the landing
    missing = [*range(60, 64), 120]
    result, keeper = recover(meet, drone, missing, tmp_path)
    assert (result.found, result.why_not, keeper.missing) == (tuple(missing), None, ())
    assert result.log_bytes == len(log)
    assert 0 < result.bytes_read < 0.05 * len(log)
    assert result.bytes_read <= logger.sent
    assert drone.count("LOG_REQUEST_END") > 0


def asked(tries):
    return LinkProfile("test", answer_s=0.15, tries=tries, silence_s=1.0, rates_hz={33: 4.0})


@pytest.mark.parametrize(
    ("quick", "longest_s", "words"),
    [(asked(6), 60.0, "log 1 stopped at"), (asked(600), 4.0, "takes more than 4 s over this link")],
    ids=["given up", "too long"],
)
def test_what_came_before_the_link_broke_counts(log, scripted, meet, tmp_path, longest_s, words):
    drone = scripted()
    Logger(drone, log, most_bytes=550_000)
    result, keeper = recover(meet, drone, [60, *range(100, 120)], tmp_path, longest_s)
    assert words in result.why_not
    assert 60 in result.found
    assert keeper.failed == ()
    assert set(range(110, 120)) <= set(keeper.missing)


def test_a_vehicle_that_pauses_in_its_answers_is_asked_again(log, scripted, meet, tmp_path):
    drone = scripted()
    logger = Logger(drone, log, most_bytes=550_000, pauses=12)
    missing = [60, *range(100, 120)]
    result, keeper = recover(meet, drone, missing, tmp_path, longest_s=120.0)
    assert logger.pauses == 0
    assert (result.found, result.why_not, keeper.missing) == (tuple(missing), None, ())
