"""Positions of photos from a file beside them: ODM's geo.txt, Pix4D's CSV, tables with a header, and what
`missionctl geotag --csv` writes.

Sources: OpenDroneMap's "Geolocation files", Pix4D's "Image geolocation and orientation" file formats.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyproj

from imagery.errors import PhotoError
from imagery.photo_tags import PhotoTags
from plans.frames import gimbal_angles

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "photo": ("photo", "image", "imagename", "image name", "filename", "file name", "name", "label"),
    "lat_deg": ("lat_deg", "latitude", "lat", "y/latitude"),
    "lon_deg": ("lon_deg", "longitude", "lon", "lng", "x/longitude"),
    "alt_amsl_m": ("alt_amsl_m", "altitude", "alt", "z/altitude", "height", "elevation"),
    "yaw_deg": ("yaw_deg", "yaw", "heading"),
    "pitch_deg": ("pitch_deg", "pitch"),
    "roll_deg": ("roll_deg", "roll"),
    "omega": ("omega",),
    "phi": ("phi",),
    "kappa": ("kappa",),
    "position_sigma_h_m": ("accuracy horizontal", "horizontal accuracy", "acc_h", "hacc", "horz accuracy"),
    "position_sigma_v_m": ("accuracy vertical", "vertical accuracy", "acc_v", "vacc", "vert accuracy"),
}
_PIX4D_ORDER = (
    "photo",
    "lat_deg",
    "lon_deg",
    "alt_amsl_m",
    "omega",
    "phi",
    "kappa",
    "position_sigma_h_m",
    "position_sigma_v_m",
)
_ODM_ORDER = (
    "photo",
    "x",
    "y",
    "alt_amsl_m",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "position_sigma_h_m",
    "position_sigma_v_m",
)
_NADIR_WITHIN_DEG = 35.0

Row = dict[str, float]


@dataclass(frozen=True)
class GeoTags:
    """What a file says of photos, by name without case; a name without a suffix is any photo of that stem."""

    path: Path
    by_name: Mapping[str, PhotoTags]

    def over(self, photo: str, tags: PhotoTags) -> PhotoTags:
        """The photo's own tags with the file's where it has them. A new position brings its own accuracy, and
        makes heights above launch meaningless."""
        name = photo.casefold()
        told = self.by_name.get(name) or self.by_name.get(Path(name).stem)
        if told is None:
            return tags
        said = {f.name: getattr(told, f.name) for f in fields(PhotoTags)}
        values = {key: value for key, value in said.items() if value is not None}
        own = replace(tags, position_sigma_h_m=None, position_sigma_v_m=None)
        if told.alt_amsl_m is not None:
            own = replace(own, height_rel_m=None)
        return replace(own, **values)

    def strangers(self, photos: Sequence[str]) -> list[str]:
        """Names that no photo has."""
        known = {p.casefold() for p in photos} | {Path(p.casefold()).stem for p in photos}
        return [name for name in self.by_name if name not in known]


def read_geo_file(path: Path) -> GeoTags:
    """Read a file of any of the forms.

    Raises PhotoError that names the file and the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line.removeprefix("#")) for n, line in lines if line and not _is_remark(line)]
    if not lines:
        raise PhotoError(f"{path}: says nothing of any photo; it needs a line for each")
    crs = _crs_of(lines[0][1])
    rows = _odm_rows(path, lines[1:]) if crs else _table_rows(path, lines)
    found: dict[str, PhotoTags] = {}
    for n, name, row in rows:
        if crs and "x" in row and "y" in row:
            row["lon_deg"], row["lat_deg"] = _to_degrees(path, n, crs, row.pop("x"), row.pop("y"))
        if not (abs(row.get("lat_deg", 99.0)) <= 90 and abs(row.get("lon_deg", 999.0)) <= 180):
            raise PhotoError(f"{path}: line {n}: {name} has no latitude and longitude in degrees")
        found[Path(name.replace("\\", "/")).name.casefold()] = _tags(row)
    if not found:
        raise PhotoError(f"{path}: says nothing of any photo")
    return GeoTags(Path(path), found)


def _is_remark(line: str) -> bool:
    """A header may begin with #, too (Agisoft's "#Label")."""
    return line.startswith("#") and _column(line[1:].replace(";", ",").split(",")[0]) != "photo"


def _crs_of(line: str) -> pyproj.CRS | None:
    """The reference system that ODM's files begin with; None when the line is something else."""
    words = line.split()
    if line.upper().startswith("WGS84 UTM") and len(words) == 3 and words[2][:-1].isdigit():
        south = words[2][-1].upper() == "S"
        return pyproj.CRS.from_epsg((32700 if south else 32600) + int(words[2][:-1]))
    if not (line.upper().startswith("EPSG:") or line.startswith("+proj")):
        return None
    try:
        return pyproj.CRS.from_user_input(line)
    except pyproj.exceptions.CRSError:
        return None


def _odm_rows(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, str, Row]]:
    rows = []
    for n, line in lines:
        words = line.replace(",", " ").split()
        first = next((k for k, w in enumerate(words) if k and _is_number(w)), 1)  # names may hold blanks
        rows.append(_row(path, n, [" ".join(words[:first]), *words[first:]], _ODM_ORDER))
    return rows


def _table_rows(path: Path, lines: Sequence[tuple[int, str]]) -> list[tuple[int, str, Row]]:
    comma = max(",;\t", key=lines[0][1].count)
    cells = [(n, next(csv.reader([line], delimiter=comma))) for n, line in lines]
    order: tuple[str, ...] = tuple(_column(c) for c in cells[0][1])
    if "photo" in order and "lat_deg" in order and "lon_deg" in order:
        cells = cells[1:]
    elif len(cells[0][1]) >= 3 and all(_is_number(v) for v in cells[0][1][1:3]):
        order = _PIX4D_ORDER
    else:
        raise PhotoError(
            f"{path}: line {cells[0][0]}: no columns photo, latitude and longitude; an ODM geo.txt, a Pix4D "
            "CSV or a table with such a header can be read"
        )
    return [_row(path, n, values, order) for n, values in cells]


def _column(title: str) -> str:
    plain = title.strip().casefold().split("[")[0].split("(")[0].strip()
    return next((key for key, names in _COLUMNS.items() if plain in names), "")


def _row(path: Path, n: int, values: Sequence[str], order: Sequence[str]) -> tuple[int, str, Row]:
    row: Row = {}
    name = ""
    for key, value in zip(order, values, strict=False):
        if key == "photo":
            name = value.strip()
        elif key and value.strip():
            if not _is_number(value):
                raise PhotoError(f"{path}: line {n}: {value.strip()!r} is no number")
            row[key] = float(value)
    if not name:
        raise PhotoError(f"{path}: line {n}: names no photo")
    return n, name, row


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _to_degrees(path: Path, n: int, crs: pyproj.CRS, x: float, y: float) -> tuple[float, float]:
    lon, lat = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise PhotoError(f"{path}: line {n}: {x:g} {y:g} is no place of {crs.name}")
    return float(lon), float(lat)


def _tags(row: Row) -> PhotoTags:
    angles = {k: row.pop(k) for k in ("omega", "phi", "kappa") if k in row}
    if len(angles) == 3:
        row["yaw_deg"], row["pitch_deg"], row["roll_deg"] = _from_opk(*angles.values())
    elif "pitch_deg" in row and abs(row["pitch_deg"]) < _NADIR_WITHIN_DEG:
        row["pitch_deg"] -= 90.0  # counted from straight down, as ODM and surveyors do
    return PhotoTags(**row)  # type: ignore[arg-type]


def _from_opk(omega_deg: float, phi_deg: float, kappa_deg: float) -> tuple[float, float, float]:
    """Yaw, pitch, roll of a camera by omega, phi, kappa: turns about east, north and up of a camera whose
    right is east and whose top is north (Kraus, Photogrammetry, 1)."""
    (so, sp, sk), (co, cp, ck) = (f(np.radians([omega_deg, phi_deg, kappa_deg])) for f in (np.sin, np.cos))
    x = np.array([[1, 0, 0], [0, co, -so], [0, so, co]])
    y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    z = np.array([[ck, -sk, 0], [sk, ck, 0], [0, 0, 1]])
    return gimbal_angles(np.diag([1.0, -1.0, -1.0]) @ (x @ y @ z).T)
