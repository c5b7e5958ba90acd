"""Tiles for a tablet without network: MBTiles of the mosaic with the damage over it."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyproj
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp, Resampling

from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import blended, fitted, overlay, photo, warped
from imagery.deliver.words import NOTICE
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_MOST_PX = 40_000_000
_FARTHEST_M_PER_PX = 19.0
"""Pixel size (Web Mercator) of the least detailed tiles, zoom 13: a county on a tablet's screen."""


def export_mbtiles(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.mbtiles: WebP tiles in Web Mercator down to the work cell's size.

    WebP (MBTiles 1.3) keeps the transparency that JPEG lacks at a twelfth of PNG's size.
    """
    grid = fitted(folder.grid, _MOST_PX)
    picture = blended(photo(folder, grid), overlay(folder, grid))
    moved, transform = warped(picture, grid, "EPSG:3857")
    target = out_dir / "damage.mbtiles"
    with TemporaryDirectory() as scratch, whole_file(target) as part:
        flat = Path(scratch) / "flat.tif"
        part.unlink(missing_ok=True)
        try:
            with rasterio.open(
                flat, "w", driver="GTiff", width=moved.shape[1], height=moved.shape[0], count=4,
                dtype="uint8", crs="EPSG:3857", transform=transform, photometric="RGB",
            ) as sink:  # fmt: skip
                sink.write(np.moveaxis(moved, -1, 0))
                sink.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
            # A copy, not a write: the driver brings it onto a zoom level of Web Mercator's pyramid.
            rasterio.shutil.copy(
                str(flat),
                str(part),
                driver="MBTILES",
                TILE_FORMAT="WEBP",
                QUALITY="80",
                ZOOM_LEVEL_STRATEGY="UPPER",
            )
            levels = max(1, math.ceil(math.log2(_FARTHEST_M_PER_PX / transform.a)))
            with rasterio.open(part, "r+") as sink:
                sink.build_overviews([2**i for i in range(1, levels + 1)], Resampling.average)
        except rasterio.errors.RasterioError as error:
            raise DeliveryError(f"{target}: cannot be written ({error}); free some space") from error
        _describe(part, folder)
    return [target]


def _describe(path: Path, folder: DamageFolder) -> None:
    """Bounds in WGS84 (the viewer zooms to them) and attribution."""
    west, south, east, north = folder.grid.bounds
    to_geo = pyproj.Transformer.from_crs(folder.crs, 4326, always_xy=True)
    bounds = to_geo.transform_bounds(west, south, east, north)
    values = {
        "bounds": ",".join(f"{v:.7f}" for v in bounds),
        # Set here, because rasterio turns what it hands to a driver into capitals.
        "name": folder.report["event"] or "Damage map",
        "description": f"{NOTICE['en']}; {folder.report['produced_utc']}",
        "attribution": Path(folder.report["mosaic"]).name,
        "type": "overlay",
    }
    with sqlite3.connect(path) as database:
        for name, value in values.items():
            database.execute("DELETE FROM metadata WHERE name = ?", (name,))
            database.execute("INSERT INTO metadata (name, value) VALUES (?, ?)", (name, value))
    database.close()
