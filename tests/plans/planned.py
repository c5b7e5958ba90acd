"""Surveys that the tests of plan files share, and how they compare missions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from shapely import LineString, Polygon

from plans.cameras import find_camera
from plans.drones import Drone
from plans.frames import GeoPoint
from plans.mission import MissionItem
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.zones import Corridor

from .conftest import FRAME, HOLES, SHELL, hills, zone_of

CAMERA = find_camera("DJI Mavic 3E")
NO_FLY = Polygon([(500, 300), (620, 320), (600, 430), (490, 400)])
RIVER = LineString([(0, 0), (400, 100), (700, 0), (1100, 150)])


def geo(east: float, north: float, alt: float | None = None) -> GeoPoint:
    """A place given in local metres."""
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), alt)


@cache
def survey(endurance_min: float = 90, launches: int = 1, crosshatch: bool = False) -> SurveyPlan:
    """Concave, three holes, hills, a no-fly area; from 10 minutes of endurance on several sorties."""
    return plan_survey(
        [zone_of(Polygon(SHELL, HOLES))],
        CAMERA,
        SurveySettings(
            gsd_m=0.04, overlap=0.7, sidelap=0.6, endurance_s=endurance_min * 60.0, crosshatch=crosshatch
        ),
        terrain=hills(30.0),
        no_fly=[zone_of(NO_FLY)],
        launches=(geo(-50, -50), geo(1300, 1150))[:launches],
    )


@cache
def corridor(endurance_min: float = 90) -> SurveyPlan:
    """300 m along a bent river, over hills."""
    return plan_survey(
        [Corridor("river", FRAME.geometry_to_geo(RIVER))],
        CAMERA,
        SurveySettings(gsd_m=0.04, corridor_width_m=300.0, endurance_s=endurance_min * 60.0),
        terrain=hills(20.0),
        launches=(geo(0, -200),),
    )


@cache
def fleet() -> SurveyPlan:
    """Two unlike drones, cameras mounted portrait."""
    drones = (Drone("big"), Drone("small", camera=find_camera("DJI Mini 3")))
    return plan_survey(
        [zone_of(Polygon(SHELL))],
        CAMERA,
        SurveySettings(gsd_m=0.04, portrait=True, endurance_s=1800.0),
        terrain=hills(20.0),
        launches=(geo(-50, -50),),
        drones=drones,
    )


def assert_same_items(ours: Sequence[MissionItem], theirs: Sequence[MissionItem]) -> None:
    """Items equal, NaN equal to NaN, -0.0 to 0.0."""
    assert [_key(item) for item in ours] == [_key(item) for item in theirs]


def _key(item: MissionItem) -> str:
    numbers = [value + 0.0 for value in (*item.params, item.lat_deg, item.lon_deg, item.alt_m)]
    return repr((int(item.command), int(item.frame), numbers, item.autocontinue))
