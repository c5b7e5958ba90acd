"""Three flights over one valley: each report says what changed since what was known, area by area."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely import box

from imagery.damage import DamageOptions, map_damage
from imagery.damage.options import DamageOptions as Options
from imagery.damage.series import NEW_WATER, SINCE, WATER_FIRST_SEEN

WEST, NORTH, SIDE = 600_000.0, 3_400_100.0, 100.0
FIRST = dt.datetime(2026, 7, 1, 4, tzinfo=dt.UTC)


def _mosaic(path, make_raster, shore_m: float, seen_m: float):
    """Water west of `shore_m`, meadow east of it, photographed as far as `seen_m`; cells of 25 cm."""
    side = round(SIDE / 0.25)
    x = (np.arange(side) + 0.5) * 0.25
    rng = np.random.default_rng(round(shore_m))
    rgb = np.where(x[None, :, None] < shore_m, (110, 105, 90), (70, 130, 60)) + rng.normal(
        0, 6, (side, side, 3)
    )
    alpha = np.where(x < seen_m, 255, 0)[None].repeat(side, axis=0)
    bands = np.concatenate([np.moveaxis(rgb, -1, 0), alpha[None]]).clip(0, 255).astype(np.uint8)
    return make_raster(path, bands, transform=Affine(0.25, 0, WEST, 0, -0.25, NORTH))


def _strip(x0: float, x1: float):
    return box(WEST + x0, NORTH - SIDE, WEST + x1, NORTH)


@pytest.fixture(scope="module")
def reports(tmp_path_factory, make_raster, make_vector):
    """(folder, report.json) of three flights an hour apart: half of the valley; all of it, higher water; all
    of it, lower water."""
    folder = tmp_path_factory.mktemp("valley")
    strokes = [box(WEST + x, NORTH - y - 4, WEST + x + 3, NORTH - y) for x in (5, 12) for y in (10, 40, 70)]
    meadow = [box(WEST + x, NORTH - y - 4, WEST + x + 2, NORTH - y) for x in (46, 47.5) for y in (10, 40, 70)]
    classes = ["water"] * len(strokes) + ["vegetation"] * len(meadow)
    samples = make_vector(folder / "samples.gpkg", strokes + meadow, {"class": classes}, kind="Polygon")
    towns = make_vector(
        folder / "towns.gpkg", [_strip(0, 50), _strip(50, 100)], {"name": ["West", "East"]}, kind="Polygon"
    )
    whole = make_vector(folder / "county.gpkg", [_strip(0, 100)], {"name": ["County"]}, kind="Polygon")
    options = Options(
        samples=samples, townships=towns, county=whole, flood_began_utc=FIRST - dt.timedelta(hours=2)
    )
    made = []
    for number, (shore_m, seen_m) in enumerate([(30, 50), (40, 100), (20, 100)]):
        mosaic = _mosaic(folder / f"m{number}.tif", make_raster, shore_m, seen_m)
        out = folder / f"t{number}"
        when = FIRST + dt.timedelta(hours=number)
        map_damage(mosaic, out, replace(options, acquired_utc=when, earlier=tuple(f for f, _ in made)))
        made.append((out, json.loads((out / "report.json").read_text(encoding="utf-8"))))
    return made


def test_the_first_report_has_nothing_to_compare_with(reports) -> None:
    folder, report = reports[0]
    assert report["since"] is None
    assert not (folder / "since.tif").exists()


def test_growth_and_first_sight_are_kept_apart(reports) -> None:
    folder, report = reports[1]
    since = report["since"]
    assert since["hours"] == 1.0
    assert [r["run"] for r in since["reports"]] == ["t0"]
    assert since["areas_m2"]["new_water"] == pytest.approx(10 * SIDE, rel=0.08)
    assert since["areas_m2"]["still_water"] == pytest.approx(30 * SIDE, rel=0.05)
    assert since["areas_m2"]["fallen_dry"] == 0
    assert since["areas_m2"]["dry_first_seen"] == pytest.approx(50 * SIDE, rel=0.05)
    west, east = report["townships"]
    assert west["since_m2"]["new_water"] == since["areas_m2"]["new_water"]
    assert east["since_m2"]["new_water"] == 0
    assert east["since_m2"]["dry_first_seen"] == pytest.approx(50 * SIDE, rel=0.05)
    with rasterio.open(folder / "since.tif") as source:
        assert source.tags(1)[f"CLASS_{NEW_WATER}"] == SINCE[NEW_WATER].name_en
        assert not (source.read(1) == WATER_FIRST_SEEN).any()


def test_recession_and_the_hours_under_water(reports) -> None:
    folder, report = reports[2]
    since = report["since"]
    assert since["areas_m2"]["fallen_dry"] == pytest.approx(20 * SIDE, rel=0.05)
    assert since["areas_m2"]["new_water"] == 0
    with rasterio.open(folder / "duration.tif") as source:
        at_least, at_most = (np.where(band == source.nodata, np.nan, band) for band in source.read())
        cell = source.transform.a
    at = {x: np.s_[50, round(x / cell)] for x in (10, 25, 35, 70)}
    assert (at_least[at[10]], at_most[at[10]]) == (2.0, 4.0)  # wet in all three; the flood began at 2
    assert (at_least[at[25]], at_most[at[25]]) == (1.0, 4.0)
    assert (at_least[at[35]], at_most[at[35]]) == (0.0, 2.0)
    assert np.isnan(at_least[at[70]])


def test_units_stand_above_their_parts_and_add_up(reports) -> None:
    _, report = reports[2]
    rows = report["units"]
    assert [(r["level"], r["township_en"]) for r in rows] == [
        ("total", None), ("county", None), ("township", "West"), ("township", "East"),
    ]  # fmt: skip
    for name in ("area_m2", "seen_m2", "water_area_m2"):
        assert rows[2][name] + rows[3][name] == pytest.approx(rows[1][name], abs=0.2)
        assert rows[0][name] == pytest.approx(rows[1][name], abs=0.2)
    assert rows[2]["since_m2"]["fallen_dry"] == report["since"]["areas_m2"]["fallen_dry"]
    assert rows[0]["buildings"] is None


def test_a_report_is_never_held_against_itself_or_a_later_one(reports, tmp_path) -> None:
    folders = tuple(folder for folder, _ in reports)
    folder, report = reports[0]
    again = map_damage(
        folder.parent / "m0.tif",
        tmp_path / "again",
        DamageOptions(samples=folder.parent / "samples.gpkg", earlier=folders, acquired_utc=FIRST),
    )
    assert again.figures["since"] is None
    assert report["since"] is None


def test_an_earlier_map_that_broke_does_not_hold_up_a_new_one(reports, tmp_path) -> None:
    folder, _ = reports[0]
    broken = tmp_path / "old"
    broken.mkdir()
    (broken / "report.json").write_bytes((folder / "report.json").read_bytes())
    whole = (folder / "classes.tif").read_bytes()
    (broken / "classes.tif").write_bytes(whole[:-60])
    options = DamageOptions(
        samples=folder.parent / "samples.gpkg", earlier=(broken,), acquired_utc=FIRST + dt.timedelta(hours=1)
    )
    figures = map_damage(folder.parent / "m0.tif", tmp_path / "out", options).figures
    assert figures["since"] is None
    assert any("old" in note and "left out" in note for note in figures["notes"])
