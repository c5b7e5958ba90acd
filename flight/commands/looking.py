"""What a vehicle is told to look at, and its camera to take. The same errors as flight.commands.actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_message
from flight.commands.evidence import (
    ActionResult,
    Doing,
    bearing_deg,
    check_number,
    check_place,
    moving,
    turn_between_deg,
)
from flight.commands.protocol import ABOVE_HOME, ABOVE_SEA, Order
from flight.errors import CommandError, NotSeenError
from flight.state import Position
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message
from plans.frames import GeoPoint

_UNSUPPORTED = (mavlink.MAV_RESULT_UNSUPPORTED,)
_REFUSALS = (mavlink.MAV_RESULT_UNSUPPORTED, mavlink.MAV_RESULT_FAILED, mavlink.MAV_RESULT_DENIED)
_TURNS_S = 10.0
_NOSE_DEG = 10.0
_GIMBAL_DEG = 4.0
_PHOTO_S = 5.0
_PHOTO_MESSAGES = ("CAMERA_FEEDBACK", "CAMERA_IMAGE_CAPTURED", "CAMERA_TRIGGER")


async def look_at(vehicle: Vehicle, place: GeoPoint, height_m: float = 0.0) -> ActionResult:
    """Keep looking at a place (`height_m` above the launch point). A vehicle whose gimbal does not turn turns
    its nose; where only the gimbal turns, and does not tell, nothing is seen."""
    doing = Doing(vehicle, "look at")
    check_place(doing, place)
    check_number(doing, "height (m)", height_m, -1000.0, 10_000.0)
    here = await doing.place_in_flight()
    z_m, frame = height_m, ABOVE_HOME
    if vehicle.state.is_px4:
        z_m, frame = here.alt_amsl_m - here.alt_rel_m + height_m, ABOVE_SEA
    number = mavlink.MAV_CMD_DO_SET_ROI_LOCATION
    order = Order(number, (), place.lat_deg, place.lon_deg, z_m, frame)
    if await doing.order(order, unless=_UNSUPPORTED) is None:
        number = mavlink.MAV_CMD_DO_SET_ROI
        params = (float(mavlink.MAV_ROI_LOCATION),)
        await doing.order(Order(number, params, place.lat_deg, place.lon_deg, z_m, frame))

    def nose_there(now: Position) -> bool:
        return turn_between_deg(now.heading_deg, bearing_deg(now, place)) < _NOSE_DEG

    told: _Look | None = _Look()
    deadline_s = vehicle.now_s() + _TURNS_S + doing.delay_s()
    while vehicle.now_s() < deadline_s:
        told = await _gimbal_look(vehicle) if told is not None else None
        if told is not None and turn_between_deg(told.yaw_deg, _bearing(doing, place)) < _NOSE_DEG:
            return doing.result(f"the gimbal looks there, at pitch {told.pitch_deg:.0f} deg")
        if await doing.seen(nose_there, 0.0 if told is not None else _TURNS_S):
            return doing.result("the nose points there")
    if told is not None:
        raise doing.not_seen(f"nose and gimbal do not turn there (the gimbal is at {told.yaw_deg:.0f} deg)")
    return doing.result("accepted; the nose does not turn, and where the gimbal looks is not told", False)


async def look_ahead(vehicle: Vehicle) -> ActionResult:
    """Look at no place any more."""
    doing = Doing(vehicle, "look ahead")
    if await doing.command(mavlink.MAV_CMD_DO_SET_ROI_NONE, unless=_UNSUPPORTED) is None:
        await doing.command(mavlink.MAV_CMD_DO_SET_ROI, float(mavlink.MAV_ROI_NONE))
    return doing.result("accepted; nothing shows it before the next turn", False)


async def point_gimbal(vehicle: Vehicle, pitch_deg: float, yaw_deg: float = 0.0) -> ActionResult:
    """Turn the gimbal: pitch -90 looks down, yaw counts from the nose, clockwise."""
    doing = Doing(vehicle, "point the gimbal")
    check_number(doing, "pitch (deg)", pitch_deg, -180.0, 180.0)
    check_number(doing, "yaw (deg)", yaw_deg, -360.0, 360.0)
    params = (pitch_deg, yaw_deg, math.nan, math.nan)
    try:
        answer = await doing.command(mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW, *params, unless=_REFUSALS)
    except CommandError as fault:
        if fault.result is None and vehicle.silence_s() < vehicle.profile.silence_s:  # PX4 without a gimbal
            raise doing.fault("no gimbal answers, though the vehicle is heard") from None
        raise
    if answer is None:
        mode = float(mavlink.MAV_MOUNT_MODE_MAVLINK_TARGETING)
        old = (pitch_deg, 0.0, yaw_deg, 0.0, 0.0, 0.0, mode)
        if await doing.command(mavlink.MAV_CMD_DO_MOUNT_CONTROL, *old, unless=_REFUSALS) is None:
            raise doing.fault("refused; this vehicle has no gimbal that it can turn")
    told: _Look | None = None
    deadline_s = vehicle.now_s() + _TURNS_S + doing.delay_s()
    while vehicle.now_s() < deadline_s:
        told = await _gimbal_look(vehicle)
        if told is None:
            return doing.result("accepted; where the gimbal looks is not told", False)
        if turn_between_deg(told.pitch_deg, pitch_deg) < _GIMBAL_DEG:
            return doing.result(f"the gimbal is at pitch {told.pitch_deg:.0f} deg")
    raise doing.not_seen(f"the gimbal stays at pitch {told.pitch_deg if told else math.nan:.0f} deg")


@dataclass(frozen=True)
class _Look:
    """Where a gimbal looks: its pitch, and its yaw from north. NaN where it is not told."""

    pitch_deg: float = math.nan
    yaw_deg: float = math.nan


async def _gimbal_look(vehicle: Vehicle) -> _Look | None:
    """Where the gimbal says that it looks; None when it does not say."""
    place = vehicle.state.position
    heading_deg = place.heading_deg if place is not None else math.nan
    told = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS)
    if told is not None:
        w, x, y, z = told.q
        pitch = math.asin(max(-1.0, min(1.0, 2.0 * (w * y - z * x))))
        yaw_deg = math.degrees(math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)))
        from_north = told.flags & mavlink.GIMBAL_DEVICE_FLAGS_YAW_LOCK
        return _Look(math.degrees(pitch), yaw_deg if from_north else heading_deg + yaw_deg)
    told = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_MOUNT_ORIENTATION)
    return None if told is None else _Look(told.pitch, heading_deg + told.yaw)


def _bearing(doing: Doing, place: GeoPoint) -> float:
    here = doing.state.position
    return bearing_deg(here, place) if here is not None else math.nan


async def take_photo(vehicle: Vehicle) -> ActionResult:
    """One photo now."""
    doing = Doing(vehicle, "take a photo")
    with vehicle.inbox() as inbox:
        number = mavlink.MAV_CMD_IMAGE_START_CAPTURE
        if await doing.command(number, 0.0, 0.0, 1.0, unless=_REFUSALS) is None:
            await doing.command(mavlink.MAV_CMD_DO_DIGICAM_CONTROL, 0.0, 0.0, 0.0, 0.0, 1.0)
        return await _photo_seen(doing, inbox, 0.0)


async def photos_each_seconds(vehicle: Vehicle, interval_s: float) -> ActionResult:
    """A photo every so many seconds, the first one now, until stopped."""
    doing = Doing(vehicle, "take photos by time")
    check_number(doing, "interval (s)", interval_s, 0.1, 3600.0)
    with vehicle.inbox() as inbox:
        number = mavlink.MAV_CMD_IMAGE_START_CAPTURE
        if await doing.command(number, 0.0, interval_s, 0.0, unless=_REFUSALS) is None:
            await doing.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_INTERVAL, interval_s * 1000.0, -1.0)
        return await _photo_seen(doing, inbox, interval_s)


async def photos_each_metres(vehicle: Vehicle, distance_m: float) -> ActionResult:
    """A photo every so many metres, the first one now, until stopped. ArduPilot lets the first one go when
    its shutter is busy: a vehicle that hovers then shows nothing."""
    doing = Doing(vehicle, "take photos by distance")
    check_number(doing, "distance (m)", distance_m, 0.1, 10_000.0)
    with vehicle.inbox() as inbox:
        await doing.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST, distance_m, 0.0, 1.0)
        try:
            return await _photo_seen(doing, inbox, 0.0)
        except NotSeenError:
            place = vehicle.state.position
            if place is not None and moving(place):
                raise
    return doing.result(f"accepted; no photo before it has flown {distance_m:g} m", False)


async def stop_photos(vehicle: Vehicle) -> ActionResult:
    """No more photos by time or distance. A mission's own triggers begin again with its next trigger item."""
    doing = Doing(vehicle, "stop photos")
    by_distance = await doing.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST, 0.0, unless=_REFUSALS)
    by_time = await doing.command(mavlink.MAV_CMD_IMAGE_STOP_CAPTURE, 0.0, unless=_REFUSALS)
    if by_distance is None and by_time is None:
        raise doing.fault("refused; this vehicle triggers no camera")
    await doing.holds(lambda state: False, doing.delay_s())
    with vehicle.inbox() as inbox:
        late = await inbox.next(_is_photo, 2.0)
    return doing.result("no photo for 2 s" if late is None else "photos still come", late is None)


async def _photo_seen(doing: Doing, inbox: Inbox, interval_s: float) -> ActionResult:
    photo = await inbox.next(_is_photo, _PHOTO_S + interval_s + doing.delay_s())
    if photo is None:
        raise doing.not_seen("no photo is told; is a camera set up on it?")
    index = getattr(photo, "img_idx", getattr(photo, "image_index", getattr(photo, "seq", None)))
    return doing.result(f"photo {index}")


def _is_photo(message: Message) -> bool:
    if message.get_type() == "CAMERA_IMAGE_CAPTURED" and message.capture_result == 0:
        return False
    return message.get_type() in _PHOTO_MESSAGES
