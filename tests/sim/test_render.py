"""What the simulated camera shows: each place on the pixel where a camera there would show it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from plans.cameras import Camera
from plans.frames import Pose
from sim.render import Renderer, Scene
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.terrain import Grid

STEP_M = 0.05
HALF_M = 60.0
GRID = Grid(-HALF_M, HALF_M, STEP_M, round(2 * HALF_M / STEP_M), round(2 * HALF_M / STEP_M))
SURFACE_GRID = Grid(-100.0, 100.0, 1.0, 200, 200)
CAMERA = Camera("Test", 13.2, 8.8, 8.8, 900, 600)
CURVED = Camera("Curved", 13.2, 8.8, 8.8, 900, 600, distortion=(-0.05, 0.01, 0.0005, -0.0004, 0.0))


def hill(east, north):
    """Smooth ground, 500 m and a hill of 8 m."""
    return 500 + 8 * np.exp(-((np.asarray(east) - 15) ** 2 + (np.asarray(north) + 10) ** 2) / 900)


SURFACE = hill(*np.meshgrid(SURFACE_GRID.east_centres_m, SURFACE_GRID.north_centres_m))


def spots(places, sigma_m=0.35):
    """A dark ground with a soft bright spot at each place."""
    east, north = np.meshgrid(GRID.east_centres_m, GRID.north_centres_m)
    picture = np.zeros((GRID.rows, GRID.cols), np.float32)
    for e, n in places:
        near = (np.abs(east[0] - e) < 2.5).nonzero()[0], (np.abs(north[:, 0] - n) < 2.5).nonzero()[0]
        window = np.ix_(near[1], near[0])
        picture[window] += 200 * np.exp(
            -((east[window] - e) ** 2 + (north[window] - n) ** 2) / 2 / sigma_m**2
        )
    return cv2.merge([np.clip(picture + 20, 0, 255).astype(np.uint8)] * 3)


def texture(seed=1):
    """Ground with detail of every size."""
    rng = np.random.default_rng(seed)
    picture = np.full((GRID.rows, GRID.cols), 110.0, np.float32)
    for octave in range(3, 12):
        small = rng.normal(0, 12, (2**octave, 2**octave)).astype(np.float32)
        picture += cv2.resize(small, (GRID.cols, GRID.rows), interpolation=cv2.INTER_CUBIC)
    return cv2.merge([np.clip(picture, 0, 255).astype(np.uint8)] * 3)


def centroid(frame, around, reach=14):
    """Brightness centroid (x, y) of what stands out near a pixel."""
    x, y = (round(float(v)) for v in around)
    window = frame[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(float).mean(axis=2)
    weight = np.clip(window - np.median(window) - 10, 0, None)
    rows, cols = np.mgrid[: window.shape[0], : window.shape[1]]
    return np.array([(weight * cols).sum(), (weight * rows).sum()]) / weight.sum() + [x - reach, y - reach]


def pixel_of(camera, pose, point):
    """Where the camera model puts a place."""
    return camera.project((np.asarray(point, float) - pose.centre) @ pose.camera_from_enu.T)[0]


@pytest.mark.parametrize("camera", [CAMERA, CURVED], ids=["straight", "curved"])
@pytest.mark.parametrize(
    "pose",
    [Pose(0, 0, 560, 0, -90, 0), Pose(4, -6, 556, 217, -90, 0), Pose(-5, 8, 560, 40, -80, 4)],
    ids=["nadir", "turned", "tilted"],
)
def test_a_known_place_lands_on_its_predicted_pixel(camera, pose):
    places = [(e, n) for e in (-20, 0, 20) for n in (-14, 0, 14)]
    scene = Scene.of(spots(places), GRID, SURFACE, SURFACE_GRID)
    frame, water = Renderer(scene, camera).view(pose)
    assert water is None
    seen = 0
    for e, n in places:
        predicted = pixel_of(camera, pose, (e, n, float(hill(e, n))))
        if (predicted < 20).any() or (predicted > [880, 580]).any():
            continue
        assert np.abs(centroid(frame, predicted) - predicted).max() < 0.2
        seen += 1
    assert seen >= 6


@pytest.mark.parametrize(
    "pose", [Pose(0, 0, 560, 0, -90, 0), Pose(-5, 8, 560, 40, -80, 4)], ids=["nadir", "tilted"]
)
def test_ground_between_the_traced_rays_is_off_by_less_than_a_tenth_of_a_pixel(monkeypatch, pose):
    """Beside it the plain way: a ray for every pixel. The waves have at most 30 grey levels to a pixel."""
    east, north = np.meshgrid(GRID.east_centres_m, GRID.north_centres_m)
    waves = 127 + 120 * np.sin((east + 0.6 * north) * 2 * np.pi / 3.0)
    scene = Scene.of(cv2.merge([np.round(waves).astype(np.uint8)] * 3), GRID, SURFACE, SURFACE_GRID)
    fast, _ = Renderer(scene, CAMERA).view(pose)
    for module in ("rays", "render", "standing", "optics"):
        monkeypatch.setattr(f"sim.{module}.NODE_PX", 1)
    plain, _ = Renderer(scene, CAMERA).view(pose)
    assert plain.std() > 60
    off = fast.astype(int) - plain.astype(int)
    assert np.abs(off).max() <= 3
    assert np.sqrt((off**2).mean()) < 1.0


def house(**change):
    values = {
        "building_id": 1,
        "village": "v",
        "east_m": 14.0,
        "north_m": 0.0,
        "heading_rad": 0.0,
        "length_m": 6.0,
        "width_m": 6.0,
        "base_m": 500.0,
        "wall_m": 9.0,
        "rise_m": 0.0,
        "roof_colour": (200, 60, 60),
        "wall_colour": (60, 60, 220),
        "people": 1,
    }
    return Building(**{**values, **change})


def red_ground(building):
    """Grey ground, red where the building's roof is."""
    east, north = np.meshgrid(GRID.east_centres_m, GRID.north_centres_m)
    picture = np.full((GRID.rows, GRID.cols, 3), 90, np.uint8)
    roof = (np.abs(east - building.east_m) < building.length_m / 2) & (
        np.abs(north - building.north_m) < building.width_m / 2
    )
    picture[roof] = (220, 40, 40)
    return picture


def where(frame, colour):
    """Mean (x, y) of the pixels of a colour, and how many there are."""
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    mask = (red > blue + 60) & (red > green + 60) if colour == "red" else (blue > red + 40)
    y, x = mask.nonzero()
    return np.array([x.mean(), y.mean()]) if len(x) else None, len(x)


@pytest.mark.parametrize("north", [0.0, 9.0])
@pytest.mark.parametrize("east", [14.0, -14.0])
def test_a_house_leans_away_from_nadir_and_shows_its_wall(east, north):
    building = house(east_m=east, north_m=north)
    flat = np.full((200, 200), 500.0)
    scene = Scene.of(red_ground(building), GRID, flat, SURFACE_GRID, buildings=[building])
    pose = Pose(0, 0, 560, 0, -90, 0)
    frame, _ = Renderer(scene, CAMERA).view(pose)
    roof, _ = where(frame, "red")
    at_eave = pixel_of(CAMERA, pose, (east, north, 509.0))
    at_ground = pixel_of(CAMERA, pose, (east, north, 500.0))
    assert np.abs(roof - at_eave).max() < 1.5
    middle = np.array(CAMERA.principal_px)
    assert np.linalg.norm(roof - middle) > np.linalg.norm(at_ground - middle) * 1.12
    wall, count = where(frame, "blue")
    assert count > 300
    assert np.linalg.norm(wall - middle) < np.linalg.norm(roof - middle)  # the wall faces the camera


def test_right_under_the_camera_a_house_shows_no_wall():
    building = house(east_m=0.0)
    scene = Scene.of(
        red_ground(building), GRID, np.full((200, 200), 500.0), SURFACE_GRID, buildings=[building]
    )
    frame, _ = Renderer(scene, CAMERA).view(Pose(0, 0, 560, 0, -90, 0))
    assert where(frame, "blue")[1] == 0
    roof, count = where(frame, "red")
    assert roof == pytest.approx(CAMERA.principal_px, abs=1)
    assert count == pytest.approx((6 * CAMERA.focal_px / 51) ** 2, rel=0.03)  # 51 m above the roof


def test_what_is_nearer_hides_what_is_behind_it():
    front, back = house(wall_m=20.0), house(building_id=2, east_m=20.5, wall_colour=(40, 220, 40), wall_m=3.0)
    scene = Scene.of(
        red_ground(front), GRID, np.full((200, 200), 500.0), SURFACE_GRID, buildings=[back, front]
    )
    frame, _ = Renderer(scene, CAMERA).view(Pose(-6, 0, 540, 0, -80, 0))
    assert where(frame, "blue")[1] > 300
    green = (frame[..., 1].astype(int) > frame[..., 0].astype(int) + 60).sum()
    assert green < 60  # its low wall stands behind the tall house


def test_a_tree_stands_higher_than_the_ground_it_grows_on():
    picture = np.full((GRID.rows, GRID.cols, 3), 200, np.uint8)
    one = np.array([16.0])
    trees = Trees(one, one * 0, one * 0 + 500, one * 0 + 2.5, one * 0 + 12.0, np.array([0]), one * 0)
    scene = Scene.of(picture, GRID, np.full((200, 200), 500.0), SURFACE_GRID, trees=trees)
    pose = Pose(0, 0, 560, 0, -90, 0)
    frame, _ = Renderer(scene, CAMERA).view(pose)
    _, x = (frame.max(axis=2) < 150).nonzero()
    assert len(x) > 500
    ground, top = (pixel_of(CAMERA, pose, (16, 0, up)) for up in (500, 512))
    assert ground[0] + 2 < x.mean() < top[0]


def detail(frame):
    grey = frame.astype(np.float32).mean(axis=2)
    return grey - cv2.GaussianBlur(grey, (0, 0), 6)


def alike(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_two_photos_agree_on_land_and_not_on_water():
    water = np.zeros((GRID.rows, GRID.cols), np.uint8)
    water[:, : GRID.cols // 2] = 255  # the west is flooded
    ground = texture()
    ground[:, : GRID.cols // 2] = (110, 100, 80)
    scene = Scene.of(ground, GRID, np.full((200, 200), 500.0), SURFACE_GRID, water=water)
    renderer, pose = Renderer(scene, CAMERA), Pose(0, 0, 560, 0, -90, 0)
    one, two = (detail(renderer.render(pose, seed)) for seed in (1, 2))
    assert alike(one[:, 480:], two[:, 480:]) > 0.9
    assert abs(alike(one[:, :420], two[:, :420])) < 0.1
    calm = Scene.of(ground, GRID, np.full((200, 200), 500.0), SURFACE_GRID)
    still = detail(Renderer(calm, CAMERA).render(pose, 1))
    assert one[:, :420].std() > 1.5 * still[:, :420].std()  # there are waves to see, other ones each time


def test_what_stands_in_the_water_does_not_ripple():
    building = house(wall_m=4.0)
    water = np.full((GRID.rows, GRID.cols), 255, np.uint8)
    scene = Scene.of(
        red_ground(building),
        GRID,
        np.full((200, 200), 500.0),
        SURFACE_GRID,
        water=water,
        buildings=[building],
    )
    _, wet = Renderer(scene, CAMERA).view(Pose(0, 0, 560, 0, -90, 0))
    x, y = (round(float(v)) for v in pixel_of(CAMERA, Pose(0, 0, 560, 0, -90, 0), (14, 0, 504)))
    assert wet[y, x] == 0
    assert wet[y, x - 250] == 255


def test_the_same_pose_and_seed_give_the_same_frame_and_the_sensor_has_noise():
    scene = Scene.of(texture(), GRID, SURFACE, SURFACE_GRID)
    renderer, pose = Renderer(scene, CAMERA), Pose(2, 3, 555, 30, -88, 1)
    one = renderer.render(pose, 7)
    assert one.shape == (600, 900, 3)
    assert (one == renderer.render(pose, 7)).all()
    assert (one != renderer.render(pose, 8)).any()
    noise = one.astype(int) - renderer.render(pose, 8)
    assert 1 < noise.std() < 12


def test_corners_are_darker_than_the_middle():
    scene = Scene.of(np.full((GRID.rows, GRID.cols, 3), 150, np.uint8), GRID, SURFACE, SURFACE_GRID)
    frame = Renderer(scene, CAMERA).render(Pose(0, 0, 545, 0, -90, 0), 1)
    assert frame[:30, :30].mean() < 0.9 * frame[285:315, 435:465].mean()


def test_noise_is_that_of_its_seed_and_its_name():
    assert generator(1, "a").integers(1 << 30) == generator(1, "a").integers(1 << 30)
    assert generator(1, "a").integers(1 << 30) != generator(1, "b").integers(1 << 30)
