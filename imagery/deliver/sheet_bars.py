"""Bars under the sheet's table, as many as there is room for: buildings by grade, water by depth, ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagery.damage.legend import DEPTHS, GRADES, Entry
from imagery.deliver.folder import DamageFolder
from imagery.deliver.sheet_page import INK, SOFT, Box, Page, line_mm
from imagery.deliver.sheet_view import Theme
from imagery.deliver.words import WORDS

_LEAST_M2: Final = 50.0
"""Half of the last digit of a hundredth of a hectare: less would read as nought."""


@dataclass(frozen=True)
class Bar:
    """A whole cut into parts: (legend line, amount, amount as text)."""

    name: str
    parts: tuple[tuple[Entry, float, str], ...]


def bars(page: Page, folder: DamageFolder, theme: Theme = "damage") -> list[Bar]:
    """What the inputs allowed, the most urgent first; parts that are nought are left out."""
    words, report = WORDS[page.language], folder.report
    found = []
    if theme == "damage" and any(report["buildings"].values()):
        counts = [(e, float(report["buildings"].get(e.key, 0))) for e in reversed(GRADES)]
        found.append(Bar(words["bar_buildings"], tuple((e, n, f"{n:,.0f}") for e, n in counts if n)))
    depths = report["depth_classes_m2"] or {}
    if any(depths.values()):
        found.append(Bar(words["bar_depth"], _hectares([(e, depths.get(e.key, 0.0)) for e in DEPTHS])))
    ground = report["classes"]
    if ground:
        areas = [(e, ground[e.key]["area_m2"]) for e in folder.legend.entries if e.key in ground]
        found.append(Bar(words["bar_ground"], _hectares(areas)))
    return found


def _hectares(areas: list[tuple[Entry, float]]) -> tuple[tuple[Entry, float, str], ...]:
    known = [(e, a) for e, a in areas if a >= _LEAST_M2]
    return tuple((e, a, f"{a / 1e4:.2f}" if a < 1e5 else f"{a / 1e4:,.1f}") for e, a in known)


def draw_bars(
    page: Page, left: float, right: float, top: float, bottom: float, folder: DamageFolder, theme: Theme
) -> float:
    """Draw the bars that fit between top and bottom; returns the lower end."""
    y = top
    for bar in bars(page, folder, theme):
        rows = _rows(page, bar, right - left)
        high = _head_mm(page) + _bar_mm(page) + len(rows) * line_mm(page.sizes.small) + _gap_mm(page)
        if y + high > bottom:
            break
        _draw(page, left, right, y, bar, rows)
        y += high
    return y


def _head_mm(page: Page) -> float:
    return line_mm(page.sizes.small) * 1.25


def _bar_mm(page: Page) -> float:
    return page.sizes.body * 0.36


def _gap_mm(page: Page) -> float:
    return page.sizes.body * 0.42


def _rows(page: Page, bar: Bar, width_mm: float) -> list[list[tuple[Entry, str, float]]]:
    """The bar's key set in rows: (legend line, amount, offset in mm)."""
    size = page.sizes.small
    rows: list[list[tuple[Entry, str, float]]] = [[]]
    x = 0.0
    for entry, _, amount in bar.parts:
        wide = _amount_mm(page, entry) + page.width_mm(amount, size, "bold")
        if rows[-1] and x + wide > width_mm:
            rows.append([])
            x = 0.0
        rows[-1].append((entry, amount, x))
        x += wide + size * 0.5
    return rows


def _amount_mm(page: Page, entry: Entry) -> float:
    """Where, after its mark, the amount of a part of the key begins."""
    size = page.sizes.small
    return size * 0.38 + page.width_mm(entry.name(page.language), size) + size * 0.16


def _draw(
    page: Page, left: float, right: float, top: float, bar: Bar, rows: list[list[tuple[Entry, str, float]]]
) -> None:
    size = page.sizes.small
    page.text(left, top + line_mm(size), bar.name, size, colour=SOFT)
    y = top + _head_mm(page)
    total = sum(amount for _, amount, _ in bar.parts)
    x = left
    for entry, amount, _ in bar.parts:
        end = x + (right - left) * amount / total
        page.box(Box(x, y, end, y + _bar_mm(page)), fill=entry.hex_colour, edge="white", width_pt=0.5)
        x = end
    base = y + _bar_mm(page) + line_mm(size) * 0.12
    for row in rows:
        base += line_mm(size)
        for entry, text, offset in row:
            mark, at = size * 0.25, left + offset
            page.box(Box(at, base - mark, at + mark, base), fill=entry.hex_colour, edge=INK, width_pt=0.3)
            page.text(at + size * 0.38, base, entry.name(page.language), size)
            page.text(at + _amount_mm(page, entry), base, text, size, weight="bold")
