"""Between the world and the canvas: the one place where north, which grows upwards, meets y, which grows
downwards. Scene units are metres of the mission's local frame: x = east, y = -north."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QPainterPath, QPolygonF
from shapely import Geometry

from plans.frames import LocalFrame


@dataclass(frozen=True)
class MapFrame:
    """Turns WGS84 into scene coordinates and back."""

    frame: LocalFrame

    def scene_point(self, lat_deg: float, lon_deg: float) -> QPointF:
        """Where a place lies on the canvas."""
        east, north = self.frame.to_local(lat_deg, lon_deg)
        return QPointF(float(east), -float(north))

    def lat_lon(self, point: QPointF) -> tuple[float, float]:
        """(lat_deg, lon_deg) of a point of the canvas."""
        lat, lon = self.frame.to_geo(point.x(), -point.y())
        return float(lat), float(lon)

    def scene_geometry(self, geometry: Geometry) -> Geometry:
        """A lon/lat geometry in scene coordinates (2-D)."""
        local = self.frame.geometry_to_local(shapely.force_2d(geometry))
        return shapely.transform(local, lambda xy: xy * (1.0, -1.0))

    def geo_geometry(self, geometry: Geometry) -> Geometry:
        """A geometry of the canvas in lon/lat."""
        local = shapely.transform(geometry, lambda xy: xy * (1.0, -1.0))
        return self.frame.geometry_to_geo(local)

    def bounds_m(self, rect: QRectF) -> tuple[float, float, float, float]:
        """(west, south, east, north) in metres of a rectangle of the canvas."""
        return rect.left(), -rect.bottom(), rect.right(), -rect.top()

    @staticmethod
    def rect(west_m: float, south_m: float, east_m: float, north_m: float) -> QRectF:
        """The rectangle of the canvas for bounds in metres."""
        return QRectF(west_m, -north_m, east_m - west_m, north_m - south_m)


def path_of(geometry: Geometry) -> QPainterPath:
    """The outline of a geometry in scene coordinates; holes stay holes."""
    path = QPainterPath()
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon":
            for ring in (part.exterior, *part.interiors):
                path.addPolygon(_polygon(ring))
                path.closeSubpath()
        elif part.geom_type in ("LineString", "LinearRing"):
            path.addPolygon(_polygon(part))
        elif part.geom_type in ("GeometryCollection", "MultiPolygon", "MultiLineString"):
            path.addPath(path_of(part))
    return path


def _polygon(line: Geometry) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in np.asarray(line.coords)[:, :2]])
