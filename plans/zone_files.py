"""Features of vector files in WGS84: GDAL's formats, alone or in a KMZ or ZIP, in China's encodings too."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely import Geometry

from plans.errors import ZoneError
from plans.frames import WGS84
from plans.zone_texts import TEXT_SUFFIXES, decoded_text, read_zone_text

_PRIORITY_FIELDS = ("priority", "weight", "优先级")
_NAME_FIELDS = ("name", "名称", "title", "名字", "label", "id")
_INSIDE = (".kml", ".shp", ".gpkg", ".geojson", ".fgb", ".gml")
_MARKUP = (".kml", ".gml")
_JSON = (".geojson", ".json")


@dataclass(frozen=True)
class Feature:
    """A geometry in lon/lat degrees with its name (None without one) and priority."""

    geometry: Geometry
    name: str | None = None
    priority: float = 1.0


def read_features(path: Path) -> Iterator[Feature]:
    """Every geometry of a vector file, in WGS84 where the file names its coordinate system.

    Raises ZoneError when the file cannot be read; the message names it.
    """
    _check_readable(path)
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        for geometry, crs in read_zone_text(path):
            yield Feature(_in_wgs84(geometry, _transformer(crs, str(path)), str(path)))
    elif suffix in (".kmz", ".zip"):
        yield from _from_archive(path)
    else:
        yield from _from_ogr(_in_utf8(path, path.read_bytes) or str(path), str(path))


def _check_readable(path: Path) -> None:
    """Raise ZoneError unless a file (or a file geodatabase) is there, is readable and holds something."""
    try:
        if path.is_dir():
            if path.suffix.lower() == ".gdb":
                return
            raise ZoneError(f"{path}: is a folder; give the zone's file in it")
        if not path.exists():
            raise ZoneError(f"{path}: no such file; check the path of the zone")
        if not path.is_file():
            raise ZoneError(f"{path}: is no regular file; save the zone to a file and give that")
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise ZoneError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if empty:
        raise ZoneError(f"{path}: the file is empty; export the zone again")
    if path.suffix.lower() == ".shp" and not any(path.with_suffix(s).exists() for s in (".shx", ".SHX")):
        raise ZoneError(f"{path}: its .shx is missing; copy the .shp, .shx, .dbf and .prj together")


def _from_archive(path: Path) -> Iterator[Feature]:
    """All vector files of a KMZ or ZIP, the main one (doc.kml) first, without what later ones repeat."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(filter(_is_shown, archive.namelist()), key=_main_first)
            inside = [n for n in names if n.lower().endswith(_INSIDE)]
            inside = inside or [
                n for n in names if n.lower().endswith(".json")
            ]  # else the metadata of others
            if not inside:
                raise ZoneError(f"{path}: no KML, Shapefile or GeoPackage inside this archive")
            seen: set[tuple[bytes, str | None]] = set()
            for name in inside:
                here = f"{path} ({name})"
                data = _in_utf8(Path(name), partial(archive.read, name))
                features = list(_from_ogr(data or f"/vsizip/{path.resolve()}/{name}", here))
                keys = [(shapely.to_wkb(shapely.normalize(f.geometry)), f.name) for f in features]
                yield from (f for f, key in zip(features, keys, strict=True) if key not in seen)
                seen.update(keys)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise ZoneError(f"{path}: not a whole KMZ or ZIP archive; copy it again") from error
    except RuntimeError as error:  # zipfile's way to say that it needs a password
        raise ZoneError(f"{path}: cannot be unpacked ({error}); save it without a password") from error


def _is_shown(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _main_first(name: str) -> tuple[bool, int, str]:
    """A KMZ's document is doc.kml or else its first KML at the top (OGC 12-007r2, annex C)."""
    parts = PurePosixPath(name).parts
    return parts[-1].lower() != "doc.kml", len(parts), name


def _in_utf8(path: Path, read: Callable[[], bytes]) -> bytes | None:
    """KML, GML or GeoJSON whose text is not UTF-8, turned into it (GDAL reads no GBK); None if it is."""
    suffix = path.suffix.lower()
    if suffix not in (*_MARKUP, *_JSON):
        return None
    data = read()
    declared = re.search(rb"""^<\?xml[^>]*encoding=["']([\w.-]+)["']""", data.lstrip(b"\xef\xbb\xbf")[:200])
    encoding = declared[1].decode("ascii").lower() if declared and suffix in _MARKUP else "utf-8"
    try:
        data.decode("utf-8")
        if encoding in ("utf-8", "utf8", "us-ascii", "ascii"):
            return None
    except UnicodeDecodeError:
        encoding = "gb18030" if encoding in ("utf-8", "utf8", "gbk", "gb2312") else encoding
    try:
        text = decoded_text(data, encoding)
    except (UnicodeDecodeError, LookupError):
        return None  # GDAL will say what it cannot read
    return re.sub(r"""^(<\?xml[^>]*)encoding=["'][\w.-]+["']""", r'\1encoding="UTF-8"', text).encode()


def _from_ogr(source: str | bytes, here: str) -> Iterator[Feature]:
    try:
        names = [str(name).casefold() for name in _quietly(pyogrio.list_layers, source)[:, 0]]
        chosen = [i for i, name in enumerate(names) if name in ("zone", "zones")] or range(len(names))
        for layer in chosen:
            yield from _layer_features(source, layer, here)
    except (DataSourceError, DataLayerError) as error:
        reason = (str(error).splitlines() or ["GDAL"])[0].partition("; It might help")[0]
        raise ZoneError(
            f"{here}: not a vector file that can be read ({reason.rstrip('.')}); "
            "export the zone as GeoJSON, KML, Shapefile or GeoPackage"
        ) from error


def _layer_features(source: str | bytes, layer: int, here: str) -> Iterator[Feature]:
    meta, _, geometries, columns = _quietly(pyogrio.raw.read, source, layer=layer, force_2d=True)
    if geometries is None:
        return
    untold = isinstance(source, str) and source.lower().endswith((".shp", ".shz"))
    keys = [_field_text(name, untold).casefold() for name in meta["fields"]]
    fields = dict(zip(keys, columns, strict=True))
    to_wgs84 = _transformer(meta.get("crs"), here)
    for index, wkb in enumerate(geometries):
        if wkb is None:
            continue
        with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused by who reads them
            geometry = shapely.from_wkb(wkb, on_invalid="fix")
        if geometry is None:
            raise ZoneError(f"{here}: feature {index + 1} has a broken geometry; draw it again")
        if not geometry.is_empty:
            moved = _in_wgs84(geometry, to_wgs84, here)
            yield Feature(moved, _name(fields, index, untold), _priority(fields, index))


def _quietly(read: Callable[..., Any], *what: Any, **how: Any) -> Any:
    """Without GDAL's warnings of rings that are not closed and of measures dropped: both are harmless."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(*what, **how)


def _transformer(crs: str | None, here: str) -> pyproj.Transformer | None:
    if crs is None:
        return None  # degrees are taken for WGS84; anything else is refused later
    try:
        known = pyproj.CRS.from_user_input(crs)
        if known.equals(WGS84, ignore_axis_order=True):
            return None
        return pyproj.Transformer.from_crs(known, WGS84, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        short = crs if len(crs) < 60 else crs[:60] + "..."
        raise ZoneError(
            f"{here}: its coordinate system {short!r} is not known; export it as WGS84"
        ) from error


def _in_wgs84(geometry: Geometry, to_wgs84: pyproj.Transformer | None, here: str) -> Geometry:
    if to_wgs84 is None:
        return geometry
    moved = shapely.transform(geometry, lambda xy: np.column_stack(to_wgs84.transform(*xy.T)))
    given, found = shapely.get_coordinates(geometry), shapely.get_coordinates(moved)
    lost = np.isfinite(given).all(axis=1) & ~np.isfinite(found).all(axis=1)
    if lost.any():
        x, y = given[lost][0]
        name = to_wgs84.source_crs.name if to_wgs84.source_crs else "its coordinate system"
        where = f"coordinates such as ({x:.6g}, {y:.6g})"
        raise ZoneError(f"{here}: {where} lie outside of {name}; check the file's .prj or CRS")
    return moved


def _name(fields: dict[str, np.ndarray], index: int, untold: bool) -> str | None:
    for key in _NAME_FIELDS:
        if key in fields and fields[key][index] is not None:
            text = _field_text(fields[key][index], untold).strip()
            if text and text.casefold() != "nan":
                return text
    return None


def _priority(fields: dict[str, np.ndarray], index: int) -> float:
    for key in _PRIORITY_FIELDS:
        if key in fields:
            try:
                value = float(fields[key][index])
            except (TypeError, ValueError):
                continue
            if np.isfinite(value) and value > 0:
                return value
    return 1.0


def _field_text(value: object, untold: bool) -> str:
    """The text of a field. With `untold`, of a shapefile: without its .cpg GDAL takes every byte of the .dbf
    for a letter of Latin 1, though nearly all such files from China hold GBK, and newer ones UTF-8."""
    text = str(value)
    if not untold or text.isascii() or max(text) > "\xff":
        return text
    data = text.encode("latin-1")
    for cut in (len(data), len(data) - 1, len(data) - 2):  # a full field may end within a character
        for encoding in ("utf-8", "gb18030"):
            try:
                found = data[:cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            if encoding == "utf-8" or _is_chinese(data[:cut], found):
                return found
    return text


def _is_chinese(data: bytes, found: str) -> bool:
    """Whether bytes read as GB 18030 are: pairs of high bytes mostly, not single accents among letters."""
    pairs = sum(len(c.encode("gb18030")) == 2 and c.encode("gb18030")[1] > 0xA0 for c in found)
    return 4 * pairs >= sum(byte > 0x7F for byte in data) and pairs > 0
