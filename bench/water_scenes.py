"""Scenes with water that nothing was tuned on: other ground, water, drones, heights and paces than in tests.

Each feature of a photo is known to show water or not, from the renderer itself (roofs and crowns that stand
out of it are not water).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose
from sim.camera import TrueShot, write_photo
from sim.render import Renderer, Scene, load_scene
from sim.world.make import make_world
from sim.world.store import load_world, read_band
from sim.world.terrain import Grid

FRAME = LocalFrame(30.05, 103.15)
GROUND_M = 500.0
LANES, EACH = 5, 6
GPS_SIGMA_M, ATTITUDE_SIGMA_DEG, BAROMETER_SIGMA_M = 1.5, 1.5, 0.5
_BANK_PX = 15
"""So near to water's edge a feature is the bank's as well."""


@dataclass(frozen=True)
class WaterScene:
    """A flight over water. `stage_m` of a made-up valley, or `lake_share` of a textured ground; a photo each
    `every_s`."""

    seed: int
    camera: Camera
    height_m: float
    every_s: float
    wobble_deg: float = 2.0
    stage_m: float | None = None
    lake_share: float = 0.0


_WIDE = Camera("Bench wide 16:9", 6.4, 3.6, 4.5, 2048, 1152)
_LONG = Camera("Bench long 3:2", 23.5, 15.7, 28.0, 1800, 1200)
_SQUARE = Camera("Bench 4:3", 9.6, 7.2, 6.7, 1760, 1320)
SCENES = {
    "valley at its lowest stage": WaterScene(41, _SQUARE, 90.0, 2.0, stage_m=-0.5),
    "valley, wide lens, wind": WaterScene(77, _WIDE, 70.0, 3.0, wobble_deg=5.0),
    "valley at a high stage": WaterScene(58, _LONG, 130.0, 2.0, stage_m=2.5),
    "lake of 15 %, quick": WaterScene(9, _SQUARE, 60.0, 1.2, lake_share=0.15),
    "lake of 60 %, slow": WaterScene(12, _LONG, 120.0, 5.0, lake_share=0.6),
}


def photographed(folder: Path, scene: WaterScene) -> tuple[tuple[Pose, ...], list[npt.NDArray[np.bool_]]]:
    """Photos in `folder`: the true poses, and where each photo (rows, cols) shows water."""
    folder.mkdir(parents=True)
    ground, heights = _ground(folder.with_name(folder.name + " world"), scene)
    renderer = Renderer(ground, scene.camera)
    shots = _shots(scene, heights)

    def take(shot: TrueShot) -> npt.NDArray[np.bool_]:
        write_photo(renderer, scene.camera, shot, folder / shot.file_name, scene.seed)
        opacity = renderer.view(shot.pose)[1]
        size = scene.camera.image_height_px, scene.camera.image_width_px
        wet = np.zeros(size, np.uint8) if opacity is None else (opacity > 127).astype(np.uint8)
        return np.asarray(cv2.erode(wet, np.ones((_BANK_PX, _BANK_PX), np.uint8)) > 0)

    with ThreadPoolExecutor(2) as pool:
        water = list(pool.map(take, shots))
    return tuple(s.pose for s in shots), water


def _ground(folder: Path, scene: WaterScene) -> tuple[Scene, Callable]:
    if not scene.lake_share:
        world = make_world(folder, scene.seed, 600.0, 0.1, stage_m=scene.stage_m)
        known = read_band(load_world(folder).dem)
        return load_scene(folder), lambda e, n: world.dem_grid.sample(known, e, n)
    side, pixels = 6.0 * scene.height_m, 5000
    grid = Grid(-side / 2, side / 2, side / pixels, pixels, pixels)
    coarse = Grid(-side / 2, side / 2, side / 700, 700, 700)
    water = _lake(scene.lake_share, pixels)
    shade = water[..., None].astype(np.float32) / 255
    picture = (_fields(pixels, scene.seed) * (1 - shade) + np.float32((80, 96, 112)) * shade).astype(np.uint8)
    up = _hills(coarse.east_centres_m[None, :], coarse.north_centres_m[:, None])
    up = np.where(_lake(scene.lake_share, 700) > 127, GROUND_M - 2.0, up)
    return Scene.of(picture, grid, up, coarse, water=water), _hills


def _hills(east: FloatArray, north: FloatArray) -> FloatArray:
    return GROUND_M + 3 * np.sin(east / 60 + 1) + 4 * np.cos(north / 47 - east / 70)


def _lake(share: float, side: int) -> npt.NDArray[np.uint8]:
    """Opacity (side, side) of water that covers about this share, with an island and inlets."""
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    bank = 0.1 * np.sin(7 * x) + 0.04 * np.sin(23 * x + 2)
    wet = (y > 0.6 - 1.2 * share + bank) & (np.hypot(x + 0.2, y - 0.45) > 0.12)
    return np.where(wet, 255, 0).astype(np.uint8)


def _fields(side: int, seed: int) -> npt.NDArray[np.uint8]:
    """(side, side, 3) a patchwork of fields, each with its own grain, and tracks between."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(60, 150, (14, 14, 3)).astype(np.float32)
    picture = cv2.resize(cells, (side, side), interpolation=cv2.INTER_NEAREST)
    for octave, strength in ((5, 6), (7, 8), (9, 9), (11, 10)):
        grain = rng.normal(0, strength, (2**octave, 2**octave, 1)).astype(np.float32)
        picture += cv2.resize(grain, (side, side), interpolation=cv2.INTER_LINEAR)[..., None]
    for _ in range(9):
        a, b = rng.integers(0, side, (2, 2))
        cv2.line(picture, a.tolist(), b.tolist(), (190, 185, 170), 18)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _shots(scene: WaterScene, heights: Callable) -> list[TrueShot]:
    """Lanes to and fro over the middle, 77 % overlap along and 67 % across."""
    rng, camera = np.random.default_rng(scene.seed), scene.camera
    gsd = camera.gsd_m(scene.height_m)
    wide, deep = gsd * camera.image_width_px, gsd * camera.image_height_px
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    shots: list[TrueShot] = []
    for lane in range(LANES):
        for step in range(EACH):
            forth = 1 if lane % 2 == 0 else -1
            east, north = (
                forth * (step - (EACH - 1) / 2) * 0.23 * deep,
                (lane - (LANES - 1) / 2) * 0.33 * wide,
            )
            up = float(heights(np.array([0.0]), np.array([0.0]))[0]) + scene.height_m + rng.normal(0, 0.5)
            wobble = rng.normal(0, scene.wobble_deg, 3)
            pose = Pose(east, north, up, 90.0 * forth % 360 + 2 * wobble[0], -90 - abs(wobble[1]), wobble[2])
            off, turn = rng.normal(0, GPS_SIGMA_M, 3), rng.normal(0, ATTITUDE_SIGMA_DEG, 3)
            lat, lon = FRAME.to_geo(east + off[0], north + off[1])
            shots.append(
                TrueShot(
                    index=len(shots),
                    time_utc=start + dt.timedelta(seconds=scene.every_s * len(shots) + 4 * lane),
                    pose=pose,
                    believed_lat_deg=float(lat),
                    believed_lon_deg=float(lon),
                    believed_alt_amsl_m=up + off[2],
                    believed_rel_alt_m=up - GROUND_M + float(rng.normal(0, BAROMETER_SIGMA_M)),
                    believed_yaw_deg=(pose.yaw_deg + turn[0]) % 360,
                    believed_pitch_deg=pose.pitch_deg + turn[1],
                    believed_roll_deg=pose.roll_deg + turn[2],
                    position_sigma_h_m=GPS_SIGMA_M,
                    position_sigma_v_m=GPS_SIGMA_M,
                )
            )
    return shots
