"""The stage that grades what stands and runs on the ground: buildings, roads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagery.damage.analysable import NO_IMAGERY
from imagery.damage.buildings import GIVEN, SEGMENTED, GradedBuilding, grade_buildings
from imagery.damage.decisions import Standing, decide_buildings, decide_roads
from imagery.damage.ground_pass import Before, Pictures
from imagery.damage.options import DamageOptions
from imagery.damage.places import PlaceAccess, access_of, outside_of, villages
from imagery.damage.rasters import Layers
from imagery.damage.road_network import network
from imagery.damage.roads import RoadCut, RoadStretch, cut_places, grade_roads, is_bridge
from imagery.damage.scene import GeoGrid
from imagery.damage.segment import segment_footprints
from imagery.damage.vector_in import VectorLayer

_IDS = ("id", "osm_id", "building_id", "road_id", "objectid", "gml_id", "name")


@dataclass(frozen=True)
class Given:
    """The vectors that were given, in the grid's CRS."""

    footprints: VectorLayer | None = None
    roads: VectorLayer | None = None
    rivers: VectorLayer | None = None
    """Where there is water at all times."""
    villages: VectorLayer | None = None
    """Points or areas with a name; without them houses that stand close together."""
    safe: VectorLayer | None = None
    """Places that count as safe; without them the edge of the map."""


@dataclass(frozen=True)
class Found:
    """Everything that was graded."""

    buildings: tuple[GradedBuilding, ...] = ()
    roads: tuple[RoadStretch, ...] = ()
    cuts: tuple[RoadCut, ...] = ()
    places: tuple[PlaceAccess, ...] = ()
    building_standing: tuple[Standing, ...] = ()
    """How each of `buildings` stands with the analysts."""
    road_standing: tuple[Standing, ...] = ()


def grade_objects(
    given: Given,
    mosaic: Path,
    folder: Path,
    grid: GeoGrid,
    layers: Layers,
    before: Before | None,
    options: DamageOptions,
    progress: Callable[[str, float], None],
) -> Found:
    """Grade buildings, given or segmented, and the given roads by the rasters of `folder` (open as `layers`),
    and roofs by the pictures; let what analysts decided stand over it; then say which villages the roads
    still reach."""
    progress("buildings", 0.0)
    if given.footprints:
        houses, names, origin = given.footprints.geometries, identifiers(given.footprints), GIVEN
        numbers = given.footprints.fids
    else:
        houses, origin = segment_footprints(folder, grid), SEGMENTED
        numbers = tuple(range(1, len(houses) + 1))
        names = tuple(f"S{number}" for number in numbers)
    with Pictures(mosaic, grid, before.source if before else None, None) as pictures:
        buildings = grade_buildings(houses, names, numbers, grid, layers, pictures, origin=origin)
    moment = options.acquired_utc
    buildings, houses_stand = decide_buildings(buildings, options.decisions, grid.crs, moment)
    if not given.roads:
        return Found(buildings, building_standing=houses_stand)
    progress("roads", 0.0)
    lines, tags = given.roads, given.roads.field(("bridge",))
    rivers = given.rivers.geometries if given.rivers else ()
    bridges = tuple(is_bridge(tags, i) for i in range(len(lines)))
    roads = grade_roads(lines.geometries, identifiers(lines), lines.fids, grid, layers, bridges, rivers)
    roads, roads_stand = decide_roads(roads, options.decisions, grid.crs, moment)
    outside = outside_of(folder / "not_analysed.tif", grid, NO_IMAGERY)
    over = frozenset(fid for fid, bridge in zip(lines.fids, bridges, strict=True) if bridge)
    joined = network(roads, over, outside, given.safe.geometries if given.safe else ())
    places = access_of(villages(given.villages, given.footprints, buildings), joined)
    return Found(buildings, roads, cut_places(roads), places, houses_stand, roads_stand)


def identifiers(layer: VectorLayer) -> tuple[str, ...]:
    """What the features are called: by the first field that looks like a name, else their numbers."""
    values = layer.field(_IDS)
    return tuple(str(v) for v in values) if values is not None else tuple(str(fid) for fid in layer.fids)
