"""Sorties as QGroundControl's survey and corridor items, so that a pilot can go on editing them there.

Keys and types are those that QGroundControl's loaders ask for (HTRamsey/qgroundcontrol c15cc32:
SurveyComplexItem.cc _loadV4V5, CorridorScanComplexItem.cc _loadWorker, TransectStyleComplexItem.cc _load,
CameraCalc.cc load, CameraSpec.cc load).

What flies is the item's `Items`, until something is changed: then QGroundControl throws them away and lays
straight lanes of its own at one height. It does so even while loading, as soon as the speed that it reckons
the vehicle to have at the item is not the item's own (TransectStyleComplexItem::setMissionFlightStatus); that
is 5 m/s in every item just made. So the speed orders go into `Items`, where it does not look for them, and
the plan's hover speed is 5 m/s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, LineString, Polygon

from plans.cameras import Camera
from plans.flights import Sortie
from plans.frames import FloatArray, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.survey import SurveyPlan

SURVEY_SPEED_MPS = 5.0
"""The hover speed of a plan with survey items: TransectStyleComplexItem's initial _vehicleSpeed."""
_RELATIVE, _ABOVE_TERRAIN = 1, 3  # QGroundControlQmlGlobal::AltMode
_CUSTOM_CAMERA = "Custom Camera"  # CameraCalc::canonicalCustomCameraName; other names must be in its list
_MOST_CORNERS = 150


@dataclass(frozen=True)
class ComplexItem:
    """A survey or corridor item that stands for items first..stop of a mission; `json` still lacks them."""

    first: int
    stop: int
    json: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class _Optics:
    """What a sortie photographs with, in QGroundControl's terms: the camera as it lies, and whether it is
    mounted so (landscape, width across the lane) or upright."""

    camera: Camera
    landscape: bool
    height_m: float
    spacing_m: float
    trigger_m: float
    overlap: float
    sidelap: float


def complex_items(plan: SurveyPlan, sorties: Sequence[Sortie], mission: Mission) -> tuple[ComplexItem, ...]:
    """One item for each sortie, in order; `mission` holds the items of these sorties one after another."""
    out = []
    at = 0
    for sortie in sorties:
        own = mission.items[at : at + len(sortie.mission.items)]
        first, stop = _photographed(own)
        out.append(ComplexItem(at + first, at + stop, _sortie_json(plan, sortie, own[first:stop])))
        at += len(own)
    return tuple(out)


def _photographed(items: Sequence[MissionItem]) -> tuple[int, int]:
    """All but the take-off in front and the return (or landing) at the end."""
    first = 1 if items[0].command == Command.NAV_TAKEOFF else 0
    ends = (Command.NAV_RETURN_TO_LAUNCH, Command.NAV_LAND)
    return first, len(items) - (1 if items[-1].command in ends else 0)


def _sortie_json(plan: SurveyPlan, sortie: Sortie, items: Sequence[MissionItem]) -> dict[str, Any]:
    lanes = [leg.points_m[:, :2] for leg in sortie.legs if leg.lane is not None]
    transects = _transects_json(plan, sortie, items, lanes)
    width = plan.settings.corridor_width_m
    strip = _strip(lanes, width, _optics(plan, sortie).spacing_m) if width is not None else None
    if strip is not None:
        return _corridor_json(plan.frame, *strip, transects)
    return _survey_json(plan, sortie, lanes, transects)


def _survey_json(
    plan: SurveyPlan, sortie: Sortie, lanes: Sequence[FloatArray], transects: dict[str, Any]
) -> dict[str, Any]:
    outline = _outline(lanes, _optics(plan, sortie).spacing_m, plan.region)
    angle = _angle_deg(max(lanes, key=_length_m))
    return {
        "type": "ComplexItem",
        "complexItemType": "survey",
        "version": 5,
        "angle": round(angle, 2),
        "entryLocation": _entry_corner(outline, lanes[0][0], angle),
        "flyAlternateTransects": False,
        "splitConcavePolygons": False,
        "polygon": _places(plan.frame, np.asarray(outline.exterior.coords)[:-1]),
        "TransectStyleComplexItem": transects,
    }


def _corridor_json(
    frame: LocalFrame, centre_m: FloatArray, width_m: float, transects: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "ComplexItem",
        "complexItemType": "CorridorScan",
        "version": 2,
        "CorridorWidth": round(width_m, 2),
        "EntryPoint": 0,
        "polyline": _places(frame, centre_m),
        "TransectStyleComplexItem": transects,
    }


def _transects_json(
    plan: SurveyPlan, sortie: Sortie, items: Sequence[MissionItem], lanes: Sequence[FloatArray]
) -> dict[str, Any]:
    amsl = any(item.has_place and item.frame == AltitudeFrame.AMSL for item in items)
    out = {
        "version": 2,
        "TurnAroundDistance": 0.0,
        "CameraTriggerInTurnAround": False,
        "HoverAndCapture": False,
        "Refly90Degrees": not amsl and _crossed(lanes),
        "CameraShots": len(sortie.shots),
        "CameraCalc": _camera_calc_json(plan, sortie, amsl),
        "VisualTransectPoints": [[i.lat_deg, i.lon_deg] for i in items if i.has_place],
    }
    if amsl:  # heights AMSL are those of QGroundControl's own terrain following
        airframe = plan.kits[sortie.drone].drone.airframe
        out |= {
            "TerrainAdjustTolerance": max(1.0, round(0.05 * _optics(plan, sortie).height_m, 1)),
            "TerrainAdjustMaxClimbRate": airframe.climb_mps,
            "TerrainAdjustMaxDescentRate": airframe.descent_mps,
            "TerrainFlightSpeed": SURVEY_SPEED_MPS,
        }
    return out


def _camera_calc_json(plan: SurveyPlan, sortie: Sortie, amsl: bool) -> dict[str, Any]:
    """Height, spacings and camera of an edited survey. A relative height is the sortie's greatest: lanes
    that QGroundControl lays itself are level, and must clear the ground that ours climb over."""
    optics = _optics(plan, sortie)
    camera = optics.camera
    highest = max(float(leg.points_m[:, 2].max()) for leg in sortie.legs)
    height = optics.height_m if amsl else highest - sortie.launch_ground_m
    return {
        "version": 2,
        "CameraName": _CUSTOM_CAMERA,
        "DistanceMode": _ABOVE_TERRAIN if amsl else _RELATIVE,
        "DistanceToSurface": round(height, 2),
        "ValueSetIsDistance": True,
        "ImageDensity": round(camera.gsd_m(height) * 100.0, 4),
        "FrontalOverlap": round(optics.overlap * 100.0, 2),
        "SideOverlap": round(optics.sidelap * 100.0, 2),
        "AdjustedFootprintFrontal": round(optics.trigger_m, 3),
        "AdjustedFootprintSide": round(optics.spacing_m, 3),
        "SensorWidth": camera.sensor_width_mm,
        "SensorHeight": camera.sensor_height_mm,
        "ImageWidth": camera.image_width_px,
        "ImageHeight": camera.image_height_px,
        "FocalLength": camera.focal_mm,
        "Landscape": optics.landscape,
        "FixedOrientation": False,
        "MinTriggerInterval": camera.min_trigger_interval_s,
    }


def _optics(plan: SurveyPlan, sortie: Sortie) -> _Optics:
    """The one place that knows which camera a sortie carries and how it is mounted."""
    kit, s = plan.kits[sortie.drone], plan.settings
    camera = sortie.camera.turned() if s.portrait else sortie.camera
    return _Optics(camera, not s.portrait, kit.height_m, plan.spacing_m, kit.trigger_m, s.overlap, s.sidelap)


def _outline(lanes: Sequence[FloatArray], spacing_m: float, region: Geometry) -> Polygon:
    """One polygon without holes around the part of the zone that these lanes photograph."""
    lines = shapely.union_all([LineString(lane) for lane in lanes])
    strips = lines.buffer(0.5 * spacing_m, cap_style="square")
    part = shapely.intersection(strips, region)
    part = part if isinstance(part, Geometry) and part.area > 0 else strips
    outline = _one_piece(part, spacing_m)
    tolerance = spacing_m / 50
    simple = outline.simplify(tolerance)
    while len(simple.exterior.coords) > _MOST_CORNERS + 1:
        tolerance *= 1.5
        simple = outline.simplify(tolerance)
    return shapely.geometry.polygon.orient(simple, -1.0)


def _one_piece(part: Geometry, spacing_m: float) -> Polygon:
    """What closes the gaps between parts, without holes; the hull when they are too far from each other."""
    for reach in spacing_m * np.array([0.6, 1.2, 2.4, 4.8, 9.6]):
        closed = part.buffer(reach, join_style="mitre").buffer(-reach, join_style="mitre")
        if isinstance(closed, Polygon) and closed.area > 0:
            return Polygon(closed.exterior)
    return part.convex_hull.buffer(0.0)


def _strip(lanes: Sequence[FloatArray], width_m: float, spacing_m: float) -> tuple[FloatArray, float] | None:
    """Centre line (k, 2) and width of lanes that lie side by side along the same stretch of a corridor
    `width_m` wide; None for others."""
    start = lanes[0][0]
    alike = [lane if _near(lane[0], lane[-1], start) else lane[::-1] for lane in lanes]
    shares = np.linspace(0.0, 1.0, 400)
    sampled = np.array(
        [shapely.get_coordinates(LineString(lane).interpolate(shares, normalized=True)) for lane in alike]
    )
    middle = sampled.mean(axis=0)
    if np.hypot(*np.moveaxis(sampled - middle, -1, 0)).max() > 0.75 * width_m:
        return None
    line = LineString(middle).simplify(0.5)
    step = width_m / max(math.ceil(width_m / spacing_m - 1e-9), 1)
    away = max(float(np.median(shapely.distance(shapely.points(points), line))) for points in sampled)
    return np.asarray(line.coords), min((round(2 * away / step) + 1) * step, width_m)


def _near(a: FloatArray, b: FloatArray, place: FloatArray) -> bool:
    return bool(np.hypot(*(a - place)) <= np.hypot(*(b - place)))


def _length_m(lane: FloatArray) -> float:
    return float(np.hypot(*np.diff(lane, axis=0).T).sum())


def _angle_deg(lane: FloatArray) -> float:
    """A lane's direction, clockwise from north, in (-90, 90] as QGroundControl clamps it."""
    east, north = lane[-1] - lane[0]
    angle = math.degrees(math.atan2(east, north)) % 180.0
    return angle - 180.0 if angle > 90.0 else angle


def _crossed(lanes: Sequence[FloatArray]) -> bool:
    """Whether some lanes lie across the longest: a crosshatch."""
    main = _angle_deg(max(lanes, key=_length_m))
    turns = [abs(_angle_deg(lane) - main) % 180.0 for lane in lanes]
    return any(45.0 < turn < 135.0 for turn in turns)


def _entry_corner(outline: Polygon, start_m: FloatArray, angle_deg: float) -> int:
    """0 to 3: top left, top right, bottom left, bottom right, seen with the lanes upright."""
    turn = math.radians(angle_deg)
    middle = np.asarray(outline.minimum_rotated_rectangle.centroid.coords[0])
    east, north = start_m - middle
    up = east * math.sin(turn) + north * math.cos(turn)
    right = east * math.cos(turn) - north * math.sin(turn)
    return (0 if up >= 0 else 2) + (1 if right > 0 else 0)


def _places(frame: LocalFrame, points_m: FloatArray) -> list[list[float]]:
    lat, lon = frame.to_geo(points_m[:, 0], points_m[:, 1])
    return np.column_stack([np.round(lat, 8), np.round(lon, 8)]).tolist()
