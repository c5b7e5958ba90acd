"""Vectors as people ask for them: GeoPackage with styles, GeoJSON (RFC 7946), Shapefile (UTF-8)."""

from __future__ import annotations

import itertools
import shutil
import zipfile
from collections.abc import Container
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyogrio.errors
import pyogrio.raw
import pyproj
import shapely

from imagery.damage.vector_out import OutLayer, write_layer, write_vectors
from imagery.deliver.folder import DamageFolder, Features, as_array
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_SHORT = {
    "confidence": "confid", "debris_share": "debris", "water_ring": "water_rng", "seen_share": "seen",
    "roof_share": "roof", "lost_share": "lost", "event_type": "event",
    "buildings_flooded": "bld_flood", "roads_cut_m": "road_cut_m", "depth_mean_m": "depth_m",
    "people_exposed": "people_exp", "water_area_m2": "flood_m2", "vegetation_m2": "veg_m2",
    "bare_ground_m2": "bare_m2", "building_m2": "build_m2", "n_destroyed": "n_destroy",
    "n_possibly_damaged": "n_possible", "n_no_visible_damage": "n_no_dmg", "n_not_analysed": "n_not_an",
}  # fmt: skip
"""Shapefile column names (10 characters at most)."""


def export_gpkg(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.gpkg as it is, with its QGIS styles."""
    if folder.package is None:
        raise DeliveryError(
            f"{folder.path}: holds no vectors; map the damage with samples, footprints or roads"
        )
    target = out_dir / "damage.gpkg"
    if target.resolve() != folder.package.resolve():
        with whole_file(target) as part:
            shutil.copyfile(folder.package, part)
    return [target]


def export_geojson(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """One RFC 7946 file per layer: WGS84 longitude, latitude to 7 decimals (a centimetre); rings wound as the
    RFC asks."""
    made = []
    for name, features in _all(folder):
        target = out_dir / f"{name}.geojson"
        layer = _as_layer(name, in_wgs84(features))
        write_vectors(
            target,
            [layer],
            pyproj.CRS(4326),
            driver="GeoJSON",
            layer_options={"RFC7946": "YES", "COORDINATE_PRECISION": "7"},
        )
        made.append(target)
    return made


def export_fgb(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """One FlatGeobuf per layer in WGS84, with its spatial index: large layers for web maps."""
    made = []
    for name, features in _all(folder):
        target = out_dir / f"{name}.fgb"
        write_vectors(target, [_as_layer(name, in_wgs84(features))], pyproj.CRS(4326), driver="FlatGeobuf")
        made.append(target)
    return made


def export_shp(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """One zipped Shapefile per layer, in WGS84 with UTF-8 attributes (.cpg) and short column names."""
    made = []
    for name, features in _all(folder):
        target = out_dir / f"{name}.shp.zip"
        with TemporaryDirectory() as scratch:
            _write_shapefile(Path(scratch) / f"{name}.shp", name, in_wgs84(features))
            with whole_file(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for piece in sorted(Path(scratch).iterdir()):
                    archive.write(piece, piece.name)
        made.append(target)
    return made


def in_wgs84(features: Features) -> Features:
    """The layer in longitude and latitude."""
    to_geo = pyproj.Transformer.from_crs(features.crs, 4326, always_xy=True)
    moved = shapely.transform(
        np.array(features.geometries, object),
        lambda xy: np.column_stack(to_geo.transform(xy[:, 0], xy[:, 1])),
    )
    return Features(tuple(moved), features.columns, pyproj.CRS(4326))


def _all(folder: DamageFolder) -> list[tuple[str, Features]]:
    found = [(name, layer) for name in folder.layers() if (layer := folder.features(name)) is not None]
    if not found:
        raise DeliveryError(
            f"{folder.path}: holds no vectors; map the damage with samples, footprints or roads"
        )
    return found


def _as_layer(name: str, features: Features) -> OutLayer:
    kinds = {geometry.geom_type for geometry in features.geometries}
    kind = kinds.pop() if len(kinds) == 1 else "Unknown"
    columns = {key: as_array(values) for key, values in features.columns.items()}
    return OutLayer(name, kind, features.geometries, columns)


def _short_name(name: str, taken: Container[str]) -> str:
    """A column name of at most ten characters that no other column has."""
    short = _SHORT.get(name, name)[:10]
    numbered = (f"{short[: 10 - len(str(n))]}{n}" for n in itertools.count(2))
    return short if short not in taken else next(n for n in numbered if n not in taken)


def _write_shapefile(path: Path, name: str, features: Features) -> None:
    layer = _as_layer(name, features)
    short: dict[str, Any] = {}
    for key, values in layer.columns.items():
        short[_short_name(key, short)] = values
    family = "MultiPolygon" if "Polygon" in layer.kind else "LineString"
    try:
        kind = family if layer.kind == "Unknown" else layer.kind
        out = OutLayer(name, kind, layer.geometries, short)
        write_layer(path, out, pyproj.CRS(4326), "ESRI Shapefile", encoding="UTF-8")
    except pyogrio.errors.DataSourceError as error:
        raise DeliveryError(f"{path.name}: cannot be written ({error}); free some space") from error
