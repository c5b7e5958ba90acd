"""Time as the vehicle counts it: the same as the station's on a real one, faster on a simulated one."""

from __future__ import annotations

from flight.wire import Message

_WAITS_S = 15.0
"""So long a clock that is not heard is waited for; then the station's goes on in its place."""


class VehicleClock:
    """Seconds since the first look. They follow `time_boot_ms` of the vehicle's positions while these are
    heard, else the station's clock; a vehicle that starts anew does not turn them back."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked_s: float | None = None
        self._boot_s: float | None = None
        """Its clock when it was last looked at; None while the station's is gone by."""
        self._boot_at_s = 0.0
        self._new_boot_s: float | None = None

    def take(self, message: Message, compid: int) -> None:
        """Read the clock in a position of the autopilot's."""
        if message.get_type() == "GLOBAL_POSITION_INT" and message.get_srcComponent() == compid:
            self._new_boot_s = message.time_boot_ms / 1e3

    def look(self, now_s: float) -> float:
        """Its seconds at a moment of the station's clock."""
        elapsed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        boot_s, self._new_boot_s = self._new_boot_s, None
        if boot_s is not None:
            goes_on = self._boot_s is not None and boot_s >= self._boot_s
            self._seconds += boot_s - self._boot_s if goes_on and self._boot_s is not None else elapsed_s
            self._boot_s, self._boot_at_s = boot_s, now_s
        elif self._boot_s is None:
            self._seconds += elapsed_s
        elif now_s - self._boot_at_s > _WAITS_S:
            self._seconds += now_s - self._boot_at_s
            self._boot_s = None
        return self._seconds
