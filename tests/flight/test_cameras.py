"""Cameras of a vehicle are found, tell of themselves, and do what they can."""

import asyncio
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CameraError
from flight.links.profiles import find_profile
from flight.photos import actions as camera_actions
from flight.photos.cameras import Storage, camera_status, find_camera, find_cameras
from flight.station import open_station
from flight.wire import Encoder

CAN = mavlink.CAMERA_CAP_FLAGS_CAPTURE_IMAGE | mavlink.CAMERA_CAP_FLAGS_HAS_MODES
ZOOMS = mavlink.CAMERA_CAP_FLAGS_HAS_BASIC_ZOOM | mavlink.CAMERA_CAP_FLAGS_HAS_VIDEO_STREAM


class Camera:
    """A MAVLink camera beside a scripted autopilot, which has no camera of its own."""

    def __init__(self, drone, compid=100, flags=CAN, photo_result=1):
        self.drone, self.compid, self.flags, self.photo_result = drone, compid, flags, photo_result
        self.encoder, self.taken, self.told = Encoder(1, compid), 41, []
        self.lost = 0
        drone.replies["COMMAND_LONG"] = self.reply
        beat = drone.send

        def send(message):
            beat(message)
            if message.get_type() == "HEARTBEAT":
                self.send(mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_CAMERA, 8, 0, 0, 4, 3))

        drone.send = send

    def send(self, message):
        self.drone.link.write(self.encoder.encode(message))

    def reply(self, message):
        if message.target_component != self.compid:
            return [mavlink.MAVLink_command_ack_message(message.command, mavlink.MAV_RESULT_FAILED)]
        if self.lost:
            self.lost -= 1
            return []
        self.told.append(message)
        known = True
        if message.command == mavlink.MAV_CMD_REQUEST_MESSAGE:
            known = self.say(int(message.param1), int(message.param2))
        result = mavlink.MAV_RESULT_ACCEPTED if known else mavlink.MAV_RESULT_DENIED
        self.send(mavlink.MAVLink_command_ack_message(message.command, result))
        if message.command == mavlink.MAV_CMD_IMAGE_START_CAPTURE and message.param3 == 1:
            place = (300500000, 1031500000, 560_000, 60_000)
            self.send(
                mavlink.MAVLink_camera_image_captured_message(
                    0, 0, 0, *place, [1.0, 0, 0, 0], self.taken, self.photo_result, b""
                )
            )
            self.taken += 1
        return []

    def say(self, number, which):
        name = b"Mapper 3".ljust(32, b"\0")
        replies = {
            259: lambda: mavlink.MAVLink_camera_information_message(
                0,
                list(b"ACME".ljust(32, b"\0")),
                list(name),
                0,
                8.8,
                13.2,
                8.8,
                5472,
                3648,
                0,
                self.flags,
                0,
                b"",
            ),
            260: lambda: mavlink.MAVLink_camera_settings_message(
                0, mavlink.CAMERA_MODE_IMAGE, 20.0, math.nan
            ),
            261: lambda: mavlink.MAVLink_storage_information_message(
                0, which, 2, 2 if which == 1 else 0, 64_000.0, 1_000.0, 12_340.0, 0.0, 0.0
            ),
            262: lambda: mavlink.MAVLink_camera_capture_status_message(0, 2, 0, 2.0, 0, 12_340.0, self.taken),
            269: lambda: mavlink.MAVLink_video_stream_information_message(
                which, 1, 0, 1, 30.0, 1920, 1080, 5_000_000, 0, 60, b"day", b"rtsp://camera/1"
            ),
        }
        if number not in replies:
            return False
        self.send(replies[number]())
        return True

    def orders(self, number):
        return [m for m in self.told if m.command == number]


def with_camera(scripted, meet, work, **settings):
    drone = scripted()
    camera = Camera(drone, **settings)

    async def run(vehicle):
        return await work(vehicle, await find_camera(vehicle))

    return meet(drone, run), camera


def test_a_camera_is_found_by_its_heartbeat_and_tells_of_itself(scripted, meet):
    async def work(vehicle, unit):
        return unit, await camera_status(vehicle, unit)

    (unit, status), _ = with_camera(scripted, meet, work, compid=101, flags=CAN | ZOOMS)
    assert (unit.compid, unit.name) == (101, "ACME Mapper 3 (camera component 101)")
    assert (unit.image_px, unit.focal_mm) == ((5472, 3648), pytest.approx(8.8))
    assert (status.mode, status.photos_taken, status.capturing) == ("photo", 41, "waiting for the next photo")
    assert [s.words for s in status.storages] == ["12.3 of 64.0 GB free", "no card"]
    assert [s.uri for s in status.streams] == ["rtsp://camera/1"]
    assert status.report()["focus_percent"] is None


def test_one_photo_is_told_with_its_place_and_number(scripted, meet):
    event, camera = with_camera(scripted, meet, camera_actions.take_photo)
    assert (event.index, event.lat_deg) == (41, 30.05)
    order = camera.orders(mavlink.MAV_CMD_IMAGE_START_CAPTURE)
    assert [(m.param3, m.param4) for m in order] == [(1.0, 42.0)]


def test_a_photo_that_failed_is_told(scripted, meet):
    with pytest.raises(CameraError, match="the photo failed; is its card full"):
        with_camera(scripted, meet, camera_actions.take_photo, photo_result=0)


def test_orders_are_repeated_when_they_get_lost(scripted, meet):
    async def work(vehicle, unit):
        camera.lost = 2
        await camera_actions.start_photos(vehicle, unit, 2.5, 10)
        await camera_actions.stop_photos(vehicle, unit)

    drone = scripted()
    camera = Camera(drone)

    async def run(vehicle):
        await work(vehicle, await find_camera(vehicle))

    meet(drone, run)
    start = camera.orders(mavlink.MAV_CMD_IMAGE_START_CAPTURE)
    assert [(m.param2, m.param3) for m in start] == [(2.5, 10.0)]
    assert len(camera.orders(mavlink.MAV_CMD_IMAGE_STOP_CAPTURE)) == 1


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda v, u: camera_actions.zoom(v, u, 50.0), "cannot zoom"),
        (lambda v, u: camera_actions.focus(v, u), "cannot focus"),
        (lambda v, u: camera_actions.record_video(v, u, True), "cannot record video"),
        (lambda v, u: camera_actions.set_camera_mode(v, u, "survey"), "cannot be set to survey"),
        (lambda v, u: camera_actions.set_camera_mode(v, u, "night"), "'night' is not known"),
        (lambda v, u: camera_actions.start_photos(v, u, 0.0), "give a time above 0"),
    ],
)
def test_what_a_camera_cannot_do_is_not_sent(scripted, meet, work, words):
    with pytest.raises(CameraError, match=words):
        with_camera(scripted, meet, work)


def test_zoom_goes_out_in_per_cent(scripted, meet):
    _, camera = with_camera(scripted, meet, lambda v, u: camera_actions.zoom(v, u, 50.0), flags=CAN | ZOOMS)
    order = camera.orders(mavlink.MAV_CMD_SET_CAMERA_ZOOM)
    assert [(m.param1, m.param2) for m in order] == [(float(mavlink.ZOOM_TYPE_RANGE), 50.0)]


def test_a_vehicle_without_a_camera_says_so(scripted, meet):
    async def run(vehicle):
        assert await find_cameras(vehicle, listen_s=0.3) == ()
        await find_camera(vehicle)

    drone = scripted()
    drone.replies["COMMAND_LONG"] = lambda m: [mavlink.MAVLink_command_ack_message(m.command, 4)]
    with pytest.raises(CameraError, match="has no camera"):
        meet(drone, run)


def test_the_autopilots_own_camera_in_the_simulator(simulator):
    address = simulator()

    async def run():
        async with open_station([address], find_profile("wifi"), sysid=255) as station:
            vehicle = await station.wait_for_vehicle(10.0)
            (unit,) = await find_cameras(vehicle, listen_s=0.5)
            status = await camera_status(vehicle, unit)
            event = await camera_actions.take_photo(vehicle, unit)
            after = await camera_status(vehicle, unit)
            return unit, status, event, after

    unit, status, event, after = asyncio.run(run())
    assert (event.index, after.photos_taken) == (1, 1)
    assert (unit.compid, unit.device, unit.name) == (1, 1, "the autopilot's camera 1")
    assert status.photos_taken == 0
    assert [card.words for card in status.storages] == ["32.0 of 32.0 GB free"]


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        (Storage(1, mavlink.STORAGE_STATUS_READY, 500.0, 0.0), "0.5 GB free"),
        (Storage(1, mavlink.STORAGE_STATUS_READY, math.nan, math.nan), "a card, its free space unknown"),
        (Storage(1, mavlink.STORAGE_STATUS_UNFORMATTED, math.nan, math.nan), "the card is not formatted"),
    ],
)
def test_cards_in_plain_words(storage, words):
    assert storage.words == words
