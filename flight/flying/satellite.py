"""A flight that is heard over a satellite only: what the pilot is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.alerts import Alert, Severity
from flight.vehicle import Vehicle


class SatelliteWords:
    """Tells the pilot how it stands with the satellite link, one thing at a time, by `on_alert`."""

    def __init__(self, on_alert: Callable[[Alert, bool], None]) -> None:
        self._on_alert = on_alert
        self._told: Alert | None = None

    def event(self, action: str, **detail: Any) -> None:
        """What the switch did (flight.links.high_latency_switch), or what came of it."""
        if action == "slow link ordered" and detail["open"]:
            self._tell("satellite.opening")
        elif action == "slow link" and detail["result"] == mavlink.MAV_RESULT_UNSUPPORTED:
            self._tell("satellite.none")

    def only(self) -> None:
        """It is heard over a satellite, and on no other link."""
        self._tell("satellite.only")

    def over(self) -> None:
        """It is heard on a fast link."""
        self._tell(None)

    def _tell(self, key: str | None) -> None:
        before = self._told
        if before is not None and key == before.key:
            return
        self._told = None if key is None else Alert(key, Severity.WARN)
        if before is not None:
            self._on_alert(before, False)
        if self._told is not None:
            self._on_alert(self._told, True)


def satellite_words(vehicle: Vehicle) -> str:
    """What HIGH_LATENCY2 told last, on one line."""
    state, now_s = vehicle.state, vehicle.now_s()
    words = [f"by satellite {vehicle.silence_s():.0f} s ago: {state.mode.lower()}"]
    if state.mission is not None:
        words.append(f"item {state.mission.current}")
    if state.battery is not None:
        words.append(f"battery {state.battery.remaining_percent:.0f} %")
    place = state.position
    if place is not None:
        old_s = now_s - place.at_s
        old = f" ({old_s:.0f} s old)" if old_s > vehicle.profile.silence_s else ""
        words.append(f"at {place.lat_deg:.5f}, {place.lon_deg:.5f}, {place.alt_amsl_m:.0f} m above sea{old}")
    if state.health is not None and state.health.faulty:
        words.append(f"FAILED: {', '.join(state.health.faulty)}")
    return ", ".join(words)
