"""Tags come back as they were written; pixels and foreign tags stay; broken files give one line."""

import contextlib
import datetime as dt
import shutil
import struct
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from imagery.photo_tags import PhotoTagError, PhotoTags, embed_tags, read_tags, write_tags

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BRIGHTON = SHARED / "brighton" / "images"
needs_brighton = pytest.mark.skipif(not BRIGHTON.is_dir(), reason="the real photos of shared/data are absent")

FULL = PhotoTags(
    make="missionctl",
    model="SIM-6MP",
    clock=dt.datetime(2026, 7, 1, 16, 0, 5, 250000),
    time_utc=dt.datetime(2026, 7, 1, 8, 0, 5, 250000, tzinfo=dt.UTC),
    focal_mm=8.8,
    focal_35mm=24.0,
    exposure_s=0.001,
    orientation=1,
    lat_deg=30.051234567,
    lon_deg=-103.151234567,
    alt_amsl_m=-12.345,
    height_rel_m=99.5,
    yaw_deg=271.5,
    pitch_deg=-89.25,
    roll_deg=0.5,
    flight_yaw_deg=-90.0,
    flight_pitch_deg=-3.5,
    flight_roll_deg=2.25,
    position_sigma_h_m=0.02,
    position_sigma_v_m=0.04,
)


def jpeg(width=64, height=48) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def test_every_tag_comes_back(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(embed_tags(jpeg(), FULL))
    tags = read_tags(path)
    for field in fields(PhotoTags):
        wrote, read = getattr(FULL, field.name), getattr(tags, field.name)
        if field.name in ("image_width_px", "image_height_px"):
            assert read in (64, 48)
        elif isinstance(wrote, float):
            assert read == pytest.approx(wrote, abs=1e-3 if "alt" in field.name else 1e-4), field.name
        else:
            assert read == wrote, field.name
    assert tags.lat_deg == pytest.approx(FULL.lat_deg, abs=2e-9)


def test_a_photo_without_tags_says_nothing_but_its_size(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    assert read_tags(path) == PhotoTags(image_width_px=64, image_height_px=48)


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), alt=st.floats(-400, 9000))
def test_any_place_survives(lat, lon, alt):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(embed_tags(jpeg(), PhotoTags(lat_deg=lat, lon_deg=lon, alt_amsl_m=alt)))
        tags = read_tags(path)
    if abs(lat) < 1e-9 and abs(lon) < 1e-9:
        assert tags.lat_deg is None
    else:
        assert tags.lat_deg == pytest.approx(lat, abs=2e-9)
        assert tags.lon_deg == pytest.approx(lon, abs=2e-9)
    assert tags.alt_amsl_m == pytest.approx(alt, abs=1e-3)


def test_writing_a_part_keeps_the_rest(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(embed_tags(jpeg(), FULL))
    write_tags(path, PhotoTags(yaw_deg=10.0))
    assert read_tags(path).yaw_deg == pytest.approx(10.0)
    assert read_tags(path).height_rel_m == pytest.approx(99.5)
    assert not list(tmp_path.glob("*.part"))


@needs_brighton
def test_a_real_dji_photo_is_read_and_retagged_without_touching_pixels_or_maker_note(tmp_path):
    path = tmp_path / "dji.jpg"
    shutil.copy(BRIGHTON / "DJI_0018.JPG", path)
    tags = read_tags(path)
    assert (tags.make, tags.model, tags.focal_mm) == ("DJI", "FC300S", 3.61)
    assert tags.lat_deg == pytest.approx(46.8426070833)
    assert tags.lon_deg == pytest.approx(-91.994559889)
    assert (tags.height_rel_m, tags.yaw_deg, tags.pitch_deg) == (39.8, 45.0, -89.9)
    before = cv2.imread(str(path))
    with Image.open(path) as image:
        maker_note = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote]
    write_tags(path, PhotoTags(lat_deg=46.9, lon_deg=-91.9, yaw_deg=47.0))
    assert np.array_equal(cv2.imread(str(path)), before)
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] == maker_note
        assert b"crs:HasCrop" in image.info["xmp"] or b"HasCrop" in image.info["xmp"]
    assert read_tags(path).lat_deg == pytest.approx(46.9)
    assert read_tags(path).yaw_deg == pytest.approx(47.0)
    assert read_tags(path).flight_yaw_deg == 46.0


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xff", jpeg()[:100]])
def test_what_is_no_photo_gives_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoTagError, match=r"broken\.jpg") as caught:
        read_tags(path)
    assert "\n" not in str(caught.value)


def test_a_missing_photo_is_named(tmp_path):
    with pytest.raises(PhotoTagError, match=r"gone\.jpg: no such photo"):
        read_tags(tmp_path / "gone.jpg")


def test_a_hostile_xmp_is_ignored(tmp_path):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x:xmpmeta xmlns:x="adobe:ns:meta/"><b>&a;</b></x:xmpmeta>'
    payload = b"http://ns.adobe.com/xap/1.0/\x00" + bomb
    raw = jpeg()
    path = tmp_path / "a.jpg"
    path.write_bytes(raw[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + raw[2:])
    assert read_tags(path).yaw_deg is None


@given(st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(data):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.jpg"
        path.write_bytes(b"\xff\xd8\xff\xe1" + data)
        with contextlib.suppress(PhotoTagError):
            read_tags(path)
