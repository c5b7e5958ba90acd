"""Requests to a file server over a link that loses messages: asked again after time-outs that follow the
link, several on the way at once, within a budget of bytes that leaves room for telemetry.

The protocol: a request has a sequence number, its answer that number plus one. A request that gets no answer
is sent again as it was, so that the server can tell it from a new one. The data of a burst are numbered on.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FileAnswerError, FileServerSilentError, NoFileServerError
from flight.ftp.packets import DATA_BYTES, SEQUENCE, Op, Packet, error_of, pack, unpack
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message

_LEAST_WAIT_S = 0.05
"""The protocol's own recommendation for a time-out."""
_FRAME_BYTES = 12 + 3 + 12
"""Of a message without file data: frame, addresses, header of the payload (trailing noughts do not
travel)."""
_MOST_BACKOFF = 2.0
_TRIES = 12
_WINDOW = 4
_LEAST_WINDOW, _MOST_WINDOW = 2, 32
_LOST_WHEN_OVERTAKEN = 3
"""A request is asked again at once when so many that were sent after it have been answered (as TCP does)."""


class Budget:
    """Bytes per second that may be spent; a second's worth may be saved up, a message's worth owed."""

    def __init__(self, bytes_per_s: float | None, now_s: Callable[[], float]) -> None:
        self._rate = bytes_per_s
        self._now_s = now_s
        self._free_s = now_s()

    def spend(self, size_bytes: int) -> None:
        """Bytes that have been, or will be, on the link."""
        if self._rate is not None:
            self._free_s = max(self._free_s, self._now_s() - 1.0) + size_bytes / self._rate

    @property
    def wait_s(self) -> float:
        """How long until more may be spent; 0 for now."""
        return 0.0 if self._rate is None else max(0.0, self._free_s - self._now_s())


@dataclass(frozen=True, slots=True)
class Request:
    """Something to ask the server. `answer_bytes` is the file data that its answer will carry."""

    op: Op
    data: bytes = b""
    offset: int = 0
    size: int = 0
    answer_bytes: int = 0


@dataclass(slots=True)
class _OnTheWay:
    request: Request
    packet: Packet
    sent_s: float
    due_s: float
    tries: int = 0
    overtaken: int = 0


OnAnswer = Callable[[Request, Packet], Iterable[Request]]
"""Takes the answer to a request; gives what to ask next because of it. May raise."""


class FtpLink:
    """The way to one file server (a component of a vehicle). One transfer at a time."""

    def __init__(self, vehicle: Vehicle, inbox: Inbox, compid: int, share: float = 1.0) -> None:
        self._vehicle = vehicle
        self._inbox = inbox
        self._compid = compid
        self._seq = random.randrange(SEQUENCE)
        self._heard = False
        self.session = 0
        """The session that the server gave us last; it goes with every request."""
        self.profile = vehicle.profile
        self.now_s = vehicle.now_s
        rate = vehicle.profile.file_bytes_per_s
        self._rate = None if rate is None else share * rate
        self.budget = Budget(self._rate, vehicle.now_s)

    @property
    def name(self) -> str:
        """Who is spoken to, for messages to a person."""
        return f"vehicle {self._vehicle.sysid}"

    @property
    def wait_s(self) -> float:
        """How long to wait for an answer before asking again."""
        return self._vehicle.wait_s(_LEAST_WAIT_S)

    def wait_again_s(self, times: int) -> float:
        """The same after having asked again so many times. Little longer: what gets lost on a radio is not
        lost for want of room, which the budget sees to."""
        return self.wait_s * min(1.3**times, _MOST_BACKOFF)

    def answered(self, seconds: float) -> None:
        """An answer to a request that was sent once took so long."""
        self._vehicle.answered(seconds)

    @property
    def patience_s(self) -> float:
        """After this long without anything new a transfer is given up: a dozen tries, where two in three get
        lost, fail once in a hundred times."""
        return max(self.profile.tries * self.profile.answer_s, _TRIES * self.wait_s)

    def window(self, message_bytes: int) -> int:
        """How many requests may be on the way: ArduPilot queues five and drops more, but where a budget
        spaces them out, as many as fit into the time that an answer takes."""
        if self._rate is None:
            return _WINDOW
        fitting = math.ceil(self.wait_s * self._rate / (2 * _FRAME_BYTES + message_bytes)) + 1
        return min(max(fitting, _LEAST_WINDOW), _MOST_WINDOW)

    # -- messages ------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Packet:
        """Send a request once, under a new number."""
        packet = Packet(
            self._seq,
            self.session,
            request.op,
            request.size or len(request.data),
            offset=request.offset,
            data=request.data,
        )
        self._seq = (self._seq + 1) % SEQUENCE
        self._put(packet, request.answer_bytes)
        return packet

    def _put(self, packet: Packet, answer_bytes: int) -> None:
        self.budget.spend(2 * _FRAME_BYTES + len(packet.data) + answer_bytes)
        self._vehicle.send(
            mavlink.MAVLink_file_transfer_protocol_message(0, self._vehicle.sysid, self._compid, pack(packet))
        )

    def skip_numbers(self, count: int) -> None:
        """Leave out numbers that the server has used up in a burst: a request whose answer would bear the
        number of its last answer it would take for that request asked again."""
        self._seq = (self._seq + count) % SEQUENCE

    async def hear(self, timeout_s: float) -> Packet | None:
        """The server's next packet, None after `timeout_s`."""
        for message in self._inbox.drain():
            if self._is_ours(message):
                return self._read(message)
        message = await self._inbox.next(self._is_ours, timeout_s) if timeout_s > 0 else None
        return None if message is None else self._read(message)

    async def pause(self, seconds: float) -> None:
        """Give the server time; what it says meanwhile is old and let go."""
        until_s = self.now_s() + seconds
        while (left_s := until_s - self.now_s()) > 0:
            await self.hear(left_s)

    def _is_ours(self, message: Message) -> bool:
        return (
            message.get_msgId() == mavlink.MAVLINK_MSG_ID_FILE_TRANSFER_PROTOCOL
            and message.get_srcComponent() == self._compid
            and message.target_system in (0, self._vehicle.station.sysid)
        )

    def _read(self, message: Message) -> Packet:
        self._heard = True
        return unpack(bytes(message.payload))

    # -- one request ---------------------------------------------------------------------------------------

    async def ask(self, request: Request, what: str, patience_s: float | None = None) -> Packet:
        """Ask until the answer comes. Raises the typed FileError of a NAK, FileServerSilentError,
        NoFileServerError, FileAnswerError."""
        found: list[Packet] = []

        def take(_: Request, packet: Packet) -> Iterable[Request]:
            if packet.op == Op.NAK:
                raise error_of(packet, what)
            found.append(packet)
            return ()

        await self.exchange(deque([request]), take, 1, what, patience_s=patience_s)
        self.session = found[0].session
        return found[0]

    # -- many requests -------------------------------------------------------------------------------------

    async def exchange(
        self,
        todo: deque[Request],
        take: OnAnswer,
        window: int | None,
        what: str,
        stray: Callable[[Packet], None] | None = None,
        patience_s: float | None = None,
    ) -> None:
        """Ask all that is in `todo`, `window` requests on the way at once (None: as the link lets). `take`
        gets every answer, NAKs too; `stray` what else comes. Raises what `take` raises, and as `ask` does
        when the server falls silent."""
        waiting: dict[int, _OnTheWay] = {}
        news_s = self.now_s()
        size = max((len(request.data) + request.answer_bytes for request in todo), default=0)
        fixed = window
        while todo or waiting:
            window = fixed or self.window(size)
            while todo and len(waiting) < window and not self.budget.wait_s:
                request = todo.popleft()
                packet = self.send(request)
                now_s = self.now_s()
                due_s = now_s + self.budget.wait_s + self.wait_s
                waiting[(packet.seq + 1) % SEQUENCE] = _OnTheWay(request, packet, now_s, due_s)
            now_s = self.now_s()
            soonest_s = min((w.due_s for w in waiting.values()), default=now_s + self.patience_s)
            if todo and len(waiting) < window:
                soonest_s = min(soonest_s, now_s + self.budget.wait_s)
            answer = await self.hear(max(soonest_s - now_s, 0.0005))
            now_s = self.now_s()
            if answer is not None:
                asked = waiting.get(answer.seq)
                if asked is None or answer.req_op != asked.request.op:
                    if stray is not None:
                        stray(answer)
                else:
                    del waiting[answer.seq]
                    if not asked.tries:
                        self.answered(now_s - asked.sent_s)
                        _overtake(waiting.values(), asked.sent_s, now_s)
                    _check(answer, what)
                    todo.extendleft(take(asked.request, answer))
                    news_s = now_s
            late = [w for w in waiting.values() if w.due_s <= now_s]
            if late and now_s - news_s > (patience_s or self.patience_s) and all(w.tries for w in late):
                raise self.silent(what)
            self._ask_again(late, now_s)

    def _ask_again(self, late: list[_OnTheWay], now_s: float) -> None:
        for asked in late:
            if self.budget.wait_s:
                asked.due_s = now_s + self.budget.wait_s
                continue
            self._put(asked.packet, asked.request.answer_bytes)
            asked.tries += 1
            asked.due_s = now_s + self.budget.wait_s + self.wait_again_s(asked.tries)

    def silent(self, what: str) -> Exception:
        """The error for a server that does not answer (any more)."""
        if not self._heard:
            return NoFileServerError(
                f"{what}: {self.name} does not answer file requests; it has no file transfer (MAVFTP), or "
                "the link is bad"
            )
        return FileServerSilentError(f"{what}: {self.name} stopped answering; run the same again to go on")


def _overtake(waiting: Iterable[_OnTheWay], sent_s: float, now_s: float) -> None:
    """A request sent at a moment has been answered: those sent before it may be lost."""
    for earlier in waiting:
        if earlier.sent_s < sent_s and not earlier.tries:
            earlier.overtaken += 1
            if earlier.overtaken == _LOST_WHEN_OVERTAKEN:
                earlier.due_s = now_s


def _check(answer: Packet, what: str) -> None:
    if answer.op not in (Op.ACK, Op.NAK):
        raise FileAnswerError(f"{what}: the vehicle's answer is neither yes nor no (code {answer.op})")
    if answer.size > DATA_BYTES:
        raise FileAnswerError(f"{what}: the vehicle's answer claims {answer.size} bytes; {DATA_BYTES} fit")
