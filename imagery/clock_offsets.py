"""By how much a camera's clock is off, and which other offsets would fit too.

The differences of all pairs of times heap up at the true offset. When photos come at a steady pace they heap
up a whole photo further as well, so that each heap is tried with the whole alignment and its fit is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from imagery.alignment import LOST_SHARE, FloatArray, Pair, PairModel, best_pairs, log_likelihood

_BIN_S = 0.05
_KERNEL_S = 0.3
_HEAPS, _LEAST_HEAP = 6, 0.4
_NEIGHBOURS = (-1, 1)
_SIGMA_S = (0.05, 1.0)
_ROUNDS = 4
_DRIFT_SIGMA = 1e-4
"""Quartz clocks in cameras drift some tens of parts per million."""
_DRIFT_FROM = 30
_SAME_SHARE = 0.5
_LOST_END = 0.2
_SET_RIGHT = 3.0
"""A clock is more often right to a second, but for the time zone, than off by any other time."""
_ZONE_S, _MOST_ZONES, _RIGHT_S = 1800.0, 28, 1.0
_TURN_TELLS = 2.0
_LONGEST_HOLE = 3
"""A longer hole in the pace is a turn, not so many losses."""


@dataclass(frozen=True)
class ClockFit:
    """Photos and events aligned under one offset (event time less photo time, at the middle of the photos).
    `residuals` (photos, events) in seconds; `score` is the log-likelihood."""

    offset_s: float
    drift_ppm: float
    residuals: FloatArray
    event_s: FloatArray
    model: PairModel
    pairs: tuple[Pair, ...]
    score: float


def rival_fits(
    photo_s: FloatArray, event_s: FloatArray, within_s: float | None = None, step_s: float = 0.0
) -> list[ClockFit]:
    """Alignments under all offsets that come into question, the best first; no two with mostly the same
    pairs. Times in seconds, ascending. `within_s`: only offsets up to this; `step_s`: what the
    photos' clock counts in."""
    spacing = float(np.median(np.diff(event_s))) if len(event_s) > 1 else 2.0
    spacing = max(spacing, _BIN_S)
    least_s = max(_SIGMA_S[0], step_s / np.sqrt(12))  # of times that are cut to whole steps
    fits: list[ClockFit] = []

    def try_from(offset_s: float) -> None:
        fit = _fit(photo_s, event_s, offset_s, spacing, least_s)
        known = any(_mostly_same(fit, other) for other in fits)
        if fit.pairs and not known and (within_s is None or abs(fit.offset_s) <= within_s):
            fits.append(fit)

    for offset in _heaps(photo_s, event_s, spacing):
        try_from(offset)
    if fits:
        best = max(fits, key=lambda f: f.score)
        for shift in _NEIGHBOURS:
            moved = [event_s[j + shift] - photo_s[i] for i, j in best.pairs if 0 <= j + shift < len(event_s)]
            if moved:
                try_from(float(np.median(moved)))
    fits.sort(key=lambda f: -f.score)
    for k in range(1, len(fits)):
        if odds(fits[k], fits[0]) > 1.0:
            fits[0], fits[k] = fits[k], fits[0]
    return fits


def odds(best: ClockFit, other: ClockFit) -> float:
    """How many times better one fit is than another.

    Where both pair a photo, how well its time fits speaks for itself. Beyond that, what counts is how many
    releases gave a photo and an event, one of them, or neither. Neither shows as a hole in the pace: without
    it a shift by one that happens to pair a few more would seem better, though at a steady pace it is not.
    """
    mine, others = dict(best.pairs), dict(other.pairs)
    both = [i for i in mine if i in others]
    fits, rival = best.model.fits(best.residuals), other.model.fits(other.residuals)
    apart = np.array([fits[i, mine[i]] - rival[i, others[i]] for i in both])
    nats = float(apart.sum())
    scatter = float(apart.std()) * np.sqrt(len(apart)) if len(apart) else 0.0
    nats = np.sign(nats) * max(abs(nats) - scatter, 0.0)  # what chance may have added
    nats += _losses(best) - _losses(other)
    if len(best.pairs) < max(best.residuals.shape):
        nats = min(nats, _unevenness(best))
    nats += _SET_RIGHT * (_is_set_right(best) - _is_set_right(other))
    return float(np.exp(np.clip(nats, -700.0, 700.0)))


def _is_set_right(fit: ClockFit) -> bool:
    """A clock that is right but for its time zone."""
    zones = round(fit.offset_s / _ZONE_S)
    return abs(zones) <= _MOST_ZONES and abs(fit.offset_s - zones * _ZONE_S) <= _RIGHT_S


def _unevenness(fit: ClockFit) -> float:
    """What the pace can tell of a shift at all, as a log-likelihood: nothing when it is steady, for then a
    list that lacks one shows no more than that. Turns tell, being longer than losses make a hole."""
    steps = np.diff(fit.event_s)
    turns = np.count_nonzero(steps > (_LONGEST_HOLE + 1.5) * fit.model.spacing)
    off_beat = steps - np.round(steps / fit.model.spacing) * fit.model.spacing
    return float(np.sum((off_beat / fit.model.sigma) ** 2) / 4 + _TURN_TELLS * turns)


def _losses(fit: ClockFit) -> float:
    """Log-likelihood of what is there and what is missing on either side. One more at an end says less:
    a photo taken on the ground, a log that begins late."""
    paired = {i for i, _ in fit.pairs}
    photo_s = fit.event_s[0] - fit.residuals[:, 0]  # on the events' clock
    lone_s = np.delete(photo_s, list(paired))
    there_s = np.sort(np.concatenate([fit.event_s, lone_s]))
    first_s, last_s = (fit.event_s[fit.pairs[k][1]] for k in (0, -1))
    holes = np.clip(np.round(np.diff(there_s) / fit.model.spacing) - 1, 0, _LONGEST_HOLE).sum()
    ends = bool(there_s[0] < first_s) + bool(there_s[-1] > last_s)
    lone = len(there_s) - len(fit.pairs) - ends
    return float(
        len(fit.pairs) * 2 * np.log(1 - LOST_SHARE)
        + lone * np.log(LOST_SHARE * (1 - LOST_SHARE))
        + holes * 2 * np.log(LOST_SHARE)
        + ends * np.log(_LOST_END)
    )


def _heaps(photo_s: FloatArray, event_s: FloatArray, spacing: float) -> list[float]:
    """Offsets at which the differences of all pairs heap up most."""
    differences = (event_s[None, :] - photo_s[:, None]).ravel()
    kernel = min(_KERNEL_S, spacing / 4)
    low = float(differences.min()) - 5 * kernel
    bins = np.bincount(((differences - low) / _BIN_S).astype(np.int64), minlength=3)
    bins = np.concatenate([bins, np.zeros(round(5 * kernel / _BIN_S) + 1, dtype=bins.dtype)])
    heaps = gaussian_filter1d(bins.astype(float), kernel / _BIN_S, mode="constant")
    apart = max(2 * round(0.5 * spacing / _BIN_S) + 1, 3)
    tops = np.flatnonzero((heaps == maximum_filter1d(heaps, apart, mode="constant")) & (heaps > 0))
    tops = tops[heaps[tops] >= _LEAST_HEAP * heaps.max()]
    tops = tops[np.argsort(-heaps[tops], kind="stable")][:_HEAPS]
    return [low + (int(top) + 0.5) * _BIN_S for top in tops]


def _fit(
    photo_s: FloatArray, event_s: FloatArray, offset_s: float, spacing: float, least_s: float
) -> ClockFit:
    middle = float(photo_s.mean())
    model, drift = PairModel(_SIGMA_S[1] / 2, spacing), 0.0
    pairs: list[Pair] = []
    for _ in range(_ROUNDS):
        residuals = event_s[None, :] - (photo_s + offset_s + drift * (photo_s - middle))[:, None]
        found = best_pairs(residuals, model)
        if not found or found == pairs:
            break
        pairs = found
        rows, columns = np.array(pairs).T
        apart = event_s[columns] - photo_s[rows]
        offset_s, drift = _line(photo_s[rows] - middle, apart, model.sigma)
        left = apart - offset_s - drift * (photo_s[rows] - middle)
        sigma = max(1.4826 * float(np.median(np.abs(left))), _small_sample(left))
        model = PairModel(float(np.clip(sigma, least_s, _SIGMA_S[1])), spacing)
    residuals = event_s[None, :] - (photo_s + offset_s + drift * (photo_s - middle))[:, None]
    pairs = best_pairs(residuals, model)
    score = log_likelihood(residuals, model, pairs)
    return ClockFit(offset_s, drift * 1e6, residuals, event_s, model, tuple(pairs), score)


def _line(at_s: FloatArray, apart_s: FloatArray, sigma_s: float) -> tuple[float, float]:
    """Offset, and drift where there are enough pairs to tell: a line through the differences, its slope held
    near 0, outliers left out."""
    offset = float(np.median(apart_s))
    if len(at_s) < _DRIFT_FROM:
        return offset, 0.0
    near = np.abs(apart_s - offset) <= 3 * sigma_s + 3 * _DRIFT_SIGMA * np.abs(at_s)
    x, y = at_s[near], apart_s[near]
    x0, y0 = float(x.mean()), float(y.mean())
    hold = (sigma_s / _DRIFT_SIGMA) ** 2
    drift = float(np.sum((x - x0) * (y - y0)) / (np.sum((x - x0) ** 2) + hold))
    return y0 - drift * x0, drift


def _small_sample(left: FloatArray) -> float:
    """With few pairs the median of the residuals may be small by chance: then no less than this."""
    return float(np.sqrt(np.mean(left**2))) if len(left) < 10 else 0.0


def _mostly_same(a: ClockFit, b: ClockFit) -> bool:
    same = len(set(a.pairs) & set(b.pairs))
    return same > _SAME_SHARE * min(len(a.pairs), len(b.pairs))
