"""Suggested grades: unseen is never unharmed, and more harm never reads as less."""

from dataclasses import replace

import pyogrio.raw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from imagery.damage import map_damage
from imagery.damage.buildings import Evidence, suggest
from imagery.damage.legend import GRADES
from imagery.damage.roofs import RoofChange

RANK = {e.key: e.code for e in GRADES}
share = st.floats(0, 1)
roofs = st.builds(
    RoofChange,
    shift_px=st.just((0, 0)),
    compared_share=share,
    changed_share=share,
    largest_m2=st.floats(0, 60),
    spread=st.floats(0, 30),
)
evidence = st.builds(
    Evidence,
    seen_share=share,
    roof_share=share,
    debris_share=share,
    lost_share=st.none() | share,
    water_ring=share,
    mud_ring=share,
    depth_m=st.none(),
    debris_ring=share,
    roof=st.none() | roofs,
)


def _evidence(**values) -> Evidence:
    calm = {"seen_share": 1.0, "roof_share": 1.0, "debris_share": 0.0, "lost_share": 0.0}
    return Evidence(**{**calm, "water_ring": 0.0, "mud_ring": 0.0, "depth_m": None, **values})


def _roof(changed_share: float, largest_m2: float, spread: float = 1.0) -> RoofChange:
    return RoofChange((0, 0), 1.0, changed_share, largest_m2, spread)


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ({}, "No visible damage"),
        ({"roof": _roof(0.0, 0.0)}, "No visible damage"),
        ({"water_ring": 0.9, "depth_m": 1.2}, "No visible damage"),
        ({"mud_ring": 0.9}, "No visible damage"),
        ({"debris_ring": 0.5, "mud_ring": 0.5}, "Possibly damaged"),
        ({"roof": _roof(0.03, 1.5)}, "Possibly damaged"),
        ({"roof": _roof(0.004, 0.4)}, "No visible damage"),
        ({"roof": _roof(0.3, 25.0)}, "Damaged"),
        ({"debris_share": 0.4, "roof_share": 0.6}, "Damaged"),
        ({"lost_share": 0.9, "roof_share": 0.8}, "Damaged"),
        ({"roof_share": 0.1, "debris_share": 0.8}, "Destroyed"),
        ({"roof_share": 0.1, "debris_share": 0.8, "roof": _roof(0.0, 0.0, spread=20.0)}, "Destroyed"),
        ({"roof_share": 0.0, "lost_share": 1.0}, "Destroyed"),
        ({"roof_share": 0.1, "debris_share": 0.8, "roof": _roof(0.0, 0.0)}, "No visible damage"),
        ({"roof_share": 0.3, "lost_share": None}, "Possibly damaged"),
        ({"seen_share": 0.4}, "Not Analysed"),
        ({"seen_share": 0.4, "water_ring": 1.0}, "Not Analysed"),
        ({"seen_share": 0.7}, "Not Analysed"),
        ({"seen_share": 0.7, "debris_share": 0.4, "roof_share": 0.6}, "Damaged"),
    ],
)
def test_rules_of_grading(values, grade: str) -> None:
    assert suggest(_evidence(**values))[0] == grade


@given(evidence)
def test_a_building_hardly_seen_is_not_analysed_and_none_that_was_not_seen_whole_is_unharmed(found) -> None:
    grade, confidence, reason = suggest(found)
    if found.seen_share < 0.5:
        assert grade == "Not Analysed"
    if found.seen_share < 0.8:
        assert grade != "No visible damage"
    else:
        assert grade != "Not Analysed"
    assert 0 <= confidence <= 1
    assert (confidence == 0) == (grade == "Not Analysed")
    assert reason


@given(evidence, share)
def test_more_debris_on_the_roof_is_never_less_damage(found: Evidence, more: float) -> None:
    worse = Evidence(**{**vars(found), "debris_share": max(found.debris_share, more)})
    assert RANK[suggest(worse)[0]] >= RANK[suggest(found)[0]]


@given(share, share, st.floats(0, 60), st.floats(0, 60))
def test_a_larger_hole_is_never_less_damage(a: float, b: float, small: float, large: float) -> None:
    (a, b), (small, large) = sorted((a, b)), sorted((small, large))
    less, more = _evidence(roof=_roof(a, small)), _evidence(roof=_roof(b, large))
    assert RANK[suggest(more)[0]] >= RANK[suggest(less)[0]]


def test_without_a_before_ortho_nothing_is_sure_to_be_whole() -> None:
    assert suggest(_evidence())[1] < suggest(_evidence(roof=_roof(0.0, 0.0)))[1]


def _columns(folder, layer="buildings"):
    meta, _, _, values = pyogrio.raw.read(folder / "damage.gpkg", layer=layer)
    return dict(zip(meta["fields"], values, strict=True))


def test_harmed_houses_of_the_place_are_found_and_no_others(mapped, place) -> None:
    columns = _columns(mapped.folder)
    graded = dict(zip(columns["id"], columns["grade"], strict=True))
    assert len(graded) == 12
    assert {i: g for i, g in graded.items() if g != "No visible damage"} == place.grades
    assert set(columns["status"]) == {"suggested"}
    assert set(columns["footprint"]) == {"given"}
    assert mapped.report()["buildings"]["Destroyed"] == 1


def test_each_grade_tells_its_evidence(mapped) -> None:
    columns = _columns(mapped.folder)
    of = {name: dict(zip(columns["id"], columns[name], strict=True)) for name in columns}
    assert of["reason"]["b2"] == "no roof left"
    assert of["reason"]["b4"] == "part of the roof gone or covered"
    assert of["hurt_share"]["b4"] == pytest.approx(0.5, abs=0.12)
    assert of["hole_m2"]["b4"] == pytest.approx(0.5 * 8.2 * 6.2, rel=0.2)
    assert of["hurt_share"]["b0"] == 0.0


def test_a_house_in_the_part_that_was_not_photographed_is_not_analysed(
    place, all_inputs, make_vector, tmp_path
) -> None:
    houses = [box(500_000.2, 3_400_040, 500_002.6, 3_400_046), box(500_400, 3_400_000, 500_410, 3_400_010)]
    path = make_vector(tmp_path / "h.gpkg", houses, {"id": ["edge", "beyond"]}, kind="Polygon")
    options = replace(all_inputs, footprints=path, before=None, roads=None, population=None)
    report = map_damage(place.after, tmp_path / "out", options).report()
    assert report["buildings"]["Not Analysed"] == 2
    assert sum(report["buildings"].values()) == 2
