"""A plan as a GeoPackage: layers that GDAL (and so QGIS) opens, with what a person asks of them."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess

import numpy as np
import pyogrio
import pytest
import shapely
from shapely import Polygon

from plans.errors import PlanFileError
from plans.formats import write_plan
from plans.survey import SurveySettings, plan_survey
from plans.zones import read_zones

from .conftest import FRAME, HOLES, SHELL, zone_of
from .planned import CAMERA, survey

LAYERS = ["zone", "no_fly", "launches", "sorties", "transits", "lanes", "photos"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    (path,) = write_plan(survey(endurance_min=10, launches=2), tmp_path_factory.mktemp("gpkg") / "s.gpkg")
    return path


def read(path, layer):
    meta, _, geometries, columns = pyogrio.raw.read(path, layer=layer)
    assert meta["crs"] == "EPSG:4326"
    return shapely.from_wkb(geometries), dict(zip(meta["fields"], columns, strict=True))


def test_every_layer_is_there_in_drawing_order(package):
    assert pyogrio.list_layers(package)[:, 0].tolist() == LAYERS
    with sqlite3.connect(package) as database:
        assert database.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_zone_and_no_fly_areas_keep_their_shape(package):
    (zone,), values = read(package, "zone")
    assert FRAME.geometry_to_local(zone).symmetric_difference(Polygon(SHELL, HOLES)).area < 3.0
    assert values["area_m2"][0] == pytest.approx(Polygon(SHELL, HOLES).area, rel=1e-3)
    (again,) = read_zones(package)  # the file is a zone to plan again
    assert again.polygon.equals(zone if len(zone.geoms) > 1 else zone.geoms[0])
    assert len(read(package, "no_fly")[0]) == 1


def test_lanes_and_transits_say_what_is_flown_on_them(package):
    plan = survey(endurance_min=10, launches=2)
    lines, values = read(package, "lanes")
    legs = [(sortie, leg) for sortie in plan.sorties for leg in sortie.legs if leg.lane is not None]
    assert values["lane"].tolist() == [leg.lane + 1 for _, leg in legs]
    assert values["sortie"].tolist() == [sortie.index + 1 for sortie, _ in legs]
    assert values["trigger_m"].tolist() == [leg.trigger_m for _, leg in legs]
    assert values["speed_mps"].tolist() == pytest.approx([leg.speed_mps for _, leg in legs], abs=0.01)
    for number, (sortie, leg) in enumerate(legs):
        above = leg.points_m[:, 2] - sortie.launch_ground_m
        low, high = values["height_min_m"][number], values["height_max_m"][number]
        assert (low, high) == pytest.approx((above.min(), above.max()), abs=0.01)
        there = shapely.get_coordinates(lines[number], include_z=True)
        east, north = FRAME.to_local(there[:, 1], there[:, 0])
        assert np.abs(np.column_stack([east, north, there[:, 2]]) - leg.points_m).max() < 0.02
    transits, _ = read(package, "transits")
    assert len(transits) == sum(leg.lane is None for s in plan.sorties for leg in s.legs)


def test_photos_sorties_and_launch_points_are_all_there(package):
    plan = survey(endurance_min=10, launches=2)
    photos, values = read(package, "photos")
    assert values["photo"].tolist() == [shot.index + 1 for shot in plan.shots]
    assert values["gsd_cm"].tolist() == pytest.approx([shot.gsd_m * 100 for shot in plan.shots], abs=1e-3)
    assert [p.z for p in photos] == pytest.approx([shot.pose.up_m for shot in plan.shots], abs=0.01)
    lines, flights = read(package, "sorties")
    assert flights["photos"].sum() == len(plan.shots)
    assert flights["items"].tolist() == [len(s.mission.items) for s in plan.sorties]
    assert flights["duration_s"].tolist() == pytest.approx([s.duration_s for s in plan.sorties], abs=0.1)
    assert set(flights["camera"]) == {CAMERA.name}
    assert (flights["battery_share"] <= 1.0).all()
    assert len(lines) == len(plan.sorties)
    places, launches = read(package, "launches")
    assert len(places) == 2
    named = ", ".join(launches["sorties"]).split(", ")
    assert sorted(map(int, named)) == list(range(1, len(plan.sorties) + 1))


def test_without_a_datum_there_are_no_heights_to_mistake_for_amsl(tmp_path):
    plan = plan_survey([zone_of(Polygon(SHELL))], CAMERA, SurveySettings(gsd_m=0.05, endurance_s=7200.0))
    (path,) = write_plan(plan, tmp_path / "s.gpkg")
    assert not shapely.has_z(read(path, "photos")[0]).any()
    assert np.isnan(read(path, "launches")[1]["ground_amsl_m"]).all()
    assert len(read(path, "no_fly")[0]) == 0


def test_an_older_plan_is_replaced_and_another_geopackage_is_not(tmp_path):
    (path,) = write_plan(survey(endurance_min=10), tmp_path / "s.gpkg")
    write_plan(survey(), path)
    assert len(read(path, "sorties")[0]) == 1
    point = shapely.to_wkb(np.array([shapely.Point(104, 30)]))
    other = tmp_path / "mission.gpkg"
    pyogrio.raw.write(other, point, [], [], layer="events", geometry_type="Point", crs="EPSG:4326")
    before = other.read_bytes()
    with pytest.raises(PlanFileError, match="a file of another kind"):
        write_plan(survey(), other)
    (tmp_path / "text.gpkg").write_text("not a GeoPackage")
    with pytest.raises(PlanFileError, match="a file of another kind"):
        write_plan(survey(), tmp_path / "text.gpkg")
    assert other.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mission.gpkg", "s.gpkg", "text.gpkg"]


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="no ogrinfo here")
def test_ogrinfo_finds_nothing_to_complain_of(package):
    said = subprocess.run(["ogrinfo", "-al", "-so", package], capture_output=True, text=True, check=True)
    assert not said.stderr
    assert all(f"Layer name: {name}" in said.stdout for name in LAYERS)
