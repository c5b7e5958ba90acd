"""The situation brief: one page, true to the report, and never more sure than it."""

import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import box

from imagery.deliver import export
from imagery.deliver.brief import compose_brief
from imagery.deliver.brief_facts import brief_of, next_flights
from imagery.deliver.brief_words import plain_text, sections, short_message
from imagery.deliver.folder import read_folder

LONG = "An event with a very long name in the upper and the middle and the lower valley of the great river"


@pytest.fixture(scope="module")
def brief(folder):
    return brief_of(read_folder(folder))


def _texts(page):
    renderer = page.figure.canvas.get_renderer()
    found = []
    for text in page.axes.texts:
        where = text.get_window_extent(renderer)
        found.append((text.get_text(), box(where.x0, where.y0, where.x1, where.y1)))
    return [(text, where) for text, where in found if text.strip()]


def _check(page) -> None:
    paper = box(0, 0, page.figure.bbox.width, page.figure.bbox.height).buffer(-20)
    texts = _texts(page)
    for text, where in texts:
        assert paper.contains(where), text
    tree = shapely.STRtree([where.buffer(-1.5) for _, where in texts])
    one, two = tree.query(tree.geometries, predicate="intersects")
    assert not {(texts[i][0], texts[j][0]) for i, j in zip(one, two, strict=True) if i < j}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_one_page_without_collisions(folder, brief, lang) -> None:
    page = compose_brief(read_folder(folder), brief, lang)
    _check(page)
    said = " ".join(text for text, _ in _texts(page))
    assert {"en": "not verified in the field", "zh": "未经实地核查"}[lang] in said
    for head, _ in sections(brief, lang):
        assert head in said


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_county_with_endless_names_still_fits(copied, folder, lang) -> None:
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
    places = [{"name": f"第{i}个名字很长很长的村", "state": "cut off"} for i in range(40)]
    notes = ["The before-ortho could not be registered to the mosaic: change was not mapped."] * 3
    source = read_folder(copied(townships=many, event=LONG, notes=notes, places=places))
    facts = brief_of(source)
    _check(compose_brief(source, facts, lang))
    assert len(short_message(facts, lang)) <= 459
    more = {"en": "34 more", "zh": "其他 34 个"}[lang]
    assert more in dict(sections(facts, lang))[{"en": "Cut off", "zh": "道路中断村庄"}[lang]]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_of_a_bare_mosaic_it_says_that_nothing_is_known(bare, lang) -> None:
    source = read_folder(bare)
    facts = brief_of(source)
    _check(compose_brief(source, facts, lang))
    text = plain_text(facts, lang)
    for words in {
        "en": ("Not mapped", "Not graded", "Not judged", "Not known", "Nobody has been there"),
        "zh": ("未作地表分类", "未分级", "未判断", "不明", "未经实地核查"),
    }[lang]:
        assert words in text
    assert not re.search(r"\b0 destroyed|损毁 0 栋", text)


def test_figures_are_those_of_the_report(folder, brief) -> None:
    report = read_folder(folder).report
    said = dict(sections(brief, "en"))
    assert f"{report['buildings']['Destroyed']} destroyed" in said["Buildings"]
    assert f"{report['water_area_m2'] / 1e4:.2f} ha under water" in said["Flooded"]
    assert f"{report['roads_cut_m']:.0f} m of" in said["Roads"]
    assert "Xiahe" in said["Not seen"]
    assert "93" not in said["How sure"] or f"{report['accuracy']['overall']:.0%}" in said["How sure"]
    message = short_message(brief, "en")
    assert message.isascii()
    assert message.startswith("FLOOD Summer flood")
    assert message.endswith("NOT VERIFIED.")
    assert "\n" not in message


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_was_first_seen_now_is_not_told_as_growth(copied, folder, lang) -> None:
    towns = read_folder(folder).report["townships"]
    areas = {
        "still_water": 5e4, "new_water": 2e4, "fallen_dry": 1e4, "water_first_seen": 7e4,
        "water_out_of_sight": 3e4, "still_dry": 0.0, "dry_first_seen": 0.0, "unsure": 0.0,
    }  # fmt: skip
    towns = [{**towns[0], "since_m2": areas}, {**towns[1], "since_m2": {**areas, "new_water": 0.0}}]
    since = {"previous_utc": "2026-07-01T04:00:00+00:00", "hours": 2.0, "areas_m2": areas}
    source = read_folder(copied(since=since, townships=towns))
    facts = brief_of(source)
    _check(compose_brief(source, facts, lang))
    said = dict(sections(facts, lang))[{"en": "Since the last report", "zh": "较上次报告"}[lang]]
    assert {"en": "2.0 ha flooded since", "zh": "新增淹没 2.0 公顷"}[lang] in said
    assert {"en": "Not growth: 7.0 ha", "zh": "7.0 公顷 为首次判读"}[lang] in said
    assert {"en": "Shanghe 2.0 ha", "zh": "上河镇 2.0 公顷"}[lang] in said
    assert {"en": "new water 2.0 ha", "zh": "新增2.0 公顷"}[lang] in short_message(facts, lang)


def test_chinese_messages_fit_three_messages_and_end_with_the_warning(brief) -> None:
    crowd = replace(brief, cut_off=tuple(f"名字很长的第{i}村民小组" for i in range(30)))
    message = short_message(crowd, "zh")
    assert len(message) <= 201
    assert message.endswith("未经实地核查。")
    assert "孤村" in message


def test_the_next_flights_lie_where_nobody_looked(folder) -> None:
    source = read_folder(folder)
    flights = next_flights(source)
    assert flights
    assert {flight.unit_en for flight in flights} <= {"Shanghe", "Xiahe"}
    east = [flight.lon_deg for flight in flights if flight.unit_en == "Xiahe"]
    assert all(117.0009 < lon < 117.0015 for lon in east)  # the township goes on beyond the mosaic
    order = [(not flight.beside_water, -flight.area_m2) for flight in flights]
    assert order == sorted(order)


def test_the_files_are_a_page_and_two_texts(folder, tmp_path) -> None:
    page, text, message = export(folder, ["brief"], tmp_path, lang="zh")
    raw = page.read_bytes()
    assert len(re.findall(rb"/Type /Page\b", raw)) == 1
    box_pt = [float(v) for v in re.search(rb"/MediaBox \[([^\]]*)\]", raw)[1].split()]
    assert box_pt[2:] == pytest.approx(np.array([210, 297]) / 25.4 * 72, abs=0.5)
    assert text.read_text(encoding="utf-8").count("\n") < 20
    assert message.read_text(encoding="utf-8").startswith("灾情 Summer flood")
