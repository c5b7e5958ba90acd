"""A whole survey by the simulated PX4, flown by `missionctl fly`."""

import json

import pytest

LAUNCH = (30.05, 103.15)
ZONE = {
    "type": "Feature",
    "properties": {"name": "bank"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [
                [103.1504, 30.0503],
                [103.1556, 30.0503],
                [103.1556, 30.0506],
                [103.1504, 30.0506],
                [103.1504, 30.0503],
            ]
        ],
    },
}
"""500 m by 33 m, for many short lanes."""


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_survey_of_a_hundred_items_is_flown_and_every_photo_confirmed(missionctl_sim, missionctl, tmp_path):
    (url,) = missionctl_sim(autopilot="px4")
    zone, plan = tmp_path / "zone.geojson", tmp_path / "bank.plan"
    zone.write_text(json.dumps(ZONE))
    planned = missionctl(
        *("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--height", 40, "--autopilot", "px4"),
        *("--launch", "{},{}".format(*LAUNCH), "--angle", 0, "--clearance", 20),
    )
    assert planned["sorties"][0]["items"] > 100
    flown = missionctl("fly", plan, "--connect", url, "--yes", "--out", tmp_path / "flight", timeout_s=300)
    assert flown["identical"]
    assert flown["items_read_back"] == flown["items_sent"] == planned["sorties"][0]["items"]
    assert flown["complete"]
    assert flown["photos_confirmed"] == flown["photos_expected"] == planned["photos"]
    assert not flown["photos_unheard"]
    assert flown["duration_s"] > 0.0
    print(planned["sorties"][0]["items"], planned["photos"], planned["duration_s"], flown["duration_s"])
