"""The cameras of a vehicle, each call a station of its own."""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CameraError
from flight.photos import actions as camera_actions
from flight.photos.cameras import CameraUnit, camera_status, find_camera, find_cameras
from flight.photos.settings import change_setting, list_settings
from flight.vehicle import Vehicle
from missionctl.services.vehicle_work import OnProgress, Target, with_vehicle

_CAN = {
    mavlink.CAMERA_CAP_FLAGS_CAPTURE_IMAGE: "photos",
    mavlink.CAMERA_CAP_FLAGS_CAPTURE_VIDEO: "video",
    mavlink.CAMERA_CAP_FLAGS_HAS_MODES: "modes",
    mavlink.CAMERA_CAP_FLAGS_HAS_BASIC_ZOOM: "zoom",
    mavlink.CAMERA_CAP_FLAGS_HAS_BASIC_FOCUS: "focus",
    mavlink.CAMERA_CAP_FLAGS_HAS_VIDEO_STREAM: "video stream",
}
ACTIONS = ("photo", "start", "stop", "video-start", "video-stop", "mode", "zoom", "focus")


def show_cameras(target: Target) -> list[dict[str, Any]]:
    """All cameras of a vehicle and what they are doing."""

    async def work(vehicle: Vehicle, _: OnProgress) -> list[dict[str, Any]]:
        rows = []
        for unit in await find_cameras(vehicle):
            status = await camera_status(vehicle, unit)
            can = [words for flag, words in _CAN.items() if unit.can(flag)]
            rows.append({"component": unit.compid, "name": unit.name, "can": can, **status.report()})
        return rows

    return with_vehicle(target, work)


def tell_camera(target: Target, compid: int | None, action: str, value: str, count: int) -> dict[str, Any]:
    """Tell a camera to do something. Raises CameraError, CommandError."""
    number = _number(action, value)

    async def work(vehicle: Vehicle, _: OnProgress) -> dict[str, Any]:
        unit = await find_camera(vehicle, compid)
        return {"camera": unit.name, "done": await _do(vehicle, unit, action, value, number, count)}

    return with_vehicle(target, work)


def camera_settings(target: Target, compid: int | None) -> dict[str, Any]:
    """A camera's own settings by name. Raises CameraError."""

    async def work(vehicle: Vehicle, _: OnProgress) -> dict[str, Any]:
        unit = await find_camera(vehicle, compid)
        found = await list_settings(vehicle, unit)
        return {"camera": unit.name, "settings": {name: s.value for name, s in found.items()}}

    return with_vehicle(target, work)


def change_camera(target: Target, compid: int | None, name: str, value: str) -> dict[str, Any]:
    """Change one setting; what the camera has confirmed. Raises CameraError."""

    async def work(vehicle: Vehicle, _: OnProgress) -> dict[str, Any]:
        unit = await find_camera(vehicle, compid)
        changed = await change_setting(vehicle, unit, name, value)
        return {"camera": unit.name, "settings": {changed.name: changed.value}}

    return with_vehicle(target, work)


def _number(action: str, value: str) -> float | None:
    """The value as a number where the action needs one; checked before anything is connected."""
    if action not in ACTIONS:
        raise CameraError(f"{action!r} is nothing that a camera does; one of: {', '.join(ACTIONS)}")
    if action in ("start", "zoom") or (action == "focus" and value != "auto"):
        try:
            return float(value)
        except ValueError:
            what = "seconds" if action == "start" else "0 to 100" + (" or auto" if action == "focus" else "")
            raise CameraError(f"{action} {value!r}: give {what}") from None
    return None


async def _do(
    vehicle: Vehicle, unit: CameraUnit, action: str, value: str, number: float | None, count: int
) -> str:
    if action == "photo":
        event = await camera_actions.take_photo(vehicle, unit)
        return f"photo {event.index} taken at {event.lat_deg:.6f}, {event.lon_deg:.6f}"
    if action == "start" and number is not None:
        await camera_actions.start_photos(vehicle, unit, number, count)
        return f"a photo each {number:g} s" + (f", {count} of them" if count else "")
    if action == "stop":
        await camera_actions.stop_photos(vehicle, unit)
        return "no more photos"
    if action in ("video-start", "video-stop"):
        await camera_actions.record_video(vehicle, unit, action == "video-start")
        return "records" if action == "video-start" else "has stopped recording"
    if action == "mode":
        await camera_actions.set_camera_mode(vehicle, unit, value)
        return f"in {value} mode"
    if action == "zoom" and number is not None:
        await camera_actions.zoom(vehicle, unit, number)
        return f"zoomed to {number:g} %"
    await camera_actions.focus(vehicle, unit, number)
    return "focuses by itself" if number is None else f"focused at {number:g} %"
