"""Sockets that the simulated vehicles talk through: TCP and UDP, waiting or calling first."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from sim.errors import ListenError

_BACKLOG_BYTES = 256 * 1024
_DATAGRAM_BYTES = 1400
_RETRY_S = 1.0


@dataclass(frozen=True)
class Address:
    """A parsed listen address. `kind` is tcpin, tcp, udpin or udpout."""

    kind: str
    host: str
    port: int


_KINDS = {"tcpin": "tcpin", "tcp": "tcp", "udp": "udpin", "udpin": "udpin", "udpout": "udpout"}


def parse_address(url: str) -> Address:
    """An address of DESIGN's form, also with `//`. Raises ListenError."""
    match = re.fullmatch(r"([a-z]+):(?://)?([^:/]*):(\d+)/?", url.strip())
    if match is None or match[1] not in _KINDS or not 0 <= int(match[3]) <= 65535:
        raise ListenError(
            f"listen address {url!r} is not understood; take tcpin:HOST:PORT, tcp:HOST:PORT, "
            "udpin:HOST:PORT or udpout:HOST:PORT"
        )
    return Address(_KINDS[match[1]], match[2] or "127.0.0.1", int(match[3]))


class Link:
    """What the server asks of a link. `generation` grows when another client has taken over."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.generation = 0

    def sockets(self) -> list[socket.socket]:
        """What to wait on for input."""
        raise NotImplementedError

    def read(self) -> list[bytes]:
        """Everything that has come in; never blocks."""
        raise NotImplementedError

    def write(self, data: bytes, droppable: bool) -> None:
        """Queue one message. Droppable ones are lost when the client does not keep up."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what is queued; never blocks."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the sockets."""
        raise NotImplementedError

    def connect_url(self) -> str:
        """The address a station uses to get here."""
        raise NotImplementedError


def open_link(url: str) -> Link:
    """Open a listen address. Raises ListenError when the machine refuses it."""
    address = parse_address(url)
    classes = {"tcpin": TcpServer, "tcp": TcpClient, "udpin": UdpServer, "udpout": UdpClient}
    try:
        return classes[address.kind](address)
    except OSError as err:
        raise ListenError(f"{url}: cannot be opened ({err.strerror or err}); choose another address") from err


class _Tcp(Link):
    """A byte stream to at most one client."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._client: socket.socket | None = None
        self._out = bytearray()

    def _adopt(self, client: socket.socket) -> None:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._out.clear()
        self.generation += 1

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self._out.clear()

    def read(self) -> list[bytes]:
        """Input of the client; a closed connection is noticed here."""
        chunks: list[bytes] = []
        while self._client is not None:
            try:
                data = self._client.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                self._drop()
                break
            if not data:
                self._drop()
                break
            chunks.append(data)
        return chunks

    def write(self, data: bytes, droppable: bool) -> None:
        """Queue for the client, if there is one."""
        if self._client is None or (droppable and len(self._out) > _BACKLOG_BYTES):
            return
        if len(self._out) > 8 * _BACKLOG_BYTES:
            self._drop()  # a client that has not read for this long is gone
            return
        self._out += data

    def flush(self) -> None:
        """Send as much as the client takes."""
        if self._client is None or not self._out:
            return
        try:
            sent = self._client.send(self._out)
            del self._out[:sent]
        except BlockingIOError:
            return
        except OSError:
            self._drop()

    def close(self) -> None:
        """Close the connection."""
        self._drop()


class TcpServer(_Tcp):
    """Waits for a station. One at a time, as ArduPilot's SITL: a second one is connected by the operating
    system but gets no data until the first is gone."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._server = socket.create_server((address.host, address.port), backlog=4, reuse_port=False)
        self._server.setblocking(False)

    def sockets(self) -> list[socket.socket]:
        """The client, or the server that waits for one."""
        return [self._client] if self._client is not None else [self._server]

    def read(self) -> list[bytes]:
        """Input; accepts the next client when there is none."""
        if self._client is None:
            try:
                client, _ = self._server.accept()
            except BlockingIOError:
                return []
            self._adopt(client)
        return super().read()

    def close(self) -> None:
        """Close both sockets."""
        super().close()
        self._server.close()

    def connect_url(self) -> str:
        """tcp:HOST:PORT with the real port."""
        host, port = self._server.getsockname()[:2]
        return f"tcp:{host}:{port}"


class TcpClient(_Tcp):
    """Calls a station that listens, again and again until it answers."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._next_try = 0.0

    def sockets(self) -> list[socket.socket]:
        """The connection, if there is one."""
        return [self._client] if self._client is not None else []

    def read(self) -> list[bytes]:
        """Input; tries to connect once a second when there is no connection."""
        if self._client is None and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + _RETRY_S
            try:
                self._adopt(socket.create_connection((self.address.host, self.address.port), timeout=0.5))
            except OSError:
                return []
        return super().read()

    def connect_url(self) -> str:
        """The station is the one that listens here."""
        return f"tcpin:{self.address.host}:{self.address.port}"


class _Udp(Link):
    """Datagrams to one peer; several messages travel in one datagram."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peer: tuple[str, int] | None = None
        self._out: list[bytes] = []

    def sockets(self) -> list[socket.socket]:
        """The one socket."""
        return [self._socket]

    def read(self) -> list[bytes]:
        """Datagrams; answers go to whoever spoke last."""
        chunks: list[bytes] = []
        while True:
            try:
                data, peer = self._socket.recvfrom(65536)
            except BlockingIOError:
                return chunks
            except OSError:  # an unreachable peer shows up here on some systems
                return chunks
            if peer != self._peer:
                self._peer = peer
                self.generation += 1
            chunks.append(data)

    def write(self, data: bytes, droppable: bool) -> None:
        """Queue for the peer, if one is known."""
        if self._peer is not None:
            self._out.append(data)

    def flush(self) -> None:
        """Send the queue, packed into datagrams."""
        while self._out:
            packet = b""
            while self._out and len(packet) + len(self._out[0]) <= _DATAGRAM_BYTES:
                packet += self._out.pop(0)
            try:
                self._socket.sendto(packet, self._peer)  # type: ignore[arg-type]
            except OSError:
                self._out.clear()  # nobody there or no room: datagrams are lost, as on any radio

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class UdpServer(_Udp):
    """Waits for a station's first datagram."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        try:
            self._socket.bind((address.host, address.port))
        except OSError:
            self._socket.close()
            raise

    def connect_url(self) -> str:
        """udpout:HOST:PORT with the real port."""
        host, port = self._socket.getsockname()[:2]
        return f"udpout:{host}:{port}"


class UdpClient(_Udp):
    """Sends first."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._peer = (socket.gethostbyname(address.host), address.port)

    def connect_url(self) -> str:
        """The station is the one that listens here."""
        return f"udpin:{self.address.host}:{self.address.port}"
