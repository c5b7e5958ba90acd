"""Whatever is drawn, anywhere on earth, with any camera: a plan that holds its promises, or a clear line."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon
from shapely.affinity import rotate, scale, translate

from plans.cameras import Camera, camera_database
from plans.energy import Wind
from plans.errors import MissionError, ZoneError
from plans.frames import GeoPoint, LocalFrame
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.terrain import Terrain
from plans.zones import Corridor, Zone, check_zone, read_zones

from .conftest import repeatable

NORMAL = settings(repeatable(30), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
SOAK = settings(NORMAL, max_examples=1500, derandomize=False, print_blob=True)
CAMERAS = sorted(camera_database().values(), key=lambda camera: camera.name)


def stars(largest: float = 1.0) -> st.SearchStrategy[Polygon]:
    """Concave polygons about the origin, up to `largest` from it."""

    def star(radii: list[float]) -> Polygon:
        turns = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
        return Polygon(np.column_stack([radii * np.cos(turns), radii * np.sin(turns)]))

    return st.lists(st.floats(0.1 * largest, largest), min_size=3, max_size=14).map(star)


@st.composite
def combs(draw: st.DrawFn) -> Polygon:
    """A spine with teeth: deep bays, thin arms."""
    teeth = draw(st.lists(st.tuples(st.floats(0.02, 0.12), st.floats(-1, 1)), min_size=1, max_size=5))
    places = np.linspace(-0.9, 0.8, len(teeth))
    arms = [
        shapely.box(x, min(0, y) - 0.01, x + w, max(0, y) + 0.01)
        for x, (w, y) in zip(places, teeth, strict=True)
    ]
    return shapely.union_all([shapely.box(-1, -0.05, 1, 0.05), *arms])


@st.composite
def shapes(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """Polygons of about unit size: concave, thin, of several parts, with holes and islands in them."""
    shape = draw(st.one_of(stars(), combs()))
    if draw(st.booleans()):
        hole = translate(draw(stars(0.5)), *draw(st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))))
        shape = shape.difference(hole)
        if draw(st.booleans()):
            shape = shape.union(scale(hole, 0.4, 0.4))
    if draw(st.booleans()):
        shape = shape.union(translate(draw(stars(0.4)), 1.5, 0.3))
    shape = rotate(scale(shape, 1.0, draw(st.floats(0.05, 1.0))), draw(st.floats(0, 180)), origin=(0, 0))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area > 1e-4]
    assume(parts)
    return MultiPolygon(parts) if len(parts) > 1 else parts[0]


def crs_at(lat_deg: float, lon_deg: float) -> list[int]:
    """EPSG codes that are meant for a place: degrees, UTM, Mercator, polar, China's Gauss-Krueger zones."""
    codes = [4326, 4490, (32600 if lat_deg >= 0 else 32700) + int((lon_deg + 180) // 6) % 60 + 1]
    if abs(lat_deg) < 80:
        codes += [3857, 3395]
    if abs(lat_deg) > 60:
        codes.append(3995 if lat_deg > 0 else 3031)
    if 20 < lat_deg < 50 and 74 < lon_deg < 134:
        codes.append(4534 + round((lon_deg - 75) / 3))
    return codes


@dataclass(frozen=True)
class Case:
    """Everything that a plan is made of."""

    frame: LocalFrame
    shape_m: Polygon | MultiPolygon
    epsg: int
    camera: Camera
    wishes: SurveySettings
    terrain: Terrain | None
    no_fly: tuple[Zone, ...]
    launches: tuple[GeoPoint, ...]
    drones: int
    priorities: tuple[float, ...]


def hills(frame: LocalFrame, half_m: float, steepness: float) -> Terrain:
    axis = np.linspace(-half_m, half_m, 120)
    east, north = np.meshgrid(axis, axis[::-1])
    height = 800 + steepness * (150 * np.sin(east / 400) * np.cos(north / 300) + east / 8)
    return Terrain(frame, -half_m, half_m, float(axis[1] - axis[0]), height, "hills")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    place = draw(st.sampled_from(["anywhere", "Sichuan", "pole", "antimeridian"]))
    lat, lon = {
        "anywhere": (draw(st.floats(-75, 75)), draw(st.floats(-179, 179))),
        "Sichuan": (draw(st.floats(26, 34)), draw(st.floats(98, 108))),
        "pole": (draw(st.sampled_from([-89.9, -85.0, 85.0, 89.9])), draw(st.floats(-170, 170))),
        "antimeridian": (
            draw(st.floats(-20, 20)),
            draw(st.sampled_from([-179.999, -179.95, 179.95, 179.999])),
        ),
    }[place]
    frame = LocalFrame(lat, lon)
    size_m = math.exp(draw(st.floats(math.log(15.0), math.log(1200.0))))
    camera = draw(st.sampled_from(CAMERAS))
    overlap, sidelap = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    # A plan of some hundred photos at most, so that many can be made.
    photo_m = max(size_m / 12 / (1 - max(overlap, sidelap)), 20.0) * draw(st.floats(1.0, 3.0))
    height_m = min(photo_m * camera.focal_mm / camera.sensor_width_mm, 1500.0)
    wishes = SurveySettings(
        height_agl_m=height_m,
        overlap=overlap,
        sidelap=sidelap,
        clearance_m=height_m * draw(st.floats(0.1, 1.05)),
        speed_mps=draw(st.none() | st.floats(1.0, 20.0)),
        wind=Wind(draw(st.floats(0, 14)), draw(st.floats(0, 360))),
        angle_deg=draw(st.none() | st.floats(-360, 360)),
        endurance_s=draw(st.floats(300, 2400)),
        portrait=draw(st.booleans()),
        min_views=draw(st.none() | st.integers(1, 5)),
        item_limit=draw(st.sampled_from([None, 60, 500])),
        reserve=draw(st.floats(0, 0.3)),
        follow_shape=draw(st.booleans()),
        crosshatch=draw(st.booleans()),
        hole_margin_m=draw(st.floats(0, 5)),
        no_fly_margin_m=draw(st.floats(0, 30)),
    )
    steepness = draw(st.sampled_from([None, None, 0.1, 1.0]))
    walls = draw(st.lists(st.tuples(stars(0.3), st.floats(-1.2, 1.2), st.floats(-1.2, 1.2)), max_size=2))
    forbidden = shapely.MultiPolygon(
        [translate(scale(s, size_m, size_m, origin=(0, 0)), x * size_m, y * size_m) for s, x, y in walls]
    )
    launches = draw(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), max_size=2))
    spots = [frame.to_geo(x * size_m, y * size_m) for x, y in launches]
    return Case(
        frame=frame,
        shape_m=scale(draw(shapes()), size_m, size_m, origin=(0, 0)),
        epsg=draw(st.sampled_from(crs_at(lat, lon))),
        camera=camera,
        wishes=wishes,
        terrain=None if steepness is None else hills(frame, 4 * size_m + 1500.0, steepness),
        no_fly=tuple(Zone("no-fly", frame.geometry_to_geo(wall)) for wall in shapely.get_parts(forbidden)),
        launches=tuple(GeoPoint(float(la), float(lo)) for la, lo in spots),
        drones=draw(st.integers(1, 3)),
        priorities=draw(st.tuples(*[st.sampled_from([1.0, 1.0, 3.0])] * 4)),
    )


def through_a_file(case: Case) -> tuple[Zone, ...]:
    """The zone as it comes out of a file in the case's coordinate system."""
    to = pyproj.Transformer.from_crs(4326, case.epsg, always_xy=True)
    drawn = shapely.transform(
        case.frame.geometry_to_geo(case.shape_m), lambda xy: np.column_stack(to.transform(*xy.T))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "z.wkt"
        path.write_text(f"SRID={case.epsg};" + shapely.to_wkt(drawn, rounding_precision=-1))
        return read_zones(path)


def planned(case: Case) -> SurveyPlan:
    """The plan of the zone's parts, each with its priority."""
    parts = [part for zone in through_a_file(case) for part in shapely.get_parts(zone.polygon)]
    return plan_survey(
        [Zone(f"part {i}", part, case.priorities[i % 4]) for i, part in enumerate(parts)],
        case.camera,
        case.wishes,
        terrain=case.terrain,
        no_fly=case.no_fly,
        launches=case.launches,
        drones=case.drones,
    )


def outcome(case: Case) -> SurveyPlan | str:
    """A plan, or the line that says why there is none."""
    try:
        return planned(case)
    except MissionError as fault:
        return str(fault).rpartition("z.wkt")[2]  # the folder is another each time


def check_case(case: Case) -> None:
    plan = outcome(case)
    if isinstance(plan, str):
        event(f"refused: {plan[:40]}")
        assert plan.strip()
        assert "\n" not in plan
        assert outcome(case) == plan
        return
    event("planned")
    report = plan.report()
    json.dumps(report, allow_nan=False)
    assert report["photos"] == len(plan.shots) > 0
    assert report["lanes"] > 0
    shares = [plan.coverage.share(k) for k in range(1, 9)]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert shares == sorted(shares, reverse=True)
    where = np.array([(shot.pose.east_m, shot.pose.north_m) for shot in plan.shots])
    for wall in case.no_fly:
        inside = plan.frame.geometry_to_local(wall.polygon).buffer(-0.01)
        assert not shapely.contains_xy(inside, where).any()
    for sortie in plan.sorties:
        assert 0 < sortie.duration_s <= case.wishes.endurance_s + 1e-6
        assert 0 <= sortie.drone < case.drones
        assert len(sortie.mission.items) <= (case.wishes.item_limit or math.inf)
    if case.terrain is not None:
        assert plan.min_clearance_m >= case.wishes.clearance_m - 0.05
    again = outcome(case)
    assert isinstance(again, SurveyPlan)
    assert again.report() == report
    assert again.missions == plan.missions


@NORMAL
@given(cases())
def test_any_zone_is_planned_or_refused_in_a_line(case: Case) -> None:
    check_case(case)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@SOAK
@given(cases())
def test_very_many_zones_are_planned_or_refused_in_a_line(case: Case) -> None:
    check_case(case)


@repeatable(100)
@given(cases())
def test_a_zone_comes_out_of_any_coordinate_system_as_it_went_in(case: Case) -> None:
    lon = case.frame.geometry_to_geo(case.shape_m).bounds[::2]
    if lon[1] - lon[0] > 180:
        with pytest.raises(ZoneError, match="antimeridian"):
            through_a_file(case)
        return
    zones = through_a_file(case)
    found = shapely.union_all([case.frame.geometry_to_local(zone.polygon) for zone in zones])
    assert shapely.symmetric_difference(found, case.shape_m).area < 1e-3 * case.shape_m.length + 1e-3
    holes = sum(len(part.interiors) for part in shapely.get_parts(case.shape_m))
    assert sum(len(part.interiors) for part in shapely.get_parts(found)) == holes


@repeatable(12)
@given(
    cases(),
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=8),
    st.floats(5, 300),
)
def test_any_corridor_is_planned_or_refused_in_a_line(
    case: Case, corners: list[tuple[int, int]], width_m: float
) -> None:
    wishes = replace(case.wishes, corridor_width_m=width_m)
    places = [(50.0 * x + i, 50.0 * y) for i, (x, y) in enumerate(corners)]  # no two corners in one place
    line = Corridor("river", case.frame.geometry_to_geo(shapely.LineString(places)))
    try:
        plan = plan_survey([line], case.camera, wishes, terrain=case.terrain, drones=case.drones)
    except MissionError as fault:
        event(str(fault)[:30])
        return
    assert plan.shots
    assert 0.0 <= plan.coverage.share(1) <= 1.0
    json.dumps(plan.report(), allow_nan=False)


corners = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda p: (104 + p[0] / 100, 30 + p[1] / 100))
rings = st.lists(corners, min_size=3, max_size=9)


@repeatable(400)
@given(rings, st.lists(rings, max_size=2))
def test_any_scribble_is_repaired_into_what_it_encloses_or_refused_with_its_place(
    shell: list[tuple[float, float]], holes: list[list[tuple[float, float]]]
) -> None:
    found, fault = None, ""
    try:
        found = check_zone(Polygon(shell, holes), "scribble")
    except ZoneError as error:
        fault = str(error)
    if found is None:
        event(fault[:40])
        assert "lat 30.0" in fault
        return
    assert found.is_valid
    assert found.area > 0
    assert found.difference(Polygon(shell).convex_hull.buffer(1e-9)).is_empty
    assert check_zone(found, "again").equals(found)


FRAME = LocalFrame(30.0, 103.0)
LAUNCH = GeoPoint(29.998, 103.0)


def square(east_m: float, north_m: float, size_m: float, name: str = "z", priority: float = 1.0) -> Zone:
    shape = shapely.box(east_m, north_m, east_m + size_m, north_m + size_m)
    return Zone(name, FRAME.geometry_to_geo(shape), priority)


def test_no_fly_areas_may_overlap() -> None:
    leaning = Polygon([(100, 100), (250, 120), (240, 280), (80, 190)])
    walls = [square(50, 50, 120, "a"), Zone("b", FRAME.geometry_to_geo(leaning))]
    plan = plan_survey(
        [square(0, 0, 400)], CAMERAS[0], SurveySettings(height_agl_m=80), no_fly=walls, launches=[LAUNCH]
    )
    assert plan.shots


def test_a_part_that_may_not_be_entered_is_left_out_whatever_its_priority() -> None:
    zones = [square(0, 0, 200, "a", 2.0), square(400, 0, 100, "b", 1.0)]
    walls = [square(380, -20, 160, "n")]
    plan = plan_survey(zones, CAMERAS[0], SurveySettings(height_agl_m=80), no_fly=walls, launches=[LAUNCH])
    assert plan.shots


def test_a_corridor_of_no_length_is_refused() -> None:
    line = Corridor("c", FRAME.geometry_to_geo(shapely.LineString([(0, 0), (0, 0)])))
    with pytest.raises(MissionError):
        plan_survey([line], CAMERAS[0], SurveySettings(height_agl_m=80, corridor_width_m=50))


def test_a_plan_of_nothing_is_refused() -> None:
    camera: Any = CAMERAS[0]
    with pytest.raises(MissionError, match="no zone"):
        plan_survey([], camera, SurveySettings())
