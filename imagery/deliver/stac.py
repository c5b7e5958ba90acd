"""A static STAC catalogue (1.1, self-contained): what was mapped, where, when, in which projection.

`catalog.json` names one item, `damage.json`, whose assets are the files beside it: catalogue and files can be
copied together to a stick or a web server, and any STAC browser finds its way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyproj
import pystac
import rasterio
import shapely
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.stac_io import DefaultStacIO
from shapely import Geometry
from shapely.geometry import mapping

from imagery.damage.analysable import SEEN
from imagery.damage.coarse import outlines
from imagery.deliver.cog import export_cog, legend_of_raster
from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import codes, fitted
from imagery.deliver.vectors import export_gpkg
from imagery.deliver.words import NOTICE
from imagery.raster_io import whole_file

_TYPES: Final = {
    ".tif": pystac.MediaType.COG,
    ".gpkg": pystac.MediaType.GEOPACKAGE,
    ".geojson": pystac.MediaType.GEOJSON,
    ".json": pystac.MediaType.JSON,
    ".pdf": pystac.MediaType.PDF,
    ".png": pystac.MediaType.PNG,
    ".xml": pystac.MediaType.XML,
    ".kmz": "application/vnd.google-earth.kmz",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".mbtiles": "application/vnd.sqlite3",
    ".pmtiles": "application/vnd.pmtiles",
    ".fgb": "application/vnd.flatgeobuf",
    ".txt": "text/plain",
    ".zip": "application/zip",
}
_PICTURES: Final = (".pdf", ".png", ".mbtiles", ".pmtiles", ".kmz")
_TITLES: Final = {
    "classes": "Ground classes",
    "confidence": "Confidence of the classes, per cent",
    "change": "Change since the before-ortho",
    "depth": "Water depth and half width of its 80 % band, metres (estimate)",
    "depth_peak": "Water depth at the flood's highest and half width of its 80 % band, metres (estimate)",
    "since": "What changed since earlier reports",
    "duration": "Hours under water, at least and at most",
    "not_analysed": "What was not analysed",
    "damage": "Graded buildings, roads, water, townships",
    "map_sheet": "Map sheet",
    "townships": "Figures per township",
}
_FOOTPRINT_CELLS: Final = 200_000


class _WholeFiles(DefaultStacIO):
    """Gives a file its name when it is whole."""

    def write_text_to_href(self, href: str, txt: str, *args: Any, **kwargs: Any) -> None:
        with whole_file(Path(href)) as part:
            part.write_text(txt, encoding="utf-8")


def export_stac(folder: DamageFolder, out_dir: Path, others: Sequence[Path] = ()) -> list[Path]:
    """catalog.json and damage.json beside the products, which are copied there if need be.

    `others` are further files in `out_dir` (sheets, tables, tiles) that the item shall name.
    """
    products = [p for p in export_cog(folder, out_dir) if p.suffix == ".tif"]
    if folder.package is not None:
        products += export_gpkg(folder, out_dir)
    if out_dir.resolve() == folder.path.resolve():
        products.append(folder.path / "report.json")
    extra = [p for p in others if p not in products and p.suffix in _TYPES and p.suffix != ".xml"]
    item = _item(folder)
    home = str((out_dir / "damage.json").resolve())
    item.set_self_href(home)
    for path in [*products, *extra]:
        item.add_asset(_key(path, item), _asset(path.resolve(), rendered=path not in products))
        if path.suffix == ".tif":
            _describe_raster(item.assets[path.stem], path, folder)
    item.make_asset_hrefs_relative()
    about = f"Flood damage from imagery. {NOTICE['en']}."
    catalog = pystac.Catalog("missionctl-damage", about, "Flood damage")
    catalog.set_self_href(str((out_dir / "catalog.json").resolve()))
    catalog.add_item(item, set_parent=True, title=item.properties["title"])
    item.set_self_href(home)  # adding it gave it the catalogue's own layout
    catalog.save(pystac.CatalogType.SELF_CONTAINED, stac_io=_WholeFiles())
    copied = [p for p in products if p.name != "report.json"]
    return [*copied, out_dir / "damage.json", out_dir / "catalog.json"]


def _item(folder: DamageFolder) -> pystac.Item:
    report = folder.report
    footprint = _in_degrees(_footprint(folder), folder.crs)
    produced = _utc(report["produced_utc"])
    acquired = _utc(report["acquired_utc"]) if report["acquired_utc"] else None
    said = "" if acquired else " When the photos were taken was not stated: datetime is that of the map."
    properties = {
        "title": report["event"] or "Flood damage map",
        "description": f"{NOTICE['en']}. Method: {report['method']}.{said}",
        "created": produced.isoformat().replace("+00:00", "Z"),
        "gsd": report["pixel_m"],
        "missionctl:analyst": report["analyst"],
        "missionctl:mosaic": report["mosaic"].replace("\\", "/").rsplit("/", 1)[-1],
        "missionctl:accuracy": (report["accuracy"] or {}).get("overall"),
        "missionctl:confidence_mean": report["confidence_mean"],
        "missionctl:verified": report["verified"],
    }
    item = pystac.Item(
        f"damage-{produced:%Y%m%dT%H%M%SZ}",
        mapping(footprint),
        list(footprint.bounds),
        acquired or produced,
        properties,
    )
    _project(ProjectionExtension.ext(item, add_if_missing=True), folder)
    return item


def _project(extension: ProjectionExtension[Any], folder: DamageFolder) -> None:
    """The work grid in its own CRS: bounds, size and affine."""
    grid = folder.grid
    authority = grid.crs.to_authority()
    extension.apply(
        code=":".join(authority) if authority else None,
        wkt2=None if authority else grid.crs.to_wkt(),
        bbox=list(grid.bounds),
        shape=[grid.height, grid.width],
        transform=list(grid.transform[:6]),
    )


def _footprint(folder: DamageFolder) -> Geometry:
    """The ground that was analysed, in the folder's CRS, to within some cells."""
    grid = fitted(folder.grid, _FOOTPRINT_CELLS)
    seen = codes(folder.raster("not_analysed"), grid) == SEEN
    areas = outlines(seen, grid, 0.01 * float(np.count_nonzero(seen)) * grid.cell_m2)
    whole = shapely.union_all(areas).simplify(2 * grid.pixel_m) if areas else folder.grid.outline
    return whole if not whole.is_empty else folder.grid.outline


def _in_degrees(geometry: Geometry, crs: pyproj.CRS) -> Geometry:
    to_geo = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    moved = shapely.transform(geometry, lambda xy: np.column_stack(to_geo.transform(xy[:, 0], xy[:, 1])))
    return shapely.orient_polygons(shapely.set_precision(moved, 1e-7))


def _utc(text: str) -> dt.datetime:
    when = dt.datetime.fromisoformat(text)
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)


def _key(path: Path, item: pystac.Item) -> str:
    """The asset's name: the file's, with its format where two files have the same."""
    if path.suffix == ".tif" or (path.stem not in item.assets and path.suffix == ".gpkg"):
        return path.stem
    return path.name.replace(".", "_")


def _asset(path: Path, *, rendered: bool) -> pystac.Asset:
    role = "data"
    if path.suffix == ".json":
        role = "metadata"
    elif path.suffix in _PICTURES:
        role = "overview" if path.suffix in (".pdf", ".png") else "visual"
    title = _TITLES.get(path.name.split(".")[0])
    if rendered and title and role == "visual":
        title = "Damage over the mosaic"
    return pystac.Asset(str(path), title=title, media_type=str(_TYPES[path.suffix]), roles=[role])


def _describe_raster(asset: pystac.Asset, path: Path, folder: DamageFolder) -> None:
    """Grid, kind of number and, for class rasters, what each value means."""
    with rasterio.open(path) as source:
        ProjectionExtension.ext(asset).apply(
            code=asset.owner.properties.get("proj:code") if isinstance(asset.owner, pystac.Item) else None,
            bbox=list(source.bounds),
            shape=[source.height, source.width],
            transform=list(source.transform[:6]),
        )
        asset.extra_fields["data_type"] = source.dtypes[0]
        if source.nodata is not None:
            asset.extra_fields["nodata"] = source.nodata
    if path.stem.startswith("depth"):
        asset.extra_fields["unit"] = "m"
    legend = legend_of_raster(folder, path.stem)
    if legend:
        ClassificationExtension.ext(asset, add_if_missing=True).apply(
            classes=[
                Classification.create(
                    e.code,
                    description=f"{e.name_en} / {e.name_zh}",
                    name=e.key if e.key.isascii() else f"class_{e.code}",
                    color_hint=e.hex_colour[1:].upper(),
                )
                for e in legend
            ]
        )
