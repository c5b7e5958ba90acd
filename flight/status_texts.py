"""What vehicles say in words (STATUSTEXT), put together from its pieces.

A text of more than 50 bytes comes in numbered pieces that share an id; the last one ends in a zero byte
(https://mavlink.io/en/messages/common.html#STATUSTEXT). A piece may be cut in the midst of a character, and
one may be lost: what is missing shows as an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flight.wire import Message

PIECE_BYTES = 50
_LOST = "…"
_WITHIN_S = 5.0
"""Pieces of one text come in one go; the same id later is another text."""
_MOST_PIECES = 40


@dataclass(frozen=True)
class StatusText:
    """Words of the vehicle. Severity as in MAV_SEVERITY: 0 emergency to 7 debug. `number` is what the pieces
    of a long one share (0: it came whole), `pieces` what has come of it, None for a piece that has not."""

    at_s: float
    severity: int
    pieces: tuple[bytes | None, ...]
    number: int = 0

    @property
    def text(self) -> str:
        """The words, with an ellipsis for what is missing."""
        parts: list[str] = []
        run = b""
        for piece in self.pieces:
            if piece is None:
                parts += [run.decode("utf-8", "replace"), _LOST]
                run = b""
            else:
                run += piece
        parts.append(run.decode("utf-8", "replace"))
        return "".join(parts) + ("" if self.ended or self._has_gaps else _LOST)

    @property
    def ended(self) -> bool:
        """Whether its last piece has come."""
        last = self.pieces[-1]
        return self.number == 0 or (last is not None and len(last) < PIECE_BYTES)

    @property
    def whole(self) -> bool:
        """Whether all of it has come."""
        return self.ended and not self._has_gaps

    @property
    def _has_gaps(self) -> bool:
        return None in self.pieces

    def continued_by(self, other: StatusText) -> bool:
        """Whether a piece that came later belongs to this text."""
        return 0 < self.number == other.number and other.at_s - self.at_s <= _WITHIN_S

    def joined(self, other: StatusText) -> StatusText:
        """This text with one more piece."""
        length = max(len(self.pieces), len(other.pieces))
        mine = self.pieces + (None,) * (length - len(self.pieces))
        theirs = other.pieces + (None,) * (length - len(other.pieces))
        return replace(
            self, pieces=tuple(a if a is not None else b for a, b in zip(mine, theirs, strict=True))
        )


def text_bytes(message: Message) -> bytes:
    """The words of a STATUSTEXT as they are on the wire, up to the first zero. (pymavlink's `text` has lost
    all that is not ASCII.)"""
    raw = getattr(message, "_text_raw", None)
    if not isinstance(raw, bytes):
        raw = message.text if isinstance(message.text, bytes) else message.text.encode("utf-8")
    return bytes(raw).split(b"\0", 1)[0]


def status_text(message: Message, at_s: float) -> StatusText:
    """A STATUSTEXT: a whole text, or one piece of it."""
    number = int(getattr(message, "id", 0))
    before = min(int(message.chunk_seq), _MOST_PIECES - 1) if number else 0
    return StatusText(at_s, int(message.severity), (None,) * before + (text_bytes(message),), number)


def belongs_to(texts: Sequence[StatusText], said: StatusText) -> int | None:
    """Which of these, the oldest first, a piece belongs to; None when it begins another."""
    for at in range(len(texts) - 1, -1, -1):
        if texts[at].continued_by(said):
            return at
        if said.at_s - texts[at].at_s > _WITHIN_S:
            return None
    return None


def with_text(texts: tuple[StatusText, ...], said: StatusText, keep: int) -> tuple[StatusText, ...]:
    """Texts with one more, or with one more piece in the one that it belongs to; the last `keep` of them."""
    at = belongs_to(texts, said)
    if at is None:
        return (*texts, said)[-keep:]
    return (*texts[:at], texts[at].joined(said), *texts[at + 1 :])


class TextJoiner:
    """Gives texts once each, when they are whole or no more of them can come."""

    def __init__(self) -> None:
        self._open: list[StatusText] = []

    def take(self, said: StatusText) -> Iterator[StatusText]:
        """A text or a piece has come."""
        yield from self.late(said.at_s)
        at = belongs_to(self._open, said)
        if at is not None:
            said = self._open.pop(at).joined(said)
        if said.whole:
            yield said
        else:
            self._open.append(said)

    def late(self, now_s: float) -> Iterator[StatusText]:
        """Texts of which no more comes."""
        old = [text for text in self._open if now_s - text.at_s > _WITHIN_S]
        self._open = [text for text in self._open if text not in old]
        yield from old

    def rest(self) -> Iterator[StatusText]:
        """What is open at the end."""
        yield from self._open
        self._open = []
