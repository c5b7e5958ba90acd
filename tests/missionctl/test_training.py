"""missionctl train: scenarios are listed, flown and scored from what really happened."""

import json
import subprocess
import sys

import pytest

from missionctl.services.grading import Evidence, grade, photos_on_card, reactions
from missionctl.services.training import TrainingRequest, run_training
from plans.errors import MissionError

SUMMARY = {
    "flight_s": 120.0,
    "distance_m": 800.0,
    "max_height_m": 60.0,
    "min_height_m": 58.0,
    "max_touchdown_mps": 0.5,
    "charge_share": 0.7,
    "photos_announced": 10,
    "photos_lost": 0,
    "away_m": 0.4,
    "armed": False,
    "airborne": False,
}


def news(*rows):
    return tuple({"time_s": t, "sysid": 1, "kind": kind, "text": text} for t, kind, text in rows)


def points(evidence):
    return {c["name"]: c["points"] for c in grade(evidence)["criteria"]}


def evidence(**changes):
    return Evidence(
        **(
            {
                "news": (),
                "summary": SUMMARY,
                "log": None,
                "mission": None,
                "photos_expected": None,
                "complete": None,
            }
            | changes
        )
    )


def test_a_soft_landing_at_home_gets_all_and_a_hard_one_elsewhere_nothing():
    assert points(evidence())["landing"] == 25.0
    assert points(evidence(summary={**SUMMARY, "max_touchdown_mps": 4.0}))["landing"] == 10.0
    assert points(evidence(summary={**SUMMARY, "max_touchdown_mps": 4.0, "away_m": 90.0}))["landing"] == 0.0
    assert points(evidence(summary={**SUMMARY, "armed": True}))["landing"] == 0.0


def test_goals_of_the_scenario_count_and_a_missed_one_is_named():
    assert "goals" not in points(evidence())
    goals = [
        {"name": "photos", "met": True, "measure": "12 on the card, 10 wanted"},
        {"name": "fence_kept", "met": False, "measure": "1 breaches"},
    ]
    result = grade(evidence(summary={**SUMMARY, "goals": goals}))
    criterion = next(c for c in result["criteria"] if c["name"] == "goals")
    assert (criterion["points"], criterion["of"]) == (12.5, 25.0)
    assert criterion["measure"] == "1 of 2, not fence_kept (1 breaches)"
    assert result["goals"] == goals


def test_a_landing_in_water_is_none():
    assert points(evidence(summary={**SUMMARY, "in_water": True}))["landing"] == 0.0


def test_an_empty_battery_costs_points():
    assert points(evidence())["battery reserve"] == 10.0
    assert points(evidence(summary={**SUMMARY, "charge_share": 0.05}))["battery reserve"] == pytest.approx(
        2.5
    )


def test_what_cannot_be_judged_is_left_out_of_the_score():
    result = grade(evidence())
    assert {c["name"] for c in result["criteria"]} == {"landing", "battery reserve"}
    assert result["score"] == 100.0
    assert grade(evidence(summary=None))["score"] is None


def test_only_photos_on_the_card_count():
    told = news(
        (1.0, "photo", "1 at 30.0500000, 103.1500000"), (2.0, "photo_lost", "2 at 30.0510000, 103.1500000")
    )
    (place,) = photos_on_card(told)
    assert (place.lat_deg, place.lon_deg) == (30.05, 103.15)


def test_a_reaction_is_the_first_change_of_mode_and_tells_whose_it_was():
    told = news(
        (10.0, "mode", "AUTO"),
        (60.0, "fault", "battery sag"),
        (64.9, "text", "Battery Failsafe"),
        (65.0, "mode", "RTL"),
        (90.0, "fault", "gps jump"),
        (97.0, "mode", "LAND"),
        (120.0, "fault", "camera stuck"),
    )
    first, second, third = reactions(told)
    assert (first.mode, first.after_s, first.by) == ("RTL", 5.0, "vehicle")
    assert (second.mode, second.after_s, second.by) == ("LAND", 7.0, "station")
    assert (third.mode, third.after_s, third.by) == (None, None, None)


def test_the_packaged_scenarios_are_listed(run_json):
    rows = run_json("train", "list")["scenarios"]
    by_name = {row["scenario"]: row for row in rows}
    assert {"calm", "lost-link", "tired-battery", "silent-camera"} <= set(by_name)
    assert by_name["calm"]["faults"] == []
    assert "link cut" in by_name["lost-link"]["faults"][0]


@pytest.mark.slow
def test_a_plan_is_flown_through_a_scenario_and_scored(run_json, plan_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    out = tmp_path / "lesson"
    scenario = tmp_path / "blind.toml"
    scenario.write_text(
        'name = "Blind camera"\n[[faults]]\nkind = "camera_stuck"\nsince = "takeoff"\nat_s = 5\n'
    )
    key = tmp_path / "drones.key"
    run_json("sign", "new-key", key)
    words = ("--plan", plan_file, "-o", out, "--speedup", "20", "--sign", key)
    result = run_json("train", "run", scenario, *words)
    journal = [json.loads(line) for line in (out / "flight" / "events.jsonl").read_text().splitlines()]
    assert journal[-1]["signing"]["unsigned_allowed"] > 100
    assert result == json.loads((out / "report.json").read_text())
    assert result["complete"]
    assert result["landed"]
    by_name = {c["name"]: c for c in result["criteria"]}
    assert by_name["mission"]["points"] == 25.0
    assert by_name["photos"]["points"] == 0.0  # all were announced, none is on the card
    assert result["photos_announced"] > 4
    assert result["photos_on_card"] == 0
    assert result["time_outside_s"] == 0.0
    assert [r["mode"] for r in result["reactions"]] == [None]
    assert (out / "flight" / "telemetry.tlog").exists()


@pytest.mark.slow
def test_a_trainee_flies_with_any_ground_station(run_json, tmp_path):
    """The trainee here is a script that hops; the record is made beside its own link."""
    script = tmp_path / "hop.py"
    script.write_text(
        "import time\nfrom pymavlink import mavutil\n"
        "import sys\nlink = mavutil.mavlink_connection(sys.argv[1])\nlink.wait_heartbeat()\n"
        "m = mavutil.mavlink\n"
        "def ask(number, *p):\n"
        "    link.mav.command_long_send(1, 1, number, 0, *p, *[0] * (7 - len(p)))\n"
        "    return link.recv_match(type='COMMAND_ACK', blocking=True, timeout=5)\n"
        "link.mav.request_data_stream_send(1, 1, 0, 10, 1)\n"
        "while True:\n"
        "    ekf = link.recv_match(type='EKF_STATUS_REPORT', blocking=True)\n"
        "    if ekf.flags & 16 and not ekf.flags & 128: break\n"
        "ask(m.MAV_CMD_DO_SET_MODE, 1, 4)\nask(m.MAV_CMD_COMPONENT_ARM_DISARM, 1)\n"
        "ask(m.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 8)\n"
        "while link.recv_match(type='GLOBAL_POSITION_INT', blocking=True).relative_alt < 7000: pass\n"
        "ask(m.MAV_CMD_DO_SET_MODE, 1, 9)\n"
        "link.motors_disarmed_wait()\n"
    )
    out = tmp_path / "lesson"
    lesson = subprocess.Popen(
        [
            *(sys.executable, "-m", "missionctl.cli.main", "train", "run", "calm", "--json"),
            *(
                "--home",
                "30.05,103.15,500",
                "--speedup",
                "10",
                "-o",
                str(out),
                "--listen",
                "tcpin:127.0.0.1:0",
            ),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = lesson.stderr.readline()
    assert line.startswith("connect to tcp:127.0.0.1:"), line
    subprocess.run([sys.executable, str(script), line.split()[2]], check=True, timeout=90)
    stdout, stderr = lesson.communicate(timeout=60)
    assert lesson.returncode == 0, stderr
    result = json.loads(stdout)
    assert result["landed"]
    assert 7.0 < result["max_height_m"] < 8.5
    assert "mode: LAND" in stderr
    assert run_json("logs", "show", out / "flight")["modes"][-1]["mode"] == "LAND"


def test_bad_requests_start_nothing(plan_file, tmp_path):
    out = tmp_path / "lesson"

    def refused(scenario, words, **changes):
        request = TrainingRequest(scenario, **({"out": out, "plan": plan_file} | changes))
        with pytest.raises(MissionError, match=words):
            run_training(request, lambda step, share: None)

    refused("nonsense", "lost-link")
    refused("calm", "--home", plan=None)
    refused("lost-link", "--speedup 4 at most", speedup=50.0)
    assert not out.exists()
    out.mkdir()
    (out / "old.json").write_text("{}")
    refused("calm", "is not empty")
