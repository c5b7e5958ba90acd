"""Other aircraft in the sky, as an ADS-B receiver on the vehicle hears them: straight and steady."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.place import Place

_SMALL_AIRCRAFT = mavlink.ADSB_EMITTER_TYPE_LIGHT
_FLAGS = (
    mavlink.ADSB_FLAGS_VALID_COORDS
    | mavlink.ADSB_FLAGS_VALID_ALTITUDE
    | mavlink.ADSB_FLAGS_VALID_HEADING
    | mavlink.ADSB_FLAGS_VALID_VELOCITY
    | mavlink.ADSB_FLAGS_VALID_CALLSIGN
    | mavlink.ADSB_FLAGS_VERTICAL_VELOCITY_VALID
    | mavlink.ADSB_FLAGS_SIMULATED
)


@dataclass(frozen=True)
class Aircraft:
    """One aircraft: where it was at a moment (local metres, height AMSL), and its course."""

    icao: int
    callsign: str
    at_s: float
    east_m: float
    north_m: float
    up_m: float
    course_deg: float
    speed_mps: float

    def place_m(self, now_s: float) -> tuple[float, float]:
        """East and north at a later moment."""
        way, course = self.speed_mps * (now_s - self.at_s), math.radians(self.course_deg)
        return self.east_m + way * math.sin(course), self.north_m + way * math.cos(course)

    def message(self, now_s: float, place: Place) -> Message:
        """ADSB_VEHICLE as a receiver passes it on."""
        lat, lon = place.to_geo(*self.place_m(now_s))
        return mavlink.MAVLink_adsb_vehicle_message(
            self.icao,
            round(lat * 1e7),
            round(lon * 1e7),
            mavlink.ADSB_ALTITUDE_TYPE_GEOMETRIC,
            round(self.up_m * 1000),
            round(self.course_deg * 100) % 36000,
            round(self.speed_mps * 100),
            0,
            self.callsign.encode("ascii")[:8],
            _SMALL_AIRCRAFT,
            0,
            _FLAGS,
            1200,
        )
