"""The map sheet: the right page, nothing over the edge, nothing over anything else, no words missing."""

import functools
import inspect
import re
import subprocess
from shutil import which

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely import box

from imagery.damage import mapping
from imagery.damage.depth import depth_class
from imagery.damage.legend import DEPTHS, GRADES, WATER
from imagery.deliver import export, fonts
from imagery.deliver.folder import read_folder
from imagery.deliver.fonts import drawable
from imagery.deliver.picture import DEPTH_UNKNOWN, depth_codes, depth_tints
from imagery.deliver.sheet import compose
from imagery.deliver.sheet_figures import table_rows
from imagery.deliver.sheet_frame import degrees, metric, nice_step
from imagery.deliver.sheet_objects import place_label
from imagery.deliver.sheet_page import PAPERS, Box, Page
from imagery.deliver.sheet_view import choose_view, sheet_crs
from imagery.deliver.words import WORDS, moment, note_text

EVERY = [(lang, paper) for lang in ("en", "zh") for paper in ("a4", "a3", "a1")]
LONG = "A very long name of an event in the upper and the middle and the lower valley of the $great$ river"


def _texts(page: Page) -> list[tuple[str, shapely.Polygon]]:
    """Each line set in the margins, with its box in pixels."""
    renderer = page.figure.canvas.get_renderer()
    found = []
    for text in page.axes.texts:
        where = text.get_window_extent(renderer)
        found.append((text.get_text(), box(where.x0, where.y0, where.x1, where.y1)))
    return found


def _check(page: Page) -> None:
    """No text beyond the paper's margin, no text over another."""
    width, height = page.figure.bbox.width, page.figure.bbox.height
    paper = box(0, 0, width, height).buffer(-4)
    texts = [(text, where) for text, where in _texts(page) if text.strip()]
    for text, where in texts:
        assert paper.contains(where), text
    tree = shapely.STRtree([where.buffer(-1.5) for _, where in texts])
    one, two = tree.query(tree.geometries, predicate="intersects")
    clashes = {(texts[i][0], texts[j][0]) for i, j in zip(one, two, strict=True) if i < j}
    assert not clashes


@pytest.fixture(scope="module")
def sheet(folder):
    """sheet(lang, paper): the plain folder's sheet, laid out once."""
    return functools.cache(lambda lang, paper: compose(read_folder(folder), lang, paper))


@pytest.mark.parametrize(("lang", "paper"), EVERY)
def test_no_words_collide_or_leave_the_page(sheet, lang, paper) -> None:
    _check(sheet(lang, paper))


@pytest.mark.parametrize(("lang", "paper"), [("en", "a4"), ("zh", "a3")])
def test_the_depth_sheet_shades_depth_and_says_how_it_was_found(folder, lang, paper) -> None:
    page = compose(read_folder(folder), lang, paper, theme="depth")
    _check(page)
    said = " ".join(text for text, _ in _texts(page))
    words = WORDS[lang]
    assert words["depth_title"] in said
    assert words["depth_classes"] in said
    assert DEPTHS[1].name(lang) in said
    assert words["house"] in said
    assert GRADES[4].name(lang) not in said  # grades stand on the damage sheet


def test_depth_on_the_sheet_is_that_of_the_raster(folder) -> None:
    source = read_folder(folder)
    depths = depth_codes(source, source.grid)
    with rasterio.open(folder / "depth.tif") as raster:
        values = raster.read(1)
        truth = depth_class(np.where(values == raster.nodata, np.nan, values))
        step = round(raster.transform.a / source.grid.pixel_m)
    there = np.kron(truth, np.ones((step, step), np.uint8))[: depths.shape[0], : depths.shape[1]]
    assert (depths == there).mean() > 0.999
    assert set(np.unique(depths)) >= {0, 1, 2}


def test_water_without_a_depth_has_a_colour_of_its_own() -> None:
    ground = np.array([[WATER, WATER, 6]], np.uint8)
    tints = depth_tints(np.array([[2, 0, 0]], np.uint8), ground)
    assert tuple(tints[0, 0, :3]) == DEPTHS[1].colour
    assert tuple(tints[0, 1, :3]) == DEPTH_UNKNOWN.colour
    assert tints[0, 2, 3] == 0


def test_a_name_that_no_font_has_is_told_on_the_sheet(copied, folder, monkeypatch) -> None:
    monkeypatch.setattr(fonts, "_system_fonts", lambda: ())
    fonts._family_of.cache_clear()
    towns = read_folder(folder).report["townships"]
    source = copied(townships=[{**towns[0], "name_zh": "甲\U00020000村"}, towns[1]])
    said = [text for text, _ in _texts(compose(read_folder(source), "zh", "a3"))]
    fonts._family_of.cache_clear()
    assert "甲〓村" in said
    assert "〓 = U+20000" in said


def test_words_that_collide_would_be_noticed(bare) -> None:
    page = compose(read_folder(bare), "en", "a4")
    page.text(page.paper.margin_mm + 1, page.paper.margin_mm + 5, "over the title", 8)
    with pytest.raises(AssertionError):
        _check(page)


@pytest.mark.parametrize(("lang", "paper"), [("en", "a4"), ("zh", "a4"), ("en", "a3")])
def test_nor_do_they_with_sixty_townships_and_endless_names(copied, folder, lang, paper) -> None:
    towns = read_folder(folder).report["townships"]
    many = [
        {
            **towns[i % 2],
            "name_en": f"{LONG} {i}",
            "name_zh": f"很长很长的名字的第{i}镇",
            "seen_share": i / 60,
        }
        for i in range(60)
    ]
    notes = ["The before-ortho could not be registered to the mosaic: change was not mapped."] * 2
    source = copied(
        townships=many, event=LONG, notes=notes, water_area_m2=1.2e9, roads_cut_m=1.2e6, people_exposed=1.2e6
    )
    _check(compose(read_folder(source), lang, paper, title=LONG))


def test_a_bare_folder_makes_a_sheet_too(bare) -> None:
    page = compose(read_folder(bare), "en", "a4")
    _check(page)
    words = " ".join(text for text, _ in _texts(page))
    assert "Not analysed" in words
    assert "Destroyed" not in words
    assert "no accuracy estimate" in words


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_sheet_says_what_a_sheet_must_say(copied, lang) -> None:
    words = WORDS[lang]
    page = compose(read_folder(copied(acquired_utc="2026-07-01T04:00:00+00:00")), lang, "a4")
    said = [text for text, _ in _texts(page)]
    whole = " ".join(said)
    for key in ("legend", "statistics", "locator", "sources", "mosaic", "acquired", "produced", "method"):
        assert words[key] in said or words[key] in whole
    assert re.search(r"1:\d", whole)
    assert "EPSG:32650" in whole
    assert "2026-07-01 04:00" in whole
    assert "after.tif" in whole
    assert "Li Wei" in whole
    assert {"en": "not verified in the field", "zh": "未经实地核查"}[lang] in whole
    assert {"en": "N", "zh": "北"}[lang] in said


def test_the_legend_has_only_what_the_map_shows(sheet) -> None:
    said = [text for text, _ in _texts(sheet("en", "a3"))]
    legend = set(said[: said.index("Figures from imagery")])
    assert {"Destroyed", "Damaged", "No visible damage", "Water", "Debris", "Township boundary"} <= legend
    assert "Possibly damaged" not in legend
    assert "Vegetation" not in legend


def test_png_has_the_size_of_the_paper_and_the_colours_of_the_flood(folder, tmp_path) -> None:
    path, depth = export(folder, ["png"], tmp_path, paper="a4")
    assert (path.name, depth.name) == ("map_sheet.png", "depth_sheet.png")
    with Image.open(path) as picture:
        assert picture.size == pytest.approx((297 / 25.4 * 200, 210 / 25.4 * 200), abs=2)
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert picture.info["Author"] == "Li Wei"
        rgb = np.asarray(picture.convert("RGB")).astype(int)
    blue = (rgb[..., 2] > rgb[..., 0] + 60) & (rgb[..., 2] > 140)
    assert 0.05 < blue.mean() < 0.4
    assert (rgb.min(axis=2) > 250).mean() > 0.15  # white paper


@pytest.mark.parametrize(("lang", "paper"), [("en", "a4"), ("zh", "a3")])
def test_pdf_is_one_page_of_paper_with_its_fonts(folder, tmp_path, lang, paper) -> None:
    for path in export(folder, ["pdf"], tmp_path, lang=lang, paper=paper, title="Test & title"):
        _check_pdf(path, lang, paper)


def _check_pdf(path, lang, paper) -> None:
    raw = path.read_bytes()
    assert raw.startswith(b"%PDF-1.")
    assert raw.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", raw)) == 1
    box_pt = [float(v) for v in re.search(rb"/MediaBox \[([^\]]*)\]", raw)[1].split()]
    sheet = PAPERS[paper]
    assert box_pt[2:] == pytest.approx([sheet.width_mm / 25.4 * 72, sheet.height_mm / 25.4 * 72], abs=0.5)
    assert b"DejaVuSans" in raw
    assert (b"MissionctlCJK" in raw.replace(b" ", b"")) == (lang == "zh")
    assert b"/Type3" not in raw
    assert path.stat().st_size < 8_000_000


@pytest.mark.skipif(which("pdftotext") is None, reason="no pdftotext")
def test_words_of_the_pdf_can_be_searched(folder, tmp_path) -> None:
    path, _ = export(folder, ["pdf"], tmp_path, lang="zh")
    text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True, text=True).stdout
    assert "房屋（疑似）" in text
    assert "水体" in text
    assert "淹没面积" in text


def test_the_scale_is_round_and_everything_seen_lies_in_the_frame(folder) -> None:
    source = read_folder(folder)
    view = choose_view(source, Box(0, 0, 280, 236))
    digits = str(view.scale).rstrip("0")
    assert digits in {"1", "125", "15", "2", "25", "3", "4", "5", "6", "75"}
    west, south, east, north = view.grid.bounds
    assert (east - west) * 1000 / view.scale == pytest.approx(280, abs=0.2)
    assert (north - south) * 1000 / view.scale == pytest.approx(236, abs=0.2)
    assert west < 500_003 < 500_090 < east
    assert south < 3_400_000 < 3_400_080 < north


def test_a_map_in_a_local_crs_is_drawn_in_utm(copied, folder) -> None:
    crs = pyproj.CRS.from_proj4("+proj=tmerc +lat_0=30.7 +lon_0=117 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m")
    assert sheet_crs(read_folder(copied(crs=crs.to_wkt()))).to_epsg() is not None
    assert sheet_crs(read_folder(folder)).to_epsg() == 32650


def test_unseen_townships_have_dashes_not_noughts(copied, folder) -> None:
    towns = read_folder(folder).report["townships"]
    source = copied(townships=[towns[0], {**towns[1], "seen_share": 0.0}])
    said = [text for text, _ in _texts(compose(read_folder(source), "en", "a4"))]
    row = said[said.index("Xiahe") : said.index("Xiahe") + 8]
    assert row == ["Xiahe", "0", *["–"] * 6]


def test_the_worst_hit_townships_come_first_and_the_rest_is_summed(copied, folder) -> None:
    town = read_folder(folder).report["townships"][0]
    many = [{**town, "name_en": str(i), "buildings": {"Destroyed": i, "Damaged": 0}} for i in range(10)]
    rows = table_rows(read_folder(copied(townships=many)), 4)
    assert [r.get("name_en") for r in rows[:3]] == ["9", "8", "7"]
    assert rows[3]["count"] == 7
    assert rows[3]["buildings"]["Destroyed"] == sum(range(7))
    assert rows[-1]["row"] == "whole"


@given(st.floats(0.01, 1e6))
def test_steps_are_one_two_or_five(least: float) -> None:
    step = nice_step(least)
    assert least * (1 - 1e-6) <= step <= 2.5 * least * (1 + 1e-6)
    assert f"{step:.0e}"[0] in "125"


def test_coordinates_read_as_on_maps() -> None:
    assert metric(3_400_050.0, "N") == "3\u2009400\u2009050\u2009N"
    assert degrees(117.0542 * 3600, 60, "EW") == "117°03′E"
    assert degrees(-(30 * 3600 + 59.96), 1, "NS") == "30°01′00″S"
    assert degrees(30 * 3600 + 1.5, 0.5, "NS") == "30°00′01.5″N"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_labels_stay_inside_and_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    area = shapely.convex_hull(shapely.multipoints(rng.uniform(0, 100, (8, 2))))
    taken = [box(40, 40, 60, 60)]
    spot = place_label(area, 20, 6, taken, rng.uniform(0, 100, (50, 2)))
    if spot is None:
        return
    label = box(spot[0] - 10, spot[1] - 3, spot[0] + 10, spot[1] + 3)
    assert area.buffer(1e-9).covers(label)
    assert not label.intersects(taken[0])


def test_labels_keep_off_what_matters() -> None:
    things = np.column_stack([np.full(30, 30.0), np.linspace(5, 95, 30)])
    spot = place_label(box(0, 0, 100, 100), 20, 6, [], things)
    assert spot is not None
    assert abs(spot[0] - 30) > 12


@settings(max_examples=30, deadline=None)
@given(st.text(st.sampled_from("水体淤泥abc /,.12（）"), max_size=60))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str) -> None:
    page = _PAGE
    lines = page.wrapped(text, 8, 30)
    assert "".join(lines).replace(" ", "") == drawable(text).replace(" ", "")
    assert all(page.width_mm(line, 8) <= 30 for line in lines)


_PAGE = Page(PAPERS["a4"], "en")


def test_both_languages_have_all_words() -> None:
    assert set(WORDS["en"]) == set(WORDS["zh"])
    for key, english in WORDS["en"].items():
        assert english.count("{") == WORDS["zh"][key].count("{"), key


def test_times_are_utc_and_on_chinese_sheets_of_beijing_too() -> None:
    assert moment("2026-07-01T22:30:00+00:00", "en") == "2026-07-01 22:30 UTC"
    assert moment("2026-07-01T22:30:00", "zh") == "2026-07-01 22:30 世界时（北京 07-02 06:30）"
    assert moment(None, "en") == "not stated"


def test_every_note_of_the_damage_mapping_has_chinese_words() -> None:
    source = re.sub(r'"\s*\n\s*f?"', "", inspect.getsource(mapping))
    notes = re.findall(r'notes\.append\(\s*f?"([^"]+)"', source)
    assert len(notes) >= 6
    for note in notes:
        assert note_text(note, "zh") != note, note
