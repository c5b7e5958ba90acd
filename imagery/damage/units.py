"""Figures of administrative units that nest: county > township > village, and land use inside them.

The levels are laid over each other once. Every piece of ground then belongs to one county, one township and
one village (or to none, "unknown"), figures are taken of the pieces, and all others are sums of these: totals
agree at every level, and a village that two townships share is counted in each with what lies there.
Everything is image interpretation ("suspected"); figures that people have verified are kept elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import shapely
from shapely import Geometry, STRtree

from imagery.damage.buildings import GradedBuilding
from imagery.damage.depth import depth_class
from imagery.damage.legend import DEPTHS, ROAD_NOT_ANALYSED, ROADS_CUT, WATER, Entry
from imagery.damage.roads import RoadStretch
from imagery.damage.statistics import NAMES_EN, NAMES_ZH, People, count_grades, name_at
from imagery.damage.vector_in import VectorLayer
from imagery.damage.vector_out import OutLayer
from imagery.damage.zonal import areas_by_code

LEVELS: Final = ("county", "township", "village")
UNKNOWN: Final = "unknown"
"""Ground that lies in no unit of a level, and land whose use no parcel tells."""
_LAND_USE = ("land_use", "landuse", "dlmc", "class", "obj_type", "type", "地类名称", "地类")
_FARMLAND = (
    "farm", "crop", "arable", "agricult", "paddy", "orchard",
    "耕地", "水田", "旱地", "水浇地", "农用", "园地", "菜地",
)  # fmt: skip
_BY_KIND = ("classes_m2", "depths_m2", "land_m2", "land_water_m2")
_SLIVER_M2 = 0.01
_STRADDLES = 0.01
"""Share of a village beyond a township from which on it is no longer the digitiser's hand."""
_AREAS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Name:
    """A unit of one level: its row in the file that was given (-1 for ground in none), and what it is
    called."""

    row: int
    zh: str
    en: str


NOWHERE: Final = Name(-1, "不明", UNKNOWN)


@dataclass(frozen=True)
class Piece:
    """Ground that belongs to the same unit on every level that was given."""

    names: Mapping[str, Name]
    """By level."""
    area: Geometry
    straddles: bool = False
    """Its village lies in more than one township."""


@dataclass(frozen=True)
class Figures:
    """What the imagery shows of some ground; all of it adds up. None and empty: was not looked for."""

    area_m2: float = 0.0
    seen_m2: float = 0.0
    classes_m2: Mapping[str, float] | None = None
    depths_m2: Mapping[str, float] | None = None
    """Area by class of depth."""
    land_m2: Mapping[str, float] | None = None
    """Area by land use."""
    land_water_m2: Mapping[str, float] | None = None
    """Of it under water."""
    buildings: Mapping[str, int] | None = None
    buildings_flooded: int | None = None
    roads_m: float | None = None
    roads_cut_m: float | None = None
    roads_unseen_m: float | None = None
    people: float | None = None
    people_exposed: float | None = None

    @property
    def seen_share(self) -> float:
        """Share that was analysed."""
        return self.seen_m2 / self.area_m2 if self.area_m2 > 0 else 0.0

    @property
    def farmland_water_m2(self) -> float | None:
        """Farmland under water; None where no land use was given."""
        return None if self.land_water_m2 is None else _farmland(self.land_water_m2)

    def report(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "area_m2": round(self.area_m2, 1),
            "seen_m2": round(self.seen_m2, 1),
            "seen_share": round(self.seen_share, 4),
            "water_area_m2": None if self.classes_m2 is None else round(self.classes_m2.get("water", 0.0), 1),
            "farmland_m2": None if self.land_m2 is None else round(_farmland(self.land_m2), 1),
            "farmland_water_m2": _round(self.farmland_water_m2),
            "classes_m2": _rounded(self.classes_m2),
            "depths_m2": _rounded(self.depths_m2),
            "land_m2": _rounded(self.land_m2),
            "land_water_m2": _rounded(self.land_water_m2),
            "buildings": None if self.buildings is None else dict(self.buildings),
            "buildings_flooded": self.buildings_flooded,
            "roads_m": _round(self.roads_m),
            "roads_cut_m": _round(self.roads_cut_m),
            "roads_unseen_m": _round(self.roads_unseen_m),
            "people": _round(self.people),
            "people_exposed": _round(self.people_exposed),
        }


@dataclass(frozen=True)
class Unit:
    """A row of the table: a piece, or the sum of all pieces of a township, of a county, of everything."""

    level: str
    """"total" or one of LEVELS."""
    names: Mapping[str, Name]
    figures: Figures
    areas: tuple[Geometry, ...] = field(repr=False)
    straddles: bool = False

    def report(self) -> dict[str, Any]:
        """Plain values for report.json and tables."""
        told: dict[str, Any] = {"level": self.level}
        for level in LEVELS:
            name = self.names.get(level)
            told |= {level: name.zh if name else None, f"{level}_en": name.en if name else None}
        return {**told, "straddles": self.straddles, **self.figures.report()}


@dataclass(frozen=True)
class Evidence:
    """What a map found, to be shared out among units."""

    analysed: Path
    classes: Path | None
    depth: Path | None
    buildings: Sequence[GradedBuilding] | None
    roads: Sequence[RoadStretch] | None
    people: People | None
    known: Sequence[Entry]
    """Classes that were looked for."""


def pieces_of(layers: Mapping[str, VectorLayer | None], mapped: Geometry) -> tuple[Piece, ...]:
    """Lay the levels over each other; `mapped` is the mosaic's outline, all in one metric CRS.

    Of areas that overlap within a level, the first holds the ground that they share. Layers of points are no
    areas and are left out.
    """
    given = [(level, layer) for level in LEVELS if (layer := layers.get(level)) and _has_areas(layer)]
    if not given:
        return ()
    whole = shapely.union_all([mapped, *(g for _, layer in given for g in layer.geometries)])
    pieces = [Piece({}, whole)]
    for level, layer in given:
        areas = _without_overlap(layer.geometries)
        names = _names(layer)
        pieces = [part for piece in pieces for part in _split(piece, level, areas, names)]
    return _straddling(pieces)


def units_of(
    pieces: Sequence[Piece], evidence: Evidence, land_use: VectorLayer | None = None
) -> tuple[Unit, ...]:
    """A row for everything, each county, township and village, each above its parts.

    `land_use` are parcels with a kind, in the CRS of the pieces.
    """
    if not pieces:
        return ()
    return _rows(pieces, _figures(pieces, evidence, land_use))


def unit_layer(units: Sequence[Unit], common: Mapping[str, Any]) -> OutLayer | None:
    """The finest units as a layer of damage.gpkg; None where there are none. `common` stands on each."""
    finest = [u for u in units if u.level == units[-1].level]
    if not finest:
        return None
    rows = [_flat(unit.report()) for unit in finest]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    columns |= {name: [value] * len(finest) for name, value in common.items()}
    areas = tuple(shapely.multipolygons(_polygons(u.areas)) for u in finest)
    return OutLayer(
        "units", "MultiPolygon", areas, columns, colour=(60, 60, 60), hollow=True, named_by=finest[0].level
    )


def _flat(told: dict[str, Any]) -> dict[str, Any]:
    """A column for each figure: of `classes_m2: {water: ..}` classes_water_m2, of a grade n_damaged."""
    flat: dict[str, Any] = {}
    for name, value in told.items():
        if name == "buildings":
            flat |= {f"n_{key.lower().replace(' ', '_')}": n for key, n in (value or {}).items()}
        elif name in _BY_KIND:
            flat |= {f"{name.removesuffix('_m2')}_{key}_m2": area for key, area in (value or {}).items()}
        elif value is not None:
            flat[name] = value
    return flat


def _polygons(areas: Iterable[Geometry]) -> list[Geometry]:
    return [part for area in areas for part in shapely.get_parts(area)]


def _has_areas(layer: VectorLayer) -> bool:
    return any(g.geom_type in _AREAS for g in layer.geometries)


def _names(layer: VectorLayer) -> list[Name]:
    zh, en = layer.field(NAMES_ZH), layer.field(NAMES_EN)
    found = []
    for i in range(len(layer)):
        english = name_at(en, i) or name_at(zh, i) or f"Area {i + 1}"
        found.append(Name(i, name_at(zh, i) or english, english))
    return found


def _without_overlap(areas: Sequence[Geometry]) -> list[Geometry]:
    """Each area without what those before it took."""
    result: list[Geometry] = []
    tree = STRtree(areas)
    for i, area in enumerate(areas):
        if area.geom_type not in _AREAS:
            result.append(shapely.Polygon())
            continue
        before = [result[j] for j in tree.query(area, predicate="intersects") if j < i]
        result.append(_surface(shapely.difference(area, shapely.union_all(before))) if before else area)
    return result


def _surface(geometry: Geometry) -> Geometry:
    """What of a geometry has an area."""
    if geometry.geom_type in _AREAS:
        return geometry
    return shapely.union_all([p for p in shapely.get_parts(geometry) if p.geom_type in _AREAS])


def _split(piece: Piece, level: str, areas: Sequence[Geometry], names: Sequence[Name]) -> list[Piece]:
    """A piece by the units of one more level, and what lies in none of them."""
    near = STRtree(areas).query(piece.area, predicate="intersects")
    parts, rest = [], piece.area
    for i in sorted(near):
        part = _surface(shapely.intersection(piece.area, areas[i]))
        if part.area > _SLIVER_M2:
            parts.append(Piece({**piece.names, level: names[i]}, part))
    if parts:
        rest = _surface(shapely.difference(piece.area, shapely.union_all([p.area for p in parts])))
    if rest.area > _SLIVER_M2:
        parts.append(Piece({**piece.names, level: NOWHERE}, rest))
    return parts


def _straddling(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    total: dict[int, float] = {}
    for piece in pieces:
        village = piece.names.get("village", NOWHERE).row
        total[village] = total.get(village, 0.0) + piece.area.area
    found = []
    for piece in pieces:
        village = piece.names.get("village", NOWHERE).row
        share = piece.area.area / total[village]
        found.append(Piece(piece.names, piece.area, village >= 0 and _STRADDLES < share < 1 - _STRADDLES))
    return tuple(found)


def _figures(
    pieces: Sequence[Piece], evidence: Evidence, land_use: VectorLayer | None
) -> tuple[Figures, ...]:
    """Of each piece."""
    areas = [p.area for p in pieces]
    tree = STRtree(areas)
    sources = [evidence.analysed, *([evidence.classes] if evidence.classes else [])]
    seen, *found = areas_by_code(sources, areas)
    depths = _depths(evidence.depth, areas)
    land = _land(areas, land_use, evidence.classes) if land_use else None
    houses = _houses(areas, tree, evidence.buildings) if evidence.buildings is not None else None
    roads = _roads(areas, tree, evidence.roads) if evidence.roads is not None else None
    people = _people(areas, tree, evidence.people) if evidence.people else None
    result = []
    for i, area in enumerate(areas):
        result.append(
            Figures(
                area_m2=float(area.area),
                seen_m2=seen[i].get(0, 0.0),
                classes_m2={e.key: found[0][i].get(e.code, 0.0) for e in evidence.known} if found else None,
                depths_m2=depths[i] if depths else None,
                land_m2=land[0][i] if land else None,
                land_water_m2=land[1][i] if land and evidence.classes else None,
                buildings=count_grades(houses[i]) if houses else None,
                buildings_flooded=sum(b.flooded for b in houses[i]) if houses else None,
                roads_m=roads[i][0] if roads else None,
                roads_cut_m=roads[i][1] if roads else None,
                roads_unseen_m=roads[i][2] if roads else None,
                people=people[i][0] if people else None,
                people_exposed=people[i][1] if people else None,
            )
        )
    return tuple(result)


def _depths(raster: Path | None, areas: Sequence[Geometry]) -> list[dict[str, float]] | None:
    """Of each area, how much of it lies in each class of depth."""
    if raster is None:
        return None
    part = raster.with_name(f".depth_classes{os.getpid()}.tif")
    with rasterio.open(raster) as source:
        values = source.read(1)
        codes = depth_class(np.where(values == np.float32(source.nodata), np.nan, values))
        plain = {"crs": source.crs, "transform": source.transform, "dtype": "uint8", "nodata": 0}
        rows, cols = codes.shape
    try:
        with rasterio.open(part, "w", driver="GTiff", height=rows, width=cols, count=1, **plain) as sink:
            sink.write(codes, 1)
        (found,) = areas_by_code([part], areas)
    finally:
        part.unlink(missing_ok=True)
    return [{e.key: area.get(e.code, 0.0) for e in DEPTHS} for area in found]


def _land(
    areas: Sequence[Geometry], land_use: VectorLayer, classes: Path | None
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Of each area: its land by use, and how much of that is under water."""
    kinds = land_use.field(_LAND_USE)
    named = [name_at(kinds, i) or UNKNOWN for i in range(len(land_use))]
    tree = STRtree(land_use.geometries)
    land: list[dict[str, float]] = []
    keys: list[tuple[int, str]] = []
    shapes: list[Geometry] = []
    for i, area in enumerate(areas):
        rest, here = area, dict[str, float]()
        near = tree.query(area, predicate="intersects")
        for kind in sorted({named[j] for j in near if named[j] != UNKNOWN}):
            parcels = shapely.union_all([land_use.geometries[j] for j in near if named[j] == kind])
            part = _surface(shapely.intersection(rest, parcels))
            if part.area <= _SLIVER_M2:
                continue
            rest = _surface(shapely.difference(rest, parcels))  # what two parcels claim is counted once
            here[kind] = float(part.area)
            keys.append((i, kind))
            shapes.append(part)
        if rest.area > _SLIVER_M2:
            here[UNKNOWN] = float(rest.area)
            keys.append((i, UNKNOWN))
            shapes.append(rest)
        land.append(here)
    water: list[dict[str, float]] = [{} for _ in areas]
    if classes is not None and shapes:
        (found,) = areas_by_code([classes], shapes)
        for (i, kind), codes in zip(keys, found, strict=True):
            water[i][kind] = codes.get(WATER, 0.0)
    return land, water


def _home(tree: STRtree, place: Geometry) -> int | None:
    """The piece in which a place lies; of two that meet there the first."""
    near = tree.query(place, predicate="intersects")
    return int(near.min()) if len(near) else None


def _houses(
    areas: Sequence[Geometry], tree: STRtree, buildings: Sequence[GradedBuilding]
) -> list[list[GradedBuilding]]:
    result: list[list[GradedBuilding]] = [[] for _ in areas]
    for building in buildings:
        home = _home(tree, building.footprint.representative_point())
        if home is not None:
            result[home].append(building)
    return result


def _roads(
    areas: Sequence[Geometry], tree: STRtree, roads: Sequence[RoadStretch]
) -> list[tuple[float, float, float]]:
    """Of each area: length of road, of it cut, of it not seen. A road along a border is of one side."""
    total = np.zeros((len(areas), 3))
    for stretch in roads:
        rest = stretch.line
        for i in np.sort(tree.query(rest, predicate="intersects")):
            length = shapely.length(shapely.intersection(rest, areas[i]))
            total[i] += length * np.array(
                [1.0, stretch.state in ROADS_CUT, stretch.state == ROAD_NOT_ANALYSED], float
            )
            rest = shapely.difference(rest, areas[i])
    return [(float(row[0]), float(row[1]), float(row[2])) for row in total]


def _people(areas: Sequence[Geometry], tree: STRtree, people: People) -> list[tuple[float, float]]:
    total = np.zeros((len(areas), 2))
    for place, count, exposed in zip(people.places, people.counts, people.exposed, strict=True):
        home = _home(tree, place)
        if home is not None:
            total[home] += (count, count * exposed)
    return [(float(row[0]), float(row[1])) for row in total]


def _rows(pieces: Sequence[Piece], figures: Sequence[Figures]) -> tuple[Unit, ...]:
    """Every level above its parts, in the order of the files that were given."""
    levels = [level for level in LEVELS if level in pieces[0].names]

    def below(depth: int, chosen: Sequence[int], names: Mapping[str, Name]) -> list[Unit]:
        level = "total" if depth == 0 else levels[depth - 1]
        areas = tuple(pieces[i].area for i in chosen)
        finest = depth == len(levels)
        straddles = finest and any(pieces[i].straddles for i in chosen)
        rows = [Unit(level, names, added([figures[i] for i in chosen]), areas, straddles)]
        if finest:
            return rows
        groups: dict[int, list[int]] = {}
        for i in chosen:
            groups.setdefault(pieces[i].names[levels[depth]].row, []).append(i)
        for row in sorted(groups, key=lambda r: (r < 0, r)):
            name = pieces[groups[row][0]].names[levels[depth]]
            rows += below(depth + 1, groups[row], {**names, levels[depth]: name})
        return rows

    return tuple(below(0, range(len(pieces)), {}))


def added(figures: Sequence[Figures]) -> Figures:
    """The sum of figures that were looked for alike."""
    return Figures(
        **{name: _added([getattr(f, name) for f in figures]) for name in Figures.__dataclass_fields__}
    )


def _added(values: Sequence[Any]) -> Any:
    told = [v for v in values if v is not None]
    if not told:
        return None
    if isinstance(told[0], Mapping):
        keys = dict.fromkeys(key for value in told for key in value)
        return {key: sum(value.get(key, 0) for value in told) for key in keys}
    return sum(told)


def _farmland(by_kind: Mapping[str, float]) -> float:
    return sum(v for kind, v in by_kind.items() if any(word in kind.lower() for word in _FARMLAND))


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _rounded(values: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if values is None else {name: round(value, 1) for name, value in values.items()}
