"""Vector layers that come from outside: any format and CRS in, geometries in the work CRS out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyogrio.errors
import pyogrio.raw
import pyproj
import shapely
from shapely import Geometry

from imagery.errors import DamageError


@dataclass(frozen=True)
class VectorLayer:
    """Features in one CRS: `geometries` and, for each field, as many values."""

    name: str
    geometries: tuple[Geometry, ...]
    fields: dict[str, npt.NDArray[Any]]
    fids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.geometries)

    def field(self, names: Iterable[str]) -> npt.NDArray[Any] | None:
        """Values of the first of the named fields that exists (any case)."""
        by_name = {name.lower(): values for name, values in self.fields.items()}
        return next((by_name[n] for n in names if n in by_name), None)


def read_layer(
    path: Path,
    crs: pyproj.CRS,
    what: str,
    *,
    kinds: Sequence[str] = ("Polygon", "MultiPolygon"),
    with_field: str | None = None,
) -> VectorLayer:
    """Read the features of the given geometry kinds, made valid, in `crs`.

    A file with several layers gives the first that has such geometries (and the field `with_field`).
    Raises DamageError when the file is missing, unreadable, without CRS or without such features.
    """
    path = Path(path)
    if not path.exists():
        raise DamageError(
            f"{path}: no such file; give the {what} as a vector file (GeoPackage, GeoJSON, ...)"
        )
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        best: VectorLayer | None = None
        for layer in layers:
            found = _read_one(path, layer, crs, what, kinds)
            if len(found) and (with_field is None or found.field((with_field,)) is not None):
                return found
            best = best or found
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DamageError(
            f"{path}: cannot be read as a vector file ({_short(error)}); check the {what}"
        ) from error
    except shapely.errors.GEOSException as error:
        raise DamageError(f"{path}: holds a broken geometry ({_short(error)}); repair the {what}") from error
    if best is not None and len(best) and with_field is not None:
        names = ", ".join(best.fields) or "none"
        raise DamageError(f"{path}: has no attribute '{with_field}' (it has: {names}); the {what} need one")
    raise DamageError(f"{path}: holds no {' or '.join(kinds)} features; check the {what}")


def _read_one(path: Path, layer: str, crs: pyproj.CRS, what: str, kinds: Sequence[str]) -> VectorLayer:
    meta, fids, wkb, values = pyogrio.raw.read(path, layer=layer, return_fids=True)
    if meta["crs"] is None:
        raise DamageError(
            f"{path}: has no coordinate system; give the {what} a CRS (a .prj beside a shapefile)"
        )
    geometries = shapely.force_2d(shapely.from_wkb(wkb))
    source_crs = pyproj.CRS(meta["crs"])
    if not source_crs.equals(crs):
        to_work = pyproj.Transformer.from_crs(source_crs, crs, always_xy=True)
        geometries = shapely.transform(
            geometries, lambda xy: np.column_stack(to_work.transform(xy[:, 0], xy[:, 1]))
        )
    keep, kept = [], []
    for index, geometry in enumerate(geometries):
        repaired = _usable(geometry, kinds)
        if repaired is not None:
            keep.append(index)
            kept.append(repaired)
    fields = {str(name): column[keep] for name, column in zip(meta["fields"], values, strict=True)}
    return VectorLayer(layer, tuple(kept), fields, tuple(int(fids[i]) for i in keep))


def _usable(geometry: Geometry | None, kinds: Sequence[str]) -> Geometry | None:
    """The geometry made valid and reduced to the wanted kinds; None when nothing of it remains."""
    if geometry is None or geometry.is_empty or not np.isfinite(geometry.bounds).all():
        return None
    if geometry.geom_type in kinds and geometry.is_valid:
        return geometry
    repaired = geometry if geometry.is_valid else shapely.make_valid(geometry)
    parts = [part for part in shapely.get_parts(repaired) if part.geom_type in kinds]
    if repaired.geom_type in kinds:
        return repaired
    return shapely.union_all(parts) if parts else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
