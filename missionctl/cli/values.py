"""Values that people type: LAT,LON pairs, wind, numbers with bounds."""

from __future__ import annotations

import datetime as dt
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


def moment(text: str, option: str) -> dt.datetime:
    """A time with its zone, ISO 8601, as UTC."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise ValueTypedError(
            f"{option} {text!r}: give date, time and zone, like 2026-07-01T04:30+08:00 or 2026-06-30T20:30Z"
        )
    return when.astimezone(dt.UTC)


def metres_up(value: float | None, option: str) -> float | None:
    """Metres above ground, None where none are given."""
    if value is not None and not (math.isfinite(value) and 0 <= value <= 10_000):
        raise ValueTypedError(f"{option} {value:g}: give metres above ground, 0 or more")
    return value


def within(value: float, option: str, low: float, high: float, unit: str) -> float:
    """A number between bounds, both included."""
    if not low <= value <= high:
        raise ValueTypedError(f"{option} {value:g}: give {unit} from {low:g} to {high:g}")
    return value


def percent(share: float) -> str:
    """A share in percent, never rounded up to a whole that is not there."""
    if 0.999 < share < 1:
        return "99.9%"
    return f"{share:.1%}"


def clock(seconds: float | None) -> str:
    """Hours and minutes, "0:07" or "12:30"; "never" for None."""
    if seconds is None:
        return "never"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def place_text(lat_deg: float, lon_deg: float) -> str:
    """A place as people type it."""
    return f"{lat_deg:.5f},{lon_deg:.5f}"


def spare_text(margin_db: float) -> str:
    """What a link margin means."""
    return f"has {margin_db:.0f} dB to spare" if margin_db >= 0 else f"lacks {-margin_db:.0f} dB"
