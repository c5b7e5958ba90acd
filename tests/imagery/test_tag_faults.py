"""Tags that cannot be right: each fault is put into a good block, is named with its photo, and the ground
still lies where it is."""

import datetime as dt
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.photo_tags import PhotoTags, embed_tags, read_tags
from imagery.tag_faults import judge_tags
from tests.imagery.conftest import KnownBlock, ground_texture, true_poses, write_block
from tests.imagery.test_mosaic import offsets_px

PHOTOS = 10


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Two lanes of five, a good receiver."""
    folder = tmp_path_factory.mktemp("good") / "photos"
    folder.mkdir()
    return write_block(folder, ground_texture(), true_poses()[:PHOTOS])


@pytest.fixture
def with_faults(good, tmp_path):
    """Make the mosaic of the block with `change(number, tags)` done to the tags of each photo; gives the
    report, and a function for how far the ground lies off, (n, 2) pixels."""

    def run(change):
        folder = tmp_path / "photos"
        folder.mkdir()
        for number, photo in enumerate(sorted(good.folder.iterdir())):
            plain = photo.read_bytes()
            tags = change(number, read_tags(photo))
            (folder / photo.name).write_bytes(embed_tags(_bare(plain), tags))
        report = make_mosaic(folder, tmp_path / "o.tif", MosaicOptions(quality="quick", workers=2))
        block = KnownBlock(folder, good.ground, good.poses)
        return report, lambda: offsets_px(block, tmp_path / "o.tif", patch_px=64)

    return run


def _bare(jpeg):
    """The JPEG without its tags."""
    with Image.open(io.BytesIO(jpeg)) as image:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=95, exif=b"")
    return out.getvalue()


def only(victims, **values):
    """Changes the tags of some photos."""
    return lambda number, tags: replace(tags, **values) if number in victims else tags


def assert_right(report, off, rms_px=1.0):
    assert report.dropped == ()
    assert len(report.photos) == PHOTOS
    assert all(p.placed_by == "tie points" for p in report.photos)
    off_px = off()
    assert len(off_px) > 25
    assert np.sqrt((off_px**2).sum(axis=1).mean()) < rms_px


def warning_about(report, name):
    return next(w for w in report.warnings if name in w)


def test_a_good_block_gives_no_warning(with_faults):
    report, off = with_faults(lambda number, tags: tags)
    assert report.warnings == ()
    assert_right(report, off)


def test_no_heading_and_no_attitude(with_faults):
    report, off = with_faults(only(range(PHOTOS), yaw_deg=None, pitch_deg=None, roll_deg=None))
    assert "no heading" in warning_about(report, "P000.JPG")
    assert_right(report, off)


def test_a_heading_that_is_off(with_faults):
    report, off = with_faults(only({3}, yaw_deg=200.0))
    assert "heading in the tags 200 deg" in warning_about(report, "P003.JPG")
    assert_right(report, off)


def test_height_above_launch_written_as_height_above_sea_level(with_faults):
    report, off = with_faults(lambda n, t: replace(t, alt_amsl_m=t.height_rel_m) if n in (2, 6) else t)
    assert "P002.JPG, P006.JPG: the height above sea level is really that above launch" in report.warnings[0]
    assert_right(report, off)


def test_height_above_sea_level_written_as_height_above_launch(with_faults):
    report, off = with_faults(lambda n, t: replace(t, height_rel_m=t.alt_amsl_m) if n in (2, 6) else t)
    assert "P002.JPG, P006.JPG: the height above launch is really that above sea" in report.warnings[0]
    assert_right(report, off)


def test_heights_of_two_kinds_where_the_tags_have_only_one(with_faults):
    def change(number, tags):
        up = tags.height_rel_m if number == 4 else tags.alt_amsl_m
        return replace(tags, alt_amsl_m=up, height_rel_m=None)

    report, off = with_faults(change)
    assert "height in the tags 45 m" in warning_about(report, "P004.JPG")
    assert_right(report, off)


def test_no_height_above_sea_level_in_any_photo(with_faults):
    report, off = with_faults(lambda n, t: replace(t, alt_amsl_m=t.height_rel_m))
    assert "height above sea level equals height above launch" in report.warnings[0]
    assert_right(report, off)


def test_a_swapped_sign(with_faults):
    report, off = with_faults(lambda n, t: replace(t, lon_deg=-t.lon_deg) if n in (1, 5, 7) else t)
    assert "P001.JPG, P005.JPG, P007.JPG: the longitude has the wrong sign" in report.warnings[0]
    assert_right(report, off)


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "says"),
    [
        (-30.00005, 80.0, "the latitude has the wrong sign"),
        (30.00005, -80.0, "the longitude has the wrong sign"),
        (-30.00005, -80.0, "latitude and longitude have the wrong sign"),
        (80.0, 30.00005, "latitude and longitude are swapped"),
    ],
)
def test_mirrored_positions_are_put_right(lat_deg, lon_deg, says):
    photos = [(Path(f"{n}.JPG"), PhotoTags(lat_deg=30.0 + n * 1e-4, lon_deg=80.0)) for n in range(4)]
    judged = judge_tags([*photos, (Path("5.JPG"), PhotoTags(lat_deg=lat_deg, lon_deg=lon_deg))])
    assert f"5.JPG: {says}" in judged.warnings[0]
    mended = judged.photos[4][1]
    assert (mended.lat_deg, mended.lon_deg) == (30.00005, 80.0)


def test_one_photo_far_from_the_others_is_placed_by_what_it_shows(with_faults):
    report, off = with_faults(lambda n, t: replace(t, lat_deg=t.lat_deg + 0.3) if n == 6 else t)
    assert "33.4 km north" in warning_about(report, "P006.JPG")
    assert_right(report, off)


@pytest.mark.parametrize("copies", [(1, 4, 6, 7, 8)])
def test_copied_positions(with_faults, copies, good):
    first = read_tags(sorted(good.folder.iterdir())[copies[0]])
    change = only(set(copies), lat_deg=first.lat_deg, lon_deg=first.lon_deg)
    report, off = with_faults(change)
    assert "the same position" in warning_about(report, f"P00{copies[0]}.JPG, P00{copies[1]}.JPG")
    assert_right(report, off)


def test_one_position_in_all_photos(with_faults, good):
    """Where the block lies is known as well as that one position; its shape comes from the photos."""
    middle = read_tags(sorted(good.folder.iterdir())[2])
    report, _ = with_faults(only(range(PHOTOS), lat_deg=middle.lat_deg, lon_deg=middle.lon_deg))
    assert "10 photos have the same position" in warning_about(report, "P000.JPG")
    assert len(report.photos) == PHOTOS
    assert report.reprojection_rms_px < 1.0
    made, true = (
        np.array([[p.east_m, p.north_m] for p in poses])
        for poses in ([p.pose for p in report.photos], good.poses)
    )
    made, true = (np.linalg.norm(at[:, None] - at[None], axis=2) for at in (made, true))
    scale = (made * true).sum() / (true**2).sum()
    assert 0.9 < scale < 1.1
    assert np.abs(made / scale - true).max() < 0.5


def test_a_clock_that_jumped(with_faults):
    report, off = with_faults(
        lambda n, t: replace(t, clock=t.clock + dt.timedelta(hours=8, days=2)) if n in (3, 7) else t
    )
    assert "P003.JPG, P007.JPG: its clock is 2.3 days off" in report.warnings[0]
    assert_right(report, off)


def test_a_clock_that_lost_its_battery(with_faults):
    def change(number, tags):
        clock = dt.datetime(1980, 1, 1, 0, 0, number) if number == 2 else tags.clock
        return replace(tags, time_utc=None, clock=clock)

    report, off = with_faults(change)
    assert "its clock says 1980-01-01" in warning_about(report, "P002.JPG")
    assert_right(report, off)


def test_cameras_in_different_time_zones_are_no_fault():
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    photos = []
    for n in range(6):
        zone = 8 if n % 2 else 0
        clock = (start + dt.timedelta(hours=zone, seconds=n)).replace(tzinfo=None)
        tags = PhotoTags(
            model="AB"[n % 2], clock=clock, time_utc=start + dt.timedelta(seconds=n),
            lat_deg=30 + n * 1e-4, lon_deg=103.0, yaw_deg=0.0,
        )  # fmt: skip
        photos.append((Path(f"{n}.JPG"), tags))
    judged = judge_tags(photos)
    assert judged.warnings == []
    assert [t for _, t in judged.photos] == [t for _, t in photos]
