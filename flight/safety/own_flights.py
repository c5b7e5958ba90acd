"""What the vehicles of this station fly: each watch tells the others of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flight.safety.ahead import Ahead, way_ahead
from flight.safety.way_home import ReturnSettings
from flight.state import VehicleState
from plans.frames import GeoPoint
from plans.mission import Mission

_MOST_ICAO = 0xFFFFFF


def icao_address(params: Mapping[str, float]) -> int | None:
    """The address under which a vehicle's own transponder is heard; None where it does not say (ArduPilot
    draws one for 0, and takes the transponder's for -1)."""
    value = params.get("ADSB_ICAO_ID", 0.0)
    return int(value) if 0 < value <= _MOST_ICAO else None


@dataclass(frozen=True)
class OwnFlight:
    """A mission in the air. `home` is where it was before the vehicle told."""

    mission: Mission
    home: GeoPoint | None
    returns: ReturnSettings
    icao: int | None = None


class OwnFlights:
    """The flights that watches are open for, by system id. One for all watches of a station."""

    def __init__(self) -> None:
        self._flights: dict[int, OwnFlight] = {}

    @contextmanager
    def flying(self, sysid: int, flight: OwnFlight) -> Iterator[None]:
        """Known to all while it is open."""
        self._flights[sysid] = flight
        try:
            yield
        finally:
            self._flights.pop(sysid, None)

    def icao_addresses(self) -> frozenset[int]:
        """Those of all own vehicles that say theirs."""
        return frozenset(f.icao for f in self._flights.values() if f.icao is not None)

    def ahead(self, state: VehicleState, within_s: float) -> tuple[Ahead, ...]:
        """Where a vehicle's mission takes it; none where nobody knows."""
        flight = self._flights.get(state.sysid)
        if flight is None:
            return ()
        told = state.home
        home = GeoPoint(told.lat_deg, told.lon_deg, told.alt_amsl_m) if told is not None else flight.home
        return () if home is None else way_ahead(state, flight.mission, home, flight.returns, within_s)
