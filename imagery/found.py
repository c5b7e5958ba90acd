"""What runs over a growing folder of photos need not find again: features and matches, by file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagery.errors import PhotoError
from imagery.features import Decode, FeatureRules, Features, decode, extract_features
from imagery.matching import PairMatches, match_pair
from imagery.photos import Photo

FileKey = tuple[str, int, int]
"""Path, size and time of change: a file that was replaced is another file."""

OnShare = Callable[[float], None]


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

    def _of(self, key: FileKey) -> Features:
        features = self._features[key]
        assert isinstance(features, Features)
        return features


def _features_or_reason(photo: Photo, rules: FeatureRules, decode: Decode) -> Features | str:
    try:
        return extract_features(photo, rules, decode)
    except PhotoError as error:
        return str(error)
