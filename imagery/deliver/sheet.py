"""The map sheet: one page, A3 or A4, English or Chinese, as PDF or PNG.

What stands on it follows the Charter's and Copernicus EMS's sheets: map, grid, legend, scale, north, locator,
figures, sources with accuracy, and the notice that nobody has been there yet.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pyproj

from imagery.deliver.folder import DamageFolder, names_of
from imagery.deliver.fonts import drawable
from imagery.deliver.sheet_bars import draw_bars
from imagery.deliver.sheet_figures import draw_figures, length_text
from imagery.deliver.sheet_frame import draw_frame, draw_locator, draw_north, draw_scale_bar, grid_step_m
from imagery.deliver.sheet_map import draw_map
from imagery.deliver.sheet_page import (
    ACCENT,
    INK,
    NOTICE_EDGE,
    NOTICE_FILL,
    PAPERS,
    SOFT,
    Box,
    Page,
    line_mm,
)
from imagery.deliver.sheet_panels import (
    draw_legend,
    draw_sources,
    heading,
    source_lines,
    sources_height,
)
from imagery.deliver.sheet_view import Shown, Theme, View, choose_view, map_layer
from imagery.deliver.words import NOTICE, WORDS, moment

STYLE: Final[Any] = {  # matplotlib types each key by name
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.35,
    "axes.unicode_minus": True,
    "path.simplify": False,
}


def export_sheet(
    folder: DamageFolder, out_dir: Path, kind: str, *, lang: str = "en", paper: str = "a3", title: str = ""
) -> list[Path]:
    """map_sheet.pdf or map_sheet.png (`kind`) of a damage folder, and depth_sheet beside it where depth was
    estimated; PNG has 200 dots per inch."""
    themes: dict[Theme, str] = {"damage": "map_sheet"}
    if folder.raster("depth") is not None:
        themes["depth"] = "depth_sheet"
    made = []
    for theme, name in themes.items():
        target = out_dir / f"{name}.{kind}"
        with mpl.rc_context(STYLE):
            page = compose(folder, lang, paper, title, theme)
            page.save(target, kind, sheet_metadata(folder, kind, lang, title))
        made.append(target)
    return made


def compose(folder: DamageFolder, lang: str, paper: str, title: str = "", theme: Theme = "damage") -> Page:
    """Lay out the sheet."""
    page = Page(PAPERS[paper], lang)
    sheet = page.paper
    edge, ticks = sheet.margin_mm, sheet.ticks_mm
    panel = Box(sheet.width_mm - edge - sheet.panel_mm, edge, sheet.width_mm - edge, sheet.height_mm - edge)
    frame = Box(
        edge + ticks,
        edge + sheet.header_mm + ticks,
        panel.left - sheet.gap_mm - ticks,
        sheet.height_mm - edge - sheet.strip_mm - ticks,
    )
    view = choose_view(folder, frame)
    shown = draw_map(page, frame, folder, view, theme)
    draw_frame(page, frame, view)
    draw_north(page, frame, view)
    _draw_header(page, folder, title, theme)
    _draw_strip(page, frame, view)
    _draw_panel(page, panel, folder, view, shown, title, theme)
    return page


def _draw_header(page: Page, folder: DamageFolder, title: str, theme: Theme) -> None:
    """Title and what it is about on the left, the notice on the right, a rule below."""
    sheet, sizes, report = page.paper, page.sizes, folder.report
    words = WORDS[page.language]
    left, right, top = sheet.margin_mm, sheet.width_mm - sheet.margin_mm, sheet.margin_mm
    foot = top + sheet.header_mm - 3.5
    notice = NOTICE[page.language]
    wide = sheet.panel_mm
    room = right - wide - sheet.gap_mm - left
    kind = words["title"] if theme == "damage" else words["depth_title"]
    name = title or report["event"] or kind
    size = sizes.title
    while page.width_mm(name, size, "bold") > room and size > 0.6 * sizes.title:
        size -= 0.5
    line = page.shortened(name, size, room, "bold")
    page.text(left, top + sizes.title * 0.31, line, size, weight="bold", colour=ACCENT)
    about = [kind] if name != kind else []
    if report["acquired_utc"]:
        about.append(words["situation"].format(moment(report["acquired_utc"], page.language)))
    else:
        about.append(f"{words['produced']} {moment(report['produced_utc'], page.language)}")
    if report["event"] and report["event"] != name:
        about.append(report["event"])
    line = page.shortened("  ·  ".join(about), sizes.head, room)
    page.text(left, foot - sizes.head * 0.17, line, sizes.head, colour=SOFT)
    page.rule(left, right, foot + 1.4, colour=ACCENT, width_pt=1.6)
    box = Box(right - wide, top - 0.5, right, foot - 0.8)
    page.box(box, fill=NOTICE_FILL, edge=NOTICE_EDGE, width_pt=0.8, round_mm=1.0)
    lines = page.balanced(notice, sizes.head, box.width - 6, weight="bold")
    base = (box.top + box.bottom) / 2 - (len(lines) - 1) * line_mm(sizes.head) / 2
    for number, text in enumerate(lines):
        page.text(
            (box.left + box.right) / 2, base + number * line_mm(sizes.head), text, sizes.head,
            weight="bold", align="center", middle=True,
        )  # fmt: skip


def _draw_strip(page: Page, frame: Box, view: View) -> None:
    """Under the map: scale, scale bar, what the grid is."""
    sheet, sizes = page.paper, page.sizes
    words = WORDS[page.language]
    base = sheet.height_mm - sheet.margin_mm - sheet.strip_mm * 0.16
    ratio = f"1:{view.scale:,}".replace(",", "\u2009")
    page.text(frame.left, base, ratio, sizes.figure, weight="bold", colour=INK)
    x = frame.left + page.width_mm(ratio, sizes.figure, "bold") + 1.5
    on_paper = f"{words['scale']} ({_paper_name(page)})"
    page.text(x, base, on_paper, sizes.small, colour=SOFT)
    x += page.width_mm(on_paper, sizes.small) + 8
    draw_scale_bar(page, x, base - sizes.small * 0.17, frame.width * 0.28, view)
    step = length_text(page, grid_step_m(view))
    grid = f"{crs_name(view.grid.crs)}  ·  {words['grid'].format(step=step)}"
    page.text(frame.right, base, grid, sizes.small, colour=SOFT, align="right")


def _paper_name(page: Page) -> str:
    return next(name.upper() for name, paper in PAPERS.items() if paper is page.paper)


def _draw_panel(
    page: Page, panel: Box, folder: DamageFolder, view: View, shown: Shown, title: str, theme: Theme
) -> None:
    """Legend and figures from above, locator and sources from below, the table between as room allows."""
    sheet, words = page.paper, WORDS[page.language]
    lines = source_lines(page, folder, crs_name(view.grid.crs), theme, [title, *names_of(folder)])
    side = sheet.panel_mm * 0.31
    space = page.sizes.body * 0.5
    beside = panel.width - side - sheet.gap_mm * 0.8
    head = page.sizes.head * 0.53 + 1.2
    high = max(side + line_mm(page.sizes.tick) * 1.4, sources_height(page, beside, lines))
    top = panel.bottom - high - head
    y = draw_legend(page, panel.left, panel.right, panel.top + sheet.header_mm, shown)
    y = draw_figures(page, panel.left, panel.right, y + space, top - space, folder, theme)
    draw_bars(page, panel.left, panel.right, y + space, top - space, folder, theme)
    spot_top = heading(page, panel.left, panel.left + side, top, words["locator"])
    heading(page, panel.left + side + sheet.gap_mm * 0.8, panel.right, top, words["sources"])
    spot = Box(panel.left, spot_top, panel.left + side, spot_top + side)
    draw_locator(page, spot, map_layer(folder, "townships", view.grid.crs), view)
    draw_sources(page, panel.left + side + sheet.gap_mm * 0.8, panel.right, spot_top, lines)


def crs_name(crs: pyproj.CRS) -> str:
    """The name of a CRS with its number, where it has one."""
    code = crs.to_epsg()
    return f"{crs.name} (EPSG:{code})" if code else str(crs.name)


def sheet_metadata(folder: DamageFolder, kind: str, lang: str, title: str) -> dict[str, Any]:
    """What a PDF or PNG says of itself: title, author, the notice, when."""
    report = folder.report
    name = drawable(title or report["event"] or WORDS[lang]["title"])
    author = drawable(report["analyst"] or "missionctl")
    if kind == "png":
        return {"Title": name, "Author": author, "Description": NOTICE["en"], "Software": "missionctl"}
    produced = dt.datetime.fromisoformat(report["produced_utc"])
    return {
        "Title": name,
        "Author": author,
        "Subject": NOTICE[lang],
        "Creator": "missionctl",
        "CreationDate": produced,
    }
