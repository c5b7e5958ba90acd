"""Small blocks of photos over ground that is known to the pixel: flat, a valley, a lake, wind, two flights, a
village.

    python bench/truth_blocks.py FOLDER KIND

Photos in FOLDER/photos, the true orthophoto FOLDER/truth.tif, a DEM of 30 m FOLDER/dem.tif, ground control
FOLDER/control.csv (five control points, ten check points, each marked in up to six photos, half a pixel off
as marks made by a person are).
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose
from sim.camera import TrueShot, write_photo
from sim.render import Renderer, Scene, load_scene
from sim.world.make import make_world
from sim.world.store import read_band, write_grid, write_picture
from sim.world.terrain import Grid

FRAME = LocalFrame(30.05, 103.15)
CAMERA = Camera("Bench 3 Mpx", 17.3, 13.0, 12.3, 2000, 1500)
GPS_SIGMA_M = 1.5
ATTITUDE_SIGMA_DEG = 1.5
BAROMETER_SIGMA_M = 0.5
_GROUND_M = 500.0
_PICTURE_PX = 5600
_DEM_M, _DEM_DATUM_M = 30.0, 27.0
"""A DEM as there is of most countries, by another datum."""
_MARK_SIGMA_PX = 0.5

Heights = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Flight:
    """Lanes `along` east (or north), at a height above the lane's mean ground. `bias_m` is by how much its
    receiver was off as a whole, `day` when it was flown, `wobble_deg` how the camera rolled and pitched,
    `launch_m` the height of the place from which its barometer counts."""

    lanes: int
    photos_each: int
    height_m: float
    north_south: bool = False
    bias_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    day: int = 0
    wobble_deg: float = 2.0
    launch_m: float = _GROUND_M


@dataclass(frozen=True)
class Kind:
    """A block: its flights, ground and how much of it is water."""

    flights: tuple[Flight, ...]
    heights: Heights
    side_m: float
    water_share: float = 0.0
    middle_m: tuple[float, float] = (0.0, 0.0)


def _flat(east: FloatArray, north: FloatArray) -> FloatArray:
    return np.full(np.broadcast(east, north).shape, _GROUND_M)


def _hills(east: FloatArray, north: FloatArray) -> FloatArray:
    return _GROUND_M + 4 * np.sin(east / 45) + 3 * np.cos(north / 38 + east / 90)


def _valley(east: FloatArray, north: FloatArray) -> FloatArray:
    """300 m from the floor to the ridges on both sides, with spurs."""
    across = np.clip(np.abs(north + 30 * np.sin(east / 150)) / 420, 0, 1)
    spurs = 18 * np.sin(east / 60 + north / 140) * across
    return _GROUND_M + 300 * across**1.5 / (0.35 + 0.65 * across**1.5) + spurs


VILLAGE = "village"
_VILLAGE = Kind((Flight(5, 6, 100.0),), _flat, 600.0, middle_m=(80.0, 50.0))
"""A flooded village with trees, from the simulator; its ground is the world's."""
KINDS = {
    "flat": Kind((Flight(5, 6, 100.0),), _flat, 390.0),
    "valley": Kind((Flight(5, 8, 300.0),), _valley, 1250.0),
    "water": Kind((Flight(5, 6, 100.0),), _hills, 390.0, water_share=0.4),
    "wind": Kind((Flight(5, 6, 100.0, wobble_deg=7.0),), _hills, 390.0),
    "two flights": Kind(
        (
            Flight(5, 5, 100.0, bias_m=(0.8, -0.6, 1.5)),
            Flight(4, 4, 135.0, north_south=True, bias_m=(-1.0, 0.5, -2.0), day=1, launch_m=_GROUND_M + 40),
        ),
        _hills,
        430.0,
    ),
}


def expected_shift_m(kind: str) -> float:
    """How far a block without control is off as a whole, expected rms in plan: the receiver's noise over the
    square root of the number of photos, and what it was off in all photos of a flight."""
    flights = _VILLAGE.flights if kind == VILLAGE else KINDS[kind].flights
    counts = np.array([f.lanes * f.photos_each for f in flights])
    bias = counts @ np.array([f.bias_m[:2] for f in flights]) / counts.sum()
    return float(np.hypot(GPS_SIGMA_M * np.sqrt(2 / counts.sum()), np.linalg.norm(bias)))


def make_truth_block(folder: Path, kind: str, seed: int = 1) -> Path:
    """The block in `folder` (one that is there is kept); gives the folder of its photos.

    The truth of the village is its world's, in FOLDER/world.
    """
    place = folder / "photos"
    if (folder / "control.csv").exists():
        return place
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    if kind == VILLAGE:
        world = make_world(folder / "world", seed, 600.0, 0.1)
        scene = load_scene(folder / "world")
        spec = replace(_VILLAGE, heights=lambda e, n: world.dem_grid.sample(read_band(world.dem), e, n))
    else:
        spec = KINDS[kind]
        scene = _scene(spec, seed, folder)
        write_picture(folder / "truth.tif", scene.pictures[0], scene.grid, FRAME)
    renderer = Renderer(scene, CAMERA)
    shots = [s for flight in spec.flights for s in _shots(flight, spec, rng)]
    shots = [replace(s, index=n) for n, s in enumerate(shots)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda s: write_photo(renderer, CAMERA, s, place / s.file_name, seed), shots))
    _write_control(folder / "control.csv", shots, spec, scene, rng)
    return place


def _dem_grid(spec: Kind) -> Grid:
    cells = round(spec.side_m / _DEM_M)
    return Grid(-spec.side_m / 2, spec.side_m / 2, spec.side_m / cells, cells, cells)


def _scene(spec: Kind, seed: int, folder: Path) -> Scene:
    step = spec.side_m / _PICTURE_PX
    grid = Grid(-spec.side_m / 2, spec.side_m / 2, step, _PICTURE_PX, _PICTURE_PX)
    picture = _texture(_PICTURE_PX, seed)
    coarse = Grid(-spec.side_m / 2, spec.side_m / 2, spec.side_m / 700, 700, 700)
    heights = spec.heights(coarse.east_centres_m[None, :], coarse.north_centres_m[:, None])
    water = None
    if spec.water_share:
        water = _lake(spec.water_share)
        shade = water[..., None].astype(np.float32) / 255
        picture = (picture * (1 - shade) + np.float32((92, 104, 96)) * shade).astype(np.uint8)
        heights = np.where(_lake(spec.water_share, 700) > 127, _GROUND_M - 2.0, heights)
    dem = _dem_grid(spec)
    known = spec.heights(dem.east_centres_m[None, :], dem.north_centres_m[:, None]) + _DEM_DATUM_M
    write_grid(folder / "dem.tif", known.astype(np.float32), dem, FRAME)
    return Scene.of(picture, grid, heights, coarse, water=water)


def _texture(side: int, seed: int) -> np.ndarray:
    """(side, side, 3) noise of many scales, fields and roads."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side, 3), (104.0, 118.0, 92.0), np.float32)
    for octave in range(2, 12):
        small = rng.normal(0, 9 if octave < 10 else 12, (2**octave, 2**octave, 1)).astype(np.float32)
        picture += cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    for at in (0.2, 0.45, 0.7):
        cv2.line(picture, (0, int(at * side)), (side, int((1 - at) * side)), (205, 203, 198), 60)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _lake(share: float, side: int = _PICTURE_PX) -> np.ndarray:
    """Opacity (side, side): a lake with bays over this share of the middle, where the photos are."""
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    bank = 0.12 * np.sin(5 * y) + 0.05 * np.sin(17 * y + 1)
    return np.where(x > 0.7 - 1.4 * share + bank, 255, 0).astype(np.uint8)


def _shots(flight: Flight, spec: Kind, rng: np.random.Generator) -> list[TrueShot]:
    wide, deep = (CAMERA.gsd_m(flight.height_m) * n for n in (CAMERA.image_width_px, CAMERA.image_height_px))
    across = (np.arange(flight.lanes) - (flight.lanes - 1) / 2) * 0.33 * wide
    along = (np.arange(flight.photos_each) - (flight.photos_each - 1) / 2) * 0.23 * deep
    start = dt.datetime(2026, 7, 1 + flight.day, 4, 0, tzinfo=dt.UTC)
    shots = []
    for lane, side in enumerate(across):
        forth = lane % 2 == 0
        aside = np.full_like(along, side)
        easts, norths = (aside, along) if flight.north_south else (along, aside)
        easts, norths = easts + spec.middle_m[0], norths + spec.middle_m[1]
        level = float(spec.heights(easts, norths).mean()) + flight.height_m
        course = 90.0 * (not flight.north_south) + (0.0 if forth else 180.0)
        order = slice(None) if forth else slice(None, None, -1)
        for east, north in zip(easts[order], norths[order], strict=True):
            up = level + rng.normal(0, 0.5)
            wobble = rng.normal(0, 1, 3)
            pose = Pose(
                float(east), float(north), up, course + 2 * wobble[0],
                min(-90.0 + flight.wobble_deg * wobble[1], -60.0), flight.wobble_deg * wobble[2],
            )  # fmt: skip
            shots.append(_shot(len(shots), start, pose, flight, rng))
    return shots


def _shot(number: int, start: dt.datetime, pose: Pose, flight: Flight, rng: np.random.Generator) -> TrueShot:
    believed = pose.centre + GPS_SIGMA_M * rng.normal(0, 1, 3) + np.array(flight.bias_m)
    yaw, pitch, roll = ATTITUDE_SIGMA_DEG * rng.normal(0, 1, 3)
    lat, lon = FRAME.to_geo(believed[0], believed[1])
    return TrueShot(
        index=number,
        time_utc=start + dt.timedelta(seconds=3 * number),
        pose=pose,
        believed_lat_deg=float(lat),
        believed_lon_deg=float(lon),
        believed_alt_amsl_m=float(believed[2]),
        believed_rel_alt_m=pose.up_m - flight.launch_m + float(rng.normal(0, BAROMETER_SIGMA_M)),
        believed_yaw_deg=(pose.yaw_deg + yaw) % 360,
        believed_pitch_deg=pose.pitch_deg + pitch,
        believed_roll_deg=pose.roll_deg + roll,
        position_sigma_h_m=GPS_SIGMA_M,
        position_sigma_v_m=GPS_SIGMA_M,
    )


def _write_control(
    path: Path, shots: list[TrueShot], spec: Kind, scene: Scene, rng: np.random.Generator
) -> None:
    """Points on a grid over where the photos are: the corners and the middle control, the others check.

    In the village a roof may hide one, which a person would not have marked: all are taken as seen.
    """
    centres = np.array([s.pose.centre for s in shots])[:, :2] - spec.middle_m
    reach = np.abs(centres).max(axis=0) * 0.95
    rows = []
    for n, (x, y) in enumerate((x, y) for y in (-1.0, -0.5, 0.5, 1.0, 0.0) for x in (-1.0, 0.0, 1.0)):
        role = "control" if (abs(x), abs(y)) in ((1, 1), (0, 0)) else "check"
        east, north = x * reach[0], y * reach[1]
        if spec.water_share and east > spec.side_m / 2 * (0.7 - 1.4 * spec.water_share) - 30:
            east -= spec.side_m * 0.12 * (1 + (x > 0))
        east, north = east + spec.middle_m[0], north + spec.middle_m[1]
        up = float(scene.surface_grid.sample(scene.surface_m, east, north))
        lat, lon = FRAME.to_geo(east, north)
        seen = _marks(np.array([east, north, up]), shots, rng)
        rows += [
            (f"P{n + 1}", f"{lon:.9f}", f"{lat:.9f}", f"{up:.4f}", 0.02, role, name, f"{px:.2f}", f"{py:.2f}")
            for name, px, py in seen
        ]
    with open(path, "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(("name", "lon", "lat", "height", "accuracy", "role", "photo", "x", "y"))
        table.writerows(rows)


def _marks(
    place: FloatArray, shots: list[TrueShot], rng: np.random.Generator
) -> list[tuple[str, float, float]]:
    """The six photos that show a place best."""
    found = []
    middle = np.array(CAMERA.principal_px)
    for shot in shots:
        x, y = CAMERA.project((shot.pose.camera_from_enu @ (place - shot.pose.centre))[None])[0]
        if 20 < x < CAMERA.image_width_px - 20 and 20 < y < CAMERA.image_height_px - 20:
            off = rng.normal(0, _MARK_SIGMA_PX, 2)
            found.append(
                (float(np.hypot(x - middle[0], y - middle[1])), shot.file_name, x + off[0], y + off[1])
            )
    return [(name, float(x), float(y)) for _, name, x, y in sorted(found)[:6]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=[*KINDS, VILLAGE])
    given = parser.parse_args()
    print(make_truth_block(given.folder, given.kind))
