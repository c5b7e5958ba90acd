"""What the flood left on the ground and took from roofs, painted on the after picture and into the truth."""

from __future__ import annotations

import cv2
import numpy as np
from shapely import Point, Polygon

from imagery.damage.legend import BUILDING, BUILDING_LOST, DEBRIS, LANDSLIDE, MUD_OR_DEBRIS_LAID, OTHER_CHANGE
from sim.world.flood import Flood
from sim.world.landcover import ragged
from sim.world.noise import generator
from sim.world.objects import Building
from sim.world.paint import Canvas, window_of

_SOIL = np.array([152, 114, 80], np.float32)


def paint_scars(canvas: Canvas, flood: Flood, seed: int) -> None:
    """Where the slope broke off: fresh soil with stones, streaked downhill, on the after picture and in the
    truth."""
    for number, scar in enumerate(flood.scars):
        window, inside = window_of(canvas.grid, scar)
        rng = generator(seed, "scar", number)
        rows, cols = inside.shape
        streaks = rng.normal(0, 1, (rows // 24 + 2, cols // 3 + 2)).astype(np.float32)
        stones = rng.normal(0, 1, (rows // 2 + 1, cols // 2 + 1)).astype(np.float32)
        value = 1 + 0.10 * cv2.resize(streaks, (cols, rows), interpolation=cv2.INTER_CUBIC)
        value += 0.07 * cv2.resize(stones, (cols, rows), interpolation=cv2.INTER_CUBIC)
        soil = np.clip(value[..., None] * _SOIL + rng.normal(0, 6, (rows, cols, 1)), 0, 255)
        alpha = cv2.GaussianBlur(inside, (0, 0), 0.5 / canvas.grid.step_m)[..., None].astype(np.float32) / 255
        under = canvas.after[window].astype(np.float32)
        canvas.after[window] = (under + alpha * (soil - under)).astype(np.uint8)
        canvas.classes[window][inside > 127] = LANDSLIDE
        canvas.change[window][inside > 127] = OTHER_CHANGE


def paint_rubble(canvas: Canvas, flood: Flood, seed: int) -> None:
    """Debris on the ground, on the after picture and in the truth."""
    for number, patch in enumerate(flood.rubble):
        _paint_heap(canvas, patch.polygon, patch.colour, generator(seed, "sticks", number))
        window, inside = window_of(canvas.grid, patch.polygon)
        canvas.classes[window][inside > 127] = LANDSLIDE if patch.kind == "landslide" else DEBRIS
        canvas.change[window][inside > 127] = MUD_OR_DEBRIS_LAID
        canvas.water[window][inside > 127] = 0
    for house in flood.buildings:
        if not house.standing:
            window, inside = window_of(canvas.grid, house.footprint)
            canvas.change[window][inside > 127] = BUILDING_LOST


def paint_holes(canvas: Canvas, flood: Flood, seed: int) -> None:
    """Holes in the roofs that stand, on the after picture and in the truth."""
    for house in flood.buildings:
        if not house.standing:
            continue
        for whole, code in _holes(house, generator(seed, "holes", house.building_id)):
            part = whole.intersection(house.footprint)
            _paint_heap(canvas, part, (70, 62, 54), generator(seed, "beams", house.building_id))
            window, inside = window_of(canvas.grid, part)
            canvas.classes[window][inside > 127] = code
            canvas.change[window][inside > 127] = OTHER_CHANGE


def _holes(house: Building, rng: np.random.Generator) -> list[tuple[Polygon, int]]:
    c, s = house.axes[0]

    def spot(along: float, across: float) -> tuple[float, float]:
        return house.east_m + c * along - s * across, house.north_m + s * along + c * across

    if house.grade == "Damaged":
        end = rng.choice([-1, 1]) * house.length_m * 0.33
        hole = Point(spot(end, rng.uniform(-0.1, 0.1) * house.width_m)).buffer(house.width_m * 0.43)
        return [(ragged(hole, rng, 0.7), DEBRIS)]
    if house.grade == "Possibly damaged":
        return [
            (
                ragged(
                    Point(
                        spot(
                            rng.uniform(-0.35, 0.35) * house.length_m,
                            rng.uniform(-0.3, 0.3) * house.width_m,
                        )
                    ).buffer(rng.uniform(0.5, 0.95)),
                    rng,
                    0.8,
                ),
                BUILDING,
            )
            for _ in range(int(rng.integers(2, 5)))
        ]
    return []


def _paint_heap(
    canvas: Canvas, polygon: Polygon, colour: tuple[int, int, int], rng: np.random.Generator
) -> None:
    """Planks, tiles and blocks in a heap."""
    window, inside = window_of(canvas.grid, polygon)
    if inside.size == 0:
        return
    rows, cols = inside.shape
    heap = np.empty((rows, cols, 3), np.uint8)
    tone = rng.normal(0, 1, (rows // 3 + 2, cols // 3 + 2)).astype(np.float32)
    base = 0.72 + 0.16 * cv2.resize(tone, (cols, rows), interpolation=cv2.INTER_CUBIC)
    mixed = 0.5 * np.array(colour) + 0.5 * np.array([118, 100, 78])
    heap[:] = np.clip(base[..., None] * mixed + rng.normal(0, 9, (rows, cols, 1)), 0, 255)
    palette = np.array(
        [colour, (168, 146, 112), (92, 74, 54), (150, 146, 138), (196, 186, 168), (70, 60, 50)]
    )
    step = canvas.grid.step_m
    for _ in range(int(rows * cols * step * step * 5.5)):
        x, y, angle = rng.uniform(0, cols), rng.uniform(0, rows), rng.uniform(0, np.pi)
        half = rng.gamma(2.0, 0.26) / step
        dx, dy = half * np.cos(angle), half * np.sin(angle)
        shade = palette[int(rng.integers(len(palette)))] * rng.uniform(0.75, 1.15)
        tips = [(round((x - dx) * 16), round((y - dy) * 16)), (round((x + dx) * 16), round((y + dy) * 16))]
        thick = max(1, round(rng.uniform(0.08, 0.26) / step))
        ink = tuple(min(float(v), 255.0) for v in shade)
        cv2.line(heap, tips[0], tips[1], ink, thick, cv2.LINE_AA, shift=4)
    alpha = cv2.GaussianBlur(inside, (0, 0), 1.2)[..., None].astype(np.float32) / 255
    under = canvas.after[window].astype(np.float32)
    canvas.after[window] = (under + alpha * (heap - under)).astype(np.uint8)
