"""Blocks of photos for the benchmarks of mosaicking: a simulated valley, photographed on a regular grid.

    python bench/photo_blocks.py FOLDER --photos 130

Truth lies in FOLDER/world (after.tif, dem.tif), photos in FOLDER/photos. A block that is there is kept.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from plans.cameras import Camera
from plans.frames import Pose
from plans.terrain import read_terrain
from sim.camera import PhotoCard, TrueShot
from sim.world.make import make_world
from sim.world.store import World, load_world

CAMERA = Camera("Bench 12 Mpx", 17.3, 13.0, 12.3, 4000, 3000)
"""A four-thirds sensor read at 12 Mpx."""
PIXEL_M = 0.05
GSD_M = 0.05
SIDE_M = 720.0
GPS_SIGMA_M = 1.5
ATTITUDE_SIGMA_DEG = 1.5


def poses_over(world: World, photos: int) -> list[Pose]:
    """About so many photos in lanes to and fro, all of them inside the world, at one height over the launch
    point's lowest ground."""
    height = GSD_M * CAMERA.focal_px
    wide, deep = (GSD_M * n for n in (CAMERA.image_width_px, CAMERA.image_height_px))
    east, north = world.width_m - wide - 20, world.height_m - deep - 20
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
    folder.mkdir(parents=True, exist_ok=True)
    world = (
        load_world(folder / "world")
        if (folder / "world").is_dir()
        else make_world(folder / "world", seed, SIDE_M, PIXEL_M)
    )
    rng = np.random.default_rng(seed)
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    with PhotoCard(world.folder, CAMERA, place, workers, seed) as card:
        for number, plain in enumerate(poses_over(world, photos)):
            wobble, off, turn = (rng.normal(0, 1, 3) for _ in range(3))
            pose = replace(
                plain,
                up_m=plain.up_m + 0.5 * wobble[0],
                yaw_deg=plain.yaw_deg + 2 * wobble[1],
                pitch_deg=plain.pitch_deg + 2 * wobble[2],
                roll_deg=2 * float(rng.normal()),
            )
            believed = np.array([pose.east_m, pose.north_m, pose.up_m]) + GPS_SIGMA_M * off
            lat, lon = world.frame.to_geo(believed[0], believed[1])
            card.capture(_shot(number, start, pose, (float(lat), float(lon), float(believed[2])), turn))
    return place


def _shot(
    number: int, start: dt.datetime, pose: Pose, place: tuple[float, float, float], turn: ArrayLike
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
        position_sigma_h_m=GPS_SIGMA_M,
        position_sigma_v_m=GPS_SIGMA_M,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=130)
    given = parser.parse_args()
    print(make_block(given.folder, given.photos))
