"""What a live mosaic keeps and hands on: lines cut short by a kill, files that grow, wrong places."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from imagery.found import Found, file_key
from imagery.live_store import LiveStore
from imagery.live_watch import Arrivals
from imagery.mosaic import MosaicOptions, feature_rules, make_mosaic
from imagery.photos import list_photo_files, read_block
from plans.frames import LocalFrame
from tests.imagery.conftest import FRAME

QUICK = MosaicOptions(workers=2, quality="quick")


def names_of(added):
    return [one["name"] for one in added]


def test_a_line_that_was_cut_short_costs_itself_alone(tmp_path):
    store = LiveStore(tmp_path / "live", {})
    store.keep_block({"frame": [30.0, 103.0]})
    store.add_to_block({"name": "A"})
    with (tmp_path / "live" / "added.jsonl").open("ab") as file:
        file.write(b'{"name": "cut sh')
    store.add_to_block({"name": "B"})
    told, added = LiveStore(tmp_path / "live", {}).block()
    assert told["frame"] == [30.0, 103.0]
    assert names_of(added) == ["A", "B"]


def test_lines_of_a_block_before_do_not_count(tmp_path):
    """Killed between the new block and the end of the lines behind the old one."""
    store = LiveStore(tmp_path / "live", {})
    store.add_to_block({"name": "A"})
    old = (tmp_path / "live" / "added.jsonl").read_bytes()
    store.keep_block({"stands": {"A": 1}})
    (tmp_path / "live" / "added.jsonl").write_bytes(old)
    store.add_to_block({"name": "B"})
    again = LiveStore(tmp_path / "live", {})
    told, added = again.block()
    assert list(told["stands"]) == ["A"]
    assert names_of(added) == ["B"]
    again.add_to_block({"name": "C"})
    assert names_of(again.block()[1]) == ["B", "C"]
    assert json.loads((tmp_path / "live" / "block.json").read_text())["number"] == 1


def test_a_file_is_given_when_it_is_whole_and_again_when_it_is_another(known_block, tmp_path):
    photo = min(known_block.folder.iterdir())
    data, now, known = photo.read_bytes(), [0.0], {}
    arrivals = Arrivals(tmp_path, 5.0, lambda: now[0])

    def look():
        now[0] += 0.3
        found = [p.name for p in arrivals.whole(lambda p: known.get(p.name) == file_key(p))]
        known.update({name: file_key(tmp_path / name) for name in found})
        return found

    assert look() == []
    (tmp_path / "A.JPG").write_bytes(data[: len(data) // 2])
    assert look() == []
    (tmp_path / "A.JPG").write_bytes(data)
    (tmp_path / ".B.JPG.part").write_bytes(data)
    assert look() == ["A.JPG"]
    assert look() == []
    (tmp_path / "B.JPG").write_bytes(data[: len(data) // 2])
    now[0] += 1.0
    assert look() == []
    now[0] += 5.0
    assert look() == ["B.JPG"], "whoever reads it says what it lacks"
    os.utime(tmp_path / "A.JPG", ns=(1, 1))  # another photo of that name
    assert look() == ["A.JPG"]


@pytest.fixture(scope="module")
def settled(known_block, tmp_path_factory):
    """The block made twice: what was found, where its photos stand, and its report."""
    found = Found(feature_rules(QUICK))
    report = make_mosaic(known_block.folder, tmp_path_factory.mktemp("a") / "a.tif", QUICK, found=found)
    return found, report


def off_m(report, known_block):
    """(n,) by how much the photos stand off the truth."""
    photos = sorted(report.photos, key=lambda p: p.name)
    east, north = FRAME.to_local([p.lat_deg for p in photos], [p.lon_deg for p in photos])
    stood = np.stack([east, north, [p.pose.up_m for p in photos]], axis=1)
    return np.linalg.norm(stood - np.array([pose.centre for pose in known_block.poses]), axis=1)


@pytest.mark.parametrize("how", ["right", "elsewhere", "turned", "near"])
def test_the_full_run_is_no_worse_for_places_that_are_wrong(how, settled, known_block, tmp_path):
    found, report = settled
    files = list_photo_files(known_block.folder)
    block, _ = read_block(files)
    known = Found(found.rules, found._features, found._matches)
    other = LocalFrame(block.frame.origin_lat_deg + 0.001, block.frame.origin_lon_deg + 0.001)
    rng = np.random.default_rng(1)
    for number, photo in enumerate(sorted(report.photos, key=lambda p: p.name)):
        east, north = other.to_local(photo.lat_deg, photo.lon_deg)
        pose = replace(photo.pose, east_m=float(east), north_m=float(north))
        if number % 3 == 0 and how == "elsewhere":
            pose = replace(pose, east_m=pose.east_m + 300.0)
        if number % 3 == 0 and how == "turned":
            pose = replace(pose, yaw_deg=pose.yaw_deg + 120.0)
        if how == "near":
            off = rng.normal(0, 0.6, 3)
            pose = replace(pose, east_m=pose.east_m + off[0], north_m=pose.north_m + off[1],
                           yaw_deg=pose.yaw_deg + 8 * off[2])  # fmt: skip
        known.learn_place(file_key(known_block.folder / photo.name), other, pose)
    guess = known.guess(block)
    ruled_out = sum(g == photo.prior for g, photo in zip(guess, block.photos, strict=True))
    assert ruled_out == {"right": 0, "elsewhere": 5, "turned": 5, "near": ruled_out}[how]
    again = make_mosaic(known_block.folder, tmp_path / "again.tif", QUICK, found=known)
    off = [np.sqrt(np.mean(off_m(made, known_block) ** 2)) for made in (again, report)]
    assert off[0] < off[1] + 0.01, "a third of a GPS fix with RTK"
    assert again.reprojection_rms_px < 1.02 * report.reprojection_rms_px
