"""Tiles for a tablet without network: MBTiles and PMTiles of the mosaic with the damage over it."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pyproj
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling

from imagery.deliver import pmtiles
from imagery.deliver.folder import DamageFolder, scratch_folder
from imagery.deliver.picture import copy_warped, fitted, write_layers
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
    target = out_dir / "damage.mbtiles"
    with whole_file(target) as part:
        _fill(part, folder)
    return [target]


def export_pmtiles(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.pmtiles: the same tiles in one file that a web map reads by range requests, no server needed."""
    target = out_dir / "damage.pmtiles"
    with scratch_folder(out_dir) as scratch, whole_file(target) as part:
        _fill(scratch / "tiles.mbtiles", folder)
        pmtiles.convert(scratch / "tiles.mbtiles", part)
    return [target]


def _fill(path: Path, folder: DamageFolder) -> None:
    grid = fitted(folder.grid, _MOST_PX)
    path.unlink(missing_ok=True)
    with scratch_folder(path.parent) as scratch:
        try:
            flat = scratch / "flat.tif"
            write_layers(flat, folder, grid, photo_below=True, objects=True)
            # A copy, not a write: the driver brings it onto a zoom level of Web Mercator's pyramid.
            options = {"TILE_FORMAT": "WEBP", "QUALITY": "80", "ZOOM_LEVEL_STRATEGY": "UPPER"}
            copy_warped(flat, path, "EPSG:3857", "MBTILES", **options)
            with rasterio.open(path, "r+") as sink:
                levels = max(1, math.ceil(math.log2(_FARTHEST_M_PER_PX / sink.transform.a)))
                sink.build_overviews([2**i for i in range(1, levels + 1)], Resampling.average)
            _describe(path, folder)
        except (rasterio.errors.RasterioError, CPLE_BaseError, sqlite3.Error) as error:
            reason = " ".join(str(error).split())
            raise DeliveryError(f"{path.name}: cannot be written ({reason}); free some space") from error


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
        if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the tiles are not whole")
        for name, value in values.items():
            database.execute("DELETE FROM metadata WHERE name = ?", (name,))
            database.execute("INSERT INTO metadata (name, value) VALUES (?, ?)", (name, value))
    database.close()
