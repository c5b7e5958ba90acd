"""Radio loss over ground: free space, and diffraction over a terrain profile (ITU-R P.525 and P.526).

The diffraction model is the "delta-Bullington" of Recommendation ITU-R P.526-15, section 4.5.2 (the same as
4.3 of P.1812 and 4.2 of P.452): the knife edge that stands for all obstacles together (Bullington), plus what
a smooth earth of the profile's height would lose beyond its own Bullington edge.

    J(v) = 6.9 + 20 lg(sqrt((v - 0.1)^2 + 1) + v - 0.1), 0 for v <= -0.78      one edge
    v    = h sqrt(2 d / (lambda d1 d2))                   h over the straight line, d = d1 + d2
    Lb   = J + (1 - exp(-J / 6)) (10 + 0.02 d_km)         Bullington
    L    = Lb(profile) + max(L_sphere - Lb(smooth), 0)    delta-Bullington

Heights are metres AMSL, distances metres, the earth has 4/3 of its radius (median refraction). Profiles are
rows of equally spaced ground heights, both ends included; many paths are done at once.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from plans.frames import FloatArray

EFFECTIVE_EARTH_RADIUS_M = 8_500_000.0
LIGHT_MPS = 299_792_458.0

_PERMITTIVITY, _CONDUCTIVITY = 22.0, 0.003  # average land, P.526 section 3.1.1.1
_LOWEST_M = 0.01  # of an antenna over smooth ground


def free_space_db(distance_m: npt.ArrayLike, frequency_hz: float) -> FloatArray:
    """20 lg(4 pi d / lambda) (ITU-R P.525); distances under a metre count as one."""
    distance = np.maximum(np.asarray(distance_m, float), 1.0)
    return np.asarray(20 * np.log10(4 * math.pi * distance * frequency_hz / LIGHT_MPS))


def knife_edge_db(v: npt.ArrayLike) -> FloatArray:
    """J(v): the loss behind one edge. 6.03 dB when the line of sight grazes it (v = 0)."""
    v = np.asarray(v, float)
    x = np.maximum(v, -0.78) - 0.1
    loss = 6.9 + 20 * np.log10(np.sqrt(x * x + 1) + x)
    return np.where(v <= -0.78, 0.0, loss)


def diffraction_db(
    distance_m: FloatArray, ground_m: FloatArray, a_m: FloatArray, b_m: FloatArray, frequency_hz: float
) -> FloatArray:
    """Loss beyond free space of paths over ground, shape (p,): delta-Bullington, never negative.

    `ground_m` is (p, n), n >= 3, from end a to end b of each path; `distance_m`, `a_m` and `b_m` (p,) are the
    paths' lengths over ground and the heights AMSL of the antennas. NaN where the ground is not known.
    """
    wave = LIGHT_MPS / frequency_hz
    distance = np.maximum(distance_m, 1.0)
    loss = _bullington_db(distance, ground_m, a_m, b_m, wave)
    a_over, b_over = _heights_over_smooth_ground(ground_m, a_m, b_m)
    sphere = _sphere_db(distance, a_over, b_over, frequency_hz)
    low = sphere > 0.0  # elsewhere the smooth earth adds nothing
    if low.any():
        flat = np.zeros((1, ground_m.shape[1]))
        smooth = _bullington_db(distance[low], flat, a_over[low], b_over[low], wave)
        loss[low] += np.maximum(sphere[low] - smooth, 0.0)
    return loss


def _bullington_db(
    distance: FloatArray, ground: FloatArray, a: FloatArray, b: FloatArray, wave: float
) -> FloatArray:
    """P.526-15 section 4.5.1: the edge where the two horizons' lines meet, or the worst point when the ends
    see each other."""
    x = np.linspace(0.0, 1.0, ground.shape[1])[1:-1]
    d = distance[:, None]
    a_, b_ = a[:, None], b[:, None]
    top = ground[:, 1:-1] + x * (1 - x) * (d * d / (2 * EFFECTIVE_EARTH_RADIUS_M))
    above = ((top - a_ - (b_ - a_) * x) / np.sqrt(x * (1 - x))).max(axis=1)
    seen = above * np.sqrt(2 / (wave * distance))  # v of the worst point
    slope_a = ((top - a_) / x).max(axis=1)  # of the horizons' lines, a path's length at a time
    slope_b = ((top - b_) / (1 - x)).max(axis=1)
    both = slope_a + slope_b
    meet = (b - a + slope_b) / np.where(both > 1e-9, both, np.inf)
    meet = np.clip(np.where(both > 1e-9, meet, 0.5), x[0], x[-1])
    height = slope_a * meet - (b - a) * meet
    hidden = height * np.sqrt(2 / (wave * distance * meet * (1 - meet)))
    edge = knife_edge_db(np.where(slope_a < b - a, seen, hidden))
    return edge + (1 - np.exp(-edge / 6)) * (10 + 0.02 * distance / 1000)


def _heights_over_smooth_ground(
    ground: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Heights of the antennas over the straight line that fits the profile best, lowered where obstacles
    stand above the line of sight: P.1812-6 attachment 1 to annex 1, section 5.6."""
    n = ground.shape[1]
    x = np.linspace(0.0, 1.0, n)
    left, right = x[:-1], x[1:]
    sums, moments = np.zeros(n), np.zeros(n)
    np.add.at(sums, np.arange(1, n), right - left)
    np.add.at(sums, np.arange(n - 1), right - left)
    np.add.at(moments, np.arange(1, n), (right - left) * (2 * right + left))
    np.add.at(moments, np.arange(n - 1), (right - left) * (right + 2 * left))
    v1, v2 = ground @ sums, ground @ moments
    fit_a, fit_b = 2 * v1 - v2, v2 - v1
    inner = x[1:-1]
    over = ground[:, 1:-1] - a[:, None] - (b - a)[:, None] * inner
    to_a, to_b = (over / inner).max(axis=1), (over / (1 - inner)).max(axis=1)
    obstacle = np.maximum(over.max(axis=1), 0.0)
    share_a = to_a / np.where(obstacle > 0, to_a + to_b, 1.0)
    fit_a = fit_a - obstacle * share_a
    fit_b = fit_b - obstacle * np.where(obstacle > 0, 1 - share_a, 0.0)
    a_over = a - np.minimum(fit_a, ground[:, 0])
    b_over = b - np.minimum(fit_b, ground[:, -1])
    return np.maximum(a_over, _LOWEST_M), np.maximum(b_over, _LOWEST_M)


def _sphere_db(distance: FloatArray, a: FloatArray, b: FloatArray, frequency_hz: float) -> FloatArray:
    """P.526-15 section 3.2: loss of a path over a smooth earth, antennas at heights a and b over it."""
    radius, wave = EFFECTIVE_EARTH_RADIUS_M, LIGHT_MPS / frequency_hz
    horizon = np.sqrt(2 * radius) * (np.sqrt(a) + np.sqrt(b))
    c = (a - b) / (a + b)
    m = distance**2 / (4 * radius * (a + b))
    turn = np.clip(1.5 * c * np.sqrt(3 * m / (m + 1) ** 3), -1.0, 1.0)
    at = 2 * np.sqrt((m + 1) / (3 * m)) * np.cos(math.pi / 3 + np.arccos(turn) / 3)
    d1 = np.clip(distance / 2 * (1 + at), 1e-3, distance - 1e-3)
    d2 = distance - d1
    clear = ((a - d1**2 / (2 * radius)) * d2 + (b - d2**2 / (2 * radius)) * d1) / distance
    needed = 0.552 * np.sqrt(d1 * d2 * wave / distance)
    beyond = distance >= horizon
    within = ~beyond & (clear <= needed)
    grazing = 0.5 * (distance / (np.sqrt(a) + np.sqrt(b))) ** 2  # the radius whose horizon this is
    first = _first_term_db(distance, np.where(beyond, radius, grazing), a, b, frequency_hz)
    return np.where(
        beyond, np.maximum(first, 0), np.where(within, (1 - clear / needed) * np.maximum(first, 0), 0)
    )


def _first_term_db(
    distance: FloatArray, radius: FloatArray, a: FloatArray, b: FloatArray, frequency_hz: float
) -> FloatArray:
    """P.526-15 section 3.1.1: the first term of the residue series. Above 20 MHz over land polarisation makes
    no difference; K is that of horizontal polarisation."""
    f, r_km = frequency_hz / 1e9, radius / 1000
    k = 0.036 * (r_km * f) ** (-1 / 3)
    k = k * ((_PERMITTIVITY - 1) ** 2 + (18 * _CONDUCTIVITY / f) ** 2) ** (-1 / 4)
    beta = (1 + 1.6 * k**2 + 0.67 * k**4) / (1 + 4.5 * k**2 + 1.53 * k**4)
    x = 21.88 * beta * (f / r_km**2) ** (1 / 3) * distance / 1000
    far = 11 + 10 * np.log10(x) - 17.6 * x
    near = -20 * np.log10(x) - 5.6488 * x**1.425
    unit = 0.9575 * beta * (f**2 / r_km) ** (1 / 3)
    return (
        -np.where(x >= 1.6, far, near)
        - _height_gain_db(beta * unit * a, k)
        - _height_gain_db(beta * unit * b, k)
    )


def _height_gain_db(y: FloatArray, k: FloatArray) -> FloatArray:
    high = np.maximum(y, 2.0) - 1.1
    gain = np.where(
        y > 2.0,
        17.6 * np.sqrt(high) - 5 * np.log10(high) - 8,
        20 * np.log10(y + 0.1 * y**3),
    )
    return np.maximum(gain, 2 + 20 * np.log10(k))
