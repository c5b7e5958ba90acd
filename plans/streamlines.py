"""Lanes that run along a winding zone, side by side like the currents of a river, instead of across it.

A river of 3 km and six lanes' width is six long lanes this way and a hundred short ones the other way; every
lane costs a turn. The zone's middle line comes from the Voronoi diagram of its outline (the medial axis),
lanes are its offset curves clipped to the zone, smoothed so that a multirotor holds its speed on them. What
they leave out (tributaries, bays) is treated in the same way, or swept straight where that is shorter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from shapely import Geometry, LineString, MultiLineString, Point, Polygon
from shapely.ops import substring

from plans.frames import FloatArray
from plans.lanes import Lane, candidate_angles, outside, sweep_lanes

_DEEPEST = 3  # stem, tributaries, their bays
_WIDE = 5  # lanes on each side of the middle one: how they are shifted matters less and less
_MANY = 30  # lanes of a way, from which on only the more promising ways are worked out
_GENTLE_DEG = 45.0  # of a corner between two pieces of a bent lane
_OFF_LINE, _OFF_NARROW = 0.18, 0.07
"""Spacings by which a bent lane may leave its smooth line, to have long pieces; less without neighbours."""
_LONG = 4.0
"""A zone is worth following when the square of its middle line is so many times its area."""


@dataclass(frozen=True)
class StreamRules:
    """How lanes along a zone are laid.

    `spacing_m` between lanes. `reach_m`: at the zone's edge, ground so far beside a lane is photographed well
    enough. `turn_m`: length of lane that is flown in the time of a change of lanes. `radius_m`: least radius
    of curves, as far as smoothing can hold it.
    """

    spacing_m: float
    reach_m: float
    turn_m: float
    radius_m: float


def stream_layouts(part: Polygon, blocked: Geometry | None, rules: StreamRules) -> list[list[Lane]]:
    """Ways to lay lanes along a zone (local metres), outside of `blocked`: with a lane in its middle, two
    astride, or in between. Ranks tell the offset curves apart. Without a middle line that is long for the
    zone's area there is none."""
    stem = middle_line(Polygon(part.exterior), rules.spacing_m)
    if stem is None or stem.length**2 < _LONG * part.area:
        return []
    return _ways_along(stem, part, blocked, rules, 1, (0.0, 0.5, 0.25, 0.75))


def lanes_effort_m(lanes: Sequence[Lane], rules: StreamRules) -> float:
    """Length of the lanes with a change of lanes after each, in metres flown at full speed."""
    return sum(lane.length_m + rules.turn_m for lane in lanes)


def middle_line(shell: Polygon, spacing_m: float) -> LineString | None:
    """The longest way along the medial axis of a polygon without holes, smoothed, or None."""
    narrow = 2 * shell.area / max(shell.exterior.length, 1e-9)  # about its width
    step = max(min(spacing_m / 2, narrow / 3), shell.exterior.length / 1500)
    outline = shapely.segmentize(shell.exterior.simplify(min(spacing_m, narrow) / 8), step)
    corners = shapely.get_coordinates(outline)[:-1]
    edges = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(corners), only_edges=True))
    shapely.prepare(shell)
    edges = edges[shapely.contains(shell, edges)]
    if len(edges) == 0:
        return None
    way = _longest_way(edges)
    if way is None:
        return None
    return _smooth(way, spacing_m / 2, 1.5 * spacing_m)


def _longest_way(edges: np.ndarray) -> FloatArray | None:
    """Points (k, 2) of the longest shortest way in the graph of segments: farthest from farthest."""
    coords = shapely.get_coordinates(edges)
    counts = shapely.get_num_coordinates(edges)
    first = np.ones(len(coords), bool)
    first[np.cumsum(counts) - 1] = False
    starts = np.flatnonzero(first)
    nodes, index = np.unique(np.round(coords, 3), axis=0, return_inverse=True)
    index = index.reshape(-1)
    a, b = index[starts], index[starts + 1]
    lengths = np.maximum(np.hypot(*(nodes[a] - nodes[b]).T), 1e-6)
    graph = coo_array((lengths, (a, b)), shape=(len(nodes), len(nodes))).tocsr()
    reach = dijkstra(graph, directed=False, indices=int(a[0]))
    start = int(np.argmax(np.where(np.isfinite(reach), reach, -1)))
    reach, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    at = int(np.argmax(np.where(np.isfinite(reach), reach, -1)))
    order = [at]
    while order[-1] != start:
        order.append(int(before[order[-1]]))
    return nodes[order] if len(order) > 2 else None


def _smooth(points: FloatArray, step_m: float, sigma_m: float) -> LineString:
    """The line in even steps, smoothed by a Gaussian that holds its ends."""
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = max(int(run[-1] / step_m), 3)
    at = np.linspace(0.0, run[-1], count + 1)
    even = np.column_stack([np.interp(at, run, points[:, axis]) for axis in (0, 1)])
    sigma = sigma_m / step_m
    pad = math.ceil(4 * sigma)
    # Mirrored through its end points, so that they stay and the line runs on straight.
    before = 2 * even[0] - even[1 : pad + 1][::-1]
    after = 2 * even[-1] - even[-pad - 1 : -1][::-1]
    smooth = gaussian_filter1d(np.concatenate([before, even, after]), sigma, axis=0)
    return LineString(smooth[len(before) : len(before) + len(even)])


def _ways_along(
    stem: LineString,
    part: Polygon,
    blocked: Geometry | None,
    rules: StreamRules,
    depth: int,
    phases: Sequence[float],
) -> list[list[Lane]]:
    """For each phase, lanes along the stem shifted by this share of the spacing, and those of the rest."""
    bed = _bed_of(stem, part, rules)
    phases = phases[: 1 if bed.beside > 2 * _WIDE - 2 else 2 if bed.beside > _WIDE else None]
    ways = [way for way in (_along(bed, blocked, rules, phase) for phase in phases) if way]
    if sum(len(way) for way in ways) > _MANY * len(ways):
        ways = sorted(ways, key=lambda way: _effort_with_rest_m(way, part, rules))[:2]
    return [_with_rest(way, part, blocked, rules, depth) for way in ways]


@dataclass(frozen=True)
class _Bed:
    """A middle line run on to the zone's edge, the ground that is its own, how many lanes lie beside it, and
    how far lanes may leave their smooth line."""

    line: LineString
    own: Geometry
    beside: int
    off_line_m: float


def _bed_of(stem: LineString, part: Polygon, rules: StreamRules) -> _Bed:
    """The stem's own width of the zone."""
    spacing = rules.spacing_m
    shell = Polygon(part.exterior)
    places = shapely.points(shapely.get_coordinates(stem))
    depths = shapely.distance(places, shell.exterior)
    discs = shapely.buffer(places, depths + 0.3 * spacing, quad_segs=6)
    ends = _lengthened(stem, shell)
    caps = [LineString([end, on]).buffer(depths.max()) for end, on in ends]
    # Over a brook narrower than a lane's strip the smooth line may leave the water a little.
    around = shell.buffer(spacing / 3) if float(depths.max()) < spacing / 2 else shell
    own = shapely.union_all([*discs, *caps]).intersection(around)
    line = LineString([ends[0][1], *shapely.get_coordinates(stem), ends[1][1]])
    shapely.prepare(own)
    off_line = _OFF_NARROW if float(depths.max()) < spacing else _OFF_LINE
    return _Bed(line, own, math.ceil((float(depths.max()) + spacing) / spacing), off_line * spacing)


def _effort_with_rest_m(lanes: Sequence[Lane], part: Polygon, rules: StreamRules) -> float:
    """lanes_effort_m, and what the rest of the zone would take at the least."""
    seen = sum(lane.length_m for lane in lanes) * rules.spacing_m
    return lanes_effort_m(lanes, rules) + max(part.area - seen, 0.0) / rules.spacing_m


def _along(bed: _Bed, blocked: Geometry | None, rules: StreamRules, phase: float) -> list[Lane]:
    """The offset curves of a middle line where they lie in its own ground."""
    spacing = rules.spacing_m
    lanes: list[Lane] = []
    for rank in range(-bed.beside, bed.beside + 1):
        offset = (rank + phase) * spacing
        line = bed.line
        shifted = line if offset == 0 else line.offset_curve(offset, quad_segs=6, join_style="round")
        for curve in shapely.get_parts(shifted):
            if curve.length > 2 * spacing:
                even = _smooth(shapely.get_coordinates(curve), spacing / 4, rules.radius_m / 2)
                lanes += _clipped(even, bed, blocked, rank + bed.beside, rules)
    return lanes


def _lengthened(line: LineString, shell: Polygon) -> list[tuple[FloatArray, FloatArray]]:
    """For both ends of the line, the end and where it leaves the zone when it runs on straight."""
    points = shapely.get_coordinates(line)
    far_m = 2 * float(np.ptp(shapely.get_coordinates(shell), axis=0).max())
    back = min(3, len(points) - 1)
    ends = []
    for end, inner in ((points[0], points[back]), (points[-1], points[-1 - back])):
        unit = (end - inner) / max(float(np.hypot(*(end - inner))), 1e-9)
        inside = shapely.get_parts(LineString([end, end + unit * far_m]).intersection(shell))
        run = max((p.length for p in inside if p.distance(Point(end)) < 1.0), default=0.0)
        ends.append((end, end + unit * (run + 20.0)))
    return ends


def _clipped(
    curve: LineString, bed: _Bed, blocked: Geometry | None, rank: int, rules: StreamRules
) -> list[Lane]:
    """The curve's pieces in its area, joined where a gap is shorter than a turn, outside of `blocked`."""
    spans = sorted(
        sorted((curve.project(Point(p.coords[0])), curve.project(Point(p.coords[-1]))))
        for p in shapely.get_parts(curve.intersection(bed.own))
        if isinstance(p, LineString) and p.length > 0
    )
    joined: list[list[float]] = []
    for low, high in spans:
        if joined and low - joined[-1][1] < rules.turn_m / 2:
            joined[-1][1] = max(high, joined[-1][1])
        else:
            joined.append([low, high])
    shortest = rules.spacing_m / 4
    lines = [
        _few_corners(substring(curve, low, high), bed.off_line_m)
        for low, high in joined
        if high - low > shortest
    ]
    pieces = [piece for line in lines for piece in outside(line, blocked)]
    return [Lane(piece, rank) for piece in pieces if piece.length > shortest]


def _few_corners(line: LineString, tolerance_m: float) -> LineString:
    """The line with as few points as keep it within the tolerance and no corner too sharp: a vehicle is slow
    on short pieces, however little they turn."""
    for finer in (1.0, 0.7, 0.5, 0.35, 0.25):
        plain = line.simplify(finer * tolerance_m)
        if _sharpest_deg(plain) <= _GENTLE_DEG:
            break
    return plain


def _sharpest_deg(line: LineString) -> float:
    steps = np.diff(shapely.get_coordinates(line), axis=0)
    turns = np.diff(np.degrees(np.arctan2(steps[:, 0], steps[:, 1])))
    return float(np.abs((turns + 180.0) % 360.0 - 180.0).max(initial=0.0))


def _with_rest(
    lanes: list[Lane], part: Polygon, blocked: Geometry | None, rules: StreamRules, depth: int
) -> list[Lane]:
    """The lanes and, for what they leave unseen, more: along or straight, whichever is the cheaper."""
    target = part if blocked is None else shapely.difference(part, blocked)
    lines = MultiLineString([lane.line for lane in lanes])
    unseen = shapely.difference(target, lines.buffer(rules.reach_m, quad_segs=4))
    half = lines.buffer(rules.spacing_m / 2, cap_style="flat")
    near = unseen.buffer(rules.reach_m - rules.spacing_m / 2 + 1.0, quad_segs=4)
    rest = shapely.difference(target, half).intersection(near).buffer(-1.0).buffer(1.0)
    more: list[Lane] = []
    for piece in shapely.get_parts(rest):
        if isinstance(piece, Polygon) and piece.intersection(unseen).area >= 1.0:
            more += _cheapest(piece, blocked, rules, depth)
    return [*lanes, *more]


def _cheapest(piece: Polygon, blocked: Geometry | None, rules: StreamRules, depth: int) -> list[Lane]:
    spacing = rules.spacing_m
    ways = [sweep_lanes(piece, blocked, spacing, angle) for angle in candidate_angles(piece, keep=4)]
    if depth < _DEEPEST and piece.area > 20 * spacing**2:
        stem = middle_line(Polygon(piece.exterior), spacing)
        if stem is not None and stem.length > 4 * spacing:
            ways += _ways_along(stem, piece, blocked, rules, depth + 1, (0.0, 0.5))
    return min((way for way in ways if way), key=lambda way: lanes_effort_m(way, rules), default=[])
