"""A vector package as Copernicus EMS Rapid Mapping names and fills its grading products.

Layers, attributes and their values follow a real one (EMSR517, 2021). What EMS asks for and nobody here knows
(kind of building, class of road) is "997-Not Applicable", never a guess.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio.errors
import pyproj
import shapely
from shapely import Geometry

from imagery.damage.analysable import SEEN
from imagery.damage.coarse import class_shares, outlines
from imagery.damage.legend import (
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NONE,
    GRADE_NOT_ANALYSED,
    GRADE_POSSIBLE,
    MUD,
    ROAD_BLOCKED,
    ROAD_BRIDGE_OUT,
    ROAD_FLOODED,
    ROAD_NOT_ANALYSED,
    ROAD_PASSABLE,
)
from imagery.damage.vector_out import OutLayer, write_layer, write_vectors
from imagery.deliver.folder import DamageFolder, Features, scratch_folder
from imagery.deliver.picture import codes, fitted
from imagery.deliver.vectors import in_wgs84
from imagery.deliver.words import NOTICE
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

DEFAULT_PRODUCT: Final = "EMSR000_AOI01_r1_v1"
"""Activation 000: none of Copernicus's own."""

_NONE: Final = "997-Not Applicable"
_UNKNOWN: Final = "Unknown"
_READ: Final = "Photo-interpretation"
_APPLIES_NOT: Final = "Not Applicable"
_MOSAIC, _FOOTPRINTS, _ROADS = 1, 2, 3
"""Rows of the source table."""
_TRACE_GRID_M: Final = 0.5
_SMALLEST_M2: Final = 4.0
_FOOTPRINT_CELLS: Final = 1_000_000

ROAD_DAMAGE: Final = {
    ROAD_PASSABLE: GRADE_NONE,
    ROAD_FLOODED: GRADE_POSSIBLE,
    ROAD_BLOCKED: GRADE_DAMAGED,
    ROAD_BRIDGE_OUT: GRADE_DESTROYED,
    ROAD_NOT_ANALYSED: GRADE_NOT_ANALYSED,
}
"""EMS grades damage of a road, not whether it can be driven: water over it may have left it whole."""


@dataclass(frozen=True)
class Product:
    """The name of a product: EMSRnnn_AOInn, release and version."""

    activation: str
    area: str
    release: int
    version: int

    def layer(self, name: str) -> str:
        """The full name of a layer of it."""
        return f"{self.activation}_{self.area}_GRA_PRODUCT_{name}_r{self.release}_v{self.version}"

    @property
    def package(self) -> str:
        """The name of the package of all layers."""
        return f"{self.activation}_{self.area}_GRA_PRODUCT_r{self.release}_VECTORS_v{self.version}"


def read_product(text: str) -> Product:
    """EMSRnnn_AOInn, on request with _rN and _vN after it.

    Raises DeliveryError when it is none.
    """
    found = re.fullmatch(r"(EMSR\d{3,})_(AOI\d{2,})(?:_r(\d+))?(?:_v(\d+))?", text.strip())
    if found is None:
        raise DeliveryError(
            f"'{text}' names no EMS product; give one like {DEFAULT_PRODUCT} or EMSR517_AOI15"
        )
    return Product(found[1], found[2], int(found[3] or 1), int(found[4] or 1))


def export_ems(folder: DamageFolder, out_dir: Path, product: Product) -> list[Path]:
    """One zip: each layer as GeoJSON and Shapefile, and the table of sources that its numbers point to."""
    target = out_dir / f"{product.package}.zip"
    layers = ems_layers(folder, product)
    with scratch_folder(out_dir) as scratch:
        for layer in layers:
            name = product.layer(layer.name)
            named = OutLayer(name, layer.kind, layer.geometries, layer.columns)
            options = {"RFC7946": "YES", "COORDINATE_PRECISION": "7"}
            geo, wgs84 = scratch / f"{name}.json", pyproj.CRS(4326)
            write_vectors(geo, [named], wgs84, driver="GeoJSON", layer_options=options)
            try:
                write_layer(scratch / f"{name}.shp", named, wgs84, "ESRI Shapefile", encoding="UTF-8")
            except pyogrio.errors.DataSourceError as error:
                raise DeliveryError(f"{name}.shp: cannot be written ({error}); free some space") from error
        _write_sources(scratch / f"{product.layer('source')}.csv", folder)
        with whole_file(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for piece in sorted(scratch.iterdir()):
                archive.write(piece, piece.name)
    return [target]


def ems_layers(folder: DamageFolder, product: Product) -> list[OutLayer]:
    """Those layers that there is something for, in WGS84, names without the product's."""
    made = [_area_of_interest(folder, product), _image_footprint(folder), _observed_event(folder)]
    made += [_built_up(folder), _transportation(folder)]
    return [layer for layer in made if layer is not None]


def _layer(
    folder: DamageFolder, name: str, kind: str, shapes: Sequence[Geometry], /, **columns: Any
) -> OutLayer:
    """A layer in WGS84 from shapes in the folder's CRS; a column that is one value stands on every shape."""
    moved = in_wgs84(Features(tuple(shapes), {}, folder.crs)).geometries
    filled = {
        key: value if isinstance(value, list) else [value] * len(moved) for key, value in columns.items()
    }
    return OutLayer(name, kind, moved, filled)


def _area_of_interest(folder: DamageFolder, product: Product) -> OutLayer:
    return _layer(
        folder, "areaOfInterestA", "Polygon", [folder.grid.outline],
        emsr_id=product.activation, glide_no=_APPLIES_NOT,
        area_id=product.area.removeprefix("AOI"), locality=folder.report["event"] or _UNKNOWN,
        map_type="Grading",
    )  # fmt: skip


def _image_footprint(folder: DamageFolder) -> OutLayer:
    """What was photographed, and within it what could not be judged."""
    grid = fitted(folder.grid, _FOOTPRINT_CELLS)
    seen = codes(folder.raster("not_analysed"), grid) == SEEN
    analysed = outlines(seen, grid, 25 * grid.cell_m2)
    gaps = outlines(~seen, grid, 25 * grid.cell_m2)
    kinds = ["Image Footprint"] * len(analysed) + ["Not Analysed"] * len(gaps)
    shapes = [*analysed, *gaps]
    return _layer(folder, "imageFootprintA", "Polygon", shapes, obj_type=kinds, or_src_id=_MOSAIC)


def _observed_event(folder: DamageFolder) -> OutLayer | None:
    """Water that was seen, and what it left mud on."""
    water = folder.features("water")
    if water is None:
        return None
    flooded = [part for shape in water.geometries for part in shapely.get_parts(shape)]
    traces = _traces(folder)
    shapes = [*flooded, *traces]
    return _layer(
        folder, "observedEventA", "Polygon", shapes,
        event_type="5-Flood", obj_desc="Riverine flood", det_method=_READ,
        notation=["Flooded area"] * len(flooded) + ["Flood trace"] * len(traces),
        dmg_src_id=_MOSAIC, area=[round(shape.area / 1e4, 6) for shape in shapes],
    )  # fmt: skip


def _traces(folder: DamageFolder) -> list[Geometry]:
    path = folder.raster("classes")
    if path is None:
        return []
    grid = folder.grid
    cells = grid.coarser(max(_TRACE_GRID_M, (grid.cell_m2 * grid.width * grid.height / 3e7) ** 0.5))
    share, seen = class_shares(path, grid, cells, (MUD,))
    return outlines(share > 0.5 * np.maximum(seen, 0.2), cells, _SMALLEST_M2)


def _built_up(folder: DamageFolder) -> OutLayer | None:
    layer = folder.features("buildings")
    if layer is None:
        return None
    points = shapely.point_on_surface(np.array(layer.geometries, object))
    return _layer(
        folder, "builtUpP", "Point", list(points),
        obj_type=_NONE, name=[str(v) for v in layer.columns["id"]], info=_NONE,
        damage_gra=[str(v) for v in layer.columns["grade"]], det_method=_READ, notation="Building point",
        or_src_id=_FOOTPRINTS, dmg_src_id=_MOSAIC, cd_value=_APPLIES_NOT,
    )  # fmt: skip


def _transportation(folder: DamageFolder) -> OutLayer | None:
    layer = folder.features("roads")
    if layer is None:
        return None
    return _layer(
        folder, "transportationL", "LineString", list(layer.geometries),
        obj_type="211-Highways, Streets and Roads", name=[str(v) for v in layer.columns["id"]], info=_NONE,
        damage_gra=[ROAD_DAMAGE[str(v)] for v in layer.columns["state"]], det_method=_READ,
        notation=_APPLIES_NOT, or_src_id=_ROADS, dmg_src_id=_MOSAIC, cd_value=_APPLIES_NOT,
    )  # fmt: skip


def _write_sources(path: Path, folder: DamageFolder) -> None:
    """Which number is which source: file, when, how fine."""
    report = folder.report
    inputs = report.get("inputs") or {}
    rows: list[tuple[Any, ...]] = [
        (_MOSAIC, Path(report["mosaic"]).name, report["acquired_utc"] or "", report["pixel_m"], "post-event",
         f"{report['method']}; {NOTICE['en']}"),
    ]  # fmt: skip
    for number, name in ((_FOOTPRINTS, "footprints"), (_ROADS, "roads")):
        if name in inputs:
            rows.append((number, inputs[name], "", "", "pre-event", name))
    with whole_file(path) as part, open(part, "w", encoding="utf-8-sig", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(["src_id", "source_nam", "source_tm", "sensor_gsd", "eventphase", "remarks"])
        writer.writerows(rows)
