"""What a person relies on when they hand over a zone file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from shapely import LineString, MultiPolygon, Polygon

from plans.errors import ZoneError
from plans.zones import check_zone, read_lines, read_zones

WITH_HOLE = Polygon(
    [(104.0, 30.0), (104.02, 30.0), (104.02, 30.02), (104.0, 30.02)],
    [[(104.005, 30.005), (104.01, 30.005), (104.01, 30.01), (104.005, 30.01)]],
)
ISLAND = Polygon([(104.03, 30.0), (104.04, 30.0), (104.04, 30.01)])


def geojson(path: Path, *geometries: shapely.Geometry, **properties: object) -> Path:
    features = [
        {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(g))}
        for g in geometries
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def ogr(path: Path, geometries: list[shapely.Geometry], crs: str, driver: str) -> Path:
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(np.array(geometries, dtype=object)),
        field_data=[],
        fields=np.array([], dtype=object),
        geometry_type=geometries[0].geom_type,
        crs=crs,
        driver=driver,
    )
    return path


def same(a: shapely.Geometry, b: shapely.Geometry) -> bool:
    return float(shapely.area(shapely.symmetric_difference(a, b))) < 1e-9 * b.area + 1e-13


def test_geojson_keeps_holes_names_and_priority(tmp_path: Path) -> None:
    path = geojson(tmp_path / "z.geojson", WITH_HOLE, ISLAND, name="Dam village", priority=3)
    zones = read_zones(path)
    assert [z.name for z in zones] == ["Dam village", "Dam village"]
    assert [z.priority for z in zones] == [3.0, 3.0]
    assert len(zones[0].polygon.interiors) == 1
    assert same(zones[0].polygon, WITH_HOLE)


@pytest.mark.parametrize(
    ("name", "driver", "crs"),
    [
        ("z.gpkg", "GPKG", "EPSG:32648"),
        ("z.shp", "ESRI Shapefile", "EPSG:32648"),
        ("z.shp", "ESRI Shapefile", "EPSG:4490"),
        ("z.fgb", "FlatGeobuf", "EPSG:3857"),
    ],
)
def test_any_vector_file_in_any_crs(tmp_path: Path, name: str, driver: str, crs: str) -> None:
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    moved = shapely.transform(WITH_HOLE, lambda xy: np.column_stack(to.transform(*xy.T)))
    path = ogr(tmp_path / name, [moved], crs, driver)
    (zone,) = read_zones(path)
    assert len(zone.polygon.interiors) == 1
    assert shapely.hausdorff_distance(zone.polygon, WITH_HOLE) < 1e-7


def kml_text(polygon: Polygon) -> str:
    def ring(name: str, line: shapely.LinearRing) -> str:
        places = " ".join(f"{x},{y},0" for x, y in line.coords)
        return f"<{name}><LinearRing><coordinates>{places}</coordinates></LinearRing></{name}>"

    rings = ring("outerBoundaryIs", polygon.exterior)
    rings += "".join(ring("innerBoundaryIs", inner) for inner in polygon.interiors)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<Placemark><name>灾区</name><Polygon>{rings}</Polygon></Placemark></Document></kml>"
    )


def test_kml_and_kmz_keep_inner_rings(tmp_path: Path) -> None:
    kml = tmp_path / "z.kml"
    kml.write_text(kml_text(WITH_HOLE), encoding="utf-8")
    kmz = tmp_path / "z.kmz"
    with zipfile.ZipFile(kmz, "w") as archive:
        archive.write(kml, "doc.kml")
    for path in (kml, kmz):
        (zone,) = read_zones(path)
        assert zone.name == "灾区"
        assert same(zone.polygon, WITH_HOLE)


def test_zipped_shapefile(tmp_path: Path) -> None:
    ogr(tmp_path / "z.shp", [WITH_HOLE], "EPSG:4326", "ESRI Shapefile")
    packed = tmp_path / "z.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for part in tmp_path.glob("z.[sdp]*"):
            archive.write(part, part.name)
    (zone,) = read_zones(packed)
    assert len(zone.polygon.interiors) == 1


def test_wkt_and_mission_planner_poly(tmp_path: Path) -> None:
    wkt = tmp_path / "z.wkt"
    wkt.write_text("SRID=4326;" + shapely.to_wkt(MultiPolygon([WITH_HOLE, ISLAND]), rounding_precision=9))
    (zone,) = read_zones(wkt)
    assert zone.polygon.geom_type == "MultiPolygon"
    poly = tmp_path / "z.poly"
    poly.write_text("#saved by Mission Planner\n30 104\n30 104.02\n30.02 104.02\n")
    assert read_zones(poly)[0].polygon.bounds == (104.0, 30.0, 104.02, 30.02)


def test_wkt_of_any_srid(tmp_path: Path) -> None:
    to = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32648", always_xy=True)
    moved = shapely.transform(WITH_HOLE, lambda xy: np.column_stack(to.transform(*xy.T)))
    path = tmp_path / "z.wkt"
    path.write_text("SRID=32648;" + shapely.to_wkt(moved, rounding_precision=4))
    (zone,) = read_zones(path)
    assert len(zone.polygon.interiors) == 1
    assert shapely.hausdorff_distance(zone.polygon, WITH_HOLE) < 1e-7


def test_several_polygons_with_an_island_in_a_hole(tmp_path: Path) -> None:
    inner = shapely.box(104.006, 30.006, 104.009, 30.009)
    path = tmp_path / "z.wkt"
    path.write_text(shapely.to_wkt(MultiPolygon([WITH_HOLE, inner, ISLAND]), rounding_precision=9))
    (zone,) = read_zones(path)
    assert len(shapely.get_parts(zone.polygon)) == 3
    assert zone.polygon.area == pytest.approx(WITH_HOLE.area + inner.area + ISLAND.area)


def places(polygon: Polygon) -> list[list[float]]:
    return [[y, x] for x, y in polygon.exterior.coords[:-1]]


def test_a_qgc_plan_gives_its_surveys_and_else_its_fence(tmp_path: Path) -> None:
    fence = {"polygon": places(WITH_HOLE), "inclusion": True, "version": 1}
    survey = {"type": "ComplexItem", "complexItemType": "survey", "polygon": places(ISLAND)}
    river = {"complexItemType": "CorridorScan", "polyline": [[30.0, 104.0], [30.01, 104.01]]}
    plan: dict[str, Any] = {"fileType": "Plan", "mission": {"items": [survey, river]}}
    plan["geoFence"] = {"polygons": [fence, {**fence, "polygon": places(ISLAND), "inclusion": False}]}
    path = tmp_path / "z.plan"
    path.write_text(json.dumps(plan))
    (zone,) = read_zones(path)
    assert same(zone.polygon, ISLAND)
    assert read_lines(path)[0].line.coords[1] == (104.01, 30.01)
    plan["mission"]["items"] = [{"type": "SimpleItem", "command": 22}]
    path.write_text(json.dumps(plan))
    (zone,) = read_zones(path)
    assert same(zone.polygon, Polygon(WITH_HOLE.exterior))


def test_the_survey_of_a_real_qgc_plan(shared_data: Path) -> None:
    (zone,) = read_zones(shared_data / "plans" / "mavsdk_qgc_with_survey.plan")
    assert zone.polygon.centroid.y == pytest.approx(47.3977, abs=1e-4)
    with pytest.raises(ZoneError, match="no survey area"):
        read_zones(shared_data / "plans" / "mavsdk_qgroundcontrol_sample.plan")


def test_qgc_sample_kml(shared_data: Path) -> None:
    (zone,) = read_zones(shared_data / "plans" / "qgc_PolygonAreaTest.kml")
    assert zone.polygon.centroid.y == pytest.approx(47.66, abs=0.01)


def test_copernicus_flood_extent_is_read(shared_data: Path) -> None:
    path = shared_data / "flood" / "emsr517" / "EMSR517_AOI15_GRA_PRODUCT_observedEventA_r1_v1.json"
    zones = read_zones(path)
    assert len(zones) == len(json.loads(path.read_text(encoding="utf-8"))["features"]) > 70
    assert all(zone.polygon.is_valid and zone.polygon.area > 0 for zone in zones)


def test_crossing_is_named_with_its_place(tmp_path: Path) -> None:
    bow = Polygon([(104.0, 30.0), (104.02, 30.02), (104.02, 30.0), (104.0, 30.02)])
    path = geojson(tmp_path / "bow.geojson", bow)
    with pytest.raises(ZoneError, match=r"bow\.geojson.*crosses itself at lat 30\.010000, lon 104\.010000"):
        read_zones(path)


def test_touching_rings_have_one_right_repair() -> None:
    pinched = Polygon([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)])  # touches its own edge at (1, 0)
    repaired = check_zone(pinched, "drawn")
    assert repaired.is_valid
    assert repaired.area == pytest.approx(pinched.area)


@pytest.mark.parametrize(
    "flat",
    [
        Polygon([(104, 30), (104.01, 30), (104.02, 30), (104, 30)]),
        Polygon([(104, 30), (104.01, 30.01), (104, 30), (104, 30)]),
        Polygon([(104, 30), (104, 30), (104, 30), (104, 30)]),
    ],
)
def test_no_area_is_refused(tmp_path: Path, flat: Polygon) -> None:
    path = geojson(tmp_path / "flat.geojson", flat)
    with pytest.raises(ZoneError, match=r"flat\.geojson.*lat 30\.0.*has no area"):
        read_zones(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.geojson", None, "no such file"),
        ("empty.geojson", b"", "empty"),
        ("half.geojson", b'{"type": "FeatureCollection", "features": [', "not a vector file"),
        ("text.kml", b"hello", "not a vector file"),
        ("photo.shp", b"\xff\xd8\xff\xe0" * 10, "not a vector file"),
        ("cut.kmz", b"PK\x03\x04 cut", "not a whole"),
        ("none.geojson", b'{"type": "FeatureCollection", "features": []}', "no polygon"),
        ("bad.wkt", b"POLYGON ((1 2, 3", "not WKT"),
        ("half.plan", b'{"fileType": "Plan", "mission": {', "not a plan"),
        ("other.plan", b'{"fileType": "Plan"}', "not a plan"),
        ("odd.plan", b'{"mission": {"items": [{"polygon": [[30, 104], [30]]}]}}', "not a plan"),
        ("line.plan", b'{"mission": {"items": [{"polygon": [[30, 104], [30, 105]]}]}}', "of 2 corners"),
        ("bad.poly", b"30 104\nthirty 104\n", "line 2"),
    ],
)
def test_bad_files_give_one_line_with_the_name(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ZoneError, match=says) as caught:
        read_zones(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_points_are_no_zone_and_metres_are_no_degrees(tmp_path: Path) -> None:
    points = geojson(tmp_path / "p.geojson", shapely.Point(104, 30))
    with pytest.raises(ZoneError, match="no polygon"):
        read_zones(points)
    metres = tmp_path / "m.wkt"
    metres.write_text("POLYGON ((500000 3300000, 501000 3300000, 501000 3301000, 500000 3300000))")
    with pytest.raises(ZoneError, match="not degrees"):
        read_zones(metres)


def test_antimeridian_is_refused(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", Polygon([(-179.9, 10), (179.9, 10), (179.9, 11), (-179.9, 11)]))
    with pytest.raises(ZoneError, match="antimeridian"):
        read_zones(path)
    over = Polygon([(179.9, 10), (180.1, 10), (180.1, 11), (179.9, 11)])
    with pytest.raises(ZoneError, match="antimeridian"):
        read_zones(geojson(tmp_path / "over.geojson", over))
    halves = MultiPolygon([shapely.box(179.9, 10, 180, 11), shapely.box(-180, 10, -179.9, 11)])
    with pytest.raises(ZoneError, match="antimeridian"):
        read_zones(geojson(tmp_path / "halves.geojson", halves))


def test_lines_for_corridors(tmp_path: Path) -> None:
    path = geojson(tmp_path / "river.geojson", LineString([(104, 30), (104.01, 30.01)]), name="Min river")
    (corridor,) = read_lines(path)
    assert corridor.name == "Min river"
    assert corridor.line.length == pytest.approx(0.01 * 2**0.5)
    with pytest.raises(ZoneError, match="no line"):
        read_lines(geojson(tmp_path / "z.geojson", WITH_HOLE))
