"""The damage drawn over the mosaic: the picture behind the map sheet, the KMZ and the tablet tiles."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT
from shapely import Geometry

from imagery.damage.legend import (
    DEBRIS,
    FIRST_OWN,
    GRADES,
    LANDSLIDE,
    MUD,
    ROAD_PASSABLE,
    ROAD_STATES,
    WATER,
    Legend,
)
from imagery.damage.scene import GeoGrid, Picture, nearest_overview
from imagery.deliver.folder import DamageFolder

Rgba = npt.NDArray[np.uint8]

_SHOWN = {WATER: 0.55, MUD: 0.42, DEBRIS: 0.75, LANDSLIDE: 0.6}
_OWN_OPACITY = 0.6


def opacity_of(code: int) -> float:
    """How opaque a ground class is drawn over the photo: damage, and what the analysts named themselves; 0
    for the others, which are best seen in the photo itself."""
    return _OWN_OPACITY if code >= FIRST_OWN else _SHOWN.get(code, 0.0)


def fitted(grid: GeoGrid, most_px: int) -> GeoGrid:
    """The grid, made coarser until it has at most `most_px` cells."""
    step = math.sqrt(grid.width * grid.height / most_px)
    return grid if step <= 1 else grid.coarser(grid.pixel_m * math.ceil(step))


def photo(folder: DamageFolder, grid: GeoGrid) -> Rgba:
    """(rows, cols, 4) the mosaic on a grid, transparent where it shows nothing or is gone."""
    result = np.zeros((grid.height, grid.width, 4), np.uint8)
    if folder.mosaic is None:
        return result
    with Picture(folder.mosaic, grid, "mosaic", overviews=True) as mosaic:
        for window in grid.blocks(2048):
            where = window.toslices()
            result[(*where, np.s_[:3])], valid = mosaic.rgb(window)
            result[(*where, 3)] = np.where(valid, 255, 0)
    return result


def codes(path: Path | None, grid: GeoGrid) -> npt.NDArray[np.uint8]:
    """(rows, cols) a class raster on a coarser grid, its nodata value beyond its edge; 0 where there is
    none."""
    if path is None:
        return np.zeros((grid.height, grid.width), np.uint8)
    with rasterio.open(path) as source:
        level = nearest_overview(source, grid)
    options = {} if level is None else {"overview_level": level}
    with (
        rasterio.open(path, **options) as source,
        WarpedVRT(
            source,
            crs=grid.crs.to_wkt(),
            transform=grid.transform,
            width=grid.width,
            height=grid.height,
            resampling=Resampling.mode,
        ) as vrt,
    ):
        return np.asarray(vrt.read(1), np.uint8)


def overlay(folder: DamageFolder, grid: GeoGrid, *, with_objects: bool = True) -> Rgba:
    """(rows, cols, 4) the damage alone, transparent elsewhere: classes, then roads, then buildings."""
    shown = tinted(codes(folder.raster("classes"), grid), folder.legend)
    if with_objects:
        for geometries, colour in object_shapes(folder, grid.pixel_m):
            mask = (
                rasterize(geometries, out_shape=shown.shape[:2], transform=grid.transform, dtype="uint8") > 0
            )
            shown[mask] = (*colour, 235)
    return shown


def tinted(ground: npt.NDArray[np.uint8], legend: Legend) -> Rgba:
    """(rows, cols, 4) class codes as colours; transparent where the photo itself shows it best."""
    table = np.zeros((256, 4), np.uint8)
    for entry in legend.entries:
        table[entry.code] = (*entry.colour, round(255 * opacity_of(entry.code)))
    return np.asarray(table[ground], np.uint8)


def object_shapes(folder: DamageFolder, pixel_m: float) -> list[tuple[list[Geometry], tuple[int, int, int]]]:
    """Areas to fill per colour: cut roads, then buildings by grade, worst last."""
    found = []
    roads = folder.features("roads")
    for entry in ROAD_STATES:
        if roads is not None and entry.key != ROAD_PASSABLE and entry.code:
            lines = [
                line.buffer(max(1.5, pixel_m), cap_style="flat")
                for line, state in zip(roads.geometries, roads.columns["state"], strict=True)
                if state == entry.key
            ]
            found += [(lines, entry.colour)] if lines else []
    buildings = folder.features("buildings")
    for entry in GRADES:
        if buildings is not None:
            houses = [
                house
                for house, grade in zip(buildings.geometries, buildings.columns["grade"], strict=True)
                if grade == entry.key
            ]
            found += [(houses, entry.colour)] if houses else []
    return found


def blended(below: Rgba, above: Rgba) -> Rgba:
    """One picture over the other (source-over)."""
    top = above[..., 3:].astype(np.float32) / 255
    alpha = top + below[..., 3:].astype(np.float32) / 255 * (1 - top)
    base = below[..., :3].astype(np.float32) * (below[..., 3:].astype(np.float32) / 255) * (1 - top)
    colour = (above[..., :3].astype(np.float32) * top + base) / np.maximum(alpha, 1e-6)
    return np.concatenate([np.rint(colour), np.rint(alpha * 255)], axis=-1).astype(np.uint8)


def softened(picture: Rgba, share: float = 0.35) -> Rgba:
    """The photo paler and greyer, so that what is drawn over it stands out."""
    rgb = picture[..., :3].astype(np.float32)
    grey = cv2.cvtColor(picture[..., :3].copy(), cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    soft = (rgb * 0.55 + grey * 0.45) * (1 - share) + 255 * share
    return np.concatenate([soft, picture[..., 3:]], axis=-1).astype(np.uint8)


def in_other_crs(grid: GeoGrid, crs: str) -> tuple[pyproj.CRS, Affine, int, int]:
    """The CRS, affine, width and height of the grid in another CRS at about the same resolution."""
    transform, width, height = rasterio.warp.calculate_default_transform(
        grid.crs.to_wkt(), crs, grid.width, grid.height, *grid.bounds
    )
    assert width is not None
    assert height is not None
    return pyproj.CRS(crs), transform, width, height


def warped(picture: Rgba, grid: GeoGrid, crs: str) -> tuple[Rgba, Affine]:
    """A picture in another CRS (nearest neighbour keeps its edges clean)."""
    target, transform, width, height = in_other_crs(grid, crs)
    result = np.zeros((4, height, width), np.uint8)
    rasterio.warp.reproject(
        np.ascontiguousarray(np.moveaxis(picture, -1, 0)),
        result,
        src_transform=grid.transform,
        src_crs=grid.crs.to_wkt(),
        dst_transform=transform,
        dst_crs=target.to_wkt(),
        resampling=Resampling.nearest,
    )
    return np.ascontiguousarray(np.moveaxis(result, 0, -1)), transform
