"""Villages, and whether the roads still reach them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from rasterio.enums import Resampling
from rasterio.features import shapes
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from shapely import Geometry, Point, STRtree

from imagery.damage.buildings import GradedBuilding
from imagery.damage.legend import ACCESS_UNKNOWN, CUT_OFF, REACHABLE
from imagery.damage.road_network import RoadNetwork
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_in import VectorLayer

_CLUSTER_M = 60.0
_SMALLEST_CLUSTER = 3
_COARSE_M = 4.0
_NAMES = ("name_zh", "village", "name", "name_en", "村", "村名", "名称")


@dataclass(frozen=True)
class PlaceAccess:
    """One village: its houses by whether a road still reaches them."""

    name: str
    place: Point
    state: str
    """REACHABLE, CUT_OFF or ACCESS_UNKNOWN: what at least half of its houses are."""
    buildings: int
    reachable: int
    cut_off: int
    unknown: int

    def report(self) -> dict[str, object]:
        """Plain values for report.json."""
        return {
            "name": self.name,
            "state": self.state,
            "buildings": self.buildings,
            "reachable": self.reachable,
            "cut_off": self.cut_off,
            "unknown": self.unknown,
        }


def outside_of(not_analysed: Path, grid: GeoGrid, no_imagery: int) -> Geometry:
    """The ground beyond the map: what has no imagery and is joined to the raster's border, and all around
    the raster. A hole in the mosaic is not outside."""
    step = max(1, round(_COARSE_M / grid.pixel_m))
    size = (-(-grid.height // step), -(-grid.width // step))
    with rasterio.open(not_analysed) as source:
        codes = source.read(1, out_shape=size, resampling=Resampling.nearest)
        transform = grid.transform * Affine.scale(grid.width / size[1], grid.height / size[0])
    empty = np.pad(codes == no_imagery, 1, constant_values=True)
    labels, _ = ndimage.label(empty)
    beyond = (labels == labels[0, 0])[1:-1, 1:-1].astype(np.uint8)
    parts = [shapely.geometry.shape(g) for g, v in shapes(beyond, transform=transform) if v]
    frame = grid.outline.buffer(1000.0, join_style="mitre").difference(grid.outline)
    return shapely.union_all([frame, *parts])


def villages(
    given: VectorLayer | None, footprints: VectorLayer | None, buildings: Sequence[GradedBuilding]
) -> list[tuple[str, list[Geometry]]]:
    """Names of villages and where their houses stand: by the areas or points that were given, else by the
    footprints' own attribute, else houses that stand close together."""
    houses = [b.footprint.representative_point() for b in buildings]
    if given is not None:
        return _given(given, houses)
    names = footprints.field(_NAMES[:2]) if footprints is not None else None
    if names is not None and len(names) == len(houses):
        groups: dict[str, list[Geometry]] = {}
        for name, house in zip(names, houses, strict=True):
            groups.setdefault(str(name).strip() if name is not None else "", []).append(house)
        return [(name, group) for name, group in groups.items() if name]
    return _clusters(houses)


def _given(layer: VectorLayer, houses: list[Geometry]) -> list[tuple[str, list[Geometry]]]:
    names = layer.field(_NAMES)
    tree = STRtree(houses)
    found = []
    for index, area in enumerate(layer.geometries):
        name = str(names[index]) if names is not None and names[index] is not None else f"{index + 1}"
        inside = [houses[i] for i in tree.query(area, predicate="contains")] if area.area > 0 else []
        found.append((name, inside or [area.representative_point()]))
    return found


def _clusters(houses: list[Geometry]) -> list[tuple[str, list[Geometry]]]:
    """Houses joined over gaps of `_CLUSTER_M`, three at least; named by number, largest first."""
    if not houses:
        return []
    pairs = STRtree(houses).query(houses, predicate="dwithin", distance=_CLUSTER_M)
    label = _labels(len(houses), pairs)
    groups = [[h for h, own in zip(houses, label, strict=True) if own == n] for n in np.unique(label)]
    large = sorted((g for g in groups if len(g) >= _SMALLEST_CLUSTER), key=len, reverse=True)
    return [(f"#{number}", group) for number, group in enumerate(large, start=1)]


def _labels(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    links = coo_matrix((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int32)


def access_of(
    places: Sequence[tuple[str, Sequence[Geometry]]], network: RoadNetwork
) -> tuple[PlaceAccess, ...]:
    """For each village whether the roads reach it; one without a road near is unknown."""
    found = []
    for name, houses in places:
        answers = [network.access(house) for house in houses]
        counts = {state: answers.count(state) for state in (REACHABLE, CUT_OFF)}
        unknown = len(answers) - sum(counts.values())
        by_road = len(answers) - answers.count(None)
        state = ACCESS_UNKNOWN
        if by_road and 2 * counts[REACHABLE] >= by_road:
            state = REACHABLE
        elif by_road and 2 * counts[CUT_OFF] > by_road:
            state = CUT_OFF
        middle = shapely.MultiPoint([h.coords[0] for h in houses]).centroid
        found.append(
            PlaceAccess(name, middle, state, len(houses), counts[REACHABLE], counts[CUT_OFF], unknown)
        )
    return tuple(found)
