"""Along a winding zone lanes are few and long, leave nothing unseen and enter no hole."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Polygon

from plans.cameras import find_camera
from plans.frames import GeoPoint
from plans.lanes import Lane, candidate_angles, sweep_lanes
from plans.obstacles import make_obstacles
from plans.streamlines import StreamRules, lanes_effort_m, middle_line, stream_layouts
from plans.survey import SurveySettings, plan_survey

from .conftest import FRAME, HOLES, SHELL, hills, repeatable, zone_of

RULES = StreamRules(spacing_m=45.0, reach_m=45.0, turn_m=120.0, radius_m=40.0)
CAMERA = find_camera("DJI Mavic 3E")


def river(width_m: float = 260.0, bend_m: float = 250.0, length_m: float = 3000.0) -> LineString:
    x = np.linspace(0, length_m, 120)
    return LineString(np.column_stack([x, bend_m * np.sin(x / 300.0)])).buffer(width_m / 2)


def forked() -> Polygon:
    """A river with a tributary and two islands."""
    side = LineString([(1400, -250), (1500, 500), (1300, 900)]).buffer(70)
    islands = [shapely.box(930, 20, 990, 90), shapely.box(2200, 180, 2260, 230)]
    return shapely.difference(shapely.union(river(), side), shapely.union_all(islands))


def stream_lanes(zone: Polygon, blocked: shapely.Geometry | None, rules: StreamRules) -> list[Lane]:
    """The cheapest layout."""
    layouts = stream_layouts(zone, blocked, rules)
    return min(layouts, key=lambda lanes: lanes_effort_m(lanes, rules), default=[])


def walls(zone: Polygon) -> shapely.Geometry | None:
    holes = [Polygon(ring) for ring in zone.interiors]
    return make_obstacles(holes, 2.0).area if holes else None


@st.composite
def winding_zones(draw) -> Polygon:
    """A band about a random walk, sometimes crossing itself, sometimes with an island."""
    turns = draw(st.lists(st.floats(-0.9, 0.9), min_size=4, max_size=25))
    heading = np.cumsum(turns)
    points = np.cumsum(120.0 * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
    band = LineString(points).buffer(draw(st.floats(15, 200)), quad_segs=2)
    if draw(st.booleans()):
        band = shapely.difference(band, shapely.Point(points[2]).buffer(draw(st.floats(5, 14))))
    return max(shapely.get_parts(band).tolist(), key=lambda part: part.area)


def test_a_river_is_flown_along_in_a_few_long_lanes():
    lanes = stream_lanes(river(), None, RULES)
    assert 4 <= sum(lane.length_m > 2500 for lane in lanes) <= 6  # 260 m at 45 m
    straight = min(
        lanes_effort_m(sweep_lanes(river(), None, 45.0, angle), RULES) for angle in candidate_angles(river())
    )
    assert lanes_effort_m(lanes, RULES) < 0.85 * straight


def test_the_middle_line_runs_from_end_to_end_half_way_between_the_banks():
    line = middle_line(Polygon(river().exterior), 45.0)
    assert line is not None
    assert line.length == pytest.approx(LineString(river_axis()).length, rel=0.06)
    places = shapely.points(shapely.get_coordinates(line))[8:-8]
    assert shapely.distance(places, river().exterior).min() > 0.8 * 130


def river_axis() -> np.ndarray:
    x = np.linspace(0, 3000.0, 120)
    return np.column_stack([x, 250.0 * np.sin(x / 300.0)])


def test_a_compact_zone_has_no_line_to_follow():
    assert stream_lanes(Polygon(SHELL, HOLES), walls(Polygon(SHELL, HOLES)), RULES) == []
    assert stream_lanes(shapely.box(0, 0, 5, 5), None, RULES) == []


@repeatable(40)
@given(winding_zones())
def test_of_any_winding_zone_all_is_within_reach_and_no_lane_enters_a_hole(zone):
    blocked = walls(zone)
    lanes = stream_lanes(zone, blocked, RULES)
    if not lanes:
        return
    flown = shapely.union_all([lane.line for lane in lanes])
    target = zone if blocked is None else shapely.difference(zone, blocked)
    assert target.difference(flown.buffer(RULES.reach_m + 1.0)).area < 2.0 * len(lanes)
    if blocked is not None:
        assert flown.intersection(blocked.buffer(-1e-3)).length == 0
    again = stream_lanes(zone, blocked, RULES)
    assert [lane.line.wkb for lane in again] == [lane.line.wkb for lane in lanes]


@pytest.mark.parametrize("relief", [False, True])
def test_a_plan_along_a_river_is_proven_and_sooner_done(relief):
    launch = GeoPoint(*(float(v) for v in FRAME.to_geo(1400, -320)), 1500.0)
    terrain = hills(40.0, half_m=4000.0) if relief else None
    bent, straight = (
        plan_survey(
            [zone_of(forked())],
            CAMERA,
            SurveySettings(gsd_m=0.03, follow_shape=follow),
            terrain=terrain,
            launches=(launch,),
        )
        for follow in (True, False)
    )
    assert all(len(lane.points_m) == 2 for lane in straight.lanes)
    assert bent.coverage.share(3) >= 0.999
    # over relief a long lane is flown at the speed of its steepest place: not always worth bending
    worth = 1.0 if relief else 0.92
    assert sum(s.duration_s for s in bent.sorties) <= worth * sum(s.duration_s for s in straight.sorties)
    assert relief or max(len(lane.points_m) for lane in bent.lanes) > 20
    islands = shapely.union_all([Polygon(ring).buffer(-0.1) for ring in forked().interiors])
    for sortie in bent.sorties:
        for leg in sortie.legs:
            line = bent.frame.geometry_to_geo(LineString(leg.points_m[:, :2]))
            assert not FRAME.geometry_to_local(line).intersects(islands)
    assert bent.min_clearance_m >= 20.0


def test_a_forward_overlap_that_shows_the_edge_too_seldom_brings_the_lanes_nearer_to_it():
    sparse = SurveySettings(gsd_m=0.03, overlap=0.60, sidelap=0.60)
    plan = plan_survey([zone_of(forked())], CAMERA, sparse, launches=())
    assert plan.coverage.share(3) >= 0.97
    assert plan.coverage.share(2) >= 0.999


def test_an_angle_asked_for_is_kept_on_a_river_too():
    plan = plan_survey([zone_of(river())], CAMERA, SurveySettings(gsd_m=0.04, angle_deg=30.0))
    assert plan.angle_deg == 30.0
    assert all(len(lane.points_m) == 2 for lane in plan.lanes)


def test_bent_lanes_have_pieces_long_enough_to_be_flown_at_speed():
    """ArduCopter flew pieces of 24 m at 5 m/s whatever speed was ordered, pieces of 80 m at 10."""
    plan = plan_survey([zone_of(forked())], CAMERA, SurveySettings(gsd_m=0.03, endurance_s=1e5))
    long = [lane for lane in plan.lanes if lane.length_m > 500]
    pieces = np.concatenate([np.hypot(*np.diff(lane.points_m, axis=0).T) for lane in long])
    assert np.median(pieces) > 45
    flown = [leg for sortie in plan.sorties for leg in sortie.legs if leg.lane is not None]
    speeds = [leg.line.length / leg.duration_s for leg in flown if leg.line.length > 500]
    assert min(speeds) > 8.0


@pytest.mark.parametrize("width_m", [15, 40, 60])
def test_a_winding_brook_is_one_lane(width_m):
    bends = np.linspace(0, 4 * np.pi, 80)
    brook = LineString(np.column_stack([180 * bends, 140 * np.sin(bends)])).buffer(width_m / 2)
    plan = plan_survey([zone_of(brook)], CAMERA, SurveySettings(gsd_m=0.03, endurance_s=1e5))
    assert len(plan.lanes) == 1
    assert plan.coverage.share(plan.settings.views_asked) >= 0.999
