"""The photos of a live mosaic as they stand: found, placed one by one, adjusted together, kept on disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from shapely import Polygon

from imagery.errors import MosaicError, PhotoError
from imagery.features import FeatureRules, Features, UInt8, decode, extract_features
from imagery.found import FileKey, Found, file_key
from imagery.geo_file import GeoTags
from imagery.live_map import Brush, outline_of, picture_factor
from imagery.live_place import (
    Fit,
    Stand,
    adjust_all,
    corrected,
    follow,
    neighbours_of,
    place,
    running_surface,
)
from imagery.live_store import LiveStore, PhotoRecord
from imagery.matching import PairMatches, match_pair
from imagery.photo_tags import PhotoTags, read_tags
from imagery.photos import Photo, read_block
from imagery.quality import BY_PRIORS, BY_TIE_POINTS, PlacedPhoto
from imagery.shelf import reduced
from imagery.surface import Bounds, Surface, flat_surface, read_dem
from plans.cameras import Camera
from plans.frames import FloatArray, GeoPoint, LocalFrame, Pose

CONTEXT = 30
"""Tags are held against those of so many photos before."""
PICTURE_QUALITY = 90
GROWN, LEAST_NEW = 0.15, 2
"""The whole block is adjusted when it has grown by that share, and by so many photos."""
MAP_SCALE = 1.05
_POINTS_KEPT = 60
_DEM_STEPS_M = 200.0


@dataclass(frozen=True)
class Look:
    """A photo looked into: its tags' place, features and small picture, or why it gives nothing."""

    path: Path
    key: FileKey
    photo: Photo | None
    features: Features | str
    picture: bytes = b""


class LiveBlock:
    """The state of a live mosaic; `photos_dir` is where the photos come to, `store` where it is kept."""

    def __init__(self, photos_dir: Path, store: LiveStore, rules: FeatureRules, dem: Path | None) -> None:
        self._dir, self._store, self._rules, self._dem = photos_dir, store, rules, dem
        self._tags = lru_cache(maxsize=None)(lambda path, key: read_tags(path))
        self._records: dict[str, PhotoRecord] = {}
        self._pairs: dict[tuple[str, str], PairMatches | None] = {}
        self._cameras: dict[Camera, Camera] = {}
        self._points: FloatArray = np.zeros((0, 3))
        self._ground_up_m: float | None = None
        self._since: dict[str, str] = {}
        self._guessed: set[str] = set()
        self.stands: dict[str, Stand] = {}
        self.gains: dict[str, FloatArray] = {}
        self.frame: LocalFrame | None = None
        self.surface: Surface = flat_surface((-1.0, -1.0, 1.0, 1.0), 0.0)
        self.geo: GeoTags | None = None
        self.left_out: dict[str, str] = {}

    def restore(self) -> None:
        """Take up what an earlier run has kept; photos that were found but not placed are placed."""
        told = self._store.block()
        for record in self._store.photos(self._dir):
            self._take(record)
        if not told:
            self._place_the_rest()
            return
        self.frame = LocalFrame(*told["frame"])
        self._points = np.array(told["points"], float).reshape(-1, 3)
        self._ground_up_m = told["ground_up_m"]
        cameras = {name: _camera(values) for name, values in told["cameras"].items()}
        for name, stood in told["stands"].items():
            known = self._records.get(name)
            if known is None or isinstance(known.features, str):
                continue
            photo = self._tagged(self._dir / name)
            if isinstance(photo, Photo):
                if stood["prior"] is not None:
                    photo = replace(photo, prior=Pose(*stood["prior"]), placed=True)
                    self._guessed.add(name)
                camera = cameras.get(stood["camera"], photo.camera)
                self._cameras[photo.camera] = camera
                pose = Pose(*stood["pose"])
                self.stands[name] = Stand(photo, known.features, pose, camera, stood["tied"])
                self.gains[name] = np.array(stood["gain"])
        self._since = dict.fromkeys(told["since"], "") if self.stands else {}
        self.left_out |= {n: r for n, r in told["left_out"].items() if n in self._records}
        self._raise_ground()
        self._place_the_rest()

    def _place_the_rest(self) -> None:
        for name, record in self._records.items():
            if name not in self.stands and name not in self.left_out:
                self._place(Look(self._dir / name, record.key, None, record.features, record.picture))

    def known(self, path: Path) -> bool:
        """Whether the file, as it is now, has been looked into."""
        record = self._records.get(path.name)
        return record is not None and record.key == file_key(path)

    def look(self, path: Path) -> Look:
        """Look into a file that is whole; for a worker's thread."""
        key = file_key(path)
        photo = self._tagged(path)
        if isinstance(photo, str):
            return Look(path, key, None, photo)
        kept: list[UInt8] = []

        def decode_once(file: Path, factor: int) -> UInt8:
            kept.append(decode(file, factor))
            return kept[-1]

        try:
            features = extract_features(photo, self._rules, decode_once)
        except PhotoError as error:
            return Look(path, key, None, str(error))
        whole = kept[-1]
        by = max(1, round(picture_factor(photo.camera) * whole.shape[1] / photo.camera.image_width_px))
        _, data = cv2.imencode(".jpg", reduced(whole, by), [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])
        return Look(path, key, photo, features, data.tobytes())

    def _tagged(self, path: Path) -> Photo | str:
        """The photo by its tags, held against those of the ones before; or why it cannot be used."""
        before = [self._dir / name for name in list(self.stands)[-CONTEXT:] if name != path.name]
        anchors = []
        if self.frame is not None:
            anchors = [GeoPoint(self.frame.origin_lat_deg, self.frame.origin_lon_deg)]
        try:
            block, dropped = read_block(
                [*before, path], self.frame, anchors, self.geo, read_tags=self._read_tags
            )
        except MosaicError as error:
            return str(error)
        for photo in block.photos:
            if photo.path == path:
                if self._ground_up_m is None and block.ground_up_m is not None:
                    self._ground_up_m = block.ground_up_m
                if self.frame is None:
                    self.frame = block.frame
                return (
                    photo
                    if block.frame == self.frame
                    else replace(photo, prior=self._moved(photo, block.frame))
                )
        return next((d.reason for d in dropped if d.name == path.name), f"{path}: cannot be used")

    def _moved(self, photo: Photo, frame: LocalFrame) -> Pose:
        """The prior of a photo in our frame."""
        assert self.frame is not None
        east, north = self.frame.to_local(*frame.to_geo(photo.prior.east_m, photo.prior.north_m))
        return replace(photo.prior, east_m=float(east), north_m=float(north))

    def _read_tags(self, path: Path) -> PhotoTags:
        return self._tags(path, file_key(path))

    def add(self, look: Look, pool: Executor) -> str | None:
        """Take a photo in: match it with its neighbours, place it, keep it. Gives the reason when it stays
        out of the map."""
        self._forget(look.path.name)
        matches: dict[FileKey, PairMatches | None] = {}
        if look.photo is not None and not isinstance(look.features, str):
            photo = corrected(look.photo, list(self.stands.values()))
            around = neighbours_of(photo, list(self.stands.values()), self._level_m)
            matches = _matched(look, around, self._records, pool)
        self._take(PhotoRecord(look.path.name, look.key, look.features, look.picture, matches))
        self._store.keep_photo(self._records[look.path.name])
        self._place(look)
        self.keep()
        return self.left_out.get(look.path.name)

    def _forget(self, name: str) -> None:
        for kept in (self._records, self.stands, self.gains, self.left_out, self._since):
            kept.pop(name, None)
        self._pairs = {pair: m for pair, m in self._pairs.items() if name not in pair}

    def _take(self, record: PhotoRecord) -> None:
        self._records[record.name] = record
        if isinstance(record.features, str):
            self.left_out[record.name] = record.features
        for (path, _, _), match in record.matches.items():
            pair = sorted((record.name, Path(path).name))
            self._pairs[pair[0], pair[1]] = match

    def _place(self, look: Look) -> None:
        name = look.path.name
        if isinstance(look.features, str):
            return
        photo: Photo | str = look.photo if look.photo is not None else self._tagged(look.path)
        if isinstance(photo, str) or self.frame is None:
            self.left_out[name] = str(photo)
            return
        stands = list(self.stands.values())
        better = corrected(photo, stands)
        around = [
            s
            for s in stands
            if self._pairs.get((min(name, s.photo.name), max(name, s.photo.name))) is not None
        ]
        if not around:
            around = neighbours_of(better, stands, self._level_m)[:3]
        camera = self._cameras.setdefault(photo.camera, photo.camera)
        held = replace(better, camera=camera)
        placed = place(held, look.features, around, self._pairs, self.frame, self._ground_up_m)
        if isinstance(placed, str):
            self.left_out[name] = placed
            return
        fit, used = placed
        if not photo.placed:
            self._guessed.add(name)
            photo = replace(used, camera=photo.camera)
        self.stands[name] = Stand(photo, look.features, fit.poses[name], camera, fit.tied[name])
        self.gains.setdefault(name, np.ones(3))
        best = max(around, key=lambda s: self._shared(name, s.photo.name), default=None)
        self._since[name] = best.photo.name if best else ""
        if fit.tied[name]:
            some = np.linspace(0, len(fit.points) - 1, min(_POINTS_KEPT, len(fit.points))).astype(int)
            self._points = np.concatenate([self._points, fit.points[some]])
        self._raise_ground()

    def _shared(self, a: str, b: str) -> int:
        match = self._pairs.get((min(a, b), max(a, b)))
        return 0 if match is None else len(match.first_ids)

    @property
    def _level_m(self) -> float:
        if len(self._points):
            return float(np.median(self._points[:, 2]))
        if self._ground_up_m is not None:
            return self._ground_up_m
        ups = [s.pose.up_m for s in self.stands.values()]
        return (float(np.median(ups)) if ups else 0.0) - 80.0

    def _raise_ground(self) -> None:
        """The running surface under all photos."""
        if not self.stands:
            return
        stands = self.stands.values()
        places = np.array([s.pose.centre[:2] for s in stands])
        height = max(float(np.median([s.pose.up_m for s in stands])) - self._level_m, 5.0)
        width = height * max(s.camera.image_width_px / s.camera.focal_px for s in stands)
        self.surface = running_surface(
            self._points, places, width, self._level_m, self._read_dem if self._dem else None
        )

    def _read_dem(self, bounds: Bounds, step_m: float) -> Surface:
        """The DEM over a somewhat larger place, so that it is seldom read."""
        assert self._dem is not None
        assert self.frame is not None
        west, south, east, north = np.array(bounds) / _DEM_STEPS_M
        sides = math.floor(west), math.floor(south), math.ceil(east), math.ceil(north)
        step = 2.0 ** round(math.log2(max(1.0, step_m)))
        return _dem(self._dem, self.frame, tuple(_DEM_STEPS_M * side for side in sides), step)

    def map_gsd_m(self) -> float:
        """A pixel of the map: about that of the reduced photos."""
        stand = next(iter(self.stands.values()))
        height = max(stand.pose.up_m - self._level_m, 5.0)
        return float(f"{MAP_SCALE * height / stand.camera.focal_px * picture_factor(stand.camera):.2g}")

    def brush(self, name: str) -> Brush:
        """What paints a photo."""
        stand = self.stands[name]
        picture = cv2.imdecode(np.frombuffer(self._records[name].picture, np.uint8), cv2.IMREAD_COLOR)
        factor = picture_factor(stand.camera)
        return Brush(name, np.asarray(picture), factor, stand.camera, stand.pose, self.gains[name])

    @property
    def due(self) -> bool:
        """Whether the whole block is to be adjusted."""
        return len(self.stands) >= 3 and len(self._since) >= max(
            LEAST_NEW, math.ceil(GROWN * len(self.stands))
        )

    @property
    def unadjusted(self) -> bool:
        """Whether photos came since the block was last adjusted."""
        return len(self.stands) >= 3 and bool(self._since)

    def adjustment(self) -> Callable[[], Fit]:
        """The work of adjusting all that stands now, for another thread."""
        assert self.frame is not None
        stands, pairs, frame, level = (
            list(self.stands.values()),
            dict(self._pairs),
            self.frame,
            self._ground_up_m,
        )
        return lambda: adjust_all(stands, pairs, frame, level)

    def move(self, fit: Fit) -> None:
        """Move all photos to where an adjustment puts them; those that came meanwhile follow their best
        neighbour."""
        before = {name: stand.pose for name, stand in self.stands.items()}
        for name, pose in fit.poses.items():
            stand = self.stands.get(name)
            if stand is not None:
                self._cameras[stand.photo.camera] = fit.cameras[name]
                self.stands[name] = replace(stand, pose=pose, camera=fit.cameras[name], tied=fit.tied[name])
        late: dict[str, str] = {}
        for name, best in self._since.items():
            if name not in fit.poses and name in self.stands:
                late[name] = best
                if best in before and best in self.stands:
                    pose = follow(before[name], before[best], self.stands[best].pose)
                    self.stands[name] = replace(self.stands[name], pose=pose)
        self._since = late
        some = np.linspace(0, len(fit.points) - 1, min(_POINTS_KEPT * len(fit.poses), len(fit.points)))
        self._points = fit.points[some.astype(int)]
        self._raise_ground()
        self.keep()

    def keep(self) -> None:
        """Keep what the block knows."""
        if self.frame is None:
            return
        cameras = {str(i): c for i, c in enumerate(dict.fromkeys(self._cameras.values()))}
        number = {c: i for i, c in cameras.items()}
        self._store.keep_block(
            {
                "frame": [self.frame.origin_lat_deg, self.frame.origin_lon_deg],
                "ground_up_m": self._ground_up_m,
                "points": np.round(self._points, 2).tolist(),
                "cameras": {i: asdict(c) for i, c in cameras.items()},
                "stands": {
                    name: {
                        "pose": list(asdict(s.pose).values()),
                        "prior": list(asdict(s.photo.prior).values()) if name in self._guessed else None,
                        "tied": s.tied,
                        "camera": number.get(s.camera, ""),
                        "gain": self.gains[name].tolist(),
                    }
                    for name, s in self.stands.items()
                },
                "since": list(self._since),
                "left_out": self.left_out,
            }
        )

    def placed(self) -> tuple[PlacedPhoto, ...]:
        """All photos that stand, for the mission's record."""
        frame = self.frame
        if frame is None:
            return ()
        ties: Counter[str] = Counter()
        for (a, b), match in self._pairs.items():
            ties.update({name: len(match.first_ids) for name in (a, b)} if match is not None else {})
        out = []
        for name, stand in self.stands.items():
            outline = self.outline(name)
            lat, lon = frame.to_geo(outline[:, 0], outline[:, 1])
            footprint = Polygon(np.stack([lon, lat], axis=1))
            held_by = BY_TIE_POINTS if stand.tied else BY_PRIORS
            centre_lat, centre_lon = frame.to_geo(stand.pose.east_m, stand.pose.north_m)
            place = (float(centre_lat), float(centre_lon))
            sharpness = stand.features.sharpness
            out.append(PlacedPhoto(name, footprint, stand.pose, *place, held_by, ties[name], sharpness))
        return tuple(out)

    def outline(self, name: str) -> FloatArray:
        """(8, 2) local places around a photo's ground."""
        stand = self.stands[name]
        return outline_of(stand.camera, stand.pose, self.surface)

    def teach(self, found: Found) -> None:
        """Give the final run what is known."""
        for record in self._records.values():
            found.learn(record.key, record.features)
        keys = {name: record.key for name, record in self._records.items()}
        for (a, b), match in self._pairs.items():
            if a in keys and b in keys:
                found.learn_match(keys[a], keys[b], match)


def _matched(
    look: Look, around: list[Stand], records: Mapping[str, PhotoRecord], pool: Executor
) -> dict[FileKey, PairMatches | None]:
    assert not isinstance(look.features, str)
    mine, name = look.features.without_picture, look.path.name
    jobs = {}
    for stand in around:
        other = stand.photo.name
        pair = (
            (mine, stand.features.without_picture) if name < other else (stand.features.without_picture, mine)
        )
        jobs[records[other].key] = pool.submit(match_pair, 0, 1, *pair)
    return {key: job.result() for key, job in jobs.items()}


@lru_cache(maxsize=2)
def _dem(path: Path, frame: LocalFrame, bounds: Bounds, step_m: float) -> Surface:
    return read_dem(path, frame, bounds, step_m)


def _camera(values: dict[str, Any]) -> Camera:
    return Camera(**(values | {"distortion": tuple(values["distortion"])}))
