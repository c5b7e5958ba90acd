"""A suggested grade for each building footprint, from what nadir imagery can see.

The picture shows water at the wall, a changed or missing roof and debris; it does not show water damage
indoors. So the grade is a suggestion in Copernicus EMS wording for an analyst to confirm, and a building that
was not seen is "Not Analysed", never "No visible damage".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely import Geometry, STRtree

from imagery.damage.legend import (
    BUILDING,
    BUILDING_LOST,
    DEBRIS,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NONE,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
    LANDSLIDE,
    MUD,
    MUD_OR_DEBRIS_LAID,
    WATER,
    shows_ground,
)
from imagery.damage.rasters import Layers
from imagery.damage.scene import GeoGrid

RING_M = 3.0
"""Width of the ring around a wall in which water and mud count."""
_SEEN = 0.5
_EAVES_M = 0.4
_LEAST_CELLS = 6


@dataclass(frozen=True)
class Evidence:
    """What was measured on one footprint: shares 0..1 of the seen cells, None where it was not measured."""

    seen_share: float
    roof_share: float
    """Of the footprint: still classed as building."""
    debris_share: float
    """Of the footprint: debris, mud or a landslide."""
    lost_share: float | None
    """Of the footprint: change class "building lost" or strong other change."""
    water_ring: float
    mud_ring: float
    depth_m: float | None
    """Mean water depth in the ring."""


@dataclass(frozen=True)
class GradedBuilding:
    """One footprint with its suggested grade."""

    fid: int
    identifier: str
    footprint: Geometry
    grade: str
    confidence: float
    flooded: bool
    evidence: Evidence


def grade_buildings(
    footprints: tuple[Geometry, ...],
    identifiers: tuple[str, ...],
    fids: tuple[int, ...],
    grid: GeoGrid,
    layers: Layers,
) -> tuple[GradedBuilding, ...]:
    """Grade each footprint (in the grid's CRS) by the rasters of `layers`."""
    tree = STRtree(footprints)
    graded = []
    for index, footprint in enumerate(footprints):
        near = [footprints[i] for i in tree.query(footprint.buffer(RING_M)) if i != index]
        evidence = measure(footprint, near, grid, layers)
        grade, confidence = suggest_grade(evidence)
        flooded = grade != GRADE_NOT_ANALYSED and evidence.water_ring >= 0.25
        graded.append(
            GradedBuilding(fids[index], identifiers[index], footprint, grade, confidence, flooded, evidence)
        )
    return tuple(graded)


def measure(footprint: Geometry, neighbours: list[Geometry], grid: GeoGrid, layers: Layers) -> Evidence:
    """Shares of classes and change on the footprint and in the ring around it."""
    window = grid.window_of(footprint, RING_M + 1.0)
    if window is None:
        return _UNSEEN
    inside = _burn([footprint.buffer(-_EAVES_M)], grid, window)
    if inside.sum() < _LEAST_CELLS:
        inside = _burn([footprint], grid, window)
    ring = _burn([footprint.buffer(RING_M).difference(footprint.buffer(0.3))], grid, window)
    if neighbours:
        ring &= ~_burn([n.buffer(0.3) for n in neighbours], grid, window)
    classes = layers.classes(window)
    seen = shows_ground(classes)
    # The part of the footprint beyond the grid was not seen either.
    whole = max(float(inside.sum()), footprint.buffer(-_EAVES_M).area / grid.cell_m2)
    seen_share = float((inside & seen).sum()) / whole if whole else 0.0
    roof, around = classes[inside & seen], classes[ring & seen]
    change = layers.change(window)
    lost = None if change is None else _lost_share(change[inside & (change > 0)])
    depth = layers.depth(window)
    wet = None if depth is None else depth[ring & np.isfinite(depth)]
    return Evidence(
        seen_share=min(seen_share, 1.0),
        roof_share=_share(roof, BUILDING),
        debris_share=_share(roof, DEBRIS, MUD, LANDSLIDE),
        lost_share=lost,
        water_ring=_share(around, WATER),
        mud_ring=_share(around, MUD, DEBRIS, LANDSLIDE),
        depth_m=float(wet.mean()) if wet is not None and wet.size else None,
    )


_UNSEEN = Evidence(0.0, 0.0, 0.0, None, 0.0, 0.0, None)


def _burn(shapes: list[Geometry], grid: GeoGrid, window: Window) -> npt.NDArray[np.bool_]:
    shapes = [shape for shape in shapes if not shape.is_empty]
    size = (int(window.height), int(window.width))
    if not shapes:
        return np.zeros(size, bool)
    burnt = rasterize(shapes, out_shape=size, transform=grid.window_transform(window), dtype="uint8")
    return np.asarray(burnt > 0)


def _share(cells: npt.NDArray[np.uint8], *codes: int) -> float:
    return float(np.isin(cells, codes).mean()) if cells.size else 0.0


def _lost_share(change: npt.NDArray[np.uint8]) -> float | None:
    """None where the before-ortho shows nothing of the roof."""
    if change.size == 0:
        return None
    return float(np.isin(change, (BUILDING_LOST, MUD_OR_DEBRIS_LAID)).mean())


def suggest_grade(evidence: Evidence) -> tuple[str, float]:
    """(grade, confidence 0..1) by rules an analyst can follow.

    Destroyed: hardly any roof left. Damaged: debris on, or change of, a good part of the roof. Possibly
    damaged: water or mud at the walls, or a roof that reads oddly. Confidence grows with the distance to the
    nearest rule's limit.
    """
    if evidence.seen_share < _SEEN:
        return GRADE_NOT_ANALYSED, 0.0
    gone, lost = 1.0 - evidence.roof_share, evidence.lost_share or 0.0
    if gone > 0.6 and max(evidence.debris_share, lost - 0.35) > 0.6:
        return GRADE_DESTROYED, _surely(gone, 0.6)
    hurt = max(evidence.debris_share, lost - 0.5)
    if hurt > 0.2:
        return GRADE_DAMAGED, _surely(hurt, 0.2)
    touched = max(evidence.water_ring, evidence.mud_ring)
    if touched > 0.25:
        return GRADE_POSSIBLE, _surely(touched, 0.25)
    if evidence.lost_share is None and gone > 0.5:
        return GRADE_POSSIBLE, 0.3
    return GRADE_NONE, _surely(1.0 - max(touched / 0.25, hurt / 0.2), 0.0)


def _surely(value: float, limit: float) -> float:
    return round(float(np.clip(0.5 + 0.5 * (value - limit) / (1.0 - limit), 0.0, 1.0)), 2)
