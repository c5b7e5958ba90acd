"""What a camera over the world sees: ground by ray and terrain, buildings and trees standing up from it.

The ground is a picture laid over the terrain. Rays are intersected with the terrain on every eighth pixel
and the result is interpolated; between nodes the error stays below a tenth of a pixel for ground as smooth
as ours (tests/sim/test_render.py measures it). Roofs are planes sampled from the same picture, walls are
filled outlines, trees three crown layers at three heights; all drawn from far to near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from plans.cameras import Camera
from plans.frames import FloatArray, Pose
from sim.world.noise import generator
from sim.world.objects import Building, Trees
from sim.world.paint import SUN_AFTER
from sim.world.rise import risen
from sim.world.sprites import LAYER_HEIGHTS, blend, crowns
from sim.world.store import load_image, load_objects, load_world, read_band
from sim.world.terrain import Grid

Pixels = npt.NDArray[np.uint8]
FloatGrid = npt.NDArray[np.float32]

NODE_PX = 8
"""Rays are traced on every NODE_PX-th pixel of each row and column."""
_HAZE = (176, 180, 184)
_STEEPEST_UP = -0.08
"""Rays with more upward component than this (per unit length along the axis) meet no ground."""


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
    """One camera over one scene. Frames depend on pose and seed alone."""

    def __init__(self, scene: Scene, camera: Camera) -> None:
        self._scene = scene
        self._camera = camera
        self._nodes = _node_rays(camera)
        self._vignette = _vignette(camera)
        rng = generator(0, "sensor")
        rows, cols = camera.image_height_px + 256, camera.image_width_px + 256
        self._noise = np.asarray(np.round(rng.normal(0, 2.0, (rows, cols, 1))), np.int16)

    def render(self, pose: Pose, seed: int = 0) -> Pixels:
        """The frame (rows, cols, 3), RGB: geometry, water, sensor."""
        frame, water = self.view(pose)
        rng = generator(seed, "frame")
        if water is not None:
            _ripple(frame, water, self._scale_m(pose), rng)
        return self._exposed(frame, rng)

    def view(self, pose: Pose) -> tuple[Pixels, Pixels | None]:
        """Geometry alone: the frame before lens fall-off and noise, and the water's opacity in it."""
        directions = self._nodes @ pose.camera_from_enu  # camera to ENU, row vectors
        hits = _ground_hits(self._scene, pose.centre, directions)
        level = self._level(hits)
        cols, rows = self._maps(hits, level)
        frame = cv2.remap(
            self._scene.pictures[level],
            cols,
            rows,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_HAZE,
        )
        water = None
        if self._scene.waters:
            water = np.asarray(cv2.remap(self._scene.waters[level], cols, rows, cv2.INTER_LINEAR), np.uint8)
        painter = _Painter(self._scene, self._camera, pose, directions, level, np.asarray(frame, np.uint8))
        painter.draw(water)
        return painter.frame, water if water is not None and water.any() else None

    def _scale_m(self, pose: Pose) -> float:
        ground = float(self._scene.surface_grid.sample(self._scene.surface_m, pose.east_m, pose.north_m))
        return max(pose.up_m - ground, 1.0) / self._camera.focal_px

    def _level(self, hits: FloatArray) -> int:
        """The picture of the pyramid whose pixels are the largest not above the frame's."""
        middle = hits[hits.shape[0] // 2, hits.shape[1] // 4 : -hits.shape[1] // 4]
        steps = np.hypot(*np.diff(middle, axis=0).T) / NODE_PX
        steps = steps[np.isfinite(steps)]
        ratio = float(np.median(steps)) / self._scene.grid.step_m if len(steps) else 1.0
        return int(np.clip(np.floor(np.log2(max(ratio, 1e-3)) + 0.3), 0, len(self._scene.pictures) - 1))

    def _maps(self, hits: FloatArray, level: int) -> tuple[FloatGrid, FloatGrid]:
        cols, rows = _picture_coordinates(self._scene.grid, hits, level)
        height, width = self._camera.image_height_px, self._camera.image_width_px
        return (
            np.ascontiguousarray(_fine(cols)[NODE_PX : NODE_PX + height, NODE_PX : NODE_PX + width]),
            np.ascontiguousarray(_fine(rows)[NODE_PX : NODE_PX + height, NODE_PX : NODE_PX + width]),
        )

    def _exposed(self, frame: Pixels, rng: np.random.Generator) -> Pixels:
        """Lens blur, fall-off to the corners, exposure and sensor noise."""
        gain = float(np.clip(rng.normal(1.0, 0.025), 0.92, 1.08))
        soft = cv2.GaussianBlur(frame, (3, 3), 0.55)
        lit = cv2.multiply(soft, self._vignette, scale=gain / 255)
        top, left = (int(v) for v in rng.integers(0, 256, 2))
        rows, cols = frame.shape[:2]
        grain = self._noise[top : top + rows, left : left + cols]
        return np.asarray(cv2.add(lit, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U), np.uint8)


def _node_rays(camera: Camera) -> FloatArray:
    """(node rows, node cols, 3) rays in the camera frame, at pixels NODE_PX * j + (NODE_PX - 1) / 2 with
    one node more than needed on each side."""
    x = (np.arange(-1, -(-camera.image_width_px // NODE_PX) + 1) + 0.5) * NODE_PX - 0.5
    y = (np.arange(-1, -(-camera.image_height_px // NODE_PX) + 1) + 0.5) * NODE_PX - 0.5
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    return camera.rays(grid.reshape(-1, 2)).reshape(*grid.shape[:2], 3)


def _fine(nodes: FloatGrid) -> FloatGrid:
    """Node values on every pixel; the first pixel of the result belongs NODE_PX left of and above the
    first inner node's block."""
    size = (nodes.shape[1] * NODE_PX, nodes.shape[0] * NODE_PX)
    return np.asarray(cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _ground_hits(scene: Scene, centre: FloatArray, directions: FloatArray) -> FloatArray:
    """(rows, cols, 2) east and north where rays meet the surface; NaN where they go up or far out.

    Fixed point on the height: it contracts while the surface is less steep than the ray.
    """
    grid, surface = scene.surface_grid, scene.surface_m
    down = directions[..., 2]
    falls = down < _STEEPEST_UP
    slope = np.where(falls[..., None], directions[..., :2] / np.where(falls, down, -1.0)[..., None], np.nan)
    level = np.full(down.shape, float(grid.sample(surface, centre[0], centre[1])))
    reach = np.hypot(grid.cols, grid.rows) * grid.step_m
    for _ in range(10):
        place = centre[:2] + slope * (level - centre[2])[..., None]
        place = np.where(np.abs(place) < 4 * reach, place, np.nan)
        known = np.isfinite(place[..., 0])
        new = np.where(known, 0.0, level)
        new[known] = grid.sample(surface, place[..., 0][known], place[..., 1][known])
        change = np.abs(new - level).max(initial=0.0)
        level = new
        if change < 2e-3:
            break
    return centre[:2] + slope * (level - centre[2])[..., None]


def _picture_coordinates(grid: Grid, places: FloatArray, level: int) -> tuple[FloatGrid, FloatGrid]:
    col, row = grid.to_pixel(places[..., 0], places[..., 1])
    shrink = 2.0**level
    far = -1e4  # outside every picture
    return (
        np.nan_to_num((col + 0.5) / shrink - 0.5, nan=far).astype(np.float32),
        np.nan_to_num((row + 0.5) / shrink - 0.5, nan=far).astype(np.float32),
    )


def _vignette(camera: Camera) -> Pixels:
    height, width = camera.image_height_px, camera.image_width_px
    x = (np.arange(width, dtype=np.float32) - width / 2) / np.float32(np.hypot(width, height) / 2)
    y = (np.arange(height, dtype=np.float32) - height / 2) / np.float32(np.hypot(width, height) / 2)
    fall = 255 * (1 - 0.20 * (x[None, :] ** 2 + y[:, None] ** 2) ** 1.3)
    return np.repeat(np.round(fall).astype(np.uint8)[..., None], 3, axis=2)


def _ripple(frame: Pixels, water: Pixels, scale_m: float, rng: np.random.Generator) -> None:
    """Waves and streaks of silt on the water, new in every frame: nothing there can be matched."""
    rows, cols = frame.shape[:2]
    half = (cols // 2 + 1, rows // 2 + 1)
    waves = np.zeros((half[1], half[0]), np.float32)
    for wavelength_m, amplitude in ((7.0, 5.0), (1.6, 4.0), (0.45, 4.0)):
        cell = max(wavelength_m / scale_m / 2, 1.5)
        lattice = rng.standard_normal((int(half[1] / cell) + 2, int(half[0] / cell) + 2), dtype=np.float32)
        waves += amplitude * cv2.resize(lattice, half, interpolation=cv2.INTER_CUBIC)
    whole = cv2.resize(waves, (cols, rows), interpolation=cv2.INTER_LINEAR)
    moved = cv2.multiply(whole, water, scale=1 / 255, dtype=cv2.CV_16S)
    cv2.add(frame, cv2.merge([moved, moved, moved]), dst=frame, dtype=cv2.CV_8U)


class _Painter:
    """Draws what stands up, far to near, onto one frame."""

    def __init__(
        self, scene: Scene, camera: Camera, pose: Pose, directions: FloatArray, level: int, frame: Pixels
    ) -> None:
        self._scene = scene
        self._camera = camera
        self._centre = pose.centre
        self._rotation = pose.camera_from_enu
        self._directions = directions
        self._level = level
        self.frame = frame
        azimuth, elevation = np.radians(SUN_AFTER)
        self._sun = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
        )

    def draw(self, water: Pixels | None) -> None:
        """Everything in view; `water` is cleared where something covers it."""
        jobs: list[tuple[float, int, bool]] = []
        for index, house in enumerate(self._scene.buildings):
            if self._in_view(np.array([house.east_m, house.north_m, house.eave_m]), house.length_m):
                jobs.append((self._away(house.east_m, house.north_m), index, True))
        trees = self._trees_in_view()
        jobs += [(self._away(*place), int(i), False) for i, place in trees]
        for _, index, is_house in sorted(jobs, key=lambda job: -job[0]):
            if is_house:
                self._house(self._scene.buildings[index], water)
            else:
                self._tree(index, water)

    def _away(self, east_m: float, north_m: float) -> float:
        return float(np.hypot(east_m - self._centre[0], north_m - self._centre[1]))

    def _pixels(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """((n, 2) pixels, (n,) depths along the axis) of (n, 3) places."""
        seen = (np.asarray(points, float) - self._centre) @ self._rotation.T
        return self._camera.project(seen), seen[:, 2]

    def _in_view(self, place: FloatArray, reach_m: float) -> bool:
        pixel, depth = self._pixels(place[None])
        if not depth[0] > 3.0:
            return False
        margin = reach_m / depth[0] * self._camera.focal_px + 4
        x, y = pixel[0]
        return bool(
            -margin < x < self._camera.image_width_px + margin
            and -margin < y < self._camera.image_height_px + margin
        )

    def _trees_in_view(self) -> list[tuple[int, tuple[float, float]]]:
        trees = self._scene.trees
        if trees is None or len(trees) == 0:
            return []
        tops = np.column_stack([trees.east_m, trees.north_m, trees.ground_m + 0.75 * trees.height_m])
        pixels, depth = self._pixels(tops)
        with np.errstate(divide="ignore", invalid="ignore"):
            margin = (trees.radius_m + 0.5 * trees.height_m) / depth * self._camera.focal_px + 4
            seen = (
                (depth > 3.0)
                & (pixels[:, 0] > -margin)
                & (pixels[:, 0] < self._camera.image_width_px + margin)
                & (pixels[:, 1] > -margin)
                & (pixels[:, 1] < self._camera.image_height_px + margin)
                & (margin < 4000)
            )
        return [(int(i), (float(trees.east_m[i]), float(trees.north_m[i]))) for i in np.flatnonzero(seen)]

    def _tree(self, index: int, water: Pixels | None) -> None:
        trees = self._scene.trees
        assert trees is not None
        base = np.array([trees.east_m[index], trees.north_m[index], trees.ground_m[index]])
        heights = np.array(LAYER_HEIGHTS) * trees.height_m[index]
        pixels, depths = self._pixels(base + np.column_stack([np.zeros((3, 2)), heights]))
        turn = np.degrees(np.arctan2(self._rotation[1, 0], self._rotation[0, 0]))
        angle = float(trees.angle_deg[index] + turn)
        for layer, crown in enumerate(crowns()[int(trees.look[index])]):
            radius = float(trees.radius_m[index] / depths[layer] * self._camera.focal_px)
            hit = blend(self.frame, crown, pixels[layer, 0], pixels[layer, 1], radius, angle)
            if hit and layer == 0 and water is not None:
                window, alpha = hit
                water[window][alpha > 127] = 0

    def _house(self, house: Building, water: Pixels | None) -> None:
        for wall in house.walls:
            self._wall(house, wall, water)
        for plane in house.roof_planes:
            self._roof(plane, water)

    def _faces_camera(self, outline: FloatArray) -> FloatArray | None:
        """The outward normal of a counter-clockwise outline that the camera sees from outside."""
        normal = np.cross(outline[1] - outline[0], outline[2] - outline[1])
        normal = normal / np.linalg.norm(normal)
        return normal if float(normal @ (self._centre - outline[0])) > 0 else None

    def _wall(self, house: Building, outline: FloatArray, water: Pixels | None) -> None:
        normal = self._faces_camera(outline)
        pixels, depths = self._pixels(outline)
        if normal is None or depths.min() < 2:
            return
        light = 0.52 + 0.48 * max(float(normal @ self._sun), 0.0)
        colour = tuple(float(c) * light for c in house.wall_colour)
        self._polygon(pixels, colour, water)
        width = float(np.linalg.norm(outline[1] - outline[0]))
        if not house.is_bridge and house.wall_m > 2:
            self._windows(house, outline, width, light)

    def _windows(self, house: Building, outline: FloatArray, width: float, light: float) -> None:
        along = (outline[1] - outline[0]) / width
        for floor in range(max(int(house.wall_m // 3), 1)):
            sill = house.base_m + floor * 3.0 + 1.0
            for x in np.arange(1.2, width - 2.0, 2.9):
                left = outline[0] + along * x
                right = outline[0] + along * (x + 1.3)
                quad = np.array(
                    [[*left[:2], sill], [*right[:2], sill], [*right[:2], sill + 1.4], [*left[:2], sill + 1.4]]
                )
                self._polygon(self._pixels(quad)[0], (46 * light, 52 * light, 60 * light), None)

    def _roof(self, plane: FloatArray, water: Pixels | None) -> None:
        """A roof plane, its texture taken from the ground picture right below it."""
        normal = self._faces_camera(plane)
        pixels, depths = self._pixels(plane)
        if normal is None or depths.min() < 2:
            return
        window = self._window(pixels)
        if window is None:
            return
        (y0, y1), (x0, x1) = window
        j0, j1 = y0 // NODE_PX, -(-y1 // NODE_PX) + 2
        i0, i1 = x0 // NODE_PX, -(-x1 // NODE_PX) + 2
        directions = self._directions[j0:j1, i0:i1]
        away = float(normal @ (plane[0] - self._centre)) / (directions @ normal)
        places = self._centre[:2] + directions[..., :2] * away[..., None]
        cols, rows = _picture_coordinates(self._scene.grid, places, self._level)
        top, left = y0 - (j0 - 1) * NODE_PX, x0 - (i0 - 1) * NODE_PX
        part = (slice(top, top + y1 - y0), slice(left, left + x1 - x0))
        texture = cv2.remap(
            self._scene.pictures[self._level],
            np.ascontiguousarray(_fine(cols)[part]),
            np.ascontiguousarray(_fine(rows)[part]),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        corners = np.round((pixels - [x0, y0]) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, shift=4)
        _mix(self.frame[y0:y1, x0:x1], np.asarray(texture, np.uint8), mask)
        if water is not None:
            water[y0:y1, x0:x1][mask > 127] = 0

    def _polygon(self, pixels: FloatArray, colour: tuple[float, ...], water: Pixels | None) -> None:
        if self._window(pixels) is None:
            return
        corners = np.round(np.clip(pixels, -9000, 19000) * 16).astype(np.int32)
        cv2.fillPoly(self.frame, [corners], colour, cv2.LINE_AA, shift=4)
        if water is not None:
            cv2.fillPoly(water, [corners], 0, shift=4)

    def _window(self, pixels: FloatArray) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """((y0, y1), (x0, x1)) of the part of a figure's box that is in the frame."""
        low, high = np.floor(pixels.min(axis=0)) - 2, np.ceil(pixels.max(axis=0)) + 3
        x0, y0 = (max(int(v), 0) for v in low)
        x1 = min(int(high[0]), self._camera.image_width_px)
        y1 = min(int(high[1]), self._camera.image_height_px)
        return ((y0, y1), (x0, x1)) if x0 < x1 and y0 < y1 else None


def _mix(below: Pixels, above: Pixels, mask: Pixels) -> None:
    """Lay `above` over `below` in place where the mask (0..255) says."""
    solid = cv2.merge([mask, mask, mask])
    kept = cv2.multiply(below, cv2.bitwise_not(solid), scale=1 / 255)
    below[:] = cv2.add(kept, cv2.multiply(above, solid, scale=1 / 255))
