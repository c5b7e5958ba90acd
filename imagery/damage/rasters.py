"""The rasters that damage mapping writes, block by block, and reads again in windows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Resampling
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from imagery.damage.legend import Entry
from imagery.damage.scene import GeoGrid
from imagery.errors import RasterError
from imagery.raster_io import finish_cog, whole_file


@dataclass(frozen=True)
class RasterKind:
    """How a product raster is stored."""

    name: str
    dtype: str
    nodata: float
    legend: tuple[Entry, ...] = ()
    bands: tuple[str, ...] = ()

    @property
    def resampling(self) -> str:
        """Of the overviews: the commonest class, or the mean."""
        return "mode" if self.legend else "average"


@contextmanager
def raster_sink(
    folder: Path, kind: RasterKind, grid: GeoGrid, tags: Mapping[str, str]
) -> Iterator[DatasetWriter]:
    """A tiled GeoTIFF to fill window by window; becomes the COG `folder`/`kind.name`.tif when the block ends
    well, and disappears when not."""
    target = folder / f"{kind.name}.tif"
    side = {"tiled": True, "blockxsize": 256, "blockysize": 256} if min(grid.width, grid.height) >= 16 else {}
    part = folder / f".{kind.name}.blocks{os.getpid()}.tif"
    try:
        with rasterio.open(
            part,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=max(1, len(kind.bands)),
            dtype=kind.dtype,
            crs=grid.crs.to_wkt(),
            transform=grid.transform,
            nodata=kind.nodata,
            compress="lzw",
            bigtiff="if_safer",
            **side,
        ) as sink:
            _describe(sink, kind, tags)
            yield sink
        finish_cog(part, target, resampling=kind.resampling)
    except rasterio.errors.RasterioError as error:
        raise RasterError(
            f"{target}: cannot be written ({error}); check the folder and free space"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    if kind.legend:
        write_attribute_table(target, kind.legend)


def _describe(sink: DatasetWriter, kind: RasterKind, tags: Mapping[str, str]) -> None:
    if kind.legend:
        sink.write_colormap(1, {e.code: (*e.colour, 0 if e.code == 0 else 255) for e in kind.legend})
        sink.update_tags(1, **{f"CLASS_{e.code}": e.name_en for e in kind.legend})
    if kind.bands:
        sink.descriptions = kind.bands
    sink.update_tags(**dict(tags))


def write_attribute_table(raster: Path, legend: Sequence[Entry]) -> None:
    """Category names and a raster attribute table (value, class, Chinese name, colour) in `raster`.aux.xml,
    which GDAL, QGIS and ArcGIS read (GDAL PAM)."""
    by_code = {entry.code: entry for entry in legend}
    names = "".join(
        f"<Category>{escape(by_code[c].name_en) if c in by_code else ''}</Category>"
        for c in range(max(by_code) + 1)
    )
    # Types: 0 integer, 1 real, 2 string. Usages: 5 MinMax (the value), 2 name, 0 generic, 6-8 red green blue.
    columns = (
        ("Value", 0, 5),
        ("Class", 2, 2),
        ("Name_zh", 2, 0),
        ("Red", 0, 6),
        ("Green", 0, 7),
        ("Blue", 0, 8),
    )
    fields = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, kind, usage) in enumerate(columns)
    )
    rows = "".join(
        f'<Row index="{i}">'
        + "".join(f"<F>{escape(str(v))}</F>" for v in (e.code, e.name_en, e.name_zh, *e.colour))
        + "</Row>"
        for i, e in enumerate(legend)
    )
    table = f'<GDALRasterAttributeTable tableType="thematic">{fields}{rows}</GDALRasterAttributeTable>'
    band = f'<PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames>{table}</PAMRasterBand>'
    with whole_file(Path(f"{raster}.aux.xml")) as part:
        part.write_text(f"<PAMDataset>{band}</PAMDataset>\n", encoding="utf-8")


class Layers:
    """The product rasters of a folder, read in windows of the work grid."""

    def __init__(self, folder: Path, grid: GeoGrid) -> None:
        self._stack = ExitStack()
        self._grid = grid
        self._classes = self._open(folder / "classes.tif")
        self._change = self._open(folder / "change.tif")
        depth = self._open(folder / "depth.tif")
        self._depth: WarpedVRT | None = None
        if depth is not None:
            self._depth = self._stack.enter_context(
                WarpedVRT(
                    depth,
                    crs=grid.crs.to_wkt(),
                    transform=grid.transform,
                    width=grid.width,
                    height=grid.height,
                    resampling=Resampling.nearest,
                )
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self, path: Path) -> DatasetReader | None:
        return self._stack.enter_context(rasterio.open(path)) if path.exists() else None

    def classes(self, window: Window) -> npt.NDArray[np.uint8]:
        """Ground class codes; all 0 when there is no class raster."""
        if self._classes is None:
            return np.zeros((int(window.height), int(window.width)), np.uint8)
        return np.asarray(self._classes.read(1, window=window), np.uint8)

    def change(self, window: Window) -> npt.NDArray[np.uint8] | None:
        """Change codes, None when change was not mapped."""
        return None if self._change is None else np.asarray(self._change.read(1, window=window), np.uint8)

    def depth(self, window: Window) -> npt.NDArray[np.float32] | None:
        """Depth in metres, NaN where dry or unknown; None when depth was not mapped."""
        if self._depth is None:
            return None
        values: npt.NDArray[Any] = self._depth.read(1, window=window)
        return np.where(values == np.float32(self._depth.nodata), np.nan, values).astype(np.float32)
