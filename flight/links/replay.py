"""Play a telemetry log to a ground station: the vehicle's packets, as they were, at their own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.links.link import Link, open_link
from flight.logs.tlog import Packet, decode, packets

OnShare = Callable[[float], None]
OnWaiting = Callable[[], None]
ShouldStop = Callable[[], bool]

_POLL_S = 0.05
_LATE_S = 0.5


@dataclass(frozen=True)
class Recording:
    """The bounds of a telemetry log, and who in it is a ground station."""

    path: Path
    first_us: int
    last_us: int
    stations: frozenset[tuple[int, int]]

    @property
    def duration_s(self) -> float:
        """From the first to the last packet."""
        return (self.last_us - self.first_us) / 1e6

    def plays(self, packet: Packet) -> bool:
        """True for packets of vehicles: what a station sent stays out, or it would hear itself."""
        return (packet.sysid, packet.compid) not in self.stations


@dataclass(frozen=True)
class Played:
    """What a replay was."""

    packets: int
    from_s: float
    until_s: float


def open_recording(path: Path) -> Recording:
    """Look a telemetry log through. Raises LogError."""
    first_us, last_us = None, 0
    stations: set[tuple[int, int]] = set()
    beats: set[tuple[int, int]] = set()
    for packet in packets(path):
        first_us = packet.time_us if first_us is None else first_us
        last_us = max(last_us, packet.time_us)
        source = (packet.sysid, packet.compid)
        if packet.message_id == mavlink.MAVLINK_MSG_ID_HEARTBEAT and source not in beats:
            beats.add(source)
            message = decode(packet)
            if message is not None and message.type == mavlink.MAV_TYPE_GCS:
                stations.add(source)
    return Recording(path, first_us or 0, last_us, frozenset(stations))


async def play(
    recording: Recording,
    address: str,
    *,
    speed: float = 1.0,
    from_s: float = 0.0,
    on_share: OnShare | None = None,
    on_waiting: OnWaiting | None = None,
    should_stop: ShouldStop | None = None,
) -> Played:
    """Send a recording's packets to an address, `speed` times as fast as they came, from `from_s` on.

    A listening address (tcpin, udpin) waits until somebody is there. Returns what was sent, which is less
    than all when `should_stop` said so. Raises AddressError, LinkError, and LogError for a start beyond the
    end.
    """
    if not 0 <= from_s < max(recording.duration_s, 1e-6):
        raise LogError(
            f"{recording.path}: lasts {recording.duration_s:.0f} s; it cannot be played from {from_s:g} s"
        )
    stop = should_stop or (lambda: False)
    link = await open_link(address, lambda _: None)
    try:
        if not await _somebody_listens(link, on_waiting, stop):
            return Played(0, from_s, from_s)
        return await _play(recording, link, speed, from_s, on_share, stop)
    finally:
        await asyncio.sleep(0)  # the last packets leave before the socket closes
        await link.close()


async def _somebody_listens(link: Link, on_waiting: OnWaiting | None, stop: ShouldStop) -> bool:
    if not link.connected and on_waiting is not None:
        on_waiting()
    while not link.connected:
        if stop():
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _play(
    recording: Recording,
    link: Link,
    speed: float,
    from_s: float,
    on_share: OnShare | None,
    stop: ShouldStop,
) -> Played:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    start_us = recording.first_us + round(from_s * 1e6)
    sent, now_s = 0, from_s
    for packet in packets(recording.path):
        if packet.time_us < start_us or not recording.plays(packet):
            continue
        now_s = (packet.time_us - recording.first_us) / 1e6
        due_s = began_s + (packet.time_us - start_us) / 1e6 / speed
        while (wait_s := due_s - loop.time()) > 0:
            if stop():
                return Played(sent, from_s, now_s)
            await asyncio.sleep(min(wait_s, _POLL_S))
        if wait_s < -_LATE_S:
            began_s -= wait_s  # held up (a suspended machine): go on from here instead of in a burst
        link.write(packet.data)
        sent += 1
        if sent % 32 == 0:
            await asyncio.sleep(0)
            if stop():
                break
        if on_share is not None:
            on_share(now_s / max(recording.duration_s, 1e-6))
    return Played(sent, from_s, now_s)
