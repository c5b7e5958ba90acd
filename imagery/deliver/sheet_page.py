"""A sheet of paper to set type on: millimetres from the upper left corner, one type scale, two languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.patheffects import Normal, withStroke

from imagery.deliver.fonts import drawable, families
from imagery.raster_io import whole_file

DPI: Final = 200
MM_PER_INCH: Final = 25.4
MM_PER_POINT: Final = MM_PER_INCH / 72
_MEASURED: Final = 8

INK: Final = "#16222e"
SOFT: Final = "#5a6773"
RULE: Final = "#c3ccd4"
PALE: Final = "#f1f4f6"
ACCENT: Final = "#14446e"
ALERT: Final = "#b3261e"
NOTICE_FILL: Final = "#fff3d6"
NOTICE_EDGE: Final = "#c98a00"

Weight = Literal["normal", "bold"]
Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class TypeScale:
    """Sizes in points, largest first."""

    title: float
    figure: float
    head: float
    body: float
    small: float
    tick: float


@dataclass(frozen=True)
class Paper:
    """A sheet (landscape) and how it is divided, in mm."""

    width_mm: float
    height_mm: float
    margin_mm: float
    header_mm: float
    strip_mm: float
    panel_mm: float
    gap_mm: float
    ticks_mm: float
    sizes: TypeScale


PAPERS: Final = {
    "a4": Paper(297, 210, 7, 15.5, 10, 78, 3.5, 3.6, TypeScale(15.5, 10.5, 7.2, 6.1, 5.4, 5.0)),
    "a3": Paper(420, 297, 9, 20, 13, 106, 5, 4.4, TypeScale(22, 14.5, 9.6, 8.0, 7.0, 6.4)),
    "a1": Paper(841, 594, 15, 32, 21, 176, 9, 7.2, TypeScale(36, 24, 15.8, 13.2, 11.6, 10.6)),
}
"""A1 is read from as near as A3: it gets more ground, not larger words in proportion."""


@dataclass(frozen=True)
class Box:
    """A rectangle on the page in mm, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """mm."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """mm."""
        return self.bottom - self.top


def line_mm(size_pt: float) -> float:
    """Distance of baselines."""
    return size_pt * MM_PER_POINT * 1.38


class Page:
    """A matplotlib figure whose whole area is one axes in millimetres."""

    def __init__(self, paper: Paper, language: str) -> None:
        self.paper = paper
        self.language = language
        self.sizes = paper.sizes
        self.figure = Figure(
            figsize=(paper.width_mm / MM_PER_INCH, paper.height_mm / MM_PER_INCH), dpi=DPI, facecolor="white"
        )
        self._canvas = FigureCanvasAgg(self.figure)
        self.axes = self.layer(zorder=5)

    @property
    def stroke(self) -> float:
        """How much wider lines and marks are drawn than on A3; never thinner."""
        return max(1.0, self.sizes.body / PAPERS["a3"].sizes.body)

    def save(self, path: Path, kind: str, metadata: dict[str, Any]) -> None:
        """Write the page as PDF or PNG under its name when it is whole. It is made in memory: matplotlib
        meets a full disk with a fault of its own."""
        made = BytesIO()
        self.figure.savefig(made, format=kind, dpi=DPI, metadata=metadata)
        with whole_file(path) as part:
            part.write_bytes(made.getbuffer())

    def layer(self, zorder: float) -> Any:
        """A transparent axes over the whole page, in mm."""
        axes = self.figure.add_axes((0, 0, 1, 1), zorder=zorder)
        axes.set_xlim(0, self.paper.width_mm)
        axes.set_ylim(self.paper.height_mm, 0)
        axes.axis("off")
        return axes

    def frame(self, box: Box, zorder: float = 1) -> Any:
        """An axes in a box, without ticks, for a map."""
        width, height = self.paper.width_mm, self.paper.height_mm
        axes = self.figure.add_axes(
            (box.left / width, 1 - box.bottom / height, box.width / width, box.height / height), zorder=zorder
        )
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def font(self, size: float, weight: Weight = "normal", text: object = "") -> FontProperties:
        """The sheet's type in a size (points), with the rarer fonts that the text needs."""
        return FontProperties(family=list(families(text)), size=size, weight=weight)

    def text(
        self,
        x_mm: float,
        y_mm: float,
        text: object,
        size: float,
        *,
        weight: Weight = "normal",
        colour: str = INK,
        align: Align = "left",
        rotation: float = 0.0,
        middle: bool = False,
        halo: float = 0.0,
    ) -> Any:
        """Set one line with its baseline (or, with `middle`, its middle) at y."""
        artist = self.axes.text(
            x_mm,
            y_mm,
            drawable(text),
            fontproperties=self.font(size, weight, text),
            color=colour,
            ha=align,
            va="center" if middle or rotation else "baseline",
            rotation=rotation,
            rotation_mode="anchor" if not rotation else "default",
            parse_math=False,
        )
        artist.set_path_effects(text_effects(str(text), weight, size, colour, halo))
        return artist

    def width_mm(self, text: object, size: float, weight: Weight = "normal") -> float:
        """Width of one line, as a PDF sets it: measured large, since hinting narrows small type."""
        renderer = self._canvas.get_renderer()
        width_px, _, _ = renderer.get_text_width_height_descent(
            drawable(text), self.font(_MEASURED * size, weight, text), ismath=False
        )
        return float(width_px) / _MEASURED / DPI * MM_PER_INCH

    def wrapped(
        self, text: object, size: float, width_mm: float, *, most: int = 99, weight: Weight = "normal"
    ) -> list[str]:
        """Lines no wider than `width_mm`: broken at blanks, between Chinese characters, or where nothing
        else helps. Beyond `most` lines an ellipsis stands for the rest."""
        lines, line = [], ""
        for piece in _pieces(drawable(text)):
            if self.width_mm((line + piece).rstrip(), size, weight) <= width_mm:
                line += piece
                continue
            if line.strip():
                lines.append(line.rstrip())
            line = piece.lstrip()
            while self.width_mm(line, size, weight) > width_mm and len(line) > 1:
                cut = next(
                    n for n in range(len(line) - 1, 0, -1)
                    if n == 1 or self.width_mm(line[:n], size, weight) <= width_mm
                )  # fmt: skip
                lines.append(line[:cut])
                line = line[cut:]
        if line.strip():
            lines.append(line.rstrip())
        if len(lines) > most:
            lines = [
                *lines[: most - 1],
                self.shortened(lines[most - 1].rstrip(" ,;") + "…", size, width_mm, weight),
            ]
        return lines

    def balanced(self, text: object, size: float, width_mm: float, weight: Weight = "normal") -> list[str]:
        """Like `wrapped`, with lines of about the same length."""
        best = self.wrapped(text, size, width_mm, weight=weight)
        for share in (0.9, 0.8, 0.7, 0.6, 0.5):
            narrower = self.wrapped(text, size, share * width_mm, weight=weight)
            if len(narrower) > len(best):
                break
            best = narrower
        return best

    def shortened(self, text: object, size: float, width_mm: float, weight: Weight = "normal") -> str:
        """The text, cut with an ellipsis when it is wider than `width_mm`."""
        whole = drawable(text)
        if self.width_mm(whole, size, weight) <= width_mm:
            return whole
        for length in range(len(whole) - 1, 0, -1):
            cut = whole[:length].rstrip() + "…"
            if self.width_mm(cut, size, weight) <= width_mm:
                return cut
        return "…"

    def shrunk(self, text: object, size: float, width_mm: float, weight: Weight = "normal") -> float:
        """The size (at most `size`, at least half of it) at which the text is no wider than `width_mm`."""
        wide = self.width_mm(text, size, weight)
        return size if wide <= width_mm else max(size * width_mm / wide, 0.5 * size)

    def rule(self, x0: float, x1: float, y: float, *, colour: str = RULE, width_pt: float = 0.6) -> None:
        """A horizontal line."""
        line = Line2D([x0, x1], [y, y], color=colour, linewidth=width_pt, solid_capstyle="butt")
        self.axes.add_line(line)

    def box(
        self,
        box: Box,
        *,
        fill: str | Sequence[float] = "none",
        edge: str = "none",
        width_pt: float = 0.6,
        round_mm: float = 0.0,
        hatch: str | None = None,
        alpha: float | None = None,
    ) -> None:
        """A rectangle, on request with round corners."""
        style: dict[str, Any] = {
            "facecolor": fill,
            "edgecolor": edge,
            "linewidth": width_pt,
            "hatch": hatch,
            "alpha": alpha,
        }
        corner = (box.left, box.top)
        patch: Any
        if round_mm:
            patch = FancyBboxPatch(
                (box.left + round_mm, box.top + round_mm),
                box.width - 2 * round_mm,
                box.height - 2 * round_mm,
                boxstyle=f"round,pad={round_mm},rounding_size={round_mm}",
                **style,
            )
        else:
            patch = Rectangle(corner, box.width, box.height, **style)
        self.axes.add_patch(patch)


def text_effects(text: str, weight: Weight, size: float, colour: str, halo: float = 0.0) -> list[Any]:
    """A white halo of `halo` points, and for bold Chinese, whose font has one weight, a thin outline."""
    effects: list[Any] = [withStroke(linewidth=2 * halo, foreground="white")] if halo else []
    if weight == "bold" and any(unicodedata.east_asian_width(c) in "WF" for c in text):
        effects.append(withStroke(linewidth=size / 28, foreground=colour))
    return [*effects, Normal()] if effects else []


def _pieces(line: str) -> list[str]:
    """A line cut where it may be broken: after blanks and slashes, and beside Chinese characters (but not
    before their closing punctuation)."""
    pieces, current = [], ""
    for char in line:
        wide = unicodedata.east_asian_width(char) in "WF"
        if current and wide and char not in "，。；：、）》”":
            pieces.append(current)
            current = ""
        current += char
        if char in " /" or (wide and char not in "（《“"):
            pieces.append(current)
            current = ""
    return [*pieces, current] if current else pieces
