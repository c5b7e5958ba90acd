"""Which photos show a place: from the mosaic's companion NAME.source.tif, where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyproj
import rasterio
import rasterio.errors
import rasterio.windows
import shapely
from rasterio.features import geometry_mask
from rasterio.windows import Window
from shapely import Geometry

_MOST = 8
_CELLS = 250_000


class PhotoSource:
    """Names of the photos that paint places; `names` is None where the mosaic has no companion."""

    def __init__(self, mosaic: Path, crs: pyproj.CRS) -> None:
        self._stack = ExitStack()
        self._source: rasterio.io.DatasetReader | None = None
        path = mosaic.with_name(f"{mosaic.stem}.source.tif")
        if not path.exists():
            return
        try:
            self._source = self._stack.enter_context(rasterio.open(path))
        except rasterio.errors.RasterioError:  # a broken companion takes away a help, not the map
            return
        self._tags = self._source.tags()
        own = pyproj.CRS(self._source.crs.to_wkt()) if self._source.crs else crs
        self._move = (
            None if own.equals(crs) else pyproj.Transformer.from_crs(crs, own, always_xy=True).transform
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def known(self) -> bool:
        """Whether there is a companion."""
        return self._source is not None

    def names(self, place: Geometry) -> str | None:
        """Names of the photos that paint a place, most of it first, parted by blanks; of many the first eight
        and how many more. None where that is not known."""
        numbers = self._numbers(place)
        if numbers is None or len(numbers) == 0:
            return None
        told = [self._tags.get(f"PHOTO_{n}", f"#{n}") for n in numbers[:_MOST]]
        return " ".join([*told, *([f"+{len(numbers) - _MOST}"] if len(numbers) > _MOST else [])])

    def all_names(self, places: Sequence[Geometry]) -> list[str | None]:
        """`names` of each place."""
        return [self.names(place) for place in places]

    def _numbers(self, place: Geometry) -> list[int] | None:
        source = self._source
        if source is None:
            return None
        if self._move is not None:
            place = shapely.transform(place, self._move, interleaved=False)
        west, south, east, north = place.bounds
        inverse = ~source.transform
        left, top = (int(np.floor(v)) for v in inverse * (west, north))
        right, bottom = (int(np.floor(v)) + 1 for v in inverse * (east, south))
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, source.width), min(bottom, source.height)
        if right <= left or bottom <= top:
            return None
        window = Window(left, top, right - left, bottom - top)
        step = max(1.0, ((right - left) * (bottom - top) / _CELLS) ** 0.5)
        size = max(1, round((bottom - top) / step)), max(1, round((right - left) / step))
        try:
            numbers = source.read(1, window=window, out_shape=size)
        except rasterio.errors.RasterioError:
            return None
        corner = source.window_transform(window)
        scale = rasterio.Affine.scale((right - left) / size[1], (bottom - top) / size[0])
        inside = geometry_mask([place], size, corner * scale, all_touched=True, invert=True)
        found, counts = np.unique(numbers[inside], return_counts=True)
        return [int(n) for n in found[np.argsort(-counts, kind="stable")] if n > 0]
