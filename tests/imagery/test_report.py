"""The quality report: what a pilot reads at three in the morning."""

import base64
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pyproj
import pytest

from imagery.account import Account, Share
from imagery.control_report import ControlReport
from imagery.marks import PointFit
from imagery.mosaic import MosaicReport
from imagery.photo_tags import embed_tags, read_tags
from imagery.photos import Dropped
from imagery.quality import SeamFigure
from imagery.report import quality_page
from imagery.report.advice import advice_of
from imagery.report.words import sentence


def share(number, **changes):
    lane, step = divmod(number, 5)
    facts = {
        "name": f"P{number:02d}.JPG", "east_m": 500000.0 + 30 * step, "north_m": 3300000.0 + 40 * lane,
        "lane": lane + 1, "tied": True, "tie_points": 300, "residual_px": 0.4, "moved_m": 1.5,
        "painted_m2": 900.0, "blur_px": 0.2, "error_m": 0.05,
    }  # fmt: skip
    return Share(**(facts | changes))


def report_of(shares, *, views=6.0, control=None, dropped=(), hole=None):
    """A report by hand, over 150 by 150 m."""
    seen = np.full((75, 75), views, np.float32)
    if hole:
        seen[hole] = 0.0
    account = Account(
        tuple(shares), None, None, seen, np.full((75, 75), 0.05, np.float32), 4.0,
        499970.0, 3300220.0, np.zeros((0, 4)), 0.4, 0.0,
    )  # fmt: skip
    return MosaicReport(
        (), len(shares), tuple(dropped), (), 0.05, 0.4, SeamFigure(0.5, 0.8), 1.5, 1e4, {"total": 1.0},
        500.0, 32648, 0.0, control, account,
    )  # fmt: skip


def told(report):
    return {a.key: a for a in advice_of(report)}


def test_a_good_block_without_control_is_told_its_accuracy_alone():
    assert list(told(report_of([share(n) for n in range(20)]))) == ["no_control"]


def test_a_blurred_lane_is_to_be_flown_again_and_single_photos_are_not():
    shares = [share(n, blur_px=5.0 if 10 <= n < 14 or n == 2 else 0.3) for n in range(20)]
    found = told(report_of(shares))
    lane = found["blurred_lane"]
    assert lane.urgent
    assert (lane.values["lane"], lane.values["count"], lane.values["first"]) == (3, 4, "P10.JPG")
    assert sentence(lane, "en").startswith("Re-fly lane 3: 4 of 5 photos are blurred (about 5 px)")
    assert sentence(lane, "zh").startswith("重飞航线 3")
    assert found["blurred_photos"].values["names"] == "P02.JPG"


def test_a_hole_is_placed_between_its_lanes():
    shares = [share(n) for n in range(20)]
    hole = told(report_of(shares, hole=np.s_[25:31, 15:30]))["hole"]
    assert hole.urgent
    assert hole.values["lanes"] == "3 / 4"
    assert hole.values["ha"] == pytest.approx(6 * 15 * 16 / 1e4)
    to_geo = pyproj.Transformer.from_crs(32648, 4326)
    middle = to_geo.transform(499970 + 4 * 22.5, 3300220 - 4 * 28)
    assert (hole.values["lat"], hole.values["lon"]) == pytest.approx(middle, abs=5e-5)


def test_photos_held_by_tags_copied_tags_and_left_out_files_are_named():
    shares = [share(n, tied=n != 7, error_m=3.2 if n == 7 else 0.05) for n in range(20)]
    shares[12] = share(12, moved_m=80.0)
    found = told(report_of(shares, dropped=[Dropped("X.JPG", "X.JPG: is empty")]))
    assert "3.2 m" in sentence(found["by_tags"], "en")
    assert found["by_tags"].values["lanes"] == "2"
    assert found["tags_far_off"].values["names"] == "P12.JPG"
    assert found["left_out"].values["names"] == "X.JPG"


def test_check_points_that_are_off_stop_people_from_measuring():
    points = tuple(PointFit(f"K{n}", True, True, 4, (), 105.0, 29.83, (0.3, 0.0, 0.1), 2.0) for n in range(3))
    found = told(report_of([share(n) for n in range(20)], control=ControlReport(points, 0.05)))
    assert list(found) == ["check_off"]
    assert "0.30 m off in plan (6.0 pixels)" in sentence(found["check_off"], "en")


class Whole(HTMLParser):
    """Raises where a tag is closed that was not open."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_what_the_receiver_is_off_as_a_whole_does_not_hide_the_error_of_shape():
    account = report_of([share(n) for n in range(20)]).account
    account = replace(account, common_m=2.4, expected_m=2.5)
    assert account.shape_m == pytest.approx(0.7)
    assert account.shape([2.4, 2.0, 3.0]) == pytest.approx([0.0, 0.0, 1.8])
    assert account.report()["shape_error_m"] == 0.7


def test_names_of_files_cannot_break_the_page():
    page = quality_page(report_of([share(n, name="<b>&.JPG") for n in range(20)]), 'a<"b.tif')
    assert "<b>" not in page
    Whole().feed(page)


def test_the_command_writes_a_page_that_stands_alone(known_block, tmp_path):
    """A lane of the block is blurred; page and JSON say so, in both languages, without the network."""
    folder = tmp_path / "photos"
    shutil.copytree(known_block.folder, folder)
    for number in range(5, 10):
        path = folder / f"P{number:03d}.JPG"
        soft = cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 5)
        _, data = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 92])
        path.write_bytes(embed_tags(data.tobytes(), read_tags(path)))
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", folder, "-o", tmp_path / "o.tif"]
    page = tmp_path / "quality.html"
    subprocess.run([*map(str, command), "--report", str(page)], check=True, capture_output=True, timeout=120)
    text = page.read_text(encoding="utf-8")
    parser = Whole()
    parser.feed(text)
    assert parser.open == []
    words = " ".join(parser.text)
    assert "Re-fly lane 2: 5 of 5 photos are blurred" in words
    assert "重飞航线 2" in words
    assert "http" not in text
    assert "<script" not in text
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 4
    for data in pictures:
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert decoded.std() > 5
    told = json.loads(page.with_suffix(".json").read_text())
    assert len(told["contributions"]) == 15
    assert {c["photo"] for c in told["contributions"] if c["lane"] == 2} == {
        f"P{n:03d}.JPG" for n in range(5, 10)
    }
    assert sum(c["painted_m2"] for c in told["contributions"]) == pytest.approx(told["area_m2"], rel=0.05)
    assert len(text) < 2_000_000


def test_the_page_names_no_folder_of_the_machine_that_made_it():
    page = quality_page(
        report_of([share(0)], dropped=[Dropped("X.JPG", "/home/me/card 1/X.JPG: is empty; copy it again")]),
        "o.tif",
    )
    assert "is empty; copy it again" in page
    assert "/home/me" not in page
