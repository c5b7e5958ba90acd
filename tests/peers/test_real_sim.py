"""The simulated ArduCopter beside a real one: the same orders to both over MAVLink, and what came of them.

MISSIONCTL_ARDUCOPTER names the SITL binary; skipped without it. The figures are printed (`pytest -s`). All
times are the vehicles' own.
"""

import contextlib
import itertools
import math
import time

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.frames import GeoPoint, LocalFrame

from .listening import Listening

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
GUIDED, AUTO, LOITER, RTL, BRAKE = 4, 3, 5, 6, 17
WAYPOINT, TAKEOFF = 16, 22

pytestmark = pytest.mark.soak


class Copter(Listening):
    """A vehicle at an address, whoever simulates it; keeps its track and what it said."""

    def __init__(self, url):
        self.link = mavutil.mavlink_connection(url.replace("tcp://", "tcp:"), source_system=255)
        self.system = self.link.wait_heartbeat(timeout=30).get_srcSystem()
        self.time_s, self.track, self.reached, self.texts, self.acks = 0.0, [], {}, [], {}
        self.seen = []
        self.armed, self.mode, self.beat_s = True, None, 0.0
        self.setpoint = None
        self.yaw, self.turned, self.modes = 0.0, 0.0, []

    def hear(self, wait_s=1.0):
        """Take in one message."""
        if time.monotonic() - self.beat_s > 0.1:
            self.beat_s = time.monotonic()
            self.link.mav.heartbeat_send(6, 8, 0, 0, 4)
            if self.setpoint is not None:
                self.link.mav.send(self.setpoint)
        m = self.link.recv_match(blocking=True, timeout=wait_s)
        kind = m.get_type() if m else ""
        if kind == "LOCAL_POSITION_NED":
            self.time_s = m.time_boot_ms / 1000
            self.track.append((self.time_s, m.y, m.x, -m.z, m.vy, m.vx, -m.vz))
        elif kind == "MISSION_ITEM_REACHED":
            self.reached.setdefault(m.seq, self.time_s)
            self.seen.append((m.seq, self.time_s))
        elif kind == "STATUSTEXT":
            self.texts.append((self.time_s, m.text))
        elif kind == "COMMAND_ACK":
            self.acks[m.command] = m.result
        elif kind == "HEARTBEAT" and m.get_srcComponent() == 1:
            self.armed, self.mode = bool(m.base_mode & 128), m.custom_mode
            if self.modes[-1:] != [m.custom_mode]:
                self.modes.append(m.custom_mode)
        elif kind == "ATTITUDE":
            self.turned += math.remainder(m.yaw - self.yaw, math.tau)
            self.yaw = m.yaw
        return m

    def order(self, command, *params):
        """COMMAND_LONG; its MAV_RESULT."""
        self.acks.pop(command, None)
        self.link.mav.command_long_send(self.system, 1, command, 0, *params, *(0,) * (7 - len(params)))
        self.until(lambda: command in self.acks, 30.0)
        return self.acks[command]

    def set(self, name, value):
        self.link.mav.param_set_send(self.system, 1, name.encode(), value, mavlink.MAV_PARAM_TYPE_REAL32)
        self.link.recv_match(type="PARAM_VALUE", blocking=True, timeout=3)

    def enter(self, mode):
        assert self.order(mavlink.MAV_CMD_DO_SET_MODE, 1, mode) == 0
        self.until(lambda: self.mode == mode, 10.0)

    def upload(self, items):
        """The items, after a home slot; MAV_MISSION_RESULT."""
        slots = [item(WAYPOINT, 0, 0, 0), *items]
        self.link.mav.mission_count_send(self.system, 1, len(slots), 0)
        while True:
            m = self.hear()
            if m is not None and m.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
                command, frame, params, x, y, z = slots[m.seq]
                self.link.mav.mission_item_int_send(
                    self.system, 1, m.seq, frame, command, 0, 1, *params, x, y, z, 0
                )
            elif m is not None and m.get_type() == "MISSION_ACK":
                return m.type

    def read_back(self):
        """The items that it holds, without the home slot, as (command, frame, params, x, y, z)."""
        self.link.mav.mission_request_list_send(self.system, 1, 0)
        count = self.link.recv_match(type="MISSION_COUNT", blocking=True, timeout=5).count
        items = []
        for seq in range(1, count):
            self.link.mav.mission_request_int_send(self.system, 1, seq, 0)
            m = self.link.recv_match(type="MISSION_ITEM_INT", blocking=True, timeout=5)
            params = tuple(round(float(p), 4) for p in (m.param1, m.param2, m.param3, m.param4))
            items.append((m.command, m.frame, params, m.x, m.y, round(m.z, 2)))
        return items

    def make_ready(self):
        """Streams on, armed in GUIDED."""
        for message, hz in (
            (mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED, 20),
            (mavlink.MAVLINK_MSG_ID_ATTITUDE, 10),
        ):
            self.order(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message, 1e6 / hz)
        self.until(lambda: self.time_s > 45.0)  # what an EKF needs
        self.enter(GUIDED)
        self.set("DISARM_DELAY", 60)
        self.until(lambda: self.order(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) == 0, 90.0)
        self.until(lambda: self.armed)

    def fly(self, items):
        """Arm and begin a mission."""
        self.make_ready()
        assert self.upload(items) == 0
        self.enter(AUTO)
        begin_s = self.time_s
        assert self.order(mavlink.MAV_CMD_MISSION_START) == 0
        return begin_s

    def aimed(self, target):
        """A target message for this vehicle."""
        target.target_system = self.system
        return target

    def send_target(self, target):
        self.link.mav.send(self.aimed(target))

    def wait(self, seconds):
        begin_s = self.time_s
        self.until(lambda: self.time_s >= begin_s + seconds)

    def stand(self):
        self.until(lambda: self.speed() < 0.1, 60.0)
        self.wait(2.0)

    def speed(self):
        return math.hypot(*self.track[-1][4:6]) if self.track else 0.0

    def place(self):
        return self.track[-1][1:4]


def item(command, east, north, up, *params, frame=3):
    lat, lon = LOCAL.to_geo(east, north)
    return command, frame, (*params, *(0.0,) * (4 - len(params))), round(lat * 1e7), round(lon * 1e7), up


def order(command, *params):
    return command, 2, (*params, *(0.0,) * (4 - len(params))), 0, 0, 0.0


@pytest.fixture
def pair(real_sitl, missionctl_sim):
    """A real one and ours."""
    with contextlib.ExitStack() as stack:
        copters = []
        for url in (real_sitl("ardupilot", HOME, speedup=8.0, instance=8)[0], missionctl_sim(speedup=8)[0]):
            copters.append(Copter(url))
            stack.callback(copters[-1].link.close)
        yield copters


ZIGZAG = [(200.0 + 24.0 * math.sin(a), 24.0 * k) for k, a in enumerate((0.0, 0.5, 0.0, -0.5, 0.0, 0.5, 0.2))]
TOUR = [
    item(TAKEOFF, 0, 0, 20.0),
    item(WAYPOINT, 0, 150, 20.0),
    item(WAYPOINT, 200, 150, 20.0),  # long legs, square corners
    item(WAYPOINT, 200, 0, 20.0),
    *(item(WAYPOINT, east, -north, 20.0) for east, north in ZIGZAG[1:]),  # 24 m legs with bends
    item(WAYPOINT, 200, -250, 50.0),  # a climb on the way
    item(WAYPOINT, 180, -250, 20.0),  # a steep descent
    item(WAYPOINT, 60, -250, 20.0, 5.0),  # a stop
    item(WAYPOINT, 60, -250, 40.0),  # straight up
    item(WAYPOINT, 60, -50, 40.0),
    order(20),
]


def tour(copter):
    begin_s = copter.fly(TOUR)
    copter.until(lambda: not copter.armed)
    marks = [begin_s, *(copter.reached[seq] for seq in range(1, len(TOUR)))]
    return copter, [b - a for a, b in itertools.pairwise(marks)], copter.time_s - marks[-1]


FEATURES = [
    item(TAKEOFF, 0, 0, 20.0),
    order(206, 25.0, 0, 1),
    item(WAYPOINT, 0, 60, 20.0),  # 3
    item(82, 40, 100, 20.0),
    item(82, 80, 60, 25.0),
    item(82, 120, 100, 20.0),
    item(WAYPOINT, 160, 100, 20.0),  # 7
    order(178, 1, 5, -1),
    item(18, 160, 60, 20.0, 2, 0, 15.0),  # 9
    item(18, 160, 60, 20.0, 0.5, 0, -10.0),
    item(WAYPOINT, 120, 60, 20.0),  # 11
    order(112, 3),
    order(206, 0),
    order(114, 20),
    order(178, 1, 8, -1),
    item(19, 60, 60, 20.0, 4.9),  # 16
    order(93, 3, -1, -1, -1),  # 17
    item(WAYPOINT, 60, 30, 20.0),  # 18
    order(115, 90, 0, 1, 0),
    order(206, 0),
    order(177, 16, 2),  # 21
    item(201, 0, 0, 0.0),
    item(WAYPOINT, 20, 30, 20.0),  # 23
    order(201),
    order(2000, 0, 1.0, 3),
    order(193, 0),
    item(21, 10, 10, 0.0),  # 27
]

PLACE = (0.0, 100.0, 20.0)
SAMPLES = [
    item(WAYPOINT, *PLACE, 3.7, 1.0, 2.0, 45.0),
    item(WAYPOINT, *PLACE, 0, 0, 0, math.nan),
    item(17, *PLACE, 0, 0, -30.4, math.nan),
    item(18, *PLACE, 2.5, 0, -25.6, 1.0),
    item(18, *PLACE, 0.5, 0, 432.0),
    item(18, *PLACE, 300.0, 0, 3000.0),
    item(19, *PLACE, 12.9, 0, 40.0, 2.0),
    item(19, *PLACE, 12.9, 0, -40.0, math.nan),
    item(31, *PLACE, 1.0, -20.5, 0.0, 1.0),
    order(20, 1, 2, 3, 4),
    item(21, *PLACE, 3.9, 1.0, 2.0, -3.0),
    item(21, *PLACE, 0, 0, 0, math.nan),
    item(22, *PLACE, 15.5, 0, 0, math.nan),
    item(22, 0, 0, math.nan),
    item(82, *PLACE, 4.6, 1.0, 2.0, 3.0),
    item(92, *PLACE, 1.0),
    order(93, 4.5, -1, -1, -1),
    order(93, 0, 14, 30, 15),
    order(112, 5.5, 1),
    order(113, 5.5, 1),
    order(114, 30.5, 1),
    order(115, 90, 30, -1, 1),
    order(115, 90, 30, 1, math.nan),
    order(177, 1, 3, 9),
    order(177, 1, -1),
    order(178, 1, 7.5, 50, 1),
    item(179, *PLACE, 1.0, 2.0),
    item(188, *PLACE),
    item(189, *PLACE, 1.0),
    order(193, 1, 2),
    item(195, *PLACE, 1.0, 2.0),
    order(197, 1.0, 2.0),
    item(201, *PLACE, 3.0, 2.0),
    order(181, 1, 1, 1),
    order(182, 1, 2, 3),
    order(183, 9, 1500, 1),
    order(184, 9, 1500, 2, 3.5),
    (202, 2, (1.0, 2.0, 3.0, 4.0), 5, 6, 7.0),
    (203, 2, (1.0, 2.0, 3.0, 4.0), 1, 6, 7.0),
    (205, 2, (-45.0, 1.0, 2.0, 4.0), 5, 6, 2.0),
    order(206, 20.5, 7, 1, 3),
    order(207, 1, 2),
    order(208, 1, 2),
    order(211, 1, 1, 2),
    order(214, 2, 1),
    order(222, 10, 5, 100, 200),
    order(530, 0, 1),
    order(531, 1, 2),
    order(532, 1, 2),
    order(600, 3, 1),
    order(601, 3, 2),
    (1000, 2, (-45.0, 10.0, 1.0, 2.0), 12, 0, 1.0),
    order(2000, 0, 2.5, 3, 4),
    order(2001, 0, 1),
    order(2500, 0, 1),
    order(2501, 0, 1),
    (16, 5, (0.0,) * 4, 300000000, 1030000000, 20.0),
    (16, 2, (0.0,) * 4, 300000000, 1030000000, 20.0),
    (16, 10, (0.0,) * 4, 300000000, 1030000000, 20.127),
    (16, 1, (0.0,) * 4, 300000000, 1030000000, 20.0),
    (16, 3, (math.inf, 0.0, 0.0, 0.0), 300000000, 1030000000, 20.0),
    (16, 3, (0.0, math.nan, 0.0, 0.0), 300000000, 1030000000, 20.0),
    (16, 3, (0.0, 0.0, math.nan, 0.0), 300000000, 1030000000, 20.0),
    (178, 1, (1.0, 5.0, -1.0, 0.0), 0, 0, math.nan),
]


def verdict(copter, sample):
    """What it says to an item, and how that reads back."""
    result = copter.upload([sample])
    return (result, copter.read_back()[0]) if result == 0 else (result, None)


def stop(copter, how):
    """(metres, seconds) from an order to stop at full speed until it all but stands."""
    copter.until(lambda: copter.speed() > 9.7, 60.0)
    (x, y, _), begin_s = copter.place(), copter.time_s
    how()
    copter.until(lambda: copter.speed() < 0.5, 60.0)
    x1, y1, _ = copter.place()
    return math.hypot(x1 - x, y1 - y), copter.time_s - begin_s


def stops(copter):
    """Stops from WPNAV_SPEED in each of the ways that clients use."""
    figures = {}
    copter.fly([item(TAKEOFF, 0, 0, 20.0), item(WAYPOINT, 0, 1500, 20.0), order(20)])
    pause = mavlink.MAV_CMD_DO_PAUSE_CONTINUE
    figures["pause"] = stop(copter, lambda: copter.order(pause, 0))
    assert copter.order(pause, 1) == 0
    for name, mode in (("brake", BRAKE), ("loiter", LOITER), ("guided", GUIDED)):
        figures[name] = stop(copter, lambda mode=mode: copter.enter(mode))
        copter.enter(AUTO)
    copter.until(lambda: copter.speed() > 9.7, 60.0)
    copter.enter(GUIDED)
    copter.until(lambda: copter.speed() < 0.2, 60.0)
    return figures


def _target(mask, frame=1, **fields):
    values = dict.fromkeys(("x", "y", "z", "vx", "vy", "vz", "afx", "afy", "afz", "yaw", "yaw_rate"), 0.0)
    values.update(fields)
    return mavlink.MAVLink_set_position_target_local_ned_message(0, 1, 1, frame, mask, *values.values())


def guided(copter):
    """Seconds to fly 80 m to a point; to 5 m/s when told to fly so; speed after 3 s of an acceleration."""
    figures, height = {}, copter.place()[2]
    x, y, _ = copter.place()
    begin_s = copter.time_s
    copter.send_target(_target(0xDF8, x=y, y=x + 80.0, z=-height))
    copter.until(lambda: math.hypot(copter.place()[0] - x - 80.0, copter.place()[1] - y) < 0.5, 60.0)
    figures["80 m to a point, s"] = copter.time_s - begin_s
    begin_s = copter.time_s
    copter.setpoint = copter.aimed(_target(0xDC7, vx=0.0, vy=5.0))
    copter.until(lambda: copter.speed() > 4.75, 30.0)
    figures["to 5 m/s, s"] = copter.time_s - begin_s
    copter.setpoint, begin_s = None, copter.time_s
    copter.until(lambda: copter.speed() < 0.2, 30.0)
    figures["to stand without targets, s"] = copter.time_s - begin_s
    copter.setpoint = copter.aimed(_target(0xC3F, afx=1.0))
    begin_s = copter.time_s
    copter.until(lambda: copter.time_s > begin_s + 3.0, 30.0)
    figures["3 s at 1 m/s2, m/s"] = copter.speed()
    copter.setpoint = None
    copter.until(lambda: copter.speed() < 0.2, 30.0)
    return figures


def ahead_of(copter, x, y):
    """(forward, right) metres from a place, by where the nose points."""
    east, north = copter.place()[0] - x, copter.place()[1] - y
    c, s = math.cos(copter.yaw), math.sin(copter.yaw)
    return north * c + east * s, east * c - north * s


def aims(copter):
    """What targets with velocities, accelerations, yaws and frames come to, each told once: they end by
    themselves after 3 s."""
    figures = {}
    copter.fly([item(TAKEOFF, 0, 0, 30.0), order(20)])
    copter.until(lambda: copter.place()[2] > 29.0)
    copter.enter(GUIDED)
    copter.stand()

    def tell(mask, frame=1, **fields):
        copter.send_target(_target(mask, frame, **fields))

    def after(mask, frame=1, seconds=1.5, **fields):
        """(metres east, north, up; radians turned) from a target until it stands again."""
        x, y, z = copter.place()
        begin = copter.turned
        tell(mask, frame, **fields)
        copter.wait(seconds)
        copter.stand()
        east, north, up = copter.place()
        return east - x, north - y, up - z, copter.turned - begin

    tell(0x9C7, vx=3.0, yaw=0.0)  # 3 m/s north, nose north
    copter.wait(2.0)
    figures["nose told north, rad"] = math.remainder(copter.yaw, math.tau)
    copter.stand()
    x, y, z = copter.place()
    east, north, up, _ = after(0xDC0, x=y, y=x, z=-z, vx=4.0, vy=2.0)
    figures["a place at 4 m/s: north, m"], figures["and at 2 m/s: east, m"] = north, east
    x, y, z = copter.place()
    _, _, up, _ = after(0xC00, x=y, y=x, z=-z, vz=-1.0, afz=-0.2)
    figures["a place that climbs at 1 m/s, m"] = up
    x, y, z = copter.place()
    tell(0xC00, x=y, y=x, z=-z, vx=3.0, afx=0.5)
    copter.wait(2.0)
    figures["a place at 3 m/s and 0.5 m/s2, m/s"] = copter.speed()
    copter.stand()
    tell(0xC07, vx=2.0, afx=0.5)
    copter.wait(2.5)
    figures["2 m/s and 0.5 m/s2, m/s"] = copter.speed()
    copter.stand()
    tell(0xDC7, vx=0.0, vy=4.0)  # to the east: the nose follows
    copter.wait(2.5)
    copter.stand()
    figures["nose ahead, rad"] = math.remainder(copter.yaw, math.tau)
    figures["by the body told, rad"] = after(0x9C7, 9, 4.0, yaw=0.7)[3]
    figures["round at 0.3 rad/s, rad"] = after(0x5C7, 1, 5.0, yaw_rate=0.3)[3]
    figures["an angle that goes on at 0.2 rad/s, rad"] = after(0x1C7, 1, 6.0, yaw=copter.yaw, yaw_rate=0.2)[3]
    x, y, _ = copter.place()
    tell(0x9F8, 9, x=20.0, y=5.0, yaw=0.0)
    copter.wait(3.0)
    copter.stand()
    figures["20 m ahead, m"], figures["5 m to the right, m"] = ahead_of(copter, x, y)
    east, north, up, _ = after(0xDF8, 7, x=-10.0, y=3.0, z=-2.0)
    figures["10 m back, m"], figures["3 m east, m"], figures["2 m up, m"] = north, east, up
    east, north, _, _ = after(0xDC7, 8, vx=3.0)
    figures["3 m/s by the body, m"] = math.hypot(east, north)
    for name, mask, frame in (
        ("a place with an acceleration alone, m", 0xC38, 1),
        ("nothing, m", 0xFFF, 1),
        ("force, m", 0xE3F, 1),
        ("a frame it has not, m", 0xDF8, 3),
        ("a velocity that is none, m", 0xDC7, 1),
    ):
        tell(0xDC7, vx=5.0)
        copter.until(lambda: copter.speed() > 4.5, 10.0)
        figures[name] = math.hypot(*after(mask, frame, x=0.0, y=0.0, z=-30.0, vx=2000.0, afx=1.0)[:2])
    return figures


PATHS = [
    item(TAKEOFF, 0, 0, 20.0),
    item(WAYPOINT, 0, 150, 20.0),
    item(WAYPOINT, 150, 150, 20.0),
    order(188),  # 4
    item(WAYPOINT, 150, 60, 20.0),
    item(WAYPOINT, -60, 60, 25.0),
    item(189, -60, 20, 20.0),  # 7
    item(WAYPOINT, -60, 0, 20.0),
    item(21, -30, 0, 0.0),  # 9
]


def ways_home(copter):
    """What is answered and said to, and comes of: AUTO RTL by its mode and by both commands."""
    said = []
    land, path, set_mode = (
        mavlink.MAV_CMD_DO_LAND_START,
        mavlink.MAV_CMD_DO_RETURN_PATH_START,
        mavlink.MAV_CMD_DO_SET_MODE,
    )

    def asked(command, *params):
        seen = len(copter.texts)
        result = copter.order(command, *params)
        copter.wait(1.0)
        heard = [text for _, text in copter.texts[seen:]]
        words = [text for text in heard if any(part in text.lower() for part in ("rtl", "path", "landing"))]
        said.append((result, copter.mode, words))

    copter.fly([item(TAKEOFF, 0, 0, 20.0), item(WAYPOINT, 0, 150, 20.0)])
    copter.until(lambda: copter.place()[2] > 15.0)
    for command in ((set_mode, 1, 27), (land,), (path,)):
        asked(*command)
    assert copter.upload(PATHS) == 0
    copter.enter(AUTO)
    copter.until(lambda: copter.place()[1] > 60.0)
    joined = len(copter.texts)
    asked(path)
    asked(set_mode, 1, 27)  # it is on it
    copter.until(lambda: copter.reached.keys() & {6, 7}, 60.0)
    asked(set_mode, 1, AUTO)
    asked(set_mode, 1, LOITER)
    copter.wait(2.0)
    asked(set_mode, 1, 27)
    asked(land)
    begin_s = copter.time_s
    copter.until(lambda: not copter.armed)
    copter.wait(3.0)
    words = [text for _, text in copter.texts[joined:] if text.startswith(("Mission:", "Reached command"))]
    # a real one begins an item twice where AUTO is entered for it, and the first one anew on the ground
    told = list(dict.fromkeys(words[: words.index("Mission: 9 Land") + 1]))
    for command in ((land,), (path,), (set_mode, 1, 27), (mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1)):
        asked(*command)
    return said, told, copter.modes, copter.place(), copter.time_s - begin_s


def circle(copter):
    """Seconds of a whole turn in CIRCLE, and how far from each other its sides are."""
    # the throttle stick in the middle: without a transmitter a real one sinks
    copter.setpoint = mavlink.MAVLink_rc_channels_override_message(
        copter.system, 1, 1500, 1500, 1500, 1500, *[0] * 4
    )
    begin_s = copter.time_s
    copter.until(lambda: copter.time_s > begin_s + 2.0)
    copter.enter(7)
    begin_s = copter.time_s
    copter.until(lambda: copter.time_s > begin_s + 15.0)
    start, begin_s = copter.place(), copter.time_s

    def away():
        return math.hypot(copter.place()[0] - start[0], copter.place()[1] - start[1])

    copter.until(lambda: copter.time_s > begin_s + 5.0)
    width = 0.0
    while away() > 0.7 and copter.time_s < begin_s + 60.0:
        copter.hear()
        width = max(width, away())
    copter.setpoint = mavlink.MAVLink_rc_channels_override_message(copter.system, 1, *[0] * 8)
    return {"turn, s": copter.time_s - begin_s, "across, m": width}


def home(copter):
    """The parts of a return from 8 m of height."""
    copter.enter(GUIDED)
    copter.send_target(_target(0xDF8, x=60.0, y=60.0, z=-8.0))
    copter.until(lambda: math.dist(copter.place(), (60.0, 60.0, 8.0)) < 0.3)
    begin_s = copter.time_s
    copter.until(lambda: copter.time_s > begin_s + 3.0)
    begin_s = copter.time_s
    copter.enter(RTL)
    copter.until(lambda: copter.place()[2] > 14.8, 60.0)
    up_s = copter.time_s
    copter.until(lambda: math.hypot(*copter.place()[:2]) < 1.0, 60.0)
    there_s = copter.time_s
    copter.until(lambda: copter.place()[2] < 10.0, 60.0)
    low_s = copter.time_s
    copter.until(lambda: not copter.armed, 60.0)
    return {
        "climb, s": up_s - begin_s,
        "cruise, s": there_s - up_s,
        "wait and sink to 10 m, s": low_s - there_s,
        "land, s": copter.time_s - low_s,
    }


def off_line(track, begin_s, end_s, a, b):
    """The greatest distance from the line between two places, while a leg is flown."""
    east, north = b[0] - a[0], b[1] - a[1]
    length = math.hypot(east, north)
    flown = [p for p in track if begin_s < p[0] < end_s]
    return max(abs((p[1] - a[0]) * north - (p[2] - a[1]) * east) / length for p in flown)


def row(name, real, ours):
    off = f"{100 * (ours / real - 1):+6.1f} %" if real else ""
    print(f"  {name:32} real {real:7.2f}   ours {ours:7.2f}   {off}")


@pytest.mark.timeout(600)
def test_legs_take_as_long_as_a_real_one_takes_for_them(pair):
    (real, legs, landing), (ours, our_legs, our_landing) = map(tour, pair)
    print()
    for number, (a, b) in enumerate(zip(legs, our_legs, strict=True), 1):
        row(f"leg {number}, s", a, b)
        assert b == pytest.approx(a, rel=0.1, abs=0.3), number
    row("from home down, s", landing, our_landing)
    row("whole, s", sum(legs) + landing, sum(our_legs) + our_landing)
    assert sum(our_legs) == pytest.approx(sum(legs), rel=0.03)
    assert our_landing + sum(our_legs) == pytest.approx(landing + sum(legs), rel=0.03)
    aside = [
        off_line(copter.track, copter.reached[2] + 8.0, copter.reached[3] - 4.0, (0, 150), (200, 150))
        for copter in (real, ours)
    ]
    row("off a long leg, m", *aside)
    assert max(aside) < 1.0


@pytest.mark.timeout(600)
def test_stops_targets_circles_and_returns_are_a_real_ones(pair):
    figures = []
    for copter in pair:
        away = {
            f"{how}: {unit}": v
            for how, both in stops(copter).items()
            for unit, v in zip("ms", both, strict=True)
        }
        figures.append({**away, **guided(copter), **circle(copter), **home(copter)})
    print()
    for name, real in figures[0].items():
        row(name, real, figures[1][name])
    for name, real in figures[0].items():
        # orders and heartbeats take up to a second of the vehicle's time
        slack = {"m/s": 0.6, "s": 1.5}.get(name.rpartition(" ")[2], 0.5)
        assert figures[1][name] == pytest.approx(real, rel=0.1, abs=slack), name


@pytest.mark.timeout(600)
def test_targets_of_every_kind_come_to_what_they_come_to_on_a_real_one(pair):
    real, ours = map(aims, pair)
    print()
    for name, figure in real.items():
        row(name, figure, ours[name])
    for name, figure in real.items():
        slack = {"rad": 0.08, "m/s": 0.25}.get(name.rpartition(" ")[2], 0.8)
        assert ours[name] == pytest.approx(figure, rel=0.08, abs=slack), name


@pytest.mark.timeout(600)
def test_the_ways_home_of_a_mission_are_found_and_shown_as_on_a_real_one(pair):
    (said, told, modes, place, seconds), (our_said, our_told, our_modes, our_place, our_seconds) = map(
        ways_home, pair
    )
    for theirs, mine in zip(said, our_said, strict=True):
        print(f"  real {theirs}\n  ours {mine}")
        assert mine == theirs
    print(f"  real {told}\n  ours {our_told}")
    assert our_told == told
    assert our_modes == modes
    assert our_place[:2] == pytest.approx(place[:2], abs=1.5)
    row("from the landing's start until down, s", seconds, our_seconds)
    assert our_seconds == pytest.approx(seconds, rel=0.1, abs=2.0)


@pytest.mark.timeout(600)
def test_items_are_answered_and_read_back_as_a_real_one_does(pair):
    real, ours = pair
    real.until(lambda: real.time_s > 0 or any("origin set" in text for _, text in real.texts), 90.0)
    for sample in SAMPLES:
        assert verdict(ours, sample) == verdict(real, sample), sample


@pytest.mark.timeout(600)
def test_orders_of_a_mission_come_in_the_order_and_at_the_times_of_a_real_one(pair):
    said = []
    for copter in pair:
        begin_s = copter.fly(FEATURES)
        copter.until(lambda copter=copter: not copter.armed)
        words = ("Mission: ", "Reached", "Delaying", "Skipping")
        said.append(
            [(t - begin_s, text) for t, text in copter.texts if t >= begin_s and text.startswith(words)]
        )
    real, ours = said
    # a real one looks ahead past its last jump too soon, and begins anew after the landing
    real = [entry for entry in real if entry[1] not in ("Mission: 22 SetROI", "Mission: 1 Takeoff")]
    ours = [entry for entry in ours if entry[1] not in ("Mission: 22 SetROI", "Mission: 1 Takeoff")]
    print()
    for (a, text), (b, our_text) in zip(real, ours, strict=True):
        print(f"  real {a:6.1f} {text:36} ours {b:6.1f} {our_text}")
    for text in {text for _, text in real}:
        for a, b in zip(*([t for t, said in story if said == text] for story in (real, ours)), strict=True):
            assert b == pytest.approx(a, rel=0.02, abs=1.5), text
