"""Tracks: one ground point seen in several photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from imagery.features import Features
from imagery.matching import PairMatches


@dataclass(frozen=True)
class Tracks:
    """Observations of ground points, sorted by track.

    `track` (n,) 0..count-1, `photo` (n,), `xy_px` (n, 2) full pixels, `sigma_px` (n,) their accuracy.
    """

    count: int
    track: npt.NDArray[np.int64]
    photo: npt.NDArray[np.int64]
    xy_px: npt.NDArray[np.float64]
    sigma_px: npt.NDArray[np.float64]

    def select(self, keep: npt.NDArray[np.bool_]) -> Tracks:
        """Only these observations, without tracks that are left with fewer than two; renumbered."""
        return self.thinned(keep)[0]

    def thinned(self, keep: npt.NDArray[np.bool_]) -> tuple[Tracks, npt.NDArray[np.int64]]:
        """The same, and which tracks are left, by their old numbers."""
        remaining = np.bincount(self.track[keep], minlength=self.count)
        keep = keep & (remaining[self.track] >= 2)
        left, renumbered = np.unique(self.track[keep], return_inverse=True)
        return Tracks(len(left), renumbered, self.photo[keep], self.xy_px[keep], self.sigma_px[keep]), left

    def with_more(self, more: Tracks) -> Tracks:
        """These tracks and behind them others."""
        return Tracks(
            self.count + more.count,
            np.concatenate([self.track, self.count + more.track]),
            np.concatenate([self.photo, more.photo]),
            np.concatenate([self.xy_px, more.xy_px]),
            np.concatenate([self.sigma_px, more.sigma_px]),
        )


def build_tracks(
    features: Sequence[Features], matches: Sequence[PairMatches], relative_sigma: float = 0.6
) -> Tracks:
    """Join matches that share a feature into tracks; a track that meets one photo twice is contradictory and
    left out.

    `relative_sigma`: accuracy of a feature in pixels of the image it was found in.
    """
    sizes = np.array([len(f.xy_px) for f in features])
    offsets = np.r_[0, np.cumsum(sizes)]
    total = int(offsets[-1])
    if not matches:
        return Tracks(0, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 2)), np.zeros(0))
    left = np.concatenate([m.first_ids + offsets[m.first] for m in matches])
    right = np.concatenate([m.second_ids + offsets[m.second] for m in matches])
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(total, total))
    _, component = connected_components(graph, directed=False)
    nodes = np.unique(np.concatenate([left, right]))
    photo = np.searchsorted(offsets, nodes, side="right") - 1
    component = component[nodes]
    order = np.lexsort((photo, component))
    nodes, photo, component = nodes[order], photo[order], component[order]
    twice = (np.diff(component) == 0) & (np.diff(photo) == 0)
    bad = np.unique(component[1:][twice])
    good = ~np.isin(component, bad)
    nodes, photo, component = nodes[good], photo[good], component[good]
    _, track = np.unique(component, return_inverse=True)
    xy = np.concatenate([f.xy_px for f in features])[nodes].astype(np.float64)
    sigma = np.repeat([f.sigma_px * relative_sigma for f in features], sizes)[nodes]
    return Tracks(int(track.max()) + 1 if len(track) else 0, track, photo, xy, sigma)


def thin_tracks(tracks: Tracks, image_sizes: Sequence[tuple[int, int]], per_photo: int) -> Tracks:
    """The tracks worth adjusting: in each cell of each photo the longest ones, about `per_photo` a photo."""
    return tracks.select(worth_adjusting(tracks, image_sizes, per_photo)[tracks.track])


def worth_adjusting(
    tracks: Tracks, image_sizes: Sequence[tuple[int, int]], per_photo: int
) -> npt.NDArray[np.bool_]:
    """(count,) which tracks are among the longest ones of a cell of a photo, about `per_photo` a photo."""
    length = np.bincount(tracks.track, minlength=tracks.count)
    columns, rows = 10, 8
    width = np.array([s[0] for s in image_sizes])[tracks.photo]
    height = np.array([s[1] for s in image_sizes])[tracks.photo]
    column = np.clip(tracks.xy_px[:, 0] * columns / width, 0, columns - 1).astype(int)
    row = np.clip(tracks.xy_px[:, 1] * rows / height, 0, rows - 1).astype(int)
    cell = (tracks.photo * rows + row) * columns + column
    order = np.lexsort((tracks.track, -length[tracks.track], cell))
    starts = np.r_[0, np.flatnonzero(np.diff(cell[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    wanted = np.zeros(tracks.count, bool)
    wanted[tracks.track[order[rank < max(1, per_photo // (columns * rows))]]] = True
    return wanted
