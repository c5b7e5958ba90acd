"""The simulated PX4 beside a real one: the same orders to both over MAVLink, and what came of them.

MISSIONCTL_PX4 names bin/px4 of a SITL build; skipped without it. The figures are printed (`pytest -s`). All
times are the vehicles' own.
"""

import itertools
import math
import re

import pytest

from .px4_pair import NAN, both, item, order

_OWN_WORDS = ("[logger]", "Preflight:")

pytestmark = pytest.mark.soak


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
    (legs, home, landing), (our_legs, our_home, our_landing) = both(pair, tour)
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
    def answers(craft):
        craft.make_ready()
        for sample in SAMPLES:
            result, asked = craft.upload([sample])
            yield result, asked, craft.read_back() if result == 0 else None

    real, ours = both(pair, lambda craft: list(answers(craft)))
    assert [three for three in zip(SAMPLES, real, ours, strict=True) if three[1] != three[2]] == []


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
    *((176, (1, 1)), (400, (1,)), (176, (1, 2)), (400, (1,)), (176, (1, 3)), (400, (1,))),
    *((176, (1, 7)), (400, (1,)), (176, (1, 6)), (400, (1,)), (176, (1, 4, 5)), (400, (1,))),
    (176, (1, 4, 3)),
]


@pytest.mark.timeout(600)
def test_commands_on_the_ground_are_answered_as_a_real_one_does(pair):
    def answers(craft):
        craft.make_ready()
        for command, params in COMMANDS:
            result = craft.order(command, *params)
            craft.wait(1.5)
            yield result, f"{craft.mode:x}"

    real, ours = both(pair, lambda craft: list(answers(craft)))
    assert [three for three in zip(COMMANDS, real, ours, strict=True) if three[1] != three[2]] == []
