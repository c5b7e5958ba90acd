"""How long a vehicle has been armed, by its own clock: what is heard before and after does not count."""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message


class Airtime:
    """Takes the messages of one autopilot, in order. Where its clock begins anew, counting goes on there."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._armed = False
        self._boot_s: float | None = None
        """Its clock at the last position of this flight."""

    def take(self, message: Message) -> None:
        """Heartbeats say whether it is armed, positions what its clock says."""
        kind = message.get_type()
        if kind == "HEARTBEAT":
            self._armed = bool(message.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)
            if not self._armed:
                self._boot_s = None
        elif kind == "GLOBAL_POSITION_INT" and self._armed:
            boot_s = message.time_boot_ms / 1e3
            if self._boot_s is not None:
                self.seconds += max(boot_s - self._boot_s, 0.0)
            self._boot_s = boot_s
