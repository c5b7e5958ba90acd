"""Fleets: every sortie within its own drone's battery and memory, every drone at the height of its own
camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from plans.cameras import find_camera
from plans.drones import Drone
from plans.energy import Airframe, Battery, Wind
from plans.errors import SurveyError
from plans.frames import GeoPoint
from plans.survey import SurveySettings, plan_survey
from plans.zones import Corridor, Zone

from .conftest import FRAME, hills

WIDE, NARROW = find_camera("DJI Mavic 3E"), find_camera("DJI Phantom 4 RTK")
BOX = shapely.box(0, 0, 1000, 800)
ZONE = Zone("z", FRAME.geometry_to_geo(BOX))
SETTINGS = SurveySettings(gsd_m=0.03, endurance_s=15 * 60.0)


def geo(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon))


def planned(settings=SETTINGS, **more):
    more.setdefault("launches", (geo(-30, -30),))
    return plan_survey([ZONE], WIDE, settings, **more)


def fits(plan):
    return all(max(s.battery_s, s.worst_home_s) <= s.usable_s for s in plan.sorties)


@pytest.mark.parametrize("terrain", [None, hills(60.0)], ids=["level", "hills"])
@pytest.mark.parametrize("wind", [Wind(), Wind(8.0, 250.0)], ids=["calm", "wind"])
def test_the_way_home_fits_the_battery_from_every_point(terrain, wind):
    plan = planned(replace(SETTINGS, wind=wind), terrain=terrain)
    assert fits(plan)
    assert all(s.duration_s <= s.battery_s + 1e-6 for s in plan.sorties)
    # and batteries are used: no sortie but the shortest could have been left out
    shares = sorted(max(s.battery_s, s.worst_home_s) / s.usable_s for s in plan.sorties)
    assert np.mean(shares[1:]) > 0.6


def test_cold_old_packs_and_a_reserve_take_more_sorties():
    plain = planned()
    for change in ({"temperature_c": -10.0}, {"pack_health": 0.7}, {"reserve": 0.3}):
        poor = planned(replace(SETTINGS, **change))
        assert fits(poor)
        assert len(poor.sorties) > len(plain.sorties)
        assert poor.sorties[0].usable_s < plain.sorties[0].usable_s


def test_wind_and_climbs_draw_more_than_calm_level_flight():
    calm = planned()
    for more in ({"settings": replace(SETTINGS, wind=Wind(9.0, 0.0))}, {"terrain": hills(60.0)}):
        hard = planned(**more)
        drawn = [
            sum(s.battery_s for s in p.sorties) / sum(s.length_m for s in p.sorties) for p in (calm, hard)
        ]
        assert drawn[1] > 1.02 * drawn[0]


@pytest.mark.parametrize("limit", [40, 99, 650])
@pytest.mark.parametrize("terrain", [None, hills(60.0)], ids=["level", "hills"])
def test_no_mission_holds_more_items_than_the_autopilot_stores(limit, terrain):
    plan = planned(replace(SETTINGS, endurance_s=1e5, item_limit=limit), terrain=terrain)
    assert max(len(s.mission.items) for s in plan.sorties) <= limit
    assert plan.coverage.share(plan.settings.views_asked) >= 0.999
    assert len(plan.sorties) > 1 or limit > 40


def test_each_drone_flies_at_the_height_of_its_own_camera():
    drones = [Drone("wide"), Drone("narrow", camera=NARROW, launch=geo(1030, 830))]
    plan = planned(drones=drones)
    assert fits(plan)
    for sortie in plan.sorties:
        kit = plan.kits[sortie.drone]
        assert sortie.camera == kit.camera == (WIDE, NARROW)[sortie.drone]
        assert kit.height_m == pytest.approx(kit.camera.height_for_gsd_m(0.03))
        assert {round(shot.height_agl_m, 3) for shot in sortie.shots} == {round(kit.height_m, 3)}
        assert max(shot.gsd_m for shot in sortie.shots) == pytest.approx(0.03)
    assert {s.drone for s in plan.sorties} == {0, 1}
    assert all(s.launch == drones[1].launch for s in plan.sorties if s.drone == 1)
    # lanes lie as close as the narrower picture asks
    assert plan.spacing_m == pytest.approx(0.3 * min(k.camera.footprint_m(k.height_m)[0] for k in plan.kits))
    assert plan.coverage.share(plan.settings.views_asked) >= 0.999


def test_a_faster_drone_takes_more_of_the_work():
    slow = Drone("slow", airframe=Airframe(max_airspeed_mps=5.0))
    plan = planned(drones=[slow, Drone("quick")])
    done = [sum(len(s.shots) for s in plan.sorties if s.drone == d) for d in (0, 1)]
    assert done[1] > 1.2 * done[0] > 0
    assert {k.speed_mps for k in plan.kits} == {5.0, 10.0}


def test_a_drone_with_a_bigger_battery_flies_longer_sorties():
    plan = planned(drones=[Drone("big", battery=Battery(1800.0)), Drone("small", battery=Battery(600.0))])
    longest = [max(s.battery_s for s in plan.sorties if s.drone == d) for d in (0, 1)]
    assert longest[0] > 1.5 * longest[1]
    assert longest[1] <= 600.0


def test_a_camera_mounted_portrait_turns_its_footprint_and_still_covers():
    landscape, portrait = planned(), planned(replace(SETTINGS, portrait=True))
    assert portrait.spacing_m == pytest.approx(landscape.spacing_m * 3956 / 5280, rel=1e-3)
    assert portrait.trigger_m == pytest.approx(landscape.trigger_m * 5280 / 3956, rel=1e-3)
    assert portrait.height_agl_m == pytest.approx(landscape.height_agl_m, rel=1e-2)
    assert portrait.coverage.share(portrait.settings.views_asked) >= 0.999


@pytest.mark.parametrize(("overlap", "sidelap", "views"), [
    (0.80, 0.70, 5), (0.80, 0.60, 3), (0.70, 0.60, 3), (0.60, 0.60, 3), (0.90, 0.80, 10), (0.30, 0.30, 1),
])  # fmt: skip
def test_the_views_asked_are_those_that_the_overlaps_promise(overlap, sidelap, views):
    settings = SurveySettings(gsd_m=0.03, overlap=overlap, sidelap=sidelap, endurance_s=1e5)
    assert settings.views_asked == views
    plan = planned(settings)
    assert plan.coverage.share(views) >= 0.999
    assert replace(settings, min_views=7).views_asked == 7


def test_a_fleet_is_planned_the_same_every_time():
    drones = [Drone("a"), Drone("b", battery=Battery(700.0), launch=geo(1030, 830)), Drone("c")]
    one, two = planned(drones=drones), planned(drones=drones)
    assert one.report() == two.report()


@pytest.mark.parametrize(("autopilot", "most"), [("dji-fly", 99), ("px4", 500), ("ardupilot", 650)])
def test_a_flight_fills_what_its_app_holds_and_no_more(autopilot, most):
    wide = Zone("wide", FRAME.geometry_to_geo(shapely.box(0, 0, 1500, 12_000)))
    drone = Drone("d", battery=Battery(1e6), autopilot=autopilot)
    settings = SurveySettings(gsd_m=0.03, angle_deg=90.0)
    plan = plan_survey([wide], WIDE, settings, launches=(geo(-30, -30),), drones=[drone])
    slots = [drone.slots(sortie.mission) for sortie in plan.sorties]
    assert max(slots) <= most
    if len(slots) > 1:
        assert max(slots) >= 0.93 * most


def test_memory_too_small_for_a_lane_is_said_of_the_memory():
    with pytest.raises(SurveyError, match="autopilot holds too few mission items"):
        planned(replace(SETTINGS, item_limit=10), terrain=hills(60.0))


def test_no_drone_is_ordered_faster_than_its_airframe_flies():
    settings = replace(SETTINGS, speed_mps=12.0)
    plan = planned(settings, drones=[Drone("slow", airframe=Airframe(max_airspeed_mps=6.0))])
    assert plan.speed_mps == 6.0
    assert any("its airframe's most" in note for note in plan.notes)


def test_of_two_corridors_the_urgent_one_is_flown_first():
    lines = [shapely.LineString([(0, y), (900, y + 40)]) for y in (0, 500)]
    corridors = [
        Corridor(str(p), FRAME.geometry_to_geo(line), p) for p, line in zip((1.0, 9.0), lines, strict=True)
    ]
    plan = plan_survey(corridors, WIDE, replace(SETTINGS, corridor_width_m=60.0), launches=(geo(-30, -30),))
    first = plan.sorties[0].shots[0].pose
    _, north = plan.frame.to_local(*FRAME.to_geo(0, 250))
    assert first.north_m > float(north)
