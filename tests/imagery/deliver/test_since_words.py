"""What changed, in words: growth is told apart from what was seen for the first time."""

import pytest

from imagery.deliver.since_words import since_text

SINCE = {
    "previous_utc": "2026-07-01T04:00:00+00:00",
    "hours": 1.5,
    "areas_m2": {
        "new_water": 12_000.0, "fallen_dry": 0.0, "water_first_seen": 3000.0, "water_out_of_sight": 10.0,
    },
}  # fmt: skip
TOWNS = (
    {"name_zh": "上河镇", "name_en": "Shanghe", "since_m2": {"new_water": 2000.0}},
    {"name_zh": "下河镇", "name_en": "Xiahe", "since_m2": {"new_water": 10_000.0}},
    {"name_zh": "高山镇", "name_en": "Gaoshan", "since_m2": {"new_water": 0.0}},
)


def _area(area_m2: float, language: str) -> str:
    return f"{area_m2:.0f} {'平方米' if language == 'zh' else 'm2'}"


@pytest.mark.parametrize(
    ("language", "said", "unsaid"),
    [
        (
            "en",
            ("12000 m2 flooded since", "Xiahe 10000 m2, Shanghe 2000 m2", "Not growth: 3000 m2"),
            "Gaoshan",
        ),
        ("zh", ("新增淹没 12000 平方米", "下河镇 10000 平方米、上河镇", "3000 平方米 为首次判读"), "高山镇"),
    ],
)
def test_growth_first_sight_and_the_places_worst_hit(language, said, unsaid) -> None:
    text = since_text(SINCE, TOWNS, language, _area)
    for part in said:
        assert part in text
    assert unsaid not in text
    assert "10 m2 of water known" not in text  # too little to be worth a sentence
