"""The damage drawn over the mosaic: the picture behind the map sheet, the KMZ and the tablet tiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp, Resampling
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from shapely import Geometry

from imagery.damage.depth import depth_class
from imagery.damage.legend import (
    DEBRIS,
    DEPTHS,
    FIRST_OWN,
    GRADES,
    LANDSLIDE,
    MUD,
    ROAD_PASSABLE,
    ROAD_STATES,
    WATER,
    Entry,
    Legend,
)
from imagery.damage.scene import GeoGrid, Picture, nearest_overview
from imagery.deliver.folder import DamageFolder

Rgba = npt.NDArray[np.uint8]

_SHOWN = {WATER: 0.55, MUD: 0.42, DEBRIS: 0.75, LANDSLIDE: 0.6}
_OWN_OPACITY = 0.6
DEPTH_OPACITY = 0.82
DEPTH_UNKNOWN = Entry(9, "unknown", (196, 160, 214), "Water, depth not known", "水体，水深不明")
"""Water that no depth was estimated for: beyond the DEM, or too small."""

_CACHE_BYTES = 256 * 2**20
"""GDAL's own measure is a twentieth of the machine's memory."""


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
    with _photo_source(folder, grid, wanted=True) as source:
        if source is not None:
            for window in grid.blocks(2048):
                result[window.toslices()] = _shot(source, window)
    return result


def codes(path: Path | None, grid: GeoGrid) -> npt.NDArray[np.uint8]:
    """(rows, cols) a class raster on a coarser grid, its nodata value beyond its edge; 0 where there is
    none."""
    if path is None:
        return np.zeros((grid.height, grid.width), np.uint8)
    return np.asarray(_on_grid(path, grid, Resampling.mode), np.uint8)


def _on_grid(path: Path, grid: GeoGrid, resampling: Resampling) -> npt.NDArray[Any]:
    """(rows, cols) a raster's first band on a grid; of a raster of fractions NaN for nodata."""
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
            resampling=resampling,
        ) as vrt,
    ):
        values: npt.NDArray[Any] = vrt.read(1)
        if values.dtype.kind == "f" and vrt.nodata is not None:
            values[values == vrt.nodata] = np.nan
        return values


def depth_codes(folder: DamageFolder, grid: GeoGrid) -> npt.NDArray[np.uint8]:
    """(rows, cols) the code of `DEPTHS` on a grid, 0 where no depth was estimated."""
    path = folder.raster("depth")
    if path is None:
        return np.zeros((grid.height, grid.width), np.uint8)
    return depth_class(_on_grid(path, grid, Resampling.average))


def depth_tints(depths: npt.NDArray[np.uint8], ground: npt.NDArray[np.uint8]) -> Rgba:
    """(rows, cols, 4) depth classes as colours, and in a colour of its own water whose depth is not known."""
    table = np.zeros((256, 4), np.uint8)
    for entry in DEPTHS:
        table[entry.code] = (*entry.colour, round(255 * DEPTH_OPACITY))
    table[DEPTH_UNKNOWN.code] = (*DEPTH_UNKNOWN.colour, round(255 * DEPTH_OPACITY))
    return table[np.where((depths == 0) & (ground == WATER), DEPTH_UNKNOWN.code, depths)]


def write_layers(
    path: Path, folder: DamageFolder, grid: GeoGrid, *, photo_below: bool, objects: bool
) -> None:
    """A GeoTIFF (RGBA) of the damage on a grid: classes, on request the photo below them and roads and
    buildings above. It is written block by block: two bytes a cell are held.

    Raises what rasterio raises where there is no room for it.
    """
    ground = codes(folder.raster("classes"), grid)
    drawn, colours = _burnt(folder, grid) if objects else (None, np.zeros((1, 4), np.uint8))
    options: dict[str, Any] = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "lzw"}
    if min(grid.width, grid.height) < 16:
        options = {}
    with (
        rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES),
        rasterio.open(
            path, "w", driver="GTiff", width=grid.width, height=grid.height, count=4, dtype="uint8",
            crs=grid.crs.to_wkt(), transform=grid.transform, photometric="RGB", bigtiff="if_safer", **options,
        ) as sink,
        _photo_source(folder, grid, photo_below) as source,
    ):  # fmt: skip
        sink.colorinterp = _RGBA
        for window in grid.blocks(2048):
            where = window.toslices()
            above = tinted(ground[where], folder.legend)
            if drawn is not None:
                above = np.where(drawn[where][..., None] > 0, colours[drawn[where]], above)
            if source is not None:
                above = blended(_shot(source, window), above)
            sink.write(np.moveaxis(above, -1, 0), window=window)


_RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def _photo_source(
    folder: DamageFolder, grid: GeoGrid, wanted: bool
) -> AbstractContextManager[Picture | None]:
    if not wanted or folder.mosaic is None:
        return nullcontext()
    return Picture(folder.mosaic, grid, "mosaic", overviews=True)


def _shot(source: Picture, window: Window) -> Rgba:
    """(rows, cols, 4) the mosaic in a window, transparent where it shows nothing."""
    rgb, valid = source.rgb(window)
    return np.dstack([rgb, np.where(valid, 255, 0).astype(np.uint8)])


def _burnt(folder: DamageFolder, grid: GeoGrid) -> tuple[npt.NDArray[np.uint8], Rgba]:
    """(rows, cols) which colour of the table lies on each cell, 0 for none; and (n, 4) the table."""
    table = [(0, 0, 0, 0)]
    drawn = np.zeros((grid.height, grid.width), np.uint8)
    for number, (geometries, colour) in enumerate(object_shapes(folder, grid.pixel_m), start=1):
        rasterize([(shape, number) for shape in geometries], out=drawn, transform=grid.transform)
        table.append((*colour, 235))
    return drawn, np.array(table, np.uint8)


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
    return _by_strips(_over, below, above)


def _over(below: Rgba, above: Rgba) -> Rgba:
    top = above[..., 3:].astype(np.float32) / 255
    alpha = top + below[..., 3:].astype(np.float32) / 255 * (1 - top)
    base = below[..., :3].astype(np.float32) * (below[..., 3:].astype(np.float32) / 255) * (1 - top)
    colour = (above[..., :3].astype(np.float32) * top + base) / np.maximum(alpha, 1e-6)
    return np.concatenate([np.rint(colour), np.rint(alpha * 255)], axis=-1).astype(np.uint8)


def softened(picture: Rgba, share: float = 0.35) -> Rgba:
    """The photo paler and greyer, so that what is drawn over it stands out."""
    return _by_strips(partial(_softer, share=share), picture)


def _softer(picture: Rgba, share: float) -> Rgba:
    rgb = picture[..., :3].astype(np.float32)
    grey = cv2.cvtColor(picture[..., :3].copy(), cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    soft = (rgb * 0.55 + grey * 0.45) * (1 - share) + 255 * share
    return np.concatenate([soft, picture[..., 3:]], axis=-1).astype(np.uint8)


def _by_strips(change: Callable[..., Rgba], *pictures: Rgba) -> Rgba:
    """Work on some rows at a time: a sheet of A1 would need gigabytes as floats."""
    result = np.empty_like(pictures[0])
    for top in range(0, len(result), 256):
        rows = np.s_[top : top + 256]
        result[rows] = change(*(picture[rows] for picture in pictures))
    return result


def copy_warped(source: Path, target: Path, crs: str, driver: str, **options: str) -> None:
    """Copy a raster in another CRS to a file of a tiling driver, block by block (nearest neighbour keeps its
    edges clean). Raises what rasterio raises."""
    with (
        rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES),
        rasterio.open(source) as picture,
        WarpedVRT(picture, crs=crs, resampling=Resampling.nearest, warp_mem_limit=64) as moved,
    ):
        rasterio.shutil.copy(moved, str(target), driver=driver, **options)
