"""The side of the sheet: legend, figures and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagery.damage.legend import (
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
    GRADES,
    ROAD_STATES,
    grade_entry,
)
from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import opacity_of
from imagery.deliver.sheet_map import BOUNDARY, FLOODED_EDGE, HATCH_FILL, HATCH_INK, Shown, draw_cut_mark
from imagery.deliver.sheet_page import ACCENT, INK, PALE, RULE, SOFT, Box, Page, line_mm
from imagery.deliver.tables import whole_mosaic
from imagery.deliver.words import WORDS, method_name, note_text
from imagery.deliver.words import moment as moment_text

NOTHING: Final = "–"
_HARM: Final = (GRADE_DESTROYED, GRADE_DAMAGED, GRADE_POSSIBLE)


def heading(page: Page, left: float, right: float, top: float, text: str, aside: str = "") -> float:
    """A section's head with a rule under it; returns where its content may begin."""
    size = page.sizes.head
    base = top + size * 0.36
    page.text(left, base, text, size, weight="bold", colour=ACCENT)
    if aside:
        room = right - left - page.width_mm(text, size, "bold") - 2.0
        aside = page.shortened(aside, page.sizes.small, room)
        page.text(right, base, aside, page.sizes.small, colour=SOFT, align="right")
    page.rule(left, right, base + size * 0.17, colour=ACCENT, width_pt=0.9)
    return base + size * 0.17 + 1.2


# --- legend ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """A line of the legend: how its sample is drawn, and its name."""

    kind: str
    colour: str
    name: str
    opacity: float = 1.0


def draw_legend(page: Page, left: float, right: float, top: float, shown: Shown) -> float:
    """Only what the map shows, in two columns; returns the lower end."""
    words = WORDS[page.language]
    y = heading(page, left, right, top, words["legend"])
    columns = _columns(_groups(page, shown))
    width = (right - left) / len(columns)
    lowest = y
    for index, groups in enumerate(columns):
        x, line = left + index * width, y
        for name, keys in groups:
            line += line_mm(page.sizes.small)
            page.text(x, line, name, page.sizes.small, colour=SOFT)
            for key in keys:
                line += line_mm(page.sizes.body) * 1.06
                _draw_key(page, x, line, key)
            line += line_mm(page.sizes.small) * 0.35
        lowest = max(lowest, line)
    return lowest


def _groups(page: Page, shown: Shown) -> list[tuple[str, list[_Key]]]:
    words, language = WORDS[page.language], page.language
    buildings = [
        _Key("house", e.hex_colour, e.name(language)) for e in reversed(GRADES) if e.key in shown.grades
    ]
    if shown.flooded_houses:
        buildings.append(_Key("wet", FLOODED_EDGE, words["flooded_house"]))
    roads = [_Key("road", e.hex_colour, e.name(language)) for e in ROAD_STATES if e.key in shown.roads]
    if shown.cuts:
        roads.append(_Key("cut", "", words["cut_mark"]))
    ground = [_Key("fill", e.hex_colour, e.name(language), opacity_of(e.code)) for e in shown.classes]
    areas = [_Key("hatch", "", words["not_analysed"])] if shown.not_analysed else []
    if shown.townships:
        areas.append(_Key("boundary", BOUNDARY, words["township"]))
    found = [
        (words["buildings"], buildings), (words["roads"], roads), (words["ground"], ground),
        (words["areas"], areas),
    ]  # fmt: skip
    return [(name, keys) for name, keys in found if keys]


def _columns(groups: list[tuple[str, list[_Key]]]) -> list[list[tuple[str, list[_Key]]]]:
    """Two columns of about the same length, the order kept."""

    def lines(part: Sequence[tuple[str, list[_Key]]]) -> int:
        return sum(len(keys) + 1 for _, keys in part)

    if len(groups) < 2:
        return [groups, []]
    cut = min(range(1, len(groups)), key=lambda n: max(lines(groups[:n]), lines(groups[n:])))
    return [groups[:cut], groups[cut:]]


def _draw_key(page: Page, left: float, base: float, key: _Key) -> None:
    high = page.sizes.body * 0.30
    wide = high * 2.0
    swatch = Box(left, base - high * 0.95, left + wide, base + high * 0.05)
    middle = (swatch.top + swatch.bottom) / 2
    if key.kind == "fill":
        page.box(swatch, fill=_faded(key.colour, key.opacity), edge=RULE, width_pt=0.5)
    elif key.kind == "house":
        page.box(swatch, fill=key.colour, edge=INK, width_pt=0.4)
    elif key.kind == "wet":
        page.box(swatch, fill="white", edge=key.colour, width_pt=1.2)
    elif key.kind == "hatch":
        page.box(swatch, fill=HATCH_FILL, edge=HATCH_INK, width_pt=0.5, hatch="//////")
    elif key.kind == "road":
        page.rule(swatch.left, swatch.right, middle, colour=key.colour, width_pt=2.2)
    elif key.kind == "boundary":
        page.axes.plot(
            [swatch.left, swatch.right], [middle, middle], color=key.colour, linewidth=1.3,
            linestyle=(0, (4, 1.3, 1.2, 1.3)),
        )  # fmt: skip
    else:
        draw_cut_mark(
            page.axes, (swatch.left + swatch.right) / 2, middle, zorder=6, size_pt=page.sizes.body * 0.85
        )
    page.text(left + wide + high * 0.55, base, key.name, page.sizes.body)


def _faded(colour: str, opacity: float) -> tuple[float, ...]:
    """The colour as it looks over a pale photo."""
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(v * opacity + 0.78 * (1 - opacity) for v in rgb)


# --- figures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """A column of the township table: its head, the colour it is marked with, and its values."""

    head: str
    colour: str | None
    keys: tuple[str, ...]
    kind: str


def draw_figures(
    page: Page, left: float, right: float, top: float, bottom: float, folder: DamageFolder
) -> float:
    """Headline figures, then the worst-hit townships and the whole; returns the lower end."""
    words, report = WORDS[page.language], folder.report
    seen, unseen = report["analysed_m2"], report["not_analysed_m2"]
    share = seen / (seen + unseen) if seen + unseen else 0.0
    aside = words["analysed_aside"].format(area=area_text(page, seen), share=share)
    y = heading(page, left, right, top, words["statistics"], aside)
    y = _tiles(page, left, right, y, headline_figures(page, folder))
    return _table(page, left, right, y + page.sizes.body * 0.2, bottom, folder)


def headline_figures(page: Page, folder: DamageFolder) -> list[tuple[str, str, str]]:
    """(figure, what it is, further detail) of what the inputs allowed."""
    words, report = WORDS[page.language], folder.report
    tiles = []
    if report["water_area_m2"] is not None:
        share = report["water_area_m2"] / report["analysed_m2"] if report["analysed_m2"] else 0.0
        detail = words["of_analysed"].format(share)
        tiles.append((area_text(page, report["water_area_m2"]), words["water"], detail))
    grades = report["buildings"]
    if grades:
        harmed = grades.get(GRADE_DESTROYED, 0) + grades.get(GRADE_DAMAGED, 0)
        seen = sum(grades.values()) - grades.get(GRADE_NOT_ANALYSED, 0)
        detail = words["of_seen"].format(seen)
        tiles.append((f"{harmed:,}", words["harmed"], detail))
        wet = report["buildings_flooded"]
        tiles.append((f"{wet:,}", words["flooded_house"], words["suspected"]))
    if report["roads_cut_m"] is not None:
        detail = words["of_roads"].format(length_text(page, report["roads_m"]))
        tiles.append((length_text(page, report["roads_cut_m"]), words["cut"], detail))
    depth = report["depth_m"]
    if depth:
        figure = f"{depth['mean']:.1f} / {depth['p90']:.1f} {words['metre']}"
        tiles.append((figure, words["depth"], words["depth_band"].format(depth["half_width_mean"])))
    if report["people_exposed"] is not None:
        tiles.append((f"{report['people_exposed']:,.0f}", words["people"], words["near_water"]))
    return tiles


def _tiles(page: Page, left: float, right: float, top: float, tiles: list[tuple[str, str, str]]) -> float:
    """Boxes of large figures, three in a row."""
    sizes, gap, per_row = page.sizes, page.sizes.body * 0.16, 3
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


def _table(page: Page, left: float, right: float, top: float, bottom: float, folder: DamageFolder) -> float:
    """A row per township, the worst first, as many as there is room for; then the whole."""
    size = page.sizes.small
    columns = table_columns(page, folder)
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


def table_columns(page: Page, folder: DamageFolder) -> list[_Column]:
    """What the inputs allowed to count."""
    words, report = WORDS[page.language], folder.report
    columns = [_Column(words["col_seen"], None, ("seen_share",), "percent")]
    if report["water_area_m2"] is not None:
        columns.append(_Column(words["col_water"], None, ("water_area_m2",), "hectares"))
    if report["buildings"]:
        for key in _HARM:
            entry = grade_entry(key)
            head = words[f"col_{key.lower().split()[0]}"]
            columns.append(_Column(head, entry.hex_colour, ("buildings", key), "count"))
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


# --- sources ---------------------------------------------------------------------------------------------


def source_lines(page: Page, folder: DamageFolder, crs_name: str) -> list[tuple[str, str]]:
    """(what, value) of where the map comes from and how sure it is."""
    words, report = WORDS[page.language], folder.report
    mosaic = report["mosaic"].replace("\\", "/").rsplit("/", 1)[-1]
    if folder.mosaic is None:
        mosaic += f" ({words['mosaic_gone']})"
    lines = [
        (words["mosaic"], mosaic),
        (words["acquired"], moment_text(report["acquired_utc"], page.language)),
        (words["produced"], moment_text(report["produced_utc"], page.language)),
        (words["method"], method_name(report["method"], page.language)),
        (words["confidence"], _sureness(page, report)),
        (words["analyst"], report["analyst"] or words["unknown"]),
        (words["crs"], crs_name),
    ]
    inputs = report.get("inputs") or {}
    if inputs:
        lines.append((words["inputs"], ", ".join(inputs.values())))
    lines += [(words["note"], note_text(note, page.language)) for note in report["notes"]]
    return lines


def _sureness(page: Page, report: dict[str, Any]) -> str:
    words = WORDS[page.language]
    if not report["classes"]:
        return words["no_accuracy"]
    accuracy = report["accuracy"]
    measured = words["accuracy"].format(accuracy["overall"]) if accuracy else words["no_accuracy"]
    return f"{words['mean_confidence'].format(report['confidence_mean'])}; {measured}"


def sources_height(page: Page, width_mm: float, lines: list[tuple[str, str]]) -> float:
    """Height of the sources without their head."""
    return sum(len(part) for part in _set_sources(page, width_mm, lines)) * line_mm(page.sizes.small)


def _set_sources(page: Page, width_mm: float, lines: list[tuple[str, str]]) -> list[list[str]]:
    label_mm = _label_mm(page, lines)
    return [page.wrapped(value, page.sizes.small, width_mm - label_mm, most=4) or [""] for _, value in lines]


def _label_mm(page: Page, lines: list[tuple[str, str]]) -> float:
    return max(page.width_mm(name, page.sizes.small) for name, _ in lines) + 2.2


def draw_sources(page: Page, left: float, right: float, top: float, lines: list[tuple[str, str]]) -> float:
    """Label and value, values wrapped; returns the lower end."""
    size = page.sizes.small
    label_mm = _label_mm(page, lines)
    base = top - line_mm(size) * 0.28
    for (name, _), parts in zip(lines, _set_sources(page, right - left, lines), strict=True):
        page.text(left, base + line_mm(size), name, size, colour=SOFT)
        for part in parts:
            base += line_mm(size)
            page.text(left + label_mm, base, part, size)
    return base
