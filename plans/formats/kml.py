"""A plan as KML to look at in Google Earth, QGIS or on a phone: zone, no-fly areas, launch points, lanes,
transits, photos. Not to fly."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import shapely
from shapely import LinearRing, Polygon

from plans.formats.files import write_bytes
from plans.frames import FloatArray
from plans.survey import SurveyPlan

_STYLES = {
    "zone": ("ff00a5ff", "3300a5ff"),
    "no-fly": ("ff0000ff", None),
    "lane": ("ff00ff00", None),
    "transit": ("ffffff00", None),
}


def write_kml(plan: SurveyPlan, path: Path | str) -> Path:
    """Write the plan as KML; heights AMSL, above ground where no datum is known.

    No-fly areas are drawn as lines, for the polygons of the file are what a reader would survey. Photos are
    there but not shown until they are switched on. Raises PlanFileError.
    """
    root = ElementTree.Element("kml", {"xmlns": "http://www.opengis.net/kml/2.2"})
    document = _put(root, "Document")
    _put(document, "name", Path(path).stem)
    for kind, (colour, fill) in _STYLES.items():
        _style(document, kind, colour, fill)
    _put_zone(document, plan)
    for number, area in enumerate(plan.no_fly, 1):
        line = _put(_placemark(document, f"No-fly area {number}", "no-fly"), "LineString")
        _put(line, "tessellate", "1")
        _put_ring(line, plan, area.exterior)
    for sortie in plan.sorties:
        folder = _put(document, "Folder")
        _put(folder, "name", f"Sortie {sortie.index + 1}, drone {sortie.drone + 1}")
        launch = f"{sortie.launch.lon_deg:.8f},{sortie.launch.lat_deg:.8f}"
        _put(_put(_placemark(folder, "Launch", None), "Point"), "coordinates", launch)
        for leg in sortie.legs:
            name = "Transit" if leg.lane is None else f"Lane {leg.lane + 1}"
            mark = _placemark(folder, name, "transit" if leg.lane is None else "lane")
            line = _put(mark, "LineString")
            _put_line(line, plan, leg.points_m)
        photos = _put(folder, "Folder")
        _put(photos, "name", f"{len(sortie.shots)} photos")
        _put(photos, "visibility", "0")
        for shot in sortie.shots:
            mark = _placemark(photos, str(shot.index + 1), None)
            _put(mark, "visibility", "0")
            point = _put(mark, "Point")
            _put_line(point, plan, shot.pose.centre[None])
    ElementTree.indent(root)
    text = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="utf-8")
    return write_bytes(path, text)


def _put(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = text
    return child


def _style(document: ElementTree.Element, name: str, line: str, fill: str | None) -> None:
    style = ElementTree.SubElement(document, "Style", {"id": name})
    drawn = _put(style, "LineStyle")
    _put(drawn, "color", line)
    _put(drawn, "width", "2")
    if fill:
        _put(_put(style, "PolyStyle"), "color", fill)


def _placemark(parent: ElementTree.Element, name: str, style: str | None) -> ElementTree.Element:
    mark = _put(parent, "Placemark")
    _put(mark, "name", name)
    if style:
        _put(mark, "styleUrl", f"#{style}")
    return mark


def _put_zone(document: ElementTree.Element, plan: SurveyPlan) -> None:
    parts: list[Polygon] = list(shapely.get_parts(plan.region))
    for part in parts:
        polygon = _put(_placemark(document, "Zone", "zone"), "Polygon")
        rings = [("outerBoundaryIs", part.exterior), *(("innerBoundaryIs", ring) for ring in part.interiors)]
        for name, ring in rings:
            _put_ring(_put(_put(polygon, name), "LinearRing"), plan, ring)


def _put_ring(parent: ElementTree.Element, plan: SurveyPlan, ring: LinearRing) -> None:
    lat, lon = plan.frame.to_geo(*np.asarray(ring.coords).T)
    _put(parent, "coordinates", " ".join(f"{o:.8f},{a:.8f}" for a, o in zip(lat, lon, strict=True)))


def _put_line(parent: ElementTree.Element, plan: SurveyPlan, points_m: FloatArray) -> None:
    lat, lon = plan.frame.to_geo(points_m[:, 0], points_m[:, 1])
    _put(parent, "altitudeMode", "absolute" if plan.has_datum else "relativeToGround")
    rows = zip(lat, lon, points_m[:, 2], strict=True)
    _put(parent, "coordinates", " ".join(f"{o:.8f},{a:.8f},{h:.2f}" for a, o, h in rows))
