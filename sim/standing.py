"""What stands up from the ground in a picture: walls, roofs and trees, drawn from far to near.

Roofs are planes with the ground picture's texture, walls are filled outlines, trees three crown layers at
three heights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from plans.frames import FloatArray
from sim.rays import NODE_PX
from sim.view import View
from sim.world.objects import Building, Trees
from sim.world.paint import SUN_AFTER
from sim.world.sprites import LAYER_HEIGHTS, blend, crowns

Pixels = npt.NDArray[np.uint8]
Window = tuple[tuple[int, int], tuple[int, int]]
"""((first row, end row), (first column, end column))"""

Texture = Callable[[FloatArray, Window], Pixels]
"""The ground picture in a window of the frame, from places (rows, cols, 3) on the nodes about it."""

_NEAREST_M = 3.0


def sun_enu() -> FloatArray:
    """Unit vector towards the sun."""
    azimuth, elevation = np.radians(SUN_AFTER)
    return np.array(
        [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    )


def nodes_about(window: Window) -> tuple[slice, slice]:
    """The nodes that a window of the frame is interpolated from."""
    (y0, y1), (x0, x1) = window
    return slice(y0 // NODE_PX, -(-y1 // NODE_PX) + 2), slice(x0 // NODE_PX, -(-x1 // NODE_PX) + 2)


class Painter:
    """Draws onto one frame (rows, cols, 3). `centres_m` (rows, 3) and `directions` (rows, cols, 3) are the
    rays of its nodes; `water`, the opacity of water, is cleared where something covers it."""

    def __init__(
        self,
        view: View,
        centres_m: FloatArray,
        directions: FloatArray,
        texture: Texture,
        frame: Pixels,
        water: Pixels | None,
    ) -> None:
        self._view = view
        self._camera = view.camera
        self._centre = view.centre_m(0.0)
        self._rotation = view.camera_from_enu(0.0)
        self._centres = centres_m
        self._directions = directions
        self._texture = texture
        self._frame = frame
        self._water = water
        self._sun = sun_enu()

    def draw(self, buildings: Sequence[Building], trees: Trees | None) -> None:
        """Everything in view."""
        jobs: list[tuple[float, int, bool]] = []
        if buildings:
            tops = np.array([[h.east_m, h.north_m, h.eave_m] for h in buildings])
            reach = np.array([h.length_m + h.wall_m for h in buildings])
            jobs += [(away, index, True) for away, index in self._in_view(tops, reach)]
        if trees is not None and len(trees):
            tops = np.column_stack([trees.east_m, trees.north_m, trees.ground_m + 0.75 * trees.height_m])
            seen = self._in_view(tops, trees.radius_m + 0.5 * trees.height_m)
            jobs += [(away, index, False) for away, index in seen]
        for _, index, is_house in sorted(jobs, key=lambda job: -job[0]):
            if is_house:
                self._house(buildings[index])
            else:
                assert trees is not None
                self._tree(trees, index)

    def _in_view(self, places: FloatArray, reach_m: FloatArray) -> list[tuple[float, int]]:
        """(distance, index) of those of (n, 3) places within `reach_m` of the picture."""
        towards = places - self._centre
        depth = towards @ self._rotation[2]
        off_axis = np.hypot(towards @ self._rotation[0], towards @ self._rotation[1])
        # beyond the fold the lens model would put what is far beside the picture into it
        index = np.flatnonzero((depth > _NEAREST_M) & (off_axis < self._camera.fold_radius * depth))
        pixels, depth = self._view.pixels(places[index])
        margin = reach_m[index] / depth * self._camera.focal_px + 4
        size = (self._camera.image_width_px, self._camera.image_height_px)
        with np.errstate(invalid="ignore"):
            seen = ((pixels > -margin[:, None]) & (pixels < size + margin[:, None])).all(axis=1)
        seen &= margin < 4000
        away = np.hypot(towards[index, 0], towards[index, 1])
        return [(float(away[i]), int(index[i])) for i in np.flatnonzero(seen)]

    def _tree(self, trees: Trees, index: int) -> None:
        base = np.array([trees.east_m[index], trees.north_m[index], trees.ground_m[index]])
        heights = np.array(LAYER_HEIGHTS) * trees.height_m[index]
        pixels, depths = self._view.pixels(base + np.column_stack([np.zeros((3, 2)), heights]))
        turn = np.degrees(np.arctan2(self._rotation[1, 0], self._rotation[0, 0]))
        angle = float(trees.angle_deg[index] + turn)
        for layer, crown in enumerate(crowns()[int(trees.look[index])]):
            radius = float(trees.radius_m[index] / depths[layer] * self._camera.focal_px)
            hit = blend(self._frame, crown, pixels[layer, 0], pixels[layer, 1], radius, angle)
            if hit and layer == 0 and self._water is not None:
                window, alpha = hit
                self._water[window][alpha > 127] = 0

    def _house(self, house: Building) -> None:
        for wall in house.walls:
            self._wall(house, wall)
        for plane in house.roof_planes:
            self._roof(plane)

    def _faces_camera(self, outline: FloatArray) -> FloatArray | None:
        """The outward normal of a counter-clockwise outline that the camera sees from outside."""
        normal = np.cross(outline[1] - outline[0], outline[2] - outline[1])
        normal = normal / np.linalg.norm(normal)
        return normal if float(normal @ (self._centre - outline[0])) > 0 else None

    def _wall(self, house: Building, outline: FloatArray) -> None:
        normal = self._faces_camera(outline)
        pixels, depths = self._view.pixels(outline)
        if normal is None or depths.min() < 2:
            return
        light = 0.52 + 0.48 * max(float(normal @ self._sun), 0.0)
        colour = tuple(float(c) * light for c in house.wall_colour)
        self._polygon(pixels, colour)
        if not house.is_bridge and house.wall_m > 2:
            self._windows(house, outline, light)

    def _windows(self, house: Building, outline: FloatArray, light: float) -> None:
        width = float(np.linalg.norm(outline[1] - outline[0]))
        along = (outline[1] - outline[0]) / width
        floors = house.base_m + np.arange(max(int(house.wall_m // 3), 1)) * 3.0 + 1.0
        lefts = np.arange(1.2, width - 2.0, 2.9)
        if not len(lefts):
            return
        sill, left = (v.ravel() for v in np.meshgrid(floors, lefts, indexing="ij"))
        quads = np.empty((len(sill), 4, 3))
        for corner, (dx, dz) in enumerate(((0.0, 0.0), (1.3, 0.0), (1.3, 1.4), (0.0, 1.4))):
            quads[:, corner, :2] = outline[0, :2] + along[:2] * (left + dx)[:, None]
            quads[:, corner, 2] = sill + dz
        pixels = self._view.pixels(quads.reshape(-1, 3))[0].reshape(-1, 4, 2)
        for quad in pixels:
            self._polygon(quad, (46 * light, 52 * light, 60 * light))

    def _roof(self, plane: FloatArray) -> None:
        """A roof plane, its texture taken from the ground picture right below it."""
        normal = self._faces_camera(plane)
        pixels, depths = self._view.pixels(plane)
        if normal is None or depths.min() < 2:
            return
        window = self._window(pixels)
        if window is None:
            return
        (y0, y1), (x0, x1) = window
        nodes = nodes_about(window)
        directions, centres = self._directions[nodes], self._centres[nodes[0], None, :]
        away = ((plane[0] - centres) @ normal) / (directions @ normal)
        texture = self._texture(centres + directions * away[..., None], window)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        corners = np.round((pixels - [x0, y0]) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, shift=4)
        _mix(self._frame[y0:y1, x0:x1], texture, mask)
        if self._water is not None:
            self._water[y0:y1, x0:x1][mask > 127] = 0

    def _polygon(self, pixels: FloatArray, colour: tuple[float, ...]) -> None:
        if self._window(pixels) is None:
            return
        corners = np.round(np.clip(pixels, -9000, 19000) * 16).astype(np.int32)
        cv2.fillPoly(self._frame, [corners], colour, cv2.LINE_AA, shift=4)
        if self._water is not None:
            cv2.fillPoly(self._water, [corners], 0, shift=4)

    def _window(self, pixels: FloatArray) -> Window | None:
        """The part of a figure's box that is in the frame."""
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
