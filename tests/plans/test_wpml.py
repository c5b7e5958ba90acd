"""DJI's WPML: what its documentation asks for, and that it flies what the plan says."""

from __future__ import annotations

import itertools
import math
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from shapely import LineString

from plans.errors import PlanFileError
from plans.flights import Leg
from plans.formats import write_plan

from .planned import fleet, survey

WPML = {"k": "http://www.opengis.net/kml/2.2", "w": "http://www.dji.com/wpmz/1.0.6"}


def wpml(path, name):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["wpmz/template.kml", "wpmz/waylines.wpml"]
        return ElementTree.fromstring(archive.read(f"wpmz/{name}"))


def numbers_of(mark, *names):
    return [float(mark.find(f"w:{name}", WPML).text) for name in names]


def text_of(mark, name):
    return mark.find("/".join(f"w:{part}" for part in name.split("/")), WPML).text


def test_a_wayline_flies_every_leg_and_fires_on_the_lanes_only(tmp_path):
    plan = survey()
    (path,) = write_plan(plan, tmp_path / "s.kmz")
    (folder,) = wpml(path, "waylines.wpml").iterfind(".//k:Folder", WPML)
    marks = folder.findall("k:Placemark", WPML)
    sortie = plan.sorties[0]
    flown = np.concatenate([sortie.legs[0].points_m, *(leg.points_m[1:] for leg in sortie.legs[1:])])
    assert [int(numbers_of(m, "index")[0]) for m in marks] == list(range(len(flown)))
    places = [[float(v) for v in m.find("k:Point/k:coordinates", WPML).text.split(",")] for m in marks]
    east, north = plan.frame.to_local([p[1] for p in places], [p[0] for p in places])
    assert np.abs(np.column_stack([east, north]) - flown[:, :2]).max() < 0.01
    heights = [numbers_of(m, "executeHeight")[0] for m in marks]
    assert np.abs(np.array(heights) - (flown[:, 2] - sortie.launch_ground_m)).max() < 0.01
    runs = []
    for group in folder.iterfind(".//w:actionGroup", WPML):
        if group.find("w:actionTrigger/w:actionTriggerType", WPML).text == "multipleDistance":
            first, last = numbers_of(group, "actionGroupStartIndex", "actionGroupEndIndex")
            runs.append(
                (int(first), int(last), float(group.find("w:actionTrigger/w:actionTriggerParam", WPML).text))
            )
    lanes = [leg for leg in sortie.legs if leg.lane is not None]
    assert len(runs) == len(lanes)
    for (first, last, distance), leg in zip(runs, lanes, strict=True):
        assert np.abs(flown[first : last + 1] - leg.points_m).max() < 1e-6
        assert distance == pytest.approx(leg.trigger_m, abs=0.01)
    assert all(b[0] >= a[1] for a, b in itertools.pairwise(runs))


def test_template_and_waylines_agree_and_name_the_aircraft(tmp_path):
    (path,) = write_plan(survey(), tmp_path / "s.kmz")
    template, waylines = wpml(path, "template.kml"), wpml(path, "waylines.wpml")
    for root in (template, waylines):
        config = root.find(".//w:missionConfig", WPML)
        assert config.find("w:droneInfo/w:droneEnumValue", WPML).text == "77"  # Mavic 3E
        assert config.find("w:payloadInfo/w:payloadEnumValue", WPML).text == "66"
        assert float(config.find("w:globalRTHHeight", WPML).text) >= 20
    assert len(template.findall(".//k:Placemark", WPML)) == len(waylines.findall(".//k:Placemark", WPML))


def test_every_sortie_of_a_kmz_is_a_wayline(tmp_path):
    plan = survey(endurance_min=10)
    files = write_plan(plan, tmp_path / "s.kmz")
    assert len(wpml(files[0], "waylines.wpml").findall(".//k:Folder", WPML)) == len(plan.sorties)
    assert len(wpml(files[1], "waylines.wpml").findall(".//k:Folder", WPML)) == 1


# Elements that DJI's documentation calls required for the M3E (dji-sdk/Cloud-API-Doc 4ec6b0c, "WPML").
CONFIG = [
    "flyToWaylineMode",
    "finishAction",
    "exitOnRCLost",
    "executeRCLostAction",
    "takeOffSecurityHeight",
    "globalTransitionalSpeed",
    "globalRTHHeight",
    "droneInfo/droneEnumValue",
    "droneInfo/droneSubEnumValue",
    "payloadInfo/payloadEnumValue",
    "payloadInfo/payloadPositionIndex",
]
TEMPLATE = [
    "templateType",
    "templateId",
    "autoFlightSpeed",
    "waylineCoordinateSysParam/coordinateMode",
    "waylineCoordinateSysParam/heightMode",
    "globalWaypointTurnMode",
    "globalUseStraightLine",
    "gimbalPitchMode",
    "globalHeight",
    "globalWaypointHeadingParam/waypointHeadingMode",
    "globalWaypointHeadingParam/waypointHeadingPathMode",
]
TEMPLATE_POINT = [
    "index",
    "useGlobalHeight",
    "ellipsoidHeight",
    "height",
    "useGlobalSpeed",
    "waypointSpeed",
    "useGlobalHeadingParam",
    "useGlobalTurnParam",
    "waypointTurnParam/waypointTurnMode",
    "waypointTurnParam/waypointTurnDampingDist",
    "useStraightLine",
]
WAYLINE = ["templateId", "waylineId", "autoFlightSpeed", "executeHeightMode"]
WAYLINE_POINT = [
    "index",
    "executeHeight",
    "waypointSpeed",
    "waypointHeadingParam/waypointHeadingMode",
    "waypointHeadingParam/waypointHeadingPathMode",
    "waypointTurnParam/waypointTurnMode",
    "waypointTurnParam/waypointTurnDampingDist",
    "useStraightLine",
]
GROUP = [
    "actionGroupId",
    "actionGroupStartIndex",
    "actionGroupEndIndex",
    "actionGroupMode",
    "actionTrigger/actionTriggerType",
    "action/actionId",
    "action/actionActuatorFunc",
    "action/actionActuatorFuncParam/payloadPositionIndex",
]
TAKE_PHOTO = ["payloadPositionIndex", "fileSuffix", "useGlobalPayloadLensIndex"]


def check_elements(parent, names):
    for name in names:
        assert text_of(parent, name), name


def test_every_element_that_dji_requires_is_there(tmp_path):
    for file in write_plan(survey(endurance_min=10), tmp_path / "s.kmz"):
        template, waylines = wpml(file, "template.kml"), wpml(file, "waylines.wpml")
        for root in (template, waylines):
            check_elements(root.find(".//w:missionConfig", WPML), CONFIG)
            for group in root.iterfind(".//w:actionGroup", WPML):
                check_elements(group, GROUP)
                if text_of(group, "action/actionActuatorFunc") == "takePhoto":
                    check_elements(group.find("w:action/w:actionActuatorFuncParam", WPML), TAKE_PHOTO)
        for root, folder_names, point_names in (
            (template, TEMPLATE, TEMPLATE_POINT),
            (waylines, WAYLINE, WAYLINE_POINT),
        ):
            for folder in root.iterfind(".//k:Folder", WPML):
                check_elements(folder, folder_names)
                for mark in folder.iterfind("k:Placemark", WPML):
                    check_elements(mark, point_names)


def test_numbers_are_within_djis_limits(tmp_path):
    for file in write_plan(survey(endurance_min=10), tmp_path / "s.kmz"):
        for name in ("template.kml", "waylines.wpml"):
            root = wpml(file, name)
            config = root.find(".//w:missionConfig", WPML)
            assert 2 <= float(text_of(config, "takeOffSecurityHeight")) <= 1500
            assert 0 < float(text_of(config, "globalTransitionalSpeed")) <= 15
            groups = [int(text_of(g, "actionGroupId")) for g in root.iterfind(".//w:actionGroup", WPML)]
            assert sorted(groups) == list(range(len(groups)))  # unique within the file
            for folder in root.iterfind(".//k:Folder", WPML):
                marks = folder.findall("k:Placemark", WPML)
                assert 2 <= len(marks) <= 65_535
                for group in folder.iterfind(".//w:actionGroup", WPML):
                    first, last = numbers_of(group, "actionGroupStartIndex", "actionGroupEndIndex")
                    assert 0 <= first <= last < len(marks)


def test_the_template_carries_the_same_actions_as_the_waylines(tmp_path):
    """Pilot 2 makes the waylines anew from the template when a pilot edits the route."""
    (path,) = write_plan(survey(), tmp_path / "s.kmz")
    groups = [
        [ElementTree.tostring(g) for g in wpml(path, name).iterfind(".//w:actionGroup", WPML)]
        for name in ("template.kml", "waylines.wpml")
    ]
    assert groups[0] == groups[1]
    assert len(groups[0]) == len(survey().lanes) + 1


def with_legs(plan, *legs):
    """The plan with one sortie that flies just these legs."""
    return replace(plan, sorties=(replace(plan.sorties[0], legs=legs),))


def leg_of(points, **values):
    return Leg(LineString(points), **{"speed_mps": 8.0, **values})


def turns_of(path):
    (folder,) = wpml(path, "waylines.wpml").iterfind(".//k:Folder", WPML)
    marks = folder.findall("k:Placemark", WPML)
    modes = [text_of(m, "waypointTurnParam/waypointTurnMode") for m in marks]
    damping = [float(text_of(m, "waypointTurnParam/waypointTurnDampingDist")) for m in marks]
    assert [d > 0 for d in damping] == ["Pass" in mode for mode in modes]
    return damping, [numbers_of(m, "waypointSpeed")[0] for m in marks]


def test_the_aircraft_flies_on_through_a_bent_lane_and_stops_at_corners(tmp_path):
    up = survey().sorties[0].launch_ground_m + 100.0
    around = leg_of([(0, 0, up), (50, 0, up), (50, 50, up)])
    lane = leg_of(
        [(50, 50, up), (90, 55, up), (92, 56, up), (150, 80, up)], lane=0, trigger_m=10.0, speed_mps=6.0
    )
    home = leg_of([(150, 80, up), (75, 40, up + 10), (0, 0, up)])
    (path,) = write_plan(with_legs(survey(), around, lane, home), tmp_path / "s.kmz")
    damping, speeds = turns_of(path)
    short = math.hypot(2, 1)
    assert damping == pytest.approx([0, 0, 0, 0.3 * short, 0.3 * short, 0, 5.0, 0], abs=0.01)
    assert speeds == [8.0, 8.0, 6.0, 6.0, 6.0, 8.0, 8.0, 8.0]  # each that of the way to the next


def test_what_dji_does_not_fly_is_refused(tmp_path):
    up = survey().sorties[0].launch_ground_m
    fast = leg_of([(0, 0, up + 100), (500, 0, up + 100)], lane=0, trigger_m=30.0, speed_mps=15.5)
    high = leg_of([(0, 0, up + 100), (500, 0, up + 1600)], lane=0, trigger_m=30.0)
    for leg, says in ((fast, r"at 15 m/s at most, not 15\.5"), (high, "1600 m above take-off is over")):
        with pytest.raises(PlanFileError, match=says):
            write_plan(with_legs(survey(), leg), tmp_path / "s.kmz")
    assert not list(tmp_path.iterdir())


def test_cameras_that_dji_fly_carries_name_no_payload(tmp_path):
    plan = fleet()
    drones = []
    for sortie, file in zip(plan.sorties, write_plan(plan, tmp_path / "s.kmz")[1:], strict=True):
        root = wpml(file, "waylines.wpml")
        config = root.find(".//w:missionConfig", WPML)
        mini = sortie.camera.name == "DJI Mini 3"
        drones.append(text_of(config, "droneInfo/droneEnumValue"))
        assert (config.find("w:payloadInfo", WPML) is None) == mini
        assert drones[-1] == ("68" if mini else "77")
        speed = float(text_of(root.find(".//k:Folder", WPML), "autoFlightSpeed"))
        assert speed == pytest.approx(plan.kits[sortie.drone].speed_mps, abs=0.01)
    assert set(drones) == {"68", "77"}
