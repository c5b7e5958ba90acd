"""Where the simulated vehicle is: its local frame, and the ground beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyproj

from plans.frames import WGS84, GeoPoint, LocalFrame
from sim.errors import WorldError


class Ground(Protocol):
    """Height of the ground, metres AMSL, at local east and north."""

    def height_m(self, east_m: float, north_m: float) -> float:
        """Height at a place; outside the known area that of its nearest edge."""
        ...


class FlatGround:
    """A plane."""

    def __init__(self, height_m: float) -> None:
        self._height_m = height_m

    def height_m(self, east_m: float, north_m: float) -> float:
        """The same everywhere."""
        return self._height_m


class RasterGround:
    """A grid of heights in the vehicle's own local frame, bilinear between the cell centres."""

    def __init__(self, heights: Any, west_m: float, north_m: float, step_m: float) -> None:
        """`heights` is a 2-D array, rows from north; (west_m, north_m) is the first cell's centre."""
        self._item = heights.item
        self._rows, self._cols = heights.shape
        self._west_m, self._north_m, self._step_m = west_m, north_m, step_m

    def alike(self, heights: Any) -> RasterGround:
        """Other heights on the same grid."""
        return RasterGround(heights, self._west_m, self._north_m, self._step_m)

    def height_m(self, east_m: float, north_m: float) -> float:
        """Bilinear; clamped at the edges."""
        x = min(max((east_m - self._west_m) / self._step_m, 0.0), self._cols - 1.0)
        y = min(max((self._north_m - north_m) / self._step_m, 0.0), self._rows - 1.0)
        i, j = min(int(x), self._cols - 2), min(int(y), self._rows - 2)
        fx, fy = x - i, y - j
        item = self._item
        top = item(j, i) * (1.0 - fx) + item(j, i + 1) * fx
        bottom = item(j + 1, i) * (1.0 - fx) + item(j + 1, i + 1) * fx
        return top * (1.0 - fy) + bottom * fy


@dataclass(frozen=True)
class Tide:
    """Water that rises evenly from a moment on, up to a height above where it began."""

    began_s: float
    climb_mps: float
    top_m: float

    def rise_m(self, now_s: float) -> float:
        """How far it has risen."""
        since_s = now_s - self.began_s
        return min(since_s * self.climb_mps, self.top_m) if since_s > 0.0 else 0.0


class Place:
    """A LocalFrame for single points in plain floats, with the ground in it."""

    def __init__(self, frame: LocalFrame, ground: Ground, water: Ground | None = None) -> None:
        """`water` is the height of its surface, or of the one next to it where the ground is dry; without
        one water stands as high as the ground."""
        self.frame = frame
        self.ground = ground
        self.tide: Tide | None = None
        self._water = water

    def surface_m(self, east_m: float, north_m: float, now_s: float) -> float:
        """What something that falls there lands on, AMSL: the ground, or the water over it."""
        ground = self.ground.height_m(east_m, north_m)
        return ground + self.depth_m(east_m, north_m, now_s)

    def depth_m(self, east_m: float, north_m: float, now_s: float) -> float:
        """Depth of the water at a place and moment; 0 where it is dry."""
        rise = self.tide.rise_m(now_s) if self.tide is not None else 0.0
        if self._water is None:
            return rise
        ground = self.ground.height_m(east_m, north_m)
        return max(self._water.height_m(east_m, north_m) + rise - ground, 0.0)

    @cached_property
    def _to_local(self) -> Any:
        return pyproj.Transformer.from_crs(WGS84, self.frame.crs, always_xy=True).transform

    @cached_property
    def _to_geo(self) -> Any:
        return pyproj.Transformer.from_crs(self.frame.crs, WGS84, always_xy=True).transform

    def to_local(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """(east_m, north_m)."""
        east, north = self._to_local(lon_deg, lat_deg)
        return east, north

    def to_geo(self, east_m: float, north_m: float) -> tuple[float, float]:
        """(lat_deg, lon_deg)."""
        lon, lat = self._to_geo(east_m, north_m)
        return lat, lon


def _water_over(heights: Any, depths: Any, ground: RasterGround) -> RasterGround | None:
    """The water's surface; None if all is dry."""
    from sim.world.rise import water_levels

    levels = water_levels(heights, depths)
    return None if levels is None else ground.alike(levels)


def place_of_world(folder: Path) -> tuple[Place, GeoPoint]:
    """The place that a world folder describes, and its launch point on the ground.

    Raises WorldError when there is no world or its terrain cannot be read.
    """
    import rasterio
    from rasterio.errors import RasterioError

    from sim.world import load_world  # only simulations of a world pay for the imaging libraries

    world = load_world(folder)
    try:
        with rasterio.open(world.dem) as dem, rasterio.open(world.truth_depth) as water:
            heights, depths, transform = dem.read(1), water.read(1), dem.transform
    except RasterioError as err:
        raise WorldError(f"{world.dem}: cannot be read ({err}); make the world anew") from err
    step_m = transform.a
    ground = RasterGround(heights, transform.c + step_m / 2, transform.f - step_m / 2, step_m)
    place = Place(world.frame, ground, _water_over(heights, depths, ground))
    lat, lon = world.launch.lat_deg, world.launch.lon_deg
    return place, GeoPoint(lat, lon, ground.height_m(*place.to_local(lat, lon)))
