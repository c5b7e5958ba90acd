"""The situation brief: one page of A4 to hand over, a text to read out on the radio, and a short message."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
import pyproj

from imagery.deliver.brief_facts import Brief, brief_of
from imagery.deliver.brief_words import as_of, headings, plain_text, sections, short_message, title_of
from imagery.deliver.folder import DamageFolder, names_of
from imagery.deliver.fonts import GETA, without_type
from imagery.deliver.sheet import STYLE, crs_name, sheet_metadata
from imagery.deliver.sheet_figures import draw_tiles, headline_figures
from imagery.deliver.sheet_frame import draw_north, draw_scale_bar
from imagery.deliver.sheet_map import draw_map
from imagery.deliver.sheet_page import (
    ACCENT,
    ALERT,
    INK,
    NOTICE_EDGE,
    NOTICE_FILL,
    SOFT,
    Box,
    Page,
    Paper,
    TypeScale,
    line_mm,
)
from imagery.deliver.sheet_panels import draw_legend, legend_height
from imagery.deliver.sheet_view import Shown, View, choose_view, photographed
from imagery.deliver.words import NOTICE, WORDS, method_name
from imagery.raster_io import whole_file

_PAPER: Final = Paper(210, 297, 13, 22, 0, 52, 5, 0, TypeScale(19, 12, 10, 9.2, 7.6, 6.6))
_LEAST_MAP_MM: Final = 70.0
_LARGEST_PT: Final = 10.4
_SMALLEST_PT: Final = 6.4
_GAP_MM: Final = 2.5


def export_brief(folder: DamageFolder, out_dir: Path, *, lang: str = "en", title: str = "") -> list[Path]:
    """brief.pdf (one page), brief.txt (to be read out) and brief_sms.txt (at most three messages long)."""
    brief = brief_of(folder)
    targets = [out_dir / "brief.pdf", out_dir / "brief.txt", out_dir / "brief_sms.txt"]
    with mpl.rc_context(STYLE):
        page = compose_brief(folder, brief, lang, title)
        page.save(targets[0], "pdf", sheet_metadata(folder, "pdf", lang, title or headings(lang)["title"]))
    for target, text in zip(targets[1:], (plain_text(brief, lang), short_message(brief, lang)), strict=True):
        with whole_file(target) as part:
            part.write_text(text, encoding="utf-8")
    return targets


def compose_brief(folder: DamageFolder, brief: Brief, lang: str, title: str = "") -> Page:
    """Lay out the page: head, large figures, map with its legend, then the points."""
    page = Page(_PAPER, lang)
    paper = page.paper
    left, right = paper.margin_mm, paper.width_mm - paper.margin_mm
    top = _head(page, left, right, brief, title)
    words = WORDS[lang]
    unseen = (f"{1 - brief.seen_share:.0%}", words["not_analysed"], words["of_extent"])
    tiles = [*headline_figures(page, folder)[:7], unseen]
    per_row = max(4, (len(tiles) + 1) // 2) if len(tiles) != 6 else 3
    top = draw_tiles(page, left, right, top, tiles, per_row) + 3.0
    foot = _foot(page, left, right, paper.height_mm - paper.margin_mm, folder)
    points = sections(brief, lang)
    room = foot - top - _GAP_MM
    least = min(_LEAST_MAP_MM, _map_mm(page, folder, left, right))
    size = _LARGEST_PT
    while _points_mm(page, points, right - left, size) > room - least and size > _SMALLEST_PT:
        size -= 0.1
    points_mm = _points_mm(page, points, right - left, size)
    map_foot = top + min(room - points_mm, _map_mm(page, folder, left, right))
    _map(page, Box(left, top, right, map_foot), folder)
    _points(page, left, right, map_foot + _GAP_MM, points, size)
    return page


def _head(page: Page, left: float, right: float, brief: Brief, title: str) -> float:
    """Title, time, and in a box that nobody has been there; returns where the content may begin."""
    sizes, top = page.sizes, page.paper.margin_mm
    wide = 58.0
    notice = page.balanced(NOTICE[page.language], sizes.body, wide - 4, weight="bold")
    box = Box(right - wide, top, right, top + max(2, len(notice)) * line_mm(sizes.body) + 4)
    page.box(box, fill=NOTICE_FILL, edge=NOTICE_EDGE, width_pt=0.8, round_mm=1.0)
    first = (box.top + box.bottom) / 2 - (len(notice) - 1) * line_mm(sizes.body) / 2
    for number, text in enumerate(notice):
        page.text(
            (box.left + box.right) / 2, first + number * line_mm(sizes.body), text, sizes.body,
            weight="bold", align="center", middle=True,
        )  # fmt: skip
    room = right - left - wide - 5
    name = title or title_of(brief, page.language)
    size = max(page.shrunk(name, sizes.title, room, "bold"), 0.7 * sizes.title)
    base = top - line_mm(size) * 0.2
    for line in page.wrapped(name, size, room, most=2, weight="bold"):
        base += line_mm(size) * 0.95
        page.text(left, base, line, size, weight="bold", colour=ACCENT)
    for line in page.wrapped(as_of(brief, page.language), sizes.small, room, most=2):
        base += line_mm(sizes.small) * 1.15
        page.text(left, base, line, sizes.small, colour=SOFT)
    rule = max(base, box.bottom) + 2.2
    page.rule(left, right, rule, colour=ACCENT, width_pt=1.4)
    return rule + 2.5


def _map_mm(page: Page, folder: DamageFolder, left: float, right: float) -> float:
    """Height of a map that shows the whole mosaic at the largest scale the page's width allows."""
    frame = Box(left, 0, right - page.paper.panel_mm - 4, 1000)
    view = choose_view(folder, frame)
    _, south, _, north = photographed(folder, view.grid.crs)
    return max(_LEAST_MAP_MM, 1.12 * (north - south) / view.metres_per_mm + _strip_mm(page))


def _strip_mm(page: Page) -> float:
    return line_mm(page.sizes.small) * 1.6


def _map(page: Page, room: Box, folder: DamageFolder) -> None:
    """The damage map, its legend on the right, its scale below."""
    sizes = page.sizes
    strip = _strip_mm(page)
    frame = Box(room.left, room.top, room.right - page.paper.panel_mm - 4, room.bottom - strip)
    view = choose_view(folder, frame)
    shown = draw_map(page, frame, folder, view)
    page.box(frame, edge=INK, width_pt=0.8)
    draw_north(page, frame, view)
    base = room.bottom - strip * 0.2
    ratio = f"1:{view.scale:,}".replace(",", "\u2009")
    page.text(frame.left, base, ratio, sizes.small, weight="bold")
    x = frame.left + page.width_mm(ratio, sizes.small, "bold") + 5
    end = draw_scale_bar(page, x, base - sizes.small * 0.17, frame.width * 0.25, view)
    crs = page.shortened(_place(view), sizes.tick, frame.right - end - 4)
    page.text(frame.right, base, crs, sizes.tick, colour=SOFT, align="right")
    _legend(page, frame.right + 4, room.right, room.top, room.bottom, shown)


def _legend(page: Page, left: float, right: float, top: float, bottom: float, shown: Shown) -> None:
    """The legend in one column, smaller where it would not fit."""
    scale = min(1.0, (bottom - top) / legend_height(page, shown, columns=1))
    draw_legend(page, left, right, top, shown, columns=1, scale=scale)


def _place(view: View) -> str:
    west, south, east, north = view.grid.bounds
    to_geo = pyproj.Transformer.from_crs(view.grid.crs, 4326, always_xy=True)
    lon, lat = to_geo.transform((west + east) / 2, (south + north) / 2)
    return f"{lat:.4f}, {lon:.4f}  ·  {crs_name(view.grid.crs)}"


def _set(page: Page, points: list[tuple[str, str]], width_mm: float, size: float) -> list[list[str]]:
    return [page.wrapped(text, size, width_mm - _indent_mm(page, points, size), most=6) for _, text in points]


def _indent_mm(page: Page, points: list[tuple[str, str]], size: float) -> float:
    return max(page.width_mm(head, size, "bold") for head, _ in points) + size * 0.5


def _points_mm(page: Page, points: list[tuple[str, str]], width_mm: float, size: float) -> float:
    lines = _set(page, points, width_mm, size)
    return sum(max(1, len(part)) * line_mm(size) + _gap_mm(size) for part in lines)


def _gap_mm(size: float) -> float:
    return size * 0.16


def _points(
    page: Page, left: float, right: float, top: float, points: list[tuple[str, str]], size: float
) -> None:
    """Each point: its head on the left, what there is to say beside it."""
    indent = _indent_mm(page, points, size)
    y = top
    for (head, _), lines in zip(points, _set(page, points, right - left, size), strict=True):
        page.rule(left, right, y, width_pt=0.4)
        y += _gap_mm(size) / 2
        page.text(left, y + line_mm(size) * 0.78, head, size, weight="bold", colour=ACCENT)
        for line in lines:
            page.text(left + indent, y + line_mm(size) * 0.78, line, size)
            y += line_mm(size)
        y += _gap_mm(size) / 2


def _foot(page: Page, left: float, right: float, bottom: float, folder: DamageFolder) -> float:
    """Where it comes from, in small type at the foot; returns its upper end."""
    words, report, size = WORDS[page.language], folder.report, page.sizes.tick
    mosaic = report["mosaic"].replace("\\", "/").rsplit("/", 1)[-1]
    parts = [
        f"{words['mosaic']}: {mosaic}",
        f"{words['method']}: {method_name(report['method'], page.language)}",
        f"{words['analyst']}: {report['analyst'] or words['unknown']}",
        f"{words['version']}: {report['version']}",
        "missionctl",
    ]
    lines = page.wrapped("  ·  ".join(parts), size, right - left, most=2)
    missing = without_type(names_of(folder))
    if missing:
        codes = ", ".join(f"U+{ord(c):04X}" for c in missing)
        lines.append(page.shortened(f"{GETA} = {codes}", size, right - left))
    top = bottom - len(lines) * line_mm(size)
    page.rule(left, right, top - 0.8, width_pt=0.4)
    for number, line in enumerate(lines):
        colour = ALERT if line.startswith(GETA) else SOFT
        page.text(left, top + (number + 0.85) * line_mm(size), line, size, colour=colour)
    return top - 1.6
