"""Decoded photos kept while tiles need them: each is decoded about once, and memory has a limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]


class PhotoShelf:
    """A cache of decoded photos for several threads: least recently used goes first.

    Two threads that ask for one photo decode it once.
    """

    def __init__(self, load: Callable[[int, int], UInt8], limit_bytes: int) -> None:
        self._load, self._limit = load, limit_bytes
        self._lock = threading.Lock()
        self._images: OrderedDict[tuple[int, int], Future[UInt8]] = OrderedDict()

    def get(self, photo: int, factor: int) -> UInt8:
        """The photo (rows, cols, 3) reduced by `factor`."""
        key = (photo, factor)
        with self._lock:
            future = self._images.get(key)
            mine = future is None
            if future is None:
                future = self._images[key] = Future()
            self._images.move_to_end(key)
        if mine:
            try:
                future.set_result(self._load(photo, factor))
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._images.pop(key, None)
                raise
            self._shrink()
        return future.result()

    def _shrink(self) -> None:
        with self._lock:
            sizes = {k: f.result().nbytes for k, f in self._images.items() if f.done() and not f.exception()}
            total = sum(sizes.values())
            for key in list(self._images):
                if total <= self._limit or len(self._images) <= 2:
                    break
                if key in sizes:
                    total -= sizes[key]
                    del self._images[key]
