"""The sheet's figures: large ones, and a row per township."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from imagery.damage.legend import (
    ACCESS_UNKNOWN,
    CUT_OFF,
    DEPTHS,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
    grade_entry,
)
from imagery.deliver.folder import DamageFolder
from imagery.deliver.sheet_page import INK, PALE, SOFT, Box, Page, line_mm
from imagery.deliver.sheet_panels import heading
from imagery.deliver.sheet_view import Theme
from imagery.deliver.tables import whole_mosaic
from imagery.deliver.words import WORDS

NOTHING: Final = "–"
_HARM: Final = (GRADE_DESTROYED, GRADE_DAMAGED, GRADE_POSSIBLE)


@dataclass(frozen=True)
class _Column:
    """A column of the township table: its head, the colour it is marked with, and its values."""

    head: str
    colour: str | None
    keys: tuple[str, ...]
    kind: str


def draw_figures(
    page: Page, left: float, right: float, top: float, bottom: float, folder: DamageFolder, theme: Theme
) -> float:
    """Headline figures, then the worst-hit townships and the whole; returns the lower end."""
    words, report = WORDS[page.language], folder.report
    seen, unseen = report["analysed_m2"], report["not_analysed_m2"]
    share = seen / (seen + unseen) if seen + unseen else 0.0
    aside = words["analysed_aside"].format(area=area_text(page, seen), share=share)
    y = heading(page, left, right, top, words["statistics"], aside)
    y = draw_tiles(page, left, right, y, headline_figures(page, folder, theme))
    return _table(page, left, right, y + page.sizes.body * 0.2, bottom, folder, theme)


def headline_figures(page: Page, folder: DamageFolder, theme: Theme = "damage") -> list[tuple[str, str, str]]:
    """(figure, what it is, further detail) of what the inputs allowed."""
    words, report = WORDS[page.language], folder.report
    tiles = []
    if report["water_area_m2"] is not None:
        share = report["water_area_m2"] / report["analysed_m2"] if report["analysed_m2"] else 0.0
        detail = words["of_analysed"].format(share)
        tiles.append((area_text(page, report["water_area_m2"]), words["water"], detail))
    depth, depths = report["depth_m"], report["depth_classes_m2"]
    if depth:
        figure = f"{depth['mean']:.1f} / {depth['p90']:.1f} {words['metre']}"
        tiles.append((figure, words["depth"], words["depth_band"].format(depth["half_width_mean"])))
    if theme == "depth" and depth and depths:
        deep = sum(depths.get(e.key, 0.0) for e in DEPTHS[2:])
        share = deep / sum(depths.values()) if any(depths.values()) else 0.0
        tiles.append((area_text(page, deep), words["deep"], words["of_water"].format(share)))
    grades = report["buildings"]
    seen = sum(grades.values()) - grades.get(GRADE_NOT_ANALYSED, 0)
    if grades and theme == "damage":
        harmed = grades.get(GRADE_DESTROYED, 0) + grades.get(GRADE_DAMAGED, 0)
        tiles.append((f"{harmed:,}", words["harmed"], words["of_seen"].format(seen)))
    if grades:
        wet = report["buildings_flooded"]
        tiles.append((f"{wet:,}", words["flooded_house"], words["of_seen"].format(seen)))
    if report["roads_cut_m"] is not None:
        detail = words["of_roads"].format(length_text(page, report["roads_m"]))
        tiles.append((length_text(page, report["roads_cut_m"]), words["cut"], detail))
    places = report.get("places") or []
    if places:
        states = [place["state"] for place in places]
        detail = words["places_of"].format(len(places), states.count(ACCESS_UNKNOWN))
        tiles.append((f"{states.count(CUT_OFF)}", words["places_cut_off"], detail))
    if report["people_exposed"] is not None:
        tiles.append((f"{report['people_exposed']:,.0f}", words["people"], words["near_water"]))
    fallen = (report.get("high_water") or {}).get("fallen_m")
    if theme == "depth" and fallen is not None:
        tiles.append((f"{fallen:.1f} {words['metre']}", words["fallen"], words["since_peak"]))
    return tiles


def draw_tiles(
    page: Page, left: float, right: float, top: float, tiles: list[tuple[str, str, str]], per_row: int = 3
) -> float:
    """Boxes of large figures, some in a row; returns the lower end."""
    sizes, gap = page.sizes, page.sizes.body * 0.16
    width = (right - left - gap * (per_row - 1)) / per_row
    pad = page.sizes.body * 0.2
    high = sizes.figure * 0.36 + line_mm(sizes.small) + line_mm(sizes.tick) + 2.6 * pad
    y = top
    for index, (figure, name, detail) in enumerate(tiles):
        row, column = divmod(index, per_row)
        x, y = left + column * (width + gap), top + row * (high + gap)
        page.box(Box(x, y, x + width, y + high), fill=PALE, round_mm=0.8)
        base = y + pad + sizes.figure * 0.34
        size = page.shrunk(figure, sizes.figure, width - 2 * pad, "bold")
        page.text(x + pad, base, figure, size, weight="bold", colour=INK)
        base += line_mm(sizes.small) * 1.08
        page.text(x + pad, base, page.shortened(name, sizes.small, width - 1.4 * pad), sizes.small)
        base += line_mm(sizes.tick)
        detail = page.shortened(detail, sizes.tick, width - 1.4 * pad)
        page.text(x + pad, base, detail, sizes.tick, colour=SOFT)
    return y + high if tiles else top


def _table(
    page: Page, left: float, right: float, top: float, bottom: float, folder: DamageFolder, theme: Theme
) -> float:
    """A row per township, the worst first, as many as there is room for; then the whole."""
    size = page.sizes.small
    columns = table_columns(page, folder, theme)
    if len(columns) == 1 and not folder.report["townships"]:
        return top
    row_mm = line_mm(size) * 1.16
    name_mm = (right - left) * (0.27 if len(columns) > 5 else 0.34)
    column_mm = (right - left - name_mm) / len(columns)
    ends = [left + name_mm + column_mm * (i + 1) for i in range(len(columns))]
    base = _table_head(page, left, right, top, columns, ends)
    room = max(1, int((bottom - base - 0.4 * row_mm) / row_mm) - 1)
    rows = table_rows(folder, room)
    for row in rows:
        base += row_mm
        name = _row_name(page, row)
        strong = row["row"] == "whole"
        if strong and len(rows) > 1:
            page.rule(left, right, base - row_mm * 0.72, colour=INK, width_pt=0.6)
        weight: Any = "bold" if strong else "normal"
        page.text(left, base, page.shortened(name, size, name_mm - 0.8, weight), size, weight=weight)
        for column, end in zip(columns, ends, strict=True):
            cell = _cell(column, row)
            fits = page.shrunk(cell, size, column_mm - 0.8, weight)
            page.text(end, base, cell, fits, weight=weight, align="right")
        if not strong:
            page.rule(left, right, base + row_mm * 0.28, width_pt=0.35)
    return base + row_mm * 0.3


def _row_name(page: Page, row: dict[str, Any]) -> str:
    words = WORDS[page.language]
    if row["row"] == "others":
        return words["others"].format(row["count"])
    if row["row"] == "whole":
        return words["whole"]
    return str(row["name_zh"] if page.language == "zh" else row["name_en"])


def _table_head(
    page: Page, left: float, right: float, top: float, columns: list[_Column], ends: list[float]
) -> float:
    """Heads in one or two lines, graded columns marked with their colour; returns the last baseline."""
    size = page.sizes.tick
    heads = [column.head.split("|") for column in columns]
    deepest = max(len(head) for head in heads)
    mark = size * 0.26 if any(c.colour for c in columns) else 0.0
    base = top + size * 0.3 + mark + 1.0 + (deepest - 1) * line_mm(size)
    for column, head, end in zip(columns, heads, ends, strict=True):
        for up, line in enumerate(reversed(head)):
            y = base - up * line_mm(size)
            page.text(end, y, line, size, colour=SOFT, align="right")
        if column.colour:
            y = base - len(head) * line_mm(size) - 0.1
            page.box(Box(end - mark * 2, y - mark * 0.4, end, y + mark * 0.6), fill=column.colour, edge=INK,
                     width_pt=0.3)  # fmt: skip
    page.rule(left, right, base + size * 0.18, colour=SOFT, width_pt=0.6)
    return base + size * 0.18 - line_mm(page.sizes.small) * 0.16


def table_columns(page: Page, folder: DamageFolder, theme: Theme = "damage") -> list[_Column]:
    """What the inputs allowed to count."""
    words, report = WORDS[page.language], folder.report
    columns = [_Column(words["col_seen"], None, ("seen_share",), "percent")]
    if report["water_area_m2"] is not None:
        columns.append(_Column(words["col_water"], None, ("water_area_m2",), "hectares"))
    if report["depth_m"] and theme == "depth":
        columns.append(_Column(words["col_depth"], None, ("depth_mean_m",), "metres"))
    if report["buildings"] and theme == "damage":
        for key in _HARM:
            entry = grade_entry(key)
            head = words[f"col_{key.lower().split()[0]}"]
            columns.append(_Column(head, entry.hex_colour, ("buildings", key), "count"))
    if report["buildings"] and theme == "depth":
        columns.append(_Column(words["col_wet"], None, ("buildings_flooded",), "count"))
    if report["roads_cut_m"] is not None:
        columns.append(_Column(words["col_cut"], None, ("roads_cut_m",), "count"))
    if report["people_exposed"] is not None:
        columns.append(_Column(words["col_people"], None, ("people_exposed",), "count"))
    return columns


def table_rows(folder: DamageFolder, most: int) -> list[dict[str, Any]]:
    """At most `most` rows of townships, the worst hit first, the rest summed up in one; then the whole."""
    towns = sorted(folder.report["townships"], key=_harm, reverse=True)
    shown = towns if len(towns) <= most else towns[: most - 1]
    rows: list[dict[str, Any]] = [{**town, "row": "town"} for town in shown]
    rest = towns[len(shown) :]
    if rest:
        rows.append({**_summed(rest), "row": "others", "count": len(rest)})
    return [*rows, {**whole_mosaic(folder), "row": "whole"}]


def _harm(town: dict[str, Any]) -> tuple[float, ...]:
    grades = town["buildings"]
    worst = grades.get(GRADE_DESTROYED, 0) + grades.get(GRADE_DAMAGED, 0)
    return worst, grades.get(GRADE_POSSIBLE, 0), town["water_area_m2"], town["seen_share"]


def _summed(towns: list[dict[str, Any]]) -> dict[str, Any]:
    area = sum(t["area_m2"] for t in towns)
    people = [t["people_exposed"] for t in towns if t["people_exposed"] is not None]
    return {
        "seen_share": sum(t["area_m2"] * t["seen_share"] for t in towns) / area if area else 0.0,
        "water_area_m2": sum(t["water_area_m2"] for t in towns),
        "buildings": {key: sum(t["buildings"].get(key, 0) for t in towns) for key in _HARM},
        "buildings_flooded": sum(t["buildings_flooded"] for t in towns),
        "roads_cut_m": sum(t["roads_cut_m"] for t in towns),
        "people_exposed": sum(people) if people else None,
    }


def _cell(column: _Column, row: dict[str, Any]) -> str:
    """A value as text; a dash where nothing was seen, for unseen is not unharmed."""
    value: Any = row
    for key in column.keys:
        value = value.get(key) if value is not None else None
    if value is None or (column.kind != "percent" and row["seen_share"] < 0.005):
        return NOTHING
    if column.kind == "percent":
        return "< 1" if 0 < value < 0.01 else f"{100 * value:.0f}"
    if column.kind == "metres":
        return f"{value:.1f}"
    if column.kind == "hectares":
        hectares = value / 1e4
        digits = 2 if hectares < 10 else 1 if hectares < 100 else 0
        return f"{hectares:,.{digits}f}"
    return f"{value:,.0f}"


def area_text(page: Page, area_m2: float) -> str:
    """An area in hectares or square kilometres."""
    words = WORDS[page.language]
    if area_m2 >= 1e6:
        return f"{area_m2 / 1e6:,.2f} {words['square_kilometre']}"
    hectares = area_m2 / 1e4
    return f"{hectares:.2f} {words['hectare']}" if hectares < 10 else f"{hectares:.1f} {words['hectare']}"


def length_text(page: Page, length_m: float) -> str:
    """A length in metres or kilometres."""
    words = WORDS[page.language]
    if length_m >= 1000:
        return f"{length_m / 1000:,.1f} {words['kilometre']}"
    return f"{length_m:.0f} {words['metre']}"
