"""The payload of FILE_TRANSFER_PROTOCOL, and what its error codes mean
(https://mavlink.io/en/services/ftp.html).

No sockets, no state.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from enum import IntEnum

from flight.errors import (
    CardFullError,
    FileAnswerError,
    FileError,
    FileMissingError,
    FilePresentError,
    FileProtectedError,
    FileServerBusyError,
    NoFileServerError,
    SessionLostError,
)

HEADER = struct.Struct("<HBBBBBxI")
PAYLOAD_BYTES = 251
DATA_BYTES = PAYLOAD_BYTES - HEADER.size
SEQUENCE = 1 << 16


class Op(IntEnum):
    """What is asked for, and the two kinds of answer."""

    NONE = 0
    TERMINATE = 1
    RESET = 2
    LIST = 3
    OPEN_READ = 4
    READ = 5
    CREATE = 6
    WRITE = 7
    REMOVE = 8
    MAKE_FOLDER = 9
    REMOVE_FOLDER = 10
    OPEN_WRITE = 11
    TRUNCATE = 12
    RENAME = 13
    CRC32 = 14
    BURST = 15
    ACK = 128
    NAK = 129


class Nak(IntEnum):
    """Why the vehicle refuses."""

    FAIL = 1
    FAIL_ERRNO = 2
    INVALID_DATA_SIZE = 3
    INVALID_SESSION = 4
    NO_SESSIONS = 5
    EOF = 6
    UNKNOWN_COMMAND = 7
    EXISTS = 8
    PROTECTED = 9
    NOT_FOUND = 10


@dataclass(frozen=True, slots=True)
class Packet:
    """One payload. `size` is what the sender wrote into that field; `data` is cut to it."""

    seq: int
    session: int
    op: int
    size: int
    req_op: int = 0
    burst_complete: bool = False
    offset: int = 0
    data: bytes = b""

    @property
    def error(self) -> int | None:
        """The error code of a NAK; None for another packet, 0 for a NAK that gives none."""
        if self.op != Op.NAK:
            return None
        return self.data[0] if self.data else 0


def pack(packet: Packet) -> bytes:
    """The 251 bytes of a payload."""
    head = HEADER.pack(
        packet.seq,
        packet.session,
        packet.op,
        packet.size,
        packet.req_op,
        packet.burst_complete,
        packet.offset,
    )
    return (head + packet.data).ljust(PAYLOAD_BYTES, b"\0")


def unpack(payload: bytes) -> Packet:
    """A payload read. More data than a payload holds shows as a `size` greater than the data's length."""
    seq, session, op, size, req_op, complete, offset = HEADER.unpack_from(payload)
    data = payload[HEADER.size : HEADER.size + size]
    return Packet(seq, session, op, size, req_op, bool(complete), offset, data)


_ERRNO_CLASSES: dict[int, type[FileError]] = {
    errno.ENOENT: FileMissingError,
    errno.EEXIST: FilePresentError,
    errno.EACCES: FileProtectedError,
    errno.EPERM: FileProtectedError,
    errno.EROFS: FileProtectedError,
    errno.ENOSPC: CardFullError,
    errno.ENOTEMPTY: FilePresentError,
}
_NAKS: dict[int, tuple[type[FileError], str]] = {
    Nak.FAIL: (FileError, "the vehicle says only that it failed; is the name right, is the card in order?"),
    Nak.INVALID_DATA_SIZE: (FileError, "the vehicle does not take a request of this length"),
    Nak.INVALID_SESSION: (SessionLostError, "the vehicle has closed the file meanwhile; try again"),
    Nak.NO_SESSIONS: (
        FileServerBusyError,
        "the vehicle has no file session free; does another station transfer files?",
    ),
    Nak.EOF: (FileAnswerError, "the vehicle says that it ends where it should go on"),
    Nak.UNKNOWN_COMMAND: (NoFileServerError, "the vehicle cannot do this"),
    Nak.EXISTS: (FilePresentError, "exists on the vehicle already"),
    Nak.PROTECTED: (FileProtectedError, "is write-protected on the vehicle"),
    Nak.NOT_FOUND: (FileMissingError, "is not on the vehicle"),
}
_ERRNO_WORDS = {
    errno.ENOENT: "is not on the vehicle",
    errno.EEXIST: "exists on the vehicle already",
    errno.ENOSPC: "the vehicle's card is full; remove something from it",
    errno.ENOTEMPTY: "is not empty",
    errno.EROFS: "the vehicle's card is write-protected",
}


def error_of(packet: Packet, what: str) -> FileError:
    """The error that a NAK means; `what` names the file and the deed."""
    code = packet.error or 0
    if code == Nak.FAIL_ERRNO:
        if len(packet.data) < 2:
            return FileError(f"{what}: the vehicle's file system refuses, without a reason", code)
        number = packet.data[1]
        words = _ERRNO_WORDS.get(number) or f"the vehicle's file system refuses ({os.strerror(number)})"
        return _ERRNO_CLASSES.get(number, FileError)(f"{what}: {words}", code)
    if code in _NAKS:
        kind, words = _NAKS[code]
        return kind(f"{what}: {words}", code)
    return FileAnswerError(
        f"{what}: the vehicle refuses with "
        + (f"error {code}, which the protocol does not know" if code else "no error code"),
        code,
    )
