"""The EMS-style package: Copernicus's names, attributes and values, as in a real product (EMSR517)."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import rasterio
import shapely
from rasterio.features import rasterize
from scipy import ndimage

from imagery.damage.legend import MUD, WATER
from imagery.deliver import export
from imagery.deliver.ems import read_product
from imagery.deliver.folder import read_folder
from imagery.errors import DeliveryError

REAL = Path(__file__).parents[4] / "shared" / "data" / "flood" / "emsr517"
LAYERS = ("areaOfInterestA", "builtUpP", "imageFootprintA", "observedEventA", "transportationL")
OPEN = {"name", "locality", "area", "area_id", "emsr_id", "or_src_id", "dmg_src_id"}
"""Attributes whose values are a place's own."""
BEYOND = {"obj_type": {"997-Not Applicable"}, "info": {"997-Not Applicable"}}
"""Values of the product's other layers or of its code list that this one need not show."""


@pytest.fixture(scope="module")
def package(folder, tmp_path_factory) -> Path:
    (path,) = export(folder, ["ems"], tmp_path_factory.mktemp("ems"), product="EMSR517_AOI15")
    return path


def _name(layer: str, ending: str) -> str:
    return f"EMSR517_AOI15_GRA_PRODUCT_{layer}_r1_v1.{ending}"


def _read(package: Path, layer: str) -> dict:
    with zipfile.ZipFile(package) as archive:
        return json.loads(archive.read(_name(layer, "json")))


def test_names_are_copernicus_own(package) -> None:
    assert package.name == "EMSR517_AOI15_GRA_PRODUCT_r1_VECTORS_v1.zip"
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
    for layer in LAYERS:
        assert {_name(layer, e) for e in ("json", "shp", "shx", "dbf", "prj", "cpg")} <= names
    assert _name("source", "csv") in names


@pytest.mark.skipif(not REAL.is_dir(), reason="no real EMS product beside the checkout")
@pytest.mark.parametrize("layer", LAYERS)
def test_attributes_and_values_are_those_of_a_real_product(package, layer) -> None:
    ours = _read(package, layer)["features"]
    real = json.loads((REAL / _name(layer, "json")).read_text(encoding="utf-8"))["features"]
    assert list(ours[0]["properties"]) == list(real[0]["properties"])
    kinds = {f["geometry"]["type"].removeprefix("Multi") for f in real}
    assert {f["geometry"]["type"].removeprefix("Multi") for f in ours} == kinds
    for key in ours[0]["properties"]:
        known = {f["properties"][key] for f in real}
        values = {f["properties"][key] for f in ours}
        assert {type(v) for v in values} == {type(v) for v in known}, key
        if key not in OPEN:
            grades = {"No visible damage", "Not Analysed"} if key == "damage_gra" else set()
            assert values <= known | BEYOND.get(key, set()) | grades, key


@pytest.mark.skipif(not REAL.is_dir(), reason="no real EMS product beside the checkout")
def test_areas_are_in_the_unit_of_a_real_product(package) -> None:
    geod = pyproj.Geod(ellps="WGS84")
    real = json.loads((REAL / _name("observedEventA", "json")).read_text(encoding="utf-8"))
    for features in (real["features"][:20], _read(package, "observedEventA")["features"]):
        for feature in features:
            area_m2 = abs(geod.geometry_area_perimeter(shapely.geometry.shape(feature["geometry"]))[0])
            assert feature["properties"]["area"] == pytest.approx(area_m2 / 1e4, rel=0.01, abs=2e-4)


def test_every_building_and_road_is_there_with_its_grade(package, folder) -> None:
    source = read_folder(folder)
    grades = [f["properties"]["damage_gra"] for f in _read(package, "builtUpP")["features"]]
    assert grades == source.features("buildings").columns["grade"].tolist()
    roads = source.features("roads")
    damage = [f["properties"]["damage_gra"] for f in _read(package, "transportationL")["features"]]
    assert len(damage) == len(roads)
    passable = roads.columns["state"] == "Passable"
    assert {d for d, p in zip(damage, passable, strict=True) if p} == {"No visible damage"}


def test_mud_is_flood_trace_and_water_is_flooded_area(package, folder) -> None:
    to_map = pyproj.Transformer.from_crs(4326, 32650, always_xy=True)
    shapes = {"Flooded area": [], "Flood trace": []}
    for feature in _read(package, "observedEventA")["features"]:
        there = shapely.geometry.shape(feature["geometry"])
        here = shapely.transform(there, lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])))
        shapes[feature["properties"]["notation"]].append(here)
    with rasterio.open(folder / "classes.tif") as source:
        classes, transform = source.read(1), source.transform
    # Traces are outlined in cells of half a metre: of strips a metre wide, as here, some ends are lost.
    for notation, code, least in (("Flooded area", WATER, 0.95), ("Flood trace", MUD, 0.75)):
        told = rasterize(shapes[notation], out_shape=classes.shape, transform=transform) > 0
        assert (classes[told] == code).mean() > 0.8
        wide = ndimage.binary_opening(classes == code, np.ones((4, 4)))  # no single cells, no seams
        labels, _ = ndimage.label(wide)
        large = np.bincount(labels.ravel())[labels] * 0.04 > 5.0
        sure = wide & large
        assert sure.any()
        assert told[sure].mean() > least


def test_unseen_ground_is_not_analysed_and_sources_are_named(package) -> None:
    kinds = {f["properties"]["obj_type"] for f in _read(package, "imageFootprintA")["features"]}
    assert kinds == {"Image Footprint", "Not Analysed"}
    with zipfile.ZipFile(package) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(_name("source", "csv")).decode("utf-8-sig"))))
    assert [(row["src_id"], row["source_nam"]) for row in rows] == [
        ("1", "after.tif"), ("2", "footprints.gpkg"), ("3", "roads.gpkg"),
    ]  # fmt: skip
    used = {f["properties"]["dmg_src_id"] for f in _read(package, "builtUpP")["features"]}
    assert used == {1}


def test_chinese_names_survive_in_the_shapefiles(copied, tmp_path) -> None:
    (path,) = export(copied(event="洪水 𣲘河"), ["ems"], tmp_path)
    meta, _, _, values = pyogrio.raw.read(
        f"/vsizip/{path}/EMSR000_AOI01_GRA_PRODUCT_areaOfInterestA_r1_v1.shp"
    )
    assert dict(zip(meta["fields"], values, strict=True))["locality"].tolist() == ["洪水 𣲘河"]
    assert np.size(values[0]) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [("EMSR517_AOI15", ("EMSR517", "AOI15", 1, 1)), ("EMSR700_AOI02_r3_v2", ("EMSR700", "AOI02", 3, 2))],
)
def test_product_names_are_read(text, parts) -> None:
    product = read_product(text)
    assert (product.activation, product.area, product.release, product.version) == parts


@pytest.mark.parametrize("text", ["", "517", "EMSR517", "EMSR517_AOI15_v1_r1", "emsr517_aoi15"])
def test_other_names_are_refused_in_one_line(text, folder, tmp_path) -> None:
    with pytest.raises(DeliveryError, match="names no EMS product; give one like EMSR000_AOI01_r1_v1"):
        export(folder, ["ems"], tmp_path / "out", product=text)
    assert not (tmp_path / "out").exists()
