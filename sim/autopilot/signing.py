"""Signed MAVLink 2 on the vehicle's side: what ArduPilot signs, believes and refuses (GCS_Signing.cpp).

The simulator's own code, so that station and vehicle can disagree.
"""

from __future__ import annotations

import hashlib

from pymavlink.generator.mavcrc import x25crc

UNITS_PER_S = 100_000
"""Timestamps count ten microseconds since 2015."""
_AHEAD = 60 * UNITS_PER_S
_SIGNED, _HEADER, _CHECKSUM, _SIGNATURE = 1, 10, 2, 13
_MOST_STREAMS = 16
_V2 = 0xFD

Streams = dict[tuple[int, int, int], int]
"""The newest timestamp of each (link id, system, component), for all links of a vehicle."""


def signed(packet: bytes, crc_extra: int, key: bytes, link_id: int, timestamp: int) -> bytes:
    """An unsigned packet of MAVLink 2 with its signature."""
    body = bytearray(packet[:-_CHECKSUM])
    body[2] |= _SIGNED
    crc = x25crc(body[1:])
    crc.accumulate(bytes([crc_extra]))
    body += crc.crc.to_bytes(2, "little") + bytes([link_id & 0xFF]) + timestamp.to_bytes(6, "little")
    return bytes(body) + hashlib.sha256(key + bytes(body)).digest()[:6]


class Signer:
    """The signing of one link: none before a key has been set up."""

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._link_id = 0
        self._timestamp = 0
        self._streams: Streams = {}

    @property
    def on(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def set_up(self, key: bytes, timestamp: int, link_id: int, streams: Streams) -> None:
        """SETUP_SIGNING: take a key; all zeros forget it."""
        self._key = None if timestamp == 0 and not any(key) else key
        self._link_id, self._streams = link_id, streams
        self._timestamp = min(timestamp + _AHEAD, (1 << 48) - 1)

    def sign(self, packet: bytes, crc_extra: int) -> bytes:
        """A packet as it goes out."""
        if self._key is None:
            return packet
        self._timestamp += 1
        return signed(packet, crc_extra, self._key, self._link_id, self._timestamp & ((1 << 48) - 1))

    def believes(self, packet: bytes) -> bool:
        """Whether a packet that came in carries our signature and is not old."""
        if self._key is None:
            return True
        if len(packet) < _HEADER + _CHECKSUM + _SIGNATURE or packet[0] != _V2 or not packet[2] & _SIGNED:
            return False
        if hashlib.sha256(self._key + packet[:-6]).digest()[:6] != packet[-6:]:
            return False
        timestamp = int.from_bytes(packet[-12:-6], "little")
        stream = packet[-13], packet[5], packet[6]
        last = self._streams.get(stream)
        if last is None:
            if len(self._streams) >= _MOST_STREAMS or timestamp + _AHEAD < self._timestamp:
                return False
        elif timestamp <= last:
            return False
        self._streams[stream] = timestamp
        self._timestamp = max(self._timestamp, timestamp)
        return True
