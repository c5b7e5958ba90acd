"""Plan files that are cut short, mixed up or something else: refused in one line, never a crash."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from plans.cameras import find_camera
from plans.errors import PlanFileError
from plans.formats import read_mission, write_plan
from plans.formats.convert import walls_of
from plans.formats.qgc_plan import read_camera, read_qgc_plan, read_walls, write_qgc_plan
from plans.formats.waypoints import read_waypoints
from plans.frames import GeoPoint
from plans.mission import Mission
from plans.survey import SurveySettings, plan_survey

from .conftest import repeatable, zone_of

LAUNCH = GeoPoint(29.9995, 103.9995, 480.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def good_plan(folder):
    """The JSON text of a short plan with everything in it: items, fence, rally point, camera, walls."""
    plan = plan_survey(
        [zone_of(box(0, 0, 300, 300))],
        find_camera("DJI Mavic 3E"),
        SurveySettings(gsd_m=0.04),
        no_fly=[zone_of(box(120, 120, 160, 160))],
        launches=(LAUNCH,),
    )
    mission = plan.missions[0]
    short = Mission(mission.items[:9], LAUNCH, 8.0, fence_exclusion=mission.fence_exclusion, rally=(LAUNCH,))
    path = write_qgc_plan(short, folder / "good.plan", plan.camera, walls_of(plan))
    read_qgc_plan(path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def good_survey(folder):
    """The same with its items in a survey item of QGroundControl."""
    plan = plan_survey(
        [zone_of(box(0, 0, 200, 200))],
        find_camera("DJI Mavic 3E"),
        SurveySettings(gsd_m=0.05),
        launches=(LAUNCH,),
    )
    (path,) = write_plan(plan, folder / "good_survey.plan")
    read_qgc_plan(path)
    return path.read_text(encoding="utf-8")


def refusals(path, *readers):
    """What the readers say to a file; anything but a PlanFileError goes through."""
    said = []
    for reader in readers:
        try:
            reader(path)
        except PlanFileError as error:
            said.append(str(error))
    return said


@repeatable(60)
@given(cut=st.integers(0, 5000))
def test_a_plan_cut_short_is_refused(folder, good_plan, cut):
    path = folder / "cut.plan"
    path.write_text(good_plan[: cut % (len(good_plan) - 2)])
    with pytest.raises(PlanFileError, match=r"cut\.plan"):
        read_qgc_plan(path)


def leaves(value, at=()):
    """Paths of everything in a JSON value."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*at, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from leaves(value[index], (*at, index))


ODD = [None, "", "x", -1, 1e30, 10**400, [], {}, [None], [1, 2], {"a": 1}, True, float("inf"), float("nan")]


@repeatable(400)
@given(which=st.integers(0, 10_000), odd=st.sampled_from(ODD))
def test_a_plan_with_any_part_wrong_is_read_or_refused_but_never_a_crash(folder, good_plan, which, odd):
    plan = json.loads(good_plan)
    places = list(leaves(plan))[1:]
    *parents, last = places[which % len(places)]
    target = plan
    for key in parents:
        target = target[key]
    target[last] = odd
    path = folder / "odd.plan"
    path.write_text(json.dumps(plan))
    for line in refusals(path, read_qgc_plan, read_camera, read_walls):
        assert "odd.plan" in line
        assert "\n" not in line


@repeatable(400)
@given(which=st.integers(0, 10_000), odd=st.sampled_from(ODD))
def test_a_survey_item_with_any_part_wrong_is_read_or_refused_but_never_a_crash(
    folder, good_survey, which, odd
):
    plan = json.loads(good_survey)
    places = [at for at in leaves(plan) if at[:2] == ("mission", "items")][1:]
    *parents, last = places[which % len(places)]
    target = plan
    for key in parents:
        target = target[key]
    target[last] = odd
    path = folder / "odd.plan"
    path.write_text(json.dumps(plan))
    for line in refusals(path, read_qgc_plan, read_camera, read_walls):
        assert "odd.plan" in line
        assert "\n" not in line


@repeatable(200)
@given(
    row=st.lists(
        st.sampled_from(["0", "1", "16", "-35.3", "149.1", "nan", "inf", "x", "1e400", "5001"]), max_size=14
    )
)
def test_a_waypoint_row_is_read_or_refused_but_never_a_crash(folder, row):
    path = folder / "odd.waypoints"
    path.write_text("QGC WPL 110\n0 1 0 16 0 0 0 0 30 104 500 1\n" + "\t".join(row) + "\n")
    assert all("odd.waypoints" in line for line in refusals(path, read_waypoints))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.plan", "", "the file is empty"),
        ("a.plan", "[1, 2]", "not a QGroundControl plan"),
        ("a.plan", '{"fileType": "Plan"}', "no list of mission items"),
        ("a.plan", "not json", "not a whole plan"),
        ("a.waypoints", "hello", "not a waypoint file"),
        ("a.waypoints", "QGC WPL 120\n", "version 120"),
        ("a.waypoints", "QGC WPL 110\n0 1 0 16 0 0 0 0 30 104 500\n", "line 2 has 11 fields"),
        ("a.waypoints", "QGC WPL 110\n0 1 0 16 0 0 0 0 104 30 500 1\n", "no latitude and longitude"),
        ("a.txt", "QGC WPL 110\n0 0 0 5001 4 0 0 0 30 104 0 1\n", "not whole"),
        ("a.gpx", "<gpx/>", "read from .plan and .waypoints"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(PlanFileError, match=says) as caught:
        read_mission(tmp_path / name)
    assert "\n" not in str(caught.value)
