"""Projection through a pose and a lens, with its derivatives: the arithmetic under the adjustment.

A pose is a rotation R (camera from ENU) and a centre C: p_camera = R (X - C). Small rotations are applied
from the left: R' = exp([w]x) R. Lens: Brown-Conrady, `INTRINSICS` in this order.
"""

from __future__ import annotations

import numpy as np

from plans.frames import FloatArray

INTRINSICS = ("focal_px", "cx_px", "cy_px", "k1", "k2", "p1", "p2")


def rotation_from_vector(vectors: FloatArray) -> FloatArray:
    """Rotations (n, 3, 3) of rotation vectors (n, 3) in radians (Rodrigues)."""
    v = np.atleast_2d(vectors)
    angle = np.linalg.norm(v, axis=1)[:, None, None]
    k = skew(v)
    small = angle < 1e-9
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1.0, np.sin(safe) / safe)
    b = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    return np.eye(3) + a * k + b * (k @ k)


def vector_from_rotation(rotations: FloatArray) -> FloatArray:
    """Rotation vectors (n, 3) of rotations (n, 3, 3) by less than 180 degrees."""
    r = np.asarray(rotations).reshape(-1, 3, 3)
    axis = np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], axis=1) / 2
    sine = np.linalg.norm(axis, axis=1)
    cosine = (np.trace(r, axis1=1, axis2=2) - 1) / 2
    angle = np.arctan2(sine, cosine)
    factor = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-12), 1.0)
    return axis * factor[:, None]


def skew(vectors: FloatArray) -> FloatArray:
    """Matrices (n, 3, 3) with skew(v) @ p = v x p."""
    v = np.atleast_2d(vectors)
    out = np.zeros((len(v), 3, 3))
    out[:, 0, 1], out[:, 0, 2] = -v[:, 2], v[:, 1]
    out[:, 1, 0], out[:, 1, 2] = v[:, 2], -v[:, 0]
    out[:, 2, 0], out[:, 2, 1] = -v[:, 1], v[:, 0]
    return out


def project(rotations: FloatArray, centres: FloatArray, lens: FloatArray, points: FloatArray) -> FloatArray:
    """Pixels (n, 2); everything is given per observation: (n, 3, 3), (n, 3), (n, 7), (n, 3).

    Points behind the camera give NaN.
    """
    p = np.einsum("nij,nj->ni", rotations, points - centres)
    z = np.where(p[:, 2] > 1e-6, p[:, 2], np.nan)
    x, y = p[:, 0] / z, p[:, 1] / z
    f, cx, cy, k1, k2, p1, p2 = lens.T
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * k2)
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([f * xd + cx, f * yd + cy], axis=1)


def project_with_derivatives(
    rotations: FloatArray, centres: FloatArray, lens: FloatArray, points: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Pixels (n, 2), derivatives by pose (n, 2, 6: rotation, centre), lens (n, 2, 7) and point (n, 2, 3)."""
    p = np.einsum("nij,nj->ni", rotations, points - centres)
    z = np.where(p[:, 2] > 1e-6, p[:, 2], np.nan)
    x, y = p[:, 0] / z, p[:, 1] / z
    f, cx, cy, k1, k2, p1, p2 = lens.T
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * k2)
    slope = k1 + 2 * k2 * r2  # d radial / d r2
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    pixels = np.stack([f * xd + cx, f * yd + cy], axis=1)

    by_ray = np.empty((len(x), 2, 2))
    by_ray[:, 0, 0] = f * (radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x)
    by_ray[:, 0, 1] = f * (2 * x * y * slope + 2 * p1 * x + 2 * p2 * y)
    by_ray[:, 1, 0] = f * (2 * x * y * slope + 2 * p1 * x + 2 * p2 * y)
    by_ray[:, 1, 1] = f * (radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x)

    ray_by_p = np.zeros((len(x), 2, 3))
    ray_by_p[:, 0, 0] = ray_by_p[:, 1, 1] = 1 / z
    ray_by_p[:, 0, 2], ray_by_p[:, 1, 2] = -x / z, -y / z
    by_p = by_ray @ ray_by_p

    by_point = by_p @ rotations
    by_pose = np.concatenate([-by_p @ skew(p), -by_point], axis=2)

    by_lens = np.zeros((len(x), 2, 7))
    by_lens[:, 0, 0], by_lens[:, 1, 0] = xd, yd
    by_lens[:, 0, 1] = by_lens[:, 1, 2] = 1.0
    by_lens[:, 0, 3], by_lens[:, 1, 3] = f * x * r2, f * y * r2
    by_lens[:, 0, 4], by_lens[:, 1, 4] = f * x * r2 * r2, f * y * r2 * r2
    by_lens[:, 0, 5], by_lens[:, 1, 5] = f * 2 * x * y, f * (r2 + 2 * y * y)
    by_lens[:, 0, 6], by_lens[:, 1, 6] = f * (r2 + 2 * x * x), f * 2 * x * y
    return pixels, by_pose, by_lens, by_point


def triangulate(
    directions: FloatArray,
    centres: FloatArray,
    track: np.ndarray,
    count: int,
    prior: FloatArray,
    weight: float,
) -> FloatArray:
    """Points (count, 3) nearest to their rays, pulled weakly to `prior` (count, 3).

    `directions` (n, 3) unit vectors in ENU, `centres` (n, 3), `track` (n,) sorted; `weight` of the prior
    against one ray.
    """
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    starts = np.searchsorted(track, np.arange(count))
    normal = np.add.reduceat(across, starts, axis=0) + weight * np.eye(3)
    right = np.add.reduceat(np.einsum("nij,nj->ni", across, centres), starts, axis=0) + weight * prior
    return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0], np.float64)
