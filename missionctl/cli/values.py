"""Values that people type: LAT,LON pairs, wind, numbers with bounds."""

from __future__ import annotations

import math

from plans.errors import MissionError
from plans.frames import GeoPoint


class ValueTypedError(MissionError):
    """An option whose value cannot be read."""


def lat_lon(text: str, option: str) -> GeoPoint:
    """LAT,LON or LAT,LON,ALT (AMSL metres) in WGS84 degrees."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(math.isfinite(n) for n in numbers):
        raise ValueTypedError(f"{option} {text!r}: give LAT,LON or LAT,LON,ALT in degrees and metres")
    if not (abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180):
        raise ValueTypedError(
            f"{option} {text!r}: latitude must be within 90 and longitude within 180 degrees"
        )
    return GeoPoint(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None)
