"""Looking into a photo of a live mosaic: its tags held against the others', its camera event, its features
and a small picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2

from imagery.errors import MosaicError, PhotoError
from imagery.features import FeatureRules, Features, UInt8, decode, extract_features, reduced
from imagery.found import FileKey, file_key
from imagery.geo_file import GeoTags
from imagery.live_paint import picture_factor
from imagery.live_shots import Shots, has_place, with_shot
from imagery.photo_tags import PhotoTags, read_tags
from imagery.photos import Photo, read_block
from plans.frames import GeoPoint, LocalFrame, Pose

CONTEXT = 30
"""Tags are held against those of so many photos before."""
PICTURE_QUALITY = 90


@dataclass(frozen=True)
class Look:
    """A photo looked into: its tags' place, features and small picture, or why it gives nothing."""

    path: Path
    key: FileKey
    photo: Photo | None
    features: Features | str
    picture: bytes = b""


class Looker:
    """What tags say, with the flight's events (`shots`) and a file of positions (`geo`). `frame` is that of
    the first photo that has a place, `ground_up_m` the ground's height by its tags."""

    def __init__(self, photos_dir: Path, rules: FeatureRules) -> None:
        self._dir, self._rules = photos_dir, rules
        self._own_tags = lru_cache(maxsize=None)(lambda path, key: read_tags(path))
        self.frame: LocalFrame | None = None
        self.ground_up_m: float | None = None
        self.geo: GeoTags | None = None
        self.shots = Shots()

    def look(self, path: Path, before: Sequence[str]) -> Look:
        """Look into a file that is whole; for a worker's thread. `before` are the photos that stand."""
        key = file_key(path)
        photo = self.tagged([path], before)[path.name]
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

    def tagged(self, paths: Sequence[Path], before: Sequence[str]) -> dict[str, Photo | str]:
        """The photos by their tags, held against those of the ones `before`; or why one cannot be used."""
        names = {path.name for path in paths}
        if not paths:
            return {}
        others = [self._dir / n for n in before[-CONTEXT:] if n not in names]
        anchors = []
        if self.frame is not None:
            anchors = [GeoPoint(self.frame.origin_lat_deg, self.frame.origin_lon_deg)]
        try:
            block, dropped = read_block(
                [*others, *paths], self.frame, anchors, self.geo, read_tags=self.tags_of
            )
        except MosaicError as error:
            return dict.fromkeys(names, str(error))
        found: dict[str, Photo | str] = {d.name: d.reason for d in dropped if d.name in names}
        mine = [photo for photo in block.photos if photo.name in names]
        if mine and self.ground_up_m is None:
            self.ground_up_m = block.ground_up_m
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

    def geo_of_shots(self) -> GeoTags | None:
        """The tags of photos that have a camera event, and what a file says of photos: that counts first."""
        self.shots.settle(now=True)
        told = {}
        for name in self.shots.of_photos:
            with suppress(PhotoError):
                told[name.casefold()] = self.tags_of(self._dir / name)
        said = self.geo.by_name if self.geo is not None else {}
        return GeoTags(self._dir, {**told, **said}) if told or said else None
