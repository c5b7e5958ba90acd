"""A real PX4 and ours beside each other: both are spoken to in the same way, and what they do is kept."""

import contextlib
import math
import re
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.frames import GeoPoint, LocalFrame
from sim.battery import BatteryPack
from sim.dynamics import Airframe
from sim.server import SimSettings, serve

from .listening import Listening

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
NAN = math.nan
AUTO, MISSION = 4, 4
_HOLD = 0x3040000
_PULSE_S = 0.02
_OWN_WORDS = ("[logger]", "Preflight")
"""What a real one says of its card and of its simulated sensors as they drift."""


class Craft(Listening):
    """A vehicle at an address, whoever simulates it; keeps its track and what it said."""

    def __init__(self, url):
        self.link = mavutil.mavlink_connection(url.replace("tcp://", "tcp:"), source_system=255)
        self.system = self.link.wait_heartbeat(timeout=60).get_srcSystem()
        self.time_s, self.track, self.reached, self.texts, self.acks = 0.0, [], [], [], {}
        self.currents, self.beats, self.landed, self.photos = [], [], [], []
        self._told = 0, 0
        self.beat_s = self.pulse_s = 0.0
        self.pulse = None
        """Called fifty times a second of the clock on the wall: sticks or set-points that go on."""
        self.roll_deg = self.pitch_deg = self.yaw_deg = 0.0

    def hear(self, wait_s=1.0):
        """Take in one message."""
        if time.monotonic() - self.beat_s > 0.1:
            self.beat_s = time.monotonic()
            self.link.mav.heartbeat_send(6, 8, 0, 0, 4)
        if self.pulse is not None and time.monotonic() - self.pulse_s > _PULSE_S:
            self.pulse_s = time.monotonic()
            self.pulse(self.link.mav, self.system)
        m = self.link.recv_match(blocking=True, timeout=wait_s if self.pulse is None else _PULSE_S)
        kind = m.get_type() if m else ""
        if kind == "LOCAL_POSITION_NED":
            self.time_s = m.time_boot_ms / 1000
            self.track.append((self.time_s, m.y, m.x, -m.z))
        elif kind == "MISSION_ITEM_REACHED" and (not self.reached or self.reached[-1][0] != m.seq):
            self.reached.append((m.seq, self.time_s))
        elif kind == "MISSION_CURRENT" and (not self.currents or self.currents[-1] != m.seq):
            self.currents.append(m.seq)
        elif kind == "STATUSTEXT" and m.chunk_seq:
            begun_s, text = self.texts[-1]
            self.texts[-1] = begun_s, text + m.text.rstrip("\t")
        elif kind == "STATUSTEXT":
            self.texts.append((self.time_s, m.text.rstrip("\t")))
        elif kind == "ATTITUDE":
            self.roll_deg, self.pitch_deg, self.yaw_deg = map(math.degrees, (m.roll, m.pitch, m.yaw))
        elif kind == "COMMAND_ACK":
            self.acks[m.command] = m.result
        elif kind == "EXTENDED_SYS_STATE" and (not self.landed or self.landed[-1] != m.landed_state):
            self.landed.append(m.landed_state)
        elif kind == "CAMERA_IMAGE_CAPTURED":
            self.photos.append(m)
        elif kind == "HEARTBEAT" and m.get_srcComponent() == 1:
            beat = m.type, m.autopilot, m.base_mode, m.custom_mode, m.system_status
            if not self.beats or self.beats[-1] != beat:
                self.beats.append(beat)
        return m

    @property
    def armed(self):
        return bool(self.beats and self.beats[-1][2] & 128)

    @property
    def place(self):
        """East, north, up."""
        return self.track[-1][1:]

    @property
    def speed_mps(self):
        """East, north, up; over the last third of a second."""
        now = self.track[-1]
        then = next(p for p in reversed(self.track) if p[0] < now[0] - 0.3)
        return tuple((a - b) / (now[0] - then[0]) for a, b in zip(now[1:], then[1:], strict=True))

    @property
    def mode(self):
        return self.beats[-1][3] if self.beats else None

    def wait(self, seconds):
        begin_s = self.time_s
        self.until(lambda: self.time_s >= begin_s + seconds)

    def order(self, command, *params):
        """COMMAND_LONG; its MAV_RESULT, None where it does not answer."""
        self.acks.pop(command, None)
        self.link.mav.command_long_send(self.system, 1, command, 0, *params, *(0,) * (7 - len(params)))
        begin_s = self.time_s
        self.until(lambda: command in self.acks or self.time_s > begin_s + 3.0)
        return self.acks.get(command)

    def set(self, name, value):
        """Set a parameter; whole numbers travel as their bytes."""
        field, kind = value, 9
        if isinstance(value, int):
            field, kind = struct.unpack("<f", struct.pack("<i", value))[0], 6
        self.link.mav.param_set_send(self.system, 1, name.encode(), field, kind)
        self.wait(0.5)

    def upload(self, items, kind=0):
        """MAV_MISSION_RESULT, and with which messages it asked for the items. Of a mission, fence or rally
        points."""
        self.link.mav.mission_count_send(self.system, 1, len(items), kind)
        asked = []
        while True:
            m = self.hear()
            if m is not None and m.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
                asked.append((m.get_type(), m.seq))
                command, frame, params, x, y, z = items[m.seq]
                self.link.mav.mission_item_int_send(
                    self.system, 1, m.seq, frame, command, 0, 1, *params, x, y, z, kind
                )
            elif m is not None and m.get_type() == "MISSION_ACK":
                return m.type, tuple(dict.fromkeys(asked))

    def read_back(self):
        """The items that it holds, as (command, frame, params, x, y, z)."""
        self.link.mav.mission_request_list_send(self.system, 1, 0)
        count = self.link.recv_match(type="MISSION_COUNT", blocking=True, timeout=5).count
        items = []
        for seq in range(count):
            self.link.mav.mission_request_int_send(self.system, 1, seq, 0)
            m = self.link.recv_match(type="MISSION_ITEM_INT", blocking=True, timeout=5)
            params = tuple(str(round(float(p), 3)) for p in (m.param1, m.param2, m.param3, m.param4))
            items.append((m.command, m.frame, params, m.x, m.y, round(m.z, 2)))
        self.link.mav.mission_ack_send(self.system, 1, 0, 0)
        return items

    def make_ready(self):
        self.order(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED, 5e4)
        self.until(lambda: self.time_s > 30.0)

    def choose(self, *mode):
        """DO_SET_MODE by main and sub number."""
        return self.order(mavlink.MAV_CMD_DO_SET_MODE, 1, *mode)

    def take_off(self, up_m=20.0):
        """Up, and into hold."""
        self.order(mavlink.MAV_CMD_NAV_TAKEOFF, *(NAN,) * 6, HOME.alt_amsl_m + up_m)
        self.until(lambda: self.order(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0, 60.0)
        self.until(lambda: self.armed and self.mode == _HOLD and self.place[2] > up_m - 1.5)

    def go_to(self, east, north, up_m=20.0):
        lat, lon = LOCAL.to_geo(east, north)
        return self.order(mavlink.MAV_CMD_DO_REPOSITION, -1, 1, 0, NAN, lat, lon, HOME.alt_amsl_m + up_m)

    def land(self):
        """Down, and until it has disarmed."""
        self.choose(AUTO, 6)
        self.until(lambda: not self.armed)

    def news(self):
        """What it said, and the modes and states that it was in, since this was asked last."""
        texts, beats = self.texts[self._told[0] :], self.beats[self._told[1] :]
        self._told = len(self.texts), len(self.beats)
        said = [re.sub(r"[\d.]+", "#", text) for _, text in texts if not text.startswith(_OWN_WORDS)]
        return said, [(f"{beat[3]:x}", beat[2], beat[4]) for beat in beats]

    def fly(self, items):
        """Begin a mission; the moment of arming."""
        assert self.upload(items)[0] == 0
        assert self.order(mavlink.MAV_CMD_DO_SET_MODE, 1, AUTO, MISSION) == 0
        self.until(lambda: self.order(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0, 60.0)
        begin_s = self.time_s
        self.until(lambda: self.armed)
        return begin_s


def item(command, east, north, up, *params, frame=6):
    lat, lon = LOCAL.to_geo(east, north)
    return (
        command,
        frame,
        (*params, *(0.0, 0.0, 0.0, NAN)[len(params) :]),
        round(lat * 1e7),
        round(lon * 1e7),
        up,
    )


def order(command, *params):
    return command, 2, (*params, *(0.0,) * (4 - len(params))), 0, 0, 0.0


DRAGGING = Airframe(drag_quadratic_per_m=0.0, drag_linear_per_s=1.0)
"""The real one's airframe in its own simulator: 1 N for each m/s (SIH_KDV) at 1 kg."""


@pytest.fixture
def ours():
    """Our PX4 in a thread, with the real one's drag; gives its address."""
    stop, ready, urls = threading.Event(), threading.Event(), []

    def on_ready(found):
        urls.extend(found)
        ready.set()

    pack = BatteryPack(capacity_mah=50_000.0)
    settings = SimSettings(
        HOME, ("tcpin:127.0.0.1:0",), speedup=4.0, autopilot="px4", airframe=DRAGGING, pack=pack
    )
    thread = threading.Thread(target=serve, args=(settings, on_ready, stop), daemon=True)
    thread.start()
    assert ready.wait(10.0)
    yield urls[0]
    stop.set()
    thread.join(10.0)


@pytest.fixture
def pair(real_sitl, ours):
    """A real one and ours."""
    with contextlib.ExitStack() as stack:
        crafts = []
        for url in (real_sitl("px4", HOME, speedup=4.0, instance=8)[0], ours):
            crafts.append(Craft(url))
            stack.callback(crafts[-1].link.close)
        yield crafts


def both(pair, story):
    """What a story gives of the real one and of ours. Each is listened to in a thread of its own: what waits
    unread while the other one is flown is told late, and streams are thrown away."""
    with ThreadPoolExecutor(len(pair)) as pool:
        return list(pool.map(story, pair))
