"""Suggested grades: unseen is never unharmed, and more harm never reads as less."""

from dataclasses import replace

import pyogrio.raw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from imagery.damage import map_damage
from imagery.damage.buildings import Evidence, suggest_grade
from imagery.damage.legend import GRADES

RANK = {e.key: e.code for e in GRADES}
share = st.floats(0, 1)
evidence = st.builds(
    Evidence,
    seen_share=share,
    roof_share=share,
    debris_share=share,
    lost_share=st.none() | share,
    water_ring=share,
    mud_ring=share,
    depth_m=st.none(),
)


def _evidence(**values) -> Evidence:
    calm = {"seen_share": 1.0, "roof_share": 1.0, "debris_share": 0.0, "lost_share": 0.0}
    return Evidence(**{**calm, "water_ring": 0.0, "mud_ring": 0.0, "depth_m": None, **values})


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ({}, "No visible damage"),
        ({"water_ring": 0.5}, "Possibly damaged"),
        ({"mud_ring": 0.5}, "Possibly damaged"),
        ({"debris_share": 0.4, "roof_share": 0.6}, "Damaged"),
        ({"lost_share": 0.9, "roof_share": 0.8}, "Damaged"),
        ({"roof_share": 0.1, "debris_share": 0.8}, "Destroyed"),
        ({"roof_share": 0.3, "lost_share": None}, "Possibly damaged"),
        ({"seen_share": 0.4}, "Not Analysed"),
        ({"seen_share": 0.4, "water_ring": 1.0}, "Not Analysed"),
    ],
)
def test_rules_of_grading(values, grade: str) -> None:
    assert suggest_grade(_evidence(**values))[0] == grade


@given(evidence)
def test_a_building_hardly_seen_is_not_analysed_and_any_other_is(found: Evidence) -> None:
    grade, confidence = suggest_grade(found)
    assert (grade == "Not Analysed") == (found.seen_share < 0.5)
    assert 0 <= confidence <= 1


@given(evidence, share)
def test_more_debris_on_the_roof_is_never_less_damage(found: Evidence, more: float) -> None:
    worse = Evidence(**{**vars(found), "debris_share": max(found.debris_share, more)})
    assert RANK[suggest_grade(worse)[0]] >= RANK[suggest_grade(found)[0]]


def test_harmed_houses_of_the_place_are_found_and_no_others(mapped, place) -> None:
    meta, _, _, values = pyogrio.raw.read(mapped.folder / "damage.gpkg", layer="buildings")
    columns = dict(zip(meta["fields"], values, strict=True))
    graded = dict(zip(columns["id"], columns["grade"], strict=True))
    assert len(graded) == 12
    assert {i: g for i, g in graded.items() if g != "No visible damage"} == place.grades
    assert set(columns["status"]) == {"suggested"}
    assert mapped.report()["buildings"]["Destroyed"] == 1


def test_a_house_in_the_part_that_was_not_photographed_is_not_analysed(
    place, all_inputs, make_vector, tmp_path
) -> None:
    houses = [box(500_000.2, 3_400_040, 500_002.6, 3_400_046), box(500_400, 3_400_000, 500_410, 3_400_010)]
    path = make_vector(tmp_path / "h.gpkg", houses, {"id": ["edge", "beyond"]}, kind="Polygon")
    options = replace(all_inputs, footprints=path, before=None, roads=None, population=None)
    report = map_damage(place.after, tmp_path / "out", options).report()
    assert report["buildings"]["Not Analysed"] == 2
    assert sum(report["buildings"].values()) == 2
