"""A real Copernicus EMS grading (EMSR517, Ahr, July 2021, (c) European Union): its own figures."""

from collections import Counter

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely import STRtree

from imagery.damage.buildings import Evidence as Walls
from imagery.damage.buildings import GradedBuilding
from imagery.damage.legend import BARE, CLASSES, GRADE_DAMAGED, GRADE_DESTROYED, GRADE_POSSIBLE, MUD, WATER
from imagery.damage.units import Evidence, pieces_of, units_of
from imagery.damage.vector_in import read_layer

UTM = pyproj.CRS(32632)
PIXEL_M = 2.5
AREAS = ("Polygon", "MultiPolygon")


@pytest.fixture(scope="module")
def product(flood_data):
    """Layers of the product in UTM, by name."""

    def layer(name: str, kinds=AREAS):
        return read_layer(
            flood_data / "emsr517" / f"EMSR517_AOI15_GRA_PRODUCT_{name}_r1_v1.json", UTM, name, kinds=kinds
        )

    return {
        "event": layer("observedEventA"),
        "land": layer("naturalLandUseA"),
        "area": layer("areaOfInterestA"),
        "houses": layer("builtUpP", ("Point",)),
        "roads": layer("transportationL", ("LineString", "MultiLineString")),
    }


@pytest.fixture(scope="module")
def rasters(product, tmp_path_factory):
    """The observed event as classes of 2.5 m over the whole area of interest: flooded area is water, flood
    trace is mud."""
    west, south, east, north = product["area"].geometries[0].bounds
    size = round((north - south) / PIXEL_M) + 2, round((east - west) / PIXEL_M) + 2
    transform = Affine(PIXEL_M, 0, west - PIXEL_M, 0, -PIXEL_M, north + PIXEL_M)
    kinds = product["event"].field(("notation",))
    burnt = [
        (area, WATER if kind == "Flooded area" else MUD)
        for area, kind in zip(product["event"].geometries, kinds, strict=True)
    ]
    classes = rasterize(burnt, out_shape=size, transform=transform, fill=BARE, dtype="uint8")
    folder = tmp_path_factory.mktemp("ems")
    for name, values, nodata in (("classes", classes, 0), ("not_analysed", classes * 0, 255)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=size[1], height=size[0], count=1,
            dtype="uint8", crs=UTM.to_wkt(), transform=transform, nodata=nodata, compress="lzw",
        ) as sink:  # fmt: skip
            sink.write(values, 1)
    west, north = transform.c, transform.f
    return folder, shapely.box(west, north - size[0] * PIXEL_M, west + size[1] * PIXEL_M, north)


def test_the_areas_that_the_product_states_are_ours(product) -> None:
    event = product["event"]
    stated_ha = event.field(("area",)).astype(float)
    ours_ha = np.array([area.area for area in event.geometries]) / 1e4
    np.testing.assert_allclose(ours_ha, stated_ha, rtol=1e-6)
    by_kind = Counter(event.field(("notation",)).astype(str))
    assert by_kind == {"Flooded area": 36, "Flood trace": 41}
    assert stated_ha.sum() == pytest.approx(480.6046, abs=1e-3)


def test_roads_by_grade_are_the_products(product) -> None:
    assert Counter(product["roads"].field(("damage_gra",)).astype(str)) == {
        "Destroyed": 53, "Damaged": 431, "Possibly damaged": 278, "No visible damage": 2607,
        "Not Analysed": 954,
    }  # fmt: skip


def test_flooded_land_and_buildings_by_grade_come_out_of_the_table(product, rasters) -> None:
    folder, mapped = rasters
    walls = Walls(**dict.fromkeys(Walls.__dataclass_fields__))
    grades = product["houses"].field(("damage_gra",)).astype(str)
    houses = [
        GradedBuilding(i, str(i), place.buffer(3), grade, 1.0, False, walls)
        for i, (place, grade) in enumerate(zip(product["houses"].geometries, grades, strict=True))
    ]
    known = tuple(e for e in CLASSES if e.code in (WATER, MUD, BARE))
    evidence = Evidence(folder / "not_analysed.tif", folder / "classes.tif", None, houses, None, None, known)
    pieces = pieces_of({"township": product["area"]}, mapped)
    total, *towns = units_of(pieces, evidence, product["land"])
    assert total.figures.buildings[GRADE_DESTROYED] == 336
    assert total.figures.buildings[GRADE_DAMAGED] == 687
    assert total.figures.buildings[GRADE_POSSIBLE] == 2791
    assert sum(t.figures.buildings[GRADE_DESTROYED] for t in towns) == 336
    # Against an overlay of the product's own vectors.
    kinds = product["event"].field(("notation",))
    tree = STRtree(product["land"].geometries)
    use = product["land"].field(("obj_type",)).astype(str)
    overlay: Counter[str] = Counter()
    for area, kind in zip(product["event"].geometries, kinds, strict=True):
        for i in tree.query(area, predicate="intersects"):
            if kind == "Flooded area":
                overlay[use[i]] += area.intersection(product["land"].geometries[i]).area
    found = total.figures.land_water_m2
    for kind, area_m2 in overlay.items():  # borders that flood and forest share are smeared by the cells
        assert found[kind] == pytest.approx(area_m2, rel=0.02, abs=3000)
    assert total.figures.farmland_water_m2 == pytest.approx(overlay["2-Agricultural Areas"], rel=0.02)
    assert overlay["2-Agricultural Areas"] > 0
