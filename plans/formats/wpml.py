"""DJI's WPML: a KMZ with wpmz/template.kml and wpmz/waylines.wpml, as Pilot 2 and FlightHub 2 take it.

Source: DJI Cloud API documentation, "WPML" (template.kml, waylines.wpml, common elements). Heights are
relative to the take-off point; every lane has a `multipleDistance` action group, transits have none.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from plans.errors import PlanFileError
from plans.flights import Sortie
from plans.formats.files import write_bytes
from plans.survey import SurveyPlan

_KML = "http://www.opengis.net/kml/2.2"
_WPML = "http://www.dji.com/wpmz/1.0.6"
_EPOCH = (2020, 1, 1, 0, 0, 0)  # the same plan gives the same bytes


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
    lon_deg: float
    lat_deg: float
    height_m: float


@dataclass(frozen=True)
class _PhotoRun:
    """Waypoints first..last between which the camera fires every distance_m."""

    first: int
    last: int
    distance_m: float


def write_wpml(plan: SurveyPlan, path: Path | str, sorties: tuple[Sortie, ...] | None = None) -> Path:
    """Write sorties (all when not given) as a WPML KMZ, one wayline each. Raises PlanFileError."""
    chosen = plan.sorties if sorties is None else sorties
    routes = [_route(sortie, plan) for sortie in chosen]
    longest = max(len(points) for points, _ in routes)
    if longest > 65_535:
        raise PlanFileError(
            f"{path}: {longest} waypoints in one flight are more than WPML holds; split the plan"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, root in (
            ("template.kml", _template(plan, routes)),
            ("waylines.wpml", _waylines(plan, chosen, routes)),
        ):
            entry = zipfile.ZipInfo(f"wpmz/{name}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _text(root))
    return write_bytes(path, packed.getvalue())


_Route = tuple[list[_Waypoint], list[_PhotoRun]]


def _route(sortie: Sortie, plan: SurveyPlan) -> _Route:
    points: list[_Waypoint] = []
    runs: list[_PhotoRun] = []
    for leg in sortie.legs:
        own = leg.points_m
        skip = 1 if points else 0  # a leg begins where the last one ended
        first = len(points) - skip
        lat, lon = plan.frame.to_geo(own[skip:, 0], own[skip:, 1])
        heights = own[skip:, 2] - sortie.launch_ground_m
        for a, o, h in zip(np.atleast_1d(lat), np.atleast_1d(lon), heights, strict=True):
            points.append(_Waypoint(round(float(o), 8), round(float(a), 8), round(float(h), 2)))
        if leg.lane is not None:
            runs.append(_PhotoRun(first, len(points) - 1, leg.trigger_m))
    return points, runs


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


def _config(document: ElementTree.Element, plan: SurveyPlan, routes: list[_Route]) -> None:
    aircraft = _AIRCRAFT.get(plan.camera.name, _OTHER)
    highest = max(point.height_m for points, _ in routes for point in points)
    first = routes[0][0][0].height_m
    config = _put(document, "missionConfig")
    _put_all(
        config,
        flyToWaylineMode="safely",
        finishAction="goHome",
        exitOnRCLost="executeLostAction",
        executeRCLostAction="goBack",
        takeOffSecurityHeight=round(min(max(first, 1.5), 1500.0), 1),
        globalTransitionalSpeed=round(plan.speed_mps, 2),
        globalRTHHeight=round(max(highest, 2.0), 1),
    )
    _put_all(_put(config, "droneInfo"), droneEnumValue=aircraft.drone, droneSubEnumValue=aircraft.sub)
    if aircraft.payload is not None:
        info = _put(config, "payloadInfo")
        _put_all(info, payloadEnumValue=aircraft.payload, payloadSubEnumValue=0, payloadPositionIndex=0)


def _template(plan: SurveyPlan, routes: list[_Route]) -> ElementTree.Element:
    root, document = _document()
    _put_all(document, author="missionctl")
    _config(document, plan, routes)
    for number, (points, _) in enumerate(routes):
        folder = ElementTree.SubElement(document, "Folder")
        _put_all(folder, templateType="waypoint", templateId=number)
        system = _put(folder, "waylineCoordinateSysParam")
        _put_all(system, coordinateMode="WGS84", heightMode="relativeToStartPoint")
        _put_all(folder, autoFlightSpeed=round(plan.speed_mps, 2), gimbalPitchMode="manual")
        _put_all(
            folder, globalWaypointTurnMode="toPointAndStopWithDiscontinuityCurvature", globalUseStraightLine=1
        )
        _put(_put(folder, "globalWaypointHeadingParam"), "waypointHeadingMode", "followWayline")
        for index, point in enumerate(points):
            mark = _placemark(folder, point, index)
            _put_all(
                mark,
                ellipsoidHeight=point.height_m,
                height=point.height_m,
                useGlobalHeight=0,
                useGlobalSpeed=1,
            )
            _put_all(mark, useGlobalHeadingParam=1, useGlobalTurnParam=1)
    return root


def _waylines(plan: SurveyPlan, sorties: tuple[Sortie, ...], routes: list[_Route]) -> ElementTree.Element:
    root, document = _document()
    _config(document, plan, routes)
    for number, (sortie, (points, runs)) in enumerate(zip(sorties, routes, strict=True)):
        folder = ElementTree.SubElement(document, "Folder")
        _put_all(
            folder,
            templateId=number,
            executeHeightMode="relativeToStartPoint",
            waylineId=number,
            distance=round(sortie.length_m, 1),
            duration=round(sortie.duration_s, 1),
            autoFlightSpeed=round(plan.speed_mps, 2),
        )
        starts = {run.first: (group, run) for group, run in enumerate(runs, 1)}
        for index, point in enumerate(points):
            mark = _placemark(folder, point, index)
            _put_all(mark, executeHeight=point.height_m, waypointSpeed=round(plan.speed_mps, 2))
            _put(_put(mark, "waypointHeadingParam"), "waypointHeadingMode", "followWayline")
            turn = _put(mark, "waypointTurnParam")
            _put_all(
                turn, waypointTurnMode="toPointAndStopWithDiscontinuityCurvature", waypointTurnDampingDist=0
            )
            _put(mark, "useStraightLine", 1)
            if index == 0:
                _look_down(mark)
            if index in starts:
                _photo_group(mark, *starts[index])
    return root


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


def _look_down(mark: ElementTree.Element) -> None:
    group = _group(mark, 0, 0, 0)
    _put(_put(group, "actionTrigger"), "actionTriggerType", "reachPoint")
    action = _put(group, "action")
    _put_all(action, actionId=0, actionActuatorFunc="gimbalRotate")
    _put_all(
        _put(action, "actionActuatorFuncParam"),
        gimbalHeadingYawBase="aircraft",
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


def _photo_group(mark: ElementTree.Element, number: int, run: _PhotoRun) -> None:
    group = _group(mark, number, run.first, run.last)
    trigger = _put(group, "actionTrigger")
    _put_all(trigger, actionTriggerType="multipleDistance", actionTriggerParam=round(run.distance_m, 2))
    action = _put(group, "action")
    _put_all(action, actionId=0, actionActuatorFunc="takePhoto")
    _put_all(_put(action, "actionActuatorFuncParam"), fileSuffix="survey", payloadPositionIndex=0)
