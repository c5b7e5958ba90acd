"""The command protocol against vehicles that answer rightly, late, wrongly, for ever and never; on virtual
time."""

import asyncio
import math
import re

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import command, request_streams
from flight.commands.protocol import ABOVE_HOME, CommandCancel, Order, transact
from flight.errors import CommandError, DisputedError, FlightError, OvertakenError
from flight.identity import Identity
from flight.links.profiles import find_profile
from flight.wire import Encoder, Parser

from .mission_doubles import Double
from .virtual_time import Radio, Weather, run_virtually

GOOD = Weather(latency_s=0.01, bytes_per_s=1e6)
ACCEPTED, TEMPORARILY, DENIED, UNSUPPORTED, FAILED, IN_PROGRESS, CANCELLED = range(7)
LONG_ONLY, INT_ONLY, BAD_FRAME = 7, 8, 9
RTL, LAND = mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH, mavlink.MAV_CMD_NAV_LAND


class Answers(Double):
    """Answers each command by `answers(message, how often it came)`, which gives (after s, ACK, encoder)."""

    autopilot = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    def __init__(self, answers):
        super().__init__()
        self.answers = answers
        self.orders = []
        self.cancels = []
        self.camera = Encoder(1, 100)
        self.stranger = Encoder(2, 1)

    def take(self, message):
        super().take(message)
        if message.get_type() in ("COMMAND_LONG", "COMMAND_INT"):
            self.orders.append((self.now_s(), message))
            nth = sum(m.command == message.command for _, m in self.orders)
            for after_s, ack, *by in self.answers(message, nth):
                later = asyncio.get_running_loop().call_later
                later(after_s, self.send_as, by[0] if by else self._encoder, ack)
        elif message.get_type() == "UNKNOWN_80":
            self.cancels.append((self.now_s(), bytes(message.data)))

    def send_as(self, encoder, message):
        if self._put is not None:
            self._put(encoder.encode(message))


def ack(order, result=ACCEPTED, progress=0, to=255, number=None):
    number = order.command if number is None else number
    return mavlink.MAVLink_command_ack_message(number, result, progress, 0, to, 190)


def meet(answers, work, weather=GOOD, seed=0, profile="wifi", limit_s=5000.0):
    double = answers if isinstance(answers, Double) else Answers(answers)

    async def whole():
        async with Radio(weather, seed).meet(double, find_profile(profile)) as vehicle:
            return await work(vehicle)

    return run_virtually(whole(), limit_s)[0]


def willing(order, nth):
    return [(0.0, ack(order))]


def test_a_result_says_what_happened_and_a_clean_answer_measures_the_link():
    def answers(order, nth):
        text = mavlink.MAVLink_statustext_message(6, b"on my way")
        return [(0.2, text), (0.3, mavlink.MAVLink_command_ack_message(order.command, 0, 0, 7, 255, 190))]

    async def work(vehicle):
        before = vehicle.round_trip.mean_s
        result = await command(vehicle, RTL)
        return before, result, vehicle.round_trip.mean_s

    before, result, after = meet(answers, work)
    assert (result.command, result.result, result.tries, result.result_param2) == (RTL, 0, 1, 7)
    assert result.took_s == pytest.approx(0.32, abs=0.02)
    assert result.said == ("on my way",)
    assert after != before


def in_progress(order, after_s, percent=255):
    return after_s, ack(order, IN_PROGRESS, percent)


WRONG = {
    "late": (lambda o, n: [(2.4, ack(o))], "ok", 10),
    "twice": (lambda o, n: [(0, ack(o)), (0, ack(o))], "ok", 1),
    "to another station": (lambda o, n: [(0, ack(o, to=250))], "no answer after 6 tries", 20),
    "about another command": (lambda o, n: [(0, ack(o, number=o.command + 1))], "no answer", 20),
    "with a result that is none": (lambda o, n: [(0, ack(o, 77))], "result 77, which has no meaning", 1),
    "under way for ever": (
        lambda o, n: [in_progress(o, 10.0 * i, i % 101) for i in range(500)],
        "does not end; cancelled",
        700,
    ),
    "under way, then silent": (lambda o, n: [in_progress(o, 0, 40)], r"under way \(40 %\)", 70),
    "under way, then done": (lambda o, n: [in_progress(o, 0, 40), (50, ack(o))], "ok", 60),
    "under way, then failed": (lambda o, n: [in_progress(o, 0), (50, ack(o, FAILED))], "failed", 60),
    "progress beyond all reason": (lambda o, n: [in_progress(o, 0, 250), (5, ack(o))], "ok", 10),
    "by its camera": ("camera", "no answer", 20),
    "by another vehicle": ("stranger", "no answer", 20),
    "refuses, then accepts": (lambda o, n: [(0, ack(o, DENIED)), (0.001, ack(o))], "denied", 1),
    "accepts, then refuses": (lambda o, n: [(0, ack(o)), (0.001, ack(o, DENIED))], "ok", 1),
    "refused for now": (lambda o, n: [(0, ack(o, TEMPORARILY))], "refused for now", 1),
    "busy with the first when asked again": (
        lambda o, n: [(4.0, ack(o))] if n == 1 else [(0, ack(o, TEMPORARILY))],
        "ok",
        10,
    ),
    "refused for now, when asked again": (
        lambda o, n: [] if n == 1 else [(0, ack(o, TEMPORARILY))],
        "refused for now",
        15,
    ),
    "cancelled": (lambda o, n: [(0, ack(o, CANCELLED))], "cancelled", 1),
    "done before it began": (lambda o, n: [(0, ack(o)), in_progress(o, 0)], "ok", 1),
    "wants the other form, always": (
        lambda o, n: [(0, ack(o, INT_ONLY if o.get_type() == "COMMAND_LONG" else LONG_ONLY))],
        "not understood",
        1,
    ),
    "wants another frame where there is none": (lambda o, n: [(0, ack(o, BAD_FRAME))], "no height frame", 1),
    "never": (lambda o, n: [], "no answer after 6 tries; check the link", 20),
}


@pytest.mark.parametrize("way", WRONG)
def test_a_vehicle_that_answers_wrongly(way):
    answers, outcome, within_s = WRONG[way]
    double = Answers(answers)
    if isinstance(answers, str):
        by = getattr(double, answers)
        double.answers = lambda o, n: [(0, ack(o), by)]

    async def work(vehicle):
        began_s = vehicle.now_s()
        try:
            result = await command(vehicle, RTL)
        except FlightError as fault:
            said = str(fault)
        else:
            assert result.result == ACCEPTED
            said = "ok"
        took_s = vehicle.now_s() - began_s
        double.answers = willing
        assert (await command(vehicle, LAND)).tries == 1  # nothing is left over from before
        return said, took_s

    said, took_s = meet(double, work)
    assert took_s <= within_s
    if outcome == "ok":
        assert said == "ok"
    else:
        assert said.startswith("vehicle 1: NAV_RETURN_TO_LAUNCH")
        assert re.search(outcome, said), said


def test_progress_is_told():
    told = []

    def answers(order, nth):
        if nth > 1:
            return []
        return [in_progress(order, 1, 20), in_progress(order, 2), in_progress(order, 3, 70), (9, ack(order))]

    async def work(vehicle):
        return await command(vehicle, RTL, on_progress=told.append)

    result = meet(answers, work)
    assert told == [20, None, 70]
    assert (result.progress, result.tries) == (70, 2)  # the first word came later than this link takes


def test_repetitions_are_counted_in_the_command():
    double = Answers(lambda order, nth: [(0, ack(order))] if nth == 4 else [])
    result = meet(double, lambda vehicle: command(vehicle, RTL))
    assert [m.confirmation for _, m in double.orders] == [0, 1, 2, 3]
    assert result.tries == 4


PLACE = Order(
    mavlink.MAV_CMD_DO_REPOSITION, (-1.0, 1.0, 0.0, math.nan), 30.0512345, -103.1598765, 42.0, ABOVE_HOME
)


def position(double):
    double.send(mavlink.MAVLink_global_position_int_message(1, 1, 1, 540_000, 40_000, 0, 0, 0, 0))


def test_a_place_goes_as_whole_numbers():
    double = Answers(willing)
    meet(double, lambda vehicle: transact(vehicle, PLACE))
    ((_, sent),) = double.orders
    assert sent.get_type() == "COMMAND_INT"
    assert (sent.x, sent.y, sent.z, sent.frame) == (300512345, -1031598765, 42.0, 3)
    assert math.isnan(sent.param4)


def test_a_vehicle_that_wants_the_other_form_gets_it():
    double = Answers(lambda o, n: [(0, ack(o, LONG_ONLY if o.get_type() == "COMMAND_INT" else ACCEPTED))])
    meet(double, lambda vehicle: transact(vehicle, PLACE))
    sent = double.orders[-1][1]
    assert sent.get_type() == "COMMAND_LONG"
    assert (sent.param5, sent.param6, sent.param7) == pytest.approx((30.0512345, -103.1598765, 42.0))

    double = Answers(lambda o, n: [(0, ack(o, INT_ONLY if o.get_type() == "COMMAND_LONG" else ACCEPTED))])
    meet(double, lambda vehicle: command(vehicle, LAND, 1, 2, 3, 4, 5, 6, 7))
    sent = double.orders[-1][1]
    assert (sent.get_type(), sent.param4, sent.x, sent.y, sent.z) == ("COMMAND_INT", 4, 5, 6, 7)


def test_a_vehicle_that_does_not_know_the_frame_gets_the_same_height_in_another():
    double = Answers(lambda o, n: [(0, ack(o, ACCEPTED if o.frame == 0 else BAD_FRAME))])

    async def work(vehicle):
        position(double)
        await asyncio.sleep(0.5)
        return await transact(vehicle, PLACE)

    assert meet(double, work).tries == 3
    assert [(m.frame, m.z) for _, m in double.orders] == [(3, 42.0), (6, 42.0), (0, 542.0)]


def test_who_gives_up_waiting_cancels_the_command():
    double = Answers(lambda o, n: [in_progress(o, 0.1)])

    async def work(vehicle):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await command(vehicle, RTL)
        await asyncio.sleep(2.0)

    meet(double, work)
    ((when, content),) = double.cancels
    assert when > 4
    assert content[10:12] == RTL.to_bytes(2, "little")
    assert tuple(content[12:14]) == (1, 1)


def test_a_cancel_is_what_mavlink_says_it_is():
    packet = Encoder(255, 190).encode(CommandCancel(1, 1, 400))
    (message,) = Parser().feed(packet + Encoder(255, 190).encode(CommandCancel(1, 1, 400)))[:1]
    assert message.get_type() == "UNKNOWN_80"
    assert packet[1] == 4  # common.xml: command, target_system, target_component


def test_one_of_a_kind_at_a_time():
    double = Answers(lambda o, n: [(1.0, ack(o))])

    async def work(vehicle):
        await asyncio.gather(*(command(vehicle, number) for number in (RTL, RTL, LAND, RTL)))

    meet(double, work, profile="narrowband")
    asked = {number: [t for t, m in double.orders if m.command == number] for number in (RTL, LAND)}
    assert len(asked[RTL]) == 3
    assert all(b - a > 1.0 for a, b in zip(asked[RTL], asked[RTL][1:], strict=False))
    assert asked[LAND][0] - asked[RTL][0] < 0.5


def test_what_is_urgent_overtakes():
    double = Answers(lambda o, n: [(0, ack(o))] if o.param2 == 1 else [in_progress(o, 0)])

    async def work(vehicle):
        slow = [asyncio.ensure_future(command(vehicle, RTL)) for _ in range(3)]
        await asyncio.sleep(3.0)
        began_s = vehicle.now_s()
        await command(vehicle, RTL, 0, 1, urgent=True)
        return vehicle.now_s() - began_s, await asyncio.gather(*slow, return_exceptions=True)

    took_s, ends = meet(double, work)
    assert took_s < 0.1
    assert [type(end) for end in ends] == [OvertakenError] * 3
    assert not double.cancels  # it would cancel the urgent one


def test_two_vehicles_under_one_id_are_not_commanded():
    double = Answers(willing)

    async def work(vehicle):
        vehicle.identity = type("Disputed", (Identity,), {"dispute": lambda self, sysid: "two of them"})()
        with pytest.raises(DisputedError, match="two of them"):
            await command(vehicle, RTL)

    meet(double, work)
    assert not double.orders


def test_a_slow_link_is_waited_for_once_it_is_known():
    slow = Weather(latency_s=1.5, bytes_per_s=1e4)

    async def work(vehicle):
        first = await command(vehicle, RTL)
        await asyncio.sleep(20.0)  # the station measures the link
        return first, await command(vehicle, RTL)

    _, second = meet(willing, work, weather=slow)
    assert second.tries == 1


@pytest.mark.parametrize("seed", range(40))
def test_in_any_weather_a_command_ends_accepted_or_in_one_line(seed):
    weather = Weather(loss=0.4, latency_s=seed % 4 * 0.8, late=0.3, twice=0.2, bytes_per_s=1200.0)
    double = Answers(willing)

    async def work(vehicle):
        try:
            return (await command(vehicle, RTL)).result == ACCEPTED
        except CommandError as fault:
            return str(fault)

    outcome = meet(double, work, weather=weather, seed=seed, limit_s=200.0)
    assert outcome is True or "no answer after 6 tries" in outcome


def test_streams_are_asked_for_in_the_old_way_where_the_new_one_is_unknown():
    double = Answers(lambda o, n: [(0, ack(o, UNSUPPORTED))])

    async def work(vehicle):
        await request_streams(vehicle)
        await asyncio.sleep(0.5)

    meet(double, work)
    assert len(double.orders) == 1
    assert double.heard["REQUEST_DATA_STREAM"] == 1
