"""Survey items of our plans: QGroundControl loads them, flies our lanes and can edit them."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from shapely import LineString, MultiLineString, Polygon

from plans.formats import read_mission, write_plan
from plans.formats.convert import whole_mission
from plans.formats.qgc_plan import read_camera
from plans.mission import AltitudeFrame, Command
from plans.zones import read_zones

from .conftest import FRAME, HOLES, SHELL
from .planned import RIVER, assert_same_items, corridor, fleet, survey

# What QGroundControl's loaders refuse an item without, with the JSON type they check, read in
# HTRamsey/qgroundcontrol c15cc32 (2026-02-19), src/MissionManager. A fork of version 4.4 asks for the same.
NUMBER, BOOL, TEXT, LIST, OBJECT = (int, float), bool, str, list, dict
SURVEY = {  # SurveyComplexItem::load, _loadV4V5 (version 5), QGCMapPolygon::loadFromJson
    "version": NUMBER,
    "type": TEXT,
    "complexItemType": TEXT,
    "entryLocation": NUMBER,
    "angle": NUMBER,
    "flyAlternateTransects": BOOL,
    "splitConcavePolygons": BOOL,
    "polygon": LIST,
    "TransectStyleComplexItem": OBJECT,
}
CORRIDOR = {  # CorridorScanComplexItem::_loadWorker
    "version": NUMBER,
    "type": TEXT,
    "complexItemType": TEXT,
    "CorridorWidth": NUMBER,
    "EntryPoint": NUMBER,
    "polyline": LIST,
    "TransectStyleComplexItem": OBJECT,
}
TRANSECTS = {  # TransectStyleComplexItem::_load
    "version": NUMBER,
    "TurnAroundDistance": NUMBER,
    "CameraTriggerInTurnAround": BOOL,
    "HoverAndCapture": BOOL,
    "Refly90Degrees": BOOL,
    "CameraCalc": OBJECT,
    "VisualTransectPoints": LIST,
    "Items": LIST,
    "CameraShots": NUMBER,
}
FOLLOWED = {  # the same, for DistanceMode 3 (AltitudeModeCalcAboveTerrain)
    "TerrainAdjustTolerance": NUMBER,
    "TerrainAdjustMaxClimbRate": NUMBER,
    "TerrainAdjustMaxDescentRate": NUMBER,
    "TerrainFlightSpeed": NUMBER,
}
CAMERA_CALC = {  # CameraCalc::load (version 2, a camera with specs), CameraSpec::load
    "version": NUMBER,
    "CameraName": TEXT,
    "AdjustedFootprintSide": NUMBER,
    "AdjustedFootprintFrontal": NUMBER,
    "DistanceToSurface": NUMBER,
    "DistanceMode": NUMBER,
    "ValueSetIsDistance": BOOL,
    "ImageDensity": NUMBER,
    "FrontalOverlap": NUMBER,
    "SideOverlap": NUMBER,
    "SensorWidth": NUMBER,
    "SensorHeight": NUMBER,
    "ImageWidth": NUMBER,
    "ImageHeight": NUMBER,
    "FocalLength": NUMBER,
    "Landscape": BOOL,
    "FixedOrientation": BOOL,
    "MinTriggerInterval": NUMBER,
}
ITEM = {  # MissionItem::load
    "type": TEXT,
    "frame": NUMBER,
    "command": NUMBER,
    "params": LIST,
    "autoContinue": BOOL,
    "doJumpId": NUMBER,
}
MISSION = {  # MissionController::_loadJsonMissionFileV2
    "plannedHomePosition": LIST,
    "items": LIST,
    "firmwareType": NUMBER,
    "vehicleType": NUMBER,
    "cruiseSpeed": NUMBER,
    "hoverSpeed": NUMBER,
    "globalPlanAltitudeMode": NUMBER,
}
PLANS = {
    "one sortie": survey,
    "several sorties": lambda: survey(endurance_min=10),
    "two villages": lambda: survey(endurance_min=10, launches=2),
    "crosshatch": lambda: survey(crosshatch=True),
    "corridor": corridor,
    "corridor in pieces": lambda: corridor(endurance_min=8),
    "two kinds of drone": fleet,
}


@pytest.fixture(params=PLANS)
def plan(request):
    return PLANS[request.param]()


def written(plan, tmp_path):
    return json.loads(write_plan(plan, tmp_path / "s.plan")[0].read_text(encoding="utf-8"))


def complex_items(plan):
    return [item for item in plan["mission"]["items"] if item["type"] == "ComplexItem"]


def check_keys(found, asked):
    for key, kind in asked.items():
        assert isinstance(found[key], kind), key
        assert isinstance(found[key], bool) == (kind is bool), key


def test_every_key_that_qgroundcontrols_loaders_ask_for_is_there_with_its_type(plan, tmp_path):
    root = written(plan, tmp_path)
    check_keys(root["mission"], MISSION)
    found = complex_items(root)
    assert len(found) == len(plan.sorties)
    for item in found:
        kind = item["complexItemType"]
        check_keys(item, {"survey": SURVEY, "CorridorScan": CORRIDOR}[kind])
        assert item["version"] == {"survey": 5, "CorridorScan": 2}[kind]
        transects = item["TransectStyleComplexItem"]
        check_keys(transects, TRANSECTS)
        calc = transects["CameraCalc"]
        check_keys(calc, CAMERA_CALC)
        assert (transects["version"], calc["version"]) == (2, 2)
        assert calc["DistanceMode"] in (1, 3)
        if calc["DistanceMode"] == 3:
            check_keys(transects, FOLLOWED)
        assert calc["CameraName"] == "Custom Camera"  # another name must be in QGroundControl's own list
        for flat in transects["Items"]:
            check_keys(flat, ITEM)
            assert flat["type"] == "SimpleItem"
            assert len(flat["params"]) == 7
            assert all(p is None or isinstance(p, NUMBER) for p in flat["params"][:4])
        for places in (
            transects["VisualTransectPoints"],
            item.get("polygon", []),
            item.get("polyline", []),
        ):
            assert all(len(place) == 2 and all(isinstance(v, float) for v in place) for place in places)


def test_the_plan_gives_the_same_mission_as_one_of_simple_items(plan, tmp_path):
    (one, *_), (other, *_) = (
        write_plan(plan, tmp_path / "a.plan"),
        write_plan(plan, tmp_path / "b.plan", survey_items=False),
    )
    assert not complex_items(json.loads(other.read_text(encoding="utf-8")))
    assert_same_items(read_mission(one).items, whole_mission(plan).items)
    assert repr(read_mission(one)) == repr(read_mission(other))
    assert read_camera(one) == read_camera(other) == plan.sorties[0].camera


def test_only_take_off_and_return_stand_beside_the_survey_items(plan, tmp_path):
    kinds = [item.get("command", "survey") for item in written(plan, tmp_path)["mission"]["items"]]
    flight = [Command.NAV_TAKEOFF, "survey", Command.NAV_RETURN_TO_LAUNCH]
    assert kinds == flight * len(plan.sorties)


def test_numbers_of_items_run_on_through_survey_items(plan, tmp_path):
    """A survey's sequence numbers are its Items' (TransectStyleComplexItem::lastSequenceNumber)."""
    numbers = []
    for item in written(plan, tmp_path)["mission"]["items"]:
        flat = item["TransectStyleComplexItem"]["Items"] if item["type"] == "ComplexItem" else [item]
        numbers += [i["doJumpId"] for i in flat]
    assert numbers == list(range(1, len(numbers) + 1))


def test_nothing_that_qgroundcontrol_sees_changes_the_speed_that_a_survey_is_loaded_with(plan, tmp_path):
    """TransectStyleComplexItem::setMissionFlightStatus lays new lanes when the speed that
    MissionController::_recalcMissionFlightStatus comes to at the item (the plan's hover speed, then that of
    every simple DO_CHANGE_SPEED) is not the item's: 5 m/s, or TerrainFlightSpeed."""
    root = written(plan, tmp_path)
    speed = root["mission"]["hoverSpeed"]
    for item in root["mission"]["items"]:
        if item.get("command") == Command.DO_CHANGE_SPEED:
            speed = item["params"][1]
        if item["type"] == "ComplexItem":
            assert item["TransectStyleComplexItem"].get("TerrainFlightSpeed", 5.0) == speed == 5.0


def local(places):
    places = np.array(places)
    return np.column_stack(FRAME.to_local(places[:, 0], places[:, 1]))


def test_the_area_of_a_survey_is_one_simple_polygon_around_its_lanes(tmp_path):
    for made in (survey(), survey(endurance_min=10), survey(crosshatch=True)):
        zone = Polygon(SHELL)
        for sortie, item in zip(made.sorties, complex_items(written(made, tmp_path)), strict=True):
            area = Polygon(local(item["polygon"]))
            assert area.is_valid
            assert 3 <= len(item["polygon"]) <= 150
            assert not area.exterior.is_ccw
            lanes = [leg.points_m[:, :2] for leg in sortie.legs if leg.lane is not None]
            assert area.buffer(0.6 * made.spacing_m).contains(MultiLineString(lanes))
            assert area.difference(zone.buffer(made.spacing_m)).area < 0.01 * area.area
    (item,) = complex_items(written(survey(), tmp_path))
    area = Polygon(local(item["polygon"]))
    assert area.symmetric_difference(Polygon(SHELL)).area < 0.03 * Polygon(SHELL).area
    assert Polygon(SHELL, HOLES).area < area.area  # QGroundControl knows no holes


def test_angle_corner_and_camera_are_those_of_the_lanes(tmp_path):
    made = survey()
    (item,) = complex_items(written(made, tmp_path))
    assert (item["angle"] - made.angle_deg + 90.0) % 180.0 == pytest.approx(90.0, abs=0.01)
    assert -90 < item["angle"] <= 90
    sortie = made.sorties[0]
    transects = item["TransectStyleComplexItem"]
    calc = transects["CameraCalc"]
    assert transects["CameraShots"] == len(sortie.shots)
    assert not transects["Refly90Degrees"]
    highest = max(i.alt_m for i in sortie.mission.items if i.has_place)
    assert calc["DistanceToSurface"] == pytest.approx(highest, abs=0.02)
    density = (
        calc["DistanceToSurface"] * calc["SensorWidth"] * 100 / (calc["ImageWidth"] * calc["FocalLength"])
    )
    assert calc["ImageDensity"] == pytest.approx(density, rel=1e-3)  # CameraCalc::_recalcTriggerDistance
    assert calc["AdjustedFootprintSide"] == pytest.approx(made.spacing_m, abs=1e-3)
    assert calc["AdjustedFootprintFrontal"] == pytest.approx(made.trigger_m, abs=1e-3)
    assert (calc["FrontalOverlap"], calc["SideOverlap"]) == (70, 60)


def test_a_camera_mounted_portrait_is_described_as_it_lies_and_read_as_it_is_mounted(tmp_path):
    made = fleet()
    assert {sortie.drone for sortie in made.sorties} == {0, 1}
    whole, *single = write_plan(made, tmp_path / "s.plan")
    root = json.loads(whole.read_text(encoding="utf-8"))
    for sortie, item, file in zip(made.sorties, complex_items(root), single, strict=True):
        calc = item["TransectStyleComplexItem"]["CameraCalc"]
        assert not calc["Landscape"]
        assert (calc["ImageWidth"], calc["ImageHeight"]) == (
            sortie.camera.image_height_px,
            sortie.camera.image_width_px,
        )
        assert calc["AdjustedFootprintFrontal"] == pytest.approx(made.kits[sortie.drone].trigger_m, abs=1e-3)
        assert read_camera(file) == sortie.camera
        plain = json.loads(file.read_text(encoding="utf-8"))
        del plain["missionctl"]  # as QGroundControl saves it again
        file.write_text(json.dumps(plain))
        again = read_camera(file)
        assert again.footprint_m(100.0) == pytest.approx(sortie.camera.footprint_m(100.0), rel=0.01)


def test_a_crosshatch_is_flown_again_at_right_angles(tmp_path):
    (item,) = complex_items(written(survey(crosshatch=True), tmp_path))
    assert item["TransectStyleComplexItem"]["Refly90Degrees"]


def test_flights_from_different_villages_follow_the_terrain_in_their_common_file(tmp_path):
    for item in complex_items(written(survey(endurance_min=10, launches=2), tmp_path)):
        transects = item["TransectStyleComplexItem"]
        placed = [i for i in transects["Items"] if i["command"] == Command.NAV_WAYPOINT]
        assert {i["frame"] for i in placed} == {AltitudeFrame.AMSL}
        assert transects["CameraCalc"]["DistanceMode"] == 3
        assert transects["CameraCalc"]["DistanceToSurface"] == pytest.approx(survey().height_agl_m, abs=0.01)


def test_a_corridor_is_a_corridor_scan_along_its_line(tmp_path):
    (item,) = complex_items(written(corridor(), tmp_path))
    assert item["complexItemType"] == "CorridorScan"
    assert item["CorridorWidth"] == pytest.approx(300.0, abs=5.0)
    line = LineString(local(item["polyline"]))
    assert line.hausdorff_distance(RIVER) < 40.0  # lanes of a bend end a little short of each other
    assert len(item["polyline"]) < 40


def test_the_pieces_of_a_corridor_are_corridors_or_surveys_side_by_side(tmp_path):
    made = corridor(endurance_min=10)
    assert len(made.sorties) > 1
    whole = RIVER.buffer(150.0, cap_style="flat")
    for sortie, item in zip(made.sorties, complex_items(written(made, tmp_path)), strict=True):
        if item["complexItemType"] == "CorridorScan":
            area = LineString(local(item["polyline"])).buffer(item["CorridorWidth"] / 2, cap_style="flat")
        else:
            area = Polygon(local(item["polygon"]))
        assert area.difference(whole.buffer(20.0)).area < 0.02 * area.area
        lanes = MultiLineString([leg.points_m[:, :2] for leg in sortie.legs if leg.lane is not None])
        assert area.buffer(40.0).contains(lanes)


def test_the_survey_of_a_plan_is_a_zone_to_plan_again(tmp_path):
    (path,) = write_plan(survey(), tmp_path / "s.plan")
    (zone,) = read_zones(path)
    assert FRAME.geometry_to_local(zone.polygon).area == pytest.approx(Polygon(SHELL).area, rel=0.03)


def test_transects_are_drawn_where_they_are_flown(plan, tmp_path):
    for item in complex_items(written(plan, tmp_path)):
        transects = item["TransectStyleComplexItem"]
        flown = [i["params"][4:6] for i in transects["Items"] if i["command"] == Command.NAV_WAYPOINT]
        assert transects["VisualTransectPoints"] == flown
        steps = [math.dist(a, b) for a, b in pairwise(local(flown))]
        assert sum(steps) > 100.0
