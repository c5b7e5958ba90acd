"""damage.gpkg: graded buildings, roads, water and areas as layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imagery.damage import coarse
from imagery.damage.buildings import GradedBuilding
from imagery.damage.decisions import Standing
from imagery.damage.hand import Drainage, above_drainage
from imagery.damage.legend import ACCESS, GRADES, ROAD_STATES, WATER
from imagery.damage.objects import Found
from imagery.damage.photos_of import PhotoSource
from imagery.damage.places import PlaceAccess
from imagery.damage.roads import RoadCut, RoadStretch
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import Township
from imagery.damage.vector_out import OutLayer, write_vectors

_SMALLEST_WATER_M2 = 4.0
_WATER_GRID_M = 0.5


def write_found(
    folder: Path,
    grid: GeoGrid,
    found: Found,
    townships: Sequence[Township],
    common: dict[str, Any],
    *,
    has_classes: bool,
    units: OutLayer | None = None,
    drainage: Drainage | None = None,
    mosaic: Path | None = None,
) -> float | None:
    """Write damage.gpkg: those layers that there is something for. `common` stands on every feature, and the
    photos that show it where the `mosaic` has the companion that tells.

    Returns how much water (m2) stands too high above its drainage for a flood; None without `drainage`.
    """
    layers: list[OutLayer] = []
    high_m2 = None
    if found.buildings:
        layers.append(_building_layer(found.buildings, found.building_standing, common))
    if found.roads:
        layers.append(_road_layer(found.roads, found.road_standing, common))
    if found.cuts:
        layers.append(_cut_layer(found.cuts, common))
    if found.places:
        layers.append(_place_layer(found.places, common))
    if has_classes:
        water, high_m2 = _water_layer(folder, grid, common, drainage)
        layers.append(water)
    if mosaic is not None:
        with PhotoSource(mosaic, grid.crs) as photos:
            if photos.known:
                layers = [_with_photos(layer, photos) for layer in layers]
    layers += [units] if units else []
    if townships:
        layers.append(_township_layer(townships))
    if layers:
        write_vectors(folder / "damage.gpkg", layers, grid.crs)
    return high_m2


def _with_photos(layer: OutLayer, photos: PhotoSource) -> OutLayer:
    return replace(layer, columns={**layer.columns, "photos": photos.all_names(layer.geometries)})


def _repeat(common: dict[str, Any], count: int) -> dict[str, list[Any]]:
    return {name: [value] * count for name, value in common.items()}


def _standing_columns(standing: Sequence[Standing]) -> dict[str, Sequence[Any]]:
    """Whether somebody decided, who and when, and what the picture alone suggests."""
    return {
        "status": [s.status for s in standing],
        "suggested": [s.suggested for s in standing],
        "confirmed_by": [s.by for s in standing],
        "confirmed_utc": [s.time_utc.isoformat(timespec="seconds") if s.time_utc else None for s in standing],
        "note": [s.note for s in standing],
    }


def _building_layer(
    buildings: Sequence[GradedBuilding], standing: Sequence[Standing], common: dict[str, Any]
) -> OutLayer:
    columns: dict[str, Sequence[Any]] = {
        "id": [b.identifier for b in buildings],
        "grade": [b.grade for b in buildings],
        "flooded": [b.flooded for b in buildings],
        "flood_trace": [b.flood_trace for b in buildings],
        "confidence": [b.confidence for b in buildings],
        **_standing_columns(standing),
        "reason": [b.reason for b in buildings],
        "footprint": [b.origin for b in buildings],
    }
    for name in (
        "seen_share",
        "roof_share",
        "debris_share",
        "lost_share",
        "water_ring",
        "mud_ring",
        "debris_ring",
        "depth_m",
        "hurt_share",
        "hole_m2",
    ):
        values = [getattr(b.evidence, name) for b in buildings]
        columns[name] = [None if v is None else round(v, 3) for v in values]
    columns |= _repeat(common, len(buildings))
    return OutLayer(
        "buildings", "MultiPolygon", tuple(b.footprint for b in buildings), columns, "grade", GRADES
    )


def _road_layer(
    roads: Sequence[RoadStretch], standing: Sequence[Standing], common: dict[str, Any]
) -> OutLayer:
    columns: dict[str, Sequence[Any]] = {
        "id": [r.identifier for r in roads],
        "state": [r.state for r in roads],
        "length_m": [round(r.length_m, 1) for r in roads],
        "confidence": [r.confidence for r in roads],
        **_standing_columns(standing),
        "offset_m": [r.offset_m for r in roads],
        **_repeat(common, len(roads)),
    }
    return OutLayer("roads", "LineString", tuple(r.line for r in roads), columns, "state", ROAD_STATES)


def _cut_layer(cuts: Sequence[RoadCut], common: dict[str, Any]) -> OutLayer:
    columns: dict[str, Sequence[Any]] = {
        "id": [c.identifier for c in cuts],
        "state": [c.state for c in cuts],
        "length_m": [round(c.length_m, 1) for c in cuts],
        "confidence": [c.confidence for c in cuts],
        **_repeat(common, len(cuts)),
    }
    return OutLayer("road_cuts", "Point", tuple(c.place for c in cuts), columns, "state", ROAD_STATES)


def _place_layer(places: Sequence[PlaceAccess], common: dict[str, Any]) -> OutLayer:
    columns: dict[str, list[Any]] = {}
    for place in places:
        for name, value in place.report().items():
            columns.setdefault(name, []).append(value)
    columns |= _repeat(common, len(places))
    spots = tuple(p.place for p in places)
    return OutLayer("places", "Point", spots, columns, "state", ACCESS, named_by="name")


def _water_layer(
    folder: Path, grid: GeoGrid, common: dict[str, Any], drainage: Drainage | None
) -> tuple[OutLayer, float | None]:
    """Bodies of water, and how much of it stands too high above its drainage (None without drainage)."""
    side = max(_WATER_GRID_M, (grid.cell_m2 * grid.width * grid.height / 3e7) ** 0.5)
    cells = grid.coarser(side)
    share, seen = coarse.class_shares(folder / "classes.tif", grid, cells, (WATER,))
    areas = coarse.outlines((share > 0.5 * np.maximum(seen, 0.2)), cells, _SMALLEST_WATER_M2)
    columns: dict[str, Sequence[Any]] = {
        "event_type": ["Flooded area"] * len(areas),
        "area_m2": [round(a.area, 1) for a in areas],
    }
    high_m2 = None
    if drainage is not None:
        above = above_drainage(areas, drainage)
        columns["above_drainage_m"] = [None if a.hand_m is None else round(a.hand_m, 1) for a in above]
        columns["implausible"] = [a.implausible for a in above]
        high_m2 = float(sum(area.area for area, a in zip(areas, above, strict=True) if a.implausible))
    columns |= _repeat(common, len(areas))
    return OutLayer("water", "Polygon", tuple(areas), columns, colour=(31, 104, 201)), high_m2


def _township_layer(townships: Sequence[Township]) -> OutLayer:
    columns: dict[str, list[Any]] = {}
    for township in townships:
        figures = township.report()
        grades = figures.pop("buildings")
        classes = figures.pop("classes_m2")
        flat = {
            **figures,
            **{f"{k}_m2": v for k, v in classes.items()},
            **{f"n {k}": v for k, v in grades.items()},
        }
        for name, value in flat.items():
            columns.setdefault(name.lower().replace(" ", "_"), []).append(value)
    areas = tuple(t.area for t in townships)
    return OutLayer(
        "townships", "MultiPolygon", areas, columns, colour=(106, 27, 120), hollow=True, named_by="name_zh"
    )
