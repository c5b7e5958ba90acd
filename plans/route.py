"""The order and sense in which lanes are flown: nearest neighbour, then 2-opt and or-opt with reversal, then
the same again from kicked tours (iterated local search, Lourenco, Martin and Stuetzle 2003).

The last row and column of a cost matrix are the depot's: the row leads out of it, the column back to it (in a
window of a long tour they are the lanes before and after)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from shapely import LineString

from plans.frames import FloatArray
from plans.lanes import Lane

_MOST_KICKED = 250  # more lanes make a local search too slow to be worth repeating
_MOST_WHOLE = 600  # lanes improved as one tour, with the costs of all pairs
_WINDOW = 100  # lanes of a longer tour that are improved together


@dataclass(frozen=True)
class _Tour:
    """Lanes in order: nodes by which each is entered and left. Node 2i is lane i's start, 2i+1 its end."""

    enter: np.ndarray
    leave: np.ndarray


def order_lanes(
    lanes: Sequence[Lane],
    depots_m: FloatArray,
    cost: Callable[[FloatArray], FloatArray],
    kicks: int = 0,
) -> list[Lane]:
    """Lanes in an order and sense with little transit between them, from a depot and back to one.

    `depots_m` is (k, 2); the nearest counts. `cost` gives the transit costs (n, n) between points (n, 2);
    it must be symmetric. `kicks` is how often the search starts again from the best tour with two stretches
    swapped. Deterministic.
    """
    if len(lanes) <= _MOST_WHOLE:
        tour = _solve(lanes, depots_m, cost, kicks)
    else:
        tour = _solve_many(lanes, depots_m, cost)
    return [lanes[enter // 2] if enter % 2 == 0 else lanes[enter // 2].turned() for enter in tour.enter]


def order_tours(tours: Sequence[Sequence[Lane]], depots_m: FloatArray) -> list[Lane]:
    """Tours over several areas one after another, each whole, forwards or backwards: an area is flown like
    one long lane from its first start to its last end."""
    filled = [tour for tour in tours if tour]
    areas = [Lane(LineString([tour[0].start_m, tour[-1].end_m]), i) for i, tour in enumerate(filled)]
    ordered: list[Lane] = []
    for area in order_lanes(areas, depots_m, straight_m):
        tour = filled[area.rank]
        forwards = np.array_equal(area.start_m, tour[0].start_m)
        ordered += tour if forwards else [lane.turned() for lane in reversed(tour)]
    return ordered


def straight_m(points_m: FloatArray) -> FloatArray:
    """Straight lengths (n, n) between points (n, 2)."""
    e, n = points_m[:, 0], points_m[:, 1]
    return np.hypot(e[:, None] - e[None, :], n[:, None] - n[None, :])


def _solve_many(
    lanes: Sequence[Lane], depots_m: FloatArray, cost: Callable[[FloatArray], FloatArray]
) -> _Tour:
    """Nearest lane next, then local search in windows that slide along the tour: cost linear in lanes."""
    ends = _ends_m(lanes)
    first = ends[np.argmin(np.hypot(*(ends[:, None] - depots_m[None]).T).min(axis=0))]
    open_nodes = np.ones(len(ends), bool)
    here, enter = first, np.zeros(len(lanes), np.int64)
    for step in range(len(lanes)):
        away = np.where(open_nodes, np.hypot(ends[:, 0] - here[0], ends[:, 1] - here[1]), np.inf)
        enter[step] = node = int(np.argmin(away))
        open_nodes[[node, node ^ 1]] = False
        here = ends[node ^ 1]
    for shift in (0, _WINDOW // 4):
        for low in range(shift, len(lanes), _WINDOW // 2):
            part = enter[low : low + _WINDOW]
            before = ends[enter[low - 1] ^ 1] if low else ends[part[0]]
            after = ends[enter[low + len(part)]] if low + len(part) < len(lanes) else ends[part[-1] ^ 1]
            nodes = np.column_stack([part, part ^ 1]).ravel()
            full = cost(np.concatenate([ends[nodes], before[None], after[None]]))
            matrix = full[:-1, :-1].copy()
            matrix[:, -1] = full[:-1, -1]
            matrix[-1, -1] = 0.0
            sequence = np.arange(0, len(nodes), 2)
            better = _improved(_Tour(sequence, sequence ^ 1), matrix)
            enter[low : low + _WINDOW] = nodes[better.enter]
    return _Tour(enter, enter ^ 1)


def _ends_m(lanes: Sequence[Lane]) -> FloatArray:
    """Start and end of every lane, shape (2n, 2)."""
    return np.array([point for lane in lanes for point in (lane.start_m, lane.end_m)])


def _solve(
    lanes: Sequence[Lane], depots_m: FloatArray, cost: Callable[[FloatArray], FloatArray], kicks: int
) -> _Tour:
    ends = _ends_m(lanes)
    full = cost(np.concatenate([ends, depots_m]))
    n = len(ends)
    matrix = np.zeros((n + 1, n + 1))
    matrix[:n, :n] = full[:n, :n]
    matrix[n, :n] = matrix[:n, n] = full[:n, n:].min(axis=1)
    best = _improved(_greedy(matrix), matrix)
    rng = np.random.default_rng(1)
    for _ in range(kicks if 3 <= len(lanes) <= _MOST_KICKED else 0):
        found = _improved(_kicked(best, rng), matrix)
        if _tour_cost(found, matrix) < _tour_cost(best, matrix) - 1e-6:
            best = found
    return best


def _kicked(tour: _Tour, rng: np.random.Generator) -> _Tour:
    """Two neighbouring stretches swapped (the double bridge), which no 2-opt or short or-opt move undoes."""
    i, j, k = np.sort(rng.choice(len(tour.enter) + 1, 3, replace=False))
    enter = np.concatenate([tour.enter[:i], tour.enter[j:k], tour.enter[i:j], tour.enter[k:]])
    return _Tour(enter, enter ^ 1)


def _improved(tour: _Tour, matrix: FloatArray) -> _Tour:
    while True:
        better = _or_opt(_two_opt(tour, matrix), matrix)
        if _tour_cost(better, matrix) >= _tour_cost(tour, matrix) - 1e-6:
            return better
        tour = better


def _tour_cost(tour: _Tour, matrix: FloatArray) -> float:
    depot = len(matrix) - 1
    leave = np.concatenate([[depot], tour.leave])
    enter = np.concatenate([tour.enter, [depot]])
    return float(matrix[leave, enter].sum())


def _greedy(matrix: FloatArray) -> _Tour:
    n = len(matrix) - 1
    open_nodes = np.ones(n, bool)
    here, enter = n, []
    for _ in range(n // 2):
        costs = np.where(open_nodes, matrix[here, :n], np.inf)
        node = int(np.argmin(costs))
        enter.append(node)
        open_nodes[[node, node ^ 1]] = False
        here = node ^ 1
    entered = np.array(enter)
    return _Tour(entered, entered ^ 1)


def _two_opt(tour: _Tour, matrix: FloatArray) -> _Tour:
    """Reverse the stretch k..m (flying its lanes the other way) while that shortens the tour."""
    enter, leave = tour.enter.copy(), tour.leave.copy()
    depot, n = len(matrix) - 1, len(enter)
    lower = np.tril(np.ones((n, n), bool), -1)
    for _ in range(20 * n):
        before = np.concatenate([[depot], leave[:-1]])
        after = np.concatenate([enter[1:], [depot]])
        gain = matrix[before, enter][:, None] + matrix[leave, after][None, :]
        gain -= matrix[np.ix_(before, leave)] + matrix[np.ix_(enter, after)]
        gain[lower] = -np.inf
        k, m = divmod(int(np.argmax(gain)), n)
        if gain[k, m] <= 1e-6:
            break
        entered, left = enter[k : m + 1].copy(), leave[k : m + 1].copy()
        enter[k : m + 1], leave[k : m + 1] = left[::-1], entered[::-1]
    return _Tour(enter, leave)


def _or_opt(tour: _Tour, matrix: FloatArray) -> _Tour:
    """Move one to three lanes in a row elsewhere, either way round, while that shortens the tour."""
    best = tour
    for size in (1, 2, 3):
        for _ in range(5 * len(tour.enter)):
            moved = _best_move(best, matrix, size)
            if moved is None:
                break
            best = moved
    return best


def _best_move(tour: _Tour, matrix: FloatArray, size: int) -> _Tour | None:
    enter, leave = tour.enter, tour.leave
    depot, n = len(matrix) - 1, len(enter)
    if n <= size:
        return None
    k = np.arange(n - size + 1)
    before = np.concatenate([[depot], leave])[k]
    after = np.concatenate([enter, [depot]])[k + size]
    head, tail = enter[k], leave[k + size - 1]
    taken = matrix[before, head] + matrix[tail, after] - matrix[before, after]
    gap_from = np.concatenate([[depot], leave])  # gap g lies before lane g; n + 1 gaps
    gap_to = np.concatenate([enter, [depot]])
    there = matrix[gap_from, gap_to][None, :]
    straight = matrix[np.ix_(gap_from, head)].T + matrix[np.ix_(tail, gap_to)] - there
    turned = matrix[np.ix_(gap_from, tail)].T + matrix[np.ix_(head, gap_to)] - there
    gain = taken[:, None] - np.minimum(straight, turned)
    gaps = np.arange(n + 1)[None, :]
    gain[(gaps >= k[:, None]) & (gaps <= k[:, None] + size)] = -np.inf
    at, gap = divmod(int(np.argmax(gain)), n + 1)
    if gain[at, gap] <= 1e-6:
        return None
    piece_in, piece_out = enter[at : at + size], leave[at : at + size]
    if turned[at, gap] < straight[at, gap]:
        piece_in, piece_out = piece_out[::-1], piece_in[::-1]
    rest_in, rest_out = np.delete(enter, np.s_[at : at + size]), np.delete(leave, np.s_[at : at + size])
    place = gap if gap < at else gap - size
    return _Tour(np.insert(rest_in, place, piece_in), np.insert(rest_out, place, piece_out))
