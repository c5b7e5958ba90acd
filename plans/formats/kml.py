"""A plan as KML to look at in Google Earth, QGIS or on a phone: zone, lanes, transits, photos. Not to fly."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import shapely
from shapely import Polygon

from plans.formats.files import write_bytes
from plans.frames import FloatArray
from plans.survey import SurveyPlan

_STYLES = {"zone": ("ff00a5ff", "3300a5ff"), "lane": ("ff00ff00", None), "transit": ("ffffff00", None)}


def write_kml(plan: SurveyPlan, path: Path | str) -> Path:
    """Write the plan as KML; heights AMSL, above ground where no datum is known. Raises PlanFileError."""
    root = ElementTree.Element("kml", {"xmlns": "http://www.opengis.net/kml/2.2"})
    document = _put(root, "Document")
    _put(document, "name", Path(path).stem)
    for kind, (colour, fill) in _STYLES.items():
        _style(document, kind, colour, fill)
    _put_zone(document, plan)
    for sortie in plan.sorties:
        folder = _put(document, "Folder")
        _put(folder, "name", f"Sortie {sortie.index + 1}, drone {sortie.drone + 1}")
        for leg in sortie.legs:
            name = "Transit" if leg.lane is None else f"Lane {leg.lane + 1}"
            mark = _placemark(folder, name, "transit" if leg.lane is None else "lane")
            line = _put(mark, "LineString")
            _put_line(line, plan, leg.points_m)
        for shot in sortie.shots:
            mark = _placemark(folder, str(shot.index + 1), None)
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
            lat, lon = plan.frame.to_geo(*np.asarray(ring.coords).T)
            text = " ".join(f"{o:.8f},{a:.8f}" for a, o in zip(lat, lon, strict=True))
            _put(_put(_put(polygon, name), "LinearRing"), "coordinates", text)


def _put_line(parent: ElementTree.Element, plan: SurveyPlan, points_m: FloatArray) -> None:
    lat, lon = plan.frame.to_geo(points_m[:, 0], points_m[:, 1])
    _put(parent, "altitudeMode", "absolute" if plan.has_datum else "relativeToGround")
    rows = zip(lat, lon, points_m[:, 2], strict=True)
    _put(parent, "coordinates", " ".join(f"{o:.8f},{a:.8f},{h:.2f}" for a, o, h in rows))
