"""A plan as a GeoPackage to look at and work with in QGIS: zone, no-fly areas, launch points, sorties, lanes,
transits and photos, a layer each, in WGS84."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely import Geometry, LineString, MultiPolygon, Point

from plans.errors import PlanFileError
from plans.flights import Leg, Sortie
from plans.frames import FloatArray
from plans.survey import SurveyPlan

_VERSION = "1.2"  # GDAL before 3.7, and the QGIS built on it, warns of the 1.4 that newer ones write
_EPOCH = "2020-01-01T00:00:00.000Z"  # the same plan gives the same bytes


@dataclass
class _Layer:
    """Geometries and rows of values of one layer; the fields' types are those of their names' values."""

    name: str
    geometry_type: str
    fields: dict[str, type]
    geometries: list[Geometry] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, geometry: Geometry, *values: Any) -> None:
        self.geometries.append(geometry)
        self.rows.append(values)


def write_geopackage(plan: SurveyPlan, path: Path | str) -> Path:
    """Write the plan's layers. Third coordinates are metres AMSL, left out where the plan knows no datum;
    heights above launch and above ground are attributes.

    Raises PlanFileError, also when `path` is a GeoPackage of something else (a mission folder's own).
    """
    path = Path(path)
    layers = _layers(plan)
    _refuse_others(path, {layer.name for layer in layers})
    beside = path.with_name(f".{path.stem}.{os.getpid()}.part.gpkg")
    try:
        for number, layer in enumerate(layers):
            _write(layer, beside, number > 0)
        _set_dates(beside)
        os.replace(beside, path)
    except (DataSourceError, DataLayerError, sqlite3.Error, OSError) as error:
        raise PlanFileError(f"{path}: cannot be written ({_short(error)}); choose another place") from error
    finally:
        beside.unlink(missing_ok=True)
    return path


def _short(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:120]


def _refuse_others(path: Path, ours: set[str]) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        return
    try:
        there = set(pyogrio.list_layers(path)[:, 0])
    except (DataSourceError, DataLayerError):
        there = {"unknown"}
    if there - ours:
        raise PlanFileError(f"{path}: cannot be written, it is a file of another kind; choose another name")


def _set_dates(path: Path) -> None:
    database = sqlite3.connect(path)
    try:
        database.execute("UPDATE gpkg_contents SET last_change = ?", (_EPOCH,))
        database.commit()
    finally:
        database.close()


def _write(layer: _Layer, path: Path, append: bool) -> None:
    columns = list(zip(*layer.rows, strict=True)) or [()] * len(layer.fields)
    kinds = {int: np.int64, float: np.float64, str: object}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a layer is empty
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(np.array(layer.geometries, dtype=object), output_dimension=3),
            field_data=[
                np.array(column, kinds[kind])
                for column, kind in zip(columns, layer.fields.values(), strict=True)
            ],
            fields=list(layer.fields),
            layer=layer.name,
            driver="GPKG",
            geometry_type=layer.geometry_type,
            crs="EPSG:4326",
            append=append,
            dataset_options={"VERSION": _VERSION},
        )


def _layers(plan: SurveyPlan) -> list[_Layer]:
    """The layers in the order in which QGIS draws them best: areas first."""
    z = " Z" if plan.has_datum else ""
    flight = {"sortie": int, "drone": int}
    zone = _Layer("zone", "MultiPolygon", {"name": str, "area_m2": float})
    no_fly = _Layer("no_fly", "MultiPolygon", {"area_m2": float})
    launches = _Layer("launches", "Point", {"launch": int, "ground_amsl_m": float, "sorties": str})
    figures = {"lanes": int, "photos": int, "items": int, "length_m": float, "start_s": float}
    figures |= {"duration_s": float, "battery_share": float, "min_clearance_m": float}
    sorties = _Layer("sorties", f"LineString{z}", {**flight, "name": str, "camera": str, **figures})
    heights = {"height_min_m": float, "height_max_m": float, "length_m": float, "speed_mps": float}
    lanes = _Layer("lanes", f"LineString{z}", {**flight, "lane": int, **heights, "trigger_m": float})
    transits = _Layer("transits", f"LineString{z}", {**flight, "leg": int, **heights})
    shot = {"photo": int, "lane": int, "yaw_deg": float, "height_agl_m": float, "gsd_cm": float}
    photos = _Layer("photos", f"Point{z}", {**flight, **shot})
    zone.add(_area(plan, plan.region), "zone", round(plan.region.area, 1))
    for area in plan.no_fly:
        no_fly.add(_area(plan, area), round(area.area, 1))
    for number, place in enumerate(dict.fromkeys(s.launch for s in plan.sorties), 1):
        own = [s for s in plan.sorties if s.launch == place]
        ground = own[0].launch_ground_m if plan.has_datum else None
        names = ", ".join(str(s.index + 1) for s in own)
        launches.add(Point(place.lon_deg, place.lat_deg), number, ground, names)
    for sortie in plan.sorties:
        _add_sortie(plan, sortie, sorties, lanes, transits, photos)
    return [zone, no_fly, launches, sorties, transits, lanes, photos]


def _add_sortie(
    plan: SurveyPlan, sortie: Sortie, sorties: _Layer, lanes: _Layer, transits: _Layer, photos: _Layer
) -> None:
    flight = sortie.index + 1, sortie.drone + 1
    whole = np.concatenate([sortie.legs[0].points_m, *(leg.points_m[1:] for leg in sortie.legs[1:])])
    counts = len(sortie.lanes), len(sortie.shots), len(sortie.mission.items)
    battery = round(sortie.battery_s / sortie.usable_s, 4)
    times = round(sortie.length_m, 1), round(sortie.start_s, 1), round(sortie.duration_s, 1)
    kit = plan.kits[sortie.drone].drone.name, sortie.camera.name
    clear = round(sortie.min_clearance_m, 2)
    sorties.add(_line(plan, whole), *flight, *kit, *counts, *times, battery, clear)
    for number, leg in enumerate(sortie.legs, 1):
        if leg.lane is None:
            transits.add(_line(plan, leg.points_m), *flight, number, *_leg_values(leg, sortie))
        else:
            values = _leg_values(leg, sortie)
            lanes.add(_line(plan, leg.points_m), *flight, leg.lane + 1, *values, leg.trigger_m)
    for shot in sortie.shots:
        place = Point(_degrees(plan, shot.pose.centre[None])[0])
        values = round(shot.pose.yaw_deg, 2), round(shot.height_agl_m, 2), round(shot.gsd_m * 100, 3)
        photos.add(place, *flight, shot.index + 1, shot.lane + 1, *values)


def _leg_values(leg: Leg, sortie: Sortie) -> Sequence[float]:
    """Least and greatest height above launch, length, speed."""
    above = leg.points_m[:, 2] - sortie.launch_ground_m
    length = float(shapely.force_2d(leg.line).length)
    low, high = float(above.min()), float(above.max())
    return round(low, 2), round(high, 2), round(length, 1), round(leg.speed_mps, 2)


def _area(plan: SurveyPlan, area: Geometry) -> MultiPolygon:
    return MultiPolygon(list(shapely.get_parts(plan.frame.geometry_to_geo(area))))


def _line(plan: SurveyPlan, points_m: FloatArray) -> LineString:
    return LineString(_degrees(plan, points_m))


def _degrees(plan: SurveyPlan, points_m: FloatArray) -> FloatArray:
    """Longitude, latitude and, where there is a datum, height AMSL of points (k, 3)."""
    lat, lon = plan.frame.to_geo(points_m[:, 0], points_m[:, 1])
    columns = [np.round(lon, 8), np.round(lat, 8)]
    if plan.has_datum:
        columns.append(np.round(points_m[:, 2], 2))
    return np.column_stack(columns)
