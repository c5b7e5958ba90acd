"""What a camera over the world sees: ground by ray and terrain, buildings and trees standing up from it.

The ground is a picture laid over the terrain (sim.rays says where each ray meets it), what stands up is drawn
over it (sim.standing), and lens, shutter, water and sensor do the rest (sim.optics).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from plans.cameras import Camera
from plans.frames import FloatArray, Pose
from sim.optics import Sensor, disturb_water, smear
from sim.rays import (
    NODE_PX,
    FloatGrid,
    ground_hits,
    node_pixels,
    node_rays,
    on_every_pixel,
    steepest_slope,
    torn_pixels,
)
from sim.standing import Painter, Window, nodes_about
from sim.view import STILL, Motion, View
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.rise import risen
from sim.world.store import load_image, load_objects, load_world, read_band
from sim.world.terrain import Grid

Pixels = npt.NDArray[np.uint8]
_HAZE = (176, 180, 184)
_TILE_PX = 512
_STRIP = 16_000
"""OpenCV takes no wider pictures than twice this."""
_FAR_M = 1e6
"""Off every picture."""


@dataclass(frozen=True)
class Scene:
    """What the renderer draws, in local metres."""

    grid: Grid
    pictures: tuple[Pixels, ...]
    """RGB ground, each half the size of the one before."""
    waters: tuple[Pixels, ...]
    """Water opacity 0..255 in the same sizes; empty when nothing is wet."""
    surface_grid: Grid
    surface_m: FloatGrid
    """Ground or water surface, AMSL."""
    buildings: tuple[Building, ...] = ()
    trees: Trees | None = None

    @cached_property
    def steepest(self) -> float:
        """The most that the surface rises per metre."""
        return steepest_slope(self.surface_grid, self.surface_m)

    @classmethod
    def of(
        cls,
        picture: Pixels,
        grid: Grid,
        surface_m: npt.NDArray,
        surface_grid: Grid,
        *,
        water: Pixels | None = None,
        buildings: Sequence[Building] = (),
        trees: Trees | None = None,
    ) -> Scene:
        """A scene of a picture (rows, cols, 3) over heights (rows, cols)."""
        return cls(
            grid,
            _pyramid(picture),
            _pyramid(water) if water is not None and water.any() else (),
            surface_grid,
            surface_m.astype(np.float32),
            tuple(buildings),
            trees,
        )


def load_scene(folder: Path, rise_m: float = 0.0) -> Scene:
    """The scene of a world folder after the event, its water higher by `rise_m`.

    Raises WorldError when the folder holds no whole world.
    """
    world = load_world(folder)
    buildings, trees = load_objects(world.objects)
    picture, water, surface = risen(
        load_image(world.ground),
        load_image(world.water),
        world.image_grid,
        read_band(world.dem),
        read_band(world.truth_depth),
        world.dem_grid,
        rise_m,
        read_band(world.surface) if world.surface.exists() else None,
    )
    return Scene.of(
        picture,
        world.image_grid,
        surface,
        world.dem_grid,
        water=water,
        buildings=buildings,
        trees=trees,
    )


def _pyramid(picture: Pixels) -> tuple[Pixels, ...]:
    levels = [np.ascontiguousarray(picture)]
    while min(levels[-1].shape[:2]) > 512 and len(levels) < 5:
        rows, cols = levels[-1].shape[:2]
        half = cv2.resize(
            levels[-1][: rows // 2 * 2, : cols // 2 * 2],
            (cols // 2, rows // 2),
            interpolation=cv2.INTER_AREA,
        )
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


class Renderer:
    """One camera over one scene. Frames depend on pose, motion and seed alone."""

    def __init__(self, scene: Scene, camera: Camera) -> None:
        self._scene = scene
        self._camera = camera
        self._nodes = node_rays(camera)
        self._sensor = Sensor(camera, generator(0, "sensor"))

    def render(self, pose: Pose, seed: int = 0, motion: Motion = STILL) -> Pixels:
        """The frame (rows, cols, 3), RGB: geometry, water, shutter, sensor."""
        view = View(self._camera, pose, motion)
        traced = self._trace(view)
        frame, water = self._geometry(view, traced)
        rng = generator(seed, "frame")
        if water is not None:
            disturb_water(frame, water, traced.directions, self._scale_m(pose), rng)
        return self._sensor.exposed(smear(frame, view, traced.hits_m), rng)

    def view(self, pose: Pose, motion: Motion = STILL) -> tuple[Pixels, Pixels | None]:
        """Geometry alone: the frame before lens, shutter and noise, and the water's opacity in it."""
        view = View(self._camera, pose, motion)
        return self._geometry(view, self._trace(view))

    def _trace(self, view: View) -> _Traced:
        times = view.row_time_s(node_pixels(self._camera)[1])
        centres = view.centre_m(times)
        directions = self._nodes @ view.camera_from_enu(times)  # camera to ENU, row vectors
        return _Traced(centres, directions, ground_hits(self._scene, centres, directions))

    def _geometry(self, view: View, traced: _Traced) -> tuple[Pixels, Pixels | None]:
        rows, cols = self._camera.image_height_px, self._camera.image_width_px
        ratios = _picture_steps(traced.hits_m) / self._scene.grid.step_m
        frame = np.empty((rows, cols, 3), np.uint8)
        water = np.empty((rows, cols), np.uint8) if self._scene.waters else None
        hits, sky = _without_gaps(traced.hits_m)
        for window, level in _levels(ratios, rows, cols, len(self._scene.pictures)):
            (y0, y1), (x0, x1) = window
            at_col, at_row = self._places(hits[nodes_about(window)], window, level)
            ground = cv2.remap(
                self._scene.pictures[level], at_col, at_row, cv2.INTER_CUBIC, borderValue=_HAZE
            )
            frame[y0:y1, x0:x1] = ground
            if water is not None:
                water[y0:y1, x0:x1] = cv2.remap(self._scene.waters[level], at_col, at_row, cv2.INTER_LINEAR)
        if sky is not None:
            frame[sky[:rows, :cols]] = _HAZE
            if water is not None:
                water[sky[:rows, :cols]] = 0
        self._mend(view, traced, ratios, frame, water)

        def texture(places: FloatArray, window: Window) -> Pixels:
            (y0, _), (x0, _) = window
            level = int(_level(ratios[y0 // NODE_PX, x0 // NODE_PX], len(self._scene.pictures)))
            at_col, at_row = self._places(places, window, level)
            picture = self._scene.pictures[level]
            return np.asarray(
                cv2.remap(picture, at_col, at_row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
            )

        painter = Painter(view, traced.centres_m, traced.directions, texture, frame, water)
        painter.draw(self._scene.buildings, self._scene.trees)
        return frame, water if water is not None and water.any() else None

    def _mend(
        self, view: View, traced: _Traced, ratios: FloatArray, frame: Pixels, water: Pixels | None
    ) -> None:
        """A ray for every pixel where a ridge ends."""
        x, y = torn_pixels(self._scene, self._camera, traced.directions, traced.hits_m).T
        if not len(x):
            return
        times = view.row_time_s(y)
        rays = self._camera.rays(np.stack([x, y], axis=1))[:, None, :] @ view.camera_from_enu(times)
        hits = ground_hits(self._scene, view.centre_m(times), rays)[:, 0]
        hits = np.where(np.isnan(hits), _FAR_M, hits)
        count = len(self._scene.pictures)
        levels = _level(ratios[y // NODE_PX + 1, x // NODE_PX + 1], count)
        for level in np.unique(levels):
            which = np.flatnonzero(levels == level)
            for some in np.array_split(which, len(which) // _STRIP + 1):
                at_col, at_row = (v.astype(np.float32)[None] for v in self._in_picture(hits[some], level))
                picture = self._scene.pictures[level]
                frame[y[some], x[some]] = cv2.remap(
                    picture, at_col, at_row, cv2.INTER_CUBIC, borderValue=_HAZE
                )[0]
                if water is not None:
                    wet = cv2.remap(self._scene.waters[level], at_col, at_row, cv2.INTER_LINEAR)
                    water[y[some], x[some]] = wet[0]

    def _in_picture(self, places: FloatArray, level: int) -> tuple[FloatArray, FloatArray]:
        """(columns, rows) in a picture of the pyramid of places (..., 2 or 3)."""
        at = self._scene.grid.to_pixel(places[..., 0], places[..., 1])
        col, row = ((v + 0.5) / 2.0**level - 0.5 for v in at)
        return col, row

    def _places(self, places: FloatArray, window: Window, level: int) -> tuple[FloatGrid, FloatGrid]:
        """(columns, rows) in a picture of the pyramid for each pixel of a window."""
        (y0, y1), (x0, x1) = window
        top, left = NODE_PX + y0 % NODE_PX, NODE_PX + x0 % NODE_PX
        part = (slice(top, top + y1 - y0), slice(left, left + x1 - x0))
        col, row = (on_every_pixel(v.astype(np.float32))[part] for v in self._in_picture(places, level))
        return np.ascontiguousarray(col), np.ascontiguousarray(row)

    def _scale_m(self, pose: Pose) -> float:
        ground = float(self._scene.surface_grid.sample(self._scene.surface_m, pose.east_m, pose.north_m))
        return max(pose.up_m - ground, 1.0) / self._camera.focal_px


@dataclass(frozen=True)
class _Traced:
    """The rays of the nodes: centres (rows, 3), directions and the places that they meet (rows, cols, 3)."""

    centres_m: FloatArray
    directions: FloatArray
    hits_m: FloatArray


def _picture_steps(hits_m: FloatArray) -> FloatArray:
    """(rows, cols) metres on the ground from pixel to pixel about each node, NaN where there is no ground."""
    down = np.hypot(*np.moveaxis(np.diff(hits_m[..., :2], axis=0, append=np.nan), -1, 0))
    right = np.hypot(*np.moveaxis(np.diff(hits_m[..., :2], axis=1, append=np.nan), -1, 0))
    return np.asarray(np.sqrt(down * right) / NODE_PX)


def _level(ratio: npt.ArrayLike, levels: int) -> npt.NDArray[np.int64]:
    """The picture of the pyramid whose pixels are the largest not much above the frame's, for each ratio."""
    known = np.maximum(np.nan_to_num(np.asarray(ratio, float), nan=1.0), 1e-3)
    return np.clip(np.floor(np.log2(known) + 0.3), 0, levels - 1).astype(int)


def _levels(ratios: FloatArray, rows: int, cols: int, levels: int) -> list[tuple[Window, int]]:
    """Windows of the frame and the picture for each: one for a frame of about one scale."""
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return [(((0, rows), (0, cols)), levels - 1)]
    if np.percentile(known, 98) < 2 * np.percentile(known, 2):
        return [(((0, rows), (0, cols)), int(_level(np.median(known), levels)))]
    out = []
    for y in range(0, rows, _TILE_PX):
        for x in range(0, cols, _TILE_PX):
            window = (y, min(y + _TILE_PX, rows)), (x, min(x + _TILE_PX, cols))
            part = ratios[nodes_about(window)]
            part = part[np.isfinite(part)]
            out.append((window, int(_level(np.median(part), levels)) if len(part) else levels - 1))
    return out


def _without_gaps(hits_m: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_] | None]:
    """Places with those that are missing taken from the nearest, and where the frame shows none."""
    missing = np.isnan(hits_m[..., 0])
    if not missing.any():
        return hits_m, None
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    filled = np.full_like(hits_m, _FAR_M) if missing.all() else hits_m[tuple(nearest)]
    sky = on_every_pixel(missing.astype(np.float32))[NODE_PX:-NODE_PX, NODE_PX:-NODE_PX] > 0.5
    return filled, sky
