"""Bytes as no autopilot sends them: packets of every kind of the dialect with extreme and random fields,
changed in the ways in which radios, bad programs and bad people change them, and noise."""

import re
import struct

from pymavlink.dialects.v20 import ardupilotmega as mavlink

_NUMBERS = {"b": 8, "B": 8, "h": 16, "H": 16, "i": 32, "I": 32, "q": 64, "Q": 64}
_FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 30.05, 103.15, 360.0, 1e-45, 1e9, -1e9, 3.4e38, -3.4e38),
    *(float("nan"), float("inf"), float("-inf")),
)
_TEXTS = (b"", b"\xff\xfe\xfd", "洪水".encode(), b"%s%n{}{0}", b"a\0b", b"\n\r\x1b[2J", b"PreArm: " + b"\xc3")


def _fields(kind):
    """(letter, count) of each field as it lies in the payload."""
    found = re.findall(r"(\d*)([a-zA-Z])", kind.unpacker.format.lstrip("<"))
    return [(letter, int(count or 1)) for count, letter in found]


_KINDS = {number: (kind.crc_extra, _fields(kind)) for number, kind in mavlink.mavlink_map.items()}
KINDS = tuple(_KINDS)


def crc_extra(number):
    """What goes into the checksum of a message; 0 of one that nobody knows."""
    return _KINDS[number][0] if number in _KINDS else 0


def frame(number, payload, ids, seq=0, version=2, flags=0, extra=None):
    """A whole packet, its checksum right."""
    if version == 1:
        body = bytes((len(payload), seq, *ids, number)) + payload
    else:
        payload = payload.rstrip(b"\0") or payload[:1]
        body = bytes((len(payload), flags, 0, seq, *ids)) + number.to_bytes(3, "little") + payload
    marker = b"\xfe" if version == 1 else b"\xfd"
    return marker + body + checksum(body, crc_extra(number) if extra is None else extra)


def checksum(body, extra):
    """The two bytes behind a packet's body."""
    return mavlink.x25crc(body + bytes((extra,))).crc.to_bytes(2, "little")


class Fuzz:
    """An endless source of byte strings, the same for the same chance. Most come from systems 1 to 3.
    `sign(packet)` gives a signed one, where packets are to be signed."""

    def __init__(self, chance, sign=None):
        self._chance = chance
        self._sign = sign
        self._seqs = {}
        self._last = b""

    def portion(self):
        """A few bytes to a few packets at once."""
        chance = self._chance
        way = chance.random()
        if way < 0.45:
            data = self.packet()
        elif way < 0.85:
            data = chance.choice(self._ways)(self, self.packet())
        elif way < 0.9:
            data = b"".join(self.packet() for _ in range(chance.randint(2, 5)))
        elif way < 0.95:
            data = chance.randbytes(chance.randint(1, 64))
        else:
            data = chance.choice((b"\xfd", b"\xfe")) + chance.randbytes(chance.randint(1, 300))
        self._last = data
        return data

    def packet(self, number=None, ids=None):
        """One packet with a right checksum, of whatever kind."""
        chance = self._chance
        number = chance.choice(KINDS) if number is None else number
        payload = b"".join(self._field(*field) for field in _KINDS[number][1])
        ids = ids or self._ids()
        seq = self._seqs.get(ids, 0)
        self._seqs[ids] = (seq + 1) % 256
        version = 1 if number < 256 and chance.random() < 0.2 else 2
        packet = frame(number, payload, ids, seq, version)
        signed = self._sign is not None and chance.random() < 0.9
        return self._sign(packet) if signed else packet

    def _ids(self):
        chance = self._chance
        if chance.random() < 0.9:
            return chance.randint(1, 3), chance.choice((1, 1, 1, 100, 154))
        return chance.choice((0, 1, 254, 255, chance.randrange(256))), chance.randrange(256)

    def _field(self, letter, count):
        chance = self._chance
        if letter in "sc":
            text = chance.choice(_TEXTS) if chance.random() < 0.5 else chance.randbytes(count)
            return text[:count].ljust(count, chance.choice((b"\0", b"A")))
        style = chance.random()
        size = struct.calcsize(f"<{letter}")
        if style < 0.2:
            return chance.randbytes(count * size)
        if letter in "fd":
            return struct.pack(f"<{count}{letter}", *(chance.choice(_FLOATS) for _ in range(count)))
        return struct.pack(f"<{count}{letter}", *(self._whole(letter) for _ in range(count)))

    def _whole(self, letter):
        chance, bits = self._chance, _NUMBERS[letter]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if letter.islower() else (0, 2**bits - 1)
        style = chance.random()
        if style < 0.3:
            return chance.choice((low, high, 0, 1))
        if style < 0.8:
            return chance.randint(0, min(high, 100))
        return chance.randint(low, high)

    # -- ways to change a packet ---------------------------------------------------------------------------

    def _flip(self, packet):
        changed = bytearray(packet)
        for _ in range(self._chance.randint(1, 8)):
            changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _flip_and_mend(self, packet):
        """Other contents under a right checksum."""
        packet = bytearray(packet)
        old, head = packet[0] == 0xFE, 6 if packet[0] == 0xFE else 10
        end = head + packet[1]
        for _ in range(self._chance.randint(1, 8)):
            packet[self._chance.randrange(head if end > head else 2, max(end, 3))] ^= self._chance.randrange(
                256
            )
        number = packet[5] if old else int.from_bytes(packet[7:10], "little")
        packet[end : end + 2] = checksum(bytes(packet[1:end]), crc_extra(number))
        return bytes(packet)

    def _cut(self, packet):
        return packet[: self._chance.randint(0, len(packet))]

    def _middle_out(self, packet):
        at = self._chance.randrange(len(packet))
        return packet[:at] + packet[at + self._chance.randint(1, 9) :]

    def _twice(self, packet):
        return packet * self._chance.randint(2, 4)

    def _again(self, packet):
        return self._last + packet

    def _long(self, packet):
        return packet + self._chance.randbytes(self._chance.randint(1, 30))

    def _other_system(self, packet):
        chance = self._chance
        return self.packet(ids=(chance.choice((0, 255, 200, chance.randrange(256))), chance.randrange(256)))

    def _strange(self, packet):
        """A kind that nobody knows, with a checksum that may be right."""
        chance = self._chance
        number = chance.choice((chance.randrange(1 << 24), 77777, (1 << 24) - 1))
        payload = chance.randbytes(chance.randint(1, 255))
        return frame(number, payload, self._ids(), extra=chance.randrange(256))

    def _short(self, packet):
        """Fewer bytes than the kind has: the rest is zeros."""
        return frame(self._chance.choice(KINDS), self._chance.randbytes(1), self._ids())

    def _overlong(self, packet):
        """More bytes than the kind has."""
        return frame(self._chance.choice(KINDS), self._chance.randbytes(255), self._ids())

    def _flagged(self, packet):
        """Says that it is signed, or more that nobody knows."""
        chance = self._chance
        head = chance.choice((1, 1, 2, 0x81, 0xFF))
        packet = frame(chance.choice(KINDS), chance.randbytes(20), self._ids(), flags=head)
        return packet + chance.randbytes(chance.choice((13, 13, 12, 0)))

    _ways = (
        *(_flip, _flip_and_mend, _flip_and_mend, _cut, _middle_out, _twice, _again, _long),
        *(_other_system, _strange, _short, _overlong, _flagged),
    )
