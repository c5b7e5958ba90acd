"""The camera's card: photos that say what the vehicle believed, and no photo lost without a word."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
from PIL import Image

from imagery.photo_tags import read_tags
from imagery.photos import camera_of
from plans.cameras import find_camera
from plans.frames import Pose
from sim.camera import PhotoCard, TrueShot, write_photo
from sim.errors import PhotoError, WorldError
from sim.render import Renderer, load_scene

CAMERA = find_camera("Simulated 6 MP").scaled(600, 400)
START = dt.datetime(2026, 7, 1, 2, 3, 4, 560_000, tzinfo=dt.UTC)


def shot(index, **change):
    """A photo from 90 m above the valley; the belief is 3 m off the truth."""
    values = {
        "index": index,
        "time_utc": START + dt.timedelta(seconds=2 * index),
        "pose": Pose(10.0 * index, -20.0, 740.0, 85.0, -89.0, 0.5),
        "believed_lat_deg": 30.0501234,
        "believed_lon_deg": 103.1507654 + 1e-4 * index,
        "believed_alt_amsl_m": 743.21,
        "believed_rel_alt_m": 92.5,
        "believed_yaw_deg": 84.3,
        "believed_pitch_deg": -90.0,
        "believed_roll_deg": 0.0,
        "position_sigma_h_m": 0.02,
        "position_sigma_v_m": 0.04,
    }
    return TrueShot(**{**values, **change})


def test_a_photo_says_the_believed_pose_and_never_the_true_one(world, tmp_path):
    one = shot(3)
    path = tmp_path / one.file_name
    write_photo(Renderer(load_scene(world.folder), CAMERA), CAMERA, one, path, seed=1)
    tags = read_tags(path)
    assert path.name == "SIM_0003.JPG"
    assert (tags.lat_deg, tags.lon_deg) == pytest.approx(
        (one.believed_lat_deg, one.believed_lon_deg), abs=1e-8
    )
    assert tags.alt_amsl_m == pytest.approx(743.21, abs=0.005)
    assert tags.height_rel_m == pytest.approx(92.5, abs=0.01)
    assert (tags.yaw_deg, tags.pitch_deg, tags.roll_deg) == pytest.approx((84.3, -90.0, 0.0), abs=0.01)
    assert (tags.position_sigma_h_m, tags.position_sigma_v_m) == pytest.approx((0.02, 0.04))
    assert tags.time_utc == one.time_utc
    assert (tags.image_width_px, tags.image_height_px) == (600, 400)
    with Image.open(path) as picture:
        assert picture.size == (600, 400)
        assert np.asarray(picture).std() > 10  # there is something to see
    camera, _ = camera_of(tags, path.name)
    assert camera.name == "Simulated 6 MP"
    assert camera.focal_px == pytest.approx(CAMERA.focal_px, rel=1e-3)


@pytest.fixture(scope="module")
def card_photos(world, tmp_path_factory):
    """Three photos that a worker process took, and the card's own account of them."""
    folder = tmp_path_factory.mktemp("card") / "new" / "folder"
    with PhotoCard(world.folder, CAMERA, folder, workers=1, seed=9) as card:
        for index in (1, 2, 3):
            card.capture(shot(index))
        pending = card.pending
    return folder, card, pending


def test_all_photos_are_on_the_card_when_it_is_closed(card_photos):
    folder, card, pending = card_photos
    assert pending > 0  # capture did not wait
    assert sorted(p.name for p in folder.iterdir()) == ["SIM_0001.JPG", "SIM_0002.JPG", "SIM_0003.JPG"]
    assert card.stored == ("SIM_0001.JPG", "SIM_0002.JPG", "SIM_0003.JPG")
    assert card.failures == ()


def test_the_worker_takes_the_same_photo_as_anyone(card_photos, world, tmp_path):
    folder, _, _ = card_photos
    path = tmp_path / "again.jpg"
    write_photo(Renderer(load_scene(world.folder), CAMERA), CAMERA, shot(2), path, seed=9)
    with Image.open(path) as mine, Image.open(folder / "SIM_0002.JPG") as theirs:
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))


def test_a_killed_worker_is_reported_with_the_photos_that_are_missing(world, tmp_path):
    before = set(multiprocessing.active_children())
    card = PhotoCard(world.folder, CAMERA, tmp_path / "card", workers=1)
    card.capture(shot(1))
    patience = time.monotonic() + 60
    while card.pending and time.monotonic() < patience:
        time.sleep(0.02)
    assert card.stored == ("SIM_0001.JPG",)
    for child in set(multiprocessing.active_children()) - before:
        os.kill(child.pid, signal.SIGKILL)
    for index in (2, 3, 4):
        card.capture(shot(index))
    with pytest.raises(
        PhotoError, match=r"not rendered \(the camera's worker process died\) \(and 2 more\)"
    ) as caught:
        card.close()
    assert "SIM_0002.JPG" in str(caught.value)
    assert [f.count("worker process died") for f in card.failures] == [1, 1, 1]
    assert [p.name for p in (tmp_path / "card").iterdir()] == ["SIM_0001.JPG"]


def test_one_photo_that_fails_does_not_stop_the_others(world, tmp_path):
    folder = tmp_path / "card"
    card = PhotoCard(world.folder, CAMERA, folder, workers=1)
    (folder / "SIM_0002.JPG").mkdir()  # nothing can be written under this name
    for index in (1, 2, 3):
        card.capture(shot(index))
    with pytest.raises(PhotoError, match=r"SIM_0002\.JPG: photo cannot be written"):
        card.close()
    assert card.stored == ("SIM_0001.JPG", "SIM_0003.JPG")
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_a_card_that_cannot_be_is_refused_at_once(world, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PhotoError, match="photos cannot be stored here"):
        PhotoCard(world.folder, CAMERA, tmp_path / "file" / "card")
    with pytest.raises(PhotoError, match="0 camera workers"):
        PhotoCard(world.folder, CAMERA, tmp_path / "card", workers=0)
    with pytest.raises(WorldError, match="no whole world"):
        PhotoCard(tmp_path, CAMERA, tmp_path / "card")
