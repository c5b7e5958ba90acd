"""Cameras: one object that planning, simulation and mosaicking share. It maps rays to pixels and back."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plans.errors import CameraError
from plans.frames import FloatArray


@dataclass(frozen=True)
class Camera:
    """A frame camera with Brown-Conrady distortion (OpenCV's k1, k2, p1, p2, k3).

    Pixels: x right, y down, centres at integers. The principal point offset is from the image's middle.
    """

    name: str
    sensor_width_mm: float
    sensor_height_mm: float
    focal_mm: float
    image_width_px: int
    image_height_px: int
    min_trigger_interval_s: float = 1.0
    exposure_s: float = 1 / 1000
    principal_dx_px: float = 0.0
    principal_dy_px: float = 0.0
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    readout_s: float = 0.0
    """From the exposure of the first row to that of the last (rolling shutter); 0 for a global shutter."""

    def __post_init__(self) -> None:
        sizes = (
            self.sensor_width_mm,
            self.sensor_height_mm,
            self.focal_mm,
            self.image_width_px,
            self.image_height_px,
        )
        if not all(math.isfinite(v) and v > 0 for v in sizes):
            raise CameraError(
                f"camera {self.name!r}: sensor, focal length and image size must be positive numbers"
            )
        if not (self.min_trigger_interval_s >= 0 and self.exposure_s > 0 and self.readout_s >= 0):
            raise CameraError(
                f"camera {self.name!r}: trigger interval, exposure and readout must not be negative"
            )

    @property
    def focal_px(self) -> float:
        """Focal length in pixels (pixels taken as square, from the width)."""
        return self.focal_mm * self.image_width_px / self.sensor_width_mm

    @property
    def principal_px(self) -> tuple[float, float]:
        """(x, y) of the principal point in pixels."""
        return (
            (self.image_width_px - 1) / 2 + self.principal_dx_px,
            (self.image_height_px - 1) / 2 + self.principal_dy_px,
        )

    def gsd_m(self, height_agl_m: float) -> float:
        """Ground size of one pixel in metres when looking straight down from this height."""
        return height_agl_m / self.focal_px

    def height_for_gsd_m(self, gsd_m: float) -> float:
        """Height above ground in metres at which a pixel is gsd_m on the ground."""
        return gsd_m * self.focal_px

    def footprint_m(self, height_agl_m: float) -> tuple[float, float]:
        """(width, height) of a nadir image on flat ground, metres; width along the image's x axis."""
        gsd = self.gsd_m(height_agl_m)
        return self.image_width_px * gsd, self.image_height_px * gsd

    def scaled(self, image_width_px: int, image_height_px: int) -> Camera:
        """The same camera delivering images of another size (same field of view)."""
        scale = image_width_px / self.image_width_px
        return replace(
            self,
            image_width_px=image_width_px,
            image_height_px=image_height_px,
            principal_dx_px=self.principal_dx_px * scale,
            principal_dy_px=self.principal_dy_px * scale,
        )

    def turned(self) -> Camera:
        """The same camera mounted a quarter turn about its axis: its width lies where its height was. Image
        files come out as before; this is the camera that planning and coverage see."""
        return replace(
            self,
            sensor_width_mm=self.sensor_height_mm,
            sensor_height_mm=self.sensor_width_mm,
            image_width_px=self.image_height_px,
            image_height_px=self.image_width_px,
            principal_dx_px=-self.principal_dy_px,
            principal_dy_px=self.principal_dx_px,
            distortion=(*self.distortion[:2], self.distortion[3], -self.distortion[2], self.distortion[4]),
        )

    @cached_property
    def fold_radius(self) -> float:
        """Tangent of the angle off the axis at which the radial distortion turns back on itself; may be inf.

        The root of d/dr (r + k1 r^3 + k2 r^5 + k3 r^7) that comes first.
        """
        k1, k2, _, _, k3 = self.distortion
        roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])
        squares = roots.real[(abs(roots.imag) < 1e-9) & (roots.real > 0)]
        return float(np.sqrt(squares.min())) if len(squares) else math.inf

    def project(self, points_camera: npt.ArrayLike) -> FloatArray:
        """Pixels (n, 2) of points (n, 3) in the camera frame, any length unit.

        Points at or behind the camera come out as NaN.
        """
        p = np.asarray(points_camera, float).reshape(-1, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(p[:, 2] > 0, p[:, 0] / p[:, 2], np.nan)
            y = np.where(p[:, 2] > 0, p[:, 1] / p[:, 2], np.nan)
        xd, yd = _distort(x, y, self.distortion)
        cx, cy = self.principal_px
        return np.stack([self.focal_px * xd + cx, self.focal_px * yd + cy], axis=1)

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Directions (n, 3) with z = 1 in the camera frame, of pixels (n, 2)."""
        px = np.asarray(pixels, float).reshape(-1, 2)
        cx, cy = self.principal_px
        xd = (px[:, 0] - cx) / self.focal_px
        yd = (px[:, 1] - cy) / self.focal_px
        x, y = xd.copy(), yd.copy()
        if any(self.distortion):
            for _ in range(20):  # fixed point; contracts for every lens we know
                fx, fy = _distort(x, y, self.distortion)
                x += xd - fx
                y += yd - fy
        return np.stack([x, y, np.ones_like(x)], axis=1)


def _distort(
    x: FloatArray, y: FloatArray, distortion: tuple[float, float, float, float, float]
) -> tuple[FloatArray, FloatArray]:
    k1, k2, p1, p2, k3 = distortion
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@dataclass(frozen=True)
class CameraEntry:
    """A camera of the database, the models by which its photos name it, and where its numbers are from.

    With an `interchangeable` (or zoom) lens the focal length is one that it is mostly flown with.
    """

    camera: Camera
    exif_models: tuple[str, ...] = ()
    interchangeable: bool = False
    source: str = ""


@cache
def camera_entries() -> tuple[CameraEntry, ...]:
    """The database as it is written."""
    text = resources.files("plans").joinpath("cameras.json").read_text(encoding="utf-8")
    return tuple(_entry(data, "plans/cameras.json") for data in json.loads(text)["cameras"])


@cache
def camera_database() -> dict[str, Camera]:
    """Every camera that `missionctl cameras` lists, by name."""
    return {entry.camera.name: entry.camera for entry in camera_entries()}


def read_camera_file(path: Path | str) -> Camera:
    """A camera of one's own: a JSON file with the fields of an entry of the database.

    Raises CameraError that names the file and the field.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CameraError(
            f"{path}: cannot be read ({error.strerror}); check the path of the camera"
        ) from None
    except ValueError as error:
        raise CameraError(f"{path}: not a JSON file ({error})") from None
    return _entry(data, str(path)).camera


def write_camera_file(path: Path, camera: Camera) -> None:
    """Write a camera for `read_camera_file`; the folder must be there, an OSError is the caller's."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(asdict(camera), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def _entry(data: Any, source: str) -> CameraEntry:
    if not isinstance(data, dict):
        raise CameraError(f"{source}: a camera is one JSON object with the fields {', '.join(_REQUIRED)}")
    for field in data:
        if field not in _FIELDS:
            near = difflib.get_close_matches(str(field), _FIELDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_FIELDS)}"
            raise CameraError(f"{source}: a camera has no field {field!r}{hint}")
    missing = [field for field in _REQUIRED if field not in data]
    if missing:
        raise CameraError(f"{source}: the camera's {missing[0]!r} is missing")
    for field, value in data.items():
        wanted = _FIELDS[field]
        if not wanted.fits(value):
            raise CameraError(f"{source}: {field!r} is {json.dumps(value)[:40]}; give {wanted.says}")
    values = {key: data[key] for key in data if key not in _ABOUT}
    if "distortion" in values:
        values["distortion"] = tuple(float(v) for v in values["distortion"])
    return CameraEntry(
        Camera(**values),
        tuple(data.get("exif_models", ())),
        data.get("interchangeable", False),
        data.get("source", ""),
    )


@dataclass(frozen=True)
class _Field:
    fits: Callable[[Any], bool]
    says: str


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_TEXT = _Field(lambda v: isinstance(v, str) and bool(v.strip()), "a text")
_NUMBER = _Field(_is_number, "a number")
_LENGTH = _Field(lambda v: _is_number(v) and 0 < v < 10_000, "a length in millimetres above 0")
_PIXELS = _Field(lambda v: _is_number(v) and v == int(v) and 0 < v < 100_000, "a whole number of pixels")
_SECONDS = _Field(lambda v: _is_number(v) and 0 <= v <= 60, "seconds from 0 to 60")
_FIELDS = {
    "name": _TEXT,
    "sensor_width_mm": _LENGTH,
    "sensor_height_mm": _LENGTH,
    "focal_mm": _LENGTH,
    "image_width_px": _PIXELS,
    "image_height_px": _PIXELS,
    "min_trigger_interval_s": _SECONDS,
    "exposure_s": _Field(lambda v: _is_number(v) and 0 < v <= 60, "seconds above 0, up to 60"),
    "readout_s": _Field(lambda v: _is_number(v) and 0 <= v < 1, "seconds from 0 to under 1"),
    "principal_dx_px": _NUMBER,
    "principal_dy_px": _NUMBER,
    "distortion": _Field(
        lambda v: isinstance(v, list) and len(v) == 5 and all(map(_is_number, v)), "five numbers"
    ),
    "exif_models": _Field(
        lambda v: isinstance(v, list) and all(isinstance(m, str) for m in v), "a list of texts"
    ),
    "interchangeable": _Field(lambda v: isinstance(v, bool), "true or false"),
    "source": _Field(lambda v: isinstance(v, str), "a text"),
}
_REQUIRED = ("name", "sensor_width_mm", "sensor_height_mm", "focal_mm", "image_width_px", "image_height_px")
_ABOUT = ("exif_models", "interchangeable", "source")


@cache
def _entries_by_exif_model() -> dict[str, tuple[CameraEntry, ...]]:
    found: dict[str, tuple[CameraEntry, ...]] = {}
    for entry in camera_entries():
        for model in entry.exif_models:
            found[model.upper()] = (*found.get(model.upper(), ()), entry)
    return found


def camera_for_exif_model(model: str, focal_mm: float | None = None) -> Camera | None:
    """The camera of the database whose photos say this model, or None.

    `focal_mm` is the photo's, as EXIF has it. Of a model with several lenses the nearest is taken, a body
    with another lens gets that focal length, and a photo far from all of them is of another camera of the
    aircraft (its zoom or thermal camera), of which the database knows nothing.
    """
    entries = _entries_by_exif_model().get(model.strip().upper())
    if not entries:
        return None
    if not focal_mm or not math.isfinite(focal_mm) or focal_mm < 0:
        return entries[0].camera
    best = min(entries, key=lambda entry: abs(math.log(entry.camera.focal_mm / focal_mm)))
    off = abs(best.camera.focal_mm / focal_mm - 1)
    if best.interchangeable and off > 0.04:
        return replace(best.camera, name=f"{model.strip()} {focal_mm:g}mm", focal_mm=focal_mm)
    return best.camera if off < 0.15 else None


def find_camera(name: str, own: Mapping[str, Camera] | None = None) -> Camera:
    """The camera of this name (case does not matter) among one's own and the database's, or of a JSON file.

    Raises CameraError that lists near names.
    """
    if name.strip().casefold().endswith(".json"):
        return read_camera_file(name.strip())
    known = {**camera_database(), **(own or {})}
    by_folded = {key.casefold(): camera for key, camera in known.items()}
    found = by_folded.get(name.strip().casefold())
    if found:
        return found
    asked = name.strip().casefold()
    near = [key for key in sorted(by_folded) if asked and asked in key][:5]
    near = near or difflib.get_close_matches(asked, by_folded, n=3, cutoff=0.55)
    hint = f"; did you mean: {', '.join(by_folded[key].name for key in near)}?" if near else ""
    raise CameraError(
        f"camera {name!r} is not known{hint} (list: missionctl cameras; or give a FILE.json of your own)"
    )
