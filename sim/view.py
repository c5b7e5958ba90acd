"""A camera while its shutter is open: where each row's pose is, and where a place lands on the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plans.cameras import Camera
from plans.frames import FloatArray, Pose


@dataclass(frozen=True)
class Motion:
    """How the camera moves during a photo. Both in the local frame's axes (east, north, up): its velocity,
    and its rotation by the right hand about them."""

    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_radps: tuple[float, float, float] = (0.0, 0.0, 0.0)


STILL = Motion()


class View:
    """One release of the shutter. The pose is that in the middle of the photo's time: of the middle row, half
    way through its exposure. Rows above were read out before, rows below after."""

    def __init__(self, camera: Camera, pose: Pose, motion: Motion = STILL) -> None:
        self.camera = camera
        self._centre = pose.centre
        self._rotation = pose.camera_from_enu
        self._velocity = np.array(motion.velocity_mps, float)
        self._turn = np.array(motion.turn_radps, float)
        self._rolls = camera.readout_s > 0 and bool(self._velocity.any() or self._turn.any())

    def row_time_s(self, row_px: npt.ArrayLike) -> FloatArray:
        """Seconds from the photo's time at which a row is exposed."""
        rows = self.camera.image_height_px
        return (np.asarray(row_px, float) - (rows - 1) / 2) / rows * self.camera.readout_s

    def centre_m(self, time_s: npt.ArrayLike) -> FloatArray:
        """(..., 3) where the camera is at times (...)."""
        return self._centre + self._velocity * np.asarray(time_s, float)[..., None]

    def camera_from_enu(self, time_s: npt.ArrayLike) -> FloatArray:
        """(..., 3, 3) of times (...), as `Pose.camera_from_enu` has it."""
        turned = _turned(np.eye(3), -self._turn, np.asarray(time_s, float)[..., None])
        return self._rotation @ np.swapaxes(turned, -1, -2)

    def pixels(self, places_m: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """((n, 2) pixels, (n,) depths along the axis) of (n, 3) places, each at the time of its own row."""
        places = np.asarray(places_m, float)
        pixels, depths = self.pixels_at(places, np.zeros(len(places)))
        if self._rolls:
            last = self.camera.image_height_px - 1.0
            for _ in range(3):  # a row moves by a hundredth of what it is off
                rows = np.clip(np.nan_to_num(pixels[:, 1]), 0.0, last)
                pixels, depths = self.pixels_at(places, self.row_time_s(rows))
        return pixels, depths

    def pixels_at(self, places_m: FloatArray, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same at given times (n,)."""
        towards = places_m - self._centre - self._velocity * time_s[:, None]
        if self._turn.any():
            towards = _turned(towards, -self._turn, time_s)
        seen = towards @ self._rotation.T
        return self.camera.project(seen), seen[:, 2]


def _turned(vectors: FloatArray, turn_radps: FloatArray, time_s: FloatArray) -> FloatArray:
    """Vectors (..., 3) rotated for times (...) (Rodrigues)."""
    rate = float(np.linalg.norm(turn_radps))
    if rate == 0.0:
        return np.broadcast_to(vectors, (*np.broadcast_shapes(vectors.shape[:-1], time_s.shape), 3))
    axis = turn_radps / rate
    angle = (rate * time_s)[..., None]
    along = (vectors @ axis)[..., None] * axis
    return vectors * np.cos(angle) + np.cross(axis, vectors) * np.sin(angle) + along * (1 - np.cos(angle))
