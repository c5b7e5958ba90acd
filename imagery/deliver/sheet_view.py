"""Where the sheet's map lies, at what scale, and what it turned out to show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pyproj
import shapely
from affine import Affine
from matplotlib.path import Path as Outline
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info
from shapely import Geometry

from imagery.damage.analysable import NO_IMAGERY
from imagery.damage.legend import Entry
from imagery.damage.scene import GeoGrid
from imagery.deliver.folder import DamageFolder, Features
from imagery.deliver.picture import codes, fitted
from imagery.deliver.sheet_page import DPI, MM_PER_INCH, Box

Theme = Literal["damage", "depth"]
"""What the sheet is about."""

_SCALES: Final = tuple(int(n * 10**k) for k in range(2, 7) for n in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5))
_AIR: Final = 1.05


@dataclass(frozen=True)
class View:
    """What part of the ground the frame shows: `grid` is the frame in pixels of paper resolution."""

    grid: GeoGrid
    scale: int

    @property
    def metres_per_mm(self) -> float:
        """Ground metres to a millimetre of paper."""
        return self.scale / 1000


@dataclass
class Shown:
    """What the map turned out to show, for the legend."""

    classes: list[Entry] = field(default_factory=list)
    depths: list[Entry] = field(default_factory=list)
    grades: set[str] = field(default_factory=set)
    roads: set[str] = field(default_factory=set)
    flooded_houses: bool = False
    houses: bool = False
    """Buildings without their grades, on a sheet about something else."""
    cuts: bool = False
    places: set[str] = field(default_factory=set)
    townships: bool = False
    not_analysed: bool = False


def sheet_crs(folder: DamageFolder) -> pyproj.CRS:
    """The CRS of the map: the folder's, or UTM where that is a local one without a name."""
    if folder.crs.to_epsg() is not None:
        return folder.crs
    west, south, east, north = folder.grid.bounds
    to_geo = pyproj.Transformer.from_crs(folder.crs, 4326, always_xy=True)
    lon, lat = to_geo.transform((west + east) / 2, (south + north) / 2)
    found = query_utm_crs_info("WGS 84", AreaOfInterest(lon, lat, lon, lat))
    return pyproj.CRS(found[0].code) if found else folder.crs


def choose_view(folder: DamageFolder, frame: Box) -> View:
    """The largest round scale at which everything that was photographed fits the frame."""
    crs = sheet_crs(folder)
    west, south, east, north = photographed(folder, crs)
    need = _AIR * 1000 * max((east - west) / frame.width, (north - south) / frame.height)
    scale = next((s for s in sorted(_SCALES) if s >= need), math.ceil(need))
    width_px = round(frame.width / MM_PER_INCH * DPI)
    height_px = round(frame.height / MM_PER_INCH * DPI)
    pixel_m = frame.width / 1000 * scale / width_px
    left = (west + east) / 2 - pixel_m * width_px / 2
    top = (south + north) / 2 + pixel_m * height_px / 2
    return View(GeoGrid(crs, Affine(pixel_m, 0, left, 0, -pixel_m, top), width_px, height_px), scale)


def photographed(folder: DamageFolder, crs: pyproj.CRS) -> tuple[float, float, float, float]:
    """Bounds of the ground that the mosaic shows (west, south, east, north)."""
    grid = fitted(folder.grid, 1_000_000)
    to_map = pyproj.Transformer.from_crs(folder.crs, crs, always_xy=True)
    seen = ~np.isin(codes(folder.raster("not_analysed"), grid), (NO_IMAGERY, 255))
    if not seen.any():
        return to_map.transform_bounds(*grid.bounds)
    rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    west, north = grid.transform * (int(cols[0]), int(rows[0]))
    east, south = grid.transform * (int(cols[-1]) + 1, int(rows[-1]) + 1)
    return to_map.transform_bounds(west, south, east, north)


def map_layer(folder: DamageFolder, name: str, crs: pyproj.CRS) -> Features | None:
    """A vector layer in the map's CRS, None where there is none."""
    features = folder.features(name)
    if features is None or features.crs.equals(crs):
        return features
    to_map = pyproj.Transformer.from_crs(features.crs, crs, always_xy=True)
    moved = shapely.transform(
        np.array(features.geometries, object),
        lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])),
    )
    return Features(tuple(moved), features.columns, crs)


def outline(geometry: Geometry) -> Outline:
    """A polygon (or several) as one path, holes wound against their shells."""
    vertices, kinds = [], []
    for part in shapely.get_parts(geometry):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        turned = shapely.geometry.polygon.orient(part)
        for ring in (turned.exterior, *turned.interiors):
            points = np.asarray(ring.coords)[:, :2]
            vertices.append(points)
            kinds.append(
                np.array([Outline.MOVETO, *[Outline.LINETO] * (len(points) - 2), Outline.CLOSEPOLY], np.uint8)
            )
    if not vertices:
        return Outline(np.zeros((0, 2)))
    return Outline(np.vstack(vertices), np.concatenate(kinds))
