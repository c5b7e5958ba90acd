"""The mission folder keeps what it said it kept, whoever writes and whatever dies."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pyogrio
import pytest
import shapely

from missionctl import geopackage
from missionctl.errors import WorkspaceError
from missionctl.jobs import job, list_jobs
from missionctl.workspace import LAYERS, MissionConfig, Workspace, find_workspace


@pytest.fixture
def workspace(tmp_path):
    config = MissionConfig(
        "岷江 flood", place="上游", camera="DJI Mavic 3E", origin_lat_deg=30.05, origin_lon_deg=103.15
    )
    return Workspace.create(tmp_path / "mission", config)


def test_what_is_written_is_read_back(workspace):
    again = Workspace.open(workspace.path)
    assert again.config == workspace.config
    assert again.config.frame is not None
    zone = shapely.box(103.0, 30.0, 103.1, 30.1) - shapely.box(103.04, 30.04, 103.05, 30.05)
    workspace.add("zones", [(zone, {"name": "北岸", "priority": 2.0})])
    (feature,) = again.features("zones")
    assert feature.geometry.equals(zone)
    assert feature.values["name"] == "北岸"
    assert feature.values["created_utc"].endswith("Z")


def test_every_layer_opens_in_gdal(workspace):
    workspace.add("flights", [(shapely.LineString([(103, 30, 5), (103.1, 30, 6)]), {"flight_id": "f1"})])
    names = {name for name, _ in pyogrio.list_layers(workspace.store)}
    assert names == {layer.name for layer in LAYERS}
    info = pyogrio.read_info(workspace.store, layer="flights")
    assert info["crs"] == "EPSG:4326"
    assert info["features"] == 1
    assert tuple(info["total_bounds"]) == (103.0, 30.0, 103.1, 30.0)


def test_the_journal_cannot_be_rewritten(workspace):
    workspace.log("plan uploaded", vehicle=1)
    db = sqlite3.connect(workspace.store)
    for statement in ("DELETE FROM events", "UPDATE events SET actor='B'"):
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            db.execute(statement)
    db.close()
    assert [e.values["action"] for e in workspace.features("events")] == ["mission created", "plan uploaded"]


def test_inputs_inside_the_folder_stay_relative_and_lost_ones_are_named(workspace):
    dem = workspace.path / "dem.tif"
    dem.write_bytes(b"x")
    workspace.set_input("dem", dem)
    assert workspace.config.inputs["dem"] == "dem.tif"
    assert workspace.input("dem") == dem
    assert workspace.input("roads") is None
    dem.unlink()
    with pytest.raises(WorkspaceError, match=r"dem\.tif"):
        workspace.input("dem")


def test_a_folder_that_is_a_mission_already_is_not_overwritten(workspace):
    with pytest.raises(WorkspaceError, match="already"):
        Workspace.create(workspace.path, MissionConfig("other"))
    assert workspace.config.name == "岷江 flood"


def test_open_names_what_is_wrong(tmp_path, workspace):
    with pytest.raises(WorkspaceError, match="missionctl new"):
        Workspace.open(tmp_path / "nothing")
    (workspace.path / "mission.toml").write_text("name = [", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"mission\.toml"):
        Workspace.open(workspace.path)


def test_a_store_that_is_no_database_gives_one_line(workspace):
    workspace.store.write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkspaceError, match=r"mission\.gpkg"):
        workspace.features("zones")


def test_find_workspace_looks_upwards(workspace, tmp_path):
    inside = workspace.path / "flights" / "f1" / "photos"
    inside.mkdir(parents=True)
    found = find_workspace(inside)
    assert found is not None
    assert found.path.resolve() == workspace.path.resolve()
    assert find_workspace(tmp_path) is None


def _append(path, count):
    workspace = Workspace.open(path)
    for i in range(count):
        workspace.log("tick", number=i)


def test_two_processes_write_at_once(workspace):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(workspace.path, 25)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert len(workspace.features("events")) == 1 + 3 * 25


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_kill_9_loses_nothing_that_was_reported_as_saved(workspace):
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from missionctl.workspace import Workspace
        w = Workspace.open(Path(sys.argv[1]))
        for i in range(100000):
            w.log("tick", number=i)
            print(i, flush=True)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.path)], stdout=subprocess.PIPE, text=True
    )
    with child:
        reported = -1
        for line in child.stdout:
            reported = int(line)
            if reported >= 20:
                child.send_signal(signal.SIGKILL)
                break
    ticks = [e for e in workspace.features("events") if e.values["action"] == "tick"]
    assert len(ticks) >= reported + 1


def test_jobs_show_how_they_ended(workspace):
    with job(workspace, "mosaic", lambda stage, share: None, photos=3) as advance:
        advance("match", 0.5)
        assert list_jobs(workspace)[0].state == "running"
    with pytest.raises(ValueError, match="bad photo"), job(workspace, "mosaic", lambda s, p: None):
        raise ValueError("bad photo")
    done, failed = list_jobs(workspace)
    assert (done.state, done.progress, done.detail["photos"]) == ("done", 1.0, 3)
    assert (failed.state, failed.detail["error"]) == ("failed", "bad photo")


def test_a_job_whose_process_died_is_interrupted(workspace):
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from missionctl.jobs import job
        from missionctl.workspace import Workspace
        with job(Workspace.open(Path(sys.argv[1])), "damage", lambda s, p: None):
            os._exit(9)
    """)
    subprocess.run([sys.executable, "-c", script, str(workspace.path)], check=False)
    assert [j.state for j in list_jobs(workspace)] == ["interrupted"]


def test_geometry_blobs_of_other_writers_are_read():
    line = shapely.LineString([(1, 2), (3, 4)])
    ours = geopackage.geometry_blob(line)
    bare = ours[:3] + bytes([0b0000_0001]) + ours[4:8] + ours[40:]
    assert geopackage.blob_geometry(ours).equals(line)
    assert geopackage.blob_geometry(bare).equals(line)
