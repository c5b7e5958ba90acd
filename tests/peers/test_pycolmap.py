"""Where COLMAP, which knows neither our tags nor our code, puts the cameras of real photos."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from imagery.mosaic import make_mosaic
from plans.cameras import camera_for_exif_model

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "brighton" / "images"

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not PHOTOS.is_dir(), reason="the real photos are not here (../shared/data/brighton)"),
]


def our_centres(folder):
    """{photo: (3,) local metres} of our mosaic's adjustment."""
    report = make_mosaic(PHOTOS, folder / "mosaic.tif")
    return {photo.name: photo.pose.centre for photo in report.photos}


def colmap_centres(folder, focal_px):
    """{photo: (3,) in a frame of its own} of COLMAP's incremental mapper.

    It is told the focal length: photos that all look down from one height do not tell it (left free, it came
    out 19 % longer, and the block bent with it).
    """
    pycolmap = pytest.importorskip("pycolmap", reason="the peer is not installed")
    database = folder / "colmap.db"
    pycolmap.set_random_seed(0)
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = 2000
    extraction.num_threads = 2
    reading = pycolmap.ImageReaderOptions()
    reading.camera_model = "SIMPLE_RADIAL"
    reading.camera_params = f"{focal_px},2000,1125,0"
    pycolmap.extract_features(
        database,
        PHOTOS,
        camera_mode=pycolmap.CameraMode.SINGLE,
        extraction_options=extraction,
        reader_options=reading,
    )
    pycolmap.match_exhaustive(database)
    mapping = pycolmap.IncrementalPipelineOptions()
    mapping.ba_refine_focal_length = False
    models = pycolmap.incremental_mapping(database, PHOTOS, folder / "sparse", options=mapping)
    best = max(models.values(), key=lambda model: model.num_reg_images())
    return {image.name: image.projection_center() for image in best.images.values()}


def aligned(moving, fixed):
    """(n, 3) `moving` brought onto `fixed` by scale, rotation and shift (Umeyama 1991)."""
    a, b = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = (s * flip.diagonal()).sum() / (a**2).sum()
    return scale * a @ rotation.T + fixed.mean(axis=0)


def test_our_cameras_stand_where_colmap_puts_them(tmp_path):
    ours = our_centres(tmp_path)
    theirs = colmap_centres(tmp_path, camera_for_exif_model("FC300S").focal_px)
    shutil.rmtree(tmp_path / "sparse", ignore_errors=True)
    names = sorted(set(ours) & set(theirs))
    assert len(names) == 18
    mine = np.array([ours[n] for n in names])
    off = np.linalg.norm(aligned(np.array([theirs[n] for n in names]), mine) - mine, axis=1)
    print(f"18 cameras against COLMAP: {np.sqrt((off**2).mean()):.2f} m rms, {off.max():.2f} m at the worst")
    assert np.sqrt((off**2).mean()) < 0.20  # 0.5 % of the height above ground
