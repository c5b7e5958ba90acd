"""The command line's manners: one clear line and exit code 2 for bad input, JSON that parses."""

import json
import subprocess
import sys

import pytest


def missionctl(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


def assert_one_line_and_exit_2(done, *words):
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def test_doctor_says_what_is_there(tmp_path):
    done = missionctl("doctor", "--json")
    report = json.loads(done.stdout)
    by_name = {c["name"]: c for c in report["checks"]}
    assert report["ready"] is (done.returncode == 0)
    assert by_name["numpy"]["ok"]
    assert by_name["GDAL drivers"]["ok"]
    assert all(c["gives"] for c in report["checks"])


def test_cameras_lists_the_contract_names():
    names = {c["name"] for c in json.loads(missionctl("cameras", "--json").stdout)["cameras"]}
    assert {"DJI Mavic 3E", "DJI Phantom 4 RTK", "DJI Mini 3", "Sony RX1R II"} <= names


def test_new_makes_a_folder_and_refuses_a_second_one(tmp_path):
    done = missionctl("new", tmp_path / "m", "--name", "试飞", "--origin", "30.05,103.15", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "试飞"
    assert (tmp_path / "m" / "mission.gpkg").exists()
    assert_one_line_and_exit_2(missionctl("new", tmp_path / "m"), "already")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense"]),
        (["new", "{tmp}/x", "--origin", "91,200"], ["--origin"]),
        (["new", "{tmp}/x", "--camera", "Kodak Brownie"], ["Kodak Brownie", "missionctl cameras"]),
        (["new", "{tmp}/x", "--input", "dem=/does/not/exist"], ["/does/not/exist"]),
        (["new", "/proc/nothing/here"], ["/proc/nothing/here"]),
        (["plan", "{tmp}/none.geojson", "-o", "{tmp}/p.plan", "--camera", "DJI Mavic 3E"], ["none.geojson"]),
        (["fly", "{tmp}/none.plan", "--connect", "udp:127.0.0.1:1"], ["none.plan"]),
        (["mosaic", "{tmp}/no-photos", "-o", "{tmp}/o.tif"], ["no-photos"]),
        (["damage", "{tmp}/none.tif", "-o", "{tmp}/d"], ["none.tif"]),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(arguments, words, tmp_path):
    done = missionctl(*(a.replace("{tmp}", str(tmp_path)) for a in arguments))
    assert_one_line_and_exit_2(done, *words)
    assert list(tmp_path.iterdir()) == []
