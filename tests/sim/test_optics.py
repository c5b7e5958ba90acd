"""What is between ground and stored picture: ridges, the shutter's time, water that nobody can match."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from plans.cameras import Camera
from plans.frames import Pose
from sim.optics import smear_kernel
from sim.rays import ground_hits
from sim.render import Renderer, Scene, load_scene
from sim.view import Motion, View
from sim.world.objects import Building, Trees
from sim.world.paint import SUN_AFTER
from sim.world.terrain import Grid

HALF_M, STEP_M = 150.0, 0.1
GRID = Grid(-HALF_M, HALF_M, STEP_M, round(2 * HALF_M / STEP_M), round(2 * HALF_M / STEP_M))
SURFACE_GRID = Grid(-HALF_M, HALF_M, 1.0, round(2 * HALF_M), round(2 * HALF_M))
CAMERA = Camera("Test", 13.2, 8.8, 8.8, 900, 600)
RED, BLUE = (220, 40, 40), (40, 40, 220)
FLAT = np.full((SURFACE_GRID.rows, SURFACE_GRID.cols), 500.0)


def painted(colour, where=None):
    picture = np.full((GRID.rows, GRID.cols, 3), (110, 110, 110), np.uint8)
    east, north = np.meshgrid(GRID.east_centres_m, GRID.north_centres_m, sparse=True)
    picture[np.broadcast_to(where(east, north), picture.shape[:2])] = colour
    return picture


def count(frame, colour):
    return int((np.abs(frame.astype(int) - colour).max(axis=2) < 40).sum())


def ridge(height_m):
    """A wall of earth across the view, 40 m ahead of the camera's foot, sides of 45 degrees and more."""
    east = SURFACE_GRID.east_centres_m[None, :] + 0 * SURFACE_GRID.north_centres_m[:, None]
    return 500.0 + np.clip(height_m - 1.2 * np.abs(east - 40.0), 0.0, None)


def test_a_ridge_hides_what_is_behind_it():
    """At 30 degrees below the horizon 20 m of ridge hide the ground up to 37 m behind its crest."""
    red_strip = painted(RED, lambda e, n: (e > 60) & (e < 72))
    pose = Pose(-30, 0, 560, 90, -30, 0)
    level, _ = Renderer(Scene.of(red_strip, GRID, FLAT, SURFACE_GRID), CAMERA).view(pose)
    hidden, _ = Renderer(Scene.of(red_strip, GRID, ridge(20.0), SURFACE_GRID), CAMERA).view(pose)
    assert count(level, RED) > 8000
    assert count(hidden, RED) == 0
    beyond = painted(BLUE, lambda e, n: e > 115)
    over, _ = Renderer(Scene.of(beyond, GRID, ridge(20.0), SURFACE_GRID), CAMERA).view(pose)
    assert count(over, BLUE) > 2000


def test_above_the_skyline_there_is_sky_and_below_it_ground():
    pose = Pose(-100, 0, 530, 90, -5, 0)
    frame, _ = Renderer(Scene.of(painted(RED, lambda e, n: e > -900), GRID, FLAT, SURFACE_GRID), CAMERA).view(
        pose
    )
    assert count(frame[:200], RED) == 0
    assert count(frame[-200:], RED) == frame[-200:].shape[0] * frame.shape[1]
    end = View(CAMERA, pose).pixels([[HALF_M - 0.5, 0.0, 500.0]])[0][0, 1]
    first = np.flatnonzero(np.abs(frame[:, 450].astype(int) - RED).max(axis=1) < 40)[0]
    assert first == pytest.approx(end, abs=5)


def test_a_tree_far_beside_the_picture_is_not_folded_into_it():
    """Beyond the fold of its polynomial a lens model puts places back into the picture."""
    lens = replace(CAMERA, distortion=(-0.15, 0.0, 0.0, 0.0, 0.0))
    side = 60 * lens.fold_radius * 1.4
    seen = lens.project([[side, 0.0, 60.0]])[0]
    assert 0 < seen[0] < lens.image_width_px  # the trap is there
    one = np.array([side])
    trees = Trees(one, one * 0, one * 0 + 500, one * 0 + 4, one * 0 + 1, np.array([0]), one * 0)
    plain = painted(RED, lambda e, n: e > -900)
    pose = Pose(0, 0, 560, 0, -90, 0)
    frame, _ = Renderer(Scene.of(plain, GRID, FLAT, SURFACE_GRID, trees=trees), lens).view(pose)
    bare, _ = Renderer(Scene.of(plain, GRID, FLAT, SURFACE_GRID), lens).view(pose)
    assert (frame == bare).all()


def edge_width_px(frame, row):
    """From a tenth to nine tenths of a dark-to-light edge along a row."""
    line = frame[row].astype(float).mean(axis=1)
    share = (line - line[:40].mean()) / (line[-40:].mean() - line[:40].mean())
    cross = [np.interp(level, share[350:550], np.arange(350, 550)) for level in (0.1, 0.9)]
    return cross[1] - cross[0]


def test_a_photo_is_smeared_as_far_as_the_ground_goes_while_the_shutter_is_open():
    camera = replace(CAMERA, exposure_s=1 / 100)
    scene = Scene.of(painted((10, 10, 10), lambda e, n: e < 0), GRID, FLAT, SURFACE_GRID)
    renderer, pose = Renderer(scene, camera), Pose(0, 0, 560, 0, -90, 0)
    still = edge_width_px(renderer.render(pose), 300)
    across = edge_width_px(renderer.render(pose, 0, Motion((60.0, 0.0, 0.0))), 300)
    along = edge_width_px(renderer.render(pose, 0, Motion((0.0, 60.0, 0.0))), 300)
    way_px = 60.0 / 100 / 60 * camera.focal_px
    assert way_px == pytest.approx(6.0)
    assert across == pytest.approx(np.hypot(still, 0.8 * way_px), abs=0.6)  # a box's 10 to 90 % are 0.8 of it
    assert along == pytest.approx(still, abs=0.3)


def test_a_turning_camera_smears_the_corners_and_not_the_middle():
    camera = Camera("Large", 13.2, 8.8, 8.8, 1800, 1200, exposure_s=1 / 50)
    rng = np.random.default_rng(1)
    speckled = cv2.merge([rng.integers(60, 200, (GRID.rows, GRID.cols)).astype(np.uint8)] * 3)
    renderer, pose = (
        Renderer(Scene.of(speckled, GRID, FLAT, SURFACE_GRID), camera),
        Pose(0, 0, 600, 0, -90, 0),
    )
    still = renderer.render(pose).astype(float)
    turning = renderer.render(pose, 0, Motion(turn_radps=(0.0, 0.0, 0.5))).astype(float)
    loss = [turning[part].std() / still[part].std() for part in
            ((slice(580, 620), slice(880, 920)), (slice(0, 150), slice(0, 150)))]  # fmt: skip
    assert loss[0] > 0.9
    assert loss[1] < 0.6


def test_a_smear_has_the_light_of_the_frame_and_lies_along_its_way():
    kernel = smear_kernel(np.array([6.0, -3.0]))
    rows, cols = (np.arange(n) - n // 2 for n in kernel.shape)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel.sum(axis=0) @ cols, kernel.sum(axis=1) @ rows) == pytest.approx((0, 0), abs=1e-6)
    spread = kernel.sum(axis=0) @ cols**2, kernel.sum(axis=1) @ rows**2
    assert spread == pytest.approx((36 / 12, 9 / 12), abs=0.35)
    assert rows @ kernel @ cols < -1.0  # down to the left, up to the right


def test_a_house_has_the_pose_of_its_rows_too():
    """A roof under a camera that rolls its shutter: red where each corner is at the time of its own row."""
    camera = replace(CAMERA, readout_s=0.1)
    house = Building(1, "v", 10.0, 12.0, 0.0, 12.0, 10.0, 500.0, 8.0, 0.0, RED, (60, 60, 220), 1)
    picture = painted(RED, lambda e, n: (abs(e - 10) < 6) & (abs(n - 12) < 5))
    scene = Scene.of(picture, GRID, FLAT, SURFACE_GRID, buildings=[house])
    pose, motion = Pose(0, 0, 560, 0, -90, 0), Motion((20.0, 10.0, 0.0), (0.0, 0.0, 0.3))
    view = View(camera, pose, motion)
    stated, _ = view.pixels(house.roof_planes[0])
    frame, _ = Renderer(scene, camera).view(pose, motion)
    y, x = (np.abs(frame.astype(int) - RED).max(axis=2) < 40).nonzero()
    assert (x.mean(), y.mean()) == pytest.approx(stated.mean(axis=0), abs=0.7)
    still, _ = View(camera, pose).pixels(house.roof_planes[0])
    assert np.hypot(*(stated - still).mean(axis=0)) > 4.0


def test_the_sun_glitters_on_the_water_where_it_is_mirrored_and_only_there():
    azimuth, elevation = SUN_AFTER
    whole = np.full((GRID.rows, GRID.cols), 255, np.uint8)
    scene = Scene.of(painted((80, 80, 70), lambda e, n: e > -900), GRID, FLAT, SURFACE_GRID, water=whole)
    renderer = Renderer(scene, CAMERA)
    towards = renderer.render(Pose(0, 0, 560, azimuth, -elevation, 0), 1)
    away = renderer.render(Pose(0, 0, 560, azimuth + 180, -elevation, 0), 1)
    middle = (slice(260, 340), slice(410, 490))
    assert towards[middle].mean() > away[middle].mean() + 30
    assert towards[middle].std() > 2 * away[middle].std()


def matched(one, two, where):
    """(matches that agree with one homography, features) of SIFT within a mask of the first picture."""
    sift = cv2.SIFT_create(contrastThreshold=0.008)  # a fifth of the usual: water has features too
    (ka, da), (kb, db) = (
        sift.detectAndCompute(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), m) for f, m in ((one, where), (two, None))
    )
    pairs = cv2.BFMatcher().knnMatch(da, db, k=2)
    good = [a for a, b in pairs if a.distance < 0.8 * b.distance]
    return np.array([ka[m.queryIdx].pt for m in good]), np.array([kb[m.trainIdx].pt for m in good]), len(ka)


def test_water_gives_no_tie_points_and_land_does(world):
    """Two photos of the flooded valley; a match is right within 3 px of the truth."""
    scene, camera = load_scene(world.folder), Camera("1 MP", 13.2, 8.8, 8.8, 1350, 900)
    ground = float(np.median(scene.surface_m))
    wet_share = (scene.waters[2] > 200).mean()
    assert wet_share > 0.1
    poses = [Pose(e, 10.0, ground + 100.0, 90, -90, 0) for e in (-10.0, 10.0)]
    renderer = Renderer(scene, camera)
    one, two = (renderer.render(pose, seed) for seed, pose in enumerate(poses))
    opacity = renderer.view(poses[0])[1]
    wet = cv2.erode((opacity > 200).astype(np.uint8) * 255, np.ones((41, 41)))
    dry = cv2.erode((opacity < 5).astype(np.uint8) * 255, np.ones((41, 41)))
    dry[:, 350:] = 0  # enough of the land
    rate = {}
    for name, where in (("wet", wet), ("dry", dry)):
        a, b, features = matched(one, two, where)
        rays = camera.rays(a) @ poses[0].camera_from_enu
        right = np.zeros(len(a), bool)
        if len(a):
            hits = ground_hits(scene, np.repeat(poses[0].centre[None], len(a), 0), rays[:, None, :])[:, 0]
            right = np.hypot(*(View(camera, poses[1]).pixels(hits)[0] - b).T) < 3.0
        area_mpx = (where > 0).sum() / 1e6
        rate[name] = right.sum() / area_mpx
        assert features > 100
        print(f"{name}: {area_mpx:.2f} Mpx, {features} features, {right.sum()} right of {len(a)} matches")
    assert rate["dry"] > 100
    assert rate["wet"] < 0.03 * rate["dry"]
