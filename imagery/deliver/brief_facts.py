"""What a duty officer has to know, as values: the brief's page, its text and its short message say these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyproj
import shapely
from shapely import Geometry

from imagery.damage.analysable import SEEN
from imagery.damage.coarse import outlines
from imagery.damage.legend import (
    ACCESS_UNKNOWN,
    CUT_OFF,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
)
from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import codes, fitted

_CELLS: Final = 1_000_000
_SMALLEST_UNSEEN_M2: Final = 2000.0
_WATER_NEAR_M: Final = 30.0
_MOST_FLIGHTS: Final = 4
_WORTH_NAMING_M2: Final = 50.0


@dataclass(frozen=True)
class CutRoad:
    """A place where a road cannot be driven."""

    identifier: str
    state: str
    length_m: float
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True)
class NextFlight:
    """Ground that nobody has seen yet."""

    unit_zh: str
    unit_en: str
    """Township it lies in; empty where none was given."""
    area_m2: float
    lat_deg: float
    lon_deg: float
    beside_water: bool
    """Water that was seen runs up to it: the flood may go on there."""


@dataclass(frozen=True)
class Brief:
    """The situation in figures; None and empty stand for what nobody looked at."""

    event: str
    acquired_utc: str | None
    produced_utc: str
    analyst: str
    mosaic: str
    seen_share: float
    """Share of the mosaic's extent that was analysed."""
    water_m2: float | None
    analysed_m2: float
    depth_m: dict[str, float] | None
    destroyed: int | None
    damaged: int | None
    possibly: int | None
    buildings_seen: int | None
    buildings_in_water: int | None
    people_near_water: float | None
    roads_m: float
    roads_cut_m: float | None
    cuts: tuple[CutRoad, ...]
    places: int
    cut_off: tuple[str, ...]
    access_unknown: tuple[str, ...]
    worst: tuple[dict[str, Any], ...]
    """Townships with water or harm, most water first, as report.json has them."""
    unseen: tuple[dict[str, Any], ...]
    """Townships by the share that was not seen, largest first."""
    confidence_mean: float | None
    accuracy: float | None
    notes: tuple[str, ...]
    next_flights: tuple[NextFlight, ...]
    since: dict[str, Any] | None = None
    """What changed since earlier reports, as report.json has it."""
    townships: tuple[dict[str, Any], ...] = ()


def brief_of(folder: DamageFolder) -> Brief:
    """Read the situation out of a damage folder."""
    report = folder.report
    grades = report["buildings"]
    places = report.get("places") or []
    towns = report["townships"]
    extent_m2 = report["analysed_m2"] + report["not_analysed_m2"]
    accuracy = report["accuracy"]
    return Brief(
        event=report["event"],
        acquired_utc=report["acquired_utc"],
        produced_utc=report["produced_utc"],
        analyst=report["analyst"],
        mosaic=report["mosaic"].replace("\\", "/").rsplit("/", 1)[-1],
        seen_share=report["analysed_m2"] / extent_m2 if extent_m2 else 0.0,
        water_m2=report["water_area_m2"],
        analysed_m2=report["analysed_m2"],
        depth_m=report["depth_m"],
        destroyed=grades.get(GRADE_DESTROYED, 0) if grades else None,
        damaged=grades.get(GRADE_DAMAGED, 0) if grades else None,
        possibly=grades.get(GRADE_POSSIBLE, 0) if grades else None,
        buildings_seen=sum(grades.values()) - grades.get(GRADE_NOT_ANALYSED, 0) if grades else None,
        buildings_in_water=report["buildings_flooded"] if grades else None,
        people_near_water=report["people_exposed"],
        roads_m=report["roads_m"],
        roads_cut_m=report["roads_cut_m"],
        cuts=_cuts(folder),
        places=len(places),
        cut_off=tuple(place["name"] for place in places if place["state"] == CUT_OFF),
        access_unknown=tuple(place["name"] for place in places if place["state"] == ACCESS_UNKNOWN),
        worst=tuple(sorted(filter(_hit, towns), key=lambda town: -town["water_area_m2"])),
        unseen=tuple(sorted((t for t in towns if t["seen_share"] < 0.995), key=lambda t: t["seen_share"])),
        confidence_mean=report["confidence_mean"] if report["classes"] else None,
        accuracy=accuracy["overall"] if accuracy else None,
        notes=tuple(report["notes"]),
        next_flights=next_flights(folder),
        since=report.get("since"),
        townships=tuple(towns),
    )


def _hit(town: dict[str, Any]) -> bool:
    grades = town["buildings"]
    harmed = sum(grades.get(key, 0) for key in (GRADE_DESTROYED, GRADE_DAMAGED, GRADE_POSSIBLE))
    return bool(town["water_area_m2"] >= _WORTH_NAMING_M2 or harmed or town["roads_cut_m"])


def _cuts(folder: DamageFolder) -> tuple[CutRoad, ...]:
    """The road cuts that the folder names, longest first."""
    layer = folder.features("road_cuts")
    if layer is None:
        return ()
    to_geo = _to_degrees(layer.crs)
    found = []
    for index, spot in enumerate(layer.geometries):
        lon, lat = to_geo.transform(spot.x, spot.y)
        identifier, state = str(layer.columns["id"][index]), str(layer.columns["state"][index])
        found.append(CutRoad(identifier, state, float(layer.columns["length_m"][index]), lat, lon))
    return tuple(sorted(found, key=lambda cut: -cut.length_m))


def next_flights(folder: DamageFolder) -> tuple[NextFlight, ...]:
    """Where to fly next: unseen ground of the townships (without any, of what the mosaic surrounds), first
    where water was seen beside it, then the largest."""
    grid = fitted(folder.grid, _CELLS)
    mask = codes(folder.raster("not_analysed"), grid) == SEEN
    seen = shapely.union_all(outlines(mask, grid, _SMALLEST_UNSEEN_M2 / 10))
    if seen.is_empty:
        return ()
    towns, water = folder.features("townships"), folder.features("water")
    wet = shapely.union_all(list(water.geometries)) if water is not None else shapely.Polygon()
    shapely.prepare(wet)
    units: list[tuple[str, str, Geometry]] = [("", "", seen.convex_hull)]
    if towns is not None:
        named = zip(towns.columns["name_zh"], towns.columns["name_en"], towns.geometries, strict=True)
        units = [(str(zh), str(en), area) for zh, en, area in named]
    to_geo = _to_degrees(folder.crs)
    found = []
    for zh, en, area in units:
        for part in shapely.get_parts(shapely.difference(area, seen)):
            if part.area < _SMALLEST_UNSEEN_M2:
                continue
            beside = not wet.is_empty and float(shapely.distance(part, wet)) <= _WATER_NEAR_M
            inner = part.representative_point()
            lon, lat = to_geo.transform(inner.x, inner.y)
            found.append(NextFlight(zh, en, float(part.area), lat, lon, beside))
    found.sort(key=lambda flight: (not flight.beside_water, -flight.area_m2))
    return tuple(found[:_MOST_FLIGHTS])


def _to_degrees(crs: pyproj.CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, 4326, always_xy=True)


def total_unseen_m2(brief: Brief) -> float:
    """Ground of the townships that nobody has seen."""
    return float(np.sum([town["area_m2"] * (1 - town["seen_share"]) for town in brief.unseen]))
