"""A live block larger than what is adjusted at once: new photos are adjusted among those around them, the
whole when it has doubled, and what a killed run knew stands as it stood."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from imagery.live import LiveRules, follow_photos, live_folder
from imagery.live_block import LiveBlock
from imagery.live_correct import scope_of, some_are_due, whole_is_due
from imagery.live_store import LiveStore
from imagery.live_ties import Ties
from imagery.matching import PairMatches
from imagery.mosaic import MosaicOptions, feature_rules
from plans.frames import Pose
from tests.imagery.conftest import FRAME

QUICK = MosaicOptions(workers=2, quality="quick")
MATCH = PairMatches(0, 1, np.arange(20), np.arange(20))


class Standing:
    """A photo that stands at a place: all that choosing needs."""

    def __init__(self, east_m):
        self.pose = Pose(east_m, 0.0, 600.0, 0.0, -90.0, 0.0)


def lane(count):
    """(stands, ties) of photos in a row, each tied with the two before it."""
    names = [f"P{n:03d}" for n in range(count)]
    ties = Ties()
    for n, name in enumerate(names):
        for before in names[max(n - 2, 0) : n]:
            ties.add(before, name, MATCH)
    return {name: Standing(20.0 * n) for n, name in enumerate(names)}, ties


def test_a_photo_costs_by_its_neighbourhood():
    for count in (100, 1000):
        stands, ties = lane(count)
        new = list(stands)[-15:]
        scope = scope_of(stands, ties, new, whole=False)
        assert scope.free == tuple(list(stands)[-50:])
        assert sorted(scope.around) == list(stands)[-52:-50]
        matches = ties.among(scope.free, scope.around)
        assert len(matches) == 2 * 50, "none of two photos that are held"


def test_the_whole_is_adjusted_as_often_as_it_doubles():
    done, settled = [], 0
    for count in range(1, 1001):
        if whole_is_due(count, settled):
            done.append(count)
            settled = count
    assert done == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert sum(done) < 1.1 * 1000
    assert [some_are_due(n, new) for n, new in ((2, 2), (3, 2), (20, 5), (20, 6), (900, 14), (900, 15))] == [
        False, True, False, True, False, True,
    ]  # fmt: skip


def test_ties_forget_a_photo_that_is_another_now():
    _, ties = lane(4)
    ties.add("P000", "P003", None)
    assert ties.mates("P003") == ["P001", "P002"]
    assert ties.shared("P003", "P002") == 20
    assert ties.shared("P000", "P003") == 0
    ties.forget("P002")
    assert ties.mates("P003") == ["P001"]
    assert sorted(pair for pair, _ in ties) == [("P000", "P001"), ("P000", "P003"), ("P001", "P003")]


@pytest.fixture
def small_scopes(monkeypatch):
    monkeypatch.setattr("imagery.live_correct.FREE", 5)


@pytest.mark.usefixtures("small_scopes")
def test_a_run_that_ends_anywhere_is_taken_up_as_it_stood(known_block, tmp_path, monkeypatch):
    """Photos adjusted among others, photos that came since, and the whole: all stand where they stood."""
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    photos, wholes, drafts = sorted(known_block.folder.iterdir()), [], []
    move = LiveBlock.move

    def moved(block, made):
        wholes.append(made.scope.whole)
        outlines = move(block, made)
        assert_as_kept(block)
        return outlines

    def assert_as_kept(block):
        again = LiveBlock(folder, LiveStore(live_folder(out), kept), feature_rules(QUICK), None)
        again.restore()
        assert again.stands.keys() == block.stands.keys()
        for name, stand in block.stands.items():
            assert again.stands[name].pose == stand.pose
            assert again.stands[name].camera == stand.camera
            assert np.allclose(again.ground.points[name], block.ground.points[name], atol=0.006)
        assert again._since == block._since
        assert again._settled == block._settled

    def drafted(draft):
        drafts.append(draft)
        if draft.late_s is not None and draft.count < len(photos):
            land(photos[draft.count])

    def land(photo):
        shutil.copy(photo, folder / f".{photo.name}")
        (folder / f".{photo.name}").rename(folder / photo.name)

    rules = feature_rules(QUICK)
    kept = {"image_mpx": rules.image_mpx, "per_photo": rules.per_photo, "epsg": None}
    monkeypatch.setattr(LiveBlock, "move", moved)
    land(photos[0])
    report = follow_photos(
        folder, out, QUICK, lambda *_: None, drafted,
        lambda: len(wholes) > 4 and wholes[-1] and drafts[-1].count == len(photos), LiveRules(idle_s=60.0),
    )  # fmt: skip
    assert wholes.count(False) >= 2
    assert wholes.count(True) >= 2
    shown = {p.name: p for p in drafts[-1].photos()}
    off_m = [known_block.poses[int(name[1:4])].centre - placed(photo) for name, photo in shown.items()]
    assert np.sqrt(np.mean(np.square(off_m))) < 0.25, "the live map lies where it is"
    assert len(report.photos) == len(photos)


def placed(photo):
    east, north = FRAME.to_local(photo.lat_deg, photo.lon_deg)
    return replace(photo.pose, east_m=float(east), north_m=float(north)).centre
