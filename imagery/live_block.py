"""The photos of a live mosaic as they stand: placed one by one, adjusted together, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imagery.features import FeatureRules, Features
from imagery.found import FileKey, Found, file_key
from imagery.live_correct import (
    LEARN_FROM,
    Correction,
    correction,
    scope_of,
    some_are_due,
    whole_is_due,
)
from imagery.live_ground import POINTS_KEPT, Ground
from imagery.live_look import Look, Looker
from imagery.live_map import LiveMap
from imagery.live_paint import Brush, outline_of, picture_factor
from imagery.live_place import Stand, corrected, follow, neighbours_of, place
from imagery.live_stands import kept_stands, placed_photos, read_stands
from imagery.live_store import LiveStore, PhotoRecord
from imagery.live_ties import Ties
from imagery.matching import PairMatches, match_pair
from imagery.photos import Photo
from imagery.quality import PlacedPhoto
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame

MAP_SCALE = 1.05


class LiveBlock:
    """The state of a live mosaic; `photos_dir` is where the photos come to, `store` where it is kept.

    `looker` looks into photos; `ground` is what they stand over; `gains` make photos as bright as others.
    """

    def __init__(self, photos_dir: Path, store: LiveStore, rules: FeatureRules, dem: Path | None) -> None:
        self._dir, self._store = photos_dir, store
        self._records: dict[str, PhotoRecord] = {}
        self._ties = Ties()
        self._cameras: dict[Camera, Camera] = {}
        self._since: dict[str, str] = {}
        self._guessed: set[str] = set()
        self._settled = 0
        self.looker = Looker(photos_dir, rules)
        self.ground = Ground(dem)
        self.stands: dict[str, Stand] = {}
        self.gains: dict[str, FloatArray] = {}
        self.left_out: dict[str, str] = {}

    @property
    def frame(self) -> LocalFrame | None:
        """Where places are counted from; None as long as no photo has one."""
        return self.looker.frame

    @property
    def surface(self) -> Surface:
        """The ground under the photos."""
        return self.ground.surface

    def restore(self) -> None:
        """Take up what an earlier run has kept; photos that were found but not placed are placed."""
        told, added = self._store.block()
        for record in self._store.photos(self._dir):
            self._take(record)
            self.looker.arrive(self._dir / record.name)
        self.looker.shots.settle()
        if told or added:
            self.looker.frame = LocalFrame(*(told or added[0])["frame"])
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
            self._restore_rest(one)
        self.left_out = {n: r for n, r in self.left_out.items() if n not in self.stands}
        self._renew_ground()
        for name, record in list(self._records.items()):
            if name not in self.stands and name not in self.left_out:
                self._place(Look(self._dir / name, record.key, None, record.features))
                self.keep_one(name)

    def _restore_rest(self, one: Mapping[str, Any]) -> None:
        for name, points in one.get("points", {}).items():
            if name in self.stands:
                self.ground.points[name] = np.array(points, float).reshape(-1, 3)
        self.looker.ground_up_m = one.get("ground_up_m", self.looker.ground_up_m)
        self._settled = one.get("settled", self._settled)
        if "since" in one:
            self._since = {}
        new = one.get("since", {}) | one.get("new", {})
        self._since |= {n: best for n, best in new.items() if n in self.stands}
        self.left_out |= {n: r for n, r in one.get("left_out", {}).items() if n in self._records}

    def _features_of(self, name: str) -> Features | None:
        record = self._records.get(name)
        return record.features if record and not isinstance(record.features, str) else None

    def _tagged(self, paths: Sequence[Path]) -> dict[str, Photo | str]:
        return self.looker.tagged(paths, list(self.stands))

    def known(self, path: Path) -> bool:
        """Whether the file, as it is now, has been looked into."""
        record = self._records.get(path.name)
        return record is not None and record.key == file_key(path)

    def look(self, path: Path) -> Look:
        """Look into a file that is whole; for a worker's thread."""
        return self.looker.look(path, list(self.stands))

    def settle_shots(self) -> list[str]:
        """Photos whose camera event is another than it seemed get its place as their prior; gives those that
        can be placed by it now and are not on the map."""
        changed = self.looker.shots.settle()
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
            around = neighbours_of(corrected(look.photo, stands[-LEARN_FROM:]), stands, self.ground.level_m)
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
        for kept in (self._records, self.stands, self.gains, self.left_out, self._since, self.ground.points):
            kept.pop(name, None)
        self._ties.forget(name)

    def _take(self, record: PhotoRecord) -> None:
        self._records[record.name] = record
        if isinstance(record.features, str):
            self.left_out[record.name] = record.features
        for (path, _, _), match in record.matches.items():
            self._ties.add(record.name, Path(path).name, match)

    def _place(self, look: Look) -> None:
        name = look.path.name
        if isinstance(look.features, str):
            return
        photo: Photo | str = look.photo if look.photo is not None else self._tagged([look.path])[name]
        if isinstance(photo, str) or self.frame is None:
            self.left_out[name] = str(photo)
            return
        stands = list(self.stands.values())
        better = corrected(photo, stands[-LEARN_FROM:])
        around = [self.stands[mate] for mate in self._ties.mates(name) if mate in self.stands]
        if around:
            matches = self._ties.among([name], [s.photo.name for s in around])
        else:  # they say what the ground looks like
            around = neighbours_of(better, stands, self.ground.level_m)[:3]
            matches = self._ties.among([name, *(s.photo.name for s in around)])
        camera = self._cameras.setdefault(photo.camera, photo.camera)
        held = replace(better, camera=camera)
        placed = place(held, look.features, around, matches, self.frame, self.looker.ground_up_m)
        if isinstance(placed, str):
            self.left_out[name] = placed
            return
        fit, used = placed
        if not photo.placed:
            self._guessed.add(name)
            photo = replace(used, camera=photo.camera)
        self.stands[name] = Stand(photo, look.features, fit.poses[name], camera, fit.tied[name])
        self.gains.setdefault(name, np.ones(3))
        best = max(around, key=lambda s: self._ties.shared(name, s.photo.name), default=None)
        self._since[name] = best.photo.name if best else ""
        self.ground.points[name] = _some(fit.points[name])
        self._renew_ground()

    def _renew_ground(self) -> None:
        self.ground.told_up_m = self.looker.ground_up_m
        if self.frame is not None:
            self.ground.renew(self.stands, self.frame)

    def map_gsd_m(self) -> float:
        """A pixel of the map: about that of the reduced photos."""
        stand = next(iter(self.stands.values()))
        height = max(stand.pose.up_m - self.ground.level_m, 5.0)
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

    def correction(self, *, paused: bool, landed: bool) -> Callable[[], Correction] | None:
        """The work of adjusting what is due, for another thread; None when nothing is.

        While the flight has `paused` whatever is new is adjusted, once it seems to have `landed` the whole.
        """
        count, new = len(self.stands), len(self._since)
        if count < 3 or self.frame is None:
            return None
        whole = (new > 0 and whole_is_due(count, self._settled)) or (landed and count > self._settled)
        if not whole and not some_are_due(count, new) and not (paused and new):
            return None
        scope = scope_of(self.stands, self._ties, self._since, whole=whole)
        settled = list(self.stands.values())[: self._settled]
        return correction(scope, self.stands, settled, self._ties, self.frame, self.looker.ground_up_m)

    def move(self, made: Correction) -> dict[str, FloatArray]:
        """Move photos to where an adjustment puts them; those that came meanwhile follow their best
        neighbour. Gives the outlines of all that have moved."""
        fit, moved = made.fit, set(made.fit.poses) & set(self.stands)
        before = {name: self.stands[name].pose for name in moved}
        for name in moved:
            stand = self.stands[name]
            if made.scope.whole:
                self._cameras[stand.photo.camera] = fit.cameras[name]
            self.stands[name] = replace(
                stand, pose=fit.poses[name], camera=fit.cameras[name], tied=fit.tied[name]
            )
            self.ground.points[name] = _some(fit.points[name])
        self._since = {n: best for n, best in self._since.items() if n not in moved and n in self.stands}
        for name, best in self._since.items():
            if best in before:
                before[name] = self.stands[name].pose
                pose = follow(before[name], before[best], self.stands[best].pose)
                self.stands[name] = replace(self.stands[name], pose=pose)
                moved.add(name)
        self._renew_ground()
        if made.scope.whole:
            self._settled = len(made.scope.free)
            self._keep_all()
        else:
            self._keep_some({n: self.stands[n] for n in moved})
        return self.outlines() if made.scope.whole else {n: self.outline(n) for n in moved}

    def _keep_all(self) -> None:
        self._store.keep_block({**self._told(self.stands), "since": self._since, "left_out": self.left_out})

    def _keep_some(self, stands: Mapping[str, Stand]) -> None:
        """Keep what has moved; the rest of the block stands where it stood."""
        self._store.add_to_block({**self._told(stands), "since": self._since})

    def keep_one(self, name: str) -> None:
        """Keep what one more photo has brought; nothing of the others has changed."""
        if self.frame is None:
            return
        stands = {name: self.stands[name]} if name in self.stands else {}
        self._store.add_to_block(
            {
                **self._told(stands),
                "name": name,
                "new": {n: best for n, best in self._since.items() if n == name},
                "left_out": {n: why for n, why in self.left_out.items() if n == name},
            }
        )

    def _told(self, stands: Mapping[str, Stand]) -> dict[str, Any]:
        assert self.frame is not None
        points = {n: self.ground.points[n] for n in stands if n in self.ground.points}
        return {
            "frame": [self.frame.origin_lat_deg, self.frame.origin_lon_deg],
            "ground_up_m": self.looker.ground_up_m,
            "settled": self._settled,
            **kept_stands(stands, self._guessed, self.gains),
            "points": {n: np.round(p, 2).tolist() for n, p in points.items()},
        }

    def placed(self) -> tuple[PlacedPhoto, ...]:
        """All photos that stand, for the mission's record."""
        if self.frame is None:
            return ()
        return placed_photos(self.frame, self.stands, self._ties, self.outlines())

    def outline(self, name: str) -> FloatArray:
        """(8, 2) local places around a photo's ground."""
        stand = self.stands[name]
        return outline_of(stand.camera, stand.pose, self.surface)

    def teach(self, found: Found) -> None:
        """Give the final run what is known."""
        for record in self._records.values():
            found.learn(record.key, record.features)
        keys = {name: record.key for name, record in self._records.items()}
        for (a, b), match in self._ties:
            if a in keys and b in keys:
                found.learn_match(keys[a], keys[b], match)
        for name, stand in self.stands.items():
            if stand.tied and self.frame is not None:
                found.learn_place(keys[name], self.frame, stand.pose)


def _some(points: FloatArray) -> FloatArray:
    """A share of the points (k, 3) that shows their ground."""
    return points[np.linspace(0, len(points) - 1, min(POINTS_KEPT, len(points))).astype(int)]


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
