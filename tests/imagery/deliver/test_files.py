"""Each file opens in other people's readers and says the same as the damage folder."""

import csv
import hashlib
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
import zipfile
from io import BytesIO

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import pytest
import rasterio
import shapely
from openpyxl import load_workbook
from PIL import Image
from rio_cogeo import cog_validate

from imagery.deliver import export

KML = "{http://www.opengis.net/kml/2.2}"


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("out")
    export(folder, ["cog", "gpkg", "geojson", "fgb", "shp", "kmz", "csv", "xlsx", "mbtiles"], target)
    return target


def _read(path, layer=None):
    meta, _, wkb, values = pyogrio.raw.read(path, layer=layer)
    return meta, shapely.from_wkb(wkb), dict(zip(meta["fields"], values, strict=True))


def test_rasters_are_cogs_with_their_class_tables(out, folder) -> None:
    for path in out.glob("*.tif"):
        assert cog_validate(str(path), quiet=True)[0], path.name
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert (out / "classes.tif.aux.xml").exists()


def test_rasters_say_by_whom_of_what_and_when_they_were_made(out, place) -> None:
    with rasterio.open(out / "classes.tif") as source:
        tags = source.tags()
        assert source.tags(1)["CLASS_1"] == "Water"
        assert source.colormap(1)[1][:3] == (31, 104, 201)
        assert source.nodata == 0
        assert source.overviews(1) or max(source.shape) <= 512
    assert tags["EVENT"] == "Summer flood"
    assert tags["ANALYST"] == "Li Wei"
    assert {"METHOD", "PRODUCED_UTC", "VERSION", "NOTICE"} <= set(tags)
    sources = json.loads(tags["SOURCES"])
    for path in (place.after, place.dem, place.samples):
        assert sources[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_qgis_styles_of_rasters_name_the_classes_that_there_are(out, folder) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    root = ET.fromstring((out / "classes.qml").read_text(encoding="utf-8"))
    entries = {int(e.get("value")): e.get("label") for e in root.iter("paletteEntry")}
    assert set(entries) == {c["value"] for c in report["classes"].values()}
    assert entries[1] == "Water / 水体"
    depth = ET.fromstring((out / "depth.qml").read_text(encoding="utf-8"))
    assert [item.get("value") for item in depth.iter("item")] == ["0.5", "1", "2", "4", "inf"]
    assert (out / "change.qml").exists()
    assert (out / "not_analysed.qml").exists()


def test_geojson_follows_rfc_7946(out, folder) -> None:
    raw = (out / "buildings.geojson").read_text(encoding="utf-8")
    assert max(len(digits) for digits in re.findall(r"\d+\.(\d+)", raw.partition('"geometry"')[2])) <= 7
    text = json.loads(raw)
    assert "crs" not in text
    first = text["features"][0]["geometry"]["coordinates"]
    lon, lat = np.ravel(first)[:2]
    assert 117.0 < lon < 117.01
    assert 30.7 < lat < 30.8
    meta, shapes, columns = _read(out / "buildings.geojson")
    assert meta["crs"] == "EPSG:4326"
    assert all(shapely.is_ccw(shape.geoms[0].exterior) for shape in shapes)
    _, _, source = _read(folder / "damage.gpkg", "buildings")
    assert columns["grade"].tolist() == source["grade"].tolist()


def test_geojson_lies_where_the_package_lies(out, folder) -> None:
    to_map = pyproj.Transformer.from_crs(4326, 32650, always_xy=True)
    for layer in ("buildings", "roads", "water", "townships"):
        _, there, _ = _read(out / f"{layer}.geojson")
        _, here, _ = _read(folder / "damage.gpkg", layer)
        moved = shapely.transform(there, lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])))
        for one, two in zip(moved, here, strict=True):
            assert shapely.hausdorff_distance(one, two) < 0.01


def test_flatgeobufs_say_what_the_package_says(out, folder) -> None:
    for layer in ("buildings", "roads", "water", "townships"):
        meta, there, columns = _read(out / f"{layer}.fgb")
        _, _, source = _read(folder / "damage.gpkg", layer)
        assert pyproj.CRS(meta["crs"]).to_epsg() == 4326
        assert len(there) == len(next(iter(source.values())))
        assert set(columns) == set(source)
    towns = _read(out / "townships.fgb")[2]
    assert sorted(towns["name_zh"]) == sorted(["上河镇", "下河镇"])


def test_shapefiles_keep_chinese_and_unique_short_names(out) -> None:
    for path in out.glob("*.shp.zip"):
        with zipfile.ZipFile(path) as archive:
            suffixes = {name.rsplit(".", 1)[1] for name in archive.namelist()}
            assert {"shp", "shx", "dbf", "prj", "cpg"} <= suffixes
            cpg = next(n for n in archive.namelist() if n.endswith(".cpg"))
            assert archive.read(cpg).strip() == b"UTF-8"
    meta, shapes, columns = _read(f"/vsizip/{out / 'townships.shp.zip'}")
    assert columns["name_zh"].tolist() == ["上河镇", "下河镇"]
    assert max(map(len, meta["fields"])) <= 10
    assert len(set(meta["fields"])) == len(meta["fields"])
    assert pyproj.CRS(meta["crs"]).to_epsg() == 4326
    assert len(shapes) == 2
    assert {"flood_m2", "water_m2"} <= set(columns)


def test_kmz_pages_through_tiles_that_exist_and_names_the_harmed(out) -> None:
    with zipfile.ZipFile(out / "damage.kmz") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "doc.kml"
        names = set(archive.namelist())
        assert "buildings.kml" in names
        pages = [n for n in names if n.endswith(".kml")]
        for page in pages:
            tree = ET.fromstring(archive.read(page))
            base = page.rpartition("/")[0]
            for href in tree.iter(f"{KML}href"):
                target = "/".join(part for part in (base, href.text) if part)
                assert _flat(target) in names, (page, href.text)
        marks = ET.fromstring(archive.read("buildings.kml"))
        assert [m.find(f"{KML}name").text for m in marks.iter(f"{KML}Placemark")] == ["b2", "b4"]
        assert "未经实地核查" in archive.read("buildings.kml").decode()
        box = ET.fromstring(archive.read("doc.kml")).find(f".//{KML}LatLonAltBox")
        assert float(box.find(f"{KML}west").text) == pytest.approx(117.0, abs=1e-4)
        assert float(box.find(f"{KML}north").text) == pytest.approx(30.73361, abs=1e-4)


def test_regions_of_the_kmz_have_their_parts_in_the_order_of_the_schema(out) -> None:
    with zipfile.ZipFile(out / "damage.kmz") as archive:
        pages = [ET.fromstring(archive.read(n)) for n in archive.namelist() if n.endswith(".kml")]
    regions = [region for page in pages for region in page.iter(f"{KML}Region")]
    assert regions
    for region in regions:
        assert [part.tag for part in region] == [f"{KML}LatLonAltBox", f"{KML}Lod"]
    assert pages[0].find(f"{KML}Document/{KML}name").text == "Summer flood"


def _flat(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def test_csv_opens_in_excel_in_chinese_and_adds_up(out, folder) -> None:
    raw = (out / "townships.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    head, english = rows[0], rows[1]
    assert len(head) == len(english) == len(rows[2])
    assert head[:2] == ["乡镇（英文）", "乡镇"]
    assert "影像判读疑似损毁房屋（栋）" in head
    assert "影像判读无可见损坏房屋（栋）" in head
    assert [r[1] for r in rows[2:5]] == ["上河镇", "下河镇", "合计"]
    water = head.index("影像判读淹没面积（公顷）")
    assert float(rows[4][water]) == pytest.approx(float(rows[2][water]) + float(rows[3][water]), abs=1e-3)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert float(rows[4][water]) == pytest.approx(report["water_area_m2"] / 1e4, abs=2e-3)
    assert rows[-1][0].startswith("影像初步判读，未经实地核查")


def test_tables_leave_blank_what_nobody_looked_at(bare, copied, folder, tmp_path) -> None:
    export(bare, ["csv"], tmp_path)
    rows = list(csv.reader((tmp_path / "townships.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert rows[2][1] == "全图"
    assert rows[2][rows[0].index("影像判读淹没面积（公顷）")] == ""
    assert rows[2][rows[0].index("影像判读疑似损毁房屋（栋）")] == ""
    towns = json.loads((folder / "report.json").read_text(encoding="utf-8"))["townships"]
    export(copied(townships=[towns[0], {**towns[1], "seen_share": 0.0}]), ["csv"], tmp_path / "b")
    rows = list(csv.reader((tmp_path / "b" / "townships.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert rows[3][1] == "下河镇"
    assert set(rows[3][4:14]) == {""}


def test_workbook_has_a_sheet_per_subject(out, folder) -> None:
    book = load_workbook(out / "damage.xlsx")
    names = ["乡镇 Townships", "单元 Units", "核实对照 Verified", "房屋 Buildings", "说明 About"]
    assert book.sheetnames == names
    towns = book["乡镇 Townships"]
    assert towns.freeze_panes == "C3"
    assert towns["B3"].value == "上河镇"
    assert isinstance(towns["C3"].value, float)
    assert book["房屋 Buildings"].max_row == 2 + 12
    about = {row[0]: row[1] for row in book["说明 About"].iter_rows(values_only=True)}
    assert about["判读员 Analyst"] == "Li Wei"
    assert about["正射影像 Mosaic"] == "after.tif"


def test_tiles_form_a_pyramid_over_the_place(out) -> None:
    with sqlite3.connect(out / "damage.mbtiles") as database:
        said = dict(database.execute("SELECT name, value FROM metadata").fetchall())
        tiles = database.execute(
            "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles ORDER BY zoom_level DESC"
        ).fetchall()
    database.close()
    assert said["name"] == "Summer flood"
    assert said["format"] == "webp"
    west, south, east, north = map(float, said["bounds"].split(","))
    assert (west, north) == pytest.approx((117.0, 30.73361), abs=1e-4)
    assert (east - west, north - south) == pytest.approx((0.00094, 0.00072), rel=0.05)
    zooms = {z for z, *_ in tiles}
    assert zooms == set(range(int(said["minzoom"]), int(said["maxzoom"]) + 1))
    for _, _, _, data in tiles:
        picture = Image.open(BytesIO(data))
        assert picture.format == "WEBP"
        assert picture.size == (256, 256)
    zoom, column, row, _ = tiles[0]
    assert column == int((117.0005 + 180) / 360 * 2**zoom) or abs(column - (297.0 / 360 * 2**zoom)) < 4
    assert 0 <= row < 2**zoom


def test_tiles_show_the_water_where_it_is(out, place) -> None:
    with rasterio.open(out / "damage.mbtiles") as source:
        to_tiles = pyproj.Transformer.from_crs(32650, 3857, always_xy=True)
        x, y = to_tiles.transform(500_020, 3_400_038)
        wet = [int(v[0]) for v in zip(*source.sample([(x, y)], indexes=(1, 2, 3)), strict=True)]
        x, y = to_tiles.transform(500_300, 3_400_038)
        outside = next(source.sample([(x, y)], indexes=(4,)))[0]
    assert wet[2] > wet[0] + 40
    assert outside == 0


def test_vectors_of_the_package_are_the_same_bytes(out, folder) -> None:
    assert (out / "damage.gpkg").read_bytes() == (folder / "damage.gpkg").read_bytes()
    assert pyogrio.list_layers(out / "damage.gpkg").shape[0] >= 4
