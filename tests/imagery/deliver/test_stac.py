"""The catalogue: readable by pystac, relative, and true about the rasters it names."""

import json
import shutil
from datetime import UTC, datetime

import pystac
import pytest
import rasterio
import shapely
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import shape

from imagery.deliver import export


@pytest.fixture
def catalogue(folder, tmp_path):
    export(folder, ["csv", "geojson", "stac"], tmp_path / "out")
    return tmp_path / "out" / "catalog.json"


def _item(catalogue) -> pystac.Item:
    (item,) = pystac.Catalog.from_file(str(catalogue)).get_items()
    return item


def test_every_asset_is_there_by_a_relative_name_even_after_a_move(catalogue, tmp_path) -> None:
    moved = tmp_path / "stick" / "flood"
    shutil.copytree(catalogue.parent, moved)
    shutil.rmtree(catalogue.parent)
    item = _item(moved / "catalog.json")
    assert set(item.assets) >= {"classes", "confidence", "change", "depth", "not_analysed", "damage"}
    for asset in item.assets.values():
        assert asset.href.startswith("./")
        assert (moved / asset.href).is_file()
        assert asset.media_type
        assert asset.roles
    for name in ("catalog.json", "damage.json"):
        for link in json.loads((moved / name).read_text(encoding="utf-8"))["links"]:
            assert link["rel"] != "self"
            assert link["href"].startswith("./")


def test_the_item_is_a_geojson_feature_about_the_ground_that_was_seen(catalogue, folder) -> None:
    text = json.loads((catalogue.parent / "damage.json").read_text(encoding="utf-8"))
    assert text["type"] == "Feature"
    assert text["stac_version"] == pystac.get_stac_version()
    assert {"id", "geometry", "bbox", "properties", "links", "assets", "stac_extensions"} <= set(text)
    outline = shape(text["geometry"])
    assert outline.is_valid
    assert list(outline.bounds) == pytest.approx(text["bbox"])
    assert (117.0, 30.7328) < outline.bounds[:2] < (117.001, 30.734)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    metres = 111_320 * 110_900 * 0.8595  # of a square degree at 30.73 degrees north
    assert outline.area * metres == pytest.approx(report["analysed_m2"], rel=0.02)
    assert text["properties"]["description"].startswith("Preliminary")


def test_projection_says_what_the_rasters_say(catalogue) -> None:
    item = _item(catalogue)
    whole = ProjectionExtension.ext(item)
    assert whole.code == "EPSG:32650"
    for name in ("classes", "depth"):
        asset = item.assets[name]
        told = ProjectionExtension.ext(asset)
        with rasterio.open(catalogue.parent / asset.href) as source:
            assert told.shape == [source.height, source.width]
            assert told.transform == list(source.transform)[:6]
            assert told.bbox == list(source.bounds)
            assert asset.extra_fields["nodata"] == source.nodata
            assert asset.extra_fields["data_type"] == source.dtypes[0]
    assert "cloud-optimized" in item.assets["classes"].media_type


def test_class_values_carry_their_names_and_colours(catalogue) -> None:
    classes = ClassificationExtension.ext(_item(catalogue).assets["classes"]).classes
    by_value = {c.value: c for c in classes}
    assert by_value[1].name == "water"
    assert by_value[1].color_hint == "1F68C9"
    assert "水体" in by_value[1].description


def test_the_time_is_that_of_the_photos_where_it_is_known(copied, tmp_path, catalogue) -> None:
    stated = copied(acquired_utc="2026-07-01T12:00:00+08:00")
    export(stated, ["stac"], tmp_path / "b")
    item = _item(tmp_path / "b" / "catalog.json")
    assert item.datetime == datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
    assert "was not stated" in _item(catalogue).properties["description"]
    assert _item(catalogue).properties["created"].endswith("Z")


def test_beside_its_own_folder_the_catalogue_copies_nothing(copied) -> None:
    folder = copied()
    made = export(folder, ["stac"])
    item = _item(folder / "catalog.json")
    assert item.assets["report_json"].roles == ["metadata"]
    assert shapely.geometry.box(*item.bbox).area > 0
    assert all(path.parent == folder for path in made)
