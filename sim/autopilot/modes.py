"""ArduCopter's flight modes by number, and what each one needs."""

from __future__ import annotations

from enum import IntEnum


class Mode(IntEnum):
    """custom_mode of ArduCopter's HEARTBEAT (ardupilotmega.xml, COPTER_MODE)."""

    STABILIZE = 0
    ALT_HOLD = 2
    AUTO = 3
    GUIDED = 4
    LOITER = 5
    RTL = 6
    CIRCLE = 7
    LAND = 9
    POSHOLD = 16
    BRAKE = 17
    SMART_RTL = 21
    AUTO_RTL = 27
    """Never flown: AUTO shows itself so on its way home (sim.autopilot.auto_return)."""


NEEDS_POSITION = frozenset(
    {Mode.AUTO, Mode.GUIDED, Mode.LOITER, Mode.RTL, Mode.CIRCLE, Mode.POSHOLD, Mode.BRAKE, Mode.SMART_RTL}
)
"""Modes that cannot be entered without a position estimate."""

ARMABLE = frozenset({Mode.STABILIZE, Mode.ALT_HOLD, Mode.LOITER, Mode.POSHOLD, Mode.GUIDED})
"""Modes in which arming is allowed."""

LANDS_ITSELF = frozenset({Mode.AUTO, Mode.GUIDED, Mode.RTL, Mode.LAND, Mode.SMART_RTL})
"""Modes that disarm by themselves after touching down."""

WAYS_HOME = frozenset({Mode.RTL, Mode.SMART_RTL, Mode.LAND, Mode.AUTO_RTL})
"""Modes that end the flight."""

BY_STICKS = frozenset({Mode.STABILIZE, Mode.ALT_HOLD, Mode.LOITER, Mode.POSHOLD})
"""Modes that a pilot's sticks fly."""


def mode_of(number: int) -> Mode | None:
    """The mode of this number, or None if this vehicle does not have it."""
    try:
        return Mode(number)
    except ValueError:
        return None
