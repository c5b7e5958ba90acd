"""Photos of the simulated camera go through COLMAP, which knows nothing of the simulator: it must find the
cameras where they truly were."""

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import cv2
import numpy as np
import pytest

from imagery.photo_tags import read_tags
from plans.cameras import Camera
from plans.frames import Pose
from sim.camera import TrueShot, write_photo
from sim.render import Renderer, load_scene
from sim.view import Motion
from sim.world.make import make_world

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

CAMERA = Camera(
    "Stated 12 Mpx",
    17.3,
    13.0,
    12.3,
    4000,
    3000,
    principal_dx_px=11.0,
    principal_dy_px=-7.0,
    distortion=(-0.04, 0.015, 0.0004, -0.0003, 0.0),
)
GSD_M = 0.06
LANES, EACH = 4, 6
SPEED_MPS = 8.0


def shots(world, ground_m):
    """A block in lanes to and fro at 75 % and 65 % overlap; the camera wobbles by 2 degrees and 0.5 m."""
    rng = np.random.default_rng(3)
    along = (np.arange(EACH) - (EACH - 1) / 2) * 0.25 * GSD_M * CAMERA.image_height_px
    across = (np.arange(LANES) - (LANES - 1) / 2) * 0.35 * GSD_M * CAMERA.image_width_px
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    for lane, north in enumerate(across):
        forth = lane % 2 == 0
        for east in along if forth else along[::-1]:
            wobble = rng.normal(0, 1, 4)
            pose = Pose(
                float(east), float(north), ground_m + GSD_M * CAMERA.focal_px + 0.5 * wobble[0],
                (90.0 if forth else 270.0) + 2 * wobble[1], -90.0 + 2 * wobble[2], 2 * wobble[3],
            )  # fmt: skip
            believed = pose.centre + rng.normal(0, 1.5, 3)
            lat, lon = world.frame.to_geo(believed[0], believed[1])
            number = lane * EACH + int(np.flatnonzero(along == east)[0])
            yield TrueShot(
                number, start + dt.timedelta(seconds=3 * number), pose, float(lat), float(lon),
                float(believed[2]), float(believed[2] - ground_m), pose.yaw_deg, -90.0, 0.0, 1.5, 1.5,
                Motion((SPEED_MPS if forth else -SPEED_MPS, 0.0, 0.0)),
            )  # fmt: skip


def photograph(folder, camera, some, photos):
    """One process's share of the photos."""
    cv2.setNumThreads(1)
    renderer = Renderer(load_scene(folder), camera)
    for shot in some:
        write_photo(renderer, camera, shot, photos / shot.file_name, 1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A valley with houses, trees, water and slopes on both sides."""
    return make_world(tmp_path_factory.mktemp("world"), 2, 600.0, 0.06)


def colmap_centres(folder, photos):
    """{photo: (3,) in a frame of its own} by COLMAP's incremental mapper with the stated camera; its focal
    length is taken from the photos' EXIF."""
    pycolmap = pytest.importorskip("pycolmap", reason="the peer is not installed")
    tags = read_tags(next(iter(sorted(photos.iterdir()))))
    focal_px = tags.focal_mm / CAMERA.sensor_width_mm * tags.image_width_px
    x, y = (v + 0.5 for v in CAMERA.principal_px)  # COLMAP's pixels have their middles at halves
    k1, k2, p1, p2, _ = CAMERA.distortion
    pycolmap.set_random_seed(0)
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = 2000
    extraction.num_threads = 2
    extraction.sift.max_num_features = 4000
    reading = pycolmap.ImageReaderOptions()
    reading.camera_model = "OPENCV"
    reading.camera_params = ",".join(map(str, (focal_px, focal_px, x, y, k1, k2, p1, p2)))
    pycolmap.extract_features(
        folder / "colmap.db",
        photos,
        camera_mode=pycolmap.CameraMode.SINGLE,
        extraction_options=extraction,
        reader_options=reading,
    )
    pycolmap.match_exhaustive(folder / "colmap.db")
    mapping = pycolmap.IncrementalPipelineOptions()
    mapping.ba_refine_focal_length = False
    mapping.ba_refine_extra_params = False
    models = pycolmap.incremental_mapping(folder / "colmap.db", photos, folder / "sparse", options=mapping)
    best = max(models.values(), key=lambda model: model.num_reg_images())
    print(f"COLMAP: {best.num_reg_images()} photos, {best.compute_mean_reprojection_error():.2f} px")
    return {image.name: image.projection_center() for image in best.images.values()}


def aligned(moving, fixed):
    """(n, 3) `moving` brought onto `fixed` by scale, rotation and shift (Umeyama 1991), and the scale."""
    a, b = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * flip.diagonal()).sum() / (a**2).sum()
    return scale * a @ (u @ flip @ vt).T + fixed.mean(axis=0)


def found_off_gsd(world, tmp_path, readout_s):
    """Rms of COLMAP's centres from the true ones, in GSD, after a similarity; prints it with its parts."""
    pytest.importorskip("pycolmap", reason="the peer is not installed")
    camera = replace(CAMERA, readout_s=readout_s)
    scene = load_scene(world.folder)
    photos = tmp_path / "photos"
    photos.mkdir()
    block = list(shots(world, float(np.median(scene.surface_m))))
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = [pool.submit(photograph, world.folder, camera, block[part::2], photos) for part in (0, 1)]
        for job in jobs:
            job.result()
    found = colmap_centres(tmp_path, photos)
    assert sorted(found) == sorted(shot.file_name for shot in block)
    truth = np.array([shot.pose.centre for shot in block])
    off = aligned(np.array([found[shot.file_name] for shot in block]), truth) - truth
    rms = np.sqrt((off**2).sum(axis=1).mean()) / GSD_M
    each = np.sqrt((off**2).mean(axis=0)) / GSD_M
    print(f"{len(block)} cameras, read-out {readout_s * 1000:.0f} ms: {rms:.2f} GSD rms (east, north, up "
          f"{each.round(2)}), {np.linalg.norm(off, axis=1).max() / GSD_M:.2f} at the worst")  # fmt: skip
    return rms


def test_colmap_finds_the_cameras_where_they_were(world, tmp_path):
    assert found_off_gsd(world, tmp_path, 0.0) <= 1.0


def test_a_rolling_shutter_misleads_who_does_not_know_of_it(world, tmp_path):
    """COLMAP has no model of it. Rows that see from up to half of the way before and behind the stated place
    put the camera off, by less than that half."""
    readout_s = 0.02
    half_way_gsd = SPEED_MPS * readout_s / 2 / GSD_M
    assert 0.5 < found_off_gsd(world, tmp_path, readout_s) < half_way_gsd
