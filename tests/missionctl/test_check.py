"""missionctl check: a plan offline, a vehicle before it is armed, ticks on record."""

import json
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from flight.errors import ChecklistError
from flight.safety.checklist import CheckState
from missionctl.errors import WorkspaceError
from missionctl.services.checking import (
    LIST_FILE,
    SafetyWishes,
    check_offline,
    check_with_vehicle,
    recent_ticks,
    tick_items,
)
from missionctl.services.vehicle_work import Target
from missionctl.workspace import MissionConfig, Workspace
from plans.errors import MissionError
from plans.formats import write_mission
from plans.formats.qgc_plan import write_qgc_plan
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from sim.server import SimSettings, serve

HOME = GeoPoint(30.05, 103.15, 500.0)
PLAIN = (0.0, 0.0, 0.0, 0.0)


def waypoint(lat, lon, up=40.0, command=Command.NAV_WAYPOINT):
    return MissionItem(command, AltitudeFrame.RELATIVE, PLAIN, lat, lon, up)


MISSION = Mission(
    (
        waypoint(30.05, 103.15, command=Command.NAV_TAKEOFF),
        waypoint(30.0515, 103.15),
        waypoint(30.0515, 103.152),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    ),
    HOME,
    8.0,
)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "flood", MissionConfig("flood"))


@pytest.fixture
def plan(workspace):
    return write_mission(MISSION, workspace.path / "plans" / "one.plan")


@pytest.fixture
def address():
    ready, stop, found = threading.Event(), threading.Event(), []

    def on_ready(urls):
        found.extend(urls)
        ready.set()

    params = (("FS_GCS_ENABLE", 1.0), ("RTL_ALT", 4000.0), ("BATT_LOW_VOLT", 18.0))
    wanted = SimSettings(home=HOME, listen=("tcpin:127.0.0.1:0",), speedup=30.0, params=params)
    thread = threading.Thread(target=serve, args=(wanted, on_ready, stop), daemon=True)
    thread.start()
    assert ready.wait(30.0)
    yield found[0]
    stop.set()
    thread.join(10.0)


def dem(path, heights):
    """A DEM of 0.0001 degrees a cell around home."""
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=100, count=1, dtype="float32", crs="EPSG:4326",
        transform=from_origin(103.147, 30.056, 0.0001, 0.0001),
    ) as out:  # fmt: skip
        out.write(heights.astype("float32"), 1)
    return path


def test_a_good_plan_offline(plan, run_json):
    report = run_json("check", plan)
    assert report["plan"]["faults"] == []
    assert [w["key"] for w in report["plan"]["warnings"]] == ["plan.no_dem"]
    assert 380 < report["plan"]["length_m"] - 2 * 40 < 700


def test_the_ground_of_the_mission_folder_is_looked_at(workspace, plan, tmp_path, run):
    heights = np.full((100, 100), 500.0)
    heights[40:50, 35:45] = 560.0  # a hill under the second leg
    workspace.set_input("dem", dem(tmp_path / "dem.tif", heights))
    done = run("check", plan, "--lang", "zh")
    assert done.returncode == 2
    assert "plan.hits_ground" in done.stdout
    assert "会撞地" in done.stdout
    assert "cannot be flown" in done.stderr
    check_offline(plan, SafetyWishes()).plan.require_flyable(frozenset({"plan.hits_ground"}))


def test_no_fly_areas_from_a_file(plan, tmp_path):
    area = {"type": "Polygon", "coordinates": [[[103.1505, 30.0512], [103.1515, 30.0512], [103.1515, 30.0518],
                                                [103.1505, 30.0518], [103.1505, 30.0512]]]}  # fmt: skip
    feature = {"type": "Feature", "properties": {"name": "school"}, "geometry": area}
    file = tmp_path / "no-fly.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    found = check_offline(plan, SafetyWishes(no_fly=file))
    (fault,) = found.plan.faults
    assert fault.key == "plan.enters"
    assert "school" in fault.says()


def ring(west, south, east, north):
    corners = (south, west), (south, east), (north, east), (north, west)
    return tuple(GeoPoint(lat, lon) for lat, lon in corners)


def test_the_walls_of_a_plan_are_no_fly_areas(tmp_path):
    beside = ring(103.1505, 30.0515, 103.1515, 30.0520)  # the second leg runs along its southern side
    across = ring(103.1505, 30.0512, 103.1515, 30.0518)
    plan = write_qgc_plan(MISSION, tmp_path / "walls.plan", walls=(beside,))
    assert check_offline(plan, SafetyWishes()).plan.faults == ()
    plan = write_qgc_plan(MISSION, tmp_path / "walls.plan", walls=(beside, across))
    (fault,) = check_offline(plan, SafetyWishes()).plan.faults
    assert fault.key == "plan.enters"
    assert "wall 2" in fault.says()
    fenced = write_qgc_plan(replace(MISSION, fence_exclusion=(across,)), plan, walls=(across,))
    (fault,) = check_offline(fenced, SafetyWishes()).plan.faults
    assert "exclusion 1" in fault.says(), "told once"


def test_a_foreign_plan(tmp_path):
    file = tmp_path / "odd.waypoints"
    file.write_text(
        "QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t30.05\t103.15\t500\t1\n"
        "1\t0\t3\t16\t0\t0\t0\t0\t30.051\t103.15\t40\t1\n2\t0\t3\t4711\t0\t0\t0\t0\t30.051\t103.15\t40\t1\n"
    )
    keys = [alert.key for alert in check_offline(file, SafetyWishes()).plan.alerts]
    assert keys[0] == "plan.command_unknown"
    assert {"plan.no_take_off", "plan.no_landing"} <= set(keys)


def test_a_vehicle_before_it_is_armed_and_ticks_on_record(workspace, plan, address):
    def checked(*ticks, accepted=()):
        wishes = SafetyWishes(ticked=ticks, accepted=accepted, by="Li")
        return check_with_vehicle(plan, Target(address), wishes)

    first = checked("props", "card")
    states = {check.key: check.state for check in first.checklist.checks}
    assert states["mission_held"] is CheckState.FAIL
    assert states["props"] is states["card"] is CheckState.OK
    assert states["airspace"] is CheckState.TO_TICK
    with pytest.raises(ChecklistError):
        first.checklist.require_ready()
    assert any(moment.alert.key == "lost.on_ground" for moment in first.lost.moments)
    second = checked("airspace", accepted=("mission_held", "gcs_id", "prearm", "ekf", "gps", "home"))
    states = {check.key: check.state for check in second.checklist.checks}
    assert states["props"] is states["airspace"] is CheckState.OK, "earlier ticks count for the same plan"
    second.checklist.require_ready()
    rows = workspace.features("checks")
    assert [row.values["ready"] for row in rows] == [0, 1]
    assert rows[1].values["actor"] == "Li"
    assert "mission_held" in rows[1].values["accepted"]
    assert json.loads(rows[0].values["checks_json"])[0]["key"] == "link"
    write_mission(replace(MISSION, cruise_speed_mps=9.0), plan)
    assert recent_ticks(workspace, plan, 1) == (), "another plan wants another look"


def test_the_list_is_the_mission_folders_own(workspace):
    assert "props" in [item.key for item in tick_items(workspace)]
    file = workspace.path / LIST_FILE
    file.write_text('[{"key": "boat", "en": "Boat ready", "zh": "船只就位", "needed": true}]')
    (item,) = tick_items(workspace)
    assert (item.key, item.needed) == ("boat", True)
    file.write_text('[{"key": "Boat!"}]')
    with pytest.raises(WorkspaceError, match=r"checklist\.json"):
        tick_items(workspace)


def test_a_tick_that_is_not_on_the_list(plan):
    with pytest.raises(MissionError, match="not on the list; it has: airspace"):
        check_offline(plan, SafetyWishes(ticked=("wings",)))


def test_older_mission_folders_get_the_record(workspace):
    with sqlite3.connect(workspace.store) as db:
        db.execute("DROP TABLE checks")
        db.execute("DELETE FROM gpkg_contents WHERE table_name='checks'")
    db.close()
    assert workspace.features("checks") == []
