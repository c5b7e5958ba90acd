"""A whole survey by a real PX4, named by MISSIONCTL_PX4 (bin/px4 of a SITL build); skipped without one."""

import json
import os
import sys

import pytest

SITL = os.environ.get("MISSIONCTL_PX4", "")
LAUNCH = (30.06, 103.15)
ZONE = {
    "type": "Feature",
    "properties": {"name": "bank"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [
                [103.1504, 30.0603],
                [103.1556, 30.0603],
                [103.1556, 30.0606],
                [103.1504, 30.0606],
                [103.1504, 30.0603],
            ]
        ],
    },
}
"""500 m by 33 m, for many short lanes."""


@pytest.fixture
def px4(talk):
    """A PX4 at the launch point, ten times as fast; gives its address."""
    if not SITL:
        pytest.skip("MISSIONCTL_PX4 names no bin/px4 of a PX4 SITL build")
    place = ",".join(map(str, (*LAUNCH, 500)))
    child = talk(
        *(sys.executable, "-m", "missionctl.cli.main", "sim", "--json", "--autopilot", "px4"),
        *("--binary", SITL, "--home", place, "--speedup", 10),
    )
    return json.loads(child.wait_for("\n}"))["connect"][0]


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_a_real_px4_flies_a_survey_of_a_hundred_items_twice_and_lands(px4, missionctl, tmp_path):
    zone, plan = tmp_path / "zone.geojson", tmp_path / "bank.plan"
    zone.write_text(json.dumps(ZONE))
    planned = missionctl(
        *("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--height", 40, "--autopilot", "px4"),
        *("--launch", "{},{}".format(*LAUNCH), "--angle", 0, "--clearance", 20),
    )
    assert planned["sorties"][0]["items"] > 100
    for flight in ("first", "second"):  # the second begins at its start, though the first ended elsewhere
        flown = missionctl(
            *("fly", plan, "--connect", px4, "--yes", "--out", tmp_path / flight), timeout_s=300
        )
        assert flown["identical"]
        assert flown["items_read_back"] == flown["items_sent"] == planned["sorties"][0]["items"]
        assert flown["complete"]
        assert flown["photos_confirmed"] == flown["photos_expected"] == planned["photos"]
        assert not flown["photos_unheard"]
