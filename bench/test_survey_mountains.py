"""Coverage and clearance of river zones over mountains, and of the shapes in real plan files.

Asked: 99.5 % of each zone seen by as many photos as the overlaps promise, where the clearance allows, and no
segment lower than the clearance. The coverage is counted again here with cells half as wide as the planner's.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from plans.cameras import find_camera
from plans.coverage import cell_size_m, count_photos
from plans.frames import FloatArray
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.terrain import Terrain
from plans.zones import Zone, read_zones

from .conftest import SHARED
from .river_zones import FRAME, bank_of, river_zone, zone_of

ZONES = 64
REAL_SHAPES = (
    "plans/qgc_PolygonAreaTest.kml",
    "plans/mavsdk_qgc_with_survey.plan",
    "flood/emsr517/EMSR517_AOI15_GRA_PRODUCT_observedEventA_r1_v1.json",
)
MOST_PARTS = 8  # of a flood's scattered patches
CAMERA = find_camera("DJI Mavic 3E")
SETTINGS = SurveySettings(gsd_m=0.03, endurance_s=30 * 60.0)
ONE_SORTIE = SurveySettings(gsd_m=0.03, endurance_s=1e6)


def mountains(seed: int, step_m: float = 30.0) -> Terrain:
    """Relief over 12 x 12 km that does not care for the river: waves of 0.9 to 6 km, steepest near 35
    degrees."""
    rng = np.random.default_rng([35, seed])
    e = np.arange(-6000.0, 6000.0, step_m) + step_m / 2
    n = e[::-1]
    heights = np.zeros((len(n), len(e)))
    for wavelength in (6000.0, 3000.0, 1600.0, 900.0):
        turn, phase = rng.uniform(0, 2 * np.pi, 2)
        k = 2 * np.pi / wavelength * np.array([np.cos(turn), np.sin(turn)])
        heights += wavelength**0.85 * np.sin(k[0] * e[None] + k[1] * n[:, None] + phase)
    steepest = float(np.max(np.hypot(*np.gradient(heights, step_m))))
    return Terrain(FRAME, -6000.0, 6000.0, step_m, 800 + heights * np.tan(np.radians(35.0)) / steepest)


@pytest.fixture(scope="module")
def over_mountains() -> list[tuple[int, SurveyPlan, Terrain]]:
    plans = []
    for seed in range(ZONES):
        terrain, region = mountains(seed), river_zone(seed)
        launch = bank_of(region)
        plan = plan_survey(
            [zone_of(region, f"river {seed}")], CAMERA, SETTINGS, terrain=terrain, launches=(launch,)
        )
        plans.append((seed, plan, terrain))
    return plans


def _counted_again(plan: SurveyPlan, terrain: Terrain) -> float:
    poses = [shot.pose for shot in plan.shots]
    cell = cell_size_m(CAMERA, plan.height_agl_m, plan.region) / 2
    return count_photos(plan.region, poses, CAMERA, terrain, cell).share(plan.settings.views_asked)


def _least_clearance_m(plan: SurveyPlan, terrain: Terrain) -> float:
    least = np.inf
    for sortie in plan.sorties:
        for leg in sortie.legs:
            dense: FloatArray = shapely.get_coordinates(shapely.segmentize(leg.line, 3.0), include_z=True)
            least = min(least, float((dense[:, 2] - terrain.at(dense[:, 0], dense[:, 1])).min()))
    return least


def test_zones_over_mountains_are_covered_with_clearance(over_mountains, tell):
    shares = np.array([_counted_again(plan, terrain) for _, plan, terrain in over_mountains])
    clear = np.array([_least_clearance_m(plan, terrain) for _, plan, terrain in over_mountains])
    relief = [
        np.ptp(terrain.at(*shapely.get_coordinates(plan.region).T)) for _, plan, terrain in over_mountains
    ]
    sorties = [sortie for _, plan, _ in over_mountains for sortie in plan.sorties]
    battery = max(max(s.worst_home_s, s.battery_s) / s.usable_s for s in sorties)
    tell(
        f"{ZONES} river zones over mountains (relief along a zone {np.median(relief):.0f} m at the median, "
        f"{max(relief):.0f} m at most): seen by {SETTINGS.views_asked} {np.median(shares):.2%} (median), "
        f"least {shares.min():.2%}; clearance asked {SETTINGS.clearance_m:g} m, least {clear.min():.1f} m; "
        f"most of a battery used {battery:.1%}"
    )
    assert shares.min() >= 0.995
    assert clear.min() >= SETTINGS.clearance_m - 0.05
    assert battery <= 1.0


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_real_shapes_are_covered(name, tell):
    file = SHARED / name
    if not file.exists():
        pytest.skip(f"the real data is not here (../shared/data/{name})")
    parts = [part for zone in read_zones(file) for part in shapely.get_parts(zone.polygon)]
    largest = sorted(parts, key=lambda part: -part.area)[:MOST_PARTS]
    began = time.perf_counter()
    plan = plan_survey([Zone("real", shapely.MultiPolygon(largest))], CAMERA, ONE_SORTIE)
    took = time.perf_counter() - began
    share = plan.coverage.share(SETTINGS.views_asked)
    holes = sum(len(part.interiors) for part in shapely.get_parts(plan.region))
    tell(
        f"{name}: {plan.region.area / 1e6:.3f} km2 in {len(shapely.get_parts(plan.region))} parts with "
        f"{holes} holes, {share:.2%} seen by {SETTINGS.views_asked}, planned in {took:.1f} s"
    )
    assert share >= 0.999
