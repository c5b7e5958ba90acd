"""The download of one file: in bursts, the gaps filled by plain reads; only by plain reads where the link has
a budget.

A server sends a burst as fast as it likes and tells its end in the last packet, if that one arrives. What did
not arrive is then asked for piece by piece. Pieces may come in any order, twice, and late from an earlier
burst.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator

from flight.errors import FileAnswerError, FileChangedError, SessionLostError
from flight.ftp.exchange import FtpLink, Request
from flight.ftp.packets import DATA_BYTES, SEQUENCE, Nak, Op, Packet, error_of

OnShare = Callable[[float], None]
Sink = Callable[[bytes], object]
"""Takes the bytes of the file in their order."""
FindEnd = Callable[[], int | None]
"""The size of a file, when what has come of it tells; None until then."""

_SPARE_BYTES = 32 << 20
"""Pieces that came before their turn are kept up to this much; what is dropped is asked for again."""
_REOPENED_TIMES = 3
_READS_AT_ONCE = 2048
_SMALLEST_PIECE_BYTES = 48
"""Some servers send this much in a packet whatever is asked for."""
_MADE_UP_BYTES = 2000 * 48
"""Guess of what a burst of a file of unknown size may number: ArduPilot sends at most 2000 packets."""
_LEAST_QUIET_S = 0.1


def is_made_up(path: str) -> bool:
    """True for files that the vehicle makes up as they are read (ArduPilot's @PARAM, @SYS...): the size it
    tells is a guess, all reads must be alike, and there is no checksum."""
    return path.lstrip("/").startswith("@")


class Pieces:
    """A file coming in pieces: its beginning goes to `sink` in order, what came early is kept meanwhile."""

    def __init__(self, sink: Sink, have: int, end: int | None, find_end: FindEnd | None = None) -> None:
        self.have = have
        """So much of the beginning is there."""
        self.end = end
        self._sink = sink
        self._find_end = find_end
        self._early: dict[int, bytes] = {}
        self._early_bytes = 0

    @property
    def whole(self) -> bool:
        """Everything is there."""
        return self.end is not None and self.have >= self.end

    @property
    def held(self) -> int:
        """Bytes there, early ones too."""
        return self.have + self._early_bytes

    @property
    def highest(self) -> int:
        """Where the last piece ends."""
        return max((at + len(data) for at, data in self._early.items()), default=self.have)

    def take(self, offset: int, data: bytes) -> None:
        """A piece has come."""
        if self.end is not None:
            data = data[: max(self.end - offset, 0)]  # it has grown since it was opened
        if offset + len(data) <= self.have:
            return
        if offset > self.have:
            kept = self._early.get(offset, b"")
            if len(data) > len(kept) and self._early_bytes < _SPARE_BYTES:
                self._early[offset] = data
                self._early_bytes += len(data) - len(kept)
            return
        self._append(data[self.have - offset :])
        while self._early:
            at = self.have if self.have in self._early else min(self._early)
            if at > self.have:
                break
            following = self._early.pop(at)
            self._early_bytes -= len(following)
            self._append(following[self.have - at :])

    def _append(self, data: bytes) -> None:
        self._sink(data)
        self.have += len(data)
        if self.end is None and self._find_end is not None:
            self.end = self._find_end()

    def gaps(self) -> Iterator[tuple[int, int]]:
        """What is missing below the highest piece, as (offset, length)."""
        at = self.have
        for offset in sorted(self._early):
            if offset > at:
                yield at, offset - at
            at = max(at, offset + len(self._early[offset]))


class Download:
    """One file on its way. `reopen` opens it and gives the size that the server tells."""

    def __init__(self, link: FtpLink, path: str, pieces: Pieces, told_bytes: int, on_share: OnShare) -> None:
        self._link = link
        self._path = path
        self._pieces = pieces
        self._told = told_bytes
        self._on_share = on_share
        self._even = is_made_up(path)
        self._piece = link.profile.file_piece_bytes
        self._bursts = link.profile.file_bytes_per_s is None
        self._eof_at: int | None = None
        self._burst_seq = 0
        self._burst_numbers = 0

    @property
    def _what(self) -> str:
        return f"get {self._path}"

    async def run(self, reopen: Callable[[], Awaitable[object]]) -> None:
        """Fetch until the file is whole. `reopen` is awaited when the server has closed it. Raises
        FileError."""
        lost = 0
        while not self._pieces.whole:
            before = self._pieces.held
            try:
                if self._bursts:
                    await self._burst()
                    await self._fill_gaps()
                    await self._look_for_end()
                if not self._bursts or (self._pieces.held == before and not self._pieces.whole):
                    await self._read_on(_READS_AT_ONCE if not self._bursts else 1)
            except SessionLostError:
                lost = 0 if self._pieces.held > before else lost + 1
                if lost > _REOPENED_TIMES:
                    raise
                await reopen()

    def _tell(self) -> None:
        self._on_share(min(self._pieces.have / max(self._pieces.end or self._told, 1), 1.0))

    # -- bursts --------------------------------------------------------------------------------------------

    async def _burst(self) -> None:
        """Ask for a burst from the first missing byte on, and take what comes until it is over or goes
        quiet."""
        link, start = self._link, self._pieces.have
        left = _MADE_UP_BYTES if self._even else max(self._told - start, 0)
        most = min(left // _SMALLEST_PIECE_BYTES + 3, SEQUENCE // 4)
        request = Request(Op.BURST, offset=start, size=self._piece)
        began_s, tries = link.now_s(), 0
        self._burst_seq = link.send(request).seq
        self._burst_numbers = most
        try:
            while not await self._take_burst(link.wait_again_s(tries), clean=not tries):
                if link.now_s() - began_s > link.patience_s and tries:
                    raise link.silent(self._what)
                tries += 1
                again = link.send(request)
                self._burst_numbers = (again.seq - self._burst_seq) % SEQUENCE + most
        finally:
            link.skip_numbers(most)

    async def _take_burst(self, first_wait_s: float, clean: bool) -> bool:
        """True when the burst has brought anything, or the server has said that there is nothing."""
        link = self._link
        begun_s = last_s = link.now_s()
        count, wait_s = 0, first_wait_s
        while not self._pieces.whole:
            packet = await link.hear(wait_s)
            if packet is None:
                return count > 0
            if not self._is_of_burst(packet):
                continue
            last_s = link.now_s()
            if not count:
                if clean:
                    link.answered(last_s - begun_s)
                begun_s = last_s
            count += 1
            if packet.op == Op.NAK:
                self._refused(packet)
                return True
            self._take(packet)
            if packet.burst_complete:
                return True
            # a radio spaces the packets out: it is quiet when several more should have come
            spacing_s = (last_s - begun_s) / count
            wait_s = min(max(link.wait_s, 8 * spacing_s, _LEAST_QUIET_S), link.profile.answer_s)
        return True

    def _is_of_burst(self, packet: Packet) -> bool:
        numbered_on = (packet.seq - self._burst_seq) % SEQUENCE
        return packet.req_op == Op.BURST and 0 < numbered_on <= self._burst_numbers

    def _late(self, packet: Packet) -> None:
        """A packet of the last burst that comes while gaps are filled already."""
        if packet.op == Op.ACK and self._is_of_burst(packet):
            self._take(packet)

    def _take(self, packet: Packet) -> None:
        if packet.op != Op.ACK or packet.size > DATA_BYTES or packet.session != self._link.session:
            return  # noise, or of another file: what is missing will be asked for
        before = self._pieces.have
        self._pieces.take(packet.offset, packet.data)
        if self._pieces.have > before:
            self._tell()

    def _refused(self, packet: Packet) -> None:
        """A NAK instead of a piece. The end of the file is none; a burst that the server cannot do is
        read."""
        if packet.error == Nak.EOF:
            return
        if packet.error == Nak.UNKNOWN_COMMAND and packet.req_op == Op.BURST:
            self._bursts = False
            return
        if packet.error in (Nak.INVALID_SESSION, Nak.NOT_FOUND):
            raise SessionLostError(
                f"{self._what}: the vehicle keeps closing the file; try again", packet.error
            )
        raise error_of(packet, self._what)

    # -- plain reads ---------------------------------------------------------------------------------------

    def _read(self, offset: int, length: int) -> Request:
        size = self._piece if self._even else min(self._piece, length)
        return Request(Op.READ, offset=offset, size=size, answer_bytes=size)

    async def _fill_gaps(self) -> None:
        todo = deque(
            self._read(at, start + length - at)
            for start, length in self._pieces.gaps()
            for at in range(start, start + length, self._piece)
        )
        if todo:
            await self._link.exchange(todo, self._answer, None, self._what, self._late)

    async def _look_for_end(self) -> None:
        """After a burst: is there more? A file whose size is a guess says so itself."""
        if self._pieces.end is None and self._bursts:
            self._eof_at = None
            todo = deque([self._read(self._pieces.have, self._piece)])
            await self._link.exchange(todo, self._answer, 1, self._what, self._late)
            if self._eof_at == self._pieces.have:
                self._pieces.end = self._pieces.have

    async def _read_on(self, most_pieces: int) -> None:
        """What is missing next, by plain reads in order."""
        window = self._link.window(self._piece)
        start, end = self._pieces.have, self._pieces.end
        if end is None:  # a windowful at a time, until the server says that this was all
            most_pieces, end = min(most_pieces, 2 * window), start + 2 * window * self._piece
        offsets = range(start, min(end, start + most_pieces * self._piece), self._piece)
        todo = deque(self._read(at, end - at) for at in offsets)
        await self._link.exchange(todo, self._answer, None, self._what, self._late)
        if self._pieces.end is None and self._eof_at is not None and self._eof_at <= self._pieces.have:
            self._pieces.end = self._pieces.have

    def _answer(self, request: Request, packet: Packet) -> Iterable[Request]:
        if packet.op == Op.NAK:
            if packet.error != Nak.EOF:
                self._refused(packet)
            elif self._pieces.end is None:
                self._eof_at = min(request.offset, self._eof_at or request.offset)
            else:
                raise FileChangedError(
                    f"{self._what}: said to have {self._told} bytes but ends at {request.offset}; it has "
                    "changed meanwhile, try again",
                    packet.error,
                )
            return ()
        if packet.session != self._link.session:
            raise FileAnswerError(
                f"{self._what}: asked in session {self._link.session}, answered in {packet.session}"
            )
        if packet.offset != request.offset:
            raise FileAnswerError(
                f"{self._what}: asked for the bytes at {request.offset}, given those at {packet.offset}"
            )
        if not 0 < len(packet.data) <= request.size:
            raise FileAnswerError(
                f"{self._what}: asked for {request.size} bytes, the vehicle sends {len(packet.data)}"
            )
        self._take(packet)
        short = request.size - len(packet.data)
        if short and not self._even:  # the server sends smaller pieces than we ask for
            return (self._read(request.offset + len(packet.data), short),)
        return ()


def told_size(packet: Packet, path: str) -> int:
    """The size of a file in the answer to OPEN_READ. Raises FileAnswerError."""
    if len(packet.data) < 4:
        raise FileAnswerError(f"get {path}: the vehicle opens it but does not tell its size")
    return int.from_bytes(packet.data[:4], "little")
