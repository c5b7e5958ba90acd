"""DJI's WPML: a KMZ with wpmz/template.kml and wpmz/waylines.wpml, as Pilot 2 and FlightHub 2 take it.

Source: DJI Cloud API documentation, "WPML" (template.kml, waylines.wpml, common elements; in git
dji-sdk/Cloud-API-Doc 4ec6b0c). Heights are relative to the take-off point; every lane has an action group
with the trigger `multipleDistance`, transits have none. Both files carry the actions: Pilot 2 makes the
waylines anew from the template when a route is edited.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from plans.capacity import item_capacity
from plans.errors import PlanFileError
from plans.flights import Leg, Sortie
from plans.formats.files import write_bytes
from plans.frames import FloatArray
from plans.survey import SurveyPlan

_KML = "http://www.opengis.net/kml/2.2"
_WPML = "http://www.dji.com/wpmz/1.0.6"
_EPOCH = (2020, 1, 1, 0, 0, 0)  # the same plan gives the same bytes
_FASTEST_MPS = 15.0
_LEAST_HEIGHT_M, _MOST_HEIGHT_M = 2.0, 1500.0  # of takeOffSecurityHeight
_STOP, _PASS = "toPointAndStopWithDiscontinuityCurvature", "toPointAndPassWithContinuityCurvature"
_MOST_DAMPING_M, _LEAST_DAMPING_M = 5.0, 0.3
_STRAIGHT_ON_DEG = 1.0


@dataclass(frozen=True)
class _Aircraft:
    drone: int
    sub: int
    payload: int | None


# Enumeration values of DJI's "Product Support" page. Cameras that it does not list are flown by DJI Fly,
# which takes 68 and asks for no payload.
_AIRCRAFT = {
    "DJI Mavic 3E": _Aircraft(77, 0, 66),
    "DJI Mavic 3M RGB": _Aircraft(77, 2, 68),
    "DJI Matrice 4E": _Aircraft(99, 0, 88),
    "DJI Zenmuse P1 35mm": _Aircraft(89, 0, 50),
}
_OTHER = _Aircraft(68, 0, None)


@dataclass(frozen=True)
class _Waypoint:
    """`speed_mps` is that to the next waypoint; `damping_m` how early a turn through the point begins, 0
    where the aircraft stops at it."""

    lon_deg: float
    lat_deg: float
    height_m: float
    speed_mps: float
    damping_m: float


@dataclass(frozen=True)
class _PhotoRun:
    """Waypoints first..last between which the camera fires every distance_m."""

    group: int
    first: int
    last: int
    distance_m: float


@dataclass(frozen=True)
class _Route:
    """One wayline; `gimbal_group` is the id of the action group that turns the camera down, `speed_mps` that
    of the route but for its steep pieces."""

    sortie: Sortie
    speed_mps: float
    gimbal_group: int
    points: tuple[_Waypoint, ...]
    runs: tuple[_PhotoRun, ...]


def write_wpml(plan: SurveyPlan, path: Path | str, sorties: tuple[Sortie, ...] | None = None) -> Path:
    """Write sorties (all when not given) as a WPML KMZ, one wayline each.

    Raises PlanFileError, also for what DJI's aircraft do not fly: over 15 m/s, over 1500 m above take-off.
    """
    groups = itertools.count()  # unique within the file
    routes = [_route(sortie, plan, groups) for sortie in (plan.sorties if sorties is None else sorties)]
    _check_limits(routes, path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, root in (
            ("template.kml", _template(routes)),
            ("waylines.wpml", _waylines(routes)),
        ):
            entry = zipfile.ZipInfo(f"wpmz/{name}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _text(root))
    return write_bytes(path, packed.getvalue())


def _check_limits(routes: list[_Route], path: Path | str) -> None:
    points = [point for route in routes for point in route.points]
    longest = max(len(route.points) for route in routes)
    if longest > item_capacity("dji"):
        raise PlanFileError(
            f"{path}: {longest} waypoints in one flight are more than WPML holds; split the plan"
        )
    fastest = max(point.speed_mps for point in points)
    if fastest > _FASTEST_MPS:
        raise PlanFileError(
            f"{path}: DJI flies routes at {_FASTEST_MPS:g} m/s at most, not {fastest:g}; plan with less speed"
        )
    highest = max(point.height_m for point in points)
    if highest > _MOST_HEIGHT_M:
        raise PlanFileError(
            f"{path}: {highest:.0f} m above take-off is over DJI's {_MOST_HEIGHT_M:.0f} m; launch higher up"
        )


def _route(sortie: Sortie, plan: SurveyPlan, groups: Iterator[int]) -> _Route:
    gimbal_group = next(groups)
    points: list[_Waypoint] = []
    runs: list[_PhotoRun] = []
    for leg in sortie.legs:
        speed = round(leg.speed_mps, 2)
        skip = 0
        if points:  # a leg begins where the last one ended
            skip = 1
            points[-1] = replace(points[-1], speed_mps=speed)
        first = len(points) - skip
        own = leg.points_m[skip:]
        lat, lon = plan.frame.to_geo(own[:, 0], own[:, 1])
        rows = zip(lat, lon, own[:, 2] - sortie.launch_ground_m, _dampings_m(leg)[skip:], strict=True)
        points += [
            _Waypoint(round(float(o), 8), round(float(a), 8), round(float(h), 2), speed, float(d))
            for a, o, h, d in rows
        ]
        if leg.lane is not None:
            runs.append(_PhotoRun(next(groups), first, len(points) - 1, leg.trigger_m))
    return _Route(
        sortie, round(plan.kits[sortie.drone].speed_mps, 2), gimbal_group, tuple(points), tuple(runs)
    )


def _dampings_m(leg: Leg) -> FloatArray:
    """How early to turn at each point (n,): along a lane and where only the height changes the aircraft flies
    on, at a leg's ends and at the corners of a way around an obstacle it stops."""
    steps = np.diff(leg.points_m[:, :2], axis=0)
    lengths = np.hypot(*steps.T)
    damping = np.zeros(len(leg.points_m))
    if len(steps) > 1:
        headings = np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))
        turns = np.abs((np.diff(headings) + 180.0) % 360.0 - 180.0)
        inner = np.floor(30.0 * np.minimum(lengths[:-1], lengths[1:])) / 100  # under half of either segment
        on = (leg.lane is not None) | (turns < _STRAIGHT_ON_DEG)
        damping[1:-1] = np.where(on & (inner >= _LEAST_DAMPING_M), np.minimum(inner, _MOST_DAMPING_M), 0.0)
    return damping


def _text(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="utf-8")


def _document() -> tuple[ElementTree.Element, ElementTree.Element]:
    root = ElementTree.Element("kml", {"xmlns": _KML, "xmlns:wpml": _WPML})
    return root, ElementTree.SubElement(root, "Document")


def _put(parent: ElementTree.Element, name: str, value: object | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, f"wpml:{name}")
    if value is not None:
        child.text = str(value)
    return child


def _put_all(parent: ElementTree.Element, **values: object) -> None:
    for name, value in values.items():
        _put(parent, name, value)


def _aircraft(route: _Route) -> _Aircraft:
    """The aircraft that carries the camera of a flight."""
    return _AIRCRAFT.get(route.sortie.camera.name, _OTHER)


def _config(document: ElementTree.Element, routes: list[_Route]) -> None:
    """A file knows one aircraft: that of its first route."""
    aircraft = _aircraft(routes[0])
    highest = max(point.height_m for route in routes for point in route.points)
    first = max(route.points[0].height_m for route in routes)
    config = _put(document, "missionConfig")
    _put_all(
        config,
        flyToWaylineMode="safely",
        finishAction="goHome",
        exitOnRCLost="executeLostAction",
        executeRCLostAction="goBack",
        takeOffSecurityHeight=round(max(first, _LEAST_HEIGHT_M), 1),
        globalTransitionalSpeed=routes[0].speed_mps,
        globalRTHHeight=round(max(highest, _LEAST_HEIGHT_M), 1),
    )
    _put_all(_put(config, "droneInfo"), droneEnumValue=aircraft.drone, droneSubEnumValue=aircraft.sub)
    if aircraft.payload is not None:
        info = _put(config, "payloadInfo")
        _put_all(info, payloadEnumValue=aircraft.payload, payloadSubEnumValue=0, payloadPositionIndex=0)


def _template(routes: list[_Route]) -> ElementTree.Element:
    root, document = _document()
    _put_all(document, author="missionctl")
    _config(document, routes)
    for number, route in enumerate(routes):
        folder = ElementTree.SubElement(document, "Folder")
        _put_all(folder, templateType="waypoint", templateId=number)
        system = _put(folder, "waylineCoordinateSysParam")
        _put_all(system, coordinateMode="WGS84", heightMode="relativeToStartPoint")
        _put_all(folder, autoFlightSpeed=route.speed_mps, gimbalPitchMode="manual")
        _put_all(folder, globalWaypointTurnMode=_STOP, globalUseStraightLine=1)
        _put_all(folder, globalHeight=max(point.height_m for point in route.points))
        _put_heading(folder, "globalWaypointHeadingParam")
        for index, point in enumerate(route.points):
            mark = _placemark(folder, point, index)
            _put_all(mark, ellipsoidHeight=point.height_m, height=point.height_m, useGlobalHeight=0)
            _put_all(mark, useGlobalSpeed=0, waypointSpeed=point.speed_mps, useGlobalHeadingParam=1)
            _put_all(mark, useGlobalTurnParam=0)
            _put_turn(mark, point)
            _put_actions(mark, route, index)
    return root


def _waylines(routes: list[_Route]) -> ElementTree.Element:
    root, document = _document()
    _config(document, routes)
    for number, route in enumerate(routes):
        folder = ElementTree.SubElement(document, "Folder")
        _put_all(
            folder,
            templateId=number,
            executeHeightMode="relativeToStartPoint",
            waylineId=number,
            distance=round(route.sortie.length_m, 1),
            duration=round(route.sortie.duration_s, 1),
            autoFlightSpeed=route.speed_mps,
        )
        for index, point in enumerate(route.points):
            mark = _placemark(folder, point, index)
            _put_all(mark, executeHeight=point.height_m, waypointSpeed=point.speed_mps)
            _put_heading(mark, "waypointHeadingParam")
            _put_turn(mark, point)
            _put_actions(mark, route, index)
    return root


def _put_heading(parent: ElementTree.Element, name: str) -> None:
    heading = _put(parent, name)
    _put_all(heading, waypointHeadingMode="followWayline", waypointHeadingPathMode="followBadArc")


def _put_turn(mark: ElementTree.Element, point: _Waypoint) -> None:
    turn = _put(mark, "waypointTurnParam")
    mode = _PASS if point.damping_m > 0 else _STOP
    _put_all(turn, waypointTurnMode=mode, waypointTurnDampingDist=point.damping_m)
    _put(mark, "useStraightLine", 1)


def _put_actions(mark: ElementTree.Element, route: _Route, index: int) -> None:
    if index == 0:
        _look_down(mark, route.gimbal_group, "aircraft" if _aircraft(route) is _OTHER else "north")
    for run in route.runs:
        if run.first == index:
            _photo_group(mark, run)


def _placemark(folder: ElementTree.Element, point: _Waypoint, index: int) -> ElementTree.Element:
    mark = ElementTree.SubElement(folder, "Placemark")
    place = ElementTree.SubElement(ElementTree.SubElement(mark, "Point"), "coordinates")
    place.text = f"{point.lon_deg:.8f},{point.lat_deg:.8f}"
    _put(mark, "index", index)
    return mark


def _group(mark: ElementTree.Element, group: int, first: int, last: int) -> ElementTree.Element:
    out = _put(mark, "actionGroup")
    _put_all(out, actionGroupId=group, actionGroupStartIndex=first, actionGroupEndIndex=last)
    _put(out, "actionGroupMode", "sequence")
    return out


def _look_down(mark: ElementTree.Element, number: int, yaw_base: str) -> None:
    """Gimbal straight down, its yaw left alone; DJI documents the base "north", DJI Fly writes "aircraft"."""
    group = _group(mark, number, 0, 0)
    _put(_put(group, "actionTrigger"), "actionTriggerType", "reachPoint")
    action = _put(group, "action")
    _put_all(action, actionId=0, actionActuatorFunc="gimbalRotate")
    _put_all(
        _put(action, "actionActuatorFuncParam"),
        gimbalHeadingYawBase=yaw_base,
        gimbalRotateMode="absoluteAngle",
        gimbalPitchRotateEnable=1,
        gimbalPitchRotateAngle=-90,
        gimbalRollRotateEnable=0,
        gimbalRollRotateAngle=0,
        gimbalYawRotateEnable=0,
        gimbalYawRotateAngle=0,
        gimbalRotateTimeEnable=0,
        gimbalRotateTime=0,
        payloadPositionIndex=0,
    )


def _photo_group(mark: ElementTree.Element, run: _PhotoRun) -> None:
    group = _group(mark, run.group, run.first, run.last)
    trigger = _put(group, "actionTrigger")
    _put_all(trigger, actionTriggerType="multipleDistance", actionTriggerParam=round(run.distance_m, 2))
    action = _put(group, "action")
    _put_all(action, actionId=0, actionActuatorFunc="takePhoto")
    params = _put(action, "actionActuatorFuncParam")
    _put_all(params, fileSuffix="survey", payloadPositionIndex=0, useGlobalPayloadLensIndex=0)
