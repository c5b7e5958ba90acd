"""Rasters to disk: Cloud Optimized GeoTIFF, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from imagery.errors import RasterError
from imagery.scratch import must_be_writable, scratch_beside

Colour = tuple[int, int, int] | tuple[int, int, int, int]

BLOCK_PX = 512
"""Side of a COG's internal tiles."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends well, removed when not.

    Raises RasterError when the folder cannot be written.
    """
    path = Path(path)
    must_be_writable(path)
    part = scratch_beside(path, "part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise RasterError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or choose another folder"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_cog(
    path: Path,
    arrays: npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
    transform: Affine,
    crs: pyproj.CRS | str,
    *,
    nodata: float | None = None,
    colormap: Mapping[int, Colour] | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
    resampling: str | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a Cloud Optimized GeoTIFF with overviews; nothing stands under `path` before it is whole.

    Args:
        path: where to.
        arrays: one (rows, cols) array, a (bands, rows, cols) array, or a sequence of (rows, cols) arrays of
            one dtype.
        transform: pixel to CRS coordinates (rasterio's convention: pixel corners).
        crs: of the raster.
        nodata: value that means "nothing here".
        colormap: colours of a one-band uint8 raster's values.
        names: a sequence names the bands; a mapping names the values of a class raster (stored as the tags
            CLASS_<value> and as GDAL category names in `path`.aux.xml).
        resampling: of the overviews (GDAL's names); by default "mode" for a raster with a colormap or class
            names, "average" otherwise.
        mask: (rows, cols), True where the raster is valid: for RGB imagery, instead of a nodata value.
        tags: further metadata.

    Raises RasterError when the file cannot be written.
    """
    bands = _as_bands(arrays)
    count, rows, cols = bands.shape
    classes = names if isinstance(names, Mapping) else None
    if resampling is None:
        resampling = "mode" if colormap or classes else "average"
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": rows,
        "width": cols,
        "dtype": bands.dtype.name,
        "transform": transform,
        "crs": pyproj.CRS(crs).to_wkt(),
        "nodata": nodata,
        "tiled": rows >= 16 and cols >= 16,
        "bigtiff": "if_safer",
    }
    with MemoryFile() as memory:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), memory.open(**profile) as sink:
            sink.write(bands)
            if mask is not None:
                sink.write_mask(mask)
            if colormap:
                sink.write_colormap(1, dict(colormap))
            if names and classes is None:
                sink.descriptions = tuple(names)
            if count in (3, 4) and bands.dtype == np.uint8 and not colormap:
                sink.colorinterp = _RGBA[:count]
            if classes:
                sink.update_tags(1, **{f"CLASS_{value}": name for value, name in classes.items()})
            if tags:
                sink.update_tags(**dict(tags))
        finish_cog(Path(memory.name), path, resampling=resampling)
    if classes:
        _write_category_names(path, classes)


_RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def finish_cog(
    source: Path,
    path: Path,
    *,
    resampling: str = "average",
    jpeg_quality: int | None = None,
) -> None:
    """Turn any GeoTIFF into a COG under its final name.

    `jpeg_quality` (RGB or RGBA imagery only) gives JPEG tiles in YCbCr with a lossless mask: a tenth of the
    size; None keeps every value.
    """
    options: dict[str, Any] = {
        "BLOCKSIZE": BLOCK_PX,
        "OVERVIEW_RESAMPLING": resampling.upper(),
        "WARP_RESAMPLING": "NEAREST",
        "NUM_THREADS": "2",
        "BIGTIFF": "IF_SAFER",
    }
    if jpeg_quality is None:
        options |= {"COMPRESS": "DEFLATE", "LEVEL": 6, "PREDICTOR": "YES"}
    else:
        options |= {"COMPRESS": "JPEG", "QUALITY": jpeg_quality, "OVERVIEW_QUALITY": jpeg_quality}
    with whole_file(path) as part, MemoryFile(ext=".tif") as memory:  # on a full disk GDAL itself would crash
        try:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                rasterio.shutil.copy(str(source), memory.name, driver="COG", **options)
        except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
            raise RasterError(f"{path}: cannot be made ({error})") from error
        part.write_bytes(memory.getbuffer())


def _as_bands(arrays: npt.NDArray[Any] | Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    bands = np.asarray(arrays) if isinstance(arrays, np.ndarray) else np.stack(list(arrays))
    if bands.ndim == 2:
        bands = bands[None]
    if bands.dtype == np.bool_:
        bands = bands.astype(np.uint8)
    return bands


def _write_category_names(path: Path, classes: Mapping[int, str]) -> None:
    rows = "".join(f"<Category>{escape(classes.get(v, ''))}</Category>" for v in range(max(classes) + 1))
    band = f'<PAMRasterBand band="1"><CategoryNames>{rows}</CategoryNames></PAMRasterBand>'
    text = f"<PAMDataset>{band}</PAMDataset>"
    with whole_file(Path(f"{path}.aux.xml")) as part:
        part.write_text(text, encoding="utf-8")
