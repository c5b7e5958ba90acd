"""Logs of every kind, real ones and damaged ones, and the photos that they tell of."""

import datetime as dt
import math
import struct
import time

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.logs.files import camera_events, read_log, track
from flight.logs.recorder import Recorder
from flight.wire import Encoder, station_heartbeat, vehicle_heartbeat

START_US = 1_782_871_200_000_000  # 2026-07-01 02:00 UTC
COPTER = (mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA)


def feedback(index, lat=30.05, time_s=0.0):
    return mavlink.MAVLink_camera_feedback_message(
        START_US + round(time_s * 1e6),
        0,
        0,
        index,
        round(lat * 1e7),
        1031500000,
        560.0,
        60.0,
        -2.0,
        1.0,
        350.0,
        0,
        0,
        0,
    )


def captured(index, lat=30.05, result=1):
    return mavlink.MAVLink_camera_image_captured_message(
        1000 * index,
        START_US + 2_000_000 * index,
        1,
        round(lat * 1e7),
        1031500000,
        560000,
        60000,
        [0.7071, 0, 0, 0.7071],
        index,
        result,
        b"",
    )


def position(seconds, north_m=0.0):
    lat = round((30.05 + north_m / 111_195) * 1e7)
    return mavlink.MAVLink_global_position_int_message(
        round(seconds * 1000), lat, 1031500000, 560000, 60000, 0, 0, 0, 0
    )


def write_tlog(path, *messages, sysid=1, every_s=1.0, start_us=START_US):
    """Messages as (message, sysid) or message, one each `every_s`."""
    encoders = {}
    data = b""
    for number, entry in enumerate(messages):
        message, sender = entry if isinstance(entry, tuple) else (entry, sysid)
        encoder = encoders.setdefault(sender, Encoder(sender, 190 if sender == 255 else 1))
        stamp = start_us + round(number * every_s * 1e6)
        data += struct.pack(">Q", stamp) + encoder.encode(message)
    path.write_bytes(data)
    return path


def beat(mode, armed=False):
    return vehicle_heartbeat(*COPTER, 81 | (128 if armed else 0), mode, 4)


def test_a_flight_of_ours_is_read_back(tmp_path):
    with Recorder(tmp_path) as recorder:
        vehicle, station = Encoder(3, 1), Encoder(255)
        for message in (
            beat(4, True),
            position(1.0),
            feedback(1),
            beat(3, True),
            position(2.0, 50),
            feedback(2),
        ):
            recorder.packet(vehicle.encode(message))
            recorder.packet(station.encode(station_heartbeat()))
        recorder.event("landed")
    log = read_log(tmp_path / "telemetry.tlog")
    assert (log.kind, log.sysid, log.vehicle) == ("tlog", 3, "ArduPilot quadrotor")
    assert [m.mode for m in log.modes] == ["GUIDED", "AUTO"]
    assert [e.index for e in log.camera_events] == [1, 2]
    assert log.distance_m == pytest.approx(50, abs=0.5)
    assert log.messages["HEARTBEAT"] == 2  # the station's own are not the vehicle's
    assert abs(log.started_utc - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_a_photo_told_twice_is_one_and_photos_are_in_order(tmp_path):
    file = write_tlog(
        tmp_path / "a.tlog",
        beat(3),
        feedback(2, 30.051),
        feedback(1),
        feedback(2, 30.051),
        feedback(3, 30.052),
    )
    events = camera_events(file)
    assert [e.index for e in events] == [1, 2, 3]
    assert events[0].time_utc == dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
    assert (events[0].yaw_deg, events[0].pitch_deg, events[0].roll_deg) == (350.0, 1.0, -2.0)


def test_a_count_that_begins_again_after_a_battery_change_is_kept_whole(tmp_path):
    file = write_tlog(
        tmp_path / "a.tlog",
        beat(3),
        *(feedback(i, 30.05 + i * 1e-3) for i in (1, 2, 3)),
        *(feedback(i, 30.06 + i * 1e-3) for i in (1, 2)),
    )
    assert [round(e.lat_deg, 3) for e in camera_events(file)] == [30.051, 30.052, 30.053, 30.061, 30.062]


def test_a_camera_that_speaks_for_itself_is_believed_and_failed_photos_left_out(tmp_path):
    file = write_tlog(
        tmp_path / "a.tlog",
        beat(3),
        feedback(1),
        captured(0),
        captured(1, 30.051, result=0),
        captured(2, 30.052),
    )
    events = camera_events(file)
    assert [e.index for e in events] == [0, 2]
    assert events[0].yaw_deg == pytest.approx(90.0, abs=0.1)


def test_two_photographers_in_one_log_must_be_told_apart(tmp_path):
    file = write_tlog(
        tmp_path / "a.tlog", (beat(3), 1), (beat(3), 2), (feedback(1), 1), (feedback(7, 30.07), 2)
    )
    with pytest.raises(LogError, match="vehicles 1, 2; say which"):
        camera_events(file)
    assert [e.index for e in camera_events(file, 2)] == [7]
    with pytest.raises(LogError, match="nothing of vehicle 9; it holds: 1, 2"):
        read_log(file, 9)


def test_the_journal_beside_a_recording_says_whose_flight_it_is(tmp_path):
    file = write_tlog(
        tmp_path / "telemetry.tlog", (beat(3), 1), (beat(3), 2), (feedback(1), 1), (feedback(7), 2)
    )
    (tmp_path / "events.jsonl").write_text('{"action": "connected", "vehicle": 2}\n')
    assert [e.index for e in camera_events(file)] == [7]


def test_damage_in_the_middle_and_a_cut_end_cost_only_themselves(tmp_path):
    file = write_tlog(tmp_path / "a.tlog", beat(3), *(feedback(i, 30.05 + i * 1e-3) for i in range(1, 7)))
    data = bytearray(file.read_bytes())
    size = (len(data) - 29) // 6
    middle = 29 + 2 * size
    data[middle : middle + size + 11] = bytes(range(size + 11))
    file.write_bytes(data[:-5])
    assert [e.index for e in camera_events(file)] == [1, 2, 5]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xa3\x95\x80\x80\x59FMT", "is damaged"),
        (b"", "is empty"),
        (b"these are no packets, these are words. " * 40, "is not a telemetry log"),
        (b"\xa3\x95" + bytes(range(256)) * 8, "is damaged"),
        (b"ULog\x01\x12\x35\x01" + bytes(64), "is damaged"),
    ],
)
def test_what_is_no_log_is_named(tmp_path, data, words):
    file = tmp_path / "broken.BIN"
    file.write_bytes(data)
    with pytest.raises(LogError, match=rf"broken\.BIN: {words}"):
        read_log(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LogError, match=r"none\.tlog: cannot be read"):
        read_log(tmp_path / "none.tlog")
    with pytest.raises(LogError, match="is a folder"):
        read_log(tmp_path)


def test_pymavlink_reads_what_we_record(tmp_path):
    with Recorder(tmp_path) as recorder:
        for message in (beat(4), feedback(1), position(1.0)):
            recorder.packet(Encoder(1, 1).encode(message))
    log = mavutil.mavlink_connection(str(tmp_path / "telemetry.tlog"))
    kinds = []
    while (message := log.recv_match()) is not None:
        kinds.append(message.get_type())
        assert abs(message._timestamp - time.time()) < 60
    log.close()
    assert kinds == ["HEARTBEAT", "CAMERA_FEEDBACK", "GLOBAL_POSITION_INT"]


# -- real files --------------------------------------------------------------------------------------------


def test_a_real_telemetry_log_of_a_plane_reads_as_pymavlink_reads_it(sample):
    file = sample("uavlogviewer_vtol.tlog")
    log = read_log(file)
    assert (log.sysid, log.vehicle) == (1, "ArduPilot fixed wing")
    assert [m.mode for m in log.modes] == ["QLOITER", "CIRCLE", "GUIDED", "QLAND"]
    assert log.duration_s == pytest.approx(207.6, abs=0.1)
    other = mavutil.mavlink_connection(str(file))
    counts, places = {}, []
    while (message := other.recv_match()) is not None:
        counts[message.get_type()] = counts.get(message.get_type(), 0) + 1
        if message.get_type() == "GLOBAL_POSITION_INT":
            places.append((message.lat / 1e7, message.lon / 1e7))
    other.close()
    assert dict(log.messages) == counts
    assert [(p.lat_deg, p.lon_deg) for p in track(file)] == places


def test_a_real_dataflash_log_is_read(sample):
    log = read_log(sample("pymavlink_test.BIN"))
    assert (log.kind, log.vehicle, log.messages["PARM"]) == ("dataflash", "ArduPilot fixed wing", 809)
    assert log.started_utc.date() == dt.date(2017, 10, 29)
    assert [m.mode for m in log.modes] == ["MANUAL"]
    assert log.track[0].lat_deg == pytest.approx(-35.3626, abs=1e-3)
    assert log.texts[0].text.startswith("ArduPlane V3.8.2-dev")


def test_a_real_ulog_of_px4_is_read(sample):
    log = read_log(sample("pyulog_sample_log_small.ulg"))
    assert (log.kind, log.vehicle, log.sysid) == ("ulog", "PX4", 1)
    assert log.started_utc.date() == dt.date(2021, 4, 21)
    assert log.duration_s == pytest.approx(6.5, abs=0.1)
    assert log.track[0].lat_deg == pytest.approx(63.417, abs=1e-3)
    assert "[commander] Takeoff detected" in [t.text for t in log.texts]
    assert log.texts[0].severity == 6


# -- the photos of a DataFlash log and of a ULog -----------------------------------------------------------

TEXT_LOG = """\
FMT, 128, 89, FMT, BBnNZ, Type,Length,Name,Format,Columns
FMT, 130, 50, GPS, QBIHBcLLeffB, TimeUS,Status,GMS,GWk,NSats,HDop,Lat,Lng,Alt,Spd,GCrs,U
FMT, 131, 50, CAM, QIHLLeeeccC, TimeUS,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,Roll,Pitch,Yaw
FMT, 132, 50, TRIG, QIHLLeeeccC, TimeUS,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,Roll,Pitch,Yaw
FMT, 133, 75, MSG, QZ, TimeUS,Message
MSG, 1000000, ArduCopter V4.0.7 (0bb18a15)
GPS, 1200000, 3, 266418000, 2425, 14, 0.8, 30.05, 103.15, 560.0, 5.0, 90.0, 1
TRIG, 2000000, 266418800, 2425, 30.0500001, 103.1501, 560.0, 60.0, 561.0, 1.5, -2.0, 90.0
"""
CAM_LINES = """\
CAM, 2100000, 266418900, 2425, 30.0500002, 103.1502, 560.0, 60.0, 561.0, 1.5, -2.0, 90.0
CAM, 4100000, 266420900, 2425, 30.0500003, 103.1504, 560.0, 60.0, 561.0, 1.5, -2.0, 91.0
"""


def test_photos_of_an_old_text_log_are_numbered_and_timed_by_gps(tmp_path):
    file = tmp_path / "00000012.log"
    file.write_text(TEXT_LOG + CAM_LINES)
    first, second = camera_events(file)
    assert (first.index, second.index) == (1, 2)
    week_start = dt.datetime(1980, 1, 6, tzinfo=dt.UTC) + dt.timedelta(weeks=2425)
    assert first.time_utc == week_start + dt.timedelta(milliseconds=266418900, seconds=-18)
    assert (first.roll_deg, first.pitch_deg, first.yaw_deg) == (1.5, -2.0, 90.0)
    assert first.alt_amsl_m == 560.0


def test_orders_to_the_camera_count_where_it_does_not_answer(tmp_path):
    file = tmp_path / "00000012.log"
    file.write_text(TEXT_LOG)
    (event,) = camera_events(file)
    assert event.lat_deg == pytest.approx(30.0500001)


def ulog(records, gps=True, start_us=0):
    """A small ULog: GPS time, and camera_capture records of (boot_us, seq, lat, lon, result). `start_us`: the
    UTC of power-up that the camera knows."""

    def message(kind, body):
        return struct.pack("<HB", len(body), ord(kind)) + body

    data = b"ULog\x01\x12\x35\x01" + struct.pack("<Q", 1_000_000)
    data += message("B", bytes(40))
    data += message(
        "F",
        b"vehicle_gps_position:uint64_t timestamp;uint64_t time_utc_usec;int32_t lat;int32_t lon;"
        b"int32_t alt;",
    )
    data += message(
        "F",
        b"camera_capture:uint64_t timestamp;uint64_t timestamp_utc;double lat;double lon;float alt;"
        b"float ground_distance;float[4] q;uint32_t seq;int8_t result;",
    )
    data += message("A", struct.pack("<BH", 0, 0) + b"vehicle_gps_position")
    data += message("A", struct.pack("<BH", 0, 1) + b"camera_capture")
    if gps:
        data += message("D", struct.pack("<HQQiii", 0, 1_500_000, START_US, 300500000, 1031500000, 560000))
    for boot_us, seq, lat, lon, result in records:
        utc_us = start_us and start_us + boot_us
        body = struct.pack(
            "<HQQddff4fIb", 1, boot_us, utc_us, lat, lon, 560.0, 60.0, 0.7071, 0, 0, 0.7071, seq, result
        )
        data += message("D", body)
    return data


def test_photos_of_a_ulog_are_timed_by_its_gps(tmp_path):
    file = tmp_path / "flight.ulg"
    file.write_bytes(
        ulog(
            [
                (3_500_000, 0, 30.05, 103.15, 1),
                (5_500_000, 1, 30.06, 103.15, 1),
                (6_000_000, 2, 30.07, 103.15, 0),
            ]
        )
    )
    first, second = camera_events(file)
    assert (first.index, second.index) == (0, 1)
    assert first.time_utc == dt.datetime(2026, 7, 1, 2, 0, 2, tzinfo=dt.UTC)
    assert first.yaw_deg == pytest.approx(90.0, abs=0.1)
    assert first.height_agl_m == 60.0


def test_a_ulog_of_a_gps_without_time_is_timed_by_its_photos(tmp_path):
    file = tmp_path / "flight.ulg"
    file.write_bytes(ulog([(3_500_000, 0, 30.05, 103.15, 1)], gps=False, start_us=START_US))
    log = read_log(file)
    begun = dt.datetime.fromtimestamp(START_US / 1e6, dt.UTC)
    assert log.camera_events[0].time_utc - begun == dt.timedelta(seconds=3.5)
    assert log.started_utc - begun == dt.timedelta(seconds=1)


def test_a_ulog_without_gps_counts_from_its_own_start(tmp_path):
    file = tmp_path / "flight.ulg"
    file.write_bytes(ulog([(3_500_000, 0, 30.05, 103.15, 1)], gps=False))
    (event,) = camera_events(file)
    assert event.time_utc == dt.datetime(1970, 1, 1, 0, 0, 3, 500_000, tzinfo=dt.UTC)


def test_what_cannot_be_in_a_ulog_is_left_out(tmp_path):
    """A card wrote nonsense: a place that is not on Earth, an attitude that is no rotation."""
    file = tmp_path / "flight.ulg"
    level = struct.pack("<4f", 0.7071, 0, 0, 0.7071)
    data = ulog([(3_500_000, 0, 30.05, 103.15, 1), (4_000_000, 1, 300.0, 1e9, 1)])
    file.write_bytes(data.replace(level, struct.pack("<4f", 1e30, -3.0, math.nan, 0.0)))
    (event,) = camera_events(file)
    assert (event.index, event.lat_deg) == (0, 30.05)
    assert math.isnan(event.yaw_deg)
