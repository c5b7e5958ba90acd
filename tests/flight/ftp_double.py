"""A file server written from the protocol's page alone (https://mavlink.io/en/services/ftp.html), on a link
that loses, doubles, delays and reorders. It shares nothing with the client under test nor with the
simulator."""

import asyncio
import random
import struct
import zlib

from pymavlink.dialects.v20 import ardupilotmega as mavlink

ACK, NAK = 128, 129
FAIL, ERRNO, BAD_SIZE, BAD_SESSION, NO_SESSIONS, EOF, UNKNOWN, EXISTS, PROTECTED, NOT_FOUND = range(1, 11)
NAMES = {
    0: "none", 1: "terminate", 2: "reset", 3: "list", 4: "open_ro", 5: "read", 6: "create", 7: "write",
    8: "remove", 9: "mkdir", 10: "rmdir", 11: "open_wo", 12: "truncate", 13: "rename", 14: "crc", 15: "burst",
}  # fmt: skip
ROOM = 239


class Weather:
    """What befalls a message: how often it arrives, and how late each copy is. The same seed, the same
    fates."""

    def __init__(self, seed=0, loss=0.0, twice=0.0, late_s=0.0):
        self._random = random.Random(seed)
        self.loss, self.twice, self.late_s = loss, twice, late_s

    def fates(self):
        r = self._random
        copies = 0 if r.random() < self.loss else 2 if r.random() < self.twice else 1
        return [r.random() * self.late_s for _ in range(copies)]


class Nope(Exception):  # noqa: N818 - an answer
    def __init__(self, *data):
        self.data = bytes(data)


class FileDouble:
    """Attach to a ScriptedVehicle. `files` by path (bytes), `folders`; `asked` counts requests by name.

    `twist(name, reply)` may change a reply (a dict) or give None to keep it back. `burst_packets` is the
    length of a burst, `limit` the bytes that the card holds.
    """

    def __init__(self, vehicle, weather=None, burst_packets=50, limit=1 << 30, usual_crc=False):
        self.vehicle, self.weather = vehicle, weather or Weather()
        self.files, self.folders = {}, {"/"}
        self.burst_packets, self.limit, self.usual_crc = burst_packets, limit, usual_crc
        self.without = set()
        self.twist = lambda name, reply: reply
        self.asked = {}
        self.session = None
        self.number = 7
        self.last = None
        vehicle.replies["FILE_TRANSFER_PROTOCOL"] = self.arrive
        vehicle.replies["COMMAND_LONG"] = self.version

    def version(self, message):
        bits = mavlink.MAV_PROTOCOL_CAPABILITY_FTP | mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT
        yield mavlink.MAVLink_autopilot_version_message(bits, 0, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0, 0, 0)

    # -- the link ----------------------------------------------------------------------------------------

    def arrive(self, message):
        payload = bytes(message.payload)
        for late_s in self.weather.fates():
            asyncio.get_running_loop().call_later(late_s, self.handle, payload)
        return ()

    def leave(self, reply):
        payload = struct.pack(
            "<HBBBBBxI",
            reply["seq"] % 65536,
            reply["session"],
            reply["op"],
            reply.get("size", len(reply["data"])),
            reply["req"],
            reply.get("complete", 0),
            reply.get("offset", 0),
        )
        payload = (payload + reply["data"]).ljust(251, b"\0")
        message = mavlink.MAVLink_file_transfer_protocol_message(0, 255, 190, payload)
        for late_s in self.weather.fates():
            asyncio.get_running_loop().call_later(late_s, self.vehicle.send, message)

    # -- the server --------------------------------------------------------------------------------------

    def handle(self, payload):
        seq, session, op, size, _, _, offset = struct.unpack_from("<HBBBBBxI", payload)
        data = payload[12 : 12 + size]
        name = NAMES.get(op, str(op))
        if self.last is not None and self.last["seq"] == (seq + 1) % 65536 and self.last["req"] == op:
            self.say(name, self.last)  # its answer was lost
            return
        self.asked[name] = self.asked.get(name, 0) + 1
        reply = {
            "seq": (seq + 1) % 65536,
            "session": session,
            "op": ACK,
            "req": op,
            "data": b"",
            "offset": offset,
        }
        try:
            if name in self.without or not hasattr(self, f"do_{name}"):
                raise Nope(UNKNOWN)
            done = getattr(self, f"do_{name}")(session, size, offset, data)
        except Nope as nope:
            reply |= {"op": NAK, "data": nope.data}
        else:
            if name == "burst":
                self.stream(reply, done)
                return
            if name in ("open_ro", "open_wo", "create"):
                reply["session"] = self.session[0]
            reply["data"] = done or b""
        self.last = reply
        self.say(name, reply)

    def say(self, name, reply):
        twisted = self.twist(name, dict(reply))
        if twisted is not None:
            self.leave(twisted)

    def stream(self, reply, pieces):
        for number, (at, piece, complete) in enumerate(pieces):
            one = reply | {"seq": reply["seq"] + number, "offset": at, "data": piece, "complete": complete}
            if not piece:
                one |= {"op": NAK, "data": bytes([EOF]), "complete": 1}
            self.say("burst", one)

    def path(self, data):
        if not data:
            raise Nope(BAD_SIZE)
        return data.rstrip(b"\0").decode()

    def reading(self, session):
        if self.session is None or self.session[0] != session or self.session[2]:
            raise Nope(BAD_SESSION)
        return self.files[self.session[1]]

    def open(self, path, writing):
        if self.session is not None:
            raise Nope(NO_SESSIONS)
        self.number = self.number % 200 + 1
        self.session = (self.number, path, writing)

    def do_terminate(self, session, size, offset, data):
        if self.session is None or self.session[0] != session:
            raise Nope(BAD_SESSION)
        self.session = None

    def do_reset(self, session, size, offset, data):
        self.session = None

    def do_list(self, session, size, offset, data):
        folder = self.path(data).rstrip("/") or "/"
        if folder not in self.folders:
            raise Nope(NOT_FOUND)
        head = folder.rstrip("/") + "/"
        lines = ["D.", "D..", "S"]
        lines += [f"D{f[len(head) :]}" for f in sorted(self.folders) if f != "/" and self.inside(f, head)]
        lines += [
            f"F{f[len(head) :]}\t{len(c)}" for f, c in sorted(self.files.items()) if self.inside(f, head)
        ]
        page = b""
        for line in lines[offset:]:
            if len(page) + len(line) + 1 > ROOM:
                break
            page += line.encode() + b"\0"
        if not page:
            raise Nope(EOF)
        return page

    @staticmethod
    def inside(path, head):
        return path.startswith(head) and "/" not in path[len(head) :]

    def do_open_ro(self, session, size, offset, data):
        path = self.path(data)
        if path not in self.files:
            raise Nope(NOT_FOUND)
        self.open(path, False)
        return struct.pack("<I", len(self.files[path]))

    def do_read(self, session, size, offset, data):
        piece = self.reading(session)[offset : offset + size]
        if not piece:
            raise Nope(EOF)
        return piece

    def do_burst(self, session, size, offset, data):
        content, size = self.reading(session), size or ROOM
        ends = offset + self.burst_packets * size
        pieces = [(at, content[at : at + size], 0) for at in range(offset, min(ends, len(content)), size)]
        if ends > len(content):
            return [*pieces, (len(content), b"", 1)]
        return [*pieces[:-1], (*pieces[-1][:2], 1)]

    def do_create(self, session, size, offset, data):
        self.do_open_wo(session, size, offset, data)
        self.files[self.session[1]] = b""

    def do_open_wo(self, session, size, offset, data):
        path = self.path(data)
        if (path.rpartition("/")[0] or "/") not in self.folders:
            raise Nope(NOT_FOUND)
        self.open(path, True)
        self.files.setdefault(path, b"")

    def do_write(self, session, size, offset, data):
        if self.session is None or self.session[0] != session or not self.session[2]:
            raise Nope(BAD_SESSION)
        content = self.files[self.session[1]].ljust(offset, b"\0")
        content = content[:offset] + data + content[offset + len(data) :]
        if len(content) > self.limit:
            raise Nope(ERRNO, 28)
        self.files[self.session[1]] = content

    def do_remove(self, session, size, offset, data):
        if self.files.pop(self.path(data), None) is None:
            raise Nope(NOT_FOUND)

    def do_mkdir(self, session, size, offset, data):
        if self.path(data) in self.folders:
            raise Nope(EXISTS)
        self.folders.add(self.path(data))

    def do_rmdir(self, session, size, offset, data):
        if self.path(data) not in self.folders:
            raise Nope(NOT_FOUND)
        self.folders.remove(self.path(data))

    def do_truncate(self, session, size, offset, data):
        self.files[self.path(data)] = self.files[self.path(data)][:offset]

    def do_rename(self, session, size, offset, data):
        old, new = data.rstrip(b"\0").decode().split("\0")
        if old not in self.files:
            raise Nope(NOT_FOUND)
        if new in self.files:
            raise Nope(EXISTS)
        self.files[new] = self.files.pop(old)

    def do_crc(self, session, size, offset, data):
        content = self.files.get(self.path(data))
        if content is None:
            raise Nope(NOT_FOUND)
        if self.usual_crc:
            return struct.pack("<I", zlib.crc32(content))
        crc = 0
        for byte in content:
            crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
        return struct.pack("<I", crc)


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xEDB88320 if byte & 1 else 0)
        yield byte


_TABLE = tuple(_table())
