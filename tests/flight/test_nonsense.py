"""Whole messages that cannot be true, and a reader of ours that fails: the flight goes on, and says so."""

import asyncio
import dataclasses
import datetime as dt
import json
import math
import time
from types import SimpleNamespace
from unittest import mock

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import vehicle as vehicle_module
from flight.flying.watch import FlightWatch
from flight.links import router as router_module
from flight.links.endpoints import parse_endpoint
from flight.logs.recorder import Recorder
from flight.logs.track import track_point
from flight.photos.counts import PhotoCount
from flight.photos.events import camera_event
from flight.safety.conflicts import traffic_track
from flight.state_update import first_state, update
from flight.station import StationSettings, open_station
from flight.vehicle import Inbox
from flight.wire import Encoder, Parser, vehicle_heartbeat

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
NAN, INF = math.nan, math.inf
FAR = 2_147_483_647


def heard(message):
    """A message as it comes off the wire."""
    (found,) = Parser().feed(Encoder(1, 1).encode(message))
    return found


def place(lat, lon=1_030_000_000):
    return mavlink.MAVLink_global_position_int_message(1, lat, lon, 500_000, 40_000, 1, 2, 3, 100)


def home(lat):
    return mavlink.MAVLink_home_position_message(lat, 1_030_000_000, 5, 0, 0, 0, [1, 0, 0, 0], 0, 0, 0)


@pytest.mark.parametrize(
    ("part", "good", "bad"),
    [
        ("position", place(300_000_000), place(FAR)),
        ("position", place(300_000_000), place(300_000_000, FAR)),
        ("position", place(300_000_000), place(-900_000_001)),
        ("home", home(300_000_000), home(-FAR)),
        *(
            ("attitude", mavlink.MAVLink_attitude_message(1, 0.1, 0.2, 0.3, 0, 0, 0), m)
            for m in (
                mavlink.MAVLink_attitude_message(1, NAN, 0.2, 0.3, 0, 0, 0),
                mavlink.MAVLink_attitude_message(1, 0.1, 0.2, -INF, 0, 0, 0),
            )
        ),
        ("wind", mavlink.MAVLink_wind_message(90, 3, 0), mavlink.MAVLink_wind_message(NAN, 3, 0)),
        ("wind", mavlink.MAVLink_wind_message(90, 3, 0), mavlink.MAVLink_wind_message(90, INF, 0)),
        (
            "climb_mps",
            mavlink.MAVLink_vfr_hud_message(1, 1, 1, 1, 1, 2.0),
            mavlink.MAVLink_vfr_hud_message(1, 1, 1, 1, 1, NAN),
        ),
        (
            "rangefinder",
            mavlink.MAVLink_rangefinder_message(3.0, 1.0),
            mavlink.MAVLink_rangefinder_message(INF, 1.0),
        ),
        (
            "vibration",
            mavlink.MAVLink_vibration_message(1, 1.0, 2.0, 3.0, 0, 0, 0),
            mavlink.MAVLink_vibration_message(1, 1.0, NAN, 3.0, 0, 0, 0),
        ),
    ],
)
def test_what_cannot_be_leaves_a_part_as_it_was_and_its_age_goes_on(part, good, bad):
    state = first_state(heard(vehicle_heartbeat(2, 3, 81, 0, 3)), 1.0)
    state = update(state, heard(good), 2.0)
    before = getattr(state, part)
    assert before is not None
    state = update(state, heard(bad), 3.0)
    assert getattr(state, part) == before
    assert state.heard_s == 3.0


def test_a_text_of_endless_pieces_has_an_end():
    state = first_state(heard(vehicle_heartbeat(2, 3, 81, 0, 3)), 1.0)
    for piece in range(256):
        said = heard(mavlink.MAVLink_statustext_message(4, b"x" * 50, 7, piece))
        state = update(state, said, 2.0)
    assert [text.text for text in state.texts] == ["x" * 2000 + "…"]


def feedback(**change):
    values = {"time_usec": 0, "target_system": 1, "cam_idx": 0, "img_idx": 4, "lat": 300_000_000}
    values |= {
        "lng": 1_030_000_000,
        "alt_msl": 540.0,
        "alt_rel": 40.0,
        "roll": 1.0,
        "pitch": 2.0,
        "yaw": 370.0,
    }
    return mavlink.MAVLink_camera_feedback_message(**values | {"foc_len": 0.0, "flags": 0} | change)


def captured(**change):
    values = {"time_boot_ms": 1, "time_utc": 0, "camera_id": 0, "lat": 300_000_000, "lon": 1_030_000_000}
    values |= {
        "alt": 540_000,
        "relative_alt": 40_000,
        "q": [1, 0, 0, 0],
        "image_index": 4,
        "capture_result": 1,
    }
    return mavlink.MAVLink_camera_image_captured_message(**values | {"file_url": b""} | change)


@pytest.mark.parametrize(
    "message",
    [
        feedback(lat=FAR),
        feedback(lng=-FAR),
        feedback(alt_msl=NAN),
        feedback(alt_msl=INF),
        captured(lat=FAR),
        captured(image_index=-1),
    ],
)
def test_a_photo_that_cannot_be_is_none(message):
    assert camera_event(heard(message), NOW) is None


def test_a_photo_keeps_what_makes_sense():
    assert camera_event(heard(feedback(time_usec=2**64 - 1)), NOW).time_utc == NOW
    assert camera_event(heard(captured(time_utc=2**64 - 1)), NOW).time_utc == NOW
    turned = camera_event(heard(feedback(yaw=INF, pitch=NAN)), NOW)
    assert (math.isnan(turned.yaw_deg), math.isnan(turned.pitch_deg), turned.roll_deg) == (True, True, 1.0)
    for q in ([0, 0, 0, 0], [1, 103, -1, 1], [NAN, 0, 0, 0], [3e38, 3e38, 3e38, 3e38]):
        assert math.isnan(camera_event(heard(captured(q=q)), NOW).yaw_deg)
    half = math.sqrt(0.5) * 1.01
    assert camera_event(heard(captured(q=[half, 0, 0, half])), NOW).yaw_deg == pytest.approx(90.0)


def test_photo_numbers_far_apart_are_not_two_milliards_of_lost_photos():
    event = camera_event(heard(captured()), NOW)
    count = PhotoCount(first=0, count=FAR)
    for index in (0, 3, FAR - 4, FAR):
        count.events[index] = dataclasses.replace(event, index=index)
    count.unfired = {1}
    began_s = time.perf_counter()
    assert count.missing(0) == [2, FAR - 3, FAR - 2, FAR - 1]
    assert time.perf_counter() - began_s < 0.5


def test_an_aircraft_and_a_track_that_are_nowhere_are_none():
    plane = mavlink.MAVLink_adsb_vehicle_message(1, FAR, 1, 0, 1, 0, 0, 0, b"", 0, 0, 0xFFFF, 0)
    assert traffic_track(heard(plane), 1.0) is None
    assert track_point(heard(place(FAR)), NOW) is None
    assert track_point(heard(place(300_000_000)), NOW).lat_deg == 30.0


def test_an_inbox_that_nobody_looks_into_forgets_the_oldest():
    async def fill():
        box = Inbox()
        for number in range(20_010):
            box.put(number)
        return list(box.drain())

    assert asyncio.run(fill()) == list(range(10, 20_010))


def fails(*_, **__):
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("reader", ["vehicle state", "router"])
def test_a_reader_that_fails_is_told_once_and_the_flight_goes_on(reader, tmp_path, free_port, quick):
    """Neither the link nor those who wait for messages notice."""
    where = {
        "vehicle state": (vehicle_module, "update"),
        "router": (router_module.Router, "_to_endpoints"),
    }
    troubles = []

    async def story():
        port, rider = free_port(), free_port()
        endpoint = parse_endpoint(f"tcpin:127.0.0.1:{rider}")
        settings = StationSettings(forward=(endpoint,), on_trouble=troubles.append)
        vehicle = Encoder(1, 1)
        with Recorder(tmp_path) as recorder:
            async with open_station([f"tcpin:127.0.0.1:{port}"], quick, recorder, 255, settings) as station:
                writer = (await asyncio.open_connection("127.0.0.1", port))[1]
                writer.write(vehicle.encode(vehicle_heartbeat(2, 3, 81, 0, 3)))
                met = await station.wait_for_vehicle(5.0)
                with met.inbox() as inbox:
                    with mock.patch.object(*where[reader], fails):
                        for lat in (300_000_000, 310_000_000):
                            writer.write(vehicle.encode(place(lat)))
                            got = await inbox.next(lambda m: m.get_type() == "GLOBAL_POSITION_INT", 5.0)
                            assert got.lat == lat
                    writer.write(vehicle.encode(place(320_000_000)))
                    assert await inbox.next(lambda m: getattr(m, "lat", 0) == 320_000_000, 5.0)
                    assert met.state.position.lat_deg == 32.0
                writer.close()
                return dict(station.reader_faults)

    assert asyncio.run(story()) == {(reader, "GLOBAL_POSITION_INT"): 2}
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    (told,) = [e for e in events if e["action"] == "reader failed"]
    assert told["message"] == "GLOBAL_POSITION_INT"
    assert told["why"] == "RuntimeError: a fault of ours"
    assert Parser().feed(bytes.fromhex(told["packet"]))[0].lat == 300_000_000
    assert [f"by the {reader}" in line for line in troubles if "could not be read" in line] == [True]


def test_a_flight_goes_on_when_one_of_its_messages_cannot_be_sorted():
    """Told with the message; what comes behind it is sorted all the same."""
    told, said = [], []
    station = SimpleNamespace(reader_failed=lambda reader, message, bug: told.append((reader, message)))
    vehicle = SimpleNamespace(station=station, compid=1, sysid=1, now_s=lambda: 5.0)
    recorder = SimpleNamespace(event=lambda action, **detail: said.append((action, detail)))
    watch = FlightWatch(None, vehicle, recorder, None, None)
    watch.keeper = SimpleNamespace(take=lambda message, now: message.get_type() == "ATTITUDE" and fails())
    bad = heard(mavlink.MAVLink_attitude_message(1, 0, 0, 0, 0, 0, 0))
    text = heard(mavlink.MAVLink_statustext_message(4, b"landed"))

    async def story():
        inbox = Inbox()
        for message in (bad, text, heard(place(300_000_000))):
            inbox.put(message)
        watch.collect(inbox)

    asyncio.run(story())
    assert told == [("flight watch", bad)]
    assert said == [("text", {"severity": 4, "text": "landed"})]
    assert [point.lat_deg for point in watch.track] == [30.0]
