"""A plan that is being drawn: kept on disk, planned beside the window, saved into the mission."""

import json
import os
import queue
import time

import pytest
import shapely
from shapely import box

from missionctl.errors import WorkspaceError
from missionctl.services.plan_draft import (
    DRAFT,
    NO_FLY,
    ZONE,
    PlanDraft,
    Wishes,
    draft_of,
    free_plan_file,
    keep_draft,
    read_draft,
    with_zones_of,
)
from missionctl.services.plan_preview import preview_plan, save_plan, sketch_lanes
from missionctl.services.plan_worker import PlanWorker
from missionctl.workspace import MissionConfig, Workspace
from plans.errors import PlanningError, ZoneError
from plans.frames import GeoPoint, LocalFrame

FRAME = LocalFrame(30.0, 105.0)
CAMERA = "DJI Mavic 3E"


def ground(west, south, east, north):
    return FRAME.geometry_to_geo(box(west, south, east, north))


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "mission", MissionConfig("Bend", camera=CAMERA))


@pytest.fixture
def draft():
    drawn = PlanDraft(wishes=Wishes(camera=CAMERA)).with_area(ZONE, ground(0, 0, 300, 200), "Zone")
    return drawn.with_area(NO_FLY, ground(120, 80, 160, 120), "Mast").with_launches((GeoPoint(30.0, 105.0),))


def test_a_draft_comes_back_as_it_was_kept(workspace, draft):
    assert read_draft(workspace) is None
    keep_draft(workspace, draft)
    assert read_draft(workspace) == draft
    changed = draft.changed(1, name="河湾", priority=3.0).with_wishes(height_m=90.0)
    keep_draft(workspace, changed)
    assert read_draft(workspace) == changed


def test_a_draft_that_makes_no_sense_is_told_and_left_alone(workspace):
    file = workspace.path / DRAFT
    file.parent.mkdir()
    for broken in ('{"version": 1, "areas"', '{"version": 9}', "[]", '{"version": 1, "areas": [{}]}'):
        file.write_text(broken)
        with pytest.raises(WorkspaceError, match="cannot be read"):
            read_draft(workspace)
        assert file.read_text() == broken


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(workspace, draft):
    workspace.path.chmod(0o500)
    try:
        with pytest.raises(WorkspaceError, match="cannot be kept"):
            keep_draft(workspace, draft)
    finally:
        workspace.path.chmod(0o700)


def test_areas_keep_their_numbers_and_get_names_of_their_own(draft):
    more = draft.with_area(ZONE, ground(400, 0, 500, 100), "Zone")
    assert [(a.number, a.name) for a in more.areas] == [(1, "Zone"), (2, "Mast"), (3, "Zone 2")]
    assert more.without(1).with_area(ZONE, ground(0, 0, 9, 9), "Zone").areas[-1].number == 4
    assert more.changed(3, name="East").area(3).name == "East"
    assert draft.area(3) is None


def test_a_sketch_shows_lanes_of_the_asked_angle_around_what_is_barred(workspace, draft):
    lanes = shapely.get_parts(FRAME.geometry_to_local(sketch_lanes(draft, workspace, 90.0)))
    assert len(lanes) > 3
    ends = [shapely.get_coordinates(lane) for lane in lanes]
    assert all(abs(e[0, 1] - e[-1, 1]) < 0.5 for e in ends)
    barred = box(120, 80, 160, 120)
    assert not any(lane.intersects(barred) for lane in lanes)


def test_a_preview_is_the_plan_that_saving_makes(workspace, draft):
    preview = preview_plan(draft, workspace)
    assert len(preview.photos.geoms) == preview.report["photos"]
    assert len(preview.sorties) == len(preview.report["sorties"])
    assert preview.report["coverage"]["share"] > 0.99
    assert preview.coverage.share(5) > 0
    assert workspace.features("plans") == []
    file, report = save_plan(draft, workspace)
    assert file == workspace.path / "plans" / "survey.plan"
    assert report["photos"] == preview.report["photos"]
    (row,) = workspace.features("plans")
    assert json.loads(row.values["report_json"])["photos"] == report["photos"]
    assert free_plan_file(workspace).name == "survey-2.plan"


def test_saving_brings_the_zones_in_line_and_the_journal_keeps_what_they_were(workspace, draft):
    save_plan(draft, workspace)
    moved = draft.changed(1, polygon=ground(0, 0, 250, 200)).with_area(ZONE, ground(0, 300, 99, 400), "North")
    save_plan(moved, workspace)
    zones = {f.values["name"]: f for f in workspace.features("zones")}
    assert set(zones) == {"Zone", "North"}
    assert zones["Zone"].geometry.equals_exact(moved.area(1).polygon, 1e-9)
    moved = with_zones_of(moved, workspace.features("zones"))
    save_plan(moved.without(1), workspace)
    assert [f.values["name"] for f in workspace.features("zones")] == ["North"]
    told = [f.values for f in workspace.features("events")]
    was = {v["action"]: json.loads(v["detail_json"]).get("was", "") for v in told}
    assert shapely.from_wkt(was["zone changed"]).equals_exact(draft.area(1).polygon, 1e-6)
    assert shapely.from_wkt(was["zone removed"]).equals_exact(moved.area(1).polygon, 1e-6)


def test_a_mission_with_zones_begins_with_them(workspace, draft):
    save_plan(draft, workspace)
    zones, plans = workspace.features("zones"), workspace.features("plans")
    begun = draft_of(workspace.config, zones, plans)
    assert [(a.kind, a.name) for a in begun.areas] == [(ZONE, "Zone")]
    assert begun.wishes.camera == CAMERA
    assert begun.known == ("Zone",)
    assert draft_of(MissionConfig("No camera"), zones, plans).wishes.camera == CAMERA


def test_a_zone_that_somebody_else_adds_is_taken_up_and_never_removed(workspace, draft):
    save_plan(draft, workspace)
    mine = with_zones_of(draft, workspace.features("zones"))
    assert [a.name for a in mine.areas] == ["Zone", "Mast"]
    workspace.add("zones", [(ground(400, 0, 500, 100), {"name": "Theirs", "priority": 2.0})])
    save_plan(mine, workspace)
    assert {f.values["name"] for f in workspace.features("zones")} == {"Zone", "Theirs"}
    both = with_zones_of(mine, workspace.features("zones"))
    assert [(a.name, a.priority) for a in both.areas][-1] == ("Theirs", 2.0)
    save_plan(both.without(both.areas[-1].number), workspace)
    assert {f.values["name"] for f in workspace.features("zones")} == {"Zone"}


def test_a_draft_without_a_zone_is_no_plan(workspace):
    for make in (preview_plan, save_plan):
        with pytest.raises(ZoneError, match="no zone is drawn"):
            make(PlanDraft(wishes=Wishes(camera=CAMERA)), workspace)
    bow = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    crossed = PlanDraft(wishes=Wishes(camera=CAMERA)).with_area(ZONE, FRAME.geometry_to_geo(bow), "Bow")
    for make in (preview_plan, lambda d, w: sketch_lanes(d, w, 0.0)):
        with pytest.raises(PlanningError, match="cross"):
            make(crossed, workspace)


@pytest.fixture
def worker():
    results = queue.Queue()
    made = PlanWorker(results.put)
    made.results = results
    yield made
    made.close()


def test_the_newest_wish_counts_and_faults_are_one_line(worker, workspace, draft):
    tickets = [worker.preview(draft.with_wishes(height_m=60.0 + n), workspace.path) for n in range(6)]
    done = worker.results.get(timeout=120)
    while done.ticket != tickets[-1]:
        assert done.ticket == tickets[0]  # it was under way already
        done = worker.results.get(timeout=120)
    assert done.result.report["photos"] > 0
    assert not worker.process.busy
    worker.preview(draft.with_wishes(camera="no such camera"), workspace.path)
    fault = worker.results.get(timeout=120).fault
    assert "no such camera" in fault
    assert "\n" not in fault


def test_what_takes_too_long_is_broken_off_for_a_newer_wish(worker, workspace, draft):
    worker.preview(draft, workspace.path)
    worker.results.get(timeout=120)
    worker.process.patience_s = 0.0
    county = draft.changed(1, polygon=ground(0, 0, 9000, 9000)).with_wishes(drones=3)
    worker.preview(county, workspace.path)
    time.sleep(0.1)
    last = worker.preview(draft, workspace.path)
    assert worker.results.get(timeout=120).ticket == last
    assert worker.results.empty()


def test_a_planner_that_dies_is_told_and_the_next_wish_is_planned(worker, workspace, draft):
    worker.preview(draft, workspace.path)
    worker.results.get(timeout=120)
    ticket = worker.preview(
        draft.changed(1, polygon=ground(0, 0, 9000, 9000)).with_wishes(drones=3), workspace.path
    )
    worker.process._process.kill()
    done = worker.results.get(timeout=120)
    assert (done.ticket, "unexpectedly" in done.fault) == (ticket, True)
    worker.preview(draft, workspace.path)
    assert worker.results.get(timeout=120).fault == ""


def test_closing_waits_for_a_file_that_is_being_saved(workspace, draft):
    results = queue.Queue()
    worker = PlanWorker(results.put)
    worker.save(draft, workspace.path)
    worker.preview(draft, workspace.path)
    worker.close()
    assert (workspace.path / "plans" / "survey.plan").exists()
    assert results.get(timeout=60).result == workspace.path / "plans" / "survey.plan"
