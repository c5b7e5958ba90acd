"""The simulated camera's card: shots go in, JPEG files with the pose as the vehicle believed it come out."""

from __future__ import annotations

import datetime as dt
import json
import math
import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import TracebackType

import cv2

from imagery.photo_tags import PhotoTags, embed_tags
from plans.cameras import Camera
from plans.frames import Pose
from sim.errors import PhotoError
from sim.render import Renderer, load_scene
from sim.view import STILL, Motion
from sim.world.store import load_world

JPEG_QUALITY = 90


@dataclass(frozen=True)
class TrueShot:
    """One release of the shutter: where the camera truly was, and where the vehicle thought it was.

    `pose` is true, in the world's frame. `believed_*_deg` angles are the gimbal's (pitch -90 looks down).
    """

    index: int
    time_utc: dt.datetime
    pose: Pose
    believed_lat_deg: float
    believed_lon_deg: float
    believed_alt_amsl_m: float
    believed_rel_alt_m: float
    believed_yaw_deg: float
    believed_pitch_deg: float
    believed_roll_deg: float
    position_sigma_h_m: float
    position_sigma_v_m: float
    motion: Motion = STILL
    """True, like the pose, which is that of the photo's middle row."""
    water_rise_m: float = 0.0
    """How much higher the water stands than in the world's files."""

    @property
    def file_name(self) -> str:
        """Name of its photo on the card."""
        return f"SIM_{self.index:04d}.JPG"


class PhotoCard:
    """Photos of one camera over one world, rendered by worker processes.

    `capture` returns at once; `close` waits until every photo is on the card. A photo that fails does not
    stop the others: close() then raises PhotoError naming those that are missing.
    """

    def __init__(
        self, world_folder: Path, camera: Camera, photos_dir: Path, workers: int = 1, seed: int = 0
    ) -> None:
        """Raises WorldError when the folder holds no world, PhotoError when the card cannot be written."""
        if workers < 1:
            raise PhotoError(f"{workers} camera workers: at least 1 is needed")
        load_world(world_folder)
        self._photos_dir = Path(photos_dir)
        try:
            self._photos_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PhotoError(
                f"{photos_dir}: photos cannot be stored here ({error.strerror}); choose another folder"
            ) from error
        self._seed = seed
        self._waiting: dict[Future[None], str] = {}
        self._failures: list[str] = []
        self._stored: list[str] = []
        self._pool = ProcessPoolExecutor(
            max_workers=workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(Path(world_folder), camera),
        )

    def __enter__(self) -> PhotoCard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._pool.shutdown(cancel_futures=True)

    def capture(self, shot: TrueShot) -> None:
        """Take a photo; it lands on the card later."""
        self._collect()
        path = self._photos_dir / shot.file_name
        try:
            future = self._pool.submit(_take, shot, path, self._seed)
        except BrokenProcessPool:
            self._failures.append(f"{path}: not rendered (the camera's worker process died)")
        else:
            self._waiting[future] = str(path)

    @property
    def pending(self) -> int:
        """Photos taken and not yet on the card."""
        self._collect()
        return len(self._waiting)

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the photos on the card, in the order they got there."""
        self._collect()
        return tuple(self._stored)

    @property
    def failures(self) -> tuple[str, ...]:
        """One line for each photo that could not be rendered or written."""
        self._collect()
        return tuple(self._failures)

    def close(self) -> None:
        """Wait for all photos and stop the workers. Raises PhotoError when some are missing."""
        self._pool.shutdown(wait=True)
        self._collect()
        if self._failures:
            more = f" (and {len(self._failures) - 1} more)" if len(self._failures) > 1 else ""
            raise PhotoError(self._failures[0] + more)

    def _collect(self) -> None:
        for future in [f for f in self._waiting if f.done()]:
            path = self._waiting.pop(future)
            error = future.exception()
            if error is None:
                self._stored.append(Path(path).name)
            elif isinstance(error, PhotoError):
                self._failures.append(str(error))
            elif isinstance(error, BrokenProcessPool):
                self._failures.append(f"{path}: not rendered (the camera's worker process died)")
            else:
                self._failures.append(f"{path}: not rendered ({type(error).__name__}: {error})")


_RISE_STEP_M = 0.25
"""The water is painted anew when it has risen by this much."""

_worker: dict[str, Renderer | Camera | Path | float] = {}
"""What a worker process keeps between photos; empty everywhere else."""


def _start_worker(world_folder: Path, camera: Camera) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that owns the card
    cv2.setNumThreads(1)  # the processes are the parallelism
    _worker["camera"], _worker["world"] = camera, world_folder
    _flood(0.0)


def _flood(rise_m: float) -> None:
    """Have a renderer of the world at this water level."""
    step_m = round(rise_m / _RISE_STEP_M) * _RISE_STEP_M
    if _worker.get("rise_m") == step_m:
        return
    world, camera = _worker["world"], _worker["camera"]
    assert isinstance(world, Path)
    assert isinstance(camera, Camera)
    _worker["renderer"], _worker["rise_m"] = Renderer(load_scene(world, step_m), camera), step_m


def _take(shot: TrueShot, path: Path, seed: int) -> None:
    _flood(shot.water_rise_m)
    renderer, camera = _worker["renderer"], _worker["camera"]
    assert isinstance(renderer, Renderer)
    assert isinstance(camera, Camera)
    write_photo(renderer, camera, shot, path, seed)


def write_photo(renderer: Renderer, camera: Camera, shot: TrueShot, path: Path, seed: int) -> None:
    """Render one shot and put it under its name in one step. Raises PhotoError with the file's name."""
    frame = renderer.render(shot.pose, seed * 1_000_003 + shot.index, shot.motion)
    whole, data = cv2.imencode(
        ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not whole:
        raise PhotoError(f"{path}: the frame could not be encoded as JPEG")
    tagged = embed_tags(data.tobytes(), tags_of(shot, camera))
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(tagged)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise PhotoError(
            f"{path}: photo cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error


def tags_of(shot: TrueShot, camera: Camera) -> PhotoTags:
    """What the camera writes into the photo: the believed pose, never the true one."""
    diagonal = math.hypot(camera.sensor_width_mm, camera.sensor_height_mm)
    return PhotoTags(
        make="missionctl",
        model=exif_model(camera),
        clock=shot.time_utc.astimezone(dt.UTC).replace(tzinfo=None),
        time_utc=shot.time_utc,
        focal_mm=camera.focal_mm,
        focal_35mm=round(camera.focal_mm * math.hypot(36, 24) / diagonal),
        exposure_s=camera.exposure_s,
        image_width_px=camera.image_width_px,
        image_height_px=camera.image_height_px,
        orientation=1,
        lat_deg=shot.believed_lat_deg,
        lon_deg=shot.believed_lon_deg,
        alt_amsl_m=shot.believed_alt_amsl_m,
        height_rel_m=shot.believed_rel_alt_m,
        yaw_deg=shot.believed_yaw_deg,
        pitch_deg=shot.believed_pitch_deg,
        roll_deg=shot.believed_roll_deg,
        position_sigma_h_m=shot.position_sigma_h_m,
        position_sigma_v_m=shot.position_sigma_v_m,
    )


@cache
def exif_model(camera: Camera) -> str:
    """The EXIF model by which the camera database knows this camera; its name when it has none."""
    text = resources.files("plans").joinpath("cameras.json").read_text(encoding="utf-8")
    for entry in json.loads(text)["cameras"]:
        if entry["name"] == camera.name and entry.get("exif_models"):
            return str(entry["exif_models"][0])
    return camera.name
