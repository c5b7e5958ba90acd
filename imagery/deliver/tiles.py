"""Tiles for a tablet without network: MBTiles of the mosaic with the damage over it."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from rasterio.enums import ColorInterp, Resampling

from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import blended, fitted, overlay, photo, warped
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_MOST_PX = 40_000_000


def export_mbtiles(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.mbtiles: PNG tiles in Web Mercator down to the work cell's size."""
    grid = fitted(folder.grid, _MOST_PX)
    picture = blended(photo(folder, grid), overlay(folder, grid))
    moved, transform = warped(picture, grid, "EPSG:3857")
    target = out_dir / "damage.mbtiles"
    with whole_file(target) as part:
        part.unlink()
        try:
            with rasterio.open(
                part,
                "w",
                driver="MBTiles",
                width=moved.shape[1],
                height=moved.shape[0],
                count=4,
                dtype="uint8",
                crs="EPSG:3857",
                transform=transform,
                TILE_FORMAT="PNG",
                NAME="Damage map",
                DESCRIPTION=f"Preliminary, not verified in the field; {folder.report['produced_utc']}",
            ) as sink:
                sink.write(np.moveaxis(moved, -1, 0))
                sink.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
            levels = max(1, math.ceil(math.log2(max(moved.shape[:2]) / 256)))
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
        "attribution": Path(folder.report["mosaic"]).name,
        "type": "overlay",
    }
    with sqlite3.connect(path) as database:
        for name, value in values.items():
            database.execute("DELETE FROM metadata WHERE name = ?", (name,))
            database.execute("INSERT INTO metadata (name, value) VALUES (?, ?)", (name, value))
    database.close()
