"""The map sheet."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import blended, fitted, overlay, photo, softened
from imagery.deliver.words import NOTICE, WORDS
from imagery.raster_io import whole_file

PAPERS = {"a4": (297.0, 210.0), "a3": (420.0, 297.0)}


def export_sheet(
    folder: DamageFolder, out_dir: Path, kind: str, *, lang: str = "en", paper: str = "a3", title: str = ""
) -> list[Path]:
    """map_sheet.pdf or map_sheet.png."""
    grid = fitted(folder.grid, 6_000_000)
    width_mm, height_mm = PAPERS[paper]
    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.05, 0.08, 0.9, 0.82))
    west, south, east, north = grid.bounds
    axes.imshow(
        blended(softened(photo(folder, grid)), overlay(folder, grid)), extent=(west, east, south, north)
    )
    figure.text(0.05, 0.93, title or WORDS["en"]["title"], size=22)
    figure.text(0.05, 0.03, NOTICE["en"], size=9)
    del lang
    target = out_dir / f"map_sheet.{kind}"
    with whole_file(target) as part:
        figure.savefig(part, format=kind, dpi=200)
    return [target]
