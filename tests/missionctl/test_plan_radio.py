"""Keeping the link: what can be reached with it is flown, be it an island; what cannot is left out."""

import numpy as np
import pytest
import shapely
from shapely import Point, Polygon

from missionctl.services.plan_radio import RadioSetup, shadow_of, within_reach, without_fence
from plans.cameras import find_camera
from plans.errors import SurveyError
from plans.frames import GeoPoint, LocalFrame
from plans.radio import Antenna, RadioLink
from plans.survey import SurveySettings, plan_survey
from plans.terrain import Terrain
from plans.zones import Corridor, Zone

FRAME = LocalFrame(30.0, 103.0)
SHORT = RadioLink("short", 2.4e9, 0.0, 0.0, 0.0, -88.0, 0.0)  # level ground: some 250 m and a bit
AREA = shapely.box(-900, -700, 900, 700)
ZONE = Zone("zone", FRAME.geometry_to_geo(AREA), 3.0)


def geo(east_m, north_m):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return GeoPoint(float(lat), float(lon))


def ground():
    return Terrain(FRAME, -3000.0, 3000.0, 20.0, np.full((300, 300), 100.0), "level")


def setup(**more):
    return RadioSetup(Antenna(geo(0, 0), 3.0), SHORT, keep_link=True, **more)


def test_an_island_of_reach_is_flown_and_nothing_else():
    shadow = shadow_of(setup(), ground(), 60.0, AREA, [geo(0, 0)])
    assert shadow is not None
    assert 0.5 < shadow.share < 0.97
    assert shadow.reach.contains(Point(0, 0))
    walls = shapely.get_parts(FRAME.geometry_to_local(shadow.walls.polygon))
    assert all(isinstance(wall, Polygon) and not wall.interiors for wall in walls)
    (kept,) = within_reach([ZONE], shadow, FRAME)
    assert (kept.name, kept.priority) == ("zone", 3.0)
    assert FRAME.geometry_to_local(kept.polygon).area == pytest.approx(
        AREA.area * (1 - shadow.share), rel=0.01
    )

    plan = plan_survey(
        [kept],
        find_camera("DJI Mavic 3E"),
        SurveySettings(height_agl_m=60.0, endurance_s=1800.0),
        terrain=ground(),
        no_fly=[shadow.walls],
        launches=[geo(0, 0)],
    )
    for sortie in plan.sorties:
        for leg in sortie.legs:
            assert shadow.reach.buffer(1.0).contains(shapely.force_2d(leg.line))
    assert plan.coverage.share(3) > 0.98
    assert all(s.mission.fence_exclusion for s in plan.sorties)
    assert not any(s.mission.fence_exclusion for s in without_fence(plan, shadow).sorties)


def test_corridors_are_cut_where_the_link_ends():
    shadow = shadow_of(setup(), ground(), 60.0, AREA, [geo(0, 0)])
    line = shapely.LineString([(-900, 10), (900, 10)])
    (kept,) = within_reach([Corridor("dyke", FRAME.geometry_to_geo(line), 2.0)], shadow, FRAME)
    assert kept.priority == 2.0
    assert FRAME.geometry_to_local(kept.line).length < 1200


def test_a_launch_point_without_a_link_is_named_and_a_relay_helps():
    with pytest.raises(SurveyError, match=r"launch point 30\.0\d+,103\.00\d+ has no radio link.*--relay"):
        shadow_of(setup(), ground(), 60.0, AREA, [geo(850, 600)])
    alone = shadow_of(setup(), ground(), 60.0, AREA, [])
    helped = shadow_of(setup(relay=Antenna(geo(200, 0), 30.0)), ground(), 60.0, AREA, [])
    assert helped.share < alone.share - 0.02


def test_where_all_is_heard_nothing_is_left_out():
    strong = RadioSetup(Antenna(geo(0, 0), 3.0), RadioLink("far", 433e6, 30.0, 3.0, 3.0, -120.0, 0.0))
    assert shadow_of(strong, ground(), 60.0, AREA, [geo(850, 600)]) is None
