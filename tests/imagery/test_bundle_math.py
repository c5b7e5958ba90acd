"""The analytic derivatives against finite differences, and rotations there and back."""

import numpy as np

from imagery.bundle_math import (
    project,
    project_with_derivatives,
    rotation_from_vector,
    triangulate,
    vector_from_rotation,
)
from plans.cameras import Camera
from plans.frames import Pose


def _scene(seed: int = 4) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    n = 12
    poses = [Pose(*rng.normal(0, 5, 2), 80 + rng.normal(), *rng.normal((40, -88, 3), 3)) for _ in range(n)]
    rotations = np.array([p.camera_from_enu for p in poses])
    centres = np.array([p.centre for p in poses])
    lens = np.tile([2300.0, 1999.0, 1120.0, -0.02, 0.01, 1e-3, -5e-4], (n, 1))
    points = np.c_[rng.uniform(-15, 15, (n, 2)), rng.uniform(-2, 12, n)]
    return rotations, centres, lens, points


def test_derivatives_agree_with_finite_differences() -> None:
    rotations, centres, lens, points = _scene()
    _, by_pose, by_lens, by_point = project_with_derivatives(rotations, centres, lens, points)
    step = 1e-6
    for k in range(3):
        d = np.zeros(3)
        d[k] = step

        def difference(forward: np.ndarray, backward: np.ndarray, h: float = step) -> np.ndarray:
            return (forward - backward) / (2 * h)

        turn, back = rotation_from_vector(d), rotation_from_vector(-d)
        by_turn = difference(
            project(turn @ rotations, centres, lens, points), project(back @ rotations, centres, lens, points)
        )
        by_centre = difference(
            project(rotations, centres + d, lens, points), project(rotations, centres - d, lens, points)
        )
        by_x = difference(
            project(rotations, centres, lens, points + d), project(rotations, centres, lens, points - d)
        )
        np.testing.assert_allclose(by_pose[:, :, k], by_turn, atol=2e-3, rtol=1e-5)
        np.testing.assert_allclose(by_pose[:, :, 3 + k], by_centre, atol=2e-4, rtol=1e-5)
        np.testing.assert_allclose(by_point[:, :, k], by_x, atol=2e-4, rtol=1e-5)
    for k, step in enumerate([1e-2, 1e-2, 1e-2, 1e-6, 1e-6, 1e-7, 1e-7]):
        d = np.zeros(7)
        d[k] = step
        by_l = difference(
            project(rotations, centres, lens + d, points), project(rotations, centres, lens - d, points), step
        )
        np.testing.assert_allclose(by_lens[:, :, k], by_l, atol=1e-2, rtol=1e-5)


def test_projection_is_the_cameras_own() -> None:
    camera = Camera("test", 6.17, 3.47, 3.61, 4000, 2250, distortion=(-0.02, 0.01, 1e-3, -5e-4, 0.0))
    pose = Pose(3, -2, 60, 30, -85, 4)
    points = np.array([[0.0, 0, 0], [10, 5, 3], [-12, 8, 1]])
    n = len(points)
    k1, k2, p1, p2, _ = camera.distortion
    lens = np.tile([camera.focal_px, *camera.principal_px, k1, k2, p1, p2], (n, 1))
    ours = project(np.tile(pose.camera_from_enu, (n, 1, 1)), np.tile(pose.centre, (n, 1)), lens, points)
    np.testing.assert_allclose(
        ours, camera.project((points - pose.centre) @ pose.camera_from_enu.T), atol=1e-8
    )


def test_rotation_vectors_there_and_back() -> None:
    vectors = np.array([[0.0, 0, 0], [1e-12, 0, 0], [0.1, -0.2, 0.3], [1.5, 1.0, -2.0]])
    np.testing.assert_allclose(vector_from_rotation(rotation_from_vector(vectors)), vectors, atol=1e-12)


def test_triangulation_finds_points_without_a_prior_and_the_prior_without_rays_that_cross() -> None:
    points = np.array([[0.0, 0, 0], [5, 5, 2]])
    centres = np.array([[-10.0, 0, 50], [10, 0, 50], [0, 10, 50], [5, -10, 50]])
    track = np.array([0, 0, 1, 1])
    rays = points[track] - centres
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    found = triangulate(rays, centres, track, 2, np.zeros((2, 3)), weight=1e-9)
    np.testing.assert_allclose(found, points, atol=1e-5)
