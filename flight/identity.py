"""Is it one vehicle that speaks under a system id? Two with the same id look like one that jumps.

A vehicle's clock runs on from its start. When messages of one id show a clock that goes back and forth
between two courses, two vehicles speak; when it goes back once, one vehicle was started anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flight.wire import Message

_APART_MS = 10_000
"""Messages of one vehicle, on links of different delay, are not further apart than this."""
_FLIPS = 4
_MEMORY_S = 30.0


@dataclass(frozen=True)
class Identity:
    """`boot_ms`: its clock at the last message that told it. `restarts`: how often it began anew. `uid`: its
    board's own number, where it told (AUTOPILOT_VERSION)."""

    boot_ms: int | None = None
    boot_at_s: float = 0.0
    restarts: int = 0
    flips: tuple[float, ...] = ()
    uid: int | None = None
    other_uid: int | None = None

    def dispute(self, sysid: int) -> str | None:
        """Why it is not one vehicle, in a line; None when it is."""
        if len(self.flips) >= _FLIPS or self.other_uid is not None:
            return (
                f"two vehicles speak as system {sysid}; give each its own id (SYSID_THISMAV, MAV_SYSID or "
                "MAV_SYS_ID) before one of them is commanded"
            )
        return None


def identity_after(identity: Identity, message: Message, now_s: float) -> Identity:
    """The identity after one more message of the autopilot."""
    if message.get_type() == "AUTOPILOT_VERSION":
        return _with_uid(identity, int(message.uid))
    boot_ms = getattr(message, "time_boot_ms", None)
    if not boot_ms or message.get_type() == "NAMED_VALUE_FLOAT":
        return identity
    if identity.boot_ms is None:
        return replace(identity, boot_ms=boot_ms, boot_at_s=now_s)
    flips = tuple(at for at in identity.flips if now_s - at < _MEMORY_S)
    back = boot_ms < identity.boot_ms - _APART_MS
    # a jump ahead that our own clock does not explain, soon after a jump back (simulators run fast)
    ahead = bool(flips) and boot_ms > identity.boot_ms + _APART_MS + 40_000 * (now_s - identity.boot_at_s)
    if back or ahead:
        flips = (*flips, now_s)[-_FLIPS:]
    moved = replace(identity, boot_ms=boot_ms, boot_at_s=now_s, flips=flips)
    if back and len(flips) == 1:  # started anew, perhaps another one of the same id
        return replace(moved, restarts=identity.restarts + 1, uid=None, other_uid=None)
    return moved


def _with_uid(identity: Identity, uid: int) -> Identity:
    if not uid or uid == identity.uid:
        return identity
    return replace(identity, uid=uid) if identity.uid is None else replace(identity, other_uid=uid)
