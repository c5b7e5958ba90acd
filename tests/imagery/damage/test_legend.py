"""The numbers and words of the legend are a contract with files, truth and people."""

import pytest

from imagery.damage.legend import CHANGES, CLASSES, DEPTHS, GRADES, ROAD_STATES, class_code, grade_entry


def test_ground_codes_are_those_on_disk() -> None:
    assert [(e.code, e.key) for e in CLASSES] == [
        (0, "not_analysed"),
        (1, "water"),
        (2, "mud"),
        (3, "debris"),
        (4, "road"),
        (5, "building"),
        (6, "vegetation"),
        (7, "bare_ground"),
        (8, "landslide"),
        (9, "shadow"),
    ]


@pytest.mark.parametrize("legend", [CLASSES, CHANGES, GRADES, ROAD_STATES, DEPTHS])
def test_no_two_lines_of_a_legend_share_code_name_or_colour(legend) -> None:
    for name in ("code", "key", "colour", "name_en", "name_zh"):
        values = [getattr(e, name) for e in legend]
        assert len(set(values)) == len(values), name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *[("Water", 1), ("flooded", 1), ("洪水", 1), ("淤泥", 2), ("Flood-trace", 2), ("bare_ground", 7)],
        *[(5, 5), ("5", 5), (5.0, 5), ("ROOF", 5), ("植被", 6)],
        *[("Landslide", 8), ("滑坡", 8), ("阴影", 9), ("shade", 9)],
    ],
)
def test_classes_go_by_english_chinese_or_number(name, code: int) -> None:
    assert class_code(name) == code


@pytest.mark.parametrize("name", ["lava", "", None, True, 0, 10, "not analysed", float("nan")])
def test_what_is_no_class_is_none(name) -> None:
    assert class_code(name) is None


def test_grades_use_the_words_of_copernicus_ems() -> None:
    words = {"Not Analysed", "No visible damage", "Possibly damaged", "Damaged", "Destroyed"}
    assert {e.key for e in GRADES} == words
    assert grade_entry("Destroyed").hex_colour == "#d7191c"
