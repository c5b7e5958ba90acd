"""A suggested grade for each building footprint, from what nadir imagery can see.

The picture shows water at the wall, a changed or missing roof and debris; it does not show water damage
indoors. So the grade says what is seen of the structure, in Copernicus EMS wording, for an analyst to
confirm; water at the wall, now or by its trace, is told beside it; and a building that was not seen is "Not
Analysed", never "No visible damage".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely import Geometry, STRtree

from imagery.damage.features import View
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
    VEGETATION,
    WATER,
    shows_ground,
)
from imagery.damage.rasters import Layers
from imagery.damage.roofs import REACH_M, RoofChange, compare_roof, moved
from imagery.damage.scene import GeoGrid, grown

NEAR_M, RING_M = 1.0, 3.0
"""Between these distances from a wall water, mud and debris count: nearer lie eaves, plinth and shadow."""
GIVEN, SEGMENTED = "given", "segmented"
"""Where a footprint came from: a file of somebody's, or the class building of this map."""

_SEEN, _SEEN_WHOLE = 0.5, 0.8
"""Less than the first of a roof says nothing; less than the second does not say that nothing is wrong."""
_AT_WALL = 0.15
_EAVES_M = 0.4
_LEAST_CELLS = 6
_GONE, _HURT, _HOLE_M2 = 0.6, 0.2, 1.0
_HEAPED = 0.35

Pictures = Callable[[Window], tuple[View, View | None]]


@dataclass(frozen=True)
class Evidence:
    """What was measured on one footprint: shares 0..1 of the seen cells, None where it was not measured."""

    seen_share: float
    """Of the footprint: in the picture, not in shadow and not under crowns."""
    roof_share: float
    """Of the footprint: still classed as building."""
    debris_share: float
    """Of the footprint: debris, mud or a landslide."""
    lost_share: float | None
    """Of the footprint: change class "building lost" or "mud or debris laid"."""
    water_ring: float
    mud_ring: float
    depth_m: float | None
    """Mean water depth in the ring."""
    debris_ring: float = 0.0
    roof: RoofChange | None = None
    """The roof beside that of the before-ortho."""

    @property
    def recognised(self) -> bool:
        """Whether the roof is there as it was, by the before-ortho."""
        return self.roof is not None and self.roof.recognised

    @property
    def hurt_share(self) -> float:
        """Of the roof: no longer what it was. By the before-ortho where the roof is known again."""
        if self.roof is not None and self.roof.recognised:
            return self.roof.changed_share
        return max(self.debris_share, (self.lost_share or 0.0) - 0.5)

    @property
    def hole_m2(self) -> float:
        """The largest patch of a known roof that is not what it was."""
        return self.roof.largest_m2 if self.roof is not None and self.roof.recognised else 0.0


@dataclass(frozen=True)
class GradedBuilding:
    """One footprint with its suggested grade."""

    fid: int
    identifier: str
    footprint: Geometry
    grade: str
    confidence: float
    flooded: bool
    """Water stands at its walls."""
    evidence: Evidence
    flood_trace: bool = False
    """Mud at its walls, and no water: it stood in water before."""
    origin: str = GIVEN
    reason: str = ""
    """What the grade rests on, in words."""


def grade_buildings(
    footprints: tuple[Geometry, ...],
    identifiers: tuple[str, ...],
    fids: tuple[int, ...],
    grid: GeoGrid,
    layers: Layers,
    pictures: Pictures | None = None,
    *,
    origin: str = GIVEN,
) -> tuple[GradedBuilding, ...]:
    """Grade each footprint (in the grid's CRS) by the rasters of `layers`, and its roof by the two
    `pictures` where there is a before-ortho."""
    tree = STRtree(footprints)
    graded = []
    for index, footprint in enumerate(footprints):
        near = [footprints[i] for i in tree.query(footprint.buffer(RING_M)) if i != index]
        evidence = measure(footprint, near, grid, layers, pictures)
        grade, confidence, reason = suggest(evidence)
        seen = grade != GRADE_NOT_ANALYSED
        flooded = seen and evidence.water_ring >= _AT_WALL
        graded.append(
            GradedBuilding(
                fids[index],
                identifiers[index],
                footprint,
                grade,
                confidence,
                flooded,
                evidence,
                seen and not flooded and evidence.mud_ring >= _AT_WALL,
                origin,
                reason,
            )
        )
    return tuple(graded)


def measure(
    footprint: Geometry,
    neighbours: list[Geometry],
    grid: GeoGrid,
    layers: Layers,
    pictures: Pictures | None = None,
) -> Evidence:
    """Shares of classes and change on the footprint and in the ring around it.

    A roof that leans in the mosaic is measured where it is seen (`roofs.compare_roof`).
    """
    window = grid.window_of(footprint, max(RING_M, REACH_M) + 1.0)
    if window is None:
        return _UNSEEN
    inside = _burn([footprint.buffer(-_EAVES_M)], grid, window)
    if inside.sum() < _LEAST_CELLS:
        inside = _burn([footprint], grid, window)
    whole = max(float(inside.sum()), footprint.buffer(-_EAVES_M).area / grid.cell_m2)
    roof = _compare(inside, grid, window, pictures)
    around = _burn([footprint.buffer(RING_M).difference(footprint.buffer(NEAR_M))], grid, window)
    if neighbours:
        around &= ~_burn([n.buffer(0.3) for n in neighbours], grid, window)
    if roof is not None and roof.recognised:
        inside = moved(inside, roof.shift_px)
        around &= ~moved(_burn([footprint.buffer(0.3)], grid, window), roof.shift_px)
    classes = layers.classes(window)
    seen = shows_ground(classes)
    bare_roof = inside & seen & (classes != VEGETATION)
    # The part of the footprint beyond the grid was not seen either.
    seen_share = float(bare_roof.sum()) / whole if whole else 0.0
    if roof is not None and roof.recognised:
        seen_share = max(seen_share, roof.compared_share * float((inside & seen).sum()) / max(whole, 1.0))
    on_roof, at_wall = classes[inside & seen], classes[around & seen]
    change = layers.change(window)
    lost = None if change is None else _lost_share(change[inside & (change > 0)])
    depth = layers.depth(window)
    wet = None if depth is None else depth[around & np.isfinite(depth)]
    return Evidence(
        seen_share=min(seen_share, 1.0),
        roof_share=_share(on_roof, BUILDING),
        debris_share=_share(on_roof, DEBRIS, MUD, LANDSLIDE),
        lost_share=lost,
        water_ring=_share(at_wall, WATER),
        mud_ring=_share(at_wall, MUD, DEBRIS, LANDSLIDE),
        depth_m=float(wet.mean()) if wet is not None and wet.size else None,
        debris_ring=_share(at_wall, DEBRIS, LANDSLIDE),
        roof=roof,
    )


_UNSEEN = Evidence(0.0, 0.0, 0.0, None, 0.0, 0.0, None)


def _compare(
    inside: npt.NDArray[np.bool_], grid: GeoGrid, window: Window, pictures: Pictures | None
) -> RoofChange | None:
    if pictures is None:
        return None
    halo = round(REACH_M / grid.pixel_m) + 1
    after, before = pictures(grown(window, halo))
    if before is None:
        return None
    return compare_roof(after, before, np.pad(inside, halo), grid.pixel_m)


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


def suggest(evidence: Evidence) -> tuple[str, float, str]:
    """(grade, confidence 0..1, reason) by rules an analyst can follow.

    Destroyed: hardly any roof left, and debris or a lost building in its place. Damaged: a good part of the
    roof is not what it was. Possibly damaged: a hole in the roof, debris against the walls, or a roof that
    reads oddly. Water alone is no grade. Confidence grows with the distance to the nearest rule's limit, and
    is lower without a before-ortho.
    """
    if evidence.seen_share < _SEEN:
        return GRADE_NOT_ANALYSED, 0.0, "not seen"
    gone = 1.0 - evidence.roof_share
    in_its_place = max(evidence.debris_share, (evidence.lost_share or 0.0) - 0.35)
    if not evidence.recognised and gone > _GONE and in_its_place > _GONE:
        return GRADE_DESTROYED, _surely(min(gone, in_its_place), _GONE), "no roof left"
    if evidence.hurt_share > _HURT:
        return GRADE_DAMAGED, _surely(evidence.hurt_share, _HURT), "part of the roof gone or covered"
    if evidence.hole_m2 >= _HOLE_M2:
        return GRADE_POSSIBLE, _surely(evidence.hole_m2 / (4 * _HOLE_M2), 0.25), "holes in the roof"
    if evidence.debris_ring > _HEAPED:
        return GRADE_POSSIBLE, _surely(evidence.debris_ring, _HEAPED), "debris against the walls"
    if not evidence.recognised and gone > 0.5:
        return GRADE_POSSIBLE, 0.3, "the roof reads oddly"
    if evidence.seen_share < _SEEN_WHOLE:
        return GRADE_NOT_ANALYSED, 0.0, "seen in part only, and nothing wrong there"
    worst = max(evidence.hurt_share / _HURT, evidence.hole_m2 / _HOLE_M2, evidence.debris_ring / _HEAPED)
    sure = _surely(1.0 - min(worst, 1.0), 0.0)
    return GRADE_NONE, sure if evidence.recognised else min(sure, 0.6), "roof whole"


def _surely(value: float, limit: float) -> float:
    return round(float(np.clip(0.5 + 0.5 * (value - limit) / (1.0 - limit), 0.0, 1.0)), 2)
