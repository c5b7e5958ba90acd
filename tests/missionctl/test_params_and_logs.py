"""missionctl params and logs with a simulated vehicle."""

import threading

import pytest

from missionctl.services.vehicle_work import Target, list_params
from sim.autopilot.params import PARAMETERS


def test_parameters_are_saved_compared_and_brought_back(run_json, simulator, tmp_path):
    url, file = simulator(), tmp_path / "quad.params"
    assert run_json("params", "save", file, "--connect", url)["params"] == len(PARAMETERS)
    assert run_json("params", "compare", file, "--connect", url)["differences"] == []
    run_json("params", "set", "RTL_ALT", "2500", "--connect", url)
    (difference,) = run_json("params", "compare", file, "--connect", url)["differences"]
    assert difference == {"name": "RTL_ALT", "vehicle": 2500.0, "file": 1500.0}
    loaded = run_json("params", "load", file, "--connect", url)
    assert [c["name"] for c in loaded["changed"]] == ["RTL_ALT"]
    assert (loaded["same"], loaded["unknown"], loaded["refused"]) == (len(PARAMETERS) - 1, [], [])
    assert run_json("params", "get", "rtl_alt", "--connect", url)["params"] == {"RTL_ALT": 1500.0}


def test_progress_is_told_in_the_callers_thread_and_what_it_raises_ends_the_work(simulator):
    target, where = Target(simulator(params=(("RTL_ALT", 1500.0),))), []

    class EnoughError(Exception):
        """Of the listener's own."""

    def on_progress(step, share):
        where.append((threading.get_ident(), step))

    def raises(step, share):
        raise EnoughError

    assert len(list_params(target, on_progress)) == len(PARAMETERS)
    assert where
    assert set(where) == {(threading.get_ident(), "fetch parameters")}
    with pytest.raises(EnoughError):
        list_params(target, raises)
    assert not [thread for thread in threading.enumerate() if thread.name == "station"]


def test_what_a_vehicle_does_not_take_is_told(run, run_json, complaint, simulator, tmp_path):
    url, file = simulator(), tmp_path / "wish.param"
    assert "FRAME_CLASS was to be 3 but is 1" in complaint(
        "params", "set", "FRAME_CLASS", "3", "--connect", url
    )
    file.write_text("FRAME_CLASS,3\nRTL_ALT,1800\nNOT_HERE,1\n")
    done = run("params", "load", file, "--connect", url)
    assert done.returncode == 2
    assert "NOT_HERE         is not on this vehicle" in done.stdout
    assert "FRAME_CLASS was to be 3" in done.stdout
    assert run_json("params", "get", "RTL_ALT", "--connect", url)["params"] == {"RTL_ALT": 1800.0}


def test_a_file_of_another_form_is_refused_before_anybody_is_called(complaint, tmp_path):
    line = complaint("params", "save", tmp_path / "quad.txt", "--connect", "tcp:127.0.0.1:1")
    assert "quad.txt: end its name in .params" in line
    line = complaint("params", "load", tmp_path / "none.param", "--connect", "tcp:127.0.0.1:1")
    assert "none.param: cannot be read" in line
    assert list(tmp_path.iterdir()) == []


def test_a_vehicle_without_logs_says_so(run_json, complaint, simulator, tmp_path):
    url = simulator()
    assert run_json("logs", "list", "--connect", url)["logs"] == []
    assert "has no logs" in complaint("logs", "download", "-o", tmp_path / "logs", "--connect", url)


@pytest.mark.slow
def test_a_flight_its_log_its_replay_and_its_rest(run_json, run, simulator, plan_file, tmp_path):
    url, folder = simulator(speedup=20.0), tmp_path / "flight"
    flown = run_json("fly", plan_file, "--connect", url, "--out", folder, "--yes")
    (entry,) = run_json("logs", "list", "--connect", url)["logs"]
    assert entry["size_bytes"] > 10_000
    (file,) = run_json("logs", "download", "--connect", url, "-o", tmp_path / "logs")["files"]
    ours, theirs = run_json("logs", "show", folder), run_json("logs", "show", file)
    assert (ours["kind"], theirs["kind"]) == ("tlog", "dataflash")
    assert ours["photos"] == theirs["photos"] == flown["photos_confirmed"] > 4
    assert theirs["distance_m"] == pytest.approx(ours["distance_m"], rel=0.03)
    assert theirs["max_height_rel_m"] == pytest.approx(30.0, abs=1.0)
    story = run_json("replay", folder)
    assert sum(row["what"] == "photo" for row in story["timeline"]) == flown["photos_confirmed"]
    assert [row["at_s"] for row in story["timeline"]] == sorted(row["at_s"] for row in story["timeline"])
    done = run("resume", plan_file, "--flight", folder, "-o", tmp_path / "rest.plan")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["logs show {}", "replay {}", "replay {} --listen udpout:127.0.0.1:9"])
def test_what_is_no_log_gives_one_line(complaint, tmp_path, command):
    file = tmp_path / "letter.tlog"
    file.write_text("dear all, " * 50)
    assert "letter.tlog: is not a telemetry log" in complaint(*command.format(file).split())
