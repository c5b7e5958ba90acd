"""The upload of one file: several pieces on the way at once, each acknowledged; a server that closes the file
meanwhile is asked to open it again, and the rest follows."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import BinaryIO

from flight.errors import SessionLostError
from flight.ftp.exchange import FtpLink, Request
from flight.ftp.packets import Nak, Op, Packet, error_of

OnShare = Callable[[float], None]

_WRITES_AT_ONCE = 2048
_REOPENED_TIMES = 3


async def upload(
    link: FtpLink,
    file: BinaryIO,
    start: int,
    size: int,
    what: str,
    reopen: Callable[[], Awaitable[object]],
    on_share: OnShare,
) -> None:
    """Write the bytes of `file` from `start` up to `size` into the open session. Raises FileError."""
    piece = link.profile.file_piece_bytes
    done, lost = start, 0
    while done < size:
        file.seek(done)
        end = min(size, done + _WRITES_AT_ONCE * piece)
        todo = deque(
            Request(Op.WRITE, file.read(min(piece, end - at)), offset=at) for at in range(done, end, piece)
        )
        left = {request.offset for request in todo}

        def take(
            request: Request, packet: Packet, left: set[int] = left, last: int = end
        ) -> Iterable[Request]:
            if packet.op == Op.NAK:
                if packet.error in (Nak.INVALID_SESSION, Nak.NOT_FOUND):
                    raise SessionLostError(
                        f"{what}: the vehicle keeps closing the file; try again", packet.error
                    )
                raise error_of(packet, what)
            left.discard(request.offset)
            on_share((last - len(left) * piece) / max(size, 1))
            return ()

        try:
            await link.exchange(todo, take, None, what)
            done, lost = end, 0
        except SessionLostError:
            reached = min(left, default=end)
            lost = 0 if reached > done else lost + 1
            if lost > _REOPENED_TIMES:
                raise
            done = reached
            await reopen()
