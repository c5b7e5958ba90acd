"""The simulated PX4 beside a real one: flown by hand, by a program, and kept safe by itself.

MISSIONCTL_PX4 names bin/px4 of a SITL build; skipped without it. What is said and which modes follow one
another must be the same; figures are printed (`pytest -s`) and held to what is stated.
"""

import math

import pytest

from .px4_pair import LOCAL, both, item, order

pytestmark = pytest.mark.soak

FENCE, RALLY = 1, 2
POSCTL, ALTCTL, STABILIZED, OFFBOARD = (3,), (2,), (7,), (6,)
HOLD, MISSION, RTL = (4, 3), (4, 4), (4, 5)
ARM = 400


class Story:
    """What came of a flight: figures by name, and steps that must be the same."""

    def __init__(self, craft):
        self.craft, self.figures, self.steps = craft, {}, []

    def figure(self, name, value, within):
        self.figures[name] = value, within

    def step(self, name, *answers):
        """A step of the story: its answers, and what was said and flown since the one before. Ours answers
        first and speaks then, a real one the other way round."""
        self.craft.wait(1.3)  # a heartbeat too
        self.steps.append((name, *answers, *self.craft.news()))


def told(pair, story):
    """Fly a story on both and compare."""

    def run(craft):
        craft.make_ready()
        craft.set("COM_DISARM_LAND", 2.0)
        craft.news()
        heard = Story(craft)
        story(craft, heard)
        return heard

    real, ours = both(pair, run)
    print()
    for name, (value, within) in real.figures.items():
        print(f"  {name:44} real {value:7.2f}   ours {ours.figures[name][0]:7.2f}   within {within}")
    assert [two for two in zip(real.steps, ours.steps, strict=True) if two[0] != two[1]] == []
    for name, (value, within) in real.figures.items():
        assert ours.figures[name][0] == pytest.approx(value, abs=within), name


def sticks(forward=0, right=0, up=500, turn=0):
    return lambda mav, system: mav.manual_control_send(system, forward, right, up, turn, 0)


@pytest.mark.timeout(600)
def test_it_is_flown_by_sticks_as_a_real_one(pair):
    def story(craft, heard):
        craft.set("COM_RC_LOSS_T", 4.0)
        heard.step("nobody at the sticks", craft.choose(*POSCTL), craft.order(ARM, 1))
        craft.choose(*HOLD)
        craft.wait(1.5)
        craft.pulse = sticks()
        craft.wait(3.0)
        heard.step("sticks are heard")
        for mode in (STABILIZED, ALTCTL, POSCTL):
            answer = craft.choose(*mode)
            craft.wait(1.5)
            heard.step("chosen on the ground", answer)
        craft.pulse = sticks(up=800)
        craft.wait(1.0)
        heard.step("throttle up", craft.order(ARM, 1))
        craft.pulse = sticks(up=0)
        craft.wait(1.0)
        heard.step("throttle down", craft.order(ARM, 1))
        craft.wait(1.5)
        heard.step("armed")
        craft.pulse, begin_s = sticks(up=1000), craft.time_s
        craft.until(lambda: craft.place[2] > 6.0)
        heard.figure("full throttle to 6 m, s", craft.time_s - begin_s, 1.2)
        craft.until(lambda: craft.place[2] > 14.0)
        craft.pulse = sticks()
        craft.wait(5.0)
        heard.figure("let go, m/s up", craft.speed_mps[2], 0.4)
        craft.pulse, begin_s = sticks(forward=1000), craft.time_s
        for seconds in (2, 4, 8):
            craft.until(lambda s=seconds: craft.time_s >= begin_s + s)
            heard.figure(f"full forward after {seconds} s, m/s", math.hypot(*craft.speed_mps[:2]), 1.0)
        heard.figure("nose down then, deg", craft.pitch_deg, 3.0)
        craft.pulse, begin = sticks(), craft.place
        craft.wait(8.0)
        heard.figure("let go: metres to a stand", math.dist(craft.place[:2], begin[:2]), 2.5)
        craft.pulse = sticks(forward=300)
        craft.wait(7.0)
        heard.figure("a little forward, m/s", math.hypot(*craft.speed_mps[:2]), 0.5)
        craft.pulse = sticks(turn=500)
        craft.wait(2.0)
        yaw_deg, begin_s = craft.yaw_deg, craft.time_s
        craft.wait(2.0)
        turned = math.remainder(craft.yaw_deg - yaw_deg, 360.0)
        heard.figure("half the yaw stick, deg/s", turned / (craft.time_s - begin_s), 4.0)
        craft.pulse = sticks(up=200)
        craft.wait(3.0)
        heard.figure("down, m/s", craft.speed_mps[2], 0.4)
        heard.step("by POSCTL")
        craft.pulse = sticks(forward=300)
        answer = craft.choose(*ALTCTL)
        craft.wait(3.0)
        heard.figure("ALTCTL, a little forward: deg", craft.pitch_deg, 1.5)
        heard.step("ALTCTL", answer)
        answer = craft.choose(*STABILIZED)
        craft.wait(1.5)
        heard.figure("STABILIZED, the same: deg", craft.pitch_deg, 1.5)
        craft.pulse = sticks()
        heard.step("STABILIZED", answer)
        craft.choose(*POSCTL)
        craft.wait(5.0)
        craft.choose(*HOLD)
        craft.wait(2.0)
        heard.step("hold")
        craft.pulse = sticks(right=400)
        craft.wait(2.0)
        heard.step("sticks that move in hold")
        craft.pulse = sticks()
        craft.wait(4.0)
        craft.pulse = None
        craft.wait(14.0)
        heard.step("sticks fall silent")
        craft.pulse = sticks()
        craft.wait(2.0)
        heard.step("sticks are heard again")
        craft.pulse = sticks(forward=600)
        craft.wait(2.0)
        heard.step("sticks that move in a failsafe")
        craft.pulse = sticks(up=0)
        craft.until(lambda: not craft.armed)
        craft.wait(1.0)
        heard.step("landed by hand")

    told(pair, story)


NO_YAW = 1 << 10 | 1 << 11


def place(east, north, up):
    return lambda mav, system: mav.set_position_target_local_ned_send(
        0, system, 1, 1, 0o770 | NO_YAW, north, east, -up, *(0.0,) * 8
    )


def velocity(east, north, up, frame=1, turn_radps=0.0):
    return lambda mav, system: mav.set_position_target_local_ned_send(
        0, system, 1, frame, 0o707 | 1 << 10, *(0.0,) * 3, north, east, -up, *(0.0,) * 4, turn_radps
    )


def globe(frame, up):
    lat, lon = LOCAL.to_geo(0.0, 0.0)
    return lambda mav, system: mav.set_position_target_global_int_send(
        *(0, system, 1, frame, 0o770 | 1 << 11, round(lat * 1e7), round(lon * 1e7), up),
        *(*(0.0,) * 6, math.radians(90.0), 0.0),
    )


@pytest.mark.timeout(600)
def test_it_is_flown_by_set_points_as_a_real_one(pair):
    def story(craft, heard):
        craft.set("COM_OF_LOSS_T", 8.0)
        answers = craft.choose(*OFFBOARD), craft.order(ARM, 1)
        craft.wait(1.5)
        heard.step("on the ground, no set-points", *answers)
        craft.take_off()
        craft.news()
        heard.step("in the air, no set-points", craft.choose(*OFFBOARD))
        craft.pulse = place(0, 0, 20)
        craft.wait(1.5)
        answer = craft.choose(*OFFBOARD)
        craft.wait(1.5)
        heard.step("set-points", answer)
        craft.pulse, begin_s, fastest, steepest = place(30, 0, 20), craft.time_s, 0.0, 0.0
        while craft.place[0] < 28.0:
            craft.hear()
            fastest, steepest = max(fastest, craft.speed_mps[0]), max(steepest, craft.roll_deg)
            assert craft.time_s < begin_s + 20.0
        heard.figure("to a place 30 m away, s", craft.time_s - begin_s, 1.0)
        heard.figure("fastest, m/s", fastest, 1.2)
        heard.figure("steepest, deg", steepest, 4.0)
        craft.wait(6.0)
        heard.figure("then off by, m", math.dist(craft.place, (30.0, 0.0, 20.0)), 1.5)
        craft.pulse = velocity(0, 3, 0)
        craft.wait(5.0)
        heard.figure("3 m/s north, m/s", craft.speed_mps[1], 0.7)
        craft.pulse = velocity(0, 0, 1, turn_radps=math.radians(20))
        craft.wait(4.0)
        heard.figure("1 m/s up, m/s", craft.speed_mps[2], 0.3)
        yaw_deg, begin_s = craft.yaw_deg, craft.time_s
        craft.wait(2.0)
        heard.figure("20 deg/s", (craft.yaw_deg - yaw_deg) / (craft.time_s - begin_s), 2.5)
        craft.pulse = velocity(0, 2, 0, frame=8)
        craft.wait(5.0)
        course = math.degrees(math.atan2(craft.speed_mps[0], craft.speed_mps[1]))
        heard.figure("along the nose, deg beside it", math.remainder(course - craft.yaw_deg, 360.0), 12.0)
        for frame, up in ((5, 525.0), (6, 22.0)):
            craft.pulse = globe(frame, up)
            craft.wait(14.0)
            heard.figure(f"a place on the globe, frame {frame}, m up", craft.place[2], 1.5)
            heard.figure(f"a place on the globe, frame {frame}, m off", math.hypot(*craft.place[:2]), 1.5)
        heard.figure("its nose, deg", craft.yaw_deg, 3.0)
        heard.step("flown")
        for action in range(6):
            craft.set("COM_OBL_RC_ACT", action)
            craft.pulse = place(0, 0, 20)
            craft.wait(3.0)
            craft.choose(*OFFBOARD)
            craft.wait(2.0)
            craft.news()
            craft.pulse = None
            craft.wait(12.0)
            if action == 0:
                heard.figure("no set-points, nobody at the sticks: m/s up", craft.speed_mps[2], 0.4)
            heard.step("no set-points", action, craft.choose(*OFFBOARD))
            craft.pulse = place(0, 0, 20)
            craft.wait(3.0)
            heard.step("set-points again")
            craft.choose(*HOLD)
        craft.pulse = None
        craft.land()

    told(pair, story)


def corner(east, north, command, count):
    return item(command, east, north, 0.0, float(count), 0.0, 0.0, 0.0, frame=3)


def box(west, south, east, north, command=5001):
    corners = (west, south), (east, south), (east, north), (west, north)
    return [corner(*place, command, 4) for place in corners]


@pytest.mark.timeout(900)
def test_it_keeps_its_fence_and_its_rally_points_as_a_real_one(pair):
    def story(craft, heard):
        heard.step("home is beyond it", craft.upload(box(50, 50, 90, 90), FENCE)[0])
        craft.wait(3.0)
        heard.step("home is in it", craft.upload(box(-10, -10, 10, 10, 5002), FENCE)[0])
        craft.wait(3.0)
        heard.step("two areas", craft.upload(box(-60, -60, 60, 60) + box(-30, -30, 100, 30), FENCE)[0])
        craft.wait(2.0)
        for north in (100, 50, 20):
            craft.upload([item(16, 0, 0, 20.0), item(16, 0, north, 20.0)])
            craft.wait(2.0)
            answers = craft.choose(*MISSION), craft.order(ARM, 1), craft.order(ARM, 0)
            craft.wait(1.3)
            said, _ = craft.news()  # armed for less than a heartbeat
            heard.steps.append(("a mission", north, answers, sorted(said)))
            craft.choose(*HOLD)
        craft.wait(2.0)
        craft.news()
        wide = box(-100, -100, 100, 150)
        for action in (1, 2, 3, 5):
            craft.set("GF_ACTION", action)
            craft.upload(wide + box(-20, 40, 20, 70, 5002), FENCE)
            craft.wait(1.0)
            craft.upload([item(16, 0, 0, 20.0), item(16, 0, 110, 20.0), item(16, 0, 0, 20.0)])
            craft.wait(1.0)
            craft.take_off()
            craft.go_to(0, 300)
            craft.wait(2.0)
            heard.step("ordered outside", action)
            craft.go_to(0, 0)
            craft.wait(8.0)
            craft.choose(*MISSION)
            craft.wait(27.0)
            said, modes = craft.news()
            said = [text for text in said if not text.startswith("Climb to")]  # within a decimetre of it
            heard.steps.append(("the fence is broken", action, said, modes))
            if action == 2:
                heard.figure("held at, m north", craft.place[1], 2.0)
            craft.choose(*MISSION)
            craft.wait(6.0)
            if action != 2:  # held on the very edge, it may break the fence anew
                heard.steps.append(("the mission is asked for again", action, craft.mode))
            craft.upload([], FENCE)
            craft.choose(*RTL)
            craft.until(lambda: not craft.armed)
            craft.wait(2.0)
            craft.news()
        points = [item(5100, *place, 0.0, frame=3) for place in ((5, 0), (0, 120))]
        heard.step("rally points", craft.upload(points, RALLY)[0])
        craft.take_off()
        craft.go_to(0, 80)
        craft.until(lambda: math.dist(craft.place[:2], (0, 80)) < 1.5)
        craft.news()
        craft.choose(*RTL)
        craft.until(lambda: not craft.armed)
        craft.wait(1.5)
        heard.figure("returned to a rally point, m off", math.dist(craft.place[:2], (0, 120)), 1.5)
        heard.step("returned")
        craft.set("RTL_TYPE", 1)  # home is here now, and the point here no point
        craft.take_off()
        craft.news()
        craft.choose(*RTL)
        craft.until(lambda: not craft.armed)
        craft.wait(1.5)
        heard.figure("with RTL_TYPE 1, m off the other", math.dist(craft.place[:2], (5, 0)), 1.5)
        heard.step("returned")

    told(pair, story)


UP_AND_ROUND = [item(22, 0, 0, 20.0), item(16, 0, 60, 20.0), item(16, 60, 60, 25.0), item(16, 60, 120, 20.0)]
TO_A_LANDING = [
    *UP_AND_ROUND,
    order(189),
    item(16, 80, 0, 25.0),
    item(16, 40, 0, 15.0),
    item(21, 20, 0, 0.0),
]


@pytest.mark.timeout(600)
def test_it_returns_along_its_mission_as_a_real_one(pair):
    def story(craft, heard):
        for kind, mission in ((2, UP_AND_ROUND), (2, TO_A_LANDING), (1, TO_A_LANDING)):
            craft.set("RTL_TYPE", kind)
            assert craft.upload(mission)[0] == 0
            craft.choose(*MISSION)
            craft.until(lambda: craft.order(ARM, 1) == 0, 60.0)
            craft.until(lambda: craft.place[0] > 45.0)
            craft.news()
            craft.currents, craft.reached, begin_s = craft.currents[-1:], craft.reached[-1:], craft.time_s
            craft.choose(*RTL)
            craft.until(lambda: not craft.armed)
            name = f"RTL_TYPE {kind}, {len(mission)} items"
            heard.figure(f"{name}: s", craft.time_s - begin_s, 10.0)
            heard.figure(f"{name}: m from home", math.hypot(*craft.place[:2]), 2.0)
            craft.wait(1.5)
            said, modes = craft.news()
            reached = [seq for seq, _ in craft.reached]
            heard.steps.append((name, sorted(said), modes, craft.currents, reached))
            craft.choose(*HOLD)
            craft.wait(1.0)

    told(pair, story)
