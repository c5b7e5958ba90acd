"""Blocks of photos for the benchmarks of mosaicking: a simulated valley, photographed on a regular grid.

    python bench/photo_blocks.py FOLDER --photos 130
    python bench/photo_blocks.py FOLDER --photos 1000 --wide

Truth lies in FOLDER/world (after.tif, dem.tif), photos in FOLDER/photos. A block that is there is kept. A
wide block is as dense as one of 130 photos: the valley's orthophoto is mirrored over as much ground as it
needs (FOLDER/dem.tif has its heights), with roofs and crowns lying flat, so that a photo takes 0.2 s.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike

from imagery.photo_tags import embed_tags
from imagery.raster_io import write_cog
from plans.cameras import Camera
from plans.frames import FloatArray, Pose
from plans.terrain import read_terrain
from sim.camera import PhotoCard, TrueShot, tags_of
from sim.world.make import make_world
from sim.world.store import World, load_world, read_band

CAMERA = Camera("Bench 12 Mpx", 17.3, 13.0, 12.3, 4000, 3000)
"""A four-thirds sensor read at 12 Mpx."""
PIXEL_M = 0.05
GSD_M = 0.05
SIDE_M = 720.0
GPS_SIGMA_M = 1.5
ATTITUDE_SIGMA_DEG = 1.5


M2_PER_PHOTO = 2115.0
"""Of a wide block: as dense as 130 photos over the valley."""
_NODE_PX = 16


def poses_over(
    world: World, photos: int, side_m: float | None = None, camera: Camera = CAMERA, gsd_m: float = GSD_M
) -> list[Pose]:
    """About so many photos in lanes to and fro, all of them inside the world (or a square of `side_m`), at
    one height over the ground's middle height."""
    height = gsd_m * camera.focal_px
    wide, deep = (gsd_m * n for n in (camera.image_width_px, camera.image_height_px))
    east, north = (side_m or world.width_m) - wide - 20, (side_m or world.height_m) - deep - 20
    step = math.sqrt(east * north / photos)
    lanes, each = max(2, round(north / step)), max(2, round(photos / max(2, round(north / step))))
    bounds = (-world.width_m / 2, -world.height_m / 2, world.width_m / 2, world.height_m / 2)
    ground = float(np.nanmedian(read_terrain(world.dem, world.frame, bounds, 5.0).heights_m))
    out = []
    for lane, y in enumerate(np.linspace(-north / 2, north / 2, lanes)):
        xs = np.linspace(-east / 2, east / 2, each)
        yaw = 90.0 if lane % 2 == 0 else 270.0
        out += [
            Pose(float(x), float(y), ground + height, yaw, -90.0, 0.0)
            for x in (xs if lane % 2 == 0 else xs[::-1])
        ]
    return out


def make_block(folder: Path, photos: int, seed: int = 1, workers: int = 2) -> Path:
    """The block in `folder`; gives the folder of its photos."""
    place = folder / "photos"
    if place.is_dir() and any(place.iterdir()):
        return place
    world = _world_in(folder, seed)
    with PhotoCard(world.folder, CAMERA, place, workers, seed) as card:
        for shot in shots_at(world, poses_over(world, photos), seed):
            card.capture(shot)
    return place


def make_wide_block(folder: Path, photos: int, seed: int = 1, workers: int = 2) -> Path:
    """A block of any size over the mirrored valley; gives the folder of its photos. One that was broken off
    is gone on with."""
    place = folder / "photos"
    place.mkdir(parents=True, exist_ok=True)
    world = _world_in(folder, seed)
    margin_m = sum(GSD_M * n for n in (CAMERA.image_width_px, CAMERA.image_height_px)) / 2 + 20
    side_m = margin_m + math.sqrt(photos * M2_PER_PHOTO)
    ground = _MirroredGround(world)
    ground.write_dem(folder / "dem.tif", side_m)
    shots = list(shots_at(world, poses_over(world, photos, side_m), seed))
    missing = [s for s in shots if not (place / s.file_name).exists()]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda shot: ground.photograph(shot, place / shot.file_name), missing))
    return place


def _world_in(folder: Path, seed: int) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "world").is_dir():
        return load_world(folder / "world")
    return make_world(folder / "world", seed, SIDE_M, PIXEL_M)


class _MirroredGround:
    """The valley as a picture over its heights, repeated without end by mirrors at its edges."""

    def __init__(self, world: World) -> None:
        self._world = world
        with rasterio.open(world.after) as source:
            self._picture = np.ascontiguousarray(np.moveaxis(source.read((3, 2, 1)), 0, -1))
        self._heights = read_band(world.dem)
        x, y = (
            (np.arange(-1, -(-n // _NODE_PX) + 1) + 0.5) * _NODE_PX - 0.5
            for n in (CAMERA.image_width_px, CAMERA.image_height_px)
        )
        nodes = np.stack(np.meshgrid(x, y), axis=-1)
        self._rays = CAMERA.rays(nodes.reshape(-1, 2)).reshape((*nodes.shape[:2], 3))
        self._noise = np.random.default_rng(0).integers(0, 5, (3400, 4400, 1), dtype=np.uint8)

    def heights_at(self, east_m: FloatArray, north_m: FloatArray) -> FloatArray:
        """AMSL at any place."""
        half_e, half_n = self._world.width_m / 2, self._world.height_m / 2
        return self._world.dem_grid.sample(
            self._heights, _mirrored(east_m, half_e), _mirrored(north_m, half_n)
        )

    def write_dem(self, path: Path, side_m: float, step_m: float = 2.0) -> None:
        """Heights over a square."""
        count = math.ceil(side_m / step_m) + 50
        west = -count * step_m / 2
        middle = west + (np.arange(count) + 0.5) * step_m
        heights = self.heights_at(*np.meshgrid(middle, -middle)).astype(np.float32)
        transform = Affine(step_m, 0, west, 0, -step_m, -west)
        write_cog(path, heights, transform, self._world.frame.crs, nodata=None)

    def photograph(self, shot: TrueShot, path: Path) -> None:
        """Write one photo: ground by ray and height, light, noise, JPEG and tags."""
        pose = shot.pose
        rays = self._rays @ pose.camera_from_enu
        slope = rays[..., :2] / rays[..., 2:]
        height = np.full(slope.shape[:2], float(self.heights_at(pose.east_m, pose.north_m)))
        for _ in range(8):
            places = pose.centre[:2] + slope * (height - pose.up_m)[..., None]
            height = self.heights_at(places[..., 0], places[..., 1])
        col, row = self._world.image_grid.to_pixel(places[..., 0], places[..., 1])
        size = (col.shape[1] * _NODE_PX, col.shape[0] * _NODE_PX)
        inner = np.s_[
            _NODE_PX : _NODE_PX + CAMERA.image_height_px, _NODE_PX : _NODE_PX + CAMERA.image_width_px
        ]
        maps = [
            cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[inner] for m in (col, row)
        ]
        frame = cv2.remap(self._picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        top, left = np.random.default_rng(shot.index).integers(0, 390, 2)
        noise = self._noise[top : top + frame.shape[0], left : left + frame.shape[1]]
        gain = 0.95 + 0.01 * (shot.index * 7 % 11)
        lit = cv2.add(cv2.convertScaleAbs(frame, alpha=gain, beta=-2), cv2.merge([noise] * 3))
        _, data = cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, 90])
        part = path.with_suffix(".part")
        part.write_bytes(embed_tags(data.tobytes(), tags_of(shot, CAMERA)))
        part.rename(path)


def _mirrored(metres: ArrayLike, half: float) -> FloatArray:
    """Places on a line brought between -half and half, as by mirrors there."""
    along = np.mod(np.asarray(metres, float) + half, 4 * half)
    return np.minimum(along, 4 * half - along) - half


def shots_at(
    world: World, poses: list[Pose], seed: int, gps_sigma_m: float = GPS_SIGMA_M
) -> Iterator[TrueShot]:
    """The shots at these poses, shaken, with what the receiver and the gimbal believed."""
    rng = np.random.default_rng(seed)
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    for number, plain in enumerate(poses):
        wobble, off, turn = (rng.normal(0, 1, 3) for _ in range(3))
        pose = replace(
            plain,
            up_m=plain.up_m + 0.5 * wobble[0],
            yaw_deg=plain.yaw_deg + 2 * wobble[1],
            pitch_deg=plain.pitch_deg + 2 * wobble[2],
            roll_deg=2 * float(rng.normal()),
        )
        believed = np.array([pose.east_m, pose.north_m, pose.up_m]) + gps_sigma_m * off
        lat, lon = world.frame.to_geo(believed[0], believed[1])
        yield _shot(number, start, pose, (float(lat), float(lon), float(believed[2])), turn, gps_sigma_m)


def _shot(
    number: int,
    start: dt.datetime,
    pose: Pose,
    place: tuple[float, float, float],
    turn: ArrayLike,
    gps_sigma_m: float,
) -> TrueShot:
    yaw, pitch, roll = ATTITUDE_SIGMA_DEG * np.asarray(turn, float)
    return TrueShot(
        index=number,
        time_utc=start + dt.timedelta(seconds=2 * number),
        pose=pose,
        believed_lat_deg=place[0],
        believed_lon_deg=place[1],
        believed_alt_amsl_m=place[2],
        believed_rel_alt_m=place[2] - 500.0,
        believed_yaw_deg=(pose.yaw_deg + yaw) % 360,
        believed_pitch_deg=max(pose.pitch_deg + pitch, -90.0),
        believed_roll_deg=pose.roll_deg + roll,
        position_sigma_h_m=gps_sigma_m,
        position_sigma_v_m=gps_sigma_m,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=130)
    parser.add_argument("--wide", action="store_true")
    given = parser.parse_args()
    print((make_wide_block if given.wide else make_block)(given.folder, given.photos))
