"""QGroundControl `.plan` files (JSON, fileType "Plan", version 1): read and write.

Source: QGroundControl's file format page (docs.qgroundcontrol.com, "Plan File Format"). Beside QGC's keys a
`missionctl` object carries what a mission cannot say (camera, walls, the zones and what the survey is to show
of them, the speed where the plan must name another for its survey items); QGC and MAVSDK pass over it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from shapely.errors import GEOSException

from plans.cameras import Camera
from plans.errors import CameraError, PlanFileError
from plans.formats.files import read_text, write_text
from plans.formats.qgc_survey import SURVEY_SPEED_MPS, ComplexItem
from plans.formats.survey_goal import SurveyGoal, goal_from, goal_json
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Mission, MissionItem

_BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What reading a part of another shape than expected raises."""
_CIRCLE_CORNERS = 36
_FIRMWARE = {"ardupilot": 3, "px4": 12}
"""MAV_AUTOPILOT by the names of plans.capacity; QGroundControl shows the items that this one knows."""
_GENERIC_COPTER = 2


def write_qgc_plan(
    mission: Mission,
    path: Path | str,
    camera: Camera | None = None,
    walls: tuple[tuple[GeoPoint, ...], ...] = (),
    surveys: Sequence[ComplexItem] = (),
    goal: SurveyGoal | None = None,
    flight_cameras: Sequence[Camera] = (),
    autopilot: str | None = None,
) -> Path:
    """Write a mission as a plan that QGroundControl opens; `surveys` take the place of the items they hold,
    `flight_cameras` has the camera of each flight where they are unlike. `autopilot` is px4 or, as any other
    name and None, ArduPilot.

    Raises PlanFileError when it cannot be written.
    """
    home = mission.home or _first_place(mission)
    hover = SURVEY_SPEED_MPS if surveys else mission.cruise_speed_mps or 5
    plan = {
        "fileType": "Plan",
        "version": 1,
        "groundStation": "QGroundControl",
        "mission": {
            "version": 2,
            "firmwareType": _FIRMWARE.get(autopilot or "", _FIRMWARE["ardupilot"]),
            "vehicleType": _GENERIC_COPTER,
            "globalPlanAltitudeMode": 0 if _mixed_frames(mission) else 1,
            "cruiseSpeed": mission.cruise_speed_mps or 15,
            "hoverSpeed": hover,
            "plannedHomePosition": [home.lat_deg, home.lon_deg, _or_null(home.alt_amsl_m)],
            "items": _items_json(mission, surveys),
        },
        "geoFence": {"version": 2, "circles": [], "polygons": _fence_json(mission)},
        "rallyPoints": {
            "version": 2,
            "points": [[p.lat_deg, p.lon_deg, p.alt_amsl_m or 0.0] for p in mission.rally],
        },
    }
    speed = mission.cruise_speed_mps if surveys else None
    if camera is not None or walls or speed is not None or goal is not None or flight_cameras:
        plan["missionctl"] = _extension(camera, walls, speed, goal, flight_cameras)
    return write_text(path, json.dumps(plan, indent=2, allow_nan=False) + "\n")


def read_qgc_plan(path: Path | str) -> Mission:
    """The mission of a plan file; survey, corridor and structure items give the items they were expanded to.

    Fence circles become polygons of 36 corners (inside the circle for inclusion, around it for exclusion).
    Raises PlanFileError when the file is not a plan or a part of it is broken.
    """
    path = Path(path)
    root = _load(path)
    mission = root["mission"]
    try:
        items: list[MissionItem] = []
        for entry in mission["items"]:
            items.extend(_read_entry(entry))
        inclusion, exclusion = _read_fence(root.get("geoFence") or {})
        return Mission(
            tuple(items),
            _read_home(mission.get("plannedHomePosition")),
            _read_speed(root),
            inclusion,
            exclusion,
            tuple(_point(p) for p in (root.get("rallyPoints") or {}).get("points", [])),
        )
    except _BROKEN as error:
        raise PlanFileError(
            f"{path}: a part of the plan is broken ({_say(error)}); save it again in QGroundControl"
        ) from error


def read_autopilot(path: Path | str) -> str | None:
    """The autopilot that a plan says it is for, ardupilot or px4; None for others and where it says nothing.

    Raises PlanFileError when the file is not a plan.
    """
    number = _load(Path(path))["mission"].get("firmwareType")
    return next((name for name, known in _FIRMWARE.items() if known == number), None)


def read_camera(path: Path | str) -> Camera | None:
    """The camera that a plan was made for: ours, or that of a QGroundControl survey item, or None."""
    root = _load(Path(path))
    try:
        own = (root.get("missionctl") or {}).get("camera")
        if own:
            return _camera(own)
        for entry in root["mission"]["items"]:
            found = _survey_camera(entry)
            if found:
                return found
    except (*_BROKEN, CameraError) as error:
        raise PlanFileError(f"{path}: its camera cannot be read ({_say(error)})") from error
    return None


def read_flight_cameras(path: Path | str) -> tuple[Camera, ...]:
    """The camera of each flight of a plan of ours whose flights carry unlike ones; else none."""
    root = _load(Path(path))
    try:
        return tuple(_camera(own) for own in (root.get("missionctl") or {}).get("flight_cameras", []))
    except (*_BROKEN, CameraError) as error:
        raise PlanFileError(f"{path}: its cameras cannot be read ({_say(error)})") from error


def read_walls(path: Path | str) -> tuple[tuple[GeoPoint, ...], ...]:
    """Outlines that transits must go around, as our own plans carry them; else the fence's exclusions."""
    root = _load(Path(path))
    try:
        walls = (root.get("missionctl") or {}).get("walls")
        if walls is None:
            return _read_fence(root.get("geoFence") or {})[1]
        return tuple(tuple(_point(p) for p in wall) for wall in walls)
    except _BROKEN as error:
        raise PlanFileError(f"{path}: its walls cannot be read ({_say(error)})") from error


def read_goal(path: Path | str) -> SurveyGoal | None:
    """What the survey was asked to show, as our own plans carry it; None in others."""
    root = _load(Path(path))
    try:
        return goal_from(root.get("missionctl") or {})
    except (*_BROKEN, GEOSException) as error:
        raise PlanFileError(f"{path}: the zone that it carries cannot be read ({_say(error)})") from error


def _load(path: Path) -> dict[str, Any]:
    try:
        root = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise PlanFileError(
            f"{path}: not a whole plan (line {error.lineno}: {error.msg}); save or copy it again"
        ) from error
    if not isinstance(root, dict) or root.get("fileType") != "Plan":
        raise PlanFileError(f'{path}: not a QGroundControl plan (no fileType "Plan")')
    mission = root.get("mission")
    if not isinstance(mission, dict) or not isinstance(mission.get("items"), list):
        raise PlanFileError(f"{path}: the plan has no list of mission items; save it again")
    return root


def _say(error: Exception) -> str:
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split())[:120]


def _or_null(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def _first_place(mission: Mission) -> GeoPoint:
    return next((GeoPoint(i.lat_deg, i.lon_deg) for i in mission.items if i.has_place), GeoPoint(0.0, 0.0))


def _mixed_frames(mission: Mission) -> bool:
    return any(i.has_place and i.frame != AltitudeFrame.RELATIVE for i in mission.items)


def _items_json(mission: Mission, surveys: Sequence[ComplexItem]) -> list[dict[str, Any]]:
    """Numbers run on through survey items, as QGC's sequence numbers do."""
    items = [_item_json(item, number) for number, item in enumerate(mission.items, 1)]
    for survey in reversed(surveys):
        transects = survey.json["TransectStyleComplexItem"] | {"Items": items[survey.first : survey.stop]}
        items[survey.first : survey.stop] = [survey.json | {"TransectStyleComplexItem": transects}]
    return items


def _item_json(item: MissionItem, number: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "autoContinue": item.autocontinue,
        "command": int(item.command),
        "doJumpId": number,
        "frame": int(item.frame),
        "params": [*(_or_null(p) for p in item.params), item.lat_deg, item.lon_deg, item.alt_m],
        "type": "SimpleItem",
    }
    if item.has_place:
        out["AMSLAltAboveTerrain"] = None
        out["Altitude"] = item.alt_m
        out["AltitudeMode"] = {3: 1, 6: 1, 0: 2, 5: 2, 10: 4, 11: 4}.get(int(item.frame), 1)
    return out


def _fence_json(mission: Mission) -> list[dict[str, Any]]:
    return [
        {"version": 1, "inclusion": inclusion, "polygon": [[p.lat_deg, p.lon_deg] for p in ring]}
        for inclusion, rings in ((True, mission.fence_inclusion), (False, mission.fence_exclusion))
        for ring in rings
    ]


def _extension(
    camera: Camera | None,
    walls: tuple[tuple[GeoPoint, ...], ...],
    speed_mps: float | None,
    goal: SurveyGoal | None,
    flight_cameras: Sequence[Camera],
) -> dict[str, Any]:
    out: dict[str, Any] = {"version": 1}
    if flight_cameras:
        out["flight_cameras"] = [asdict(one) for one in flight_cameras]
    if camera is not None:
        out["camera"] = asdict(camera)
    if speed_mps is not None:
        out["cruise_speed_mps"] = speed_mps
    out["walls"] = [[[p.lat_deg, p.lon_deg] for p in wall] for wall in walls]
    return out | (goal_json(goal) if goal is not None else {})


def _read_entry(entry: dict[str, Any]) -> list[MissionItem]:
    if entry.get("type", "SimpleItem") in ("SimpleItem", "missionItem"):
        return [_read_item(entry)]
    inner = entry.get("TransectStyleComplexItem") or entry
    if "Items" in inner:
        return [_read_item(simple) for simple in inner["Items"]]
    raise ValueError(
        f"item of type {entry.get('complexItemType') or entry.get('type')!r} holds no flyable items"
    )


def _read_item(entry: dict[str, Any]) -> MissionItem:
    params = [_or_nan(p) for p in entry["params"]]
    place = [_or_nan(v) for v in entry["coordinate"]] if "coordinate" in entry else params[4:7]
    if len(params) < 4 or len(place) != 3:
        raise ValueError(f"item {entry.get('doJumpId', '?')} has {len(params)} parameters")
    if any(math.isinf(value) for value in (*params, *place)):
        raise ValueError(f"item {entry.get('doJumpId', '?')} has a number without end")
    lat, lon, alt = (0.0 if math.isnan(value) else value for value in place)
    frame = int(entry["frame"])
    if frame != AltitudeFrame.MISSION:
        _check_place(lat, lon)
    return MissionItem(
        command=int(entry["command"]),
        frame=frame,
        params=(params[0], params[1], params[2], params[3]),
        lat_deg=lat,
        lon_deg=lon,
        alt_m=alt,
        autocontinue=bool(entry.get("autoContinue", True)),
    )


def _check_place(lat_deg: float, lon_deg: float) -> None:
    if not (abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0):
        raise ValueError(f"({lat_deg:g}, {lon_deg:g}) is no latitude and longitude")


def _read_speed(root: dict[str, Any]) -> float | None:
    mission = root["mission"]
    speed = (root.get("missionctl") or {}).get("cruise_speed_mps")
    if speed is None:
        speed = mission.get("cruiseSpeed" if mission.get("vehicleType") == 1 else "hoverSpeed")
    return float(speed) if speed else None


def _read_home(place: Any) -> GeoPoint | None:
    if isinstance(place, dict):  # files before version 2 of the mission object
        place = place.get("coordinate")
    return _point(place) if place else None


def _point(place: Any) -> GeoPoint:
    alt = None if len(place) < 3 or place[2] is None else float(place[2])
    if alt is not None and not math.isfinite(alt):
        raise ValueError(f"{alt} is no height")
    _check_place(float(place[0]), float(place[1]))
    return GeoPoint(float(place[0]), float(place[1]), alt)


_Rings = tuple[tuple[GeoPoint, ...], ...]


def _read_fence(fence: dict[str, Any]) -> tuple[_Rings, _Rings]:
    rings: dict[bool, list[tuple[GeoPoint, ...]]] = {True: [], False: []}
    if fence.get("polygon"):  # version 1: one inclusion polygon
        rings[True].append(tuple(_point(p) for p in fence["polygon"]))
    for polygon in fence.get("polygons", []):
        rings[bool(polygon.get("inclusion", True))].append(tuple(_point(p) for p in polygon["polygon"]))
    for circle in fence.get("circles", []):
        inclusion = bool(circle.get("inclusion", True))
        round_shape = circle["circle"]
        rings[inclusion].append(
            circle_ring(_point(round_shape["center"]), float(round_shape["radius"]), inclusion)
        )
    return tuple(rings[True]), tuple(rings[False])


def circle_ring(centre: GeoPoint, radius_m: float, inclusion: bool) -> tuple[GeoPoint, ...]:
    """A fence circle as a ring of 36 corners that errs on the safe side."""
    reach = radius_m if inclusion else radius_m / math.cos(math.pi / _CIRCLE_CORNERS)
    turn = np.linspace(0.0, 2 * np.pi, _CIRCLE_CORNERS, endpoint=False)
    lat = centre.lat_deg + np.degrees(reach * np.cos(turn) / 6_371_000.0)
    lon = centre.lon_deg + np.degrees(
        reach * np.sin(turn) / 6_371_000.0 / math.cos(math.radians(centre.lat_deg))
    )
    return tuple(GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True))


def _camera(own: dict[str, Any]) -> Camera:
    return Camera(**{**own, "distortion": tuple(own.get("distortion", (0.0,) * 5))})


def _survey_camera(entry: dict[str, Any]) -> Camera | None:
    calc = (entry.get("TransectStyleComplexItem") or {}).get("CameraCalc") or {}
    if not all(
        calc.get(key) for key in ("FocalLength", "SensorWidth", "SensorHeight", "ImageWidth", "ImageHeight")
    ):
        return None
    camera = Camera(
        name=str(calc.get("CameraName") or "Camera of the plan"),
        sensor_width_mm=float(calc["SensorWidth"]),
        sensor_height_mm=float(calc["SensorHeight"]),
        focal_mm=float(calc["FocalLength"]),
        image_width_px=int(calc["ImageWidth"]),
        image_height_px=int(calc["ImageHeight"]),
        min_trigger_interval_s=float(calc.get("MinTriggerInterval") or 0.0),
    )
    return camera.turned() if calc.get("Landscape") is False else camera
