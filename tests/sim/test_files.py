"""The vehicle's file server and its card, spoken to in bare payloads."""

from __future__ import annotations

import errno
import random
import struct

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.card import Card, tidy
from sim.autopilot.params import PARAMETERS, Params

LIST, OPEN, READ, CREATE, WRITE, RENAME, BURST, TERMINATE = 3, 4, 5, 6, 7, 13, 15, 1
ACK, NAK = 128, 129


class Client:
    """Asks the vehicle on the bench."""

    def __init__(self, bench):
        self.bench, self.seq = bench, 100

    def ask(self, op, data=b"", offset=0, session=0, size=None, again=False):
        """(opcode, session, offset, data) of the answer."""
        self.seq += 0 if again else 2
        payload = struct.pack(
            "<HBBBBBxI", self.seq, session, op, len(data) if size is None else size, 0, 0, offset
        )
        payload = (payload + data).ljust(251, b"\0")
        self.bench.say(mavlink.MAVLink_file_transfer_protocol_message(0, 1, 1, payload))
        return self.read(self.bench.heard("FILE_TRANSFER_PROTOCOL")[-1])

    @staticmethod
    def read(message):
        raw = bytes(message.payload)
        _, session, op, size, _, _, offset = struct.unpack_from("<HBBBBBxI", raw)
        return op, session, offset, raw[12 : 12 + size]


@pytest.fixture
def client(bench):
    return Client(bench)


def test_a_file_written_is_a_file_read(client):
    _, session, _, _ = client.ask(CREATE, b"/APM/a")
    assert client.ask(WRITE, b"world", 5, session)[0] == ACK
    assert client.ask(WRITE, b"hello", 0, session)[0] == ACK
    assert client.ask(TERMINATE, session=session)[0] == ACK
    _, session, _, size = client.ask(OPEN, b"/APM/a")
    assert size == struct.pack("<I", 10)
    assert client.ask(READ, size=239, session=session)[3] == b"helloworld"
    assert client.ask(READ, offset=10, size=239, session=session)[3] == bytes([6])  # end of file
    assert client.ask(LIST, b"/APM")[3] == b"DLOGS\0Fa\t10\0"


def test_a_request_asked_again_is_answered_again_and_not_done_again(client):
    first = client.ask(CREATE, b"/x")
    assert client.ask(CREATE, b"/x", again=True) == first


def test_a_burst_tells_its_pieces_in_order_and_the_end(bench, client):
    bench.face.files.card.create("/b", cut=True)
    bench.face.files.card.write("/b", 0, bytes(1000))
    _, session, _, _ = client.ask(OPEN, b"/b")
    before = len(bench.inbox)
    client.ask(BURST, size=300 - 61, session=session)
    bench.run(0.1)
    heard = [Client.read(m) for _, m in bench.inbox[before:] if m.get_type() == "FILE_TRANSFER_PROTOCOL"]
    assert [(op, offset) for op, _, offset, _ in heard] == [
        (ACK, 0),
        (ACK, 239),
        (ACK, 478),
        (ACK, 717),
        (ACK, 956),
        (NAK, 1000),
    ]


def test_a_burst_takes_a_third_of_a_radio(bench, client):
    bench.channel.bytes_per_s = 3000.0
    bench.face.files.card.create("/b", cut=True)
    bench.face.files.card.write("/b", 0, bytes(100_000))
    _, session, _, _ = client.ask(OPEN, b"/b")
    client.ask(BURST, size=110, session=session)
    before = len(bench.inbox)
    bench.run(10.0)
    sent = [m for _, m in bench.inbox[before:] if m.get_type() == "FILE_TRANSFER_PROTOCOL"]
    assert sum(110 + 27 for _ in sent) == pytest.approx(10_000, rel=0.02)


def test_sessions_run_out_and_come_back(bench, client):
    for number in range(4):
        assert client.ask(CREATE, b"/f%d" % number, session=number)[0] == ACK
    assert client.ask(CREATE, b"/f9", session=3)[3] == bytes([1])  # one file a session
    assert client.ask(CREATE, b"/f9", session=9)[3] == bytes([5])
    bench.run(4.0)  # the oldest is stale now
    assert client.ask(CREATE, b"/f9", session=9)[:2] == (ACK, 9)


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (OPEN, b"/none", [10]),
        (OPEN, b"/../etc/passwd", [9]),
        (CREATE, b"/@PARAM/param.pck", [9]),
        (CREATE, b"/none/x", [10]),
        (RENAME, b"/a", [3]),
        (READ, b"", [4]),
        (77, b"", [7]),
        (9, b"/APM", [8]),
        (10, b"/APM", [9]),
    ],
)
def test_refusals_have_their_codes(client, op, data, code):
    assert client.ask(op, data)[3] == bytes(code)


def card(tmp_path=None, capacity=1000):
    return Card(lambda: {"00000003.BIN": b"log"}, Params(), tmp_path, capacity)


def test_a_full_card_and_a_path_out_of_it(tmp_path):
    full = card()
    full.create("/a", cut=True)
    with pytest.raises(OSError) as fault:
        full.write("/a", 900, bytes(200))
    assert fault.value.errno == errno.ENOSPC
    with pytest.raises(OSError):
        tidy("/DCIM/../../etc")


def test_photos_are_the_cameras_and_logs_the_logbooks(tmp_path):
    (tmp_path / "SIM_0001.JPG").write_bytes(b"photo")
    (tmp_path / ".SIM_0002.JPG.part").write_bytes(b"half")
    one = card(tmp_path)
    assert one.list("/DCIM") == [("SIM_0001.JPG", False, 5)]
    assert one.list("/APM/LOGS") == [("00000003.BIN", False, 3)]
    assert one.content("/APM/LOGS/00000003.BIN") == b"log"
    with pytest.raises(OSError) as fault:
        one.create("/DCIM/x", cut=True)
    assert fault.value.errno == errno.EROFS
    one.remove("/DCIM/SIM_0001.JPG")
    assert one.list("/DCIM") == []


@pytest.mark.parametrize("piece", [48, 110, 239])
def test_packed_parameters_never_lie_across_two_blocks(piece):
    packed = card().content("/@PARAM/param.pck", piece)
    magic, count, total = struct.unpack_from("<HHH", packed)
    assert (magic, count, total) == (0x671B, len(PARAMETERS), len(PARAMETERS))
    at, names, last = 6, [], b""
    while at < len(packed):
        if not packed[at]:
            at += 1
            continue
        length = {1: 1, 2: 2, 3: 4, 4: 4}[packed[at] & 15]
        common, more = packed[at + 1] & 15, (packed[at + 1] >> 4) + 1
        last = last[:common] + packed[at + 2 : at + 2 + more]
        ends = at + 2 + more + length
        assert at // piece == (ends - 1) // piece
        names.append(last.decode())
        at = ends
    assert names == list(PARAMETERS)


def test_no_payload_whatever_brings_it_down(bench, client):
    chance = random.Random(5)
    for _ in range(3000):
        op = chance.choice([*range(17), 77, 128, 255])
        data = chance.choice(
            [b"", b"/a", b"/a\0/b", b"/DCIM/\xff", b"\0", b"/APM/LOGS", chance.randbytes(239)]
        )
        payload = struct.pack(
            "<HBBBBBxI",
            chance.randrange(1 << 16),
            chance.randrange(3),
            op,
            chance.choice([len(data), 0, 239, 255]),
            0,
            0,
            chance.choice([0, 1, 1 << 31]),
        )
        payload = (payload + data).ljust(251, b"\0")
        bench.say(mavlink.MAVLink_file_transfer_protocol_message(0, 1, 1, payload))
        if chance.random() < 0.05:
            bench.run(0.05)
    bench.run(30)
    assert client.ask(LIST, b"/")[0] == ACK
