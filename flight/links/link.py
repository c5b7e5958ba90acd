"""Links: where bytes come from and go to. Addresses in the forms that QGroundControl, MAVSDK and pymavlink
users know."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import serial

from flight.errors import AddressError, LinkError
from flight.wire import source_of, target_of

OnBytes = Callable[[bytes], None]


class Ear:
    """What hears a link. Where several may connect, each gets one of its own: a packet may come in two parts,
    and those of others must not get in between."""

    def __init__(self, make: Callable[[], OnBytes]) -> None:
        self.another = make
        """Gives a fresh one."""
        self._on_bytes = make()

    def __call__(self, data: bytes) -> None:
        """Bytes have come."""
        self._on_bytes(data)


_RECONNECT_S = 1.0
_WAITING_BYTES = 4 << 20
"""What may wait in the system while this machine is busy with something else: seconds of a fast vehicle,
which by default would lose what comes after 280 messages. The system may grant less."""
_PEER_MEMORY = 128
"""A fleet whose vehicles each have a port of their own is answered whole."""
_BACKLOG_BYTES = 256 * 1024
"""What waits at most for a side that does not keep up, per peer: beyond it, messages are lost and counted."""
_BACKLOG_MESSAGES = 1024
"""The same for a serial port, in writes."""


@dataclass(frozen=True)
class Address:
    """A parsed address. `kind`: udpin, udpout, tcp, tcpin, serial; `host` is the device of a serial port."""

    kind: str
    host: str
    port: int = 0
    baud: int = 57600

    def __str__(self) -> str:
        tail = self.baud if self.kind == "serial" else self.port
        return f"{self.kind}:{self.host}:{tail}"


_KINDS = {
    "udp": "udpin",
    "udpin": "udpin",
    "udpout": "udpout",
    "tcp": "tcp",
    "tcpout": "tcp",
    "tcpin": "tcpin",
    "serial": "serial",
}
_FORMS = "udp:HOST:PORT, udpout:HOST:PORT, tcp:HOST:PORT, tcpin:HOST:PORT, serial:DEVICE:BAUD"


def parse_address(text: str) -> Address:
    """Read an address: udp: and udpin: listen, udpout: sends first, tcp: connects, tcpin: listens,
    serial:DEV:BAUD or a bare device path; the udp://, tcp://, serial:// forms of MAVSDK too.

    Raises AddressError that names the address and the forms.
    """
    text = text.strip()
    if re.match(r"^(/dev/|COM\d+)", text):
        device, _, baud = text.partition(",")
        return Address("serial", device, baud=_number(baud or "57600", text))
    kind, separator, rest = text.partition(":")
    kind = _KINDS.get(kind.lower(), "")
    if not kind or not separator:
        raise AddressError(f"address {text!r} is not understood; use one of: {_FORMS}")
    rest = rest.removeprefix("//")
    host, _, tail = rest.rpartition(":")
    if kind == "serial":
        if not rest:
            raise AddressError(f"address {text!r} names no device; use serial:DEVICE:BAUD")
        if not host:
            return Address("serial", rest)
        return Address("serial", host, baud=_number(tail, text))
    if not host and tail and not rest.startswith(":"):
        raise AddressError(f"address {text!r} has no port; use one of: {_FORMS}")
    port = _number(tail, text)
    if not 0 <= port <= 65535:
        raise AddressError(f"address {text!r}: a port is 1 to 65535")
    if not host:
        host = "0.0.0.0" if kind in ("udpin", "tcpin") else "127.0.0.1"
    return Address(kind, host.strip("[]"), port)


def _number(text: str, whole: str) -> int:
    if not text.isdigit():
        raise AddressError(f"address {whole!r}: {text or 'nothing'!r} is not a number; use one of: {_FORMS}")
    return int(text)


class Link(Protocol):
    """An open link. `write` never blocks; what a dead link cannot take is lost, as on any radio."""

    address: Address
    dropped: int
    """How many writes were lost because the other side did not keep up."""

    @property
    def connected(self) -> bool:
        """Whether bytes written now have somewhere to go."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def close(self) -> None:
        """Let go of the socket or device."""
        ...


async def open_link(text: str, on_bytes: OnBytes) -> Link:
    """Open a link on the running loop; `on_bytes` is called there with what comes in.

    A TCP client keeps trying to connect in the background. Raises AddressError for an address that
    cannot be read, LinkError for one that cannot be bound or opened.
    """
    address = parse_address(text)
    try:
        if address.kind in ("udpin", "udpout"):
            return await _UdpLink.open(address, on_bytes)
        if address.kind == "tcp":
            return _TcpClientLink(address, on_bytes)
        if address.kind == "tcpin":
            return await _TcpServerLink.open(address, on_bytes)
        return _SerialLink(address, on_bytes)
    except (OSError, serial.SerialException) as error:
        raise LinkError(f"{text}: cannot be opened ({error.strerror or error}); is it in use?") from None


def _has_room(transport: asyncio.WriteTransport | asyncio.DatagramTransport) -> bool:
    size: int = transport.get_write_buffer_size()  # type: ignore[union-attr]  # datagram transports have it too
    return size < _BACKLOG_BYTES


class _UdpLink(asyncio.DatagramProtocol):
    """Listening: answers to those heard lately, what is for one system only to where it was heard. Sending
    first: one fixed peer."""

    def __init__(self, address: Address, on_bytes: OnBytes) -> None:
        self.address = address
        self._on_bytes = on_bytes
        self._peers: dict[tuple[str, int], set[int]] = {}
        self.dropped = 0
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: Address, on_bytes: OnBytes) -> _UdpLink:
        link = cls(address, on_bytes)
        loop = asyncio.get_running_loop()
        if address.kind == "udpin":
            place = (address.host, address.port)
            transport, _ = await loop.create_datagram_endpoint(lambda: link, local_addr=place)
        else:
            place = (address.host, address.port)
            transport, _ = await loop.create_datagram_endpoint(lambda: link, remote_addr=place)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING_BYTES)
        link._transport = transport
        return link

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.address.kind == "udpin":
            systems = self._peers.pop(addr, set())
            systems.add(source_of(data))
            self._peers[addr] = systems
            while len(self._peers) > _PEER_MEMORY:
                self._peers.pop(next(iter(self._peers)))
        self._on_bytes(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP refusal: the peer is not there yet; the next packet tries again."""

    @property
    def connected(self) -> bool:
        return self.address.kind == "udpout" or bool(self._peers)

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not _has_room(self._transport):
            self.dropped += 1
            return
        if self.address.kind == "udpout":
            self._transport.sendto(data)
            return
        target = target_of(data)
        there = [peer for peer, systems in self._peers.items() if target in systems] if target else []
        for peer in there or self._peers:
            self._transport.sendto(data, peer)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await asyncio.sleep(0)


class _TcpClientLink:
    """Connects, and connects again whenever the other side is gone."""

    def __init__(self, address: Address, on_bytes: OnBytes) -> None:
        self.address = address
        self._on_bytes = on_bytes
        self.dropped = 0
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
                continue
            self._writer = writer
            try:
                while data := await reader.read(65536):
                    self._on_bytes(data)
            except OSError:
                pass  # reset by the other side: the loop connects again
            finally:
                self._writer = None
                writer.close()
            await asyncio.sleep(_RECONNECT_S)

    @property
    def connected(self) -> bool:
        return self._writer is not None

    def write(self, data: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            if _has_room(self._writer.transport):
                self._writer.write(data)
            else:
                self.dropped += 1

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _TcpServerLink:
    """Listens; talks to everybody who connects."""

    def __init__(self, address: Address, on_bytes: OnBytes) -> None:
        self.address = address
        self._on_bytes = on_bytes
        self.dropped = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, address: Address, on_bytes: OnBytes) -> _TcpServerLink:
        link = cls(address, on_bytes)
        link._server = await asyncio.start_server(link._serve, address.host, address.port)
        return link

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        on_bytes = self._on_bytes.another() if isinstance(self._on_bytes, Ear) else self._on_bytes
        try:
            while data := await reader.read(65536):
                on_bytes(data)
        except OSError:
            pass  # the client went away
        finally:
            self._writers.discard(writer)
            writer.close()

    @property
    def connected(self) -> bool:
        return bool(self._writers)

    def write(self, data: bytes) -> None:
        for writer in self._writers:
            if writer.is_closing():
                continue
            if _has_room(writer.transport):
                writer.write(data)
            else:
                self.dropped += 1

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)


class _SerialLink:
    """A serial port, read and written by threads of its own, because a write may block for long; opened again
    when the radio is plugged in again."""

    def __init__(self, address: Address, on_bytes: OnBytes) -> None:
        self.address = address
        self._on_bytes = on_bytes
        self._loop = asyncio.get_running_loop()
        self._port: serial.Serial | None = serial.Serial(
            address.host, address.baud, timeout=0.1, write_timeout=0.5
        )
        self.dropped = 0
        self._stop = threading.Event()
        self._out: queue.Queue[bytes | None] = queue.Queue(_BACKLOG_MESSAGES)
        self._threads = [
            threading.Thread(target=work, name=f"serial {address.host} {name}", daemon=True)
            for name, work in (("in", self._run), ("out", self._run_out))
        ]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            port = self._port
            try:
                if port is None:
                    self._port = serial.Serial(
                        self.address.host, self.address.baud, timeout=0.1, write_timeout=0.5
                    )
                    continue
                data = port.read(max(1, port.in_waiting))
            except (OSError, serial.SerialException, TypeError):
                self._port = None  # unplugged
                self._stop.wait(_RECONNECT_S)
                continue
            if data and not self._stop.is_set():
                self._loop.call_soon_threadsafe(self._on_bytes, bytes(data))

    @property
    def connected(self) -> bool:
        return self._port is not None

    def write(self, data: bytes) -> None:
        if self._port is None:
            return
        try:
            self._out.put_nowait(data)
        except queue.Full:
            self.dropped += 1

    def _run_out(self) -> None:
        while not self._stop.is_set():
            data, port = self._out.get(), self._port
            if port is None or data is None:
                continue
            try:
                port.write(data)
            except serial.SerialTimeoutException:
                self.dropped += 1  # the radio takes nothing for now
            except (OSError, serial.SerialException):
                self._port = None  # the reader thread opens it again

    async def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(queue.Full):  # a thread with work to do sees `_stop` by itself
            self._out.put_nowait(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 2.0)
        if self._port is not None:
            self._port.close()
