"""No photo is forgotten because its message got lost."""

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.logs.flight_log import FlightLog
from flight.photos.from_log import fill_from_log, recover_from_log
from flight.photos.keeper import PhotoKeeper
from flight.wire import Encoder
from plans.mission import CameraEvent

NOW = dt.datetime(2026, 7, 1, 8, 0, tzinfo=dt.UTC)
START_US = round(NOW.timestamp() * 1e6)
CAMERA = 100


def captured(index, result=1):
    place = (300500000 + 1000 * index, 1031500000, 560_000, 60_000)
    stamp = START_US + 2_000_000 * index
    return mavlink.MAVLink_camera_image_captured_message(
        2000 * index, stamp, 0, *place, [1.0, 0.0, 0.0, 0.0], index, result, b""
    )


def feedback(index, completed=0, camera=0):
    place = (300500000 + 1000 * index, 1031500000, 560.0, 60.0)
    stamp = START_US + 2_000_000 * index
    return mavlink.MAVLink_camera_feedback_message(
        stamp, 0, camera, index, *place, 0.0, 0.0, 90.0, 0.0, 0, completed
    )


def status(count):
    return mavlink.MAVLink_camera_capture_status_message(0, 0, 0, 0.0, 0, 0.0, count)


class ScriptedCamera:
    """A MAVLink camera beside a scripted autopilot. `answers` says what it does with a request for a photo:
    "again" sends it, "never" is silent, "old" knows only the old command, "no" refuses."""

    def __init__(self, vehicle, taken, answers="again", count=None):
        self.vehicle, self.taken, self.answers, self.count = vehicle, taken, answers, count
        self.encoder = Encoder(1, CAMERA)
        self.asked = []
        vehicle.replies["COMMAND_LONG"] = self.reply

    def beat(self):
        self.send(mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_CAMERA, 8, 0, 0, 4, 3))

    def send(self, message):
        self.vehicle.link.write(self.encoder.encode(message))

    def tell(self, *indices, failed=None):
        for index in indices:
            self.send(captured(index, index != failed))

    def reply(self, message):
        if message.target_component != CAMERA:
            return [mavlink.MAVLink_command_ack_message(message.command, mavlink.MAV_RESULT_FAILED)]
        wanted = int(message.param2) if message.command == 512 else int(message.param1)
        result = mavlink.MAV_RESULT_DENIED
        if message.command == 512 and message.param1 == 262:
            if self.count is not None:
                self.send(status(self.count))
                result = mavlink.MAV_RESULT_ACCEPTED
        else:
            self.asked.append((message.command, wanted))
            if self.answers == "never":
                return []
            if wanted in self.taken and (
                self.answers == "again" or (self.answers, message.command) == ("old", 2002)
            ):
                result = mavlink.MAV_RESULT_ACCEPTED
        self.send(mavlink.MAVLink_command_ack_message(message.command, result))
        if result == mavlink.MAV_RESULT_ACCEPTED and message.param1 != 262:
            self.send(captured(wanted))
        return []


async def keep(vehicle, keeper, work, until=lambda: False, longest_s=5.0, before=lambda: None):
    """Feed the keeper as a flight does: `before`, `work` half a second later, until something holds."""
    loop = asyncio.get_running_loop()
    with vehicle.inbox() as inbox:
        asking = loop.create_task(keeper.run())
        before()
        work_s = loop.time() + 0.4
        end_s = work_s + longest_s
        while loop.time() < end_s and not until():
            for message in inbox.drain():
                keeper.take(message, NOW)
            if work is not None and loop.time() > work_s:
                work = work()
            await asyncio.sleep(0.02)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking


@pytest.fixture
def journal():
    return []


def recording(journal):
    return lambda action, **detail: journal.append((action, detail))


def indices(keeper):
    return [e.index for e in keeper.photos]


@pytest.mark.parametrize("answers", ["again", "old"])
def test_a_camera_is_asked_for_the_photos_whose_messages_were_lost(scripted, meet, journal, answers):
    drone = scripted()
    camera = ScriptedCamera(drone, range(12), answers, count=0)

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))

        def fly():
            camera.count = 12
            for index in (2, 3, 6, 9):  # the first two and the last two are lost as well
                camera.send(captured(index))

        await keep(vehicle, keeper, fly, lambda: len(keeper.photos) == 12, before=camera.beat)
        return keeper

    keeper = meet(drone, work)
    assert indices(keeper) == list(range(12))
    assert keeper.missing == ()
    assert set(keeper.recovered) == {0, 1, 4, 5, 7, 8, 10, 11}
    assert set(keeper.recovered.values()) == {"camera"}
    told = [d["index"] for action, d in journal if action == "photo"]
    assert sorted(told) == list(range(12))


@pytest.mark.parametrize("answers", ["no", "never"])
def test_a_camera_that_repeats_nothing_is_soon_left_alone(scripted, meet, journal, answers):
    drone = scripted()
    camera = ScriptedCamera(drone, range(20), answers)

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))
        await keep(vehicle, keeper, lambda: camera.tell(0, 3), longest_s=1.6)
        return keeper

    keeper = meet(drone, work)
    assert keeper.missing == (1, 2)
    assert len(camera.asked) <= 6
    assert [d["indices"] for action, d in journal if action == "photo messages lost"] == [[1, 2]]


def test_a_failed_photo_is_not_a_missing_one(scripted, meet, journal):
    drone = scripted()
    camera = ScriptedCamera(drone, range(5))

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))
        await keep(vehicle, keeper, lambda: camera.tell(0, 1, 2, 3, 4, failed=2), longest_s=0.5)
        return keeper

    keeper = meet(drone, work)
    assert (indices(keeper), keeper.failed, keeper.missing) == ([0, 1, 3, 4], (2,), ())
    assert not camera.asked


def test_ardupilot_tells_its_newest_photo_again(scripted, meet, journal):
    drone = scripted()
    state = {"count": 40}

    def reply(message):
        if message.param1 == 262:
            yield status(state["count"])
        elif message.param1 == 180:
            yield feedback(state["count"])
        yield mavlink.MAVLink_command_ack_message(message.command, 0)

    drone.replies["COMMAND_LONG"] = reply

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))

        def fly():
            state["count"] = 45
            for index in (42, 43):
                drone.send(feedback(index))

        await keep(vehicle, keeper, fly, lambda: 45 in keeper.recovered, longest_s=3.0)
        return keeper

    keeper = meet(drone, work)
    assert keeper.begins_at == 41
    assert indices(keeper) == [42, 43, 45]
    assert keeper.missing == (41, 44)  # these only its log can tell


def alone(meet, scripted, work):
    async def run(vehicle):
        return work(vehicle)

    return meet(scripted(), run)


def heard(keeper, *messages):
    encoder = Encoder(1, 1)
    for message in messages:
        encoder.encode(message)  # gives it its source
        keeper.take(message, NOW)


def test_a_feedback_wire_tells_orders_and_photos_apart(scripted, meet):
    def work(vehicle):
        keeper = PhotoKeeper(vehicle)
        # order 3 gave no photo: the count of shutters goes on by one; message 6 got lost: it jumps
        heard(keeper, feedback(1, 1), feedback(2, 2), feedback(4, 3), feedback(5, 4), feedback(7, 6))
        return keeper

    keeper = alone(meet, scripted, work)
    assert (keeper.failed, keeper.missing) == ((3,), (6,))


def test_a_camera_that_was_switched_off_and_on_counts_anew(scripted, meet, journal):
    def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))
        heard(keeper, feedback(1), feedback(2), feedback(3))
        again = [feedback(i) for i in (1, 2)]
        for message in again:
            message.lat += 50_000
        heard(keeper, *again, again[0])  # and one comes twice
        return keeper

    keeper = alone(meet, scripted, work)
    assert indices(keeper) == [1, 2, 3, 1, 2]
    assert keeper.missing == ()
    assert ("camera restarted", {"component": 1, "camera": 0}) in journal


def test_two_cameras_do_not_fill_each_others_gaps(scripted, meet):
    def work(vehicle):
        keeper = PhotoKeeper(vehicle)
        heard(keeper, *(feedback(i) for i in (1, 2, 4, 5)), *(feedback(i, camera=1) for i in (3, 4)))
        return keeper

    assert alone(meet, scripted, work).missing == (3,)


def log_of(indices, shift_deg=0.0):
    events = tuple(
        CameraEvent(i, NOW + dt.timedelta(seconds=2 * i), 30.05 + 1e-4 * i + shift_deg, 103.15, 560.0)
        for i in indices
    )
    return FlightLog(Path("log_00007.BIN"), "dataflash", 1, "", NOW, NOW, {}, camera_events=events)


def test_the_log_fills_what_cannot_be_asked_for(scripted, meet, journal):
    def work(vehicle):
        keeper = PhotoKeeper(vehicle, recording(journal))
        heard(keeper, status(3), feedback(5), feedback(6), feedback(9), status(11))
        before = keeper.missing
        # number 8 was ordered and is not in the log: the camera did not take it
        return keeper, before, fill_from_log(keeper, log_of([3, 4, 5, 6, 7, 9, 10, 11]))

    keeper, before, result = alone(meet, scripted, work)
    assert before == (4, 7, 8, 10, 11)
    assert result.found == (4, 7, 10, 11)
    assert (indices(keeper), keeper.failed, keeper.missing) == ([4, 5, 6, 7, 9, 10, 11], (8,), ())
    assert set(keeper.recovered.values()) == {"log"}
    assert sum(action == "photo recovered" for action, _ in journal) == 4


def test_the_log_of_another_flight_fills_nothing(scripted, meet):
    def work(vehicle):
        keeper = PhotoKeeper(vehicle)
        heard(keeper, feedback(1), feedback(3))
        return keeper, fill_from_log(keeper, log_of([1, 2, 3], shift_deg=0.01))

    keeper, result = alone(meet, scripted, work)
    assert result.why_not == "log_00007.BIN is not of this flight"
    assert keeper.missing == (2,)


def test_a_log_is_not_fetched_over_a_link_that_takes_too_long_for_it(scripted, meet, tmp_path, quick):
    drone = scripted()
    drone.replies["LOG_REQUEST_LIST"] = lambda m: [mavlink.MAVLink_log_entry_message(7, 1, 7, 0, 30_000_000)]

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle)
        heard(keeper, feedback(1), feedback(3))
        path = vehicle.paths[vehicle.link]
        slow = replace(path.profile, file_bytes_per_s=300.0)
        vehicle.paths[vehicle.link] = replace(path, profile=slow)
        return await recover_from_log(vehicle, keeper, tmp_path)

    result = meet(drone, work)
    assert result.why_not is not None
    assert "its log of 30.0 MB takes more than" in result.why_not
    assert drone.count("LOG_REQUEST_DATA") == 0


def test_an_empty_log_that_was_begun_after_the_landing_is_passed_over(scripted, meet, tmp_path, monkeypatch):
    from flight.logs.transfer import LogEntry
    from flight.photos import from_log as photo_log

    entries = tuple(LogEntry(number, 1000, None) for number in (6, 7, 8))
    held = {6: log_of([40, 41]), 7: log_of([1, 2, 3]), 8: log_of([])}

    async def listed(vehicle):
        return entries

    async def fetched(vehicle, entry, folder, on_share):
        return entry.number

    monkeypatch.setattr(photo_log, "list_logs", listed)
    monkeypatch.setattr(photo_log, "fetch_log", fetched)
    monkeypatch.setattr(photo_log, "read_log", held.__getitem__)

    async def work(vehicle):
        keeper = PhotoKeeper(vehicle)
        heard(keeper, feedback(1), feedback(3))
        return await recover_from_log(vehicle, keeper, tmp_path), keeper.missing

    result, missing = meet(scripted(), work)
    assert (result.found, missing) == ((2,), ())
