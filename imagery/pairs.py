"""Which photos see the same ground: neighbours by predicted footprints, not all against all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from shapely import Polygon

from imagery.photos import Block, Photo, height_above_ground_m
from plans.frames import Pose


@dataclass(frozen=True)
class PairRules:
    """What counts as a neighbour."""

    min_overlap: float = 0.12
    max_per_photo: int = 10
    always_nearest: int = 3


def footprint(camera_corners: npt.NDArray[np.float64], pose: Pose, height_agl_m: float) -> Polygon:
    """Ground outline (local metres) of image corners, given as rays (4, 3), over flat ground."""
    rays = camera_corners @ pose.camera_from_enu
    down = np.minimum(rays[:, 2], -0.2 * np.linalg.norm(rays, axis=1))  # rays near the horizon end somewhere
    reach = -height_agl_m / down
    return Polygon(
        np.stack([pose.east_m + rays[:, 0] * reach, pose.north_m + rays[:, 1] * reach], axis=1)
    ).convex_hull


def corner_rays(photo: Photo) -> npt.NDArray[np.float64]:
    """Rays (4, 3) of the image's corners, in order around it."""
    w, h = photo.camera.image_width_px - 1, photo.camera.image_height_px - 1
    return photo.camera.rays([[0, 0], [w, 0], [w, h], [0, h]])


def predicted_footprints(block: Block) -> list[Polygon]:
    """Ground outlines of all photos by their priors."""
    return [
        footprint(corner_rays(p), p.prior, height_above_ground_m(p, block.ground_up_m)) for p in block.photos
    ]


def neighbour_pairs(block: Block, rules: PairRules | None = None) -> list[tuple[int, int]]:
    """Pairs (i < j) of photos to match, nearest overlaps first for each photo.

    Each photo gets its `max_per_photo` best overlaps and in any case its nearest photos, so that a wrong
    height or yaw in the tags does not cut it off.
    """
    rules = rules or PairRules()
    outlines = predicted_footprints(block)
    centres = np.array([[p.prior.east_m, p.prior.north_m] for p in block.photos])
    if len(centres) < 2:
        return []
    tree = cKDTree(centres)
    radius = max(_diameter(o) for o in outlines)
    chosen: set[tuple[int, int]] = set()
    nearest = min(rules.always_nearest + 1, len(centres))
    for i in range(len(centres)):
        _, near = tree.query(centres[i], k=nearest)
        chosen |= {_ordered(i, int(j)) for j in np.atleast_1d(near) if int(j) != i}
        overlaps = _overlaps(i, tree.query_ball_point(centres[i], radius), outlines)
        chosen |= {
            _ordered(i, j) for share, j in overlaps[: rules.max_per_photo] if share >= rules.min_overlap
        }
    return sorted(chosen)


def _overlaps(i: int, candidates: Sequence[int], outlines: Sequence[Polygon]) -> list[tuple[float, int]]:
    """(share of the smaller footprint, photo), greatest first."""
    found = []
    for j in candidates:
        if j != i:
            share = outlines[i].intersection(outlines[j]).area / min(outlines[i].area, outlines[j].area)
            found.append((share, j))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def _diameter(outline: Polygon) -> float:
    west, south, east, north = outline.bounds
    return float(np.hypot(east - west, north - south))


def _ordered(i: int, j: int) -> tuple[int, int]:
    return (i, j) if i < j else (j, i)
