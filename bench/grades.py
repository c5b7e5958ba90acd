"""Graded buildings, cut roads and cut-off villages of a damage folder against a simulated world's truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from shapely import Geometry

from imagery.damage.legend import (
    ACCESS_UNKNOWN,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NONE,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
    ROAD_BRIDGE_OUT,
    ROAD_NOT_ANALYSED,
    ROADS_CUT,
)
from imagery.damage.places import access_of
from imagery.damage.road_network import network
from imagery.damage.roads import RoadStretch
from imagery.damage.vector_in import VectorLayer, read_layer
from sim.world.store import World

GRADED = (GRADE_NONE, GRADE_POSSIBLE, GRADE_DAMAGED, GRADE_DESTROYED)
_LINES = ("LineString", "MultiLineString")
_NEAR_M, _SHORTEST_M = 8.0, 3.0


@dataclass(frozen=True)
class GradeScore:
    """Counts that add up over scenes. `confusion` (4, 5): true grade by suggested one, the last column not
    analysed; `flooded` (2, 2): true by found."""

    confusion: np.ndarray
    flooded: np.ndarray
    confidence: tuple[float, int, float, int]
    """Sum and number of confidences where the grade is right, then where it is wrong."""
    cuts: int = 0
    cuts_found: int = 0
    cuts_unseen: int = 0
    told: int = 0
    told_false: int = 0
    cut_m: float = 0.0
    cut_found_m: float = 0.0
    false_m: float = 0.0
    bridges_out: int = 0
    bridges_told: int = 0
    bridges_right: int = 0
    villages: int = 0
    villages_right: int = 0
    villages_unknown: int = 0

    def __add__(self, other: GradeScore) -> GradeScore:
        sums = {}
        for f in fields(self):
            a, b = getattr(self, f.name), getattr(other, f.name)
            sums[f.name] = tuple(np.add(a, b)) if f.name == "confidence" else a + b
        return GradeScore(**sums)

    @property
    def f1(self) -> np.ndarray:
        """Of each of the four grades; houses that were not analysed are missed."""
        hit = np.diag(self.confusion[:, :4])
        return 2 * hit / np.maximum(self.confusion.sum(axis=1) + self.confusion[:, :4].sum(axis=0), 1)

    @property
    def f1_analysed(self) -> float:
        """Macro F1 over the houses that were graded."""
        seen = self.confusion[:, :4]
        return float(np.mean(2 * np.diag(seen) / np.maximum(seen.sum(axis=1) + seen.sum(axis=0), 1)))

    @property
    def macro_f1(self) -> float:
        """Their mean."""
        return float(self.f1.mean())

    @property
    def found_share(self) -> float:
        """Of the cut places that were seen."""
        return self.cuts_found / max(self.cuts - self.cuts_unseen, 1)

    @property
    def false_share(self) -> float:
        """Of the cut places told."""
        return self.told_false / max(self.told, 1)

    def lines(self) -> list[str]:
        """To print."""
        right, n_right, wrong, n_wrong = self.confidence
        seen = self.cuts - self.cuts_unseen
        (dry, wet_false), (missed, wet) = self.flooded
        return [
            f"macro F1 {self.macro_f1:.3f} (of graded houses {self.f1_analysed:.3f}), "
            f"each {np.round(self.f1, 2)}",
            f"confusion {self.confusion.tolist()}; confidence right {right / max(n_right, 1):.2f}, "
            f"wrong {wrong / max(n_wrong, 1):.2f}",
            f"flooded F1 {2 * wet / max(2 * wet + missed + wet_false, 1):.2f} of {wet + missed} ({dry} dry)",
            f"cut places found {self.cuts_found} of {seen} seen ({self.found_share:.2f}; "
            f"{self.cuts_unseen} unseen), false {self.told_false} of {self.told} ({self.false_share:.2f})",
            f"cut length {self.cut_m:.0f} m, found {self.cut_found_m / max(self.cut_m, 1):.2f}, "
            f"false {self.false_m:.0f} m",
            f"bridges out {self.bridges_out}, told {self.bridges_told}, right {self.bridges_right}",
            f"villages {self.villages_right} of {self.villages} right, {self.villages_unknown} unknown",
        ]


def score_grades(damage: Path, world: World) -> GradeScore:
    """Score DAMAGE/damage.gpkg against the truth of its world."""
    crs = pyproj.CRS(pyogrio.read_info(damage / "damage.gpkg", layer="buildings")["crs"])
    found, truth = _rows(damage, "buildings", crs), read_layer(world.truth_buildings, crs, "truth")
    confusion, flooded, confidence = _buildings(found, truth)
    roads = _layer(damage, "roads", crs)
    true_roads = read_layer(world.truth_roads, crs, "truth", kinds=_LINES)
    places = _places(damage, world, crs, true_roads)
    bridges = _bridges(told_by(roads), told_by(true_roads))
    return GradeScore(
        confusion, flooded, confidence, *score_cuts(told_by(roads), told_by(true_roads)), *bridges, *places
    )


def _layer(damage: Path, name: str, crs: pyproj.CRS) -> VectorLayer:
    """A layer of damage.gpkg; `read_layer` takes the first that fits, so it is read by name."""
    meta, fids, wkb, values = pyogrio.raw.read(damage / "damage.gpkg", layer=name, return_fids=True)
    geometries = tuple(shapely.from_wkb(wkb))
    columns = dict(zip(map(str, meta["fields"]), values, strict=True))
    return VectorLayer(name, geometries, columns, tuple(map(int, fids)))


def _rows(damage: Path, name: str, crs: pyproj.CRS) -> dict[str, dict[str, Any]]:
    layer = _layer(damage, name, crs)
    return {str(layer.fields["id"][i]): {k: v[i] for k, v in layer.fields.items()} for i in range(len(layer))}


def _buildings(
    found: dict[str, dict[str, Any]], truth: VectorLayer
) -> tuple[np.ndarray, np.ndarray, tuple[float, int, float, int]]:
    confusion, flooded = np.zeros((4, 5), int), np.zeros((2, 2), int)
    columns = (*GRADED, GRADE_NOT_ANALYSED)
    sums = [0.0, 0, 0.0, 0]
    for i in range(len(truth)):
        row = found[str(truth.fields["id"][i])]
        grade = str(truth.fields["grade"][i])
        confusion[GRADED.index(grade), columns.index(row["grade"])] += 1
        if row["grade"] == GRADE_NOT_ANALYSED:
            continue
        if grade != GRADE_DESTROYED:
            flooded[int(bool(truth.fields["flooded"][i])), int(bool(row["flooded"]))] += 1
        at = 0 if row["grade"] == grade else 2
        sums[at] += float(row["confidence"])
        sums[at + 1] += 1
    return confusion, flooded, (sums[0], sums[1], sums[2], sums[3])


def _runs(lines: Iterable[tuple[str, Geometry, str]]) -> list[tuple[str, Geometry]]:
    """Cut places: the road's name, and cut pieces less than `_NEAR_M` apart as one geometry."""
    cut = [(road, line) for road, line, state in lines if state in ROADS_CUT]
    runs: list[tuple[str, Geometry]] = []
    for road, own in groupby(sorted(cut, key=lambda c: c[0]), key=lambda c: c[0]):
        pieces = [line for _, line in own]
        joined = shapely.union_all([p.buffer(_NEAR_M / 2, cap_style="round") for p in pieces])
        for part in shapely.get_parts(joined):
            whole = shapely.union_all([p for p in pieces if p.intersects(part)])
            if whole.length >= _SHORTEST_M:
                runs.append((road, whole))
    return runs


Told = Sequence[tuple[str, Geometry, str]]
"""Roads: identifier, line, state."""


def told_by(layer: VectorLayer) -> Told:
    """The roads of a vector layer."""
    return [
        (str(layer.fields["id"][i]), line, str(layer.fields["state"][i]))
        for i, line in enumerate(layer.geometries)
    ]


def score_cuts(told: Told, true: Told) -> tuple[int, int, int, int, int, float, float, float]:
    """The fields of GradeScore from `cuts` to `false_m`."""
    unseen = {
        road: shapely.union_all([g.buffer(6.0) for r, g, s in told if r == road and s == ROAD_NOT_ANALYSED])
        for road in {r for r, _, _ in told}
    }
    cut_told, cut_true = _runs(told), _runs(true)

    def near(place: tuple[str, Geometry], others: Sequence[tuple[str, Geometry]]) -> bool:
        return any(place[0] == road and place[1].distance(g) < _NEAR_M for road, g in others)

    hidden = [
        p
        for p in cut_true
        if not near(p, cut_told) and unseen[p[0]].intersection(p[1]).length > 0.5 * p[1].length
    ]
    found = [p for p in cut_true if near(p, cut_told)]
    false = [p for p in cut_told if not near(p, cut_true)]
    area_true = shapely.union_all([g.buffer(6.0) for _, g in cut_true])
    area_told = shapely.union_all([g.buffer(6.0) for _, g in cut_told])
    seen_true = [g.difference(unseen[r]) for r, g in cut_true]
    return (
        len(cut_true), len(found), len(hidden), len(cut_told), len(false),
        sum(g.length for g in seen_true), sum(g.intersection(area_told).length for g in seen_true),
        sum(g.difference(area_true).length for _, g in cut_told),
    )  # fmt: skip


def _bridges(told: Told, true: Told) -> tuple[int, int, int]:
    """Bridges that are out, those told to be, and how many of these are."""
    out = shapely.union_all([line for _, line, state in true if state == ROAD_BRIDGE_OUT])
    said = [line.buffer(_NEAR_M / 2) for _, line, state in told if state == ROAD_BRIDGE_OUT]
    places = shapely.get_parts(shapely.union_all(said)) if said else []
    right = sum(place.distance(out) < _NEAR_M for place in places)
    true_places = shapely.get_parts(out.buffer(_NEAR_M / 2)) if not out.is_empty else []
    return len(true_places), len(places), right


def _places(damage: Path, world: World, crs: pyproj.CRS, truth: VectorLayer) -> tuple[int, int, int]:
    """Villages, those whose state is the true one, those told to be unknown. The truth is the same network
    with the true states, safe where it leaves the world."""
    houses = read_layer(world.footprints, crs, "footprints")
    points = [shapely.Point(g.centroid) for g in houses.geometries]
    names = houses.fields["village"]
    groups = {str(n): [p for p, own in zip(points, names, strict=True) if own == n] for n in set(names)}
    stretches = []
    at: dict[int, float] = {}
    for i, line in enumerate(truth.geometries):
        road = int(truth.fields["id"][i])
        begin = at.get(road, 0.0)
        at[road] = begin + line.length
        stretches.append(
            RoadStretch(road, str(road), line, str(truth.fields["state"][i]), line.length, 1.0, 0, begin)
        )
    half = (world.width_m / 2, world.height_m / 2)
    whole = shapely.transform(
        shapely.box(-half[0], -half[1], *half),
        pyproj.Transformer.from_crs(world.frame.crs, crs, always_xy=True).transform,
        interleaved=False,
    )
    outside = whole.buffer(1000.0).difference(whole)
    expected = {
        p.name: p.state for p in access_of(list(groups.items()), network(stretches, frozenset(), outside))
    }
    told = _rows_by_name(damage, crs)
    right = sum(told[name] == state for name, state in expected.items())
    return len(expected), right, sum(state == ACCESS_UNKNOWN for state in told.values())


def _rows_by_name(damage: Path, crs: pyproj.CRS) -> dict[str, str]:
    layer = _layer(damage, "places", crs)
    return {str(n): str(s) for n, s in zip(layer.fields["name"], layer.fields["state"], strict=True)}
