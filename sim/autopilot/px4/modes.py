"""PX4's flight modes by number, and what each one needs (commander's px4_custom_mode.h, ModeUtil)."""

from __future__ import annotations

from enum import IntEnum

_MAIN, _SUB = 16, 24
_AUTO = 4 << _MAIN


class Mode(IntEnum):
    """custom_mode of PX4's HEARTBEAT: main mode in the third byte, sub mode in the fourth."""

    MANUAL = 1 << _MAIN
    ALTCTL = 2 << _MAIN
    POSCTL = 3 << _MAIN
    ORBIT = 3 << _MAIN | 1 << _SUB
    OFFBOARD = 6 << _MAIN
    STABILIZED = 7 << _MAIN
    AUTO_TAKEOFF = _AUTO | 2 << _SUB
    AUTO_LOITER = _AUTO | 3 << _SUB
    AUTO_MISSION = _AUTO | 4 << _SUB
    AUTO_RTL = _AUTO | 5 << _SUB
    AUTO_LAND = _AUTO | 6 << _SUB

    @property
    def is_auto(self) -> bool:
        """Whether it flies by itself."""
        return self >> _MAIN & 0xFF == _AUTO >> _MAIN


BY_STICKS = frozenset({Mode.MANUAL, Mode.STABILIZED, Mode.ALTCTL, Mode.POSCTL})
"""Modes that a pilot's sticks fly."""
NEEDS_POSITION = frozenset(Mode) - {
    *(Mode.MANUAL, Mode.STABILIZED, Mode.ALTCTL, Mode.OFFBOARD, Mode.AUTO_LAND)
}
"""Modes that cannot be flown without a position. A landing can: it goes down level; in OFFBOARD that hangs on
what is asked for."""
WAYS_HOME = frozenset({Mode.AUTO_RTL, Mode.AUTO_LAND})
"""Modes that end the flight."""
NEVER_ARMED_IN = WAYS_HOME | {Mode.ORBIT}
"""Modes in which it refuses to arm, and which it is not in again after a flight."""


def mode_of(main: int, sub: int = 0) -> Mode | None:
    """The mode of a main and a sub number, or None if this vehicle does not have it. AUTO alone is the
    mission."""
    if main << _MAIN == _AUTO and sub == 0:
        return Mode.AUTO_MISSION
    if main << _MAIN in (Mode.MANUAL, Mode.ALTCTL, Mode.STABILIZED, Mode.OFFBOARD):
        sub = 0
    try:
        return Mode(main << _MAIN | sub << _SUB)
    except ValueError:
        return None
