"""Where over the land the radio reaches a vehicle at one height above ground, and where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import rasterio.features
import shapely
from rasterio import Affine
from shapely import Geometry, MultiPolygon, Polygon
from shapely.geometry import shape

from plans.errors import SurveyError, TerrainError
from plans.frames import FloatArray, LocalFrame
from plans.radio import Antenna, RadioLink, margins_db
from plans.terrain import Terrain

_CELLS = 20_000
_CLEAR, _SMOOTH = 0.75, 0.5  # of a cell: what is smoothed off is less than what was added


@dataclass(frozen=True, eq=False)
class MarginGrid:
    """Link margins in dB, (rows north to south, columns west to east), at the middles of square cells; NaN
    outside the area and where the DEM lacks the ground between. (west_m, north_m) is the outer corner."""

    frame: LocalFrame
    west_m: float
    north_m: float
    step_m: float
    height_agl_m: float
    margin_db: FloatArray

    @property
    def transform(self) -> Affine:
        """From cells to local metres."""
        return Affine(self.step_m, 0.0, self.west_m, 0.0, -self.step_m, self.north_m)


def margin_grid(
    terrain: Terrain,
    station: Antenna,
    height_agl_m: float,
    link: RadioLink,
    area: Geometry,
    relay: Antenna | None = None,
    step_m: float | None = None,
) -> MarginGrid:
    """The link margin of a vehicle `height_agl_m` above ground, all over an area in local metres.

    By default the cells are the terrain's, or larger so that there are some 20,000.
    """
    if not (math.isfinite(height_agl_m) and height_agl_m >= 0):
        raise SurveyError(f"a flight {height_agl_m:g} m above ground; give a height of 0 m or more")
    west, south, east, north = area.bounds
    extent = max((east - west) * (north - south), 1.0)
    step = step_m or max(terrain.step_m, math.sqrt(extent / _CELLS))
    rows, cols = max(math.ceil((north - south) / step), 1), max(math.ceil((east - west) / step), 1)
    e, n = np.meshgrid(west + (np.arange(cols) + 0.5) * step, north - (np.arange(rows) + 0.5) * step)
    near = area.buffer(step)
    shapely.prepare(near)
    wanted = shapely.contains_xy(near, e, n)
    points = np.column_stack([e[wanted], n[wanted], terrain.at(e[wanted], n[wanted]) + height_agl_m])
    margin = np.full(e.shape, np.nan)
    margin[wanted] = margins_db(terrain, station, points, link, relay)
    return MarginGrid(terrain.frame, west, north, step, height_agl_m, margin)


def radio_shadow(
    terrain: Terrain,
    station: Antenna,
    height_agl_m: float,
    link: RadioLink,
    area: Geometry,
    relay: Antenna | None = None,
    step_m: float | None = None,
) -> MultiPolygon:
    """Where in an area (local metres) a vehicle `height_agl_m` above ground has no link: in local metres,
    empty when it has one everywhere.

    It holds every cell whose middle has no link, and up to 1.25 cells around. To plan around it, give it to
    the planner with the no-fly areas:

        shadow = radio_shadow(terrain, station, 80.0, find_link("radio57k-433"), area)
        if not shadow.is_empty:
            no_fly = [*no_fly, Zone("radio shadow", terrain.frame.geometry_to_geo(shadow))]
        plan = plan_survey(zones, camera, settings, terrain=terrain, no_fly=no_fly, launches=launches)

    `area` must take in the zones and the ways to them. Raises TerrainError when the DEM lacks ground of the
    area or between it and the antennas, SurveyError for an impossible height.
    """
    grid = margin_grid(terrain, station, height_agl_m, link, area, relay, step_m)
    _require_known(grid, area, terrain)
    lost = (grid.margin_db < 0).astype(np.uint8)
    cells = [shape(s) for s, _ in rasterio.features.shapes(lost, lost == 1, transform=grid.transform)]
    wide = shapely.union_all(cells).buffer(_CLEAR * grid.step_m, join_style="mitre")
    return _polygons(shapely.intersection(wide.simplify(_SMOOTH * grid.step_m), area))


def _require_known(grid: MarginGrid, area: Geometry, terrain: Terrain) -> None:
    rows, cols = np.nonzero(~np.isfinite(grid.margin_db))
    e, n = grid.transform @ (cols + 0.5, rows + 0.5)
    inside = shapely.contains_xy(area, e, n)
    if inside.any():
        lat, lon = grid.frame.to_geo(e[inside][0], n[inside][0])
        raise TerrainError(
            f"{terrain.source}: the DEM lacks ground between the station and part of the area (first towards "
            f"lat {float(lat):.5f}, lon {float(lon):.5f}); take one that covers both"
        )


def _polygons(geometry: Geometry) -> MultiPolygon:
    parts = geometry.geoms if hasattr(geometry, "geoms") else [geometry]
    return MultiPolygon([p for p in parts if isinstance(p, Polygon) and p.area > 0])
