"""MAVLink 2 message signing: functions over packets and keys, and the state that a station keeps for it.

After the MAVLink guide's message_signing page: a signed packet ends in a link id, a 48-bit timestamp (10 us
steps since 2015-01-01) and the first 6 bytes of SHA-256(key, packet, link id, timestamp). Timestamps grow
with every packet of a (system, component, link id). Keys stay out of every log, journal and message:
`SigningKey` prints as a name, and SETUP_SIGNING, which carries one, is neither recorded nor forwarded.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import SigningError
from flight.signing.clock import SigningClock

KEY_BYTES = 32
SETUP_SIGNING = mavlink.MAVLINK_MSG_ID_SETUP_SIGNING
_V1, _V2 = mavlink.PROTOCOL_MARKER_V1, mavlink.PROTOCOL_MARKER_V2
_HEAD, _HEAD_V1 = mavlink.HEADER_LEN_V2, mavlink.HEADER_LEN_V1
_BLOCK = mavlink.MAVLINK_SIGNATURE_BLOCK_LEN
_SIGNED = mavlink.MAVLINK_IFLAG_SIGNED
_HASH_BYTES = 6
_NEW_STREAM_BEHIND = 60 * 100_000
"""A sender not heard before may be this far behind us: one minute."""

RADIO_REPORTS = frozenset({mavlink.MAVLINK_MSG_ID_RADIO_STATUS, mavlink.MAVLINK_MSG_ID_RADIO})
"""What a telemetry radio injects by itself; radios know no keys."""

Streams = MutableMapping[tuple[int, int, int], int]
"""The newest timestamp by (system, component, link id)."""


class SigningKey:
    """32 secret bytes. They show in no repr, and cannot be pickled into a log."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise SigningError(f"a signing key has {KEY_BYTES} bytes, not {len(secret)}")
        if not any(secret):
            raise SigningError(
                "a signing key of zeros means no signing; make one with: missionctl sign new-key"
            )
        self._secret = bytes(secret)

    @classmethod
    def random(cls) -> SigningKey:
        """A key that nobody can guess."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_passphrase(cls, passphrase: str) -> SigningKey:
        """The key that QGroundControl, Mission Planner and MAVProxy make of a passphrase: its SHA-256."""
        if not passphrase:
            raise SigningError("the passphrase is empty")
        return cls(hashlib.sha256(passphrase.encode("utf-8")).digest())

    @property
    def name(self) -> str:
        """Tells keys apart and gives none away."""
        return hashlib.sha256(b"missionctl key name" + self._secret).hexdigest()[:8]

    def signature(self, data: bytes) -> bytes:
        """The six bytes that prove the key."""
        return hashlib.sha256(self._secret + data).digest()[:_HASH_BYTES]

    def reveal(self) -> bytes:
        """The secret, for the vehicle's ears and the key file only."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"SigningKey({self.name})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled")


# -- key files -----------------------------------------------------------------------------------------------


def write_key(file: Path, key: SigningKey) -> None:
    """A new key file that only its owner can read. Raises SigningError: it exists, or lies where it would be
    handed on (a mission folder, a git repository)."""
    for folder in file.absolute().parents:
        for sign, what in (("mission.toml", "a mission folder"), (".git", "a git repository")):
            if (folder / sign).exists():
                raise SigningError(
                    f"{file}: lies in {what}, which is handed on; keep keys elsewhere, as ~/drones.key"
                )
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SigningError(f"{file}: exists; a key is never written over, choose another name") from None
    except OSError as error:
        raise SigningError(f"{file}: cannot be written ({error.strerror})") from None
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(key.reveal().hex() + "\n")
        out.flush()
        os.fsync(out.fileno())


def read_key(file: Path) -> SigningKey:
    """The key in a file. Raises SigningError, also when others may read the file."""
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise SigningError(f"{file}: others can read this key; make it yours alone: chmod 600 {file}")
        text = file.read_text(encoding="ascii").strip()
        secret = bytes.fromhex(text)
    except OSError as error:
        raise SigningError(f"{file}: cannot be read ({error.strerror}); name a key file") from None
    except ValueError:
        raise SigningError(f"{file}: is not a key file; make one with: missionctl sign new-key") from None
    if len(secret) != KEY_BYTES:
        raise SigningError(f"{file}: is not a key file; make one with: missionctl sign new-key")
    return SigningKey(secret)


# -- packets -------------------------------------------------------------------------------------------------


def is_signed(packet: bytes) -> bool:
    """Whether a whole packet carries a signature."""
    return packet[0] == _V2 and bool(packet[2] & _SIGNED) and len(packet) >= _HEAD + 2 + _BLOCK


def sign(packet: bytes, key: SigningKey, link_id: int, timestamp: int) -> bytes:
    """A whole, valid packet with a signature: MAVLink 1 becomes 2, an old signature gives way.

    The checksum covers the flag that says "signed", so it is made anew; of a message that is not in our
    dialect, the byte that goes into it (CRC_EXTRA) is found from the old checksum.
    """
    if packet[0] == _V1:
        extra = _crc_extra(packet[5], packet[1:-2], packet[-2:])
        payload = packet[_HEAD_V1:-2].rstrip(b"\0") or packet[_HEAD_V1 : _HEAD_V1 + 1]
        head = bytes((len(payload), _SIGNED, 0, *packet[2:6], 0, 0))
    else:
        end = _HEAD + packet[1]
        extra = _crc_extra(int.from_bytes(packet[7:10], "little"), packet[1:end], packet[end : end + 2])
        payload = packet[_HEAD:end]
        head = bytes((packet[1], packet[2] | _SIGNED)) + packet[3:_HEAD]
    body = head + payload
    crc = mavlink.x25crc(body + bytes((extra,))).crc
    covered = (
        bytes((_V2,)) + body + crc.to_bytes(2, "little") + bytes((link_id,)) + timestamp.to_bytes(6, "little")
    )
    return covered + key.signature(covered)


def _crc_extra(message_id: int, covered: bytes, checksum: bytes) -> int:
    known = mavlink.mavlink_map.get(message_id)
    if known is not None:
        return int(known.crc_extra)
    wanted = int.from_bytes(checksum, "little")
    for extra in range(256):
        if mavlink.x25crc(covered + bytes((extra,))).crc == wanted:
            return extra
    raise ValueError(f"message {message_id}: its checksum fits nothing")


def verify(packet: bytes, key: SigningKey) -> bool:
    """Whether a packet's signature is of this key. Says nothing about its age."""
    return is_signed(packet) and hmac.compare_digest(
        key.signature(packet[:-_HASH_BYTES]), packet[-_HASH_BYTES:]
    )


def timestamp_of(packet: bytes) -> int:
    """The timestamp of a signed packet."""
    return int.from_bytes(packet[-12:-6], "little")


class Verdict(StrEnum):
    """What a station makes of a packet that came."""

    GOOD = "good"
    UNSIGNED_ALLOWED = "unsigned, allowed"
    UNSIGNED = "unsigned"
    BAD = "bad signature"
    OLD = "old or replayed"

    @property
    def passes(self) -> bool:
        """Whether its message is heard."""
        return self in (Verdict.GOOD, Verdict.UNSIGNED_ALLOWED)


@dataclass(frozen=True)
class UnsignedRule:
    """Which packets need no signature: those of radios, and all where `everything` says so."""

    message_ids: frozenset[int] = RADIO_REPORTS
    everything: bool = False

    def allows(self, message_id: int) -> bool:
        """Whether this message may come unsigned."""
        return self.everything or message_id in self.message_ids


def judge(
    packet: bytes, key: SigningKey, streams: Mapping[tuple[int, int, int], int], now: int, rule: UnsignedRule
) -> Verdict:
    """What a whole packet is, given the newest timestamps heard and our own (`now`). Changes nothing."""
    if not is_signed(packet):
        message_id = packet[5] if packet[0] == _V1 else int.from_bytes(packet[7:10], "little")
        return Verdict.UNSIGNED_ALLOWED if rule.allows(message_id) else Verdict.UNSIGNED
    if not verify(packet, key):
        return Verdict.BAD
    newest = streams.get(stream_of(packet), now - _NEW_STREAM_BEHIND - 1)
    return Verdict.GOOD if timestamp_of(packet) > newest else Verdict.OLD


def stream_of(packet: bytes) -> tuple[int, int, int]:
    """(system, component, link id) of a signed packet."""
    return packet[5], packet[6], packet[-_BLOCK]


# -- a station's signing -------------------------------------------------------------------------------------


@dataclass
class Signing:
    """The signing of one station: its key, its clock, what it has heard."""

    key: SigningKey
    clock: SigningClock
    rule: UnsignedRule = field(default_factory=UnsignedRule)
    counts: Counter[Verdict] = field(default_factory=Counter)
    last: dict[int, Verdict] = field(default_factory=dict)
    """The newest verdict by system id, radio reports left out."""
    on_rejected: Callable[[Verdict, int], None] = lambda verdict, sysid: None
    """Told at the first rejected packet of each kind and system."""
    _streams: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _told: set[tuple[Verdict, int]] = field(default_factory=set)

    def outgoing(self, packet: bytes, link_number: int) -> bytes:
        """A packet signed for one of the station's links."""
        return sign(packet, self.key, self.clock.link_id(link_number), self.clock.next())

    def incoming(self, packet: bytes, rule: UnsignedRule | None = None) -> Verdict:
        """Judge a packet that came, and remember it."""
        verdict = judge(packet, self.key, self._streams, self.clock.now(), rule or self.rule)
        if verdict is Verdict.GOOD:
            self._streams[stream_of(packet)] = timestamp_of(packet)
            self.clock.heard(timestamp_of(packet))
        self.counts[verdict] += 1
        sysid = packet[3] if packet[0] == _V1 else packet[5]
        if verdict is not Verdict.UNSIGNED_ALLOWED or self.rule.everything:
            self.last[sysid] = verdict
        if not verdict.passes and (verdict, sysid) not in self._told:
            self._told.add((verdict, sysid))
            self.on_rejected(verdict, sysid)
        return verdict

    def report(self) -> dict[str, int]:
        """How many packets were what."""
        return {verdict.name.lower(): self.counts[verdict] for verdict in Verdict}
