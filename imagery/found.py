"""What runs over a growing folder of photos need not find again: features, matches and places, by file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imagery.errors import PhotoError
from imagery.features import FeatureRules, Features, extract_features
from imagery.matching import PairMatches, match_pair
from imagery.photos import Block, Photo, height_above_ground_m
from imagery.shelf import Pictures
from imagery.workers import Workers
from plans.frames import LocalFrame, Pose

FileKey = tuple[str, int, int]
"""Path, size and time of change: a file that was replaced is another file."""

OnShare = Callable[[float], None]

_SIGMAS, _WHOLE_M, _HEIGHT_SHARE = 5.0, 1.0, 0.05
"""So far a place may be from the tags: their stated errors, and what a whole block may be off by."""


def file_key(path: Path) -> FileKey:
    """The key of a file as it stands now."""
    try:
        state = path.stat()
    except OSError:  # gone meanwhile: whoever decodes it says so
        return str(path), -1, -1
    return str(path), state.st_size, state.st_mtime_ns


@dataclass
class Found:
    """Features of photos (or why there are none) and matches of pairs, found with `rules`."""

    rules: FeatureRules
    _features: dict[FileKey, Features | str] = field(default_factory=dict, repr=False)
    _matches: dict[tuple[FileKey, FileKey], PairMatches | None] = field(default_factory=dict, repr=False)
    _places: dict[FileKey, tuple[LocalFrame, Pose]] = field(default_factory=dict, repr=False)
    _keys: dict[Path, FileKey] = field(default_factory=dict, repr=False)
    """Of the files as they were when features were asked for: some may have gone meanwhile."""

    def features(
        self, photos: tuple[Photo, ...], workers: Workers, on_share: OnShare, pictures: Pictures
    ) -> list[Features | str]:
        """For each photo its features, or the reason why it has none."""
        keys = [file_key(p.path) for p in photos]
        self._keys = {p.path: key for p, key in zip(photos, keys, strict=True)}
        new = {key: photo for key, photo in zip(keys, photos, strict=True) if key not in self._features}
        found = workers.map(_features_or_reason, (self.rules, pictures), list(new.values()))
        for n, (key, features) in enumerate(zip(new, found, strict=True)):
            self._features[key] = features
            on_share((n + 1) / len(new))
        return [self._features[key] for key in keys]

    def matches(
        self, photos: tuple[Photo, ...], pairs: list[tuple[int, int]], workers: Workers, on_share: OnShare
    ) -> list[PairMatches]:
        """The matches of those pairs (indices into `photos`, all with features) that show one ground."""
        keys = [self._key(p.path) for p in photos]
        new = [(i, j) for i, j in pairs if (keys[i], keys[j]) not in self._matches]
        needed = {i: self._of(keys[i]).without_picture for pair in new for i in pair}
        for n, ((i, j), match) in enumerate(zip(new, workers.map(_match, needed, new), strict=True)):
            self._matches[keys[i], keys[j]] = match
            on_share((n + 1) / len(new))
        found = [(i, j, self._matches[keys[i], keys[j]]) for i, j in pairs]
        return [replace(m, first=i, second=j) for i, j, m in found if m is not None]

    def learn(self, key: FileKey, features: Features | str) -> None:
        """Take in what was found elsewhere with the same rules."""
        self._features[key] = features

    def learn_match(self, first: FileKey, second: FileKey, match: PairMatches | None) -> None:
        """The same of a pair; the first is the one that comes first in the folder."""
        self._matches[first, second] = match

    def learn_place(self, key: FileKey, frame: LocalFrame, pose: Pose) -> None:
        """About where a photo stands, by tie points."""
        self._places[key] = frame, pose

    def guess(self, block: Block) -> list[Pose] | None:
        """Where to begin to adjust a block: what was learned of its photos, else their tags.
        None when nothing was learned.

        A place that the tags rule out is not taken, so one that is wrong is no worse to begin from than they.
        """
        poses, learned = [], False
        for photo in block.photos:
            pose = photo.prior
            if photo.placed and (told := self._places.get(self._key(photo.path))) is not None:
                frame, stood = told
                east, north = block.frame.to_local(*frame.to_geo(stood.east_m, stood.north_m))
                stood = replace(stood, east_m=float(east), north_m=float(north))
                if _is_possible(photo, stood, height_above_ground_m(photo, block.ground_up_m)):
                    pose, learned = stood, True
            poses.append(pose)
        return poses if learned else None

    def _key(self, path: Path) -> FileKey:
        return self._keys.get(path) or file_key(path)

    def _of(self, key: FileKey) -> Features:
        features = self._features[key]
        assert isinstance(features, Features)
        return features


def _is_possible(photo: Photo, pose: Pose, height_m: float) -> bool:
    """Whether a pose is one that the photo's tags allow. Heights of a whole block may be off by a part of it:
    focal length and height trade."""
    off = pose.centre - photo.prior.centre
    turn = photo.prior.camera_from_enu @ pose.camera_from_enu.T
    turned_deg = math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(turn)) - 1) / 2))))
    tilt = float(photo.prior.camera_from_enu[2] @ pose.camera_from_enu[2])
    tilted_deg = math.degrees(math.acos(min(1.0, max(-1.0, tilt))))
    return (
        math.hypot(off[0], off[1]) <= _SIGMAS * photo.sigma_h_m + _WHOLE_M
        and abs(off[2]) <= _SIGMAS * photo.sigma_v_m + _HEIGHT_SHARE * height_m
        and tilted_deg <= _SIGMAS * photo.sigma_tilt_deg
        and turned_deg <= _SIGMAS * math.hypot(photo.sigma_yaw_deg, photo.sigma_tilt_deg)
    )


def _features_or_reason(how: tuple[FeatureRules, Pictures], photo: Photo) -> Features | str:
    rules, pictures = how
    try:
        return extract_features(photo, rules, pictures.colour)
    except PhotoError as error:
        return str(error)


def _match(features: Mapping[int, Features], pair: tuple[int, int]) -> PairMatches | None:
    i, j = pair
    return match_pair(i, j, features[i], features[j])
