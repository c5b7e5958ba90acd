"""Vehicles that keep missions as ArduPilot and PX4 do, written from their sources: MissionItemProtocol.cpp,
AP_Mission.cpp, AP_Filesystem_Mission.cpp and GCS_FTP.cpp (4.7-dev); mavlink_mission.cpp (PX4 main, 2025).
They share nothing with the station under test nor with the simulator but the wire codec."""

import asyncio
import struct
import zlib

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, vehicle_heartbeat

ACCEPTED, ERROR, UNSUPPORTED, NO_SPACE = 0, 1, 3, 4
INVALID_ALT, INVALID_SEQUENCE, DENIED, CANCELLED = 12, 13, 14, 15
MISSION = 0


class Extended:
    """A message with extension fields behind those that pymavlink knows."""

    def __init__(self, message, extension):
        self._message, self._extension = message, extension

    def get_type(self):
        return self._message.get_type()

    def pack(self, mav):
        message = self._message
        values = [getattr(message, name) for name in message.ordered_fieldnames]
        payload = message.unpacker.pack(*values)
        return message._pack(mav, message.crc_extra, payload + self._extension)


class Double:
    """Says that it is there, once a second; hears messages by type (`on_mission_count` ...)."""

    autopilot = mavlink.MAV_AUTOPILOT_GENERIC

    def __init__(self):
        self._encoder = Encoder(1, 1)
        self._put = None
        self._jobs = []
        self.heard = {}
        self.said = {}

    def go_on_air(self, put):
        self._put = put
        self._jobs = [asyncio.get_running_loop().create_task(self._each_second())]

    def leave(self):
        for job in self._jobs:
            job.cancel()

    async def _each_second(self):
        while True:
            self.each_second()
            await asyncio.sleep(1.0)

    def each_second(self):
        self.send(vehicle_heartbeat(mavlink.MAV_TYPE_QUADROTOR, self.autopilot, 81, 0, 3))

    def send(self, message):
        self.said[message.get_type()] = self.said.get(message.get_type(), 0) + 1
        if self._put is not None:
            self._put(self._encoder.encode(message))

    def take(self, message):
        kind = message.get_type()
        self.heard[kind] = self.heard.get(kind, 0) + 1
        handle = getattr(self, f"on_{kind.lower()}", None)
        if handle is not None:
            handle(message)

    def on_timesync(self, m):
        if m.tc1 == 0:
            self.send(mavlink.MAVLink_timesync_message(max(int(self.now_s() * 1e9), 1), m.ts1))

    def now_s(self):
        return asyncio.get_running_loop().time()


def content_of(item):
    """What makes two items the same: all but addresses and number."""
    return (
        item.command, item.frame, item.param1, item.param2, item.param3, item.param4, item.x, item.y, item.z
    )  # fmt: skip


class ArduPilotMissions(Double):
    """ArduPilot: slot 0 is home; MISSION_REQUEST each second, given up 8 s after the last useful item;
    whatever has come by then stays, on top of what was there. `store` is what it holds. Missions as files
    with `ftp`."""

    autopilot = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    def __init__(self, ftp=False, capacity=724, old=()):
        super().__init__()
        self.capacity = capacity
        self.store = list(old)
        self.receiving = None
        self.refuses = lambda item: None
        self.flying = False
        self.files = ArduPilotFiles(self) if ftp else None

    def go_on_air(self, put):
        super().go_on_air(put)
        self._jobs.append(asyncio.get_running_loop().create_task(self._update()))

    async def _update(self):
        while True:
            await asyncio.sleep(0.2)
            if self.receiving is None:
                continue
            now_s = self.now_s()
            if now_s - self.receiving["received_s"] > 8.0:
                self.receiving = None
                self.acknowledge(CANCELLED)
            elif now_s - self.receiving["requested_s"] > 1.0:
                self.request()

    def acknowledge(self, result):
        self.send(mavlink.MAVLink_mission_ack_message(255, 190, result, MISSION))

    def request(self):
        self.receiving["requested_s"] = self.now_s()
        self.send(mavlink.MAVLink_mission_request_message(255, 190, self.receiving["next"], MISSION))

    def begin(self, first, last):
        now_s = self.now_s()
        self.receiving = {"next": first, "last": last, "received_s": now_s, "requested_s": now_s}
        self.request()

    def on_mission_count(self, m):
        if m.mission_type != MISSION:
            return
        self.receiving = None  # the same station may begin anew
        if m.count > self.capacity:
            self.acknowledge(NO_SPACE)
            return
        del self.store[m.count :]
        if m.count == 0:
            self.acknowledge(ACCEPTED)
        else:
            self.begin(0, m.count - 1)

    def on_mission_write_partial_list(self, m):
        if self.receiving is not None:
            self.acknowledge(DENIED)
        elif m.start_index > len(self.store) or m.end_index > len(self.store) or m.end_index < m.start_index:
            self.acknowledge(ERROR)
        else:
            self.begin(m.start_index, m.end_index)

    def on_mission_item_int(self, m):
        if self.receiving is None:
            self.acknowledge(ERROR)
            return
        if m.seq != self.receiving["next"]:
            self.acknowledge(INVALID_SEQUENCE)
            return
        result = self.put(m.seq, m) if m.seq <= len(self.store) else ERROR
        if result != ACCEPTED:
            self.receiving = None
            self.acknowledge(result)
            return
        self.receiving["received_s"] = self.now_s()
        self.receiving["next"] += 1
        if self.receiving["next"] > self.receiving["last"]:
            self.receiving = None
            self.acknowledge(ACCEPTED)
        else:
            self.request()

    def put(self, seq, item):
        result = self.refuses(item)
        if result is not None:
            return result
        if item.z != item.z:
            return INVALID_ALT
        if seq == len(self.store):
            if len(self.store) >= self.capacity:
                return ERROR
            self.store.append(content_of(item))
        elif seq > 0:  # slot 0 is home
            self.store[seq] = content_of(item)
        return ACCEPTED

    def on_mission_clear_all(self, m):
        self.receiving = None
        if not self.flying:
            self.store.clear()
        self.acknowledge(ERROR if self.flying else ACCEPTED)

    def on_mission_request_list(self, m):
        if self.receiving is not None:
            self.acknowledge(DENIED)
            return
        self.send(mavlink.MAVLink_mission_count_message(255, 190, len(self.store), m.mission_type))

    def item(self, seq):
        command, frame, *params, x, y, z = self.store[seq]
        frame = {6: 3, 5: 0, 11: 10}.get(frame, frame)
        return mavlink.MAVLink_mission_item_int_message(
            255, 190, seq, frame, command, 0, 1, *params, x, y, z, MISSION
        )

    def on_mission_request_int(self, m):
        if self.receiving is not None:
            self.acknowledge(DENIED)
        elif m.seq >= len(self.store):
            self.send(mavlink.MAVLink_mission_count_message(255, 190, len(self.store), MISSION))
            self.acknowledge(INVALID_SEQUENCE)
        else:
            self.send(self.item(m.seq))

    def on_file_transfer_protocol(self, m):
        if self.files is not None:
            self.files.push(bytes(m.payload))


class ArduPilotFiles:
    """GCS_FTP.cpp with only @MISSION/mission.dat behind it: five requests queued, one session, the last
    answer given again for a request that comes again."""

    HEADER = struct.Struct("<HHHHH")
    PATH = b"@MISSION/mission.dat"

    def __init__(self, vehicle):
        self.vehicle = vehicle
        self.queue = []
        self.open = None
        self.session = None
        self.last = None
        self.bursts = None

    def push(self, payload):
        if len(self.queue) >= 5:
            return
        self.queue.append(payload)
        if len(self.queue) == 1:
            asyncio.get_running_loop().call_later(0.004, self.work)

    def work(self):
        payload = self.queue.pop(0)
        self.handle(payload)
        if self.queue:
            asyncio.get_running_loop().call_later(0.004, self.work)

    def reply(self, seq, session, op, req, offset=0, data=b"", complete=0):
        head = struct.pack("<HBBBBBxI", seq % 65536, session, op, len(data), req, complete, offset)
        self.last = (seq % 65536, session, (head + data).ljust(251, b"\0"))
        self.vehicle.send(mavlink.MAVLink_file_transfer_protocol_message(0, 255, 190, self.last[2]))

    def handle(self, payload):
        seq, session, op, size, _, _, offset = struct.unpack_from("<HBBBBBxI", payload)
        data = payload[12 : 12 + size]
        if self.last is not None and self.last[:2] == ((seq + 1) % 65536, session):
            self.vehicle.send(mavlink.MAVLink_file_transfer_protocol_message(0, 255, 190, self.last[2]))
            return

        def no(*error):
            self.reply(seq + 1, session, 129, op, data=bytes(error))

        def yes(at=0, content=b""):
            self.reply(seq + 1, session, 128, op, at, content)

        if op in (1, 2):
            if self.session == session and self.open is not None:
                self.close()
            yes()
        elif self.open is not None and session != self.session:
            no(4)
        elif op in (4, 6, 11):
            if self.open is not None:
                no(1)
            elif data.rstrip(b"\0") != self.PATH:
                no(10)
            else:
                self.session = session
                self.open = {"written": None if op == 4 else bytearray()}
                yes(content=struct.pack("<I", 1 << 20) if op == 4 else b"")
        elif op in (5, 7, 15) and self.open is None:
            no(10)
        elif op in (5, 7, 15) and (op == 7) != (self.open["written"] is not None):
            no(1)
        elif op == 7:
            self.write(offset, data)
            yes(offset)
        elif op == 5:
            piece = self.content()[offset : offset + size]
            if piece:
                yes(offset, piece)
            else:
                no(6)
        elif op == 15:
            self.burst(seq + 1, session, offset, size or 239)
        else:
            no(7)

    def burst(self, seq, session, offset, size):
        content = self.content()
        for i in range(500):
            piece = content[offset : offset + size]
            if not piece:
                self.reply(seq, session, 129, 15, offset, bytes([6]))
                return
            last = len(piece) < size or i == 499
            self.reply(seq, session, 128, 15, offset, piece, int(last))
            seq, offset = seq + 1, offset + len(piece)

    def content(self):
        vehicle = self.vehicle
        content = bytearray(self.HEADER.pack(0x763D, MISSION, 0, 0, len(vehicle.store)))
        for seq in range(len(vehicle.store)):
            item = vehicle.item(seq)
            content += item.unpacker.pack(*(getattr(item, name) for name in item.ordered_fieldnames))
        return bytes(content)

    def write(self, offset, data):
        written = self.open["written"]
        if offset == 0 and len(data) >= self.HEADER.size:
            count = self.HEADER.unpack_from(data)[4]
            written.extend(bytes(max(0, self.HEADER.size + 38 * count - len(written))))
        written.extend(bytes(max(0, offset + len(data) - len(written))))
        written[offset : offset + len(data)] = data

    def close(self):
        written, self.open, self.session = self.open["written"], None, None
        if written is None or len(written) < self.HEADER.size:
            return
        magic, _, _, _, count = self.HEADER.unpack_from(written)
        entries = [bytes(written[i : i + 38]) for i in range(self.HEADER.size, len(written), 38)]
        if magic != 0x763D or len(entries) != count or any(not any(entry) for entry in entries):
            return
        vehicle, kind = self.vehicle, mavlink.MAVLink_mission_item_int_message
        vehicle.store.clear()
        for seq, entry in enumerate(entries):
            values = kind.unpacker.unpack(entry)
            if vehicle.put(seq, kind(*(values[i] for i in kind.orders))) != ACCEPTED:
                return


class Px4Missions(Double):
    """PX4: asked with MISSION_REQUEST first, then _INT; again each 250 ms, given up after 5 s without a word;
    the old mission stays until the new one is whole; every list has a checksum for a mark."""

    autopilot = mavlink.MAV_AUTOPILOT_PX4

    def __init__(self, capacity=1000, old=()):
        super().__init__()
        self.capacity = capacity
        self.store = list(old)
        self.mark = self.checksum(self.store)
        self.state = "idle"
        self.next = self.count = 0
        self.coming = []
        self.sent_s = self.received_s = 0.0
        self.int_mode = False
        self.refuses = lambda item: None

    def go_on_air(self, put):
        super().go_on_air(put)
        self._jobs.append(asyncio.get_running_loop().create_task(self._update()))

    def each_second(self):
        super().each_second()
        current = mavlink.MAVLink_mission_current_message(0, len(self.store) or 65535)
        self.send(Extended(current, struct.pack("<III", self.mark, 0, 0)))

    async def _update(self):
        while True:
            await asyncio.sleep(0.125)
            now_s = self.now_s()
            if self.state == "getlist" and now_s - self.sent_s > 0.25:
                self.request()
            elif self.state != "idle" and now_s - self.received_s > 5.0:
                self.state = "idle"

    @staticmethod
    def checksum(store):
        return zlib.crc32(repr(store).encode()) if store else 0

    def acknowledge(self, result, mark=0):
        ack = mavlink.MAVLink_mission_ack_message(255, 190, result, MISSION)
        self.send(Extended(ack, struct.pack("<I", mark)))

    def request(self):
        self.sent_s = self.now_s()
        kinds = mavlink.MAVLink_mission_request_int_message, mavlink.MAVLink_mission_request_message
        self.send(kinds[not self.int_mode](255, 190, self.next, MISSION))

    def on_mission_count(self, m):
        if m.mission_type != MISSION:
            return
        if self.state == "idle":
            self.received_s = self.now_s()
            if m.count > self.capacity:
                self.acknowledge(NO_SPACE)
                return
            if m.count == 0:
                self.store, self.mark = [], 0
                self.acknowledge(ACCEPTED)
                return
            self.state, self.next, self.count, self.coming = "getlist", 0, m.count, []
        elif self.state == "getlist":
            self.received_s = self.now_s()
            if self.next != 0:
                self.acknowledge(ERROR)
                return
        else:
            self.acknowledge(ERROR)
            return
        self.request()

    def on_mission_item_int(self, m):
        self.int_mode = True
        if self.state == "getlist":
            self.received_s = self.now_s()
            if m.seq != self.next:
                return
        elif self.state == "idle":
            again = self.next == m.seq + 1
            self.acknowledge(ACCEPTED if again else ERROR, self.checksum(self.coming) if again else 0)
            return
        else:
            self.acknowledge(ERROR)
            return
        result = self.refuses(m)
        if result is not None:
            self.acknowledge(result)
            self.state = "idle"
            return
        self.coming.append(content_of(m))
        self.next += 1
        if self.next == self.count:
            self.store, self.state = list(self.coming), "idle"
            self.mark = self.checksum(self.store)
            self.acknowledge(ACCEPTED, self.mark)
        else:
            self.request()

    def on_mission_ack(self, m):
        if self.state == "sendlist" or (self.state == "getlist" and m.type == CANCELLED):
            self.state = "idle"

    def on_mission_clear_all(self, m):
        if self.state == "idle":
            self.store, self.mark = [], 0
            self.acknowledge(ACCEPTED)

    def on_mission_request_list(self, m):
        if self.next == len(self.store):
            self.state = "idle"
        if self.state == "getlist":
            return
        self.received_s = self.now_s()
        self.state, self.next = "sendlist", 0
        count = mavlink.MAVLink_mission_count_message(255, 190, len(self.store), m.mission_type)
        self.send(Extended(count, struct.pack("<I", self.mark)))

    def on_mission_request_int(self, m):
        if self.state != "sendlist":
            return
        self.received_s = self.now_s()
        if m.seq == self.next and self.next < len(self.store):
            self.next += 1
        elif m.seq != self.next - 1:
            self.state = "idle"
            self.acknowledge(ERROR)
            return
        command, frame, *params, x, y, z = self.store[m.seq]
        self.send(
            mavlink.MAVLink_mission_item_int_message(
                255, 190, m.seq, frame, command, 0, 1, *params, x, y, z, MISSION
            )
        )
