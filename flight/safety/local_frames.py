"""Local frames that are made once: building the projection of a frame takes longer than all that is asked
of it in a second of flight."""

from __future__ import annotations

from functools import lru_cache

from plans.frames import GeoPoint, LocalFrame

_KEPT = 256
_GRID_DEG = 0.25


@lru_cache(maxsize=_KEPT)
def _frame(lat_deg: float, lon_deg: float) -> LocalFrame:
    return LocalFrame(lat_deg, lon_deg)


def frame_at(place: GeoPoint) -> LocalFrame:
    """The frame whose origin is a place (home, say)."""
    return _frame(place.lat_deg, place.lon_deg)


def frame_near(lat_deg: float, lon_deg: float) -> LocalFrame:
    """A frame whose origin is within a quarter of a degree: for distances, wherever its origin is. Lengths
    are true to 1e-5 there."""
    return _frame(round(lat_deg / _GRID_DEG) * _GRID_DEG, round(lon_deg / _GRID_DEG) * _GRID_DEG)
