"""The cameras of a vehicle and what they tell of themselves (MAVLink camera protocol v2).

https://mavlink.io/en/services/camera.html: a MAVLink camera is a component of its own (100 to 105) with a
heartbeat; one on the autopilot's trigger has none, and the autopilot speaks for it. What a camera does:
flight.photos.actions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CameraError
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message, decode_text

FIRST_COMPONENT, LAST_COMPONENT = mavlink.MAV_COMP_ID_CAMERA, mavlink.MAV_COMP_ID_CAMERA6
_LISTEN_S = 2.5
"""Heartbeats come once a second; one may be lost."""
_TRIES = 3
_MODES = {
    mavlink.CAMERA_MODE_IMAGE: "photo",
    mavlink.CAMERA_MODE_VIDEO: "video",
    mavlink.CAMERA_MODE_IMAGE_SURVEY: "survey",
}
_STORAGE = {
    mavlink.STORAGE_STATUS_EMPTY: "no card",
    mavlink.STORAGE_STATUS_UNFORMATTED: "the card is not formatted",
    mavlink.STORAGE_STATUS_NOT_SUPPORTED: "does not tell of its card",
}
_CAPTURING = ("idle", "taking a photo", "waiting for the next photo", "taking photos")


@dataclass(frozen=True)
class CameraUnit:
    """One camera and what it can do. `device` is 0 for a component of its own, else which of the autopilot's
    cameras it is (from 1). Sizes are 0 and lengths NaN where it does not know."""

    compid: int
    device: int
    vendor: str = ""
    model: str = ""
    flags: int = 0
    focal_mm: float = math.nan
    sensor_mm: tuple[float, float] = (math.nan, math.nan)
    image_px: tuple[int, int] = (0, 0)

    def can(self, flag: int) -> bool:
        """Whether it says so of itself (CAMERA_CAP_FLAGS)."""
        return bool(self.flags & flag)

    @property
    def name(self) -> str:
        """What to call it."""
        made = f"{self.vendor} {self.model}".strip()
        place = f"the autopilot's camera {self.device}" if self.device else f"camera component {self.compid}"
        return f"{made} ({place})" if made else place


@dataclass(frozen=True)
class Storage:
    """One card of a camera. MB; NaN where it does not tell."""

    number: int
    status: int
    free_mb: float
    total_mb: float

    @property
    def words(self) -> str:
        """The card in plain words."""
        if self.status in _STORAGE:
            return _STORAGE[self.status]
        if math.isnan(self.free_mb):
            return "a card, its free space unknown"
        total = f" of {self.total_mb / 1000:.1f}" if self.total_mb > 0 else ""
        return f"{self.free_mb / 1000:.1f}{total} GB free"


@dataclass(frozen=True)
class VideoStream:
    """A stream that a camera offers."""

    name: str
    uri: str
    width_px: int
    height_px: int
    bitrate_bps: int


@dataclass(frozen=True)
class CameraStatus:
    """What a camera is doing; None and NaN where it does not tell."""

    mode: str | None
    zoom_percent: float
    focus_percent: float
    capturing: str | None
    interval_s: float
    photos_taken: int | None
    recording: bool | None
    storages: tuple[Storage, ...]
    streams: tuple[VideoStream, ...]

    def report(self) -> dict[str, Any]:
        """Plain values; None where not told."""

        def known(value: float) -> float | None:
            return None if math.isnan(value) else value

        return {
            "mode": self.mode,
            "zoom_percent": known(self.zoom_percent),
            "focus_percent": known(self.focus_percent),
            "capturing": self.capturing,
            "interval_s": known(self.interval_s),
            "photos_taken": self.photos_taken,
            "recording": self.recording,
            "storage": [s.words for s in self.storages],
            "storage_free_mb": [known(s.free_mb) for s in self.storages],
            "streams": [vars(s) for s in self.streams],
        }


async def find_cameras(vehicle: Vehicle, listen_s: float = _LISTEN_S) -> tuple[CameraUnit, ...]:
    """All cameras of a vehicle: those whose heartbeats are heard, and the autopilot's own."""
    components = []
    with vehicle.inbox() as inbox:
        end_s = vehicle.now_s() + listen_s
        while (left_s := end_s - vehicle.now_s()) > 0:
            beat = await inbox.next(_is_camera, left_s)
            if beat is not None and beat.get_srcComponent() not in components:
                components.append(beat.get_srcComponent())
    found = [await _unit(vehicle, compid) for compid in sorted(components)]
    own = await ask(vehicle, vehicle.compid, mavlink.MAVLINK_MSG_ID_CAMERA_INFORMATION)
    if own is not None:
        found.append(_described(own, int(getattr(own, "camera_device_id", 0)) or own.lens_id + 1))
    return tuple(found)


async def find_camera(vehicle: Vehicle, compid: int | None = None) -> CameraUnit:
    """The camera with a component id, or the first. Raises CameraError when there is none."""
    found = await find_cameras(vehicle)
    for unit in found:
        if compid in (None, unit.compid):
            return unit
    if not found:
        raise CameraError(f"vehicle {vehicle.sysid}: has no camera; is it powered, or CAM1_TYPE 0?")
    known = ", ".join(str(unit.compid) for unit in found)
    raise CameraError(f"vehicle {vehicle.sysid}: has no camera {compid}; it has: {known}")


async def camera_status(vehicle: Vehicle, unit: CameraUnit) -> CameraStatus:
    """What a camera is doing now, and the space on its card."""
    settings = await ask(vehicle, unit.compid, mavlink.MAVLINK_MSG_ID_CAMERA_SETTINGS)
    status = await ask(vehicle, unit.compid, mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS)
    storages = await _all_of(vehicle, unit, mavlink.MAVLINK_MSG_ID_STORAGE_INFORMATION, "storage_count")
    streams: tuple[Message, ...] = ()
    if unit.can(mavlink.CAMERA_CAP_FLAGS_HAS_VIDEO_STREAM):
        streams = await _all_of(vehicle, unit, mavlink.MAVLINK_MSG_ID_VIDEO_STREAM_INFORMATION, "count")
    return CameraStatus(
        mode=None if settings is None else _MODES.get(settings.mode_id, f"mode {settings.mode_id}"),
        zoom_percent=math.nan if settings is None else settings.zoomLevel,
        focus_percent=math.nan if settings is None else settings.focusLevel,
        capturing=None if status is None else _CAPTURING[status.image_status % len(_CAPTURING)],
        interval_s=math.nan if status is None else status.image_interval,
        photos_taken=None if status is None else int(status.image_count),
        recording=None if status is None else bool(status.video_status),
        storages=tuple(_storage(m) for m in storages),
        streams=tuple(_stream(m) for m in streams),
    )


async def ask(vehicle: Vehicle, compid: int, message_id: int, number: float = 0.0) -> Message | None:
    """One message of a component, asked for until it comes; None when it is refused or never comes."""
    with vehicle.inbox() as inbox:
        for _ in range(_TRIES):
            vehicle.send(
                mavlink.MAVLink_command_long_message(
                    vehicle.sysid,
                    compid,
                    mavlink.MAV_CMD_REQUEST_MESSAGE,
                    0,
                    float(message_id),
                    number,
                    *([0.0] * 5),
                )
            )
            answer = await _answer(inbox, compid, message_id, vehicle.answer_s)
            if answer is not None:
                return answer if answer.get_msgId() == message_id else None
    return None


async def _answer(inbox: Inbox, compid: int, message_id: int, timeout_s: float) -> Message | None:
    def fits(message: Message) -> bool:
        if message.get_srcComponent() != compid:
            return False
        refused = (
            message.get_type() == "COMMAND_ACK"
            and message.command == mavlink.MAV_CMD_REQUEST_MESSAGE
            and message.result not in (mavlink.MAV_RESULT_ACCEPTED, mavlink.MAV_RESULT_IN_PROGRESS)
        )
        return refused or message.get_msgId() == message_id

    return await inbox.next(fits, timeout_s)


async def _all_of(vehicle: Vehicle, unit: CameraUnit, message_id: int, total: str) -> tuple[Message, ...]:
    """One message for each of several cards or streams."""
    first = await ask(vehicle, unit.compid, message_id, 1.0)
    if first is None:
        return ()
    found = [first]
    for number in range(2, int(getattr(first, total)) + 1):
        more = await ask(vehicle, unit.compid, message_id, float(number))
        if more is not None:
            found.append(more)
    return tuple(found)


def _is_camera(message: Message) -> bool:
    if message.get_type() != "HEARTBEAT":
        return False
    beside = FIRST_COMPONENT <= message.get_srcComponent() <= LAST_COMPONENT
    return message.type == mavlink.MAV_TYPE_CAMERA or beside


async def _unit(vehicle: Vehicle, compid: int) -> CameraUnit:
    told = await ask(vehicle, compid, mavlink.MAVLINK_MSG_ID_CAMERA_INFORMATION)
    return CameraUnit(compid, 0) if told is None else _described(told, 0)


def _described(m: Message, device: int) -> CameraUnit:
    return CameraUnit(
        compid=m.get_srcComponent(),
        device=device,
        vendor=decode_text(bytes(m.vendor_name)).strip(),
        model=decode_text(bytes(m.model_name)).strip(),
        flags=int(m.flags),
        focal_mm=float(m.focal_length),
        sensor_mm=(float(m.sensor_size_h), float(m.sensor_size_v)),
        image_px=(int(m.resolution_h), int(m.resolution_v)),
    )


def _storage(m: Message) -> Storage:
    told = m.status == mavlink.STORAGE_STATUS_READY
    free = float(m.available_capacity) if told else math.nan
    return Storage(int(m.storage_id), int(m.status), free, float(m.total_capacity) if told else math.nan)


def _stream(m: Message) -> VideoStream:
    return VideoStream(
        decode_text(m.name), decode_text(m.uri), int(m.resolution_h), int(m.resolution_v), int(m.bitrate)
    )
