"""The pictures of the quality report, each as the bytes of a PNG. Their words are in captions beside them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pyproj import Transformer

from imagery.account import Account
from imagery.marks import PointFit
from imagery.report.advice import lanes

_VIEW_STEPS = (0, 1, 2, 3, 5, 8, 12, 20)
_VIEW_COLOURS = ("#ffffff", "#a50026", "#e8604c", "#fdc086", "#d9ef8b", "#91cf60", "#1a9850", "#006837")
_DPI = 110
_LOG_FROM = 12
"""Where one photo is so many times worse than usual, the others would not be seen."""
_INK, _CHECK, _GRID = "#1c2733", "#1f5fbf", "#c9d1da"


def overlap_picture(account: Account) -> bytes:
    """Views per place, with the photos and the numbers of their lanes."""
    figure, axes = _map_axes(account)
    norm = BoundaryNorm([*_VIEW_STEPS, 1000], len(_VIEW_COLOURS))
    views = np.where(account.views < 0.5, 0, np.maximum(account.views, 1))
    shown = axes.imshow(views, cmap=ListedColormap(_VIEW_COLOURS), norm=norm, extent=_extent(account))
    bar = figure.colorbar(shown, ax=axes, ticks=_VIEW_STEPS, shrink=0.8, pad=0.02)
    bar.set_label("photos")
    _draw_photos(axes, account)
    return _png(figure)


def accuracy_picture(account: Account, control: tuple[PointFit, ...], epsg: int) -> bytes | None:
    """By how much places may be off beside each other, centimetres, with what is off at surveyed points; None
    for a draft."""
    if account.small_accuracy is None:
        return None
    figure, axes = _map_axes(account)
    error_cm = account.shape(account.small_accuracy) * 100
    known = error_cm[np.isfinite(error_cm)]
    top = float(np.percentile(known, 98)) if len(known) else 1.0
    shown = axes.imshow(error_cm, cmap="viridis_r", extent=_extent(account), vmin=0, vmax=max(top, 0.1))
    figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02, extend="max").set_label("cm")
    _draw_control(axes, account, control, epsg)
    return _png(figure)


def residual_picture(account: Account) -> bytes | None:
    """Mean residuals over the photo's area, and how large residuals are; None without tie points."""
    if not len(account.residuals):
        return None
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    field, sizes = figure.subplots(1, 2, width_ratios=(1.35, 1))
    x, y, dx, dy = account.residuals.T
    column, row = (np.clip(((v + 1) / 2 * n).astype(int), 0, n - 1) for v, n in ((x, 12), (y, 9)))
    cell = row * 12 + column
    count = np.bincount(cell, minlength=108)
    mean = (
        np.stack([np.bincount(cell, d, minlength=108) for d in (dx, dy)], 1) / np.maximum(count, 1)[:, None]
    )
    seen = count >= 5
    at = np.stack([np.arange(108) % 12 + 0.5, np.arange(108) // 12 + 0.5], 1)[seen]
    longest = float(np.hypot(*mean[seen].T).max()) if seen.any() else 1.0
    scale = max(longest, 1e-6) / 0.9
    field.quiver(*at.T, *mean[seen].T, color=_INK, angles="xy", scale_units="xy", scale=scale, width=0.004)
    field.set_title(f"longest arrow {longest:.2f} px", fontsize=8, loc="right")
    field.set(xlim=(0, 12), ylim=(9, 0), xticks=[], yticks=[], aspect="equal")
    length = np.hypot(dx, dy)
    sizes.hist(length, bins=np.linspace(0, max(float(np.percentile(length, 99)), 0.1), 40), color=_CHECK)
    sizes.set(xlabel="px", yticks=[])
    sizes.axvline(float(np.sqrt((length**2).mean())), color="#a50026", lw=1.5)
    _plain(sizes)
    return _png(figure)


def photo_picture(account: Account) -> bytes:
    """Tie points, residual, blur and error of shape of each photo, lanes as bands."""
    shares = account.shares
    rows: list[tuple[str, list[Any]]] = [
        ("tie points", [s.tie_points for s in shares]),
        ("residual px", [s.residual_px for s in shares]),
        ("blur px", [s.blur_px for s in shares]),
        ("shape m", [None if s.error_m is None else float(account.shape(s.error_m)) for s in shares]),
    ]
    rows = [(name, values) for name, values in rows if any(v is not None for v in values)]
    figure = Figure(figsize=(9.2, 1.25 * len(rows) + 0.5), layout="constrained")
    at = np.arange(1, len(shares) + 1)
    for axes, (name, values) in zip(
        np.atleast_1d(figure.subplots(len(rows), 1, sharex=True)), rows, strict=True
    ):
        axes.bar(at, [0.0 if v is None else v for v in values], width=0.9, color=_CHECK)
        for number, photos in lanes(shares):
            where = [i for i, s in enumerate(shares, 1) if s.lane == number]
            if number % 2:
                axes.axvspan(min(where) - 0.5, max(where) + 0.5, color=_GRID, alpha=0.45, zorder=0, lw=0)
            if axes is figure.axes[0] and len(photos):
                axes.text(float(np.mean(where)), 1.02, str(number), transform=axes.get_xaxis_transform(),
                          ha="center", va="bottom", fontsize=7, color=_INK)  # fmt: skip
        known = [v for v in values if v]
        if known and max(known) > _LOG_FROM * float(np.median(known)):
            axes.set_yscale("log")
        axes.set_ylabel(name, fontsize=8)
        axes.set_xlim(0.4, len(shares) + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=7)
        _plain(axes)
    return _png(figure)


def _map_axes(account: Account) -> tuple[Figure, Any]:
    rows, cols = account.views.shape
    wide = 8.2
    figure = Figure(figsize=(wide, float(np.clip(wide * 0.82 * rows / cols, 2.5, 11))), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="m", ylabel="m", aspect="equal")
    axes.tick_params(labelsize=7)
    _plain(axes)
    return figure, axes


def _extent(account: Account) -> tuple[float, float, float, float]:
    """Metres from the lower left corner."""
    rows, cols = account.views.shape
    return 0.0, cols * account.small_m, 0.0, rows * account.small_m


def _on_map(account: Account, east: Any, north: Any) -> tuple[Any, Any]:
    south = account.north - account.views.shape[0] * account.small_m
    return np.asarray(east) - account.west, np.asarray(north) - south


def _draw_photos(axes: Any, account: Account) -> None:
    for marker, size, chosen in (("o", 9, True), ("x", 42, False)):
        mine = [s for s in account.shares if s.tied is chosen]
        if mine:
            x, y = _on_map(account, [s.east_m for s in mine], [s.north_m for s in mine])
            axes.scatter(x, y, s=size, marker=marker, color=_INK, linewidths=1.2, zorder=3)
    for number, photos in lanes(account.shares):
        x, y = _on_map(account, [s.east_m for s in photos], [s.north_m for s in photos])
        axes.plot(x, y, color=_INK, lw=0.6, alpha=0.6, zorder=2)
        axes.annotate(
            str(number),
            (x[0], y[0]),
            textcoords="offset points",
            xytext=(-4, 5),
            fontsize=9,
            color=_INK,
            weight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "w", "ec": "none"},
        )


def _draw_control(axes: Any, account: Account, control: tuple[PointFit, ...], epsg: int) -> None:
    seen = [p for p in control if p.off_m is not None]
    if not seen:
        return
    to_map = Transformer.from_crs(4326, epsg, always_xy=True)
    x, y = _on_map(account, *to_map.transform([p.lon_deg for p in seen], [p.lat_deg for p in seen]))
    off = np.array([p.off_m[:2] for p in seen if p.off_m is not None])
    believed = off[[p.believed for p in seen]]
    longest = float(np.hypot(*believed.T).max()) if len(believed) else 1.0
    scale = longest / (0.08 * account.views.shape[1] * account.small_m)
    colours = [_CHECK if p.check else ("k" if p.believed else "#a50026") for p in seen]
    axes.scatter(x, y, marker="^", s=30, c=colours, zorder=4)
    axes.quiver(
        x,
        y,
        *off.T,
        color=colours,
        angles="xy",
        scale_units="xy",
        scale=max(scale, 1e-9),
        width=0.004,
        zorder=5,
    )
    axes.set_title(f"longest arrow {100 * longest:.1f} cm", fontsize=8, loc="right")
    for px, py, point in zip(x, y, seen, strict=True):
        axes.annotate(point.name, (px, py), textcoords="offset points", xytext=(4, 4), fontsize=7, color=_INK)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(sink, format="png", dpi=_DPI, metadata={"Software": None})
    return sink.getvalue()
