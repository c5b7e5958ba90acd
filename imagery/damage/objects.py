"""The stage that grades what stands and runs on the ground: buildings, roads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagery.damage.buildings import GradedBuilding, grade_buildings
from imagery.damage.ground_pass import Before, Pictures
from imagery.damage.rasters import Layers
from imagery.damage.roads import RoadStretch, grade_roads
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_in import VectorLayer

_IDS = ("id", "osm_id", "building_id", "road_id", "objectid", "gml_id", "name")


@dataclass(frozen=True)
class Given:
    """The vectors that were given, in the grid's CRS."""

    footprints: VectorLayer | None = None
    roads: VectorLayer | None = None


@dataclass(frozen=True)
class Found:
    """Everything that was graded."""

    buildings: tuple[GradedBuilding, ...] = ()
    roads: tuple[RoadStretch, ...] = ()


def grade_objects(
    given: Given,
    mosaic: Path,
    grid: GeoGrid,
    layers: Layers,
    before: Before | None,
    progress: Callable[[str, float], None],
) -> Found:
    """Grade the given buildings and roads by the class rasters of `layers`, and roofs by the pictures."""
    buildings: tuple[GradedBuilding, ...] = ()
    roads: tuple[RoadStretch, ...] = ()
    if given.footprints:
        progress("buildings", 0.0)
        houses = given.footprints
        with Pictures(mosaic, grid, before.source if before else None, None) as pictures:
            buildings = grade_buildings(
                houses.geometries, identifiers(houses), houses.fids, grid, layers, pictures
            )
    if given.roads:
        progress("roads", 0.0)
        lines = given.roads
        roads = grade_roads(lines.geometries, identifiers(lines), lines.fids, grid, layers)
    return Found(buildings, roads)


def identifiers(layer: VectorLayer) -> tuple[str, ...]:
    """What the features are called: by the first field that looks like a name, else their numbers."""
    values = layer.field(_IDS)
    return tuple(str(v) for v in values) if values is not None else tuple(str(fid) for fid in layer.fids)
