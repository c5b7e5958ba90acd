"""Decoded photos kept while tiles need them: each is decoded about once, and memory has a limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from imagery.features import decode, decode_grey, reduced
from imagery.ortho import Window

UInt8 = npt.NDArray[np.uint8]
Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Piece:
    """A part of a photo: `picture` (rows, cols, 3) uint8 BGR, whose first pixel is the photo's at `corner`
    (x, y)."""

    picture: UInt8
    corner: tuple[int, int]


class Once(Generic[Key, Value]):
    """What is made when it is first asked for, and kept. Two threads that ask for one thing make it once."""

    def __init__(self, make: Callable[[Key], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[Key, Future[Value]] = {}

    def __call__(self, key: Key) -> Value:
        """Raises what making it raised."""
        with self._lock:
            future = self._made.get(key)
            mine = future is None
            if future is None:
                future = self._made[key] = Future()
        if mine:
            try:
                future.set_result(self._make(key))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()


class PieceShelf:
    """A cache of pieces of photos for several threads: least recently used goes first.

    Two threads that ask for one photo decode it once.
    """

    def __init__(self, load: Callable[[int], Piece], limit_bytes: int) -> None:
        self._load, self._limit = load, limit_bytes
        self._lock = threading.Lock()
        self._pieces: OrderedDict[int, Future[Piece]] = OrderedDict()

    def get(self, photo: int) -> Piece:
        """The piece of this photo."""
        with self._lock:
            future = self._pieces.get(photo)
            mine = future is None
            if future is None:
                future = self._pieces[photo] = Future()
            self._pieces.move_to_end(photo)
        if mine:
            try:
                future.set_result(self._load(photo))
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._pieces.pop(photo, None)
                raise
            self._shrink()
        return future.result()

    def _shrink(self) -> None:
        with self._lock:
            sizes = {
                k: f.result().picture.nbytes
                for k, f in self._pieces.items()
                if f.done() and not f.exception()
            }
            total = sum(sizes.values())
            for key in list(self._pieces):
                if total <= self._limit or len(self._pieces) <= 2:
                    break
                if key in sizes:
                    total -= sizes[key]
                    del self._pieces[key]


class Pictures:
    """Decodes photos; where the whole block fits into memory each only once, reduced by `factor`, and makes
    what is asked for smaller from that.

    What it gives hangs on `keep` (by a rounding), never on who asked first. In another process it
    holds nothing: a stage sees a photo there once.
    """

    def __init__(self, keep: bool, factor: int = 1, here: bool = True) -> None:
        self.keep, self.factor, self._here = keep, factor, here
        self._whole: Once[Path, UInt8] = Once(lambda path: decode(path, factor))

    def __reduce__(self) -> tuple[type[Pictures], tuple[bool, int, bool]]:
        return Pictures, (self.keep, self.factor, False)

    def colour(self, path: Path, factor: int) -> UInt8:
        """The photo (rows, cols, 3) BGR reduced by `factor`. Raises PhotoError."""
        if not self.keep or factor < self.factor:
            return decode(path, factor)
        whole = self._whole(path) if self._here else decode(path, self.factor)
        return reduced(whole, factor // self.factor)

    def grey(self, path: Path, factor: int) -> UInt8:
        """The same in grey, (rows, cols)."""
        if not self.keep or factor < self.factor:
            return decode_grey(path, factor)
        return np.asarray(cv2.cvtColor(self.colour(path, factor), cv2.COLOR_BGR2GRAY), np.uint8)


@dataclass(frozen=True)
class Greys:
    """Photos in grey, by their number: (photo, factor) -> (rows, cols)."""

    pictures: Pictures
    paths: tuple[Path, ...]

    def __call__(self, photo: int, factor: int) -> UInt8:
        return self.pictures.grey(self.paths[photo], factor)


class Pieces:
    """What a mosaic needs of its photos, by their number: `parts` of them, reduced by `factors`; all of them
    where the pictures are kept. Sent to another process, it begins there with an empty shelf."""

    def __init__(
        self,
        pictures: Pictures,
        paths: tuple[Path, ...],
        factors: tuple[int, ...],
        parts: Mapping[int, Window],
        limit_bytes: int,
    ) -> None:
        self._of = pictures, paths, factors, parts, limit_bytes
        self._shelf = PieceShelf(self._load, limit_bytes)

    def __reduce__(self) -> tuple[type[Pieces], tuple[object, ...]]:
        return Pieces, self._of

    def __call__(self, photo: int) -> Piece:
        """Its piece. Raises PhotoError."""
        return self._shelf.get(photo)

    def _load(self, photo: int) -> Piece:
        pictures, paths, factors, parts, _ = self._of
        picture = pictures.colour(paths[photo], factors[photo])
        if pictures.keep:
            return Piece(picture, (0, 0))
        part = parts[photo]
        return Piece(picture[part.slices].copy(), (part.col0, part.row0))
