"""Any plan, looked at before it is uploaded."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.errors import PlanFaultsError
from flight.safety.alerts import LANGUAGES, Severity, safety_words
from flight.safety.plan_area import NoFlyArea
from flight.safety.plan_check import PlanLimits, check_plan
from flight.safety.rally import RallyRule
from flight.safety.review import SafetySettings, check_for_vehicle
from flight.safety.vehicle_checks import VehicleFacts
from flight.safety.way_home import ReturnSettings, return_settings
from plans.energy import Battery, Wind
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.terrain import Terrain, flat_terrain

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
PLAIN = (0.0, 0.0, 0.0, 0.0)
FLAT = flat_terrain(LOCAL, 500.0)


def at(east, north):
    lat, lon = LOCAL.to_geo(east, north)
    return float(lat), float(lon)


def waypoint(east, north, up=60.0, frame=AltitudeFrame.RELATIVE, command=Command.NAV_WAYPOINT, params=PLAIN):
    return MissionItem(command, frame, params, *at(east, north), up)


TAKE_OFF = MissionItem(Command.NAV_TAKEOFF, alt_m=60.0)
RETURN = MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION)


def plan(*items, **more):
    return Mission((TAKE_OFF, *items, RETURN), HOME, 8.0, **more)


def square(west, south, east, north):
    corners = ((west, south), (east, south), (east, north), (west, north))
    return tuple(GeoPoint(*at(e, n)) for e, n in corners)


def hill(east, north, height, width=40.0, base=500.0):
    step = 5.0
    side = np.arange(-1000.0, 1000.0, step)
    e, n = np.meshgrid(side + step / 2, -(side + step / 2))
    shape = np.exp(-((e - east) ** 2 + (n - north) ** 2) / (2 * width**2))
    return Terrain(LOCAL, -1000.0, 1000.0, step, base + height * shape)


GOOD = plan(waypoint(0, 200), waypoint(200, 200))


def keys(report, severity=None):
    return [a.key for a in report.alerts if severity is None or a.severity is severity]


def test_a_good_plan_over_known_ground_has_nothing_to_say():
    report = check_plan(GOOD, FLAT, limits=PlanLimits(battery=Battery()))
    assert report.alerts == ()
    report.require_flyable()
    assert report.facts.highest_m == pytest.approx(60.0)
    assert report.facts.farthest_m == pytest.approx(math.hypot(200, 200), abs=0.1)
    assert report.facts.least_clearance_m == pytest.approx(60.0)
    assert report.facts.rtl_height_m == 0.0
    # rise 60 m, 200 + 200 m out, 283 m home, wait, and 60 m down
    assert 100 < report.facts.duration_s < 250


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (waypoint(0, 100, command=214), "plan.command_unknown"),
        (MissionItem(9999), "plan.command_unknown"),
        (MissionItem(16, 3, PLAIN, 91.0, 103.0, 60.0), "plan.place"),
        (MissionItem(16, 3, PLAIN, math.nan, 103.0, 60.0), "plan.place"),
        (MissionItem(16, 3, PLAIN, 30.05, 103.15, math.nan), "plan.place"),
        (waypoint(0, 100, up=90_000.0), "plan.altitude"),
        (MissionItem(16, AltitudeFrame.MISSION, PLAIN, 30.05, 103.15, 60.0), "plan.frame_mission"),
        (waypoint(0, 100, frame=1), "plan.frame"),
        (waypoint(0, 100, params=(math.nan, 0.0, 0.0, 0.0)), "plan.parameter"),
        (MissionItem(Command.DO_JUMP, 2, (40.0, 1.0, 0.0, 0.0)), "plan.jump"),
        (waypoint(0, 80_000.0), "plan.too_far"),
    ],
)
def test_what_no_autopilot_could_fly_is_a_fault(item, key):
    report = check_plan(plan(waypoint(0, 200), item))
    assert key in keys(report, Severity.BAD)
    with pytest.raises(PlanFaultsError, match="cannot be flown"):
        report.require_flyable()
    report.require_flyable(frozenset(keys(report, Severity.BAD)))


def test_autopilots_differ():
    interval = plan(waypoint(0, 100), MissionItem(Command.DO_SET_CAM_TRIGG_INTERVAL, 2, (500.0, 0, 0, 0)))
    assert "plan.command_unknown" in keys(check_plan(interval, FLAT))
    assert keys(check_plan(interval, FLAT, autopilot="px4")) == []
    over_ground = plan(waypoint(0, 100, frame=AltitudeFrame.TERRAIN))
    assert keys(check_plan(over_ground, FLAT)) == []
    assert "plan.frame" in keys(check_plan(over_ground, FLAT, autopilot="px4"))
    yaw_free = plan(waypoint(0, 100, params=(0.0, 0.0, 0.0, math.nan)))
    assert keys(check_plan(yaw_free, FLAT)) == []


def test_too_many_items_for_the_vehicle():
    many = plan(*(waypoint(0, 100 + i % 50) for i in range(660)))
    assert "plan.too_many_items" in keys(check_plan(many, FLAT), Severity.BAD)
    assert "plan.too_many_items" not in keys(check_plan(many, FLAT, limits=PlanLimits(item_limit=4000)))


def test_a_plan_without_beginning_or_end():
    open_ended = Mission((waypoint(0, 100),), HOME)
    assert {"plan.no_take_off", "plan.no_landing"} <= set(keys(check_plan(open_ended, FLAT)))
    assert keys(check_plan(Mission(()))) == ["plan.empty", "plan.no_places"]
    stump = Mission((replace(TAKE_OFF, alt_m=0.0), waypoint(0, 100), RETURN), HOME)
    assert "plan.take_off_height" in keys(check_plan(stump, FLAT), Severity.BAD)
    assert "plan.no_launch" in keys(check_plan(replace(GOOD, home=None), FLAT))


def test_every_leg_must_stay_in_the_fence():
    fenced = replace(GOOD, fence_inclusion=(square(-50, -50, 300, 300),))
    assert keys(check_plan(fenced, FLAT)) == []
    tight = replace(GOOD, fence_inclusion=(square(-50, -50, 150, 300),))
    (alert,) = [a for a in check_plan(tight, FLAT).alerts if a.key == "plan.leaves_fence"]
    assert alert.severity is Severity.BAD
    assert alert.values["item"] in (3, 4)
    assert alert.values["distance"] == pytest.approx(50.0, abs=0.1)
    elsewhere = replace(GOOD, fence_inclusion=(square(5000, 5000, 6000, 6000),))
    assert "plan.launch_forbidden" in keys(check_plan(elsewhere, FLAT))
    bow_tie = square(0, 0, 100, 100)
    broken = replace(GOOD, fence_exclusion=((bow_tie[0], bow_tie[2], bow_tie[1], bow_tie[3]), bow_tie[:2]))
    assert keys(check_plan(broken, FLAT)).count("plan.fence_broken") == 2


def test_several_inclusion_fences():
    both = replace(GOOD, fence_inclusion=(square(-50, -50, 300, 110), square(-50, 100, 300, 300)))
    assert "plan.leaves_fence" in keys(check_plan(both, FLAT)), "ArduPilot wants it inside all of them"
    assert keys(check_plan(both, FLAT, limits=PlanLimits(fences_joined=True))) == []
    facts = VehicleFacts(params={"FENCE_OPTIONS": 2.0})  # which says nothing to a PX4
    for px4, leaves in ((False, False), (True, True)):
        told = keys(check_for_vehicle(both, SafetySettings(), facts, px4))
        assert ("plan.leaves_fence" in told) is leaves


def test_no_leg_may_enter_a_no_fly_area_and_ways_home_through_one_are_told():
    school = NoFlyArea("school", square(80, 180, 120, 220))
    (alert,) = [a for a in check_plan(GOOD, FLAT, [school]).alerts if a.severity is Severity.BAD]
    assert (alert.key, alert.values["item"]) == ("plan.enters", 3)
    assert "school" in alert.says()
    assert "school" in alert.says("zh")
    # out along one side, back along the other, around a tower in the middle
    round_it = plan(waypoint(0, 300), waypoint(300, 300), waypoint(300, 0))
    tower = NoFlyArea("tower", square(140, 140, 160, 160))
    report = check_plan(round_it, FLAT, [tower])
    assert report.faults == ()
    assert "plan.way_home_enters" in keys(report, Severity.WARN)
    beside = NoFlyArea("mast", square(50, 201, 60, 210))
    assert "plan.near_fence" in keys(check_plan(GOOD, FLAT, [beside]), Severity.WARN)


def test_one_place_gives_one_warning():
    round_it = plan(waypoint(0, 300), waypoint(300, 300), waypoint(300, 0))
    fenced = replace(round_it, fence_exclusion=(square(140, 140, 160, 160),))
    wall = NoFlyArea("wall 1", square(130, 130, 170, 170), wall=True)
    again = NoFlyArea("tower", square(140, 140, 160, 160))
    elsewhere = NoFlyArea("wall 2", square(200, 80, 220, 100), wall=True)
    alone = keys(check_plan(fenced, FLAT))
    assert alone.count("plan.way_home_enters") == 1
    assert keys(check_plan(fenced, FLAT, [wall])) == alone
    (both,) = [a for a in check_plan(fenced, FLAT, [again, wall]).alerts if a.key == "plan.way_home_enters"]
    assert "tower" in both.says(), "the name that a person gave it"
    assert keys(check_plan(fenced, FLAT, [wall, elsewhere])).count("plan.way_home_enters") == 2
    through = replace(round_it, fence_exclusion=(square(-10, 140, 10, 160),))
    around = NoFlyArea("wall 1", square(-20, 130, 20, 170), wall=True)
    assert keys(check_plan(through, FLAT, [around])).count("plan.enters") == 1
    only_wall = NoFlyArea("wall 1", square(130, 130, 170, 170), wall=True)
    assert "plan.way_home_enters" in keys(check_plan(round_it, FLAT, [only_wall]))


def rally(east, north, up=0.0):
    lat, lon = at(east, north)
    return GeoPoint(lat, lon, up)


def test_ways_lead_to_the_rally_points_that_the_autopilot_would_choose():
    far = PlanLimits(returns=ReturnSettings(rally=RallyRule(limit_m=0.0)))
    out = plan(waypoint(0, 600), waypoint(300, 600), waypoint(300, 0))
    tower = NoFlyArea("tower", square(140, 290, 160, 310))
    assert "plan.way_home_enters" in keys(check_plan(out, FLAT, [tower], far))
    to_rally = keys(check_plan(replace(out, rally=(rally(310, 300),)), FLAT, [tower], far))
    assert "plan.way_home_enters" not in to_rally, "from behind the tower it goes to the rally point"
    beside = NoFlyArea("mast", square(255, 390, 265, 400))
    (told,) = check_plan(replace(out, rally=(rally(250, 350),)), FLAT, [beside], far).alerts
    assert (told.key, told.severity) == ("plan.way_to_rally_enters", Severity.WARN)
    assert "rally point 1" in told.says()
    near = PlanLimits(returns=ReturnSettings(rally=RallyRule(limit_m=50.0)))
    assert "plan.way_home_enters" in keys(
        check_plan(replace(out, rally=(rally(250, 350),)), FLAT, [tower], near)
    )
    held = replace(far, rally=(rally(250, 350),))
    assert "plan.way_to_rally_enters" in keys(check_plan(out, FLAT, [beside], held)), "those on the vehicle"
    own = replace(out, rally=(rally(-900, 0),))
    assert "plan.way_to_rally_enters" not in keys(check_plan(own, FLAT, [beside], held)), (
        "the plan's replace them"
    )
    assert not check_plan(out, FLAT, limits=held).facts.rally


def test_ground_on_the_way_to_a_rally_point():
    around = plan(waypoint(0, 300), waypoint(300, 300), waypoint(300, 0))
    peak = hill(110, 110, 100.0, width=25.0)
    far = PlanLimits(returns=ReturnSettings(rally=RallyRule(limit_m=0.0, or_home=False)))
    assert "plan.way_home_hits_ground" in keys(check_plan(around, peak, limits=far))
    clear = replace(around, rally=(rally(330, 330),))
    nearest = PlanLimits(returns=ReturnSettings(rally=RallyRule(limit_m=0.0)))
    assert not any("way_" in key for key in keys(check_plan(clear, peak, limits=nearest)))
    behind = replace(around, rally=(rally(110, 60),))
    (low,) = [a for a in check_plan(behind, peak, limits=far).alerts if "way_" in a.key]
    assert low.key == "plan.way_to_rally_hits_ground"
    assert low.values["height"] == pytest.approx(120.0, abs=4.0)
    high = replace(around, rally=(rally(110, 60, 130.0),))
    assert not any("way_" in key for key in keys(check_plan(high, peak, limits=far))), "flown at its height"
    px4 = PlanLimits(returns=return_settings({}, px4=True))
    on_hill = replace(around, rally=(rally(110, 60, 30.0),))
    (low,) = [a for a in check_plan(on_hill, peak, limits=px4, autopilot="px4").alerts if "to_rally" in a.key]
    assert low.values["height"] == pytest.approx(90.0, abs=5.0), "a PX4 counts it from the rally point"


def test_a_rally_point_beyond_the_fence_is_told():
    fenced = replace(
        GOOD, fence_inclusion=(square(-50, -50, 300, 300),), rally=(rally(400, 0), rally(100, 100))
    )
    told = [a for a in check_plan(fenced, FLAT).alerts if a.key == "plan.rally_forbidden"]
    assert [a.values["number"] for a in told] == [1]


def test_ground_under_every_leg():
    ridge = hill(100, 200, 55.0)
    report = check_plan(GOOD, ridge)
    (alert,) = report.faults
    assert (alert.key, alert.values["item"]) == ("plan.low", 3)
    assert alert.values["clearance"] == pytest.approx(5.0, abs=1.5)
    east, north = LOCAL.to_local(alert.values["lat"], alert.values["lon"])
    assert math.hypot(east - 100, north - 200) < 10
    assert "plan.hits_ground" in keys(check_plan(GOOD, hill(100, 200, 90.0)), Severity.BAD)
    over = plan(waypoint(0, 200, frame=10), waypoint(200, 200, frame=10))
    assert "plan.low" not in keys(check_plan(over, ridge)), "it follows the ground"
    high = plan(waypoint(0, 200, up=560.0, frame=0), waypoint(200, 200, up=560.0, frame=0))
    assert check_plan(high, ridge).facts.least_clearance_m == pytest.approx(5.0, abs=1.5)


def test_the_return_height_that_clears_the_way_home():
    around = plan(waypoint(0, 300), waypoint(300, 300), waypoint(300, 0))
    peak = hill(110, 110, 100.0, width=25.0)
    low = check_plan(around, peak)
    needed = low.facts.rtl_height_m
    assert "plan.way_home_hits_ground" in keys(low, Severity.WARN)
    assert needed == pytest.approx(120.0, abs=4.0)
    enough = PlanLimits(returns=ReturnSettings(height_m=needed + 1, cone_slope=0.0))
    assert not any("way_home" in key for key in keys(check_plan(around, peak, limits=enough)))


def test_ground_that_nobody_knows_is_told():
    assert keys(check_plan(GOOD)) == ["plan.no_dem"]
    small = flat_terrain(LOCAL, 500.0, (-100.0, -100.0, 100.0, 100.0))
    assert "plan.dem_lacks" in keys(check_plan(GOOD, small))
    unclear = plan(waypoint(0, 200, frame=10))
    assert "plan.height_unclear" in keys(check_plan(unclear))


def test_battery_wind_and_speed():
    short = PlanLimits(battery=Battery(endurance_s=60.0))
    assert "plan.too_long" in keys(check_plan(GOOD, FLAT, limits=short), Severity.BAD)
    storm = PlanLimits(wind=Wind(25.0, 0.0))
    assert "plan.wind" in keys(check_plan(GOOD, FLAT, limits=storm), Severity.BAD)
    fast = plan(MissionItem(Command.DO_CHANGE_SPEED, 2, (1.0, 22.0, -1.0, 0.0)), waypoint(0, 200))
    assert {"plan.speed", "plan.too_fast"} <= set(keys(check_plan(fast, FLAT)))
    steep = plan(waypoint(0, 200), waypoint(0, 220, up=160.0))
    assert "plan.steep" in keys(check_plan(steep, FLAT))


def test_jumps_are_followed():
    once = check_plan(plan(waypoint(0, 200), waypoint(200, 200)), FLAT).facts
    jump = MissionItem(Command.DO_JUMP, 2, (2.0, 3.0, 0.0, 0.0))
    again = check_plan(plan(waypoint(0, 200), waypoint(200, 200), jump), FLAT).facts
    assert again.length_m == pytest.approx(once.length_m + 3 * 400.0, abs=1.0)


def test_a_thousand_faults_are_told_in_a_dozen():
    wild = plan(*(MissionItem(9999) for _ in range(1000)), waypoint(0, 100))
    report = check_plan(wild, FLAT, limits=PlanLimits(item_limit=5000))
    assert keys(report).count("plan.command_unknown") == 12
    assert "988 more" in next(a for a in report.alerts if a.key == "plan.and_more").says()


odd = st.one_of(st.floats(width=32), st.sampled_from([0.0, math.nan, math.inf, 30.05, 103.15, 60.0]))
odd_item = st.builds(
    MissionItem,
    st.sampled_from([16, 17, 18, 19, 20, 21, 22, 82, 84, 93, 177, 178, 206, 4711]),
    st.integers(0, 12),
    st.tuples(odd, odd, odd, odd),
    odd,
    odd,
    odd,
)
odd_ring = st.lists(st.builds(GeoPoint, odd, odd), max_size=6).map(tuple)


@settings(deadline=None, max_examples=60)
@given(st.lists(odd_item, max_size=8), odd_ring, st.sampled_from(["ardupilot", "px4"]), st.booleans())
def test_no_plan_upsets_the_check(items, ring, autopilot, with_ground):
    mission = Mission(tuple(items), HOME, 8.0, (ring,), (ring,))
    report = check_plan(mission, FLAT if with_ground else None, autopilot=autopilot)
    for alert in report.alerts:
        for language in LANGUAGES:
            assert alert.says(language)


@settings(deadline=None, max_examples=30)
@given(st.floats(-400, 400), st.floats(-400, 400), st.floats(10, 120))
def test_clearance_is_what_a_pilot_would_measure(east, north, height):
    report = check_plan(plan(waypoint(east, north, up=height)), FLAT)
    assert report.facts.least_clearance_m == pytest.approx(min(height, 60.0), abs=1e-6)


def test_every_phrase_is_there_in_both_languages_with_the_same_figures():
    import string

    for key, by_language in safety_words().items():
        assert set(by_language) == set(LANGUAGES), key
        figures = {
            language: {name for text in pair for _, name, _, _ in string.Formatter().parse(text) if name}
            for language, pair in by_language.items()
        }
        assert figures["en"] == figures["zh"], key
