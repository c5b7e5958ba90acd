"""Lanes: parallel lines clipped exactly to what is to be mapped, at an angle, or offset along a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely import Geometry, LineString, MultiPolygon, Polygon

from plans.frames import FloatArray


@dataclass(frozen=True)
class Lane:
    """One photographed line, in local metres, in the sense in which it is flown.

    `rank` is the number of the sweep line that it was cut from; lanes of one line share it. `photo_gap` is
    the distance between its photos as a share of the survey's.
    """

    line: LineString
    rank: int
    photo_gap: float = 1.0

    @property
    def start_m(self) -> FloatArray:
        """East, north of the first point, shape (2,)."""
        return np.asarray(self.line.coords[0])

    @property
    def end_m(self) -> FloatArray:
        """East, north of the last point, shape (2,)."""
        return np.asarray(self.line.coords[-1])

    @property
    def points_m(self) -> FloatArray:
        """East, north of all points, shape (k, 2)."""
        return np.asarray(self.line.coords)

    @property
    def length_m(self) -> float:
        """Length on the ground."""
        return float(self.line.length)

    def turned(self) -> Lane:
        """The same lane flown the other way."""
        return replace(self, line=LineString(self.line.coords[::-1]))


@dataclass(frozen=True)
class SweepAxes:
    """The axes of a sweep: `unit` (2,) along the lanes, `across` (2,) to their right. A region lies between
    `low` and `high` along and between `left` and `right` across (metres)."""

    unit: FloatArray
    across: FloatArray
    low: float
    high: float
    left: float
    right: float

    @classmethod
    def of(cls, region: Geometry, angle_deg: float) -> SweepAxes:
        """The axes of lanes `angle_deg` clockwise from north over a region (local metres)."""
        unit = np.array([math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))])
        across = np.array([unit[1], -unit[0]])
        corners = shapely.get_coordinates(region)
        s, t = corners @ unit, corners @ across
        return cls(unit, across, float(s.min()), float(s.max()), float(t.min()), float(t.max()))

    def even_places(self, spacing_m: float) -> FloatArray:
        """Places across of lanes in the middles of equal strips, at most `spacing_m` wide."""
        strips = max(math.ceil((self.right - self.left) / spacing_m - 1e-9), 1)
        return np.asarray(self.left + (self.right - self.left) / strips * (np.arange(strips) + 0.5))


def sweep_lanes(
    region: Polygon | MultiPolygon,
    blocked: Geometry | None,
    spacing_m: float,
    angle_deg: float,
    places_m: FloatArray | None = None,
) -> list[Lane]:
    """Lanes over a region (local metres), `angle_deg` clockwise from north, at most `spacing_m` apart.

    The zone's width across the lanes is cut into equal strips with a lane down the middle of each, or lanes
    lie at `places_m` across (see SweepAxes), rising. A lane runs over every stretch where its strip holds
    some of the region, so that a slanting edge is not left out between two lanes. Nothing of a lane lies in
    `blocked` (holes and no-fly areas with their margins). Lanes come out by rank, then along the line.
    """
    axes = SweepAxes.of(region, angle_deg)
    unit, across = axes.unit, axes.across
    middles = axes.even_places(spacing_m) if places_m is None else places_m
    ends = np.array([axes.low - 1.0, axes.high + 1.0])
    lines = shapely.linestrings(
        unit[None, None, :] * ends[None, :, None] + across[None, None, :] * middles[:, None, None]
    )
    shapely.prepare(region)
    spans = _spans(shapely.intersection(lines, region), unit)
    spans = _reach_slanting_edges(spans, region, axes, middles, spacing_m)
    lanes: list[Lane] = []
    for rank, (stretches, middle) in enumerate(zip(spans, middles, strict=True)):
        for low, high in stretches:
            line = LineString([unit * low + across * middle, unit * high + across * middle])
            lanes.extend(Lane(part, rank) for part in outside(line, blocked))
    return [lane for lane in lanes if lane.length_m > 0.5]


def _spans(pieces: np.ndarray, unit: FloatArray) -> list[list[tuple[float, float]]]:
    """For each clipped sweep line, its stretches (low, high) measured along `unit`."""
    parts, owner = shapely.get_parts(pieces, return_index=True)
    spans: list[list[tuple[float, float]]] = [[] for _ in pieces]
    for part, rank in zip(parts, owner, strict=True):
        if isinstance(part, LineString) and not part.is_empty:
            along = np.asarray(part.coords) @ unit
            spans[rank].append((float(along.min()), float(along.max())))
    return spans


def _reach_slanting_edges(
    spans: list[list[tuple[float, float]]],
    region: Polygon | MultiPolygon,
    axes: SweepAxes,
    middles: FloatArray,
    spacing_m: float,
) -> list[list[tuple[float, float]]]:
    """Stretches grown so that a corner of the region in the strip is passed abeam.

    Growth is held to one lane spacing, beyond which the neighbouring lane sees the ground; a corner that no
    stretch comes near (a tip thinner than the strip) gets a short one of its own.
    """
    corners = shapely.get_coordinates(region)
    along = corners @ axes.unit
    rank = np.searchsorted((middles[1:] + middles[:-1]) / 2, corners @ axes.across, side="right")
    grown = [[list(span) for span in stretches] for stretches in spans]
    for place, k in sorted(zip(along.tolist(), rank.tolist(), strict=True), key=lambda item: item[::-1]):
        gaps = [max(low - place, place - high, 0.0) for low, high in grown[k]]
        if not gaps or min(gaps) > spacing_m:
            if not _seen_by_neighbour(grown, k, place):
                grown[k].append([place - spacing_m / 4, place + spacing_m / 4])
            continue
        nearest = grown[k][gaps.index(min(gaps))]
        nearest[0], nearest[1] = min(nearest[0], place), max(nearest[1], place)
    return [_merged(stretches) for stretches in grown]


def _seen_by_neighbour(grown: list[list[list[float]]], k: int, place: float) -> bool:
    beside = [*(grown[k - 1] if k > 0 else []), *(grown[k + 1] if k + 1 < len(grown) else [])]
    return any(low <= place <= high for low, high in beside)


def _merged(stretches: list[list[float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(stretches):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def outside(line: LineString, blocked: Geometry | None) -> list[LineString]:
    """The pieces of a line that lie outside of `blocked`, in its own sense."""
    if blocked is None or blocked.is_empty or not blocked.intersects(line):
        return [line]
    left = shapely.difference(line, blocked)
    return [part for part in shapely.get_parts(left) if isinstance(part, LineString) and not part.is_empty]


def corridor_lanes(
    line: LineString, width_m: float, spacing_m: float, blocked: Geometry | None
) -> list[Lane]:
    """Lanes along a line (local metres), side by side over `width_m`, at most `spacing_m` apart."""
    count = max(math.ceil(width_m / spacing_m - 1e-9), 1)
    step = width_m / count
    smooth = line.simplify(min(spacing_m, width_m) / 50)
    lanes: list[Lane] = []
    for rank in range(count):
        offset = -width_m / 2 + step * (rank + 0.5)
        shifted = (
            smooth if abs(offset) < 1e-9 else smooth.offset_curve(offset, join_style="mitre", mitre_limit=2.0)
        )
        for part in shapely.get_parts(shifted):
            lanes.extend(Lane(piece, rank) for piece in outside(part, blocked))
    return [lane for lane in lanes if lane.length_m > 0.5]


def candidate_angles(
    region: Polygon | MultiPolygon, extra_deg: Sequence[float] = (), keep: int = 8
) -> list[float]:
    """The angles (degrees clockwise from north, in [0, 180)) worth evaluating for a region.

    All edge angles, those in `extra_deg`, and every 15 degrees, ranked by the number of lanes that they would
    cut the region into (edge lengths across the sweep, Fields2Cover's NSwathModified) and thinned to `keep`.
    """
    rings = [ring for part in shapely.get_parts(region) for ring in (part.exterior, *part.interiors)]
    edges = np.concatenate([np.diff(np.asarray(ring.coords), axis=0) for ring in rings])
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    headings = np.degrees(np.arctan2(edges[:, 0], edges[:, 1])) % 180.0
    everywhere = np.concatenate([headings, np.arange(0.0, 180.0, 15.0), np.asarray(extra_deg, float) % 180.0])
    angles = np.unique(np.round(everywhere, 2) % 180.0)
    turns = np.abs(np.sin(np.radians(angles[:, None] - headings[None, :]))) @ lengths
    chosen: list[float] = []
    for index in np.argsort(turns, kind="stable"):
        angle = float(angles[index])
        if all(min(abs(angle - other), 180.0 - abs(angle - other)) >= 2.0 for other in chosen):
            chosen.append(angle)
        if len(chosen) >= keep:
            break
    return chosen + [a % 180.0 for a in extra_deg if a % 180.0 not in chosen]
