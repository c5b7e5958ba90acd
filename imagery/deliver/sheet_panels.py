"""The side of the sheet: legend and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imagery.damage.legend import (
    ACCESS,
    GRADES,
    ROAD_STATES,
)
from imagery.deliver.folder import DamageFolder
from imagery.deliver.fonts import GETA, without_type
from imagery.deliver.picture import DEPTH_OPACITY, opacity_of
from imagery.deliver.sheet_map import HATCH_FILL, HATCH_INK
from imagery.deliver.sheet_objects import (
    BOUNDARY,
    FLOODED_EDGE,
    PLAIN_HOUSE,
    draw_cut_mark,
    draw_place_mark,
)
from imagery.deliver.sheet_page import ACCENT, INK, RULE, SOFT, Box, Page, line_mm
from imagery.deliver.sheet_view import Shown, Theme
from imagery.deliver.words import WORDS, method_name, note_text
from imagery.deliver.words import moment as moment_text


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


@dataclass(frozen=True)
class _Key:
    """A line of the legend: how its sample is drawn, and its name."""

    kind: str
    colour: str
    name: str
    opacity: float = 1.0


def draw_legend(
    page: Page, left: float, right: float, top: float, shown: Shown, *, columns: int = 2, scale: float = 1.0
) -> float:
    """Only what the map shows, in columns, its type scaled; returns the lower end."""
    y = heading(page, left, right, top, WORDS[page.language]["legend"])
    small, body = page.sizes.small * scale, page.sizes.body * scale
    parts = _columns(_groups(page, shown), columns)
    width = (right - left) / len(parts)
    lowest = y
    for index, groups in enumerate(parts):
        x, line = left + index * width, y
        for name, keys in groups:
            line += line_mm(small)
            page.text(x, line, name, small, colour=SOFT)
            for key in keys:
                line += line_mm(body) * 1.06
                _draw_key(page, x, line, key, body, width)
            line += line_mm(small) * 0.35
        lowest = max(lowest, line)
    return lowest


def legend_height(page: Page, shown: Shown, columns: int = 2) -> float:
    """Height of the unscaled legend with its head, mm."""

    def high(groups: Sequence[tuple[str, list[_Key]]]) -> float:
        keys = sum(len(part) for _, part in groups)
        return 1.35 * len(groups) * line_mm(page.sizes.small) + 1.06 * keys * line_mm(page.sizes.body)

    head = page.sizes.head * 0.53 + 1.2
    return head + max(high(part) for part in _columns(_groups(page, shown), columns))


def _groups(page: Page, shown: Shown) -> list[tuple[str, list[_Key]]]:
    words, language = WORDS[page.language], page.language
    buildings = [
        _Key("house", e.hex_colour, e.name(language)) for e in reversed(GRADES) if e.key in shown.grades
    ]
    if shown.houses and not buildings:
        buildings.append(_Key("house", PLAIN_HOUSE, words["house"]))
    if shown.flooded_houses:
        buildings.append(_Key("wet", FLOODED_EDGE, words["flooded_house"]))
    roads = [_Key("road", e.hex_colour, e.name(language)) for e in ROAD_STATES if e.key in shown.roads]
    if shown.cuts:
        roads.append(_Key("cut", "", words["cut_mark"]))
    places = [_Key("place", e.key, e.name(language)) for e in reversed(ACCESS) if e.key in shown.places]
    depths = [_Key("fill", e.hex_colour, e.name(language), DEPTH_OPACITY) for e in shown.depths]
    ground = [_Key("fill", e.hex_colour, e.name(language), opacity_of(e.code)) for e in shown.classes]
    areas = [_Key("hatch", "", words["not_analysed"])] if shown.not_analysed else []
    if shown.townships:
        areas.append(_Key("boundary", BOUNDARY, words["township"]))
    houses = words["buildings"] if shown.grades else words["buildings_plain"]
    found = [
        (words["depth_classes"], depths), (houses, buildings), (words["roads"], roads),
        (words["places"], places), (words["ground"], ground), (words["areas"], areas),
    ]  # fmt: skip
    return [(name, keys) for name, keys in found if keys]


def _columns(groups: list[tuple[str, list[_Key]]], count: int) -> list[list[tuple[str, list[_Key]]]]:
    """One column, or two of about the same length, the order kept."""

    def lines(part: Sequence[tuple[str, list[_Key]]]) -> int:
        return sum(len(keys) + 1 for _, keys in part)

    if count == 1:
        return [groups]
    if len(groups) < 2:
        return [groups, []]
    cut = min(range(1, len(groups)), key=lambda n: max(lines(groups[:n]), lines(groups[n:])))
    return [groups[:cut], groups[cut:]]


def _draw_key(page: Page, left: float, base: float, key: _Key, size: float, width: float) -> None:
    high = size * 0.30
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
    elif key.kind == "place":
        side = size * 0.8
        draw_place_mark(
            page.axes, (swatch.left + swatch.right) / 2, middle, key.colour, zorder=6, size_pt=side
        )
    else:
        draw_cut_mark(page.axes, (swatch.left + swatch.right) / 2, middle, zorder=6, size_pt=size * 0.85)
    at = wide + high * 0.55
    page.text(left + at, base, page.shortened(key.name, size, width - at - 0.5), size)


def _faded(colour: str, opacity: float) -> tuple[float, ...]:
    """The colour as it looks over a pale photo."""
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(v * opacity + 0.78 * (1 - opacity) for v in rgb)


def source_lines(
    page: Page, folder: DamageFolder, crs_name: str, theme: Theme = "damage", names: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """(what, value) of where the map comes from and how sure it is. Of the sheet's `names` those characters
    are told that no font here has."""
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
    depth = report["depth_m"]
    if depth and theme == "depth":
        said = words["depth_method"].format(depth["half_width_mean"])
        lines.insert(4, (words["depth_short"], said))
    inputs = report.get("inputs") or {}
    if inputs:
        lines.append((words["inputs"], ", ".join(inputs.values())))
    lines.append((words["version"], f"{report['version']}  ·  missionctl"))
    lines += [(words["note"], note_text(note, page.language)) for note in report["notes"]]
    missing = without_type(names)
    if missing:
        lines.append((words["note"], f"{GETA} = {', '.join(f'U+{ord(c):04X}' for c in missing)}"))
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
    return max(page.width_mm(name, page.sizes.small) for name, _ in lines) + page.sizes.small * 0.32


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
