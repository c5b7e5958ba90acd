"""The map of the sheet, from the photo up to the names."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from affine import Affine
from matplotlib.collections import PathCollection

from imagery.damage.coarse import outlines
from imagery.damage.legend import DEPTHS, WATER
from imagery.damage.scene import GeoGrid
from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import (
    DEPTH_UNKNOWN,
    blended,
    codes,
    depth_codes,
    depth_tints,
    opacity_of,
    photo,
    softened,
    tinted,
)
from imagery.deliver.sheet_objects import (
    draw_boundaries,
    draw_buildings,
    draw_cut_marks,
    draw_names,
    draw_places,
    draw_roads,
)
from imagery.deliver.sheet_page import Box, Page
from imagery.deliver.sheet_view import Shown, Theme, View, map_layer, outline

HATCH_FILL: Final = "#eceeee"
HATCH_INK: Final = "#9aa3ab"

_SMALLEST_HATCH_MM2: Final = 1.5


def draw_map(page: Page, frame: Box, folder: DamageFolder, view: View, theme: Theme = "damage") -> Shown:
    """Draw the map into its frame, from the photo up to the names."""
    axes = page.frame(frame)
    west, south, east, north = view.grid.bounds
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    shown = Shown()
    _picture(axes, folder, view, shown, theme)
    _unseen(axes, folder, view, shown)
    cuts, ways = draw_roads(page, axes, folder, view, shown)
    houses = draw_buildings(page, axes, folder, view, shown, theme)
    towns = map_layer(folder, "townships", view.grid.crs)
    if towns is not None:
        draw_boundaries(page, axes, towns, view, shown)
    draw_cut_marks(page, axes, cuts, shown)
    taken = draw_places(page, axes, folder, view, shown, cuts)
    if towns is not None:
        draw_names(page, axes, towns, view, np.vstack([cuts, houses, ways]), taken)
    return shown


def _picture(axes: Any, folder: DamageFolder, view: View, shown: Shown, theme: Theme) -> None:
    paper = np.full((view.grid.height, view.grid.width, 4), 255, np.uint8)
    picture = blended(paper, softened(photo(folder, view.grid)))
    ground = codes(folder.raster("classes"), view.grid)
    if theme == "depth":
        depths = depth_codes(folder, view.grid)
        picture = blended(picture, depth_tints(depths, ground))
        shown.depths += [e for e in DEPTHS if (depths == e.code).any()]
        shown.depths += [DEPTH_UNKNOWN] if ((depths == 0) & (ground == WATER)).any() else []
    else:
        picture = blended(picture, tinted(ground, folder.legend))
        shown.classes += [e for e in folder.legend.entries if opacity_of(e.code) and (ground == e.code).any()]
    west, south, east, north = view.grid.bounds
    axes.imshow(
        picture[..., :3], extent=(west, east, south, north), interpolation="none", aspect="auto", zorder=0
    )


def _unseen(axes: Any, folder: DamageFolder, view: View, shown: Shown) -> None:
    """Hatch whatever was not analysed, also all around the mosaic: not seen is not unharmed."""
    step = 4
    mask = codes(folder.raster("not_analysed"), view.grid)[::step, ::step] != 0
    transform = view.grid.transform * Affine.scale(step)
    coarse = GeoGrid(view.grid.crs, transform, mask.shape[1], mask.shape[0])
    areas = outlines(mask, coarse, _SMALLEST_HATCH_MM2 * view.metres_per_mm**2)
    if not areas:
        return
    shown.not_analysed = True
    axes.add_collection(
        PathCollection(
            [outline(area) for area in areas],
            facecolors=HATCH_FILL,
            edgecolors=HATCH_INK,
            linewidths=0.5,
            hatch="///",
            zorder=1,
        )
    )
