"""Points on the ground whose place is known: files of them, with the pixels where photos show them.

Our own CSV has a row for each mark; of a point's coordinates those of its first row count, later rows may
leave them empty:

    name,lon,lat,height,accuracy,role,photo,x,y
    A,103.15211,30.05142,512.31,0.02,control,DJI_0012.JPG,1312.5,884

`east,north,epsg` may stand instead of `lon,lat`; `accuracy` (m) and `role` (control or check) may be missing.
x and y count from the middle of the photo's upper left pixel. OpenDroneMap's gcp_list.txt is taken, too: its
x and y count from that pixel's corner, and a name that begins with CHK is a check point.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyproj
from pyproj.exceptions import CRSError

from imagery.errors import ControlError
from plans.frames import GeoPoint

DEFAULT_ACCURACY_M = 0.03
MARK_SIGMA_PX = 1.0
"""How well a person finds the middle of a target."""

_DEEPEST_M, _HIGHEST_M = -500.0, 9000.0
_LEAST_ACCURACY_M = 0.002


@dataclass(frozen=True)
class Mark:
    """Where a photo shows a point, in pixels whose centres are integers."""

    photo: str
    x_px: float
    y_px: float


@dataclass(frozen=True)
class ControlPoint:
    """A surveyed point. `check` points are held out of the adjustment and say how good it is."""

    name: str
    lon_deg: float
    lat_deg: float
    height_m: float
    sigma_m: float
    check: bool
    marks: tuple[Mark, ...]

    @property
    def place(self) -> GeoPoint:
        """Its place."""
        return GeoPoint(self.lat_deg, self.lon_deg, self.height_m)


def read_control(path: Path) -> tuple[ControlPoint, ...]:
    """Points and marks of a CSV or a gcp_list.txt, in the file's order.

    Raises ControlError (one line, with the line's number) when the file cannot be read or makes no sense.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ControlError(f"{path}: ground control cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ControlError(f"{path}: is no text file; ground control is a CSV or a gcp_list.txt") from None
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if not first:
        raise ControlError(f"{path}: holds no ground control points")
    names = [name.strip().casefold() for name in first.split(",")]
    rows = _csv_rows(path, lines) if "photo" in names else _odm_rows(path, lines)
    return _joined(path, rows)


@dataclass(frozen=True)
class _Row:
    line: int
    point: ControlPoint | None
    """None where a row only adds a mark."""
    name: str
    mark: Mark | None


def _joined(path: Path, rows: Iterator[_Row]) -> tuple[ControlPoint, ...]:
    """One point for each name, with all its marks."""
    points: dict[str, ControlPoint] = {}
    for row in rows:
        known = points.get(row.name)
        if known is None and row.point is None:
            raise ControlError(f"{path}: line {row.line}: the first row of {row.name} has no coordinates")
        if known is None:
            assert row.point is not None
            known = row.point
        elif row.point is not None and not _same_place(known, row.point):
            raise ControlError(f"{path}: line {row.line}: {row.name} has other coordinates than above")
        if row.mark is not None:
            if any(m.photo.casefold() == row.mark.photo.casefold() for m in known.marks):
                raise ControlError(
                    f"{path}: line {row.line}: {row.name} is marked twice in {row.mark.photo}; leave one"
                )
            known = replace(known, marks=(*known.marks, row.mark))
        points[row.name] = known
    if not points:
        raise ControlError(f"{path}: holds no ground control points")
    if not any(p.marks for p in points.values()):
        raise ControlError(f"{path}: no point is marked in a photo; add photo, x and y")
    return tuple(points.values())


def _same_place(a: ControlPoint, b: ControlPoint) -> bool:
    return (
        abs(a.lon_deg - b.lon_deg) < 1e-9
        and abs(a.lat_deg - b.lat_deg) < 1e-9
        and abs(a.height_m - b.height_m) < 1e-4
        and a.check == b.check
    )


def _csv_rows(path: Path, lines: list[str]) -> Iterator[_Row]:
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    names = [name.strip().casefold() for name in _cells(numbered[0][1])]
    wanted = {"name", "height", "photo", "x", "y"}
    wanted |= {"lon", "lat"} if "lon" in names else {"east", "north", "epsg"}
    missing = sorted(wanted - set(names))
    if missing:
        raise ControlError(f"{path}: the header has no column {', '.join(missing)}")
    for number, line in numbered[1:]:
        cells = _cells(line)
        if len(cells) > len(names):
            raise ControlError(f"{path}: line {number}: {len(cells)} values under {len(names)} columns")
        values = dict(zip(names, (c.strip() for c in cells), strict=False))
        yield _csv_row(f"{path}: line {number}", number, values)


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def _csv_row(where: str, number: int, values: Mapping[str, str]) -> _Row:
    name = values.get("name", "")
    if not name:
        raise ControlError(f"{where}: the point has no name")
    point = None
    if values.get("height", ""):
        role = values.get("role", "").casefold() or "control"
        if role not in ("control", "check"):
            raise ControlError(f"{where}: role {values['role']!r} is not known; use control or check")
        sigma = _number(where, values, "accuracy") if values.get("accuracy", "") else DEFAULT_ACCURACY_M
        if "lon" in values:
            lon, lat = _number(where, values, "lon"), _number(where, values, "lat")
        else:
            code = values.get("epsg", "")
            lon, lat = _to_geo(
                where, f"EPSG:{code}", _number(where, values, "east"), _number(where, values, "north")
            )
        point = _point(where, name, lon, lat, _number(where, values, "height"), sigma, role == "check")
    mark = None
    if values.get("photo", ""):
        mark = Mark(values["photo"], _number(where, values, "x"), _number(where, values, "y"))
    return _Row(number, point, name, mark)


def _odm_rows(path: Path, lines: list[str]) -> Iterator[_Row]:
    """geo_x geo_y geo_z im_x im_y image_name [gcp_name], below a line that names the CRS."""
    content = [(n, line.strip()) for n, line in enumerate(lines, 1)]
    content = [(n, line) for n, line in content if line and not line.startswith("#")]
    number, heading = content[0]
    crs = _odm_crs(f"{path}: line {number}", heading)
    unnamed: dict[tuple[str, ...], str] = {}
    for number, line in content[1:]:
        where = f"{path}: line {number}"
        cells = line.split()
        if len(cells) < 6:
            raise ControlError(f"{where}: expected geo_x geo_y geo_z im_x im_y image_name [gcp_name]")
        keys = ("geo_x", "geo_y", "geo_z", "im_x", "im_y")
        x, y, height, col, row = (_number(where, dict(zip(keys, cells, strict=False)), k) for k in keys)
        name = cells[6] if len(cells) > 6 else ""
        name = name or unnamed.setdefault(tuple(cells[:3]), f"GCP{len(unnamed) + 1}")
        lon, lat = _to_geo(where, crs, x, y)
        check = name.casefold().startswith("chk")
        point = _point(where, name, lon, lat, height, DEFAULT_ACCURACY_M, check)
        yield _Row(number, point, name, Mark(cells[5], col - 0.5, row - 0.5))


def _odm_crs(where: str, heading: str) -> str:
    utm = re.fullmatch(r"WGS84\s+UTM\s+(\d{1,2})\s*([NS])", heading, re.IGNORECASE)
    if utm:
        return f"EPSG:{(32600 if utm[2].upper() == 'N' else 32700) + int(utm[1])}"
    if heading.casefold().startswith("epsg:") or heading.startswith("+proj"):
        return heading
    raise ControlError(
        f"{where}: {heading[:40]!r} is neither the header of a CSV (name, lon, lat, height, photo, x, y) nor "
        "the CRS of a gcp_list.txt (EPSG:32648)"
    )


def _to_geo(where: str, crs: str, x: float, y: float) -> tuple[float, float]:
    try:
        to_geo = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), 4326, always_xy=True)
    except CRSError:
        raise ControlError(f"{where}: {crs} is no known coordinate system") from None
    lon, lat = to_geo.transform(x, y)
    return float(lon), float(lat)


def _point(
    where: str, name: str, lon: float, lat: float, height: float, sigma: float, check: bool
) -> ControlPoint:
    if not (abs(lon) <= 180 and abs(lat) <= 85):
        raise ControlError(f"{where}: {name} at lon {lon:g}, lat {lat:g} is no place; are they swapped?")
    if not _DEEPEST_M < height < _HIGHEST_M:
        raise ControlError(f"{where}: {name} has a height of {height:g} m")
    if not _LEAST_ACCURACY_M <= sigma <= 100:
        raise ControlError(f"{where}: {name} is said to be good to {sigma:g} m; use metres, 0.002 to 100")
    return ControlPoint(name, lon, lat, height, sigma, check, ())


def _number(where: str, values: Mapping[str, str], key: str) -> float:
    text = values.get(key, "")
    try:
        number = float(text)
    except ValueError:
        raise ControlError(f"{where}: {key} is {text!r}, not a number") from None
    if not abs(number) < 1e12:
        raise ControlError(f"{where}: {key} is {text!r}, not a number")
    return number
