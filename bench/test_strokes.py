"""Water from a few strokes: a stand-in for real flood photos with masks. Two real photos of a lake shore with
truth drawn by hand, and simulated floods, half of them faded, blurred and compressed as old footage is."""

import time

import cv2
import numpy as np
import pytest
from rasterio.windows import Window

from sim.world import make_world

from .lake_shore import WATER, drawn_picture
from .strokes import SIZE_PX, Scene, classified, iou_of_water, paint, scenes_of_world

REPEATS = 3


def _faded(scene: Scene) -> Scene:
    pale = (cv2.GaussianBlur(scene.rgb, (0, 0), 1.0) * 0.6 + 60).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", pale, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return Scene(f"{scene.name} faded", cv2.imdecode(packed, cv2.IMREAD_COLOR), scene.truth)


@pytest.fixture(scope="module")
def scenes(brighton, tmp_path_factory):
    found = [Scene(d.photo, *drawn_picture(brighton, d, SIZE_PX)) for d in WATER]
    for seed in (21, 22):
        world = tmp_path_factory.mktemp("world")
        make_world(world, seed, 600, 0.2)
        parts = scenes_of_world(world, f"county {seed}")
        found += [*parts[::2], *(_faded(part) for part in parts[1::2])]
    return found


@pytest.mark.parametrize(("per_class", "mean", "tenth"), [(8, 0.74, 0.58), (20, 0.80, 0.58)])
def test_water_from_strokes(scenes, tell, per_class: int, mean: float, tenth: float) -> None:
    ious, cpu_s = np.zeros((len(scenes), REPEATS)), []
    for row, scene in enumerate(scenes):
        for seed in range(REPEATS):
            samples = paint(scene, per_class, seed)
            began_s = time.process_time()
            said = classified(scene, samples)
            cpu_s.append(time.process_time() - began_s)
            painted = samples.burn(scene.grid, Window(0, 0, *SIZE_PX)) > 0
            ious[row, seed] = iou_of_water(said, scene, painted)
    tell(
        f"{per_class} strokes a class, {len(scenes)} scenes: IoU {ious.mean():.3f}, tenth percentile "
        f"{np.percentile(ious, 10):.3f}, lake shore {ious[:2].mean():.3f}; CPU {np.median(cpu_s):.2f} s"
    )
    assert ious.mean() >= mean
    assert np.percentile(ious, 10) >= tenth
