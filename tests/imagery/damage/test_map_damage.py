"""From a mosaic to a damage folder: what the inputs allow, all of it or nothing, never a guess."""

import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from rio_cogeo import cog_validate
from shapely import from_wkb

from imagery.damage import DamageOptions, map_damage, score
from imagery.errors import DamageError, RasterError

RASTERS = {"classes.tif", "confidence.tif", "not_analysed.tif", "depth.tif", "change.tif"}


def _names(folder) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_everything_given_gives_everything(mapped) -> None:
    made = _names(mapped.folder)
    assert made >= RASTERS | {"damage.gpkg", "report.json"}
    assert not [n for n in made if n.startswith(".")]
    assert json.loads((mapped.folder / "report.json").read_text(encoding="utf-8")) == mapped.report()


def test_the_flood_is_found(mapped, place) -> None:
    found = score(mapped.folder / "classes.tif", place.truth)
    assert found.iou["water"] > 0.95
    assert found.iou["mud"] > 0.6
    assert found.accuracy > 0.93


def test_the_report_has_the_keys_of_the_contract(mapped) -> None:
    report = mapped.report()
    keys = {"classes", "buildings", "roads_cut_m", "water_area_m2", "depth_m", "townships"}
    assert keys <= set(report)
    assert set(report["depth_m"]) >= {"mean", "p90", "max"}
    assert all({"value", "area_m2", "share"} <= set(v) for v in report["classes"].values())
    assert sum(v["share"] for v in report["classes"].values()) == pytest.approx(1, abs=1e-4)
    assert report["verified"] is False
    assert report["analyst"] == "Li Wei"
    assert report["inputs"]["before"] == "before.tif"
    assert report["accuracy"]["overall"] > 0.8
    seen_m2 = sum(v["area_m2"] for v in report["classes"].values())
    assert report["analysed_m2"] == pytest.approx(seen_m2, rel=1e-3)


def test_rasters_are_cogs_that_name_their_classes_and_their_making(mapped) -> None:
    for name in RASTERS:
        valid, errors, _ = cog_validate(str(mapped.folder / name), quiet=True)
        assert valid, (name, errors)
        with rasterio.open(mapped.folder / name) as source:
            tags = source.tags()
            assert tags["NOTICE"].startswith("Preliminary")
            assert tags["ANALYST"] == "Li Wei"
            assert source.nodata is not None
    with rasterio.open(mapped.folder / "classes.tif") as source:
        assert source.tags(1)["CLASS_1"] == "Water"
        assert source.colormap(1)[1] == (31, 104, 201, 255)
    text = (mapped.folder / "classes.tif.aux.xml").read_text(encoding="utf-8")
    assert "<Category>Mud, flood trace</Category>" in text
    assert "淤泥（洪痕）" in text


def test_vectors_open_styled_in_other_programs(mapped) -> None:
    package = mapped.folder / "damage.gpkg"
    layers = {name: kind for name, kind in pyogrio.list_layers(package) if kind}
    assert set(layers) == {"buildings", "roads", "road_cuts", "places", "water", "townships"}
    for name in layers:
        info = pyogrio.read_info(package, layer=name)
        assert info["crs"] == "EPSG:32650"
        assert info["features"] > 0
    with sqlite3.connect(package) as database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall())
    database.close()
    assert set(styles) == set(layers)
    assert 'attr="grade"' in styles["buildings"]
    assert "Destroyed / 损毁" in styles["buildings"]


def test_every_feature_says_whence_how_by_whom_and_when(mapped) -> None:
    meta, _, _, values = pyogrio.raw.read(mapped.folder / "damage.gpkg", layer="roads")
    columns = dict(zip(meta["fields"], values, strict=True))
    assert set(columns["source"]) == {"after.tif"}
    assert set(columns["analyst"]) == {"Li Wei"}
    assert set(columns["method"]) == {"forest of randomised trees on painted samples"}
    assert all(str(v).endswith("+00:00") for v in columns["time_utc"])


def test_water_outlines_cover_what_the_class_raster_calls_water(mapped) -> None:
    _, _, wkb, _ = pyogrio.raw.read(mapped.folder / "damage.gpkg", layer="water")
    outlined = sum(g.area for g in from_wkb(wkb))
    assert outlined == pytest.approx(mapped.report()["water_area_m2"], rel=0.03)


def test_without_samples_there_is_no_map_rather_than_a_guess(place, tmp_path) -> None:
    options = DamageOptions(
        dem=place.dem, footprints=place.footprints, roads=place.roads, townships=place.townships
    )
    report = map_damage(place.after, tmp_path / "out", options).report()
    assert _names(tmp_path / "out") & (RASTERS | {"damage.gpkg"}) == {"not_analysed.tif", "damage.gpkg"}
    assert {name for name, kind in pyogrio.list_layers(tmp_path / "out" / "damage.gpkg") if kind} == {
        "townships"
    }
    assert report["classes"] == {}
    assert report["buildings"] == {}
    assert report["water_area_m2"] is None
    assert report["roads_cut_m"] is None
    assert report["depth_m"] is None
    assert any("No samples and no model" in note for note in report["notes"])
    assert any("not graded" in note for note in report["notes"])


def test_the_mosaic_alone_says_what_was_seen(place, tmp_path) -> None:
    report = map_damage(place.after, tmp_path / "out", DamageOptions()).report()
    assert _names(tmp_path / "out") == {"not_analysed.tif", "not_analysed.tif.aux.xml", "report.json"}
    seen_m2 = 90 * 80 - 3 * 80 - 6 * 8  # the alpha band has a strip and a corner cut out
    assert report["analysed_m2"] == pytest.approx(seen_m2, rel=0.01)
    with rasterio.open(tmp_path / "out" / "not_analysed.tif") as source:
        assert (source.read(1)[:, :14] == 1).all()


def test_change_needs_no_samples(place, tmp_path) -> None:
    report = map_damage(place.after, tmp_path / "out", DamageOptions(before=place.before)).report()
    assert "change.tif" in _names(tmp_path / "out")
    assert "classes.tif" not in _names(tmp_path / "out")
    assert set(report["changes"]) == {"unchanged", "other_change"}
    assert report["registration"]["shift_m"] == pytest.approx([-0.73, 0.42], abs=0.1)


def test_the_same_inputs_give_the_same_map(mapped, place, all_inputs, tmp_path) -> None:
    again = map_damage(place.after, tmp_path / "out", all_inputs)
    for name in ("classes.tif", "change.tif", "depth.tif"):
        with rasterio.open(mapped.folder / name) as one, rasterio.open(again.folder / name) as two:
            assert np.array_equal(one.read(), two.read()), name
    volatile = {"produced_utc", "seconds"}
    old, new = mapped.report(), again.report()
    assert {k: v for k, v in old.items() if k not in volatile} == {
        k: v for k, v in new.items() if k not in volatile
    }


def test_a_new_run_leaves_nothing_of_the_old_story(mapped, place, tmp_path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(mapped.folder, folder)
    (folder / "notes.txt").write_text("mine")
    map_damage(place.after, folder, DamageOptions())
    products = {"not_analysed.tif", "not_analysed.tif.aux.xml", "report.json"}
    assert _names(folder) == products | {"notes.txt", "samples"}  # what was painted is nobody's to remove


def test_a_bad_input_leaves_the_old_result_untouched(mapped, place, all_inputs, tmp_path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(mapped.folder, folder)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(DamageError, match=r"gone\.gpkg: no such file; give the roads"):
        map_damage(place.after, folder, replace(all_inputs, roads=tmp_path / "gone.gpkg"))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("field", "make", "says"),
    [
        ("dem", "text", "cannot be read as a raster"),
        ("before", "no_crs", "has no coordinate system"),
        ("footprints", "text", "cannot be read as a vector file"),
        ("townships", "lines", "holds no Polygon"),
        ("before", "grey", "has 1 band"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    place, all_inputs, make_raster, tmp_path, field, make, says
) -> None:
    path = tmp_path / "input.tif"
    if make == "text":
        path.write_text("not what it seems")
    elif make == "no_crs":
        make_raster(path, np.ones((3, 50, 50), np.uint8), crs=None)
    elif make == "grey":
        make_raster(path, np.ones((1, 800, 900), np.uint8))
    else:
        path = place.roads
    with pytest.raises(DamageError, match=says) as caught:
        map_damage(place.after, tmp_path / "out", replace(all_inputs, **{field: path}))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mosaic_that_breaks_off_is_told(place, tmp_path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(place.after.read_bytes()[:400_000])
    with pytest.raises((DamageError, RasterError), match=r"broken\.tif") as caught:
        map_damage(broken, tmp_path / "out", DamageOptions(samples=place.samples))
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_told_at_once(place, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DamageError, match="cannot be written"):
        map_damage(place.after, tmp_path / "file" / "out", DamageOptions())


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_a_mosaic_in_degrees_or_web_mercator_is_measured_in_true_metres(
    place, mapped, make_raster, tmp_path, crs: str
) -> None:
    with rasterio.open(place.after) as source:
        transform, width, height = rasterio.warp.calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds
        )
        bands = np.zeros((4, height, width), np.uint8)
        rasterio.warp.reproject(
            source.read(), bands, src_transform=source.transform, src_crs=source.crs,
            dst_transform=transform, dst_crs=crs,
        )  # fmt: skip
    mosaic = make_raster(tmp_path / "m.tif", bands, transform=transform, crs=crs)
    with rasterio.open(mosaic, "r+") as sink:
        sink.colorinterp = [*sink.colorinterp[:3], rasterio.enums.ColorInterp.alpha]
    options = DamageOptions(samples=place.samples, townships=place.townships)
    report = map_damage(mosaic, tmp_path / "out", options).report()
    assert pyproj.CRS(report["crs"]).is_projected
    assert report["water_area_m2"] == pytest.approx(mapped.report()["water_area_m2"], rel=0.03)
    assert report["townships"][0]["area_m2"] == pytest.approx(45 * 80, rel=2e-3)


def test_sixteen_bit_pictures_are_read(place, make_raster, tmp_path) -> None:
    with rasterio.open(place.after) as source:
        rgb, alpha = source.read((1, 2, 3)).astype(np.uint16) * 180, source.read(4) > 0
    rgb[:, ~alpha] = 0
    mosaic = make_raster(tmp_path / "m.tif", rgb, nodata=0)
    map_damage(mosaic, tmp_path / "out", DamageOptions(samples=place.samples))
    assert score(tmp_path / "out" / "classes.tif", place.truth).iou["water"] > 0.9


def test_where_too_few_photos_saw_the_ground_nothing_is_claimed(place, make_raster, tmp_path) -> None:
    mosaic = tmp_path / "m.tif"
    shutil.copy(place.after, mosaic)
    views = np.full((1, 800, 900), 5, np.uint8)
    views[:, 400:] = 0
    make_raster(tmp_path / "m.views.tif", views)
    map_damage(mosaic, tmp_path / "out", DamageOptions(samples=place.samples))
    with rasterio.open(tmp_path / "out" / "not_analysed.tif") as source:
        unseen = source.read(1)
    with rasterio.open(tmp_path / "out" / "classes.tif") as source:
        classes = source.read(1)
    assert (unseen[205:, 20:-2] == 2).mean() > 0.99
    assert not classes[205:].any()
    assert not (unseen[50:195, 20:-2] == 2).any()


def test_scoring_needs_ground_in_common(mapped, make_raster, tmp_path) -> None:
    far = Affine(1, 0, 700_000, 0, -1, 3_400_000)
    truth = make_raster(tmp_path / "t.tif", np.ones((1, 50, 50), np.uint8), transform=far, nodata=0)
    with pytest.raises(DamageError, match="shares no analysed cell"):
        score(mapped.folder / "classes.tif", truth)
