"""Photos that say little of themselves: no position (a kite, a phone), no attitude, or neither."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.features import Features
from imagery.mosaic import make_mosaic
from imagery.photo_tags import PhotoTags, embed_tags, read_tags
from imagery.quality import BY_TIE_POINTS
from imagery.unplaced import pairs_to_match

from .conftest import CAMERA, take_photo, true_poses
from .test_control import control_rows, rms_m, write_rows
from .test_mosaic import OPTIONS, offsets_px


def strip(source, target, *, keep=()):
    """The photo with nothing in its tags but camera and clock, and what of them is to be kept."""
    old = read_tags(source)
    whole, data = cv2.imencode(".jpg", cv2.imread(str(source)), [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert whole
    kept = {name: getattr(old, name) for name in ("make", "model", "clock", "focal_mm", "focal_35mm", *keep)}
    target.write_bytes(embed_tags(data.tobytes(), PhotoTags(**kept)))


def kite_poses():
    """Photos from a line that swings: tilted by up to some 20 degrees, at heights and headings as they come,
    in no order."""
    rng = np.random.default_rng(8)
    poses = [
        replace(
            pose,
            up_m=pose.up_m + float(rng.uniform(-5, 5)),
            yaw_deg=float(rng.uniform(0, 360)),
            pitch_deg=-90 + float(rng.normal(0, 9)),
            roll_deg=float(rng.normal(0, 9)),
        )
        for pose in true_poses()
    ]
    return [poses[i] for i in rng.permutation(len(poses))]


def test_kite_photos_without_any_position_come_to_the_ground_by_five_points(known_block, tmp_path):
    poses = kite_poses()
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pose in enumerate(poses):
        whole, data = cv2.imencode(".jpg", take_photo(known_block.ground, pose))
        assert whole
        tags = PhotoTags(model=CAMERA.name, focal_35mm=25.0)  # as rough as phones say it
        (folder / f"P{number:03d}.JPG").write_bytes(embed_tags(data.tobytes(), tags))
    control = write_rows(tmp_path / "gcp.csv", control_rows(poses))
    report = make_mosaic(folder, tmp_path / "o.tif", replace(OPTIONS, control=control))
    told = report.report()
    print(told["control"]["check"], rms_m(known_block, tmp_path / "o.tif", told["gsd_cm"]))
    assert told["dropped"] == []
    assert all(p.placed_by == BY_TIE_POINTS for p in report.photos)
    assert told["control"]["check"]["plan_rms_gsd"] <= 0.7
    assert rms_m(known_block, tmp_path / "o.tif", told["gsd_cm"]) <= 0.01 * told["gsd_cm"]


def test_photos_that_lost_their_position_are_placed_by_the_others(known_block, tmp_path):
    """Every third photo has no position, three of them in a row; they lie as well as the rest."""
    folder = tmp_path / "photos"
    shutil.copytree(known_block.folder, folder)
    for number in (2, 5, 6, 7, 12):
        strip(known_block.folder / f"P{number:03d}.JPG", folder / f"P{number:03d}.JPG")
    _, black = cv2.imencode(".jpg", np.zeros((90, 120, 3), np.uint8))
    (folder / "Z.JPG").write_bytes(black.tobytes())
    report = make_mosaic(folder, tmp_path / "o.tif", OPTIONS)
    assert [d.name for d in report.dropped] == ["Z.JPG"]
    assert "no GPS position" in report.dropped[0].reason
    assert len(report.photos) == 15
    assert all(p.placed_by == BY_TIE_POINTS for p in report.photos)
    off = offsets_px(known_block, tmp_path / "o.tif")
    assert float(np.sqrt((off**2).sum(axis=1).mean())) < 2.0  # ten positions hold the block, not fifteen


@pytest.mark.parametrize("kept", [("lat_deg", "lon_deg", "alt_amsl_m"), ("lat_deg", "lon_deg")])
def test_positions_without_attitude_are_enough(known_block, tmp_path, kept):
    """Many cameras write a position alone, some not even its height."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in known_block.folder.iterdir():
        strip(photo, folder / photo.name, keep=kept)
    report = make_mosaic(folder, tmp_path / "o.tif", OPTIONS)
    off = offsets_px(known_block, tmp_path / "o.tif") * report.gsd_m
    rms = float(np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=1).mean()))
    print(f"{kept}: {rms:.2f} m rms about the mean, {np.linalg.norm(off.mean(axis=0)):.2f} m as a whole")
    assert len(report.photos) == 15
    assert all(p.placed_by == BY_TIE_POINTS for p in report.photos)
    assert rms < 0.3
    assert np.linalg.norm(off.mean(axis=0)) < 0.6


def test_pairs_of_many_photos_without_position_are_bounded(known_block):
    """The folder's order and looks choose; a photo far away in the order with the same ground is found."""
    from imagery.photos import read_block

    rng = np.random.default_rng(2)
    photo = read_block(sorted(known_block.folder.iterdir())[:1])[0]
    count = 150
    ground = rng.integers(0, 255, (count, 60, 128)).astype(np.uint8)
    ground[120] = ground[20]
    photos = tuple(replace(photo.photos[0], index=i, placed=False) for i in range(count))
    nothing = np.zeros((0, 0, 3), np.uint8)
    features = [Features(np.zeros((60, 2), np.float32), d, 1.0, nothing, 8, 1.0) for d in ground]
    pairs = pairs_to_match(replace(photo, photos=photos), features)
    assert (20, 120) in pairs
    assert {(i, i + 1) for i in range(count - 1)} <= set(pairs)
    assert len(pairs) < 20 * count
