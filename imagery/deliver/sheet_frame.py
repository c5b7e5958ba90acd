"""What surrounds the map: the frame with its grid and coordinates, scale bar, north arrow, locator."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patches import Polygon
from shapely import box

from imagery.deliver.folder import Features
from imagery.deliver.sheet_objects import BOUNDARY
from imagery.deliver.sheet_page import ACCENT, INK, PALE, RULE, SOFT, Box, Page
from imagery.deliver.sheet_view import View, outline

_GRID_MM: Final = 45.0
_DEGREE_STEPS_S: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600,
)  # fmt: skip
"""Seconds of arc between ticks."""
_CROSS_MM: Final = 1.6
_TICK_MM: Final = 1.3


def draw_frame(page: Page, frame: Box, view: View) -> None:
    """Neat line, metric grid (crosses inside, figures left and below), degrees above and to the right."""
    page.box(frame, edge=INK, width_pt=0.9)
    step = grid_step_m(view)
    west, south, east, north = view.grid.bounds
    xs, ys = _multiples(west, east, step), _multiples(south, north, step)
    _crosses(page, frame, view, xs, ys)
    size, gap = page.sizes.tick, page.paper.ticks_mm
    for x in xs:
        at = frame.left + (x - west) / view.metres_per_mm
        _tick(page, at, frame.bottom, 0, 1)
        if _has_room(page, at, frame.left, frame.right, metric(x, "E")):
            page.text(at, frame.bottom + gap * 0.86, metric(x, "E"), size, colour=SOFT, align="center")
    for y in ys:
        at = frame.bottom - (y - south) / view.metres_per_mm
        _tick(page, frame.left, at, -1, 0)
        if _has_room(page, at, frame.top, frame.bottom, metric(y, "N")):
            page.text(
                frame.left - gap * 0.62, at, metric(y, "N"), size, colour=SOFT, align="center", rotation=90
            )
    _degrees(page, frame, view)


def _has_room(page: Page, at: float, first: float, last: float, text: str) -> bool:
    half = page.width_mm(text, page.sizes.tick) / 2 + 0.5
    return first + half <= at <= last - half


def _tick(page: Page, x: float, y: float, dx: int, dy: int) -> None:
    page.axes.plot(
        [x, x + dx * _TICK_MM], [y, y + dy * _TICK_MM], color=INK, linewidth=0.7, solid_capstyle="butt"
    )


def _crosses(
    page: Page, frame: Box, view: View, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]
) -> None:
    west, south, _, _ = view.grid.bounds
    lines = []
    for x in frame.left + (xs - west) / view.metres_per_mm:
        for y in frame.bottom - (ys - south) / view.metres_per_mm:
            lines += [
                [(x - _CROSS_MM, y), (x + _CROSS_MM, y)],
                [(x, y - _CROSS_MM), (x, y + _CROSS_MM)],
            ]
    page.axes.add_collection(LineCollection(lines, colors="white", linewidths=1.5, alpha=0.8))
    page.axes.add_collection(LineCollection(lines, colors=INK, linewidths=0.5))


def _degrees(page: Page, frame: Box, view: View) -> None:
    """Longitudes along the upper edge, latitudes along the right one."""
    west, south, east, north = view.grid.bounds
    to_geo = pyproj.Transformer.from_crs(view.grid.crs, 4326, always_xy=True)
    share = np.linspace(0, 1, 201)
    lon, _ = to_geo.transform(west + share * (east - west), np.full(201, north))
    _, lat = to_geo.transform(np.full(201, east), south + share * (north - south))
    lon, lat = np.asarray(lon), np.asarray(lat)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return
    size, gap = page.sizes.tick, page.paper.ticks_mm
    need_s = 3600 * (lat[-1] - lat[0]) * _GRID_MM / frame.height
    step_s = next((s for s in _DEGREE_STEPS_S if s >= need_s), 3600)
    for value_s in _multiples(lon[0] * 3600, lon[-1] * 3600, step_s):
        at = frame.left + float(np.interp(value_s / 3600, lon, share)) * frame.width
        text = degrees(value_s, step_s, "EW")
        if _has_room(page, at, frame.left, frame.right, text):
            _tick(page, at, frame.top, 0, -1)
            page.text(at, frame.top - gap * 0.48, text, size, colour=SOFT, align="center")
    for value_s in _multiples(lat[0] * 3600, lat[-1] * 3600, step_s):
        at = frame.bottom - float(np.interp(value_s / 3600, lat, share)) * frame.height
        text = degrees(value_s, step_s, "NS")
        if _has_room(page, at, frame.top, frame.bottom, text):
            _tick(page, frame.right, at, 1, 0)
            page.text(frame.right + gap * 0.62, at, text, size, colour=SOFT, align="center", rotation=270)


def grid_step_m(view: View) -> float:
    """Distance of the metric grid's lines."""
    return nice_step(_GRID_MM * view.metres_per_mm)


def nice_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def _multiples(low: float, high: float, step: float) -> npt.NDArray[np.float64]:
    count = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return np.asarray(count * step, np.float64)


def metric(value: float, letter: str) -> str:
    """A grid coordinate in metres, in groups of three: "3 400 050 N"."""
    return f"{value:,.0f}".replace(",", "\u2009") + f"\u2009{letter}"


def degrees(value_s: float, step_s: float, letters: str) -> str:
    """An angle given in seconds of arc, with as many parts as the tick step needs: 117°03′15″E."""
    letter = letters[0] if value_s >= 0 else letters[1]
    tenths = round(abs(value_s) * 10)
    whole, tenth = divmod(tenths, 10)
    minutes, second = divmod(whole, 60)
    degree, minute = divmod(minutes, 60)
    text = f"{degree}°{minute:02d}′"
    if step_s < 1:
        text += f"{second:02d}.{tenth}″"
    elif step_s < 60:
        text += f"{second:02d}″"
    return text + letter


def draw_scale_bar(page: Page, left: float, middle: float, longest_mm: float, view: View) -> float:
    """A four-part bar of a round length; returns its right end in mm."""
    length_m = nice_step(longest_mm * view.metres_per_mm)
    while length_m / view.metres_per_mm > longest_mm:
        length_m = _step_below(length_m)
    parts = 4 if round(length_m / 10 ** math.floor(math.log10(length_m))) != 5 else 5
    width = length_m / view.metres_per_mm
    high = page.sizes.small * 0.17
    for i in range(parts):
        part = Box(left + width * i / parts, middle, left + width * (i + 1) / parts, middle + high)
        page.box(part, fill=INK if i % 2 == 0 else "white", edge=INK, width_pt=0.6)
    unit, factor = (_kilometre(page), 1000.0) if length_m >= 2000 else (_metre(page), 1.0)
    size = page.sizes.small
    for share in (0.0, 0.5, 1.0) if parts == 4 else (0.0, 1.0):
        value = f"{length_m * share / factor:g}"
        page.text(left + width * share, middle - size * 0.13, value, size, align="center")
    after = left + width + page.width_mm(value, size) / 2 + size * 0.1
    page.text(after, middle - size * 0.13, unit, size)
    return after + page.width_mm(unit, size)


def _step_below(length: float) -> float:
    power = 10.0 ** math.floor(math.log10(length))
    return {1: 0.5, 2: 1.0, 5: 2.0}[round(length / power)] * power


def _metre(page: Page) -> str:
    return "米" if page.language == "zh" else "m"


def _kilometre(page: Page) -> str:
    return "公里" if page.language == "zh" else "km"


def draw_north(page: Page, frame: Box, view: View) -> None:
    """An arrow to true north in the map's upper right corner."""
    high = page.sizes.figure * 0.62
    x, y = frame.right - high * 0.85, frame.top + high * 1.3
    turn = math.radians(convergence_deg(view))
    up = np.array([math.sin(-turn), -math.cos(turn)])
    side = np.array([-up[1], up[0]])
    centre = np.array([x, y])
    back = Box(x - high * 0.62, frame.top + high * 0.2, x + high * 0.62, y + high * 0.68)
    page.box(back, fill="white", round_mm=1.0, alpha=0.75)
    tip, tail = centre + up * high * 0.55, centre - up * high * 0.45
    notch = centre - up * high * 0.22
    for sign, colour in ((-1, INK), (1, "white")):
        corner = tail + sign * side * high * 0.3
        page.axes.add_patch(
            Polygon([tip, corner, notch], facecolor=colour, edgecolor=INK, linewidth=0.7, zorder=4)
        )
    letter = "北" if page.language == "zh" else "N"
    top = tip + up * high * 0.24
    page.text(top[0], top[1], letter, page.sizes.head, weight="bold", align="center", middle=True, halo=1.5)


def convergence_deg(view: View) -> float:
    """Angle from grid north to true north at the map's middle, clockwise positive is to the east."""
    west, south, east, north = view.grid.bounds
    to_geo = pyproj.Transformer.from_crs(view.grid.crs, 4326, always_xy=True)
    lon, lat = to_geo.transform((west + east) / 2, (south + north) / 2)
    back = pyproj.Transformer.from_crs(4326, view.grid.crs, always_xy=True)
    x0, y0 = back.transform(lon, lat)
    x1, y1 = back.transform(lon, lat + 0.001)
    angle = math.degrees(math.atan2(x1 - x0, y1 - y0))
    return angle if math.isfinite(angle) else 0.0


def draw_locator(page: Page, spot: Box, towns: Features | None, view: View) -> None:
    """Where the map lies among the townships (or, without them, in a grid of degrees)."""
    page.box(spot, fill=PALE, edge=RULE, width_pt=0.6)
    sheet = box(*view.grid.bounds)
    shapes = list(towns.geometries) if towns is not None else []
    west, south, east, north = shapely.union_all([*shapes, sheet]).bounds
    side = 1.12 * max((east - west) / spot.width, (north - south) / spot.height)
    if not shapes:
        side *= 3.0
    middle_x, middle_y = (west + east) / 2, (south + north) / 2
    axes: Any = page.frame(spot, zorder=6)
    axes.patch.set_visible(False)
    axes.set_xlim(middle_x - side * spot.width / 2, middle_x + side * spot.width / 2)
    axes.set_ylim(middle_y - side * spot.height / 2, middle_y + side * spot.height / 2)
    if shapes:
        axes.add_collection(
            PathCollection(
                [outline(shape) for shape in shapes], facecolors="white", edgecolors=BOUNDARY, linewidths=0.6
            )
        )
    axes.add_collection(
        PathCollection([outline(sheet)], facecolors="#d4262633", edgecolors="#d42626", linewidths=1.1)
    )
    centre_lon, centre_lat = pyproj.Transformer.from_crs(view.grid.crs, 4326, always_xy=True).transform(
        *sheet.centroid.coords[0]
    )
    text = f"{degrees(centre_lat * 3600, 1, 'NS')}  {degrees(centre_lon * 3600, 1, 'EW')}"
    page.text(
        (spot.left + spot.right) / 2, spot.bottom + line_below(page), text, page.sizes.tick,
        colour=ACCENT, align="center",
    )  # fmt: skip


def line_below(page: Page) -> float:
    """Distance of a caption's baseline below its picture, mm."""
    return page.sizes.tick * 0.46
