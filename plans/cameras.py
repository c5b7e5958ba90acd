"""Cameras: one object that planning, simulation and mosaicking share. It maps rays to pixels and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
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
        if not self.min_trigger_interval_s >= 0 or not self.exposure_s > 0:
            raise CameraError(f"camera {self.name!r}: trigger interval and exposure must not be negative")

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

    @property
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


@cache
def camera_database() -> dict[str, Camera]:
    """Every camera that `missionctl cameras` lists, by name."""
    text = resources.files("plans").joinpath("cameras.json").read_text(encoding="utf-8")
    return {entry["name"]: _camera_from_entry(entry) for entry in json.loads(text)["cameras"]}


def _camera_from_entry(entry: dict[str, Any]) -> Camera:
    fields = {key: value for key, value in entry.items() if key not in ("source", "exif_models")}
    return Camera(**fields)


@cache
def _names_by_exif_model() -> dict[str, str]:
    text = resources.files("plans").joinpath("cameras.json").read_text(encoding="utf-8")
    return {
        model.upper(): entry["name"]
        for entry in json.loads(text)["cameras"]
        for model in entry.get("exif_models", [])
    }


def camera_for_exif_model(model: str) -> Camera | None:
    """The camera of the database whose EXIF model is this, or None."""
    name = _names_by_exif_model().get(model.strip().upper())
    return camera_database()[name] if name else None


def find_camera(name: str) -> Camera:
    """The camera of this name (case does not matter).

    Raises CameraError that lists near names.
    """
    by_folded = {known.casefold(): camera for known, camera in camera_database().items()}
    found = by_folded.get(name.strip().casefold())
    if found:
        return found
    import difflib

    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.3)
    hint = ", ".join(by_folded[n].name for n in near) or ", ".join(sorted(camera_database())[:5])
    raise CameraError(f"camera {name!r} is not known; did you mean: {hint}? (list: missionctl cameras)")
