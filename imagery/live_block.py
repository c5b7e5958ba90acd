"""The photos of a live mosaic as they stand: found, placed one by one, adjusted together, kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imagery.errors import MosaicError, PhotoError
from imagery.features import FeatureRules, Features, UInt8, decode, extract_features, reduced
from imagery.found import FileKey, Found, file_key
from imagery.geo_file import GeoTags
from imagery.live_map import LiveMap
from imagery.live_paint import Brush, outline_of, picture_factor
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
from imagery.live_shots import Shots, has_place, with_shot
from imagery.live_stands import kept_stands, placed_photos, read_stands
from imagery.live_store import LiveStore, PhotoRecord
from imagery.matching import PairMatches, match_pair
from imagery.photo_tags import PhotoTags, read_tags
from imagery.photos import Photo, read_block
from imagery.quality import PlacedPhoto
from imagery.surface import Bounds, Surface, flat_surface, read_dem
from plans.cameras import Camera
from plans.frames import FloatArray, GeoPoint, LocalFrame, Pose

CONTEXT = 30
"""Tags are held against those of so many photos before."""
LEARN_FROM = 60
"""What tags are off by is learned from so many photos before."""
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
        self._own_tags = lru_cache(maxsize=None)(lambda path, key: read_tags(path))
        self._records: dict[str, PhotoRecord] = {}
        self._pairs: dict[tuple[str, str], PairMatches | None] = {}
        self._cameras: dict[Camera, Camera] = {}
        self._points: FloatArray = np.zeros((0, 3))
        self._fresh = self._points
        self._ground_up_m: float | None = None
        self._level_m = 0.0
        self._since: dict[str, str] = {}
        self._guessed: set[str] = set()
        self.stands: dict[str, Stand] = {}
        self.gains: dict[str, FloatArray] = {}
        self.frame: LocalFrame | None = None
        self.surface: Surface = flat_surface((-1.0, -1.0, 1.0, 1.0), 0.0)
        self.geo: GeoTags | None = None
        self.shots = Shots()
        self.left_out: dict[str, str] = {}

    def restore(self) -> None:
        """Take up what an earlier run has kept; photos that were found but not placed are placed."""
        told, added = self._store.block()
        for record in self._store.photos(self._dir):
            self._take(record)
            self.arrive(self._dir / record.name)
        self.shots.settle()
        if told or added:
            self.frame = LocalFrame(*(told or added[0])["frame"])
        stands = {name: stand for one in [told, *added] for name, stand in read_stands(one).items()}
        photos = self._tagged([self._dir / name for name in stands if self._features_of(name)])
        for name, stood in stands.items():
            features, photo = self._features_of(name), photos.get(name)
            if features is None or not isinstance(photo, Photo):
                continue
            if stood.prior is not None and not photo.placed:
                photo = replace(photo, prior=stood.prior, placed=True)
                self._guessed.add(name)
            self._cameras[photo.camera] = stood.camera
            self.stands[name] = Stand(photo, features, stood.pose, stood.camera, stood.tied)
            self.gains[name] = stood.gain
        for one in [told, *added]:
            self._points = np.concatenate(
                [self._points, np.array(one.get("points", []), float).reshape(-1, 3)]
            )
            self._ground_up_m = one.get("ground_up_m", self._ground_up_m)
            self._since |= {n: best for n, best in one.get("since", {}).items() if n in self.stands}
            self.left_out |= {n: r for n, r in one.get("left_out", {}).items() if n in self._records}
        self.left_out = {n: r for n, r in self.left_out.items() if n not in self.stands}
        self._raise_ground()
        for name, record in list(self._records.items()):
            if name not in self.stands and name not in self.left_out:
                self._place(Look(self._dir / name, record.key, None, record.features))
                self.keep_one(name)

    def _features_of(self, name: str) -> Features | None:
        record = self._records.get(name)
        return record.features if record and not isinstance(record.features, str) else None

    def known(self, path: Path) -> bool:
        """Whether the file, as it is now, has been looked into."""
        record = self._records.get(path.name)
        return record is not None and record.key == file_key(path)

    def look(self, path: Path) -> Look:
        """Look into a file that is whole; for a worker's thread."""
        key = file_key(path)
        photo = self._tagged([path])[path.name]
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

    def _tagged(self, paths: Sequence[Path]) -> dict[str, Photo | str]:
        """The photos by their tags, held against those of the ones before; or why one cannot be used."""
        names = {path.name for path in paths}
        if not paths:
            return {}
        before = [self._dir / n for n in list(self.stands)[-CONTEXT:] if n not in names]
        anchors = []
        if self.frame is not None:
            anchors = [GeoPoint(self.frame.origin_lat_deg, self.frame.origin_lon_deg)]
        try:
            block, dropped = read_block(
                [*before, *paths], self.frame, anchors, self.geo, read_tags=self.tags_of
            )
        except MosaicError as error:
            return dict.fromkeys(names, str(error))
        found: dict[str, Photo | str] = {d.name: d.reason for d in dropped if d.name in names}
        mine = [photo for photo in block.photos if photo.name in names]
        if mine and self._ground_up_m is None:
            self._ground_up_m = block.ground_up_m
        if mine and self.frame is None:
            self.frame = block.frame
        for photo in mine:
            same = block.frame == self.frame
            found[photo.name] = photo if same else replace(photo, prior=self._moved(photo, block.frame))
        return {path.name: found.get(path.name, f"{path}: cannot be used") for path in paths}

    def _moved(self, photo: Photo, frame: LocalFrame) -> Pose:
        """The prior of a photo in our frame."""
        assert self.frame is not None
        east, north = self.frame.to_local(*frame.to_geo(photo.prior.east_m, photo.prior.north_m))
        return replace(photo.prior, east_m=float(east), north_m=float(north))

    def tags_of(self, path: Path) -> PhotoTags:
        """A photo's tags, with those of its camera event where it has none. Raises PhotoTagError."""
        own = self._own_tags(path, file_key(path))
        return with_shot(own, self.shots.shot(path.name), self.shots.spacing_m)

    def arrive(self, path: Path) -> None:
        """A file has come: find its camera event, if there are any."""
        try:
            self.shots.arrive(path.name, self._own_tags(path, file_key(path)))
        except PhotoError:
            return  # who looks into it says so

    def can_look(self, path: Path) -> bool:
        """Whether it is known about where a photo was taken; it may stand by what it shows, too, once others
        stand."""
        if self.frame is not None or self.shots.shot(path.name) is not None or self.geo is not None:
            return True
        try:
            return has_place(self._own_tags(path, file_key(path)))
        except PhotoError:
            return True  # looking into it tells what is the matter

    def settle_shots(self) -> list[str]:
        """Photos whose camera event is another than it seemed get its place as their prior; gives those that
        can be placed by it now and are not on the map."""
        changed = self.shots.settle()
        photos = self._tagged([self._dir / name for name in sorted(changed) if self._features_of(name)])
        again = []
        for name, photo in photos.items():
            if not isinstance(photo, Photo) or not photo.placed:
                continue
            if name in self.stands:
                self.stands[name] = replace(self.stands[name], photo=photo)
                self._guessed.discard(name)
                self._since[name] = ""
            elif name in self.left_out:
                again.append(name)
        return again

    def add_again(self, name: str) -> str | None:
        """Place a photo that could not be placed when it came; gives the reason where it still cannot."""
        self.left_out.pop(name, None)
        self._place(Look(self._dir / name, self._records[name].key, None, self._records[name].features))
        return self.left_out.get(name)

    def add(self, look: Look, pool: Executor) -> str | None:
        """Take a photo in: match it with its neighbours, place it. Gives the reason when it stays out of the
        map."""
        self._forget(look.path.name)
        matches: dict[FileKey, PairMatches | None] = {}
        if look.photo is not None and not isinstance(look.features, str):
            stands = list(self.stands.values())
            around = neighbours_of(corrected(look.photo, stands[-LEARN_FROM:]), stands, self._level_m)
            matches = _matched(look, around, self._records, pool)
        self._take(PhotoRecord(look.path.name, look.key, look.features, matches))
        self._store.keep_photo(self._records[look.path.name], look.picture)
        self._place(look)
        return self.left_out.get(look.path.name)

    def paint(self, name: str, live_map: LiveMap, pool: Executor) -> None:
        """Paint a photo that has been added."""
        self.gains[name] = live_map.paint(self.brush(name), self.brushes, self.surface, pool)

    def _forget(self, name: str) -> None:
        if name not in self._records:
            return
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
        name, self._fresh = look.path.name, self._points[:0]
        if isinstance(look.features, str):
            return
        photo: Photo | str = look.photo if look.photo is not None else self._tagged([look.path])[name]
        if isinstance(photo, str) or self.frame is None:
            self.left_out[name] = str(photo)
            return
        stands = list(self.stands.values())
        better = corrected(photo, stands[-LEARN_FROM:])
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
            self._fresh = fit.points[some]
            self._points = np.concatenate([self._points, self._fresh])
        self._raise_ground()

    def _shared(self, a: str, b: str) -> int:
        match = self._pairs.get((min(a, b), max(a, b)))
        return 0 if match is None else len(match.first_ids)

    def _level(self) -> float:
        """The ground's usual height."""
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
        self._level_m = self._level()
        centres = np.array([s.pose.centre for s in self.stands.values()])
        height = max(float(np.median(centres[:, 2])) - self._level_m, 5.0)
        width = height * max(c.image_width_px / c.focal_px for c in self._cameras.values())
        self.surface = running_surface(
            self._points, centres[:, :2], width, self._level_m, self._read_dem if self._dem else None
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
        stand, jpeg = self.stands[name], self._store.picture(name)
        return Brush(name, jpeg, picture_factor(stand.camera), stand.camera, stand.pose, self.gains[name])

    def brushes(self, names: Sequence[str]) -> list[Brush]:
        """What paints those photos that stand."""
        return [self.brush(name) for name in names if name in self.stands]

    def outlines(self) -> dict[str, FloatArray]:
        """(8, 2) local places around each photo's ground."""
        return {name: self.outline(name) for name in self.stands}

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
        if self.frame is not None:
            self._store.keep_block(
                {
                    **self._told(self.stands, self._points),
                    "since": self._since,
                    "left_out": self.left_out,
                }
            )

    def keep_one(self, name: str) -> None:
        """Keep what one more photo has brought; nothing of the others has changed."""
        if self.frame is None:
            return
        stands = {name: self.stands[name]} if name in self.stands else {}
        self._store.add_to_block(
            {
                **self._told(stands, self._fresh),
                "name": name,
                "since": {n: best for n, best in self._since.items() if n == name},
                "left_out": {n: why for n, why in self.left_out.items() if n == name},
            }
        )

    def _told(self, stands: Mapping[str, Stand], points: FloatArray) -> dict[str, Any]:
        assert self.frame is not None
        return {
            "frame": [self.frame.origin_lat_deg, self.frame.origin_lon_deg],
            "ground_up_m": self._ground_up_m,
            **kept_stands(stands, self._guessed, self.gains),
            "points": np.round(points, 2).tolist(),
        }

    def placed(self) -> tuple[PlacedPhoto, ...]:
        """All photos that stand, for the mission's record."""
        return (
            () if self.frame is None else placed_photos(self.frame, self.stands, self._pairs, self.outlines())
        )

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
        for name, stand in self.stands.items():
            if stand.tied and self.frame is not None:
                found.learn_place(keys[name], self.frame, stand.pose)

    def geo_of_shots(self) -> GeoTags | None:
        """The tags of photos that have a camera event, and what a file says of photos: that counts first."""
        self.shots.settle(now=True)
        told = {}
        for name in self.shots.of_photos:
            with suppress(PhotoError):
                told[name.casefold()] = self.tags_of(self._dir / name)
        said = self.geo.by_name if self.geo is not None else {}
        return GeoTags(self._dir, {**told, **said}) if told or said else None


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
