"""Landslides, shadow and classes that analysts name themselves, from the stroke to every figure."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyogrio.raw
import pytest
import rasterio
from affine import Affine
from shapely import LineString, Point, box

from imagery.damage import DamageOptions, map_damage
from imagery.damage.ground_pass import IN_SHADOW
from imagery.damage.legend import FIRST_OWN, LANDSLIDE, LAST_OWN, SHADOW, Legend, legend_of, own_colour
from imagery.damage.own_classes import OwnClasses, meant, proper_name
from imagery.deliver import export
from imagery.deliver.folder import read_folder
from imagery.deliver.picture import codes, tinted
from imagery.errors import DamageError

WEST, NORTH, PIXEL_M = 500_000.0, 3_400_000.0, 0.2
SIDE = 400
COLOURS = {
    "water": (90, 100, 130),
    "landslide": (176, 130, 80),
    "shadow": (14, 16, 22),
    "鱼塘": (60, 170, 160),
}
"""Quarters of the picture: north-west, north-east, south-west, south-east."""


@pytest.fixture(scope="module")
def quarters(tmp_path_factory, make_raster, make_vector):
    """(mosaic, strokes, roads, footprints, villages): a picture of four even quarters of 40 x 40 m."""
    folder = tmp_path_factory.mktemp("quarters")
    rng = np.random.default_rng(11)
    picture = np.zeros((SIDE, SIDE, 3))
    half = SIDE // 2
    parts = [np.s_[:half, :half], np.s_[:half, half:], np.s_[half:, :half], np.s_[half:, half:]]
    for part, colour in zip(parts, COLOURS.values(), strict=True):
        picture[part] = colour
    picture += rng.normal(0, 4, picture.shape)
    mosaic = make_raster(
        folder / "m.tif",
        np.moveaxis(np.clip(picture, 1, 255), -1, 0).astype(np.uint8),
        transform=Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH),
    )
    strokes, names = [], []
    for number, name in enumerate(COLOURS):
        east, north = WEST + 40 * (number % 2), NORTH - 40 * (number // 2)
        for i in range(6):
            at = east + 8 + 5 * i, north - 10 - 4 * (i % 5)
            strokes.append(LineString([at, (at[0] + 2, at[1])]))
            names.append(name)
    samples = make_vector(folder / "s.gpkg", strokes, {"class": names}, kind="LineString")
    road = LineString([(WEST + 45, NORTH - 20), (WEST + 75, NORTH - 20)])
    dark = LineString([(WEST + 5, NORTH - 60), (WEST + 35, NORTH - 60)])
    roads = make_vector(folder / "r.gpkg", [road, dark], {"id": ["slid", "dark"]}, kind="LineString")
    houses = [Point(WEST + x, NORTH - y).buffer(4, cap_style="square") for x, y in ((20, 60), (60, 20))]
    footprints = make_vector(folder / "f.gpkg", houses, {"id": ["dark", "slid"]}, kind="Polygon")
    villages = [box(WEST, NORTH - 80, WEST + 40, NORTH), box(WEST + 40, NORTH - 80, WEST + 80, NORTH)]
    towns = make_vector(folder / "v.gpkg", villages, {"name": ["west", "east"]}, kind="Polygon")
    return mosaic, DamageOptions(samples=samples, roads=roads, footprints=footprints, townships=towns)


@pytest.fixture(scope="module")
def mapped_quarters(quarters, tmp_path_factory):
    mosaic, options = quarters
    return map_damage(mosaic, tmp_path_factory.mktemp("damage") / "run", options)


def _column(folder, layer: str, name: str) -> dict[str, object]:
    meta, _, _, values = pyogrio.raw.read(folder / "damage.gpkg", layer=layer)
    columns = dict(zip(meta["fields"], values, strict=True))
    return dict(zip(columns["id"], columns[name], strict=True))


def test_all_four_classes_are_mapped_under_their_codes(mapped_quarters) -> None:
    with rasterio.open(mapped_quarters.folder / "classes.tif") as source:
        codes, colours, tags = source.read(1), source.colormap(1), source.tags(1)
    middles = codes[100::200, 100::200]
    assert middles.tolist() == [[1, LANDSLIDE], [SHADOW, FIRST_OWN]]
    assert colours[FIRST_OWN][:3] == own_colour(FIRST_OWN)
    assert tags[f"CLASS_{FIRST_OWN}"] == "鱼塘"
    table = (mapped_quarters.folder / "classes.tif.aux.xml").read_text(encoding="utf-8")
    assert "<F>鱼塘</F>" in table


def test_areas_and_accuracy_go_by_the_names(mapped_quarters) -> None:
    report = mapped_quarters.report()
    assert set(report["classes"]) == set(COLOURS)
    for key in COLOURS:
        assert report["classes"][key]["area_m2"] == pytest.approx(1600, rel=0.03)
        assert report["accuracy"]["classes"][key]["iou"] > 0.9
    assert sum(c["share"] for c in report["classes"].values()) == pytest.approx(1, abs=1e-5)
    assert report["samples"]["鱼塘"] == 6
    assert any("Classes of your own: 鱼塘 (code 32)" in note for note in report["notes"])


def test_what_lies_in_shadow_was_not_analysed(mapped_quarters) -> None:
    report = mapped_quarters.report()
    assert report["analysed_m2"] == pytest.approx(4800, rel=0.02)
    west, east = report["townships"]
    assert west["seen_share"] == pytest.approx(0.5, abs=0.02)
    assert east["seen_share"] == pytest.approx(1.0, abs=0.01)
    with rasterio.open(mapped_quarters.folder / "not_analysed.tif") as source:
        assert source.read(1)[300, 100] == IN_SHADOW
    assert _column(mapped_quarters.folder, "buildings", "grade")["dark"] == "Not Analysed"
    assert _column(mapped_quarters.folder, "roads", "state")["dark"] == "Not Analysed"


def test_a_landslide_cuts_roads_and_harms_houses(mapped_quarters) -> None:
    assert _column(mapped_quarters.folder, "roads", "state")["slid"] == "Blocked"
    assert _column(mapped_quarters.folder, "buildings", "grade")["slid"] in ("Damaged", "Destroyed")


def test_townships_tell_of_the_classes_that_were_looked_for_only(mapped_quarters) -> None:
    for town in mapped_quarters.report()["townships"]:
        assert set(town["classes_m2"]) == set(COLOURS)
    east = mapped_quarters.report()["townships"][1]
    assert east["classes_m2"]["鱼塘"] == pytest.approx(1600, rel=0.03)


def test_the_legend_travels_with_the_folder(mapped_quarters) -> None:
    legend = read_folder(mapped_quarters.folder).legend
    assert legend.own[0].name_zh == "鱼塘"
    assert legend[SHADOW].key == "shadow"
    assert legend_of(legend.plain()) == legend


def test_the_same_name_keeps_its_code_and_a_version_brings_it_back(
    quarters, mapped_quarters, tmp_path
) -> None:
    mosaic, options = quarters
    own = OwnClasses(tmp_path / "classes")
    own.with_class("稻田")
    mapped = [
        map_damage(mosaic, tmp_path / name, replace(options, own_classes=own.folder)) for name in ("a", "b")
    ]
    assert [m.report()["classes"]["鱼塘"]["value"] for m in mapped] == [33, 33]
    kept = mapped_quarters.folder / "samples" / "001.gpkg"
    again = map_damage(mosaic, tmp_path / "a", replace(options, samples=kept, own_classes=own.folder))
    with rasterio.open(tmp_path / "b" / "classes.tif") as source:
        before = source.read(1)
    with rasterio.open(again.folder / "classes.tif") as source:
        assert np.array_equal(source.read(1), before)


def test_names_in_any_language_get_codes_once(tmp_path) -> None:
    own = OwnClasses(tmp_path / "classes")
    names = ["Fish pond", "fish_POND", "ཞིང་ཁ", "fish-pond", "нефть", "Water", "滑坡"]
    assert [own.with_class(name)[1] for name in names] == [32, 32, 33, 32, 34, 1, 8]
    assert {e.name_en for e in own.legend().own} == {"Fish pond", "ཞིང་ཁ", "нефть"}
    assert len({e.colour for e in own.legend().entries}) == 13


def test_many_runs_at_once_give_each_name_one_code(tmp_path) -> None:
    own = OwnClasses(tmp_path / "classes")
    names = [f"class {letter}" for letter in "abcdefgh"] * 4
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda name: own.with_class(name)[1], names))
    assert codes == codes[:8] * 4
    assert sorted(codes[:8]) == list(range(32, 40))


def test_names_and_colour_shown_may_be_edited(tmp_path) -> None:
    own = OwnClasses(tmp_path / "classes")
    own.with_class("鱼塘")
    path = own.folder / "032.json"
    path.write_text(
        json.dumps(
            {**json.loads(path.read_text(encoding="utf-8")), "name_en": "Fish pond", "colour": "#010203"}
        )
    )
    entry = own.legend()[32]
    assert (entry.name_en, entry.name_zh, entry.colour) == ("Fish pond", "鱼塘", (1, 2, 3))
    assert own.with_class("fish pond")[1] == own.with_class("鱼塘")[1] == 32


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"name": "x", "colour": "red"}', '{"name": "5", "colour": "#000000"}', "[]"]
)
def test_a_broken_class_file_is_told(tmp_path, text: str) -> None:
    (tmp_path / "032.json").write_text(text)
    with pytest.raises(DamageError, match=r"032\.json: does not describe a class") as caught:
        OwnClasses(tmp_path).legend()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", None, float("nan"), True, 0, 77, "12", "--", "nan", "Not analysed", "未判读", "x" * 61]
)
def test_what_is_no_name_makes_no_class(tmp_path, name) -> None:
    with pytest.raises(DamageError):
        OwnClasses(tmp_path).with_class(name)
    assert not list(tmp_path.iterdir())


def test_there_is_an_end_to_own_classes(tmp_path) -> None:
    own = OwnClasses(tmp_path)
    for code in range(FIRST_OWN, LAST_OWN + 1):
        own._claim(code, f"class {code}")
    with pytest.raises(DamageError, match="has 64 own classes"):
        own.with_class("one more")
    colours = [e.colour for e in own.legend().entries]
    assert len(set(colours)) == len(colours)


def test_a_slip_of_the_pen_is_asked_about(quarters, make_vector, tmp_path) -> None:
    assert meant("watr") == "water"
    assert meant("vegetaton") == "vegetation"
    assert meant("fish pond") is None
    mosaic, _ = quarters
    places = [Point(WEST + 20, NORTH - 20), Point(WEST + 60, NORTH - 60)]
    samples = make_vector(tmp_path / "s.gpkg", places, {"class": ["watr", "mud"]}, kind="Point")
    notes = map_damage(mosaic, tmp_path / "out", DamageOptions(samples=samples)).report()["notes"]
    assert any("slip of the pen: watr, for water?" in note for note in notes)


def test_a_legend_without_own_classes_is_that_of_all(tmp_path) -> None:
    assert OwnClasses(tmp_path / "none").legend() == Legend() == legend_of(())
    assert proper_name("  鱼  塘 ") == "鱼 塘"


def test_every_export_names_an_own_class(mapped_quarters, tmp_path) -> None:
    made = export(mapped_quarters.folder, ("cog", "gpkg", "shp", "csv", "xlsx", "stac"), tmp_path)
    assert {p.suffix for p in made} >= {".tif", ".gpkg", ".csv", ".xlsx", ".json"}
    heads = (tmp_path / "townships.csv").read_text(encoding="utf-8-sig").splitlines()[:2]
    assert heads[0].endswith("滑坡（公顷）,阴影（未判读）（公顷）,鱼塘（公顷）")
    assert "Landslide (ha)" in heads[1]
    item = json.loads((tmp_path / "damage.json").read_text(encoding="utf-8"))
    classes = item["assets"]["classes"]["classification:classes"]
    assert {"value": FIRST_OWN, "name": "class_32"}.items() <= classes[-1].items()
    assert "鱼塘" in classes[-1]["description"]
    meta = pyogrio.read_info(tmp_path / "damage.gpkg", layer="townships")
    assert {"landslide_m2", "shadow_m2", "鱼塘_m2"} <= set(meta["fields"])


def test_own_classes_are_drawn_in_their_colour(mapped_quarters) -> None:
    folder = read_folder(mapped_quarters.folder)
    drawn = tinted(codes(folder.raster("classes"), folder.grid), folder.legend)
    assert tuple(drawn[300, 300, :3]) == own_colour(FIRST_OWN)
    assert drawn[300, 100, 3] == 0  # shadow is seen in the photo
    assert drawn[100, 300, 3] > 0
