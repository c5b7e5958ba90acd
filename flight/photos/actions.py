"""What a camera can be told: one photo, photos at an interval, its mode, zoom, focus, video.

https://mavlink.io/en/services/camera.html. A camera is only told what it says that it can do.
"""

from __future__ import annotations

import datetime as dt
import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.protocol import Order, transact
from flight.errors import CameraError
from flight.photos.cameras import CameraUnit, ask
from flight.photos.events import camera_event
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message
from plans.mission import CameraEvent

_PHOTO_S = 5.0
"""A camera may think so long before it tells of a photo."""
_MODES = {
    "photo": mavlink.CAMERA_MODE_IMAGE,
    "video": mavlink.CAMERA_MODE_VIDEO,
    "survey": mavlink.CAMERA_MODE_IMAGE_SURVEY,
}
MODES = tuple(_MODES)


async def take_photo(vehicle: Vehicle, unit: CameraUnit) -> CameraEvent:
    """Take one photo; returns what the camera tells of it. Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_CAPTURE_IMAGE, "take photos")
    number = 0.0
    if not unit.device:  # a camera leaves a repeated order for the same number alone
        status = await ask(vehicle, unit.compid, mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS)
        number = 0.0 if status is None else status.image_count + 1.0
    with vehicle.inbox() as inbox:
        await _tell(vehicle, unit, mavlink.MAV_CMD_IMAGE_START_CAPTURE, float(unit.device), 0.0, 1.0, number)
        event = await _photo(inbox, unit, _PHOTO_S + vehicle.answer_s)
    if event is None:
        raise CameraError(f"{_who(vehicle, unit)} accepted the order but told of no photo; look at it")
    if not event.captured:
        raise CameraError(f"{_who(vehicle, unit)} says that the photo failed; is its card full?")
    return event


async def start_photos(vehicle: Vehicle, unit: CameraUnit, interval_s: float, count: int = 0) -> None:
    """Photos each `interval_s`, `count` of them (0: until stopped). Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_CAPTURE_IMAGE, "take photos")
    if not interval_s > 0 or count < 0:
        raise CameraError(
            f"photos each {interval_s:g} s, {count} of them: give a time above 0 and a count of 0 or more"
        )
    params = (float(unit.device), interval_s, float(count), 0.0)
    await _tell(vehicle, unit, mavlink.MAV_CMD_IMAGE_START_CAPTURE, *params)


async def stop_photos(vehicle: Vehicle, unit: CameraUnit) -> None:
    """No more photos at an interval. Raises CommandError."""
    await _tell(vehicle, unit, mavlink.MAV_CMD_IMAGE_STOP_CAPTURE, float(unit.device))


async def record_video(vehicle: Vehicle, unit: CameraUnit, on: bool) -> None:
    """Start or stop a video. Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_CAPTURE_VIDEO, "record video")
    order = mavlink.MAV_CMD_VIDEO_START_CAPTURE if on else mavlink.MAV_CMD_VIDEO_STOP_CAPTURE
    await _tell(vehicle, unit, order, 0.0)


async def set_camera_mode(vehicle: Vehicle, unit: CameraUnit, mode: str) -> None:
    """Change between photo, video and survey. Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_HAS_MODES, "change its mode")
    if mode not in _MODES:
        raise CameraError(f"camera mode {mode!r} is not known; one of: {', '.join(MODES)}")
    if mode == "survey":
        _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_HAS_IMAGE_SURVEY_MODE, "be set to survey")
    await _tell(vehicle, unit, mavlink.MAV_CMD_SET_CAMERA_MODE, float(unit.device), float(_MODES[mode]))


async def zoom(vehicle: Vehicle, unit: CameraUnit, percent: float) -> None:
    """Zoom to 0 (wide) to 100 per cent. Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_HAS_BASIC_ZOOM, "zoom")
    _check_percent("zoom", percent)
    await _tell(vehicle, unit, mavlink.MAV_CMD_SET_CAMERA_ZOOM, float(mavlink.ZOOM_TYPE_RANGE), percent)


async def focus(vehicle: Vehicle, unit: CameraUnit, percent: float | None = None) -> None:
    """Focus to 0 (near) to 100 per cent (far), or by itself. Raises CameraError, CommandError."""
    _need(vehicle, unit, mavlink.CAMERA_CAP_FLAGS_HAS_BASIC_FOCUS, "focus")
    if percent is None:
        await _tell(vehicle, unit, mavlink.MAV_CMD_SET_CAMERA_FOCUS, float(mavlink.FOCUS_TYPE_AUTO), 0.0)
        return
    _check_percent("focus", percent)
    await _tell(vehicle, unit, mavlink.MAV_CMD_SET_CAMERA_FOCUS, float(mavlink.FOCUS_TYPE_RANGE), percent)


async def _tell(vehicle: Vehicle, unit: CameraUnit, number: int, *params: float) -> None:
    await transact(vehicle, Order(number, params, component=unit.compid))


async def _photo(inbox: Inbox, unit: CameraUnit, timeout_s: float) -> CameraEvent | None:
    def tells(message: Message) -> bool:
        return message.get_srcComponent() == unit.compid and camera_event(message, _now()) is not None

    message = await inbox.next(tells, timeout_s)
    return None if message is None else camera_event(message, _now())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _who(vehicle: Vehicle, unit: CameraUnit) -> str:
    return f"vehicle {vehicle.sysid}, {unit.name}:"


def _need(vehicle: Vehicle, unit: CameraUnit, flag: int, what: str) -> None:
    """A camera that told nothing of itself is tried all the same."""
    if unit.flags and not unit.can(flag):
        raise CameraError(f"{_who(vehicle, unit)} cannot {what}")


def _check_percent(what: str, percent: float) -> None:
    if math.isnan(percent) or not 0 <= percent <= 100:
        raise CameraError(f"{what} {percent:g} %: give 0 to 100")
