"""Figures per township (or any other areas): classes by exact cell coverage, buildings, roads, people.

Everything here is image interpretation ("suspected"), and each township says what share of it was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from shapely import Geometry, STRtree

from imagery.damage.buildings import GradedBuilding
from imagery.damage.legend import (
    CLASSES,
    GRADES,
    ROAD_NOT_ANALYSED,
    ROADS_CUT,
    WATER,
    Entry,
    shows_ground,
)
from imagery.damage.rasters import Layers
from imagery.damage.roads import RoadStretch
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_in import VectorLayer, read_layer
from imagery.damage.zonal import areas_by_code
from imagery.errors import DamageError

EXPOSED_M = 10.0
"""People are counted as exposed when water is seen within this distance of their point."""

NAMES_ZH = ("name_zh", "name_cn", "name:zh", "xzqmc", "乡镇", "名称")
NAMES_EN = ("name_en", "name:en", "name", "nam", "shapename", "id")
_PEOPLE = ("population", "people", "pop", "persons", "人口")


@dataclass(frozen=True)
class Township:
    """What the imagery shows of one area."""

    name_zh: str
    name_en: str
    area: Geometry
    area_m2: float
    seen_m2: float
    classes_m2: dict[str, float]
    buildings: dict[str, int]
    flooded_buildings: int
    roads_m: float
    roads_cut_m: float
    depth_mean_m: float | None
    people: float | None
    people_exposed: float | None

    @property
    def seen_share(self) -> float:
        """Share of the township's area that was analysed."""
        return self.seen_m2 / self.area_m2 if self.area_m2 > 0 else 0.0

    def report(self) -> dict[str, Any]:
        """Plain values for report.json and tables."""
        return {
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "area_m2": round(self.area_m2, 1),
            "seen_m2": round(self.seen_m2, 1),
            "seen_share": round(self.seen_share, 4),
            "water_area_m2": round(self.classes_m2.get("water", 0.0), 1),
            "classes_m2": {name: round(value, 1) for name, value in self.classes_m2.items()},
            "buildings": dict(self.buildings),
            "buildings_flooded": self.flooded_buildings,
            "roads_m": round(self.roads_m, 1),
            "roads_cut_m": round(self.roads_cut_m, 1),
            "depth_mean_m": None if self.depth_mean_m is None else round(self.depth_mean_m, 2),
            "people": None if self.people is None else round(self.people, 1),
            "people_exposed": None if self.people_exposed is None else round(self.people_exposed, 1),
        }


@dataclass(frozen=True)
class People:
    """Where people live: points in the work CRS, their number, and whether water stands near; `unseen` where
    neither could be seen."""

    places: tuple[Geometry, ...]
    counts: tuple[float, ...]
    exposed: tuple[bool, ...]
    tree: STRtree = field(repr=False)
    unseen: tuple[bool, ...] = ()

    @property
    def total_unseen(self) -> float:
        """People at places of which nothing is known: they are not among the unexposed."""
        return float(sum(n for n, hidden in zip(self.counts, self.unseen, strict=True) if hidden))

    @property
    def total_exposed(self) -> float:
        """People at places with water near."""
        return float(sum(n for n, wet in zip(self.counts, self.exposed, strict=True) if wet))


def read_townships(path: Path, crs: pyproj.CRS) -> VectorLayer:
    """Township polygons in the work CRS."""
    return read_layer(path, crs, "townships")


def read_people(path: Path, grid: GeoGrid, layers: Layers) -> People:
    """Population as points with a number, or as a raster of people per cell.

    Raises DamageError when the file is neither.
    """
    if path.suffix.lower() in (".tif", ".tiff", ".vrt", ".img"):
        places, counts = _people_of_raster(path, grid)
    else:
        layer = read_layer(
            path, grid.crs, "population", kinds=("Point", "MultiPoint", "Polygon", "MultiPolygon")
        )
        values = layer.field(_PEOPLE)
        if values is None:
            raise DamageError(f"{path}: has no population attribute; name one of {', '.join(_PEOPLE)}")
        places = [geometry.representative_point() for geometry in layer.geometries]
        counts = [float(v) if np.isfinite(float(v)) else 0.0 for v in values]
    about = [_water_about(place, grid, layers) for place in places]
    exposed = tuple(wet is True for wet in about)
    unseen = tuple(wet is None for wet in about)
    return People(tuple(places), tuple(counts), exposed, STRtree(places), unseen)


def _people_of_raster(path: Path, grid: GeoGrid) -> tuple[list[Geometry], list[float]]:
    coarse = grid.coarser(10.0)
    with rasterio.open(path) as source:
        to_work = pyproj.Transformer.from_crs(pyproj.CRS(source.crs.to_wkt()), grid.crs, always_xy=True)
        values = source.read(1, masked=True).filled(0).astype(float)
        rows, cols = np.nonzero(values > 0)
        x, y = rasterio.transform.xy(source.transform, rows, cols)
    east, north = to_work.transform(np.asarray(x), np.asarray(y))
    west, south, right, top = coarse.bounds
    inside = (east >= west) & (east <= right) & (north >= south) & (north <= top)
    places = list(shapely.points(np.asarray(east)[inside], np.asarray(north)[inside]))
    return places, values[rows, cols][inside].tolist()


def _water_about(place: Geometry, grid: GeoGrid, layers: Layers) -> bool | None:
    """Whether water is seen near a place; None where there is none and less than half of it was seen."""
    window = grid.window_of(place, EXPOSED_M)
    if window is None:
        return None
    classes = layers.classes(window)
    if float((classes == WATER).mean()) > 0.05:
        return True
    return False if float(shows_ground(classes).mean()) >= 0.5 else None


def township_statistics(
    townships: VectorLayer,
    classes: Path | None,
    depth: Path | None,
    analysed: Path,
    buildings: Sequence[GradedBuilding],
    roads: Sequence[RoadStretch],
    people: People | None,
    known: Sequence[Entry] = CLASSES[1:],
) -> tuple[Township, ...]:
    """Figures of each township; areas are of the exact polygons, cells counted by the share inside.

    `known` are the classes that were looked for: of others there is no figure, not a nought.
    """
    features = [
        {"type": "Feature", "properties": {"n": i}, "geometry": shapely.geometry.mapping(geometry)}
        for i, geometry in enumerate(townships.geometries)
    ]
    seen, *found = areas_by_code([analysed, *([classes] if classes else [])], townships.geometries)
    class_m2 = found[0] if found else [{} for _ in features]
    depth_mean = _means(depth, features) if depth else [None] * len(features)
    houses = STRtree([b.footprint.representative_point() for b in buildings])
    lines = STRtree([r.line for r in roads])
    zh, en = townships.field(NAMES_ZH), townships.field(NAMES_EN)
    result = []
    for i, area in enumerate(townships.geometries):
        own = [buildings[j] for j in houses.query(area, predicate="contains")]
        stretches = [roads[j] for j in lines.query(area, predicate="intersects")]
        english = name_at(en, i) or name_at(zh, i) or f"Area {i + 1}"
        result.append(
            Township(
                name_zh=name_at(zh, i) or english,
                name_en=english,
                area=area,
                area_m2=float(area.area),
                seen_m2=seen[i].get(0, 0.0),
                classes_m2={e.key: class_m2[i].get(e.code, 0.0) for e in known} if classes else {},
                buildings=count_grades(own),
                flooded_buildings=sum(b.flooded for b in own),
                roads_m=sum(s.line.intersection(area).length for s in stretches),
                roads_cut_m=sum(s.line.intersection(area).length for s in stretches if s.state in ROADS_CUT),
                depth_mean_m=depth_mean[i],
                people=_people_in(people, area, only_exposed=False),
                people_exposed=_people_in(people, area, only_exposed=True),
            )
        )
    return tuple(result)


def count_grades(buildings: Sequence[GradedBuilding]) -> dict[str, int]:
    """Number of buildings of each grade, worst first."""
    return {e.key: sum(b.grade == e.key for b in buildings) for e in reversed(GRADES)}


def analysed_roads_m(roads: Sequence[RoadStretch]) -> float:
    """Length of road that was seen."""
    return sum(r.length_m for r in roads if r.state != ROAD_NOT_ANALYSED)


def name_at(values: Any, index: int) -> str:
    """What a column of names says in a row; empty where it says nothing."""
    if values is None or values[index] is None:
        return ""
    text = str(values[index]).strip()
    return "" if text.lower() == "nan" else text


def _people_in(people: People | None, area: Geometry, *, only_exposed: bool) -> float | None:
    if people is None:
        return None
    inside = people.tree.query(area, predicate="contains")
    return float(sum(people.counts[i] for i in inside if people.exposed[i] or not only_exposed))


def _means(raster: Path, features: list[dict[str, Any]]) -> list[float | None]:
    with rasterio.open(raster) as source:
        found = exact_extract(RasterioRasterSource(source, 1), features, ["mean"], include_cols=["n"])
    means: list[float | None] = [None] * len(features)
    for row in found:
        value = row["properties"]["mean"]
        means[int(row["properties"]["n"])] = (
            float(value) if value is not None and np.isfinite(value) else None
        )
    return means


def class_areas(
    counts: dict[int, int], grid: GeoGrid, legend: Sequence[Entry] = CLASSES
) -> dict[str, dict[str, float]]:
    """The `classes` part of report.json from cell counts: value, area, share of what was classified."""
    total = sum(n for code, n in counts.items() if code)
    return {
        entry.key: {
            "value": entry.code,
            "area_m2": round(counts.get(entry.code, 0) * grid.cell_m2, 1),
            "share": round(counts.get(entry.code, 0) / total, 6) if total else 0.0,
        }
        for entry in legend
        if entry.code and counts.get(entry.code, 0)
    }
