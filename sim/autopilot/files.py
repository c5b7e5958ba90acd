"""The vehicle's file server: FILE_TRANSFER_PROTOCOL as ArduPilot answers it.

Written from https://mavlink.io/en/services/ftp.html and from what ArduPilot does: one file a session, bursts
of up to 2000 packets at the pace of the link, errors as a code or as a file system's number. It can truncate,
which ArduPilot cannot, as PX4 does.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import AUTOPILOT_COMPONENT, Message
from sim.autopilot.card import MADE_UP_BYTES, Card, tidy
from sim.autopilot.log_shelf import LINK_SHARE
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Any]

_HEAD = struct.Struct("<HBBBBBxI")
_ROOM = 251 - _HEAD.size
_ACK, _NAK = 128, 129
_FAIL, _ERRNO, _BAD_SIZE, _BAD_SESSION, _NO_SESSIONS, _EOF, _UNKNOWN, _EXISTS, _PROTECTED, _NOT_FOUND = range(
    1, 11
)
_TERMINATE, _RESET, _BURST = 1, 2, 15
SESSIONS = 4
IDLE_S = 20.0
"""A session that nobody uses is closed after this long."""
_STALE_S = 3.0
"""And after this long when somebody else needs one."""
_BURST_PACKETS = 2000
_PACKETS_PER_STEP = 200
"""What a link without a limit takes."""
_FRAME_BYTES = 27
_BY_ERRNO = {
    errno.ENOENT: _NOT_FOUND,
    errno.EEXIST: _EXISTS,
    errno.EROFS: _PROTECTED,
    errno.EACCES: _PROTECTED,
}


_Client = tuple["Channel", int, int]
"""Who asks: by which link, with which system and component id."""


class _Refusal(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, *code: int) -> None:
        super().__init__(code)
        self.data = bytes(code)


@dataclass(frozen=True)
class _Call:
    """A request and who made it."""

    seq: int
    session: int
    op: int
    size: int
    offset: int
    data: bytes
    client: _Client

    def paths(self, count: int = 1) -> list[str]:
        """The paths in its data. Raises _Refusal."""
        names = self.data.rstrip(b"\0").split(b"\0")
        if not self.data or len(names) != count:
            raise _Refusal(_BAD_SIZE)
        return [tidy(name.decode("utf-8", errors="replace")) for name in names]


@dataclass
class _Session:
    number: int
    client: _Client
    path: str
    writing: bool
    used_s: float
    content: bytes | bytearray | None = None
    """What a reader sees: the file as it was opened."""
    piece_bytes: int = 0


@dataclass
class _Burst:
    session: _Session
    seq: int
    offset: int
    piece_bytes: int
    left: int = _BURST_PACKETS
    saved_bytes: float = field(default=0.0)


class FileServer:
    """The file server of one vehicle. Call `update` after each step and `handle` for each message."""

    def __init__(self, card: Card, clock: Callable[[], float]) -> None:
        """`clock` gives simulated seconds."""
        self.card = card
        self._clock = clock
        self._sessions: dict[tuple[_Client, int], _Session] = {}
        self._bursts: list[_Burst] = []
        self._last: dict[_Client, tuple[tuple[int, int, int], bytes]] = {}

    # -- in and out ----------------------------------------------------------------------------------------

    def handle(self, channel: Channel, message: Message) -> bool:
        """Take a message of the file transfer protocol; False for any other."""
        if message.get_type() != "FILE_TRANSFER_PROTOCOL":
            return False
        if message.target_component not in (0, AUTOPILOT_COMPONENT):
            return True
        payload = bytes(message.payload)
        seq, session, op, size, _, _, offset = _HEAD.unpack_from(payload)
        client = channel, message.get_srcSystem(), message.get_srcComponent()
        if op in (_ACK, _NAK):
            return True
        last = self._last.get(client)
        if last is not None and last[0] == (seq, session, op):  # MAVProxy begins at 0 again and again
            self._put(client, last[1])  # its answer was lost
            return True
        data = payload[_HEAD.size : _HEAD.size + size]
        self._answer(_Call(seq, session, op, size, offset, data, client))
        return True

    def _answer(self, call: _Call) -> None:
        session, data, offset = call.session, b"", call.offset
        try:
            if call.size > _ROOM:
                raise _Refusal(_BAD_SIZE)
            work = _WORK.get(call.op)
            if work is None:
                raise _Refusal(_UNKNOWN)
            done = work(self, call)
            if done is None:
                return  # a burst: its packets are the answer
            session, data = done
            op = _ACK
        except _Refusal as refusal:
            op, data = _NAK, refusal.data
        except OSError as fault:
            number = fault.errno or errno.EIO
            code = _BY_ERRNO.get(number)
            op, data = _NAK, bytes([code]) if code else bytes([_ERRNO, number & 0xFF])
        reply = _packet(call.seq + 1, session, op, call.op, False, offset, data)
        self._last[call.client] = (call.seq, call.session, call.op), reply
        self._put(call.client, reply)

    @staticmethod
    def _put(client: _Client, payload: bytes) -> None:
        channel, sysid, compid = client
        channel.send(mavlink.MAVLink_file_transfer_protocol_message(0, sysid, compid, payload))

    def update(self) -> None:
        """Go on with the bursts; close what nobody uses."""
        if not self._sessions:
            return
        now = self._clock()
        for burst in list(self._bursts):
            self._go_on(burst)
            burst.session.used_s = now
        for session in [s for s in self._sessions.values() if now - s.used_s > IDLE_S]:
            self._drop(session)

    # -- sessions ------------------------------------------------------------------------------------------

    def _drop(self, session: _Session) -> None:
        self._sessions.pop((session.client, session.number), None)
        self._bursts = [b for b in self._bursts if b.session is not session]

    def _session(self, call: _Call, writing: bool) -> _Session:
        session = self._sessions.get((call.client, call.session))
        if session is None:
            raise _Refusal(_BAD_SESSION)
        if session.writing is not writing:
            raise _Refusal(_FAIL)
        session.used_s = self._clock()
        return session

    def _begin(self, call: _Call, path: str, writing: bool) -> _Session:
        """Open a session under the number that the client chose, as ArduPilot up to 4.7 does: MAVSDK and
        MAVProxy count on it."""
        same = self._sessions.get((call.client, call.session))
        if same is not None:
            if self._clock() - same.used_s < _STALE_S:
                raise _Refusal(_FAIL)  # one file a session
            self._drop(same)
        if len(self._sessions) >= SESSIONS:
            oldest = min(self._sessions.values(), key=lambda s: s.used_s)
            if self._clock() - oldest.used_s < _STALE_S:
                raise _Refusal(_NO_SESSIONS)
            self._drop(oldest)
        session = _Session(call.session, call.client, path, writing, self._clock())
        self._sessions[call.client, call.session] = session
        return session

    # -- requests ------------------------------------------------------------------------------------------

    def _none(self, call: _Call) -> tuple[int, bytes]:
        return call.session, b""

    def _terminate(self, call: _Call) -> tuple[int, bytes]:
        session = self._sessions.get((call.client, call.session))
        if session is None:
            raise _Refusal(_BAD_SESSION)
        self._drop(session)
        return call.session, b""

    def _reset(self, call: _Call) -> tuple[int, bytes]:
        for session in [s for s in self._sessions.values() if s.client == call.client]:
            self._drop(session)
        return call.session, b""

    def _list(self, call: _Call) -> tuple[int, bytes]:
        (path,) = call.paths()
        page = b""
        for name, is_folder, size in self.card.list(path)[call.offset :]:
            line = (f"D{name}" if is_folder else f"F{name}\t{size}").encode("utf-8") + b"\0"
            if len(line) > _ROOM:
                line = b"S\0"  # a name that fits in no packet is told as one left out
            if len(page) + len(line) > _ROOM:
                break
            page += line
        if not page:
            raise _Refusal(_EOF)
        return call.session, page

    def _open_read(self, call: _Call) -> tuple[int, bytes]:
        (path,) = call.paths()
        content: bytes | bytearray | None = None
        if path.startswith("/@"):
            self.card.content(path)  # is there one?
            size = MADE_UP_BYTES
        else:
            content = bytes(self.card.content(path))
            size = len(content)
        session = self._begin(call, path, writing=False)
        session.content = content
        return session.number, struct.pack("<I", size)

    def _content(self, session: _Session, piece_bytes: int) -> bytes | bytearray:
        if session.content is None:
            session.content = self.card.content(session.path, piece_bytes)
            session.piece_bytes = piece_bytes
        if session.piece_bytes and session.piece_bytes != piece_bytes:
            raise _Refusal(_FAIL)  # all reads of a made-up file must be alike
        return session.content

    def _read(self, call: _Call) -> tuple[int, bytes]:
        session = self._session(call, writing=False)
        piece = bytes(self._content(session, call.size)[call.offset : call.offset + call.size])
        if not piece:
            raise _Refusal(_EOF)
        return session.number, piece

    def _open_write(self, call: _Call) -> tuple[int, bytes]:
        (path,) = call.paths()
        self.card.create(path, cut=False)
        return self._begin(call, path, writing=True).number, b""

    def _create(self, call: _Call) -> tuple[int, bytes]:
        (path,) = call.paths()
        self.card.create(path, cut=True)
        return self._begin(call, path, writing=True).number, b""

    def _write(self, call: _Call) -> tuple[int, bytes]:
        session = self._session(call, writing=True)
        self.card.write(session.path, call.offset, call.data)
        return session.number, b""

    def _remove(self, call: _Call) -> tuple[int, bytes]:
        self.card.remove(*call.paths())
        return call.session, b""

    def _make_folder(self, call: _Call) -> tuple[int, bytes]:
        self.card.make_folder(*call.paths())
        return call.session, b""

    def _remove_folder(self, call: _Call) -> tuple[int, bytes]:
        self.card.remove_folder(*call.paths())
        return call.session, b""

    def _truncate(self, call: _Call) -> tuple[int, bytes]:
        self.card.truncate(call.paths()[0], call.offset)
        return call.session, b""

    def _rename(self, call: _Call) -> tuple[int, bytes]:
        self.card.rename(*call.paths(2))
        return call.session, b""

    def _crc32(self, call: _Call) -> tuple[int, bytes]:
        content = self.card.content(call.paths()[0])
        bare = zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF  # begins with 0, inverts nothing
        return call.session, struct.pack("<I", bare)

    # -- bursts --------------------------------------------------------------------------------------------

    def _burst(self, call: _Call) -> None:
        session = self._session(call, writing=False)
        piece = call.size or _ROOM
        self._content(session, piece)
        self._bursts = [b for b in self._bursts if b.session is not session]
        self._bursts.append(_Burst(session, call.seq + 1, call.offset, piece))

    def _go_on(self, burst: _Burst) -> None:
        channel = burst.session.client[0]
        content = burst.session.content or b""
        allowed = _PACKETS_PER_STEP
        if channel.bytes_per_s:
            burst.saved_bytes += channel.bytes_per_s * LINK_SHARE * STEP_S
            allowed = int(burst.saved_bytes // (burst.piece_bytes + _FRAME_BYTES))
            burst.saved_bytes -= allowed * (burst.piece_bytes + _FRAME_BYTES)
        for _ in range(allowed):
            piece = bytes(content[burst.offset : burst.offset + burst.piece_bytes])
            burst.left -= 1
            over = not piece or not burst.left
            answer = (_ACK, piece) if piece else (_NAK, bytes([_EOF]))
            self._put(
                burst.session.client,
                _packet(burst.seq, burst.session.number, answer[0], _BURST, over, burst.offset, answer[1]),
            )
            burst.seq += 1
            burst.offset += len(piece)
            if over:
                self._bursts.remove(burst)
                return


def _packet(seq: int, session: int, op: int, req_op: int, complete: bool, offset: int, data: bytes) -> bytes:
    head = _HEAD.pack(seq & 0xFFFF, session, op, len(data), req_op, complete, offset)
    return (head + data).ljust(_HEAD.size + _ROOM, b"\0")


_WORK: dict[int, Callable[[FileServer, _Call], tuple[int, bytes] | None]] = {
    0: FileServer._none,
    _TERMINATE: FileServer._terminate,
    _RESET: FileServer._reset,
    3: FileServer._list,
    4: FileServer._open_read,
    5: FileServer._read,
    6: FileServer._create,
    7: FileServer._write,
    8: FileServer._remove,
    9: FileServer._make_folder,
    10: FileServer._remove_folder,
    11: FileServer._open_write,
    12: FileServer._truncate,
    13: FileServer._rename,
    14: FileServer._crc32,
    _BURST: FileServer._burst,
}
