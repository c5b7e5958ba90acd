"""Where things are: WGS84 at the edges, a local metric frame inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely import Geometry

FloatArray = npt.NDArray[np.float64]

WGS84 = pyproj.CRS.from_epsg(4326)


@dataclass(frozen=True)
class GeoPoint:
    """A place on the ground or in the air, WGS84.

    `alt_amsl_m` is None where no height is known; it is never a made-up zero.
    """

    lat_deg: float
    lon_deg: float
    alt_amsl_m: float | None = None


@dataclass(frozen=True)
class LocalFrame:
    """East, north, up in metres about an origin: a transverse Mercator centred on the work area.

    Scale is 1 at the origin's meridian and 1 + (d / R)^2 / 2 beside it: 1.2 ppm at 10 km. Heights pass
    through unchanged (AMSL).
    """

    origin_lat_deg: float
    origin_lon_deg: float

    @classmethod
    def around(cls, points: list[GeoPoint]) -> LocalFrame:
        """The frame centred on the middle of the points' bounding box."""
        lats = [p.lat_deg for p in points]
        lons = [p.lon_deg for p in points]
        return cls((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)

    @cached_property
    def crs(self) -> pyproj.CRS:
        """The frame as a CRS that rasters and vectors can carry."""
        return pyproj.CRS.from_proj4(
            f"+proj=tmerc +lat_0={self.origin_lat_deg:.9f} +lon_0={self.origin_lon_deg:.9f} "
            "+k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
        )

    @cached_property
    def _to_local(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs(WGS84, self.crs, always_xy=True)

    @cached_property
    def _to_geo(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs(self.crs, WGS84, always_xy=True)

    def __getstate__(self) -> dict[str, float]:
        # pyproj transformers do not pickle; worker processes make their own.
        return {"origin_lat_deg": self.origin_lat_deg, "origin_lon_deg": self.origin_lon_deg}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__dict__.update(state)

    def to_local(self, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(east_m, north_m) arrays of the same shape as the inputs."""
        east, north = self._to_local.transform(np.asarray(lon_deg, float), np.asarray(lat_deg, float))
        return np.asarray(east), np.asarray(north)

    def to_geo(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(lat_deg, lon_deg) arrays of the same shape as the inputs."""
        lon, lat = self._to_geo.transform(np.asarray(east_m, float), np.asarray(north_m, float))
        return np.asarray(lat), np.asarray(lon)

    def distance_m(self, place: GeoPoint) -> float:
        """Great-circle distance from the origin, for places that may lie anywhere on earth."""
        a, b = np.radians([self.origin_lat_deg, place.lat_deg])
        across = np.radians(place.lon_deg - self.origin_lon_deg)
        half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(across / 2) ** 2
        return float(2 * 6_371_000.0 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))

    def geometry_to_local(self, geometry: Geometry) -> Geometry:
        """A shapely geometry in lon/lat degrees, in local metres."""
        return shapely.transform(geometry, lambda xy: np.column_stack(self._to_local.transform(*xy.T)))

    def geometry_to_geo(self, geometry: Geometry) -> Geometry:
        """A shapely geometry in local metres, in lon/lat degrees."""
        return shapely.transform(geometry, lambda xy: np.column_stack(self._to_geo.transform(*xy.T)))


def rotation_ned_from_body(
    yaw_deg: npt.ArrayLike, pitch_deg: npt.ArrayLike, roll_deg: npt.ArrayLike
) -> FloatArray:
    """Rotation (..., 3, 3), forward-right-down to north-east-down vectors: Rz(yaw) Ry(pitch) Rx(roll),
    for angles of one shape (...).

    MAVLink's and aviation's convention: yaw clockwise from north, pitch nose up, roll right wing down.
    """
    (cy, sy), (cp, sp), (cr, sr) = (
        (np.cos(np.radians(angle)), np.sin(np.radians(angle))) for angle in (yaw_deg, pitch_deg, roll_deg)
    )
    rows = (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )
    return np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)


def camera_from_enu(yaw_deg: npt.ArrayLike, pitch_deg: npt.ArrayLike, roll_deg: npt.ArrayLike) -> FloatArray:
    """Rotations (..., 3, 3) of gimbal angles of one shape (...), as `Pose.camera_from_enu` has them."""
    ned_from_gimbal = rotation_ned_from_body(yaw_deg, pitch_deg, roll_deg)
    return CAMERA_FROM_GIMBAL @ np.swapaxes(ned_from_gimbal, -1, -2) @ ENU_FROM_NED


ENU_FROM_NED: FloatArray = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The one place where MAVLink's NED meets our ENU (the matrix is its own inverse)."""

CAMERA_FROM_GIMBAL: FloatArray = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Gimbal forward-right-down to camera right-down-forward (x right, y down, z along the optical axis)."""


@dataclass(frozen=True)
class Pose:
    """A camera in the local frame. Angles are the gimbal's: pitch -90 looks straight down, and the top of
    a nadir image then points along `yaw_deg` (clockwise from north)."""

    east_m: float
    north_m: float
    up_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    @property
    def centre(self) -> FloatArray:
        """Shape (3,), east, north, up in metres (up is AMSL)."""
        return np.array([self.east_m, self.north_m, self.up_m])

    @cached_property
    def camera_from_enu(self) -> FloatArray:
        """3x3 R with p_camera = R @ (p_enu - centre)."""
        return camera_from_enu(self.yaw_deg, self.pitch_deg, self.roll_deg)


def gimbal_angles(camera_from_enu: FloatArray) -> tuple[float, float, float]:
    """(yaw_deg, pitch_deg, roll_deg) of a rotation, so that Pose(...).camera_from_enu gives it back.

    At pitch = +-90 yaw and roll turn about the same axis; roll is then given as 0.
    """
    ned_from_gimbal = (CAMERA_FROM_GIMBAL.T @ camera_from_enu @ ENU_FROM_NED).T
    r = ned_from_gimbal
    pitch = float(np.degrees(np.arcsin(np.clip(-r[2, 0], -1.0, 1.0))))
    if abs(r[2, 0]) > 1 - 1e-9:
        yaw = float(np.degrees(np.arctan2(-r[0, 1], r[1, 1])))
        return yaw % 360.0, pitch, 0.0
    yaw = float(np.degrees(np.arctan2(r[1, 0], r[0, 0])))
    roll = float(np.degrees(np.arctan2(r[2, 1], r[2, 2])))
    return yaw % 360.0, pitch, roll


def nadir_camera_from_body(yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[float, float, float]:
    """Gimbal angles (yaw, pitch, roll; degrees) of a camera fixed to look down from a body at this attitude,
    image top towards the nose: what an airframe without a gimbal sees."""
    ned_from_body = rotation_ned_from_body(yaw_deg, pitch_deg, roll_deg)
    down = rotation_ned_from_body(0.0, -90.0, 0.0)
    camera_from_enu = CAMERA_FROM_GIMBAL @ (ned_from_body @ down).T @ ENU_FROM_NED
    return gimbal_angles(camera_from_enu)
