"""Rasters of other people's making: opened, laid on a local grid, refused in one line if they cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.vrt import WarpedVRT
from scipy import ndimage

from plans.frames import LocalFrame
from sim.errors import WorldError
from sim.world import store
from sim.world.terrain import Grid

_GAPS = 0.005
"""So much of a DEM may be missing under the picture: such holes are filled from beside them."""


@contextmanager
def open_raster(path: Path, what: str) -> Iterator[Any]:
    """An open raster that knows where it is. Raises WorldError, also for faults while it is read."""
    try:
        with rasterio.open(path) as source:
            if source.crs is None:
                raise WorldError(f"{path}: the {what} does not say where it is (no CRS); give it one")
            if source.transform.is_identity:
                raise WorldError(
                    f"{path}: the {what} does not say where it is (no geotransform); give it one"
                )
            yield source
    except (RasterioError, CRSError, OSError) as error:
        text = str(error).splitlines()[0]
        raise WorldError(f"{path}: the {what} cannot be read ({text}); name a GeoTIFF") from error


@contextmanager
def warped(source: Any, frame: LocalFrame, grid: Grid, resampling: Resampling) -> Iterator[Any]:
    """The raster as if it lay on the grid."""
    palette = source.count == 1 and source.colorinterp[0] is ColorInterp.palette
    has_mask = source.nodata is not None or ColorInterp.alpha in source.colorinterp
    with WarpedVRT(
        source,
        crs=frame.crs.to_wkt(),
        transform=store.transform_of(grid),
        width=grid.cols,
        height=grid.rows,
        resampling=Resampling.nearest if palette else resampling,
        add_alpha=not has_mask,
    ) as vrt:
        yield vrt


def known_in(vrt: Any) -> npt.NDArray[np.bool_]:
    """Where a warped raster has values. (rasterio's dataset_mask leaves an added alpha band out.)"""
    if ColorInterp.alpha in vrt.colorinterp:
        return vrt.read(vrt.colorinterp.index(ColorInterp.alpha) + 1) > 127
    return vrt.dataset_mask() > 0


def heights_on(
    path: Path, what: str, frame: LocalFrame, grid: Grid, needed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Metres on the grid. Raises WorldError where they are missing under the picture."""
    with open_raster(path, what) as source:
        if source.count != 1 and ColorInterp.red in source.colorinterp:
            raise WorldError(f"{path}: is a picture, no {what}; name a raster of heights")
        with warped(source, frame, grid, Resampling.bilinear) as vrt:
            heights = vrt.read(1).astype(np.float32)
            known = known_in(vrt) & np.isfinite(heights)
    missing = float((needed & ~known).sum() / needed.sum())
    if missing > _GAPS:
        raise WorldError(
            f"{path}: the {what} has no heights for {missing:.0%} of the picture; take one that covers it, "
            "or cut out a part (around and size)"
        )
    low, high = float(heights[known & needed].min()), float(heights[known & needed].max())
    if not -500.0 < low <= high < 9000.0:
        raise WorldError(
            f"{path}: the {what} says {low:.0f} to {high:.0f} m; set its nodata value, or give metres"
        )
    if not known.all():
        row, col = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        heights = heights[row, col]
    return heights
