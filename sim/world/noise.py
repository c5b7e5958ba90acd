"""Seeded noise that does not repeat: random lattices, one per octave, laid over the whole world."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.float32]

COARSE_PX = 16
"""Octaves with cells of this size and larger are summed on a grid of this step, then interpolated."""


def generator(seed: int, *key: object) -> np.random.Generator:
    """A random generator of its own for each purpose: adding one use never shifts another."""
    return np.random.default_rng([seed, zlib.crc32(repr(key).encode())])


def fractal_grid(
    seed: int, key: str, shape: tuple[int, int], cells: list[float], amplitudes: list[float]
) -> Grid:
    """Smooth noise (rows, cols) with mean about 0: one octave per cell size (in grid steps), each with
    roughly unit range before its amplitude."""
    total = np.zeros(shape, np.float32)
    for octave, (cell, amplitude) in enumerate(zip(cells, amplitudes, strict=True)):
        rows, cols = int(np.ceil(shape[0] / cell)) + 4, int(np.ceil(shape[1] / cell)) + 4
        lattice = generator(seed, key, octave).uniform(-1, 1, (rows, cols)).astype(np.float32)
        whole = cv2.resize(lattice, (round(cols * cell), round(rows * cell)), interpolation=cv2.INTER_CUBIC)
        top = int(2 * cell)
        total += amplitude * whole[top : top + shape[0], top : top + shape[1]]
    return total


class PixelNoise:
    """Noise on the pixels of a large image, made tile by tile and the same whatever the tiles are.

    Cells are powers of two pixels. Tiles start at multiples of COARSE_PX.
    """

    def __init__(self, seed: int, shape: tuple[int, int]) -> None:
        self._seed = seed
        self._shape = shape
        self._lattices: dict[tuple[str, int], Grid] = {}

    def tile(
        self,
        key: str,
        window: tuple[slice, slice],
        cells_px: list[int],
        amplitudes: list[float],
    ) -> Grid:
        """Sum of octaves over the window of pixels, float32, about -1..1 per unit of amplitude."""
        rows, cols = window
        total = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        coarse = [(c, a) for c, a in zip(cells_px, amplitudes, strict=True) if c >= COARSE_PX]
        if coarse:
            total += self._upsampled(self._coarse_sum(key, coarse), COARSE_PX, window)
        for cell, amplitude in zip(cells_px, amplitudes, strict=True):
            if cell < COARSE_PX:
                total += amplitude * self._upsampled(self._lattice(key, cell), cell, window)
        return total

    def white(self, key: str, window: tuple[slice, slice]) -> Grid:
        """Independent noise per pixel, standard deviation 1 (sum of bytes, cheap)."""
        rows, cols = window
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        rng = generator(self._seed, key, rows.start, cols.start)
        raw = np.frombuffer(rng.bytes(2 * shape[0] * shape[1]), np.uint8).reshape(2, *shape)
        return (raw[0].astype(np.float32) + raw[1] - 255.0) * np.float32(1 / 104.5)

    def _coarse_sum(self, key: str, octaves: list[tuple[int, float]]) -> Grid:
        name = (key + repr(octaves), COARSE_PX)
        if name not in self._lattices:
            shape = (self._shape[0] // COARSE_PX + 6, self._shape[1] // COARSE_PX + 6)
            self._lattices[name] = fractal_grid(
                self._seed, key, shape, [c / COARSE_PX for c, _ in octaves], [a for _, a in octaves]
            )
        return self._lattices[name]

    def _lattice(self, key: str, cell: int) -> Grid:
        name = (key, cell)
        if name not in self._lattices:
            shape = (self._shape[0] // cell + 6, self._shape[1] // cell + 6)
            rng = generator(self._seed, key, cell)
            self._lattices[name] = (rng.random(shape, dtype=np.float32) * 2 - 1).astype(np.float32)
        return self._lattices[name]

    @staticmethod
    def _upsampled(lattice: Grid, cell: int, window: tuple[slice, slice]) -> Grid:
        rows, cols = window
        r0, c0 = rows.start // cell, cols.start // cell
        r1, c1 = -(-rows.stop // cell) + 4, -(-cols.stop // cell) + 4
        part = np.ascontiguousarray(lattice[r0:r1, c0:c1])
        large = cv2.resize(part, (part.shape[1] * cell, part.shape[0] * cell), interpolation=cv2.INTER_CUBIC)
        top, left = 2 * cell + rows.start % cell, 2 * cell + cols.start % cell
        return np.asarray(large, np.float32)[
            top : top + rows.stop - rows.start, left : left + cols.stop - cols.start
        ]
