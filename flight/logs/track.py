"""Where a vehicle flew: its positions with their times."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flight.state import is_on_earth
from flight.wire import Message


@dataclass(frozen=True)
class TrackPoint:
    """One position. `boot_s` is the vehicle's own clock, which in a simulation runs faster than ours."""

    time_utc: dt.datetime
    boot_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float
    alt_rel_m: float
    heading_deg: float


def track_point(message: Message, heard_utc: dt.datetime) -> TrackPoint | None:
    """The position in a GLOBAL_POSITION_INT; None for any other message, and for a place not on Earth."""
    if message.get_type() != "GLOBAL_POSITION_INT" or not is_on_earth(message.lat / 1e7, message.lon / 1e7):
        return None
    return TrackPoint(
        time_utc=heard_utc,
        boot_s=message.time_boot_ms / 1e3,
        lat_deg=message.lat / 1e7,
        lon_deg=message.lon / 1e7,
        alt_amsl_m=message.alt / 1e3,
        alt_rel_m=message.relative_alt / 1e3,
        heading_deg=message.hdg / 100 if message.hdg != 65535 else float("nan"),
    )
