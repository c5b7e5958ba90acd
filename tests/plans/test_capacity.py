"""How many items a vehicle holds, and how many a mission takes there."""

from __future__ import annotations

import zipfile

import pytest

from plans.capacity import AUTOPILOTS, count_items, item_capacity
from plans.errors import SurveyError
from plans.formats import write_plan
from sim.autopilot.mission import CAPACITY

from .planned import survey


def test_capacities_are_the_documented_ones():
    assert [item_capacity(name) for name in AUTOPILOTS] == [650, 500, 65_535, 99]
    assert item_capacity(" ArduPilot ") == (2422 + 2132 + 5204 - 4) // 15 == CAPACITY


def test_ardupilot_keeps_home_in_slot_nought():
    mission = survey().missions[0]
    assert count_items(mission, "ardupilot") == len(mission.items) + 1
    assert count_items(mission, "px4") == len(mission.items)


def test_dji_counts_the_points_of_the_route_as_its_file_has_them(tmp_path):
    plan = survey(endurance_min=10)
    for sortie, file in zip(plan.sorties, write_plan(plan, tmp_path / "s.kmz")[1:], strict=True):
        with zipfile.ZipFile(file) as archive:
            points = archive.read("wpmz/waylines.wpml").count(b"<Placemark>")
        assert count_items(sortie.mission, "dji") == count_items(sortie.mission, "dji-fly") == points


def test_an_autopilot_that_is_not_known_is_named():
    for asked in (item_capacity, lambda name: count_items(survey().missions[0], name)):
        with pytest.raises(SurveyError, match=r"'betaflight' is not known; use one of ardupilot, px4"):
            asked("betaflight")
