"""A damage folder as the exports see it: its report, rasters and vector layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyogrio.errors
import pyogrio.raw
import pyproj
import rasterio
import shapely
from affine import Affine
from shapely import Geometry

from imagery.damage.legend import Legend, legend_of
from imagery.damage.scene import GeoGrid
from imagery.errors import DeliveryError

RASTERS = (
    "classes", "confidence", "change", "since", "depth", "depth_peak", "duration", "not_analysed",
)  # fmt: skip


@dataclass(frozen=True)
class Features:
    """A vector layer: geometries in `crs` and its columns."""

    geometries: tuple[Geometry, ...]
    columns: dict[str, npt.NDArray[Any]]
    crs: pyproj.CRS

    def __len__(self) -> int:
        return len(self.geometries)


@dataclass(frozen=True)
class DamageFolder:
    """What `map_damage` left in a folder."""

    path: Path
    report: dict[str, Any] = field(repr=False)

    @property
    def crs(self) -> pyproj.CRS:
        """Of all rasters and vectors in it."""
        return pyproj.CRS(self.report["crs"])

    @property
    def legend(self) -> Legend:
        """The ground classes of its rasters, the analysts' own among them."""
        return legend_of(self.report.get("legend", ()))

    @property
    def mosaic(self) -> Path | None:
        """The mosaic it was made from, where that still stands."""
        path = Path(self.report["mosaic"])
        return path if path.exists() else None

    @property
    def package(self) -> Path | None:
        """damage.gpkg, where there is one."""
        path = self.path / "damage.gpkg"
        return path if path.exists() else None

    def raster(self, name: str) -> Path | None:
        """The raster of that name, where the inputs allowed it."""
        path = self.path / f"{name}.tif"
        return path if path.exists() else None

    @property
    def rasters(self) -> tuple[Path, ...]:
        """All product rasters that exist."""
        return tuple(path for name in RASTERS if (path := self.raster(name)) is not None)

    @property
    def grid(self) -> GeoGrid:
        """The work grid."""
        with rasterio.open(self.path / "not_analysed.tif") as source:
            return GeoGrid(self.crs, Affine(*source.transform[:6]), source.width, source.height)

    def layers(self) -> tuple[str, ...]:
        """Names of the vector layers."""
        if self.package is None:
            return ()
        return tuple(str(n) for n, kind in pyogrio.list_layers(self.package) if kind is not None)

    def features(self, layer: str) -> Features | None:
        """A vector layer, None where there is none."""
        if layer not in self.layers():
            return None
        meta, _, wkb, values = pyogrio.raw.read(self.package, layer=layer)
        columns = dict(zip((str(n) for n in meta["fields"]), values, strict=True))
        return Features(tuple(shapely.from_wkb(wkb)), columns, pyproj.CRS(meta["crs"]))


def read_folder(path: Path) -> DamageFolder:
    """Open a damage folder.

    Raises DeliveryError when it is none, or an incomplete one.
    """
    path = Path(path)
    report = path / "report.json"
    if not report.is_file():
        raise DeliveryError(f"{path}: holds no report.json; give a folder that `missionctl damage` wrote")
    try:
        figures = json.loads(report.read_text(encoding="utf-8"))
        folder = DamageFolder(path, figures)
        missing = {"classes", "townships", "mosaic", "crs", "produced_utc", "notes"} - set(figures)
        if missing:
            raise DeliveryError(f"{report}: lacks {', '.join(sorted(missing))}; map the damage again")
        _ = folder.grid, folder.layers(), folder.legend
    except (ValueError, TypeError, KeyError, OSError, rasterio.errors.RasterioError) as error:
        raise DeliveryError(f"{path}: cannot be read ({error}); map the damage again") from error
    except pyogrio.errors.DataSourceError as error:
        raise DeliveryError(f"{path}: damage.gpkg cannot be read ({error}); map the damage again") from error
    return folder


def names_of(folder: DamageFolder) -> list[str]:
    """Names that people gave: of the event, the analyst, townships and villages."""
    report = folder.report
    units = [*report["townships"], *(report.get("places") or [])]
    names = [str(unit[key]) for unit in units for key in ("name", "name_zh", "name_en") if key in unit]
    return [report["event"], report["analyst"], *names]


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A hidden folder for what is half done, on the disk where the rest goes; gone when the block ends."""
    with TemporaryDirectory(prefix=".export", dir=beside, ignore_cleanup_errors=True) as name:
        yield Path(name)


def as_array(columns: npt.NDArray[Any]) -> list[Any]:
    """Column values as plain Python values, None for null."""
    return [
        None
        if v is None or (isinstance(v, float | np.floating) and np.isnan(v))
        else getattr(v, "item", lambda v=v: v)()
        for v in columns
    ]
