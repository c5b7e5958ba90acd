"""What a mission photographs, read from its items; and the mission of what is still missing."""

from __future__ import annotations

import datetime as dt
import math
from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from shapely import LineString, Polygon

from plans.cameras import find_camera
from plans.energy import Battery
from plans.errors import PlanFileError, SurveyError
from plans.formats.convert import walls_of, whole_mission
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, CameraEvent, Command, Mission, MissionItem
from plans.mission_shots import flights_of, frame_of, mission_poses
from plans.mission_use import FlightLimits, FlightMeter
from plans.resume import remaining_mission
from plans.survey import SurveySettings, plan_survey
from plans.terrain import Terrain, flat_terrain

from .conftest import FRAME, HOLES, SHELL, hills, repeatable, zone_of

CAMERA = find_camera("DJI Mavic 3E")
START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
TERRAIN = hills(30.0)


def geo(east, north, alt=None):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), alt)


@cache
def survey():
    return plan_survey(
        [zone_of(Polygon(SHELL, HOLES))],
        CAMERA,
        SurveySettings(gsd_m=0.04, overlap=0.7, sidelap=0.6),
        terrain=TERRAIN,
        launches=(geo(-50, -50),),
    )


@cache
def planned():
    """(mission of all sorties, its photos' places (n, 2), GeoPoints of them)."""
    mission = whole_mission(survey())
    poses = mission_poses(mission, TERRAIN)
    places = np.array([[p.east_m, p.north_m] for p in poses])
    lat, lon = FRAME.to_geo(places[:, 0], places[:, 1])
    return mission, places, [GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)]


def places_of(mission):
    return np.array([[p.east_m, p.north_m] for p in mission_poses(mission, TERRAIN)]).reshape(-1, 2)


def event(index, point, **more):
    return CameraEvent(index, START, point.lat_deg, point.lon_deg, 1600.0, **more)


def waypoint(east, north, up=50.0, frame=AltitudeFrame.RELATIVE):
    place = geo(east, north)
    return MissionItem(Command.NAV_WAYPOINT, frame, (0, 0, 0, math.nan), place.lat_deg, place.lon_deg, up)


def order(command, *params):
    return MissionItem(command, AltitudeFrame.MISSION, (*params, *(0.0,) * (4 - len(params))))


# -- what is left ----------------------------------------------------------------------------------------


def check_rest(missing):
    """The rest of the plan photographs `missing` (mask) and no more than one shot before each gap."""
    mission, places, points = planned()
    taken = [p for p, gone in zip(points, missing, strict=True) if not gone]
    rest = remaining_mission(mission, taken, walls=walls_of(survey()))
    assert rest.shots_planned == len(points)
    assert rest.shots_taken == (~missing).sum()
    if not missing.any():
        assert rest.mission is None
        return
    found = places_of(rest.mission)
    away, _ = cKDTree(found).query(places[missing])
    assert away.max() < 1.0  # every missing photo is taken again where it was planned
    gaps = int((np.diff(np.concatenate([[False], missing]).astype(int)) == 1).sum())
    # no more than one shot early for each gap, and one where a gap runs on into the next lane
    assert len(found) <= missing.sum() + gaps + len(survey().lanes)
    back, nearest = cKDTree(places).query(found)
    assert back.max() < 1.0  # nothing is photographed that the plan had not
    early = ~missing[nearest]
    assert early.sum() <= gaps + len(survey().lanes)
    both = remaining_mission(mission, [*taken, *rest_points(rest.mission)])
    assert both.mission is None


def rest_points(mission):
    lat, lon = FRAME.to_geo(*places_of(mission).T)
    return [GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)]


@repeatable(25)
@given(st.integers(0, 10_000), st.floats(0.02, 0.98))
def test_whatever_photos_are_missing_the_rest_plan_takes_exactly_those(seed, share):
    _, places, _ = planned()
    rng = np.random.default_rng(seed)
    missing = np.zeros(len(places), bool)
    while missing.mean() < share:  # photos go missing in runs
        first = int(rng.integers(len(places)))
        missing[first : first + int(rng.integers(1, 60))] = True
    check_rest(missing)


def test_single_photos_missing_here_and_there_are_taken_again():
    _, places, _ = planned()
    missing = np.zeros(len(places), bool)
    missing[[0, 17, 200, len(places) - 1]] = True
    check_rest(missing)


def test_with_nothing_taken_the_rest_is_the_plan_itself():
    mission, _, _ = planned()
    rest = remaining_mission(mission, [])
    assert repr(rest.mission) == repr(mission)
    assert rest.shots_taken == 0


def test_with_everything_taken_nothing_is_left():
    mission, _, points = planned()
    assert remaining_mission(mission, points).mission is None


def test_the_rest_flies_around_holes_and_above_the_ground():
    mission, _, points = planned()
    keep = [p for i, p in enumerate(points) if i % 90 < 45]
    rest = remaining_mission(mission, keep, walls=walls_of(survey())).mission
    closed = [Polygon(hole) for hole in HOLES]
    ground = float(TERRAIN.at(-50.0, -50.0))
    for flight in flights_of(rest, FRAME):
        line = LineString(flight.path[:, :2])
        assert max(line.intersection(hole).length for hole in closed) < 0.2
        dense = shapely.get_coordinates(shapely.segmentize(LineString(flight.path), 5.0), include_z=True)
        assert (dense[:, 2] + ground - TERRAIN.at(dense[:, 0], dense[:, 1])).min() >= 20.0 - 0.5
        assert flight.items[0].command == Command.NAV_TAKEOFF
        assert flight.items[-1].command == Command.NAV_RETURN_TO_LAUNCH


def test_between_two_gaps_on_both_sides_of_a_hole_the_way_goes_around_it():
    mission, places, points = planned()
    north, east = places[:, 1], places[:, 0]
    beside = (north > 210) & (north < 310) & (((east > 230) & (east < 280)) | ((east > 430) & (east < 480)))
    taken = [p for p, gone in zip(points, beside, strict=True) if not gone]
    hole = Polygon(HOLES[0])

    def crossed_m(walls):
        rest = remaining_mission(mission, taken, walls=walls).mission
        return sum(LineString(f.path[:, :2]).intersection(hole).length for f in flights_of(rest, FRAME))

    nowhere = ((geo(9000, 9000), geo(9001, 9000), geo(9000, 9001)),)
    assert crossed_m(nowhere) > 50
    assert crossed_m(walls_of(survey())) < 0.2


def test_between_two_gaps_it_stays_as_high_as_the_mission_flew_there():
    """There may be a hill between them, over which the mission rose."""
    items = (
        MissionItem(Command.NAV_TAKEOFF, AltitudeFrame.RELATIVE, alt_m=40.0),
        waypoint(0, 0, 50),
        order(Command.DO_SET_CAM_TRIGG_DIST, 20.0, 0.0, 1.0),
        waypoint(0, 200, 50),
        order(Command.DO_SET_CAM_TRIGG_DIST),
        waypoint(100, 200, 130),
        waypoint(200, 200, 50),
        order(Command.DO_SET_CAM_TRIGG_DIST, 20.0, 0.0, 1.0),
        waypoint(200, 0, 50),
        order(Command.DO_SET_CAM_TRIGG_DIST),
        order(Command.NAV_RETURN_TO_LAUNCH),
    )
    taken = [geo(0, y) for y in range(100, 201, 20)] + [geo(200, y) for y in range(200, 99, -20)]
    rest = remaining_mission(Mission(items, geo(0, -20)), taken).mission
    (flight,) = flights_of(rest, FRAME)
    over = flight.path[(flight.path[:, 0] > 0.5) & (flight.path[:, 2] > 60)]
    assert len(over) >= 1
    between = [i for i, p in enumerate(flight.path) if p[2] > 60]
    first, second = flight.path[: between[0]], flight.path[between[-1] + 1 : -1]  # without the way home
    assert first[:, 0].max() < 1  # up before it leaves the first lane...
    assert second[:, 0].min() > 199  # ... and down not before the second
    assert flight.path[between, 2] == pytest.approx(130)


def test_a_sortie_that_was_flown_whole_is_not_flown_again():
    mission, _, points = planned()
    first = len(survey().sorties[0].shots)
    rest = remaining_mission(mission, points[:first]).mission
    assert len(flights_of(rest, FRAME)) == len(survey().sorties) - 1


def test_photos_a_little_off_their_place_count_and_those_far_off_do_not():
    mission, places, _ = planned()
    rng = np.random.default_rng(1)
    near = places + rng.uniform(-3, 3, places.shape)
    assert remaining_mission(mission, [geo(*p) for p in near]).mission is None
    assert remaining_mission(mission, [geo(e, n + 500_000) for e, n in places]).shots_taken == 0
    one_off = remaining_mission(mission, [geo(*places[40] + [0, 8.0])], tolerance_m=5.0)
    assert one_off.shots_taken == 0


def test_a_photo_answers_for_one_shot_only():
    mission, places, _ = planned()
    assert remaining_mission(mission, [geo(*places[40])] * 5, tolerance_m=200.0).shots_taken == 5
    assert remaining_mission(mission, [geo(*places[40])], tolerance_m=200.0).shots_taken == 1


def test_a_shot_that_the_camera_did_not_take_is_still_missing():
    mission, _, points = planned()
    events = [event(i, p, captured=i != 7) for i, p in enumerate(points)]
    assert remaining_mission(mission, events).shots_taken == len(points) - 1


def test_a_photo_of_the_crossing_lane_does_not_count():
    mission, _, points = planned()
    poses = mission_poses(mission, TERRAIN)
    across = [
        event(i, p, yaw_deg=(q.yaw_deg + 90) % 360)
        for i, (p, q) in enumerate(zip(points, poses, strict=True))
    ]
    turned = [
        event(i, p, yaw_deg=(q.yaw_deg + 180) % 360)
        for i, (p, q) in enumerate(zip(points, poses, strict=True))
    ]
    assert remaining_mission(mission, across).shots_taken < 0.2 * len(points)
    assert remaining_mission(mission, turned).shots_taken == len(points)


def test_the_speed_and_the_gimbal_are_set_again():
    items = (
        MissionItem(Command.NAV_TAKEOFF, AltitudeFrame.RELATIVE, alt_m=50.0),
        order(Command.DO_CHANGE_SPEED, 1.0, 7.5, -1.0),
        order(Command.DO_MOUNT_CONTROL, -90.0),
        waypoint(0, 0),
        order(Command.DO_SET_CAM_TRIGG_DIST, 20.0, 0.0, 1.0),
        waypoint(0, 400),
        order(Command.DO_SET_CAM_TRIGG_DIST),
        order(Command.NAV_RETURN_TO_LAUNCH),
    )
    mission = Mission(items, geo(-20, 0))
    rest = remaining_mission(mission, [geo(0, y) for y in range(0, 201, 20)]).mission
    commands = [item.command for item in rest.items]
    assert commands[:3] == [Command.NAV_TAKEOFF, Command.DO_CHANGE_SPEED, Command.DO_MOUNT_CONTROL]
    flat = flat_terrain(FRAME, 0.0)
    found = np.array([p.north_m for p in mission_poses(rest, flat)])
    assert found == pytest.approx(np.arange(200, 401, 20), abs=0.1)  # one shot early, then the rest
    assert rest.home == mission.home


def test_a_mission_without_places_is_refused():
    with pytest.raises(PlanFileError, match="no waypoints"):
        remaining_mission(Mission((order(Command.NAV_RETURN_TO_LAUNCH),)), [])


# -- what a mission photographs --------------------------------------------------------------------------


def shots_of(*items, home=None, terrain=None, speed=None):
    mission = Mission(items, home, speed)
    return mission_poses(mission, terrain or flat_terrain(FRAME, 100.0))


def test_by_distance_the_first_photo_is_at_the_start_and_the_picture_lies_along_the_lane():
    poses = shots_of(
        waypoint(0, 0),
        order(Command.DO_SET_CAM_TRIGG_DIST, 25.0, 0.0, 1.0),
        waypoint(100, 0),
        waypoint(100, 100),
        order(Command.DO_SET_CAM_TRIGG_DIST),
        waypoint(300, 100),
    )
    assert [(round(p.east_m), round(p.north_m)) for p in poses] == [
        (0, 0),
        (25, 0),
        (50, 0),
        (75, 0),
        (100, 0),
        (100, 25),
        (100, 50),
        (100, 75),
        (100, 100),
    ]
    assert [round(p.yaw_deg) for p in poses[:4]] == [90] * 4
    assert round(poses[6].yaw_deg) % 360 == 0
    assert {p.pitch_deg for p in poses} == {-90.0}


def test_by_time_photos_stand_as_far_apart_as_the_speed_says():
    by_interval = shots_of(
        order(Command.DO_CHANGE_SPEED, 1.0, 8.0, -1.0),
        waypoint(0, 0),
        order(Command.DO_SET_CAM_TRIGG_INTERVAL, 2500.0),
        waypoint(100, 0),
    )
    by_capture = shots_of(
        waypoint(0, 0), order(Command.IMAGE_START_CAPTURE, 0.0, 2.5, 0.0), waypoint(100, 0), speed=8.0
    )
    assert [round(p.east_m) for p in by_interval] == [0, 20, 40, 60, 80, 100]
    assert [round(p.east_m) for p in by_capture] == [0, 20, 40, 60, 80, 100]


def test_single_photos_are_where_the_vehicle_stands():
    poses = shots_of(
        waypoint(0, 0),
        order(Command.IMAGE_START_CAPTURE, 0.0, 0.0, 1.0),
        waypoint(50, 0),
        order(Command.DO_DIGICAM_CONTROL),
        waypoint(90, 0),
    )
    assert [round(p.east_m) for p in poses] == [0, 50]


def test_each_datum_of_height_is_understood():
    slope = Terrain(
        FRAME, -500, 500, 10.0, np.tile(100 + 0.1 * np.arange(-495, 500, 10.0), (100, 1)), "slope"
    )
    trigger = order(Command.DO_SET_CAM_TRIGG_DIST, 100.0, 0.0, 1.0)

    def ups(frame, up):
        poses = shots_of(
            waypoint(0, 0, up, frame), trigger, waypoint(200, 0, up, frame), home=geo(-200, 0), terrain=slope
        )
        return [p.up_m for p in poses]

    assert ups(AltitudeFrame.AMSL, 250.0) == pytest.approx([250, 250, 250])
    assert ups(AltitudeFrame.RELATIVE, 60.0) == pytest.approx([140, 140, 140])  # the launch stands at 80
    assert ups(AltitudeFrame.TERRAIN, 60.0) == pytest.approx([160, 170, 180])


def test_relative_heights_without_ground_under_the_launch_are_refused():
    small = Terrain(FRAME, 1000.0, 2000.0, 10.0, np.full((50, 50), 100.0), "small.tif")
    with pytest.raises(PlanFileError, match=r"small\.tif: no ground height at the plan's launch point"):
        shots_of(
            waypoint(0, 0),
            order(Command.DO_SET_CAM_TRIGG_DIST, 25.0),
            waypoint(100, 0),
            terrain=small,
        )


def test_flights_are_told_apart_by_their_take_offs():
    mission, _, _ = planned()
    flights = flights_of(mission, frame_of(mission))
    assert len(flights) == len(survey().sorties)
    assert [len(f.stretches) for f in flights] == [len(s.lanes) for s in survey().sorties]


# -- cut by battery and memory ---------------------------------------------------------------------------


def shots_of_flights(flights):
    return [places_of(flight) for flight in flights]


@repeatable(10)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(5.0, 30.0), st.integers(30, 400))
def test_the_rest_is_cut_to_the_battery_and_the_memory_and_loses_no_photo(seed, share, minutes, items):
    mission, places, points = planned()
    rng = np.random.default_rng(seed)
    missing = np.zeros(len(places), bool)
    while missing.mean() < share:
        first = int(rng.integers(len(places)))
        missing[first : first + int(rng.integers(1, 60))] = True
    taken = [p for p, gone in zip(points, missing, strict=True) if not gone]
    limits = FlightLimits(Battery(minutes * 60), items)
    try:
        rest = remaining_mission(mission, taken, walls=walls_of(survey()), limits=limits)
    except SurveyError:
        tight = minutes < 8
        assert tight
        return
    meter = FlightMeter(mission, frame_of(mission), limits)
    for flight in rest.flights:
        assert len(flight.items) <= items
        assert meter.used_s(flight.items) <= minutes * 60
        assert flight.items[0].command == Command.NAV_TAKEOFF
        assert flight.items[-1].command == Command.NAV_RETURN_TO_LAUNCH
    found = np.concatenate(shots_of_flights(rest.flights))
    away, _ = cKDTree(found).query(places[missing])
    assert away.max() < 1.0
    assert len(places_of(rest.mission)) == len(found)


def test_without_limits_the_flights_stay_as_they_are():
    mission, _, points = planned()
    rest = remaining_mission(mission, points[:100])
    assert len(rest.flights) == len(survey().sorties)
    assert [i for f in rest.flights for i in f.items] == list(rest.mission.items)
    assert rest.flights[0].home == mission.home


def test_the_meter_agrees_with_the_planner():
    """The planner knows the terrain under the way home; the items do not."""
    mission, _, _ = planned()
    meter = FlightMeter(mission, frame_of(mission), FlightLimits())
    for sortie in survey().sorties:
        used = max(sortie.battery_s, sortie.worst_home_s)
        assert meter.used_s(sortie.mission.items) == pytest.approx(used, rel=0.06)


def test_a_battery_that_reaches_no_photo_is_refused():
    mission, _, _ = planned()
    with pytest.raises(SurveyError, match="too small to take even one"):
        remaining_mission(mission, [], limits=FlightLimits(Battery(60.0)))
