"""KMZ: a super-overlay that Google Earth and phones page through, with a placemark per damaged building."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import rasterio
from rasterio._err import CPLE_BaseError

from imagery.damage.legend import GRADE_NONE, GRADE_NOT_ANALYSED, GRADES, grade_entry
from imagery.deliver.folder import DamageFolder, as_array, scratch_folder
from imagery.deliver.picture import copy_warped, fitted, write_layers
from imagery.deliver.vectors import in_wgs84
from imagery.deliver.words import WORDS
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_MOST_PX = 20_000_000
_LOD_FIRST = re.compile(rb"(<Lod>(?:(?!</Lod>).)*</Lod>)(\s*)(<LatLonAltBox>.*?</LatLonAltBox>)", re.DOTALL)


def export_kmz(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.kmz: ground classes as a super-overlay (KML 2.2 regions), buildings as placemarks."""
    target = out_dir / "damage.kmz"
    with scratch_folder(out_dir) as scratch, whole_file(target) as part:
        flat, tiled = scratch / "flat.tif", scratch / "tiled.kmz"
        try:
            write_layers(flat, folder, fitted(folder.grid, _MOST_PX), photo_below=False, objects=False)
            copy_warped(flat, tiled, "EPSG:4326", "KMLSUPEROVERLAY", FORMAT="PNG")
            _with_placemarks(tiled, part, folder.report["event"] or WORDS["en"]["title"], _placemarks(folder))
        except (rasterio.errors.RasterioError, CPLE_BaseError, zipfile.BadZipFile) as error:
            # A full disk stops GDAL's driver without a word: only the archive tells.
            raise DeliveryError(f"{target}: cannot be written ({error}); free some space") from error
    return [target]


def _with_placemarks(tiled: Path, target: Path, name: str, placemarks: str) -> None:
    """The archive again under its own name, with buildings.kml linked from doc.kml, and the elements of
    regions in the order of the schema, which GDAL's driver leaves."""
    link = "<NetworkLink><name>Buildings / 房屋</name><Link><href>buildings.kml</href></Link></NetworkLink>"
    with zipfile.ZipFile(tiled) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as sink:
        for item in sorted(source.namelist(), key=lambda name: name != "doc.kml"):
            data = source.read(item)
            if item.endswith(".kml"):
                data = _LOD_FIRST.sub(rb"\3\2\1", data)
            if item == "doc.kml":
                text = data.decode("utf-8").replace("<name>tiled</name>", f"<name>{escape(name)}</name>")
                at = text.rindex("</Document>")
                data = (text[:at] + link + text[at:]).encode("utf-8")
            sink.writestr(item, data)
        sink.writestr("buildings.kml", placemarks)


def _placemarks(folder: DamageFolder) -> str:
    styles = "".join(
        f'<Style id="g{e.code}"><LineStyle><color>ff{_bgr(e.colour)}</color><width>2</width></LineStyle>'
        f"<PolyStyle><color>a0{_bgr(e.colour)}</color></PolyStyle></Style>"
        for e in GRADES
    )
    marks = []
    buildings = folder.features("buildings")
    if buildings is not None:
        columns = {name: as_array(values) for name, values in buildings.columns.items()}
        for i, shape in enumerate(in_wgs84(buildings).geometries):
            if columns["grade"][i] in (GRADE_NONE, GRADE_NOT_ANALYSED) and not columns["flooded"][i]:
                continue
            entry = grade_entry(columns["grade"][i])
            wet = " · flooded / 进水" if columns["flooded"][i] else ""
            rings = "".join(
                "<Polygon><outerBoundaryIs><LinearRing><coordinates>"
                + " ".join(f"{x:.8f},{y:.8f}" for x, y in part.exterior.coords)
                + "</coordinates></LinearRing></outerBoundaryIs></Polygon>"
                for part in getattr(shape, "geoms", [shape])
            )
            marks.append(
                f"<Placemark><name>{escape(str(columns['id'][i]))}</name>"
                f"<description>{entry.name_en} / {entry.name_zh}{wet}. Suggested from imagery, not verified "
                f"/ 影像判读，未经实地核查</description><styleUrl>#g{entry.code}</styleUrl>"
                f"<MultiGeometry>{rings}</MultiGeometry></Placemark>"
            )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<name>Buildings / 房屋</name>{styles}{''.join(marks)}</Document></kml>"
    )


def _bgr(colour: tuple[int, int, int]) -> str:
    return "{2:02x}{1:02x}{0:02x}".format(*colour)
