"""Repeated flights: what changed since what was known before, and how long ground was under water.

Two things must never be taken for each other: ground that was flooded since, and flooded ground that was
only seen for the first time. So each cell is held against the last time it was seen, in whichever report.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import rasterio.errors
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from shapely import Geometry

from imagery.damage.legend import WATER, Entry, shows_ground
from imagery.damage.rasters import RasterKind, raster_sink
from imagery.damage.scene import GeoGrid, open_raster
from imagery.damage.zonal import areas_by_code
from imagery.errors import DamageError

Codes = npt.NDArray[np.uint8]
Hours = npt.NDArray[np.float32]

UNSEEN, DRY, WET = range(3)
"""State of a cell in one report."""

NOT_SEEN, STILL_WATER, NEW_WATER, FALLEN_DRY, WATER_FIRST_SEEN, WATER_OUT_OF_SIGHT = range(6)
STILL_DRY, DRY_FIRST_SEEN, UNSURE = 6, 7, 8

SINCE: Final = (
    Entry(NOT_SEEN, "not_seen", (160, 160, 160), "Not seen", "未见"),
    Entry(STILL_WATER, "still_water", (31, 104, 201), "Water as before", "持续淹没"),
    Entry(NEW_WATER, "new_water", (200, 30, 120), "Flooded since", "新增淹没"),
    Entry(FALLEN_DRY, "fallen_dry", (120, 190, 90), "Fallen dry since", "退水"),
    Entry(WATER_FIRST_SEEN, "water_first_seen", (110, 170, 235), "Water, first seen now", "首次判读淹没"),
    Entry(
        WATER_OUT_OF_SIGHT,
        "water_out_of_sight",
        (150, 160, 190),
        "Water before, not seen now",
        "原淹没、本次未见",
    ),
    Entry(STILL_DRY, "still_dry", (236, 236, 228), "Dry as before", "持续未淹"),
    Entry(DRY_FIRST_SEEN, "dry_first_seen", (220, 225, 205), "Dry, first seen now", "首次判读未淹"),
    Entry(UNSURE, "unsure", (244, 190, 60), "Edge, change unsure", "边缘、变化不确定"),
)

SINCE_KIND = RasterKind("since", "uint8", NOT_SEEN, SINCE)
DURATION_KIND = RasterKind("duration", "float32", -9999.0, bands=("at_least_h", "at_most_h"))

_CELL_M = 1.0
_LARGEST_CELLS = 16_000_000
_NARROWEST_CELLS = 3
"""Strips narrower than this are the two mosaics' positions and edges, not water that moved."""


@dataclass(frozen=True)
class Sighting:
    """A report: its folder, when its photos were taken and when it was there to be read (UTC)."""

    folder: Path
    seen_utc: dt.datetime
    produced_utc: dt.datetime
    dated_by_photos: bool
    """The mosaic says when its photos were taken; otherwise the report's time stands for it."""

    @property
    def classes(self) -> Path:
        """Its ground classes."""
        return self.folder / "classes.tif"


@dataclass(frozen=True)
class Since:
    """`codes` of SINCE and hours under water, (rows, cols) on `grid`. NaN where no water was ever seen;
    `at_most_h` also where nobody knows when it came."""

    grid: GeoGrid
    codes: Codes
    at_least_h: Hours
    at_most_h: Hours


def sighting_of(folder: Path) -> Sighting | None:
    """The report of a damage folder; None for a folder that is none or maps no ground classes."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        produced = dt.datetime.fromisoformat(report["produced_utc"])
        told = report.get("acquired_utc")
        seen = dt.datetime.fromisoformat(told) if told else produced
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (folder / "classes.tif").exists():
        return None
    return Sighting(folder, seen, produced, told is not None)


def sightings(folders: Sequence[Path]) -> tuple[Sighting, ...]:
    """The reports among some folders, oldest first."""
    found = [s for folder in folders if (s := sighting_of(folder)) is not None]
    return tuple(sorted(found, key=lambda s: (s.seen_utc, s.produced_utc)))


def series_grid(grid: GeoGrid) -> GeoGrid:
    """Cells of a metre, or coarser where the area is too large for that."""
    pixel = max(_CELL_M, (grid.cell_m2 * grid.width * grid.height / _LARGEST_CELLS) ** 0.5)
    return grid.coarser(pixel)


def states(classes: Path, grid: GeoGrid) -> Codes:
    """(rows, cols) UNSEEN, DRY or WET on a grid: the commonest class in each cell.

    Raises DamageError when the raster cannot be read or brought onto the grid.
    """
    try:
        with (
            open_raster(classes, "earlier report") as source,
            WarpedVRT(
                source,
                crs=grid.crs.to_wkt(),
                transform=grid.transform,
                width=grid.width,
                height=grid.height,
                resampling=Resampling.mode,
                nodata=0,
            ) as warped,
        ):
            codes = warped.read(1)
    except rasterio.errors.RasterioError as error:
        raise DamageError(f"{classes}: breaks off while reading ({error}); map it again") from error
    return np.where(codes == WATER, WET, np.where(shows_ground(codes), DRY, UNSEEN)).astype(np.uint8)


def compare(
    seen: Sequence[tuple[dt.datetime, Codes]], grid: GeoGrid, began_utc: dt.datetime | None = None
) -> Since:
    """Hold the last of some reports against all before it.

    Args:
        seen: (when, (rows, cols) states), oldest first, at least one.
        grid: of all states.
        began_utc: when the flood came, if somebody knows: water of the first report is no older.
    """
    shape = seen[0][1].shape
    last, last_h = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    at_least = np.full(shape, np.nan, np.float32)
    at_most = np.full(shape, np.nan, np.float32)
    start = seen[0][0] if began_utc is None else min(began_utc, seen[0][0])
    unknown = np.float32(np.nan if began_utc is None else 0.0)
    came = np.full(shape, unknown, np.float32)  # since when the water may have stood, in hours
    known_before = last
    now_h = np.float32(0.0)
    for when, state in seen:
        known_before = last.copy()
        now_h = np.float32((when - start).total_seconds() / 3600)
        wet, dry = state == WET, state == DRY
        at_least[wet] = np.nan_to_num(at_least[wet]) + np.where(
            last[wet] == WET, now_h - last_h[wet], np.float32(0)
        )
        ended = dry & (last == WET)
        at_most[ended] = np.nan_to_num(at_most[ended]) + (now_h - came[ended])
        came[dry] = now_h
        last = np.where(state == UNSEEN, last, state).astype(np.uint8)
        last_h[state != UNSEEN] = now_h
    standing = last == WET
    at_most[standing] = np.nan_to_num(at_most[standing]) + (now_h - came[standing])
    return Since(grid, transitions(known_before, seen[-1][1]), at_least, at_most)


def transitions(before: Codes, now: Codes) -> Codes:
    """(rows, cols) codes of SINCE from what was known before and what is seen now."""
    table = np.empty((3, 3), np.uint8)
    table[UNSEEN] = NOT_SEEN, DRY_FIRST_SEEN, WATER_FIRST_SEEN
    table[DRY] = NOT_SEEN, STILL_DRY, NEW_WATER
    table[WET] = WATER_OUT_OF_SIGHT, FALLEN_DRY, STILL_WATER
    codes = table[before, now]
    kernel = np.ones((_NARROWEST_CELLS, _NARROWEST_CELLS), np.uint8)
    for code in (NEW_WATER, FALLEN_DRY):
        moved = (codes == code).astype(np.uint8)
        codes[(moved > 0) & (cv2.morphologyEx(moved, cv2.MORPH_OPEN, kernel) == 0)] = UNSURE
    return codes


def write_since(folder: Path, since: Since, tags: Mapping[str, str]) -> None:
    """since.tif and duration.tif in a folder."""
    with raster_sink(folder, SINCE_KIND, since.grid, tags) as sink:
        sink.write(since.codes, 1)
    with raster_sink(folder, DURATION_KIND, since.grid, tags) as sink:
        for band, hours in enumerate((since.at_least_h, since.at_most_h), start=1):
            sink.write(np.where(np.isfinite(hours), hours, DURATION_KIND.nodata).astype(np.float32), band)


def by_area(folder: Path, areas: Sequence[Geometry]) -> list[dict[str, float]]:
    """Of each area in the CRS of FOLDER/since.tif: m2 of each code by its key, those of it seen at all."""
    (found,) = areas_by_code([folder / "since.tif"], areas)
    return [named(codes) for codes in found]


def named(codes_m2: Mapping[int, float]) -> dict[str, float]:
    """m2 by key instead of by code, all keys."""
    return {e.key: round(codes_m2.get(e.code, 0.0), 1) for e in SINCE[1:]}


def since_report(
    since: Since, seen_utc: dt.datetime, earlier: Sequence[Sighting], began_utc: dt.datetime | None
) -> dict[str, Any]:
    """The `since` part of report.json: the whole mosaic."""
    cell = since.grid.cell_m2
    counts = np.bincount(since.codes.ravel(), minlength=len(SINCE))
    ever = np.isfinite(since.at_least_h)
    bounded = np.isfinite(since.at_most_h)
    return {
        "previous_utc": earlier[-1].seen_utc.isoformat(timespec="seconds"),
        "now_utc": seen_utc.isoformat(timespec="seconds"),
        "hours": round((seen_utc - earlier[-1].seen_utc).total_seconds() / 3600, 2),
        "reports": [
            {
                "run": s.folder.name,
                "seen_utc": s.seen_utc.isoformat(timespec="seconds"),
                "dated_by_photos": s.dated_by_photos,
            }
            for s in earlier
        ],
        "areas_m2": named({code: n * cell for code, n in enumerate(counts.tolist())}),
        "duration": {
            "ever_wet_m2": round(float(ever.sum()) * cell, 1),
            "at_least_h_mean": round(float(since.at_least_h[ever].mean()), 2) if ever.any() else None,
            "at_most_h_mean": round(float(since.at_most_h[bounded].mean()), 2) if bounded.any() else None,
            "came_unknown_m2": round(float((ever & ~bounded).sum()) * cell, 1),
            "began_utc": began_utc.isoformat(timespec="seconds") if began_utc else None,
        },
    }
