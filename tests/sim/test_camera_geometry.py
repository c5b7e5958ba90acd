"""A checkerboard on the ground, photographed and found again by OpenCV: each corner is where the stated
camera model, pose and relief put it, and OpenCV's calibration gives the stated camera back."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from plans.cameras import Camera
from plans.frames import Pose, camera_from_enu
from sim.render import Renderer, Scene
from sim.view import Motion
from sim.world.terrain import Grid

CAMERA = Camera(
    "Distorted 12 Mpx",
    17.3,
    13.0,
    12.3,
    4000,
    3000,
    principal_dx_px=14.0,
    principal_dy_px=-9.0,
    distortion=(-0.06, 0.025, 0.0006, -0.0004, -0.004),
)
ROLLING = Camera(**{**CAMERA.__dict__, "readout_s": 0.03, "exposure_s": 1 / 500})
SQUARE_M = 4.0
STEP_M = 0.04
SIDE_M = 320.0
GRID = Grid(-SIDE_M / 2, SIDE_M / 2, STEP_M, round(SIDE_M / STEP_M), round(SIDE_M / STEP_M))
COARSE = Grid(-SIDE_M / 2 - 1, SIDE_M / 2 + 1, 1.0, round(SIDE_M) + 2, round(SIDE_M) + 2)


def flat(east, north):
    return 500.0 + 0.0 * np.asarray(east) + 0.0 * np.asarray(north)


def slope(east, north):
    """A hillside of 24 degrees."""
    return 500.0 + 0.40 * np.asarray(east) + 0.20 * np.asarray(north)


def hills(east, north):
    """Knolls and hollows of 9 m, slopes up to 27 degrees."""
    return 500.0 + 9.0 * np.sin(np.asarray(east) / 24.0) * np.cos(np.asarray(north) / 31.0)


@pytest.fixture(scope="module")
def board():
    """The picture (rows, cols, 3): each pixel the mean of the squares in it."""
    along = [(np.floor(v / SQUARE_M) % 2 * 2 - 1) for v in (GRID.east_centres_m, GRID.north_centres_m)]
    shade = np.where(np.outer(along[1], along[0]) > 0, 190, 60).astype(np.uint8)
    return cv2.merge([shade] * 3)


def scene_of(board, heights):
    """STEP_M divides the squares, so every corner of a square is a corner of four pixels."""
    surface = heights(*np.meshgrid(COARSE.east_centres_m, COARSE.north_centres_m))
    return Scene.of(board, GRID, surface, COARSE)


def corners(scene):
    """(n, n, 3) corners of the squares on the ground, bilinear between its heights as the renderer has it."""
    ticks = np.arange(-SIDE_M / 2 + SQUARE_M, SIDE_M / 2, SQUARE_M)
    east, north = np.meshgrid(ticks, ticks)
    return np.dstack([east, north, scene.surface_grid.sample(scene.surface_m, east, north)])


def stated_pixels(camera, pose, places, motion=None):
    """Where the camera model puts places. With a motion each is seen at the time of its own row, worked out
    here from the camera's read-out and the rotation's matrix exponential, apart from the renderer's code."""
    if motion is None:
        return camera.project((places - pose.centre) @ pose.camera_from_enu.T)
    pixels = stated_pixels(camera, pose, places)
    for _ in range(5):
        out = []
        for place, row in zip(places, pixels[:, 1], strict=True):
            time_s = (row / (camera.image_height_px - 1) - 0.5) * camera.readout_s
            turned, _ = cv2.Rodrigues(np.array(motion.turn_radps) * time_s)
            centre = pose.centre + np.array(motion.velocity_mps) * time_s
            out.append(camera.project(pose.camera_from_enu @ turned.T @ (place - centre))[0])
        pixels = np.array(out)
    return pixels


def visible(scene, pose, places):
    """Which places (..., 3) no ground hides, by walking from each to the camera."""
    share = np.linspace(0.01, 0.99, 120).reshape(-1, *[1] * places.ndim)
    way = places + share * (pose.centre - places)
    ground = scene.surface_grid.sample(scene.surface_m, way[..., 0], way[..., 1])
    return (way[..., 2] > ground - 0.02).all(axis=0)


def in_view(camera, pose, scene, motion=None):
    """((m, 3) corners, (m, 2) their stated pixels) of those that OpenCV can measure: wholly in the picture,
    in sight with their neighbours, in squares at least 18 px across in their narrow direction."""
    places = corners(scene)
    seen = (places - pose.centre) @ pose.camera_from_enu.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = (seen[..., 2] > 1) & (np.hypot(seen[..., 0], seen[..., 1]) < 0.95 * seen[..., 2])
    clear = ahead & visible(scene, pose, places)
    pixels = camera.project(seen.reshape(-1, 3)).reshape(*seen.shape[:2], 2)
    good = np.zeros(clear.shape, bool)
    good[1:-1, 1:-1] = (
        clear[1:-1, 1:-1] & clear[:-2, 1:-1] & clear[2:, 1:-1] & clear[1:-1, :-2] & clear[1:-1, 2:]
    )
    one = (pixels[1:-1, 2:] - pixels[1:-1, :-2]) / 2
    two = (pixels[2:, 1:-1] - pixels[:-2, 1:-1]) / 2
    area = np.abs(one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0])
    with np.errstate(invalid="ignore"):
        good[1:-1, 1:-1] &= area / np.maximum(np.hypot(*one.T).T, np.hypot(*two.T).T) > 18
        size = [camera.image_width_px, camera.image_height_px]
        good &= ((pixels > 30) & (pixels < np.array(size) - 30)).all(axis=2)
    places = places[good]
    return places, stated_pixels(camera, pose, places, motion)


def found_pixels(frame, near):
    """(n, 2) corners that OpenCV finds within two pixels of these."""
    rough = (near + np.random.default_rng(1).uniform(-2, 2, near.shape)).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.cornerSubPix(grey, rough.reshape(-1, 1, 2), (7, 7), (-1, -1), stop).reshape(-1, 2)


def off_px(frame, camera, pose, scene, motion=None):
    """((n, 2) found less stated, (n, 2) stated) of all corners that OpenCV can measure."""
    _, stated = in_view(camera, pose, scene, motion)
    return found_pixels(frame, stated) - stated, stated


def rms(off):
    return float(np.sqrt((off**2).sum(axis=1).mean()))


POSES = {
    "nadir": Pose(3, -5, 600, 0, -90, 0),
    "turned and rolled": Pose(-8, 6, 596, 217, -84, 5),
    "oblique 45": Pose(-90, -60, 590, 55, -45, 0),
    "oblique 30, rolled": Pose(-130, 40, 580, 110, -30, -6),
}


@pytest.mark.parametrize(
    ("heights", "name"),
    [
        (flat, "nadir"),
        (flat, "oblique 30, rolled"),
        *((ground, name) for ground in (slope, hills) for name in POSES if name != "nadir"),
    ],
)
def test_corners_are_found_where_the_camera_model_puts_them(board, heights, name):
    scene, pose = scene_of(board, heights), POSES[name]
    frame, _ = Renderer(scene, CAMERA).view(pose)
    off, _ = off_px(frame, CAMERA, pose, scene)
    print(f"{len(off)} corners: {rms(off):.3f} px rms, {np.abs(off).max():.2f} at the most")
    assert len(off) > 150
    assert rms(off) <= 0.3
    assert np.abs(off.mean(axis=0)).max() < 0.05


def test_with_lens_and_noise_as_well(board):
    scene, pose = scene_of(board, hills), POSES["turned and rolled"]
    off, _ = off_px(Renderer(scene, CAMERA).render(pose, 1), CAMERA, pose, scene)
    print(f"lens and noise: {rms(off):.3f} px rms")
    assert rms(off) <= 0.3


def test_with_a_rolling_shutter_each_row_has_the_pose_of_its_own_time(board):
    scene, pose = scene_of(board, hills), POSES["turned and rolled"]
    motion = Motion((9.0, 6.0, -1.0), (0.05, -0.08, 0.30))
    frame = Renderer(scene, ROLLING).render(pose, 1, motion)
    off, _ = off_px(frame, ROLLING, pose, scene, motion)
    places, stated = in_view(ROLLING, pose, scene, motion)
    naive = found_pixels(frame, stated) - stated_pixels(ROLLING, pose, places)
    print(f"rolling, smeared by {smear_px(pose, motion):.1f} px: {rms(off):.3f} px rms; ")
    print(f"to the pose of the middle row {rms(naive):.2f} px rms")
    assert rms(off) <= 0.3
    assert np.abs(off.mean(axis=0)).max() < 0.1
    middle = np.abs(stated[:, 1] - (ROLLING.image_height_px - 1) / 2) < 200
    edge = np.abs(stated[:, 1] - (ROLLING.image_height_px - 1) / 2) > 1200
    assert np.hypot(*naive[middle].T).mean() < 1.0  # the stated pose is the middle row's
    assert np.hypot(*naive[edge].T).mean() > 4.0


def smear_px(pose, motion):
    return np.linalg.norm(motion.velocity_mps) * ROLLING.exposure_s * ROLLING.focal_px / (pose.up_m - 500)


def test_opencv_calibrates_the_camera_that_was_stated(board):
    """Nine views over relief, from several heights and angles; nothing is told but the picture's size."""
    scene = scene_of(board, hills)
    renderer = Renderer(scene, CAMERA)
    poses = [
        *(Pose(0, 0, 590, yaw, -90, 0) for yaw in (0, 90)),
        Pose(10, -10, 640, 30, -88, 2),
        *(Pose(-70 * np.sin(a), -70 * np.cos(a), 585, np.degrees(a), -55, r) for a, r in
          zip(np.linspace(0, 2 * np.pi, 6, endpoint=False), (0, 30, -30, 60, 0, 90), strict=True)),
    ]  # fmt: skip
    objects, pictures = [], []
    for pose in poses:
        places, stated = in_view(CAMERA, pose, scene)
        objects.append((places - [0, 0, 500]).astype(np.float32))
        pictures.append(found_pixels(renderer.view(pose)[0], stated).astype(np.float32))
    # OpenCV wants a first guess where the points are not in a plane: one that is wrong in everything
    guess = np.array([[2500.0, 0, 2000], [0, 2500.0, 1500], [0, 0, 1]])
    size, flags = (4000, 3000), cv2.CALIB_USE_INTRINSIC_GUESS
    error, matrix, distortion, turns, ways = cv2.calibrateCamera(
        objects, pictures, size, guess, None, flags=flags
    )
    print(f"{sum(map(len, objects))} corners in {len(poses)} views: {error:.3f} px rms")
    print(matrix.round(3).tolist(), distortion.round(5).tolist())
    assert error <= 0.3
    assert [matrix[0, 0], matrix[1, 1]] == pytest.approx([CAMERA.focal_px] * 2, rel=2e-4)
    assert [matrix[0, 2], matrix[1, 2]] == pytest.approx(CAMERA.principal_px, abs=0.5)
    edge = np.array([[x, y, 1.0] for x, y in itertools.product((-0.7, 0, 0.7), (-0.52, 0, 0.52))])
    theirs, _ = cv2.projectPoints(edge, np.zeros(3), np.zeros(3), matrix, distortion)
    assert np.abs(theirs.reshape(-1, 2) - CAMERA.project(edge)).max() < 0.5
    for pose, turn, way in zip(poses, turns, ways, strict=True):
        rotation, _ = cv2.Rodrigues(turn)
        assert (-rotation.T @ way).ravel() == pytest.approx(pose.centre - [0, 0, 500], abs=0.03)
        stated = camera_from_enu(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
        assert np.degrees(np.linalg.norm(cv2.Rodrigues(rotation @ stated.T)[0])) < 0.02
