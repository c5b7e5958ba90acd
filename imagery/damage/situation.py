"""The situation as of a moment: what was known by then, from however little had been flown.

Reports are laid over each other, the newest sight of each cell holds. A figure stands with the time it was
seen at, and ground that nobody has seen is named before anything else.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio.errors
import pyogrio.raw
import pyproj
import rasterio
import rasterio.errors
import shapely
from affine import Affine
from shapely import Geometry

from imagery.damage.legend import GRADE_NOT_ANALYSED, ROAD_NOT_ANALYSED, ROADS_CUT
from imagery.damage.scene import GeoGrid
from imagery.damage.series import (
    DRY,
    SINCE,
    UNSEEN,
    WATER_OUT_OF_SIGHT,
    WET,
    Codes,
    Sighting,
    compare,
    named,
    series_grid,
    sightings,
    states,
)
from imagery.damage.zonal import cover
from imagery.errors import DamageError

FIRST_REPORTS_MIN: Final = (30, 60, 120)
"""Minutes after the beginning at which a situation is asked for."""


@dataclass(frozen=True)
class Area:
    """A township (or other unit) as the newest report has it."""

    name_zh: str
    name_en: str
    area: Geometry


def situation(
    folders: Sequence[Path], as_of: dt.datetime, began_utc: dt.datetime | None = None
) -> dict[str, Any]:
    """What was known at a moment from the damage folders that had been made by then.

    `since` holds the newest report against all before it; None when it is the first. With no report by then
    only that is said. Raises DamageError when a report's map cannot be read.
    """
    # In the order of their photos: a flight that was mapped late must not stand over a later one.
    known = tuple(s for s in sightings(folders) if s.produced_utc <= as_of)
    told: dict[str, Any] = {
        "as_of_utc": as_of.isoformat(timespec="seconds"),
        "minutes_since_beginning": _minutes(as_of, began_utc),
        "verified": False,
        "reports": [_report(s) for s in known],
    }
    if not known:
        return {**told, "seen_m2": 0.0, "water_m2": None, "since": None, "townships": []}
    grid = _grid(known)
    seen = [(s.seen_utc, states(s.classes, grid)) for s in known]
    found = compare(seen, grid, began_utc)
    last = _last_seen([state for _, state in seen])
    cell = grid.cell_m2
    towns = _areas(known[-1].folder, grid.crs)
    moved = [named(_areas_of(found.codes, t.area, grid, len(SINCE))) for t in towns]
    standing = [_areas_of(last, t.area, grid, 3) for t in towns]
    gone = float((found.codes == WATER_OUT_OF_SIGHT).sum()) * cell
    return {
        **told,
        "seen_m2": round(float((last != UNSEEN).sum()) * cell, 1),
        "water_m2": round(float((last == WET).sum()) * cell, 1),
        "water_not_seen_again_m2": round(gone, 1),
        "since": named(_counted(found.codes, cell)) if len(known) > 1 else None,
        "previous_utc": known[-2].seen_utc.isoformat(timespec="seconds") if len(known) > 1 else None,
        **_objects(known),
        "townships": [
            {
                "name_zh": town.name_zh,
                "name_en": town.name_en,
                "area_m2": round(float(town.area.area), 1),
                "seen_share": round((areas[DRY] + areas[WET]) / town.area.area, 4),
                "water_m2": round(areas[WET], 1) if areas[DRY] + areas[WET] > 0 else None,
                "since_m2": change if len(known) > 1 else None,
            }
            for town, areas, change in zip(towns, standing, moved, strict=True)
        ],
    }


def first_reports(folders: Sequence[Path], began_utc: dt.datetime) -> list[dict[str, Any]]:
    """What was known 30, 60 and 120 minutes after the beginning."""
    return [
        situation(folders, began_utc + dt.timedelta(minutes=minutes), began_utc)
        for minutes in FIRST_REPORTS_MIN
    ]


def _minutes(as_of: dt.datetime, began_utc: dt.datetime | None) -> float | None:
    return round((as_of - began_utc).total_seconds() / 60, 1) if began_utc else None


def _report(seen: Sighting) -> dict[str, Any]:
    return {
        "run": seen.folder.name,
        "seen_utc": seen.seen_utc.isoformat(timespec="seconds"),
        "produced_utc": seen.produced_utc.isoformat(timespec="seconds"),
        "dated_by_photos": seen.dated_by_photos,
    }


def _grid(known: Sequence[Sighting]) -> GeoGrid:
    """A grid in the newest report's CRS that holds all of them."""
    with rasterio.open(known[-1].classes) as source:
        crs = pyproj.CRS(source.crs.to_wkt())
        newest = GeoGrid(crs, Affine(*source.transform[:6]), source.width, source.height)
    bounds = np.array([_bounds(s.classes, crs) for s in known])
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    pixel = newest.pixel_m
    # Whole cells of the newest report, so that it is not resampled against itself.
    left = newest.transform.c - np.ceil((newest.transform.c - west) / pixel - 1e-6) * pixel
    top = newest.transform.f + np.ceil((north - newest.transform.f) / pixel - 1e-6) * pixel
    size = np.ceil([(east - left) / pixel - 1e-6, (top - south) / pixel - 1e-6]).astype(int)
    whole = GeoGrid(crs, Affine(pixel, 0, left, 0, -pixel, top), int(size[0]), int(size[1]))
    return series_grid(whole)


def _bounds(raster: Path, crs: pyproj.CRS) -> tuple[float, float, float, float]:
    try:
        with rasterio.open(raster) as source:
            moved = pyproj.Transformer.from_crs(pyproj.CRS(source.crs.to_wkt()), crs, always_xy=True)
            return moved.transform_bounds(*source.bounds)
    except rasterio.errors.RasterioError as error:
        raise DamageError(f"{raster}: cannot be read ({error}); map this report again") from error


def _last_seen(seen: Sequence[Codes]) -> Codes:
    last = seen[0].copy()
    for state in seen[1:]:
        np.copyto(last, state, where=state != UNSEEN)
    return last


def _counted(codes: Codes, cell_m2: float) -> dict[int, float]:
    return {i: n * cell_m2 for i, n in enumerate(np.bincount(codes.ravel()).tolist())}


def _areas_of(codes: Codes, area: Geometry, grid: GeoGrid, count: int) -> dict[int, float]:
    """m2 of each code inside an area, border cells by their share."""
    covered = cover(area, grid.transform, grid.width, grid.height)
    total = np.bincount(codes[covered.rows, covered.cols], covered.shares, count)
    for row, first, behind in covered.runs:
        total += np.bincount(codes[row, first:behind], minlength=count)
    return {code: float(n) * grid.cell_m2 for code, n in enumerate(total)}


def _areas(folder: Path, crs: pyproj.CRS) -> list[Area]:
    """Townships of a report, in a CRS."""
    layer = _layer(folder, "townships")
    if layer is None:
        return []
    geometries, columns, source = layer
    moved = pyproj.Transformer.from_crs(source, crs, always_xy=True).transform
    shapes = [shapely.transform(g, moved, interleaved=False) for g in geometries]
    names = zip(columns["name_zh"], columns["name_en"], shapes, strict=True)
    return [Area(str(zh), str(en), shape) for zh, en, shape in names]


def _objects(known: Sequence[Sighting]) -> dict[str, Any]:
    """Buildings by grade and road cut, each as it was last seen; None where no report graded any."""
    houses: dict[str, str] = {}
    roads: dict[str, dict[str, float]] = {}
    graded = judged = False
    for report in known:
        if (found := _layer(report.folder, "buildings")) is not None:
            graded = True
            for key, grade in zip(found[1]["id"], found[1]["grade"], strict=True):
                if grade != GRADE_NOT_ANALYSED or key not in houses:
                    houses[key] = grade
        if (found := _layer(report.folder, "roads")) is not None:
            judged = True
            for key, lengths in _lengths(found[1]).items():
                # A road of which nothing was seen this time stays as it was known.
                if set(lengths) != {ROAD_NOT_ANALYSED} or key not in roads:
                    roads[key] = lengths
    cut = sum(length for lengths in roads.values() for s, length in lengths.items() if s in ROADS_CUT)
    return {
        "buildings": dict(Counter(houses.values())) if graded else None,
        "roads_cut_m": round(cut, 1) if judged else None,
    }


def _lengths(columns: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Of each road, its length in each state."""
    found: dict[str, dict[str, float]] = {}
    for key, state, length in zip(columns["id"], columns["state"], columns["length_m"], strict=True):
        own = found.setdefault(key, {})
        own[state] = own.get(state, 0.0) + float(length)
    return found


def _layer(folder: Path, name: str) -> tuple[list[Geometry], dict[str, Any], pyproj.CRS] | None:
    store = folder / "damage.gpkg"
    try:
        meta, _, wkb, values = pyogrio.raw.read(store, layer=name)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError):
        return None
    columns = dict(zip((str(n) for n in meta["fields"]), values, strict=True))
    return list(shapely.from_wkb(wkb)), columns, pyproj.CRS(meta["crs"])
