"""What runs over a growing folder of photos need not find again: features, matches and places, by file."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imagery.errors import PhotoError
from imagery.features import Decode, FeatureRules, Features, decode, extract_features
from imagery.matching import PairMatches, match_pair
from imagery.photos import Block, Photo, height_above_ground_m
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

    def features(
        self, photos: tuple[Photo, ...], pool: Executor, on_share: OnShare, decode: Decode = decode
    ) -> list[Features | str]:
        """For each photo its features, or the reason why it has none."""
        keys = [file_key(p.path) for p in photos]
        jobs: dict[FileKey, Future[Features | str]] = {
            key: pool.submit(_features_or_reason, photo, self.rules, decode)
            for key, photo in zip(keys, photos, strict=True)
            if key not in self._features
        }
        for n, (key, job) in enumerate(jobs.items()):
            self._features[key] = job.result()
            on_share((n + 1) / len(jobs))
        return [self._features[key] for key in keys]

    def matches(
        self, photos: tuple[Photo, ...], pairs: list[tuple[int, int]], pool: Executor, on_share: OnShare
    ) -> list[PairMatches]:
        """The matches of those pairs (indices into `photos`, all with features) that show one ground."""
        keys = [file_key(p.path) for p in photos]
        jobs: dict[tuple[FileKey, FileKey], Future[PairMatches | None]] = {}
        for i, j in pairs:
            if (keys[i], keys[j]) not in self._matches:
                a, b = self._of(keys[i]), self._of(keys[j])
                jobs[keys[i], keys[j]] = pool.submit(match_pair, i, j, a.without_picture, b.without_picture)
        for n, (key, job) in enumerate(jobs.items()):
            self._matches[key] = job.result()
            on_share((n + 1) / len(jobs))
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
            if photo.placed and (told := self._places.get(file_key(photo.path))) is not None:
                frame, stood = told
                east, north = block.frame.to_local(*frame.to_geo(stood.east_m, stood.north_m))
                stood = replace(stood, east_m=float(east), north_m=float(north))
                if _is_possible(photo, stood, height_above_ground_m(photo, block.ground_up_m)):
                    pose, learned = stood, True
            poses.append(pose)
        return poses if learned else None

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


def _features_or_reason(photo: Photo, rules: FeatureRules, decode: Decode) -> Features | str:
    try:
        return extract_features(photo, rules, decode)
    except PhotoError as error:
        return str(error)
