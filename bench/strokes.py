"""Pictures with a truth of water and not water, strokes as a hasty analyst paints them, and how well a
classifier does on what was not painted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.windows import Window
from shapely import LineString

from imagery.damage import classify
from imagery.damage.features import View
from imagery.damage.samples import Samples, Stroke
from imagery.damage.scene import GeoGrid

PIXEL_M = 0.2
SIZE_PX = 960, 540
_STROKE_PX = 36
_BRUSH_PX = 6


@dataclass(frozen=True)
class Scene:
    """A picture of half a megapixel: (rows, cols, 3) uint8, and its truth: 1 water, 2 other, 0 unsure."""

    name: str
    rgb: np.ndarray
    truth: np.ndarray

    @property
    def grid(self) -> GeoGrid:
        """A place on the ground for it."""
        rows, cols = self.truth.shape
        return GeoGrid(CRS(32648), Affine(PIXEL_M, 0, 5e5, 0, -PIXEL_M, 3.3e6), cols, rows)

    @property
    def view(self) -> View:
        """The whole of it."""
        return View(self.rgb, np.ones(self.truth.shape, bool))

    def window(self, window: Window) -> tuple[View, None]:
        """A part of it, which may reach beyond its edges."""
        top, left = int(window.row_off), int(window.col_off)
        shape = int(window.height), int(window.width)
        rgb, valid = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        rows, cols = self.truth.shape
        bottom, right = min(top + shape[0], rows), min(left + shape[1], cols)
        inner = np.s_[max(top, 0) : bottom, max(left, 0) : right]
        there = np.s_[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        rgb[there], valid[there] = self.rgb[inner], True
        return View(rgb, valid), None


def scenes_of_world(world: Path, name: str, water: int = 1) -> list[Scene]:
    """Tiles of a simulated county in which both water and other ground fill a twelfth at least."""
    with rasterio.open(world / "after.tif") as source, rasterio.open(world / "truth_classes.tif") as known:
        step = max(1, round(PIXEL_M / abs(source.transform.a)))
        rows, cols = source.height // step, source.width // step
        rgb = np.moveaxis(source.read((1, 2, 3)), 0, -1)[: rows * step, : cols * step]
        codes = known.read(1)[step // 2 :: step, step // 2 :: step][:rows, :cols]
    rgb = cv2.resize(rgb, (cols, rows), interpolation=cv2.INTER_AREA)
    found = []
    width, height = SIZE_PX
    for top in range(0, rows - height + 1, height):
        for left in range(0, cols - width + 1, width):
            part = np.s_[top : top + height, left : left + width]
            truth = np.where(codes[part] == water, 1, np.where(codes[part] > 0, 2, 0)).astype(np.uint8)
            if min((truth == 1).mean(), (truth == 2).mean()) > 1 / 12:
                found.append(Scene(f"{name} {top},{left}", rgb[part].copy(), truth))
    return found


def paint(scene: Scene, per_class: int, seed: int) -> Samples:
    """Short strokes at random places of each class, kept inside of it."""
    rng = np.random.default_rng([seed, per_class])
    strokes = []
    for code in (1, 2):
        mask = np.pad((scene.truth == code).astype(np.uint8), 1)
        room = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
        rows, cols = np.nonzero(room > _BRUSH_PX)
        for pick in rng.integers(0, len(rows), per_class):
            strokes.append(Stroke(_walk(scene, room, (cols[pick], rows[pick]), rng), code))
    return Samples(tuple(strokes), scene.name)


def _walk(scene: Scene, room: np.ndarray, start: tuple[int, int], rng: np.random.Generator):
    angle = rng.uniform(0, 2 * np.pi)
    place, line = np.array(start, float), [np.array(start, float), np.array(start, float) + 0.5]
    for _ in range(_STROKE_PX // 3):
        angle += rng.normal(0, 0.2)
        place = place + 3 * np.array([np.cos(angle), np.sin(angle)])
        col, row = np.rint(place).astype(int)
        inside = 0 <= row < room.shape[0] and 0 <= col < room.shape[1]
        if not inside or room[row, col] <= _BRUSH_PX / 2:
            break
        line.append(place)
    ground = [scene.grid.transform * (x + 0.5, y + 0.5) for x, y in line]
    return LineString(ground).buffer(_BRUSH_PX / 2 * PIXEL_M)


def iou_of_water(said: np.ndarray, scene: Scene, painted: np.ndarray) -> float:
    """Over what is neither unsure nor painted."""
    counted = (scene.truth > 0) & ~painted
    water, truth = (said == 1) & counted, (scene.truth == 1) & counted
    return float((water & truth).sum() / max((water | truth).sum(), 1))


def classified(scene: Scene, samples: Samples, seed: int = 0) -> np.ndarray:
    """Class codes of the whole scene, learnt from its strokes: what `missionctl damage` does, from memory."""
    cells = classify.collect(samples, scene.grid, scene.window, False, seed)
    forest = classify.train(cells, False, PIXEL_M, seed)
    return classify.decide(forest.probabilities(scene.view, None), forest.codes, scene.view.valid)[0]
