"""The simulated PX4 beside a real one: the same orders to both over MAVLink, and what came of them.

MISSIONCTL_PX4 names bin/px4 of a SITL build; skipped without it. The figures are printed (`pytest -s`). All
times are the vehicles' own.
"""

import contextlib
import itertools
import math
import re
import threading
import time

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.frames import GeoPoint, LocalFrame
from sim.battery import BatteryPack
from sim.dynamics import Airframe
from sim.server import SimSettings, serve

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
NAN = math.nan
AUTO, MISSION = 4, 4
_OWN_WORDS = ("[logger]", "Preflight:")

pytestmark = pytest.mark.soak


class Craft:
    """A vehicle at an address, whoever simulates it; keeps its track and what it said."""

    def __init__(self, url):
        self.link = mavutil.mavlink_connection(url.replace("tcp://", "tcp:"), source_system=255)
        self.system = self.link.wait_heartbeat(timeout=60).get_srcSystem()
        self.time_s, self.track, self.reached, self.texts, self.acks = 0.0, [], [], [], {}
        self.currents, self.beats, self.landed, self.photos = [], [], [], []
        self.beat_s = 0.0

    def hear(self, wait_s=1.0):
        """Take in one message."""
        if time.monotonic() - self.beat_s > 0.1:
            self.beat_s = time.monotonic()
            self.link.mav.heartbeat_send(6, 8, 0, 0, 4)
        m = self.link.recv_match(blocking=True, timeout=wait_s)
        kind = m.get_type() if m else ""
        if kind == "LOCAL_POSITION_NED":
            self.time_s = m.time_boot_ms / 1000
            self.track.append((self.time_s, m.y, m.x, -m.z))
        elif kind == "MISSION_ITEM_REACHED" and (not self.reached or self.reached[-1][0] != m.seq):
            self.reached.append((m.seq, self.time_s))
        elif kind == "MISSION_CURRENT" and (not self.currents or self.currents[-1] != m.seq):
            self.currents.append(m.seq)
        elif kind == "STATUSTEXT":
            self.texts.append((self.time_s, m.text.rstrip("\t")))
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
    def mode(self):
        return self.beats[-1][3] if self.beats else None

    def until(self, true, seconds=600.0):
        """Listen until something is so, for at most so many of the vehicle's seconds."""
        begin_s, deadline = self.time_s, time.monotonic() + 300.0
        while not true():
            self.hear()
            begin_s = begin_s or self.time_s
            assert self.time_s - begin_s < seconds, f"did not come about in {seconds} s: {self.texts[-5:]}"
            assert time.monotonic() < deadline, self.texts[-5:]

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

    def upload(self, items):
        """MAV_MISSION_RESULT, and with which messages it asked for the items."""
        self.link.mav.mission_count_send(self.system, 1, len(items), 0)
        asked = []
        while True:
            m = self.hear()
            if m is not None and m.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
                asked.append((m.get_type(), m.seq))
                command, frame, params, x, y, z = items[m.seq]
                self.link.mav.mission_item_int_send(
                    self.system, 1, m.seq, frame, command, 0, 1, *params, x, y, z, 0
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


BEND = 24.0 * math.sin(0.5)
TOUR = [
    item(22, 0, 0, 20.0),
    order(178, 1, 8, -1),
    order(206, 25.0, 0, 1),
    item(16, 0, 150, 20.0),
    item(16, 200, 150, 20.0),  # long legs, square corners
    item(16, 200, 0, 20.0),
    item(16, 200 + BEND, -24, 20.0),  # short legs with bends
    item(16, 200, -48, 20.0),
    item(16, 200 - BEND, -72, 20.0),
    item(16, 200, -96, 20.0),
    order(206, 0),
    item(16, 200, -200, 50.0),  # a climb on the way
    item(16, 180, -200, 20.0),  # a steep descent
    item(16, 60, -200, 20.0, 5.0),  # a stop
    item(16, 60, -200, 40.0),  # straight up
    order(93, 3, -1, -1, -1),
    item(16, 60, -50, 40.0),
    order(20),
]


def tour(craft):
    craft.make_ready()
    craft.currents.clear()
    craft.beats = craft.beats[-1:]
    begin_s = craft.fly(TOUR)
    craft.until(lambda: not craft.armed)
    marks = [begin_s, *(t for _, t in craft.reached)]
    down_s = next(t for t, text in craft.texts if text == "RTL: land at destination")
    return [b - a for a, b in itertools.pairwise(marks)], down_s - marks[-1], craft.time_s - down_s


def row(name, real, ours):
    off = f"{100 * (ours / real - 1):+6.1f} %" if real else ""
    print(f"  {name:32} real {real:7.2f}   ours {ours:7.2f}   {off}")


@pytest.mark.timeout(600)
def test_a_mission_is_told_and_flown_as_a_real_one_does(pair):
    (legs, home, landing), (our_legs, our_home, our_landing) = map(tour, pair)
    real, ours = pair
    print()
    for number, (a, b) in enumerate(zip(legs, our_legs, strict=True), 1):
        row(f"item {real.reached[number - 1][0]}, s", a, b)
    row("home, s", home, our_home)
    row("landing, s", landing, our_landing)
    whole, our_whole = sum(legs) + home + landing, sum(our_legs) + our_home + our_landing
    row("whole, s", whole, our_whole)
    row("photos", len(real.photos), len(ours.photos))
    assert [seq for seq, _ in ours.reached] == [seq for seq, _ in real.reached]
    assert ours.currents == real.currents
    assert ours.landed == real.landed
    assert [beat[2:4] for beat in ours.beats] == [beat[2:4] for beat in real.beats]
    for photos in (real.photos, ours.photos):
        assert [m.image_index for m in photos] == list(range(len(photos)))
    assert len(ours.photos) == pytest.approx(len(real.photos), abs=1)
    for a, b, (seq, _) in zip(legs, our_legs, real.reached, strict=True):
        assert b == pytest.approx(a, rel=0.1, abs=0.3), seq
    assert our_home == pytest.approx(home, rel=0.1, abs=1.0)
    assert our_landing == pytest.approx(landing, rel=0.1)
    assert our_whole == pytest.approx(whole, rel=0.05)
    said = [
        [re.sub(r"\d+", "#", text) for _, text in craft.texts if not text.startswith(_OWN_WORDS)]
        for craft in pair
    ]  # heights are rounded up, and an estimate lies on either side of a whole metre
    assert said[1] == said[0]


PLACE = (0.0, 100.0, 20.0)
SAMPLES = [
    item(16, *PLACE, 3.7, 1.0, 2.0, 45.0),
    item(16, *PLACE, 0, 0, 0, -90.0),
    item(16, *PLACE, frame=3),
    item(16, *PLACE, frame=0),
    item(16, *PLACE, frame=5),
    item(16, *PLACE, frame=10),
    item(16, *PLACE, frame=2),
    item(17, *PLACE, 1, 2, -30.4),
    item(18, *PLACE, 2.5, 0, 25.0, 1.0),
    item(19, *PLACE, 12.9, 3, 40.0, 2.0),
    item(21, *PLACE, 3.9, 1.6, 2.0, 10.0),
    item(22, *PLACE, 15.5, 0, 0),
    item(31, *PLACE, 1.0, -20.5, 0.0, 1.0),
    item(82, *PLACE),
    item(92, *PLACE),
    item(179, *PLACE),
    item(189, *PLACE),
    item(195, *PLACE, 1.0, 2.0, 3.0, 4.0),
    item(201, *PLACE, 3.0, 1.0, 0.0, 0.0),
    item(201, *PLACE, 7.0),
    item(5001, *PLACE, 4.0),
    item(5100, *PLACE),
    order(20, 1, 2, 3, 4),
    order(93, 4.5, -1, -1, -1),
    order(112, 5.5),
    order(113, 5.5),
    order(114, 30.5),
    order(115, 90, 30, -1, 1),
    order(177, 1.7, 3.2, 9),
    order(178, 1, 7.5, 50, 1),
    order(179, 1.0),
    order(189),
    order(193, 1, 2),
    order(197, 1.0, 2.0),
    order(201, 0.0),
    order(201, 3.0),
    order(183, 9, 1500),
    order(203, 1, 2, 3, 4),
    order(205, -45.0, 1.0, 2.0, 4.0),
    order(206, 20.5, 7, 1, 3),
    order(207, 1),
    order(211, 1, 1),
    order(214, 1000),
    order(530, 0, 1),
    order(531, 1, 2),
    order(600, 3, 1),
    order(1000, -45.0, 10.0, 1.0, 2.0),
    order(2000, 0, 2.5, 3, 4),
    order(2001, 0, 1),
    order(2500, 0, 1),
]


@pytest.mark.timeout(600)
def test_items_are_answered_and_read_back_as_a_real_one_does(pair):
    for craft in pair:
        craft.make_ready()
    differ = []
    for sample in SAMPLES:
        answers = []
        for craft in pair:
            result, asked = craft.upload([sample])
            answers.append((result, asked, craft.read_back() if result == 0 else None))
        if answers[0] != answers[1]:
            differ.append((sample, *answers))
    assert not differ


NONE = (NAN,) * 4
COMMANDS = [
    *((176, (1, 4, 4)), (176, (1, 4, 3)), (176, (1, 4, 5)), (176, (1, 4, 99)), (176, (1, 9)), (176, (0,))),
    *((300, ()), (22, (NAN,) * 7), (21, ()), (20, ()), (192, (-1, 1, 0, *NONE)), (192, (-1, 0, 0, *NONE))),
    *((34, (20, 3, 0, *NONE)), (193, (0,)), (193, (1,)), (178, (1, 5, -1)), (206, (20, 0, 1)), (206, (0,))),
    *((203, (0, 0, 0, 0, 1)), (2000, (0, 0, 1)), (2001, ()), (195, (0, 0, 0, 0, 30.05, 103.15, 500))),
    *((197, ()), (179, (1,)), (179, (0, 0, 0, 0, 30.05, 103.15, 500)), (179, (0, 0, 0, 0, NAN, NAN, NAN))),
    *((401, ()), (511, (33, 100000)), (511, (999, 100000)), (510, (33,)), (520, (1,)), (512, (148,))),
    *((512, (42,)), (512, (259,)), (512, (264,)), (512, (242,)), (189, ()), (207, (1,)), (115, (90,))),
    *((185, (0,)), (400, (0,)), (17, ()), (16, ()), (42428, ()), (2600, (0,)), (224, (0,)), (186, (510,))),
    (176, (1, 4, 3)),
]


@pytest.mark.timeout(600)
def test_commands_on_the_ground_are_answered_as_a_real_one_does(pair):
    for craft in pair:
        craft.make_ready()
    differ = []
    for command, params in COMMANDS:
        answers = []
        for craft in pair:
            result = craft.order(command, *params)
            craft.wait(1.5)
            answers.append((result, f"{craft.mode:x}"))
        if answers[0] != answers[1]:
            differ.append((command, params, *answers))
    assert not differ
