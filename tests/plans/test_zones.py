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
        ("photo.jpg", b"\xff\xd8\xff\xe0" * 10, "not a vector file"),
        ("alone.shp", b"\x00\x00\x27\x0a" * 25, "shx is missing"),
        ("cut.kmz", b"PK\x03\x04 cut", "not a whole"),
        ("none.geojson", b'{"type": "FeatureCollection", "features": []}', "no polygon"),
        ("bad.wkt", b"POLYGON ((1 2, 3", "not WKT"),
        ("half.plan", b'{"fileType": "Plan", "mission": {', "not a plan"),
        ("other.plan", b'{"fileType": "Plan"}', "not a plan"),
        ("odd.plan", b'{"mission": {"items": [{"polygon": [[30, 104], [30]]}]}}', "not a plan"),
        ("line.plan", b'{"mission": {"items": [{"polygon": [[30, 104], [30, 105]]}]}}', "of 2 corners"),
        ("bad.poly", b"30 104\nthirty 104\n", "line 2"),
        (
            "round.plan",
            b'{"mission": {"items": []}, "geoFence": {"circles": [{"circle": {"center": [30]}}]}}',
            "not a",
        ),
        ("nan.wkt", b"POLYGON ((104 30, nan 30, 104.02 30.02, 104 30))", "not numbers"),
        (
            "nan.geojson",
            b'{"type": "Polygon", "coordinates": [[[104, 30], [NaN, 30], [104, 31], [104, 30]]]}',
            "not n",
        ),
        ("srid.wkt", b"SRID=999999;POLYGON ((0 0, 1 0, 1 1, 0 0))", "not known"),
        ("swapped.wkt", b"POLYGON ((30 104, 31 104, 31 105, 30 104))", "longitude first"),
        ("two.wkt", b"POLYGON ((104 30, 105 30))", "has no area"),
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


def kml_document(*placemarks: str, encoding: str = "UTF-8") -> bytes:
    head = (
        f'<?xml version="1.0" encoding="{encoding}"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
    )
    return (head + "".join(placemarks) + "</Document></kml>").encode(encoding)


def placemark(name: str, *polygons: Polygon) -> str:
    rings = [
        "<Polygon><outerBoundaryIs><LinearRing><coordinates>"
        + " ".join(f"{x},{y},12" for x, y in polygon.exterior.coords)
        + "</coordinates></LinearRing></outerBoundaryIs></Polygon>"
        for polygon in polygons
    ]
    inside = rings[0] if len(rings) == 1 else f"<MultiGeometry>{''.join(rings)}</MultiGeometry>"
    return f"<Placemark><name>{name}</name>{inside}</Placemark>"


EAST = shapely.box(105.0, 30.0, 105.01, 30.01)


def test_kml_of_nested_folders_and_multigeometries(tmp_path: Path) -> None:
    path = tmp_path / "nested.kml"
    inner = f"<Folder><name>b</name>{placemark('two', ISLAND, EAST)}</Folder>"
    path.write_bytes(kml_document(f"<Folder><name>a</name>{placemark('one', ISLAND)}{inner}</Folder>"))
    one, two = read_zones(path)
    assert (one.name, two.name) == ("one", "two")
    assert same(two.polygon, MultiPolygon([ISLAND, EAST]))


def test_kmz_of_several_kml_gives_the_main_one_first_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "z.kmz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("parts/a.kml", kml_document(placemark("other", ISLAND), placemark("main", EAST)))
        archive.writestr("doc.kml", kml_document(placemark("main", EAST)))
        archive.writestr("__MACOSX/._doc.kml", b"not one")
    assert [z.name for z in read_zones(path)] == ["main", "other"]


@pytest.mark.parametrize("encoding", ["GB2312", "UTF-16", "UTF-8"])
def test_kml_in_the_encodings_of_chinese_programs(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "z.kml"
    path.write_bytes(kml_document(placemark("灾区一", ISLAND), encoding=encoding))
    assert [z.name for z in read_zones(path)] == ["灾区一"]
    with zipfile.ZipFile(tmp_path / "z.kmz", "w") as archive:
        archive.write(path, "doc.kml")
    assert [z.name for z in read_zones(tmp_path / "z.kmz")] == ["灾区一"]


def shapefile(path: Path, names: list[str], priorities: list[str], encoding: str) -> Path:
    """Without its .cpg: who reads it is not told the encoding."""
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(np.array([WITH_HOLE, ISLAND], dtype=object)),
        field_data=[np.array(names, dtype=object), np.array(priorities, dtype=object)],
        fields=np.array(["名称", "优先级"] if encoding != "ISO-8859-1" else ["NAME", "WEIGHT"], dtype=object),
        geometry_type="Polygon",
        crs="EPSG:4490",
        driver="ESRI Shapefile",
        encoding=encoding,
    )
    path.with_suffix(".cpg").unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
@pytest.mark.parametrize("language", [0x00, 0x57, 0x4D])
def test_chinese_names_of_a_shapefile_without_its_cpg(tmp_path: Path, encoding: str, language: int) -> None:
    path = shapefile(tmp_path / "灾区.shp", ["上游村镕", "B"], ["9", "2.5"], encoding)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    if encoding == "GBK":
        table[29] = language  # the language driver, as ArcGIS leaves it: none, the system's, code page 936
        path.with_suffix(".dbf").write_bytes(table)
    assert [(z.name, z.priority) for z in read_zones(path)] == [("上游村镕", 9.0), ("B", 2.5)]
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for part in tmp_path.glob("灾区.*"):
            archive.write(part, f"数据/{part.name}")
        archive.writestr("数据/metadata.json", "{}")
    assert [z.name for z in read_zones(tmp_path / "packed.zip")] == ["上游村镕", "B"]


def test_european_names_of_a_shapefile_stay_european(tmp_path: Path) -> None:
    path = shapefile(tmp_path / "z.shp", ["Zürich", "Île à côté"], ["1", "2"], "ISO-8859-1")
    assert [z.name for z in read_zones(path)] == ["Zürich", "Île à côté"]


def test_a_shapefile_without_its_prj_is_in_degrees_or_refused(tmp_path: Path) -> None:
    path = shapefile(tmp_path / "z.shp", ["A", "B"], ["1", "1"], "UTF-8")
    path.with_suffix(".prj").unlink()
    assert same(read_zones(path)[0].polygon, WITH_HOLE)
    ogr(tmp_path / "m.shp", [moved_to("EPSG:4547", WITH_HOLE)], "EPSG:4547", "ESRI Shapefile")
    (tmp_path / "m.prj").unlink()
    with pytest.raises(ZoneError, match=r"m\.shp.*add its \.prj"):
        read_zones(tmp_path / "m.shp")


def moved_to(crs: str, geometry: shapely.Geometry) -> shapely.Geometry:
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(to.transform(*xy.T)))


@pytest.mark.parametrize("driver", ["GPKG", "ESRI Shapefile", "GML"])
@pytest.mark.parametrize(
    "crs",  # degrees, Gauss-Krueger with and without the zone in its eastings, Beijing 1954, Hong Kong's grid
    ["EPSG:4326", "EPSG:4490", "EPSG:4547", "EPSG:4526", "EPSG:2437", "EPSG:2326"],
)
def test_axes_are_never_swapped(tmp_path: Path, driver: str, crs: str) -> None:
    there = shapely.transform(WITH_HOLE, lambda xy: xy + np.array([10.0, -7.0]))
    suffix = {"GPKG": "gpkg", "GML": "gml"}.get(driver, "shp")
    path = ogr(tmp_path / f"z.{suffix}", [moved_to(crs, there)], crs, driver)
    (zone,) = read_zones(path)
    assert shapely.hausdorff_distance(zone.polygon, there) < 1e-6
    assert len(zone.polygon.interiors) == 1


@pytest.mark.parametrize(
    ("srs", "places"),
    [
        ("urn:ogc:def:crs:EPSG::4326", "30 104 30 104.02 30.02 104.02 30 104"),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", "30 104 30 104.02 30.02 104.02 30 104"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "104 30 104.02 30 104.02 30.02 104 30"),
    ],
)
def test_gml_has_latitude_first_where_its_crs_says_so(tmp_path: Path, srs: str, places: str) -> None:
    path = tmp_path / "z.gml"
    path.write_text(
        '<c:FeatureCollection xmlns:c="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml/3.2">'
        f'<c:featureMember><c:z><c:g><gml:Polygon srsName="{srs}" gml:id="g"><gml:exterior><gml:LinearRing>'
        f"<gml:posList>{places}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></c:g></c:z>"
        "</c:featureMember></c:FeatureCollection>"
    )
    assert read_zones(path)[0].polygon.bounds == (104.0, 30.0, 104.02, 30.02)


def test_geopackage_gives_all_its_layers_unless_one_is_called_zones(tmp_path: Path) -> None:
    path = tmp_path / "z.gpkg"
    for layer, crs in (("north", "EPSG:32648"), ("south", "EPSG:4326")):
        pyogrio.raw.write(
            str(path),
            shapely.to_wkb(np.array([moved_to(crs, WITH_HOLE)], dtype=object)),
            field_data=[np.array([layer], dtype=object)],
            fields=np.array(["name"], dtype=object),
            geometry_type="Polygon",
            crs=crs,
            driver="GPKG",
            layer=layer,
            append=path.exists(),
        )
    assert [z.name for z in read_zones(path)] == ["north", "south"]


def test_a_plan_with_a_round_fence_gives_the_circle(tmp_path: Path) -> None:
    path = tmp_path / "z.plan"
    circle = {"circle": {"center": [30.0, 104.0], "radius": 200.0}, "inclusion": True}
    path.write_text(json.dumps({"mission": {"items": []}, "geoFence": {"circles": [circle]}}))
    (zone,) = read_zones(path)
    _, south, _, north = zone.polygon.bounds
    assert (north - south) * 110_850 == pytest.approx(400, rel=0.01)
    assert zone.polygon.centroid.x == pytest.approx(104.0)


def test_a_poly_or_wkt_saved_by_windows_is_read(tmp_path: Path) -> None:
    poly = tmp_path / "z.poly"
    poly.write_bytes("#任务规划器\r\n30 104\r\n30 104.02\r\n30.02 104.02\r\n".encode("gbk"))
    wkt = tmp_path / "z.wkt"
    wkt.write_bytes("POLYGON ((104 30, 104.02 30, 104.02 30.02, 104 30))".encode("utf-16"))
    assert read_zones(poly)[0].polygon.bounds == read_zones(wkt)[0].polygon.bounds


SQUARE = [(104.0, 30.0), (104.02, 30.0), (104.02, 30.02), (104.0, 30.02)]
POND = [(104.005, 30.005), (104.01, 30.005), (104.01, 30.01), (104.005, 30.01)]


@pytest.mark.parametrize(
    ("ring", "means"),
    [
        pytest.param(SQUARE, shapely.Polygon(SQUARE), id="not closed"),
        pytest.param([SQUARE[0], *SQUARE, SQUARE[3], SQUARE[0]], Polygon(SQUARE), id="doubled corners"),
        pytest.param([*SQUARE[::-1], SQUARE[3]], Polygon(SQUARE), id="clockwise"),
        pytest.param([*SQUARE[:2], (104.03, 30.0), *SQUARE[1:], SQUARE[0]], Polygon(SQUARE), id="spike out"),
        pytest.param([*SQUARE[:2], (104.01, 30.01), *SQUARE[1:], SQUARE[0]], Polygon(SQUARE), id="spike in"),
        pytest.param([*SQUARE, *SQUARE, SQUARE[0]], Polygon(SQUARE), id="drawn twice"),
        pytest.param(
            [*SQUARE, SQUARE[0], *POND[::-1], POND[3], SQUARE[0]],
            Polygon(SQUARE, [POND]).difference(LineString([SQUARE[0], POND[3]])),
            id="a bridge to a hole and back",
        ),
    ],
)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4547"])
def test_harmless_faults_are_repaired(
    tmp_path: Path, ring: list[tuple[float, float]], means: Polygon, crs: str
) -> None:
    xy = shapely.get_coordinates(moved_to(crs, LineString(ring)))
    path = tmp_path / "z.wkt"
    path.write_text(f"SRID={crs[5:]};POLYGON (({', '.join(f'{x:.10f} {y:.10f}' for x, y in xy)}))")
    (zone,) = read_zones(path)
    assert zone.polygon.is_valid
    assert zone.polygon.geom_type == "Polygon"
    assert zone.polygon.area == pytest.approx(means.area, rel=1e-6)
    assert shapely.symmetric_difference(zone.polygon, means).area < 1e-6 * means.area


def test_a_hole_outside_of_the_zone_is_no_zone_and_one_over_its_edge_is_cut_out() -> None:
    far = [(105.0, 30.0), (105.01, 30.0), (105.01, 30.01)]
    over = [(104.01, 30.005), (104.03, 30.005), (104.03, 30.01), (104.01, 30.01)]
    assert same(check_zone(Polygon(SQUARE, [far]), "drawn"), Polygon(SQUARE))
    assert same(check_zone(Polygon(SQUARE, [over]), "drawn"), Polygon(SQUARE).difference(Polygon(over)))


def test_a_sliver_among_parts_is_left_out_and_alone_is_refused() -> None:
    flat = Polygon([(104.03, 30.0), (104.04, 30.0), (104.05, 30.0)])
    assert same(check_zone(MultiPolygon([Polygon(SQUARE), flat]), "drawn"), Polygon(SQUARE))
    with pytest.raises(ZoneError, match="no area"):
        check_zone(flat, "drawn")


def test_a_loop_that_crosses_itself_is_refused_where_it_does() -> None:
    loop = Polygon(
        [(0, 0), (0.04, 0), (0.04, 0.03), (0.01, 0.03), (0.01, -0.01), (0.03, -0.01), (0.03, 0.02)]
    )
    with pytest.raises(ZoneError, match=r"crosses itself at lat 0\.0\d+, lon 0\.0\d+"):
        check_zone(loop, "drawn")
    bow_with_spike = Polygon([(0, 0), (2, 2), (3, 3), (2, 2), (2, 0), (0, 2)])
    with pytest.raises(ZoneError, match=r"lat 1\.000000, lon 1\.000000"):
        check_zone(bow_with_spike, "drawn")


def test_longitudes_beyond_180_are_turned_to_the_west(tmp_path: Path) -> None:
    path = tmp_path / "z.wkt"
    path.write_text("POLYGON ((285 30, 285.02 30, 285.02 30.02, 285 30))")
    assert read_zones(path)[0].polygon.bounds == pytest.approx((-75.0, 30.0, -74.98, 30.02))


def test_a_folder_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match="is a folder"):
        read_zones(tmp_path)
    with pytest.raises(ZoneError, match="no regular file"):
        read_zones("/dev/null")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = geojson(tmp_path / "z.geojson", WITH_HOLE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ZoneError, match=r"z\.geojson: cannot be read \(Permission denied\)"):
        read_zones(path)


def test_a_real_file_geodatabase_is_read(shared_data: Path) -> None:
    zones = read_zones(shared_data / "flood" / "fwdet_lyons" / "Lyons.gdb")
    assert len(zones) == 15
    assert all(zone.polygon.is_valid for zone in zones)


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
    point = LineString([(104, 30), (104, 30 + 1e-12), (104, 30)])
    with pytest.raises(ZoneError, match="no line"):
        read_lines(geojson(tmp_path / "point.geojson", point))
