"""A satellite modem opened and closed, by hand and by the station."""

import asyncio

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.modem import control_modem
from flight.errors import CommandError, NotSeenError
from flight.links.high_latency_switch import Order, SwitchState, confirmed, proven, step

from .satellite_craft import BOTH, FAST, SPACE, Craft, beside, switch_of, virtually


@pytest.mark.parametrize("links", [BOTH, BOTH[:1], BOTH[1:]])
def test_it_is_opened_and_closed_by_hand(links):
    craft = Craft()

    async def by_hand(station):
        vehicle = await station.wait_for_vehicle(100.0)
        opened = await control_modem(vehicle, True)
        was_open = craft.open
        return opened, was_open, await control_modem(vehicle, False)

    (opened, was_open, closed), _ = virtually(craft, by_hand, *links)
    assert was_open
    assert not craft.open
    seen = SPACE in str(links)
    assert opened.proven is seen, "its word comes over the satellite, where there is a link to it"
    assert ("no link of this station" in opened.seen) is not seen
    assert closed.proven is (links == BOTH[1:])
    assert ("silent" in closed.seen) is closed.proven


def test_a_modem_that_does_not_open_or_close_is_told():
    craft = Craft()
    craft.__class__ = Deaf

    async def by_hand(station):
        vehicle = await station.wait_for_vehicle(5.0)
        with pytest.raises(NotSeenError, match="no word has come over the satellite"):
            await control_modem(vehicle, True)

    virtually(craft, by_hand, *BOTH)
    left_open = Craft()
    left_open.__class__, left_open.stuck = Deaf, True

    async def from_afar(station):
        vehicle = await station.wait_for_vehicle(100.0)
        with pytest.raises(CommandError, match="goes on telling"):
            await control_modem(vehicle, False)

    virtually(left_open, from_afar, BOTH[1])


class Deaf(Craft):
    """Accepts the order over its radio and leaves the modem as it is."""

    stuck = False

    @property
    def open(self):
        return self.stuck

    @open.setter
    def open(self, value):
        pass

    def say(self, place, message):
        if not (place == SPACE and message.get_type() == "COMMAND_ACK"):
            super().say(place, message)


def test_it_is_opened_over_the_satellite_and_closed_over_the_fast_link():
    craft, events = Craft(), []

    async def flight(station):
        vehicle = await station.wait_for_vehicle(5.0)
        async with beside(switch_of(vehicle, events).run()):
            await asyncio.sleep(60.0)
            craft.cut = True
            await asyncio.sleep(60.0)
            heard = vehicle.by_satellite, vehicle.state.mission.current, vehicle.silent(vehicle.now_s())
            craft.cut = False
            await asyncio.sleep(60.0)
            return heard, vehicle.by_satellite, craft.open

    (heard, after, is_open), _ = virtually(craft, flight, *BOTH)
    assert heard == (True, 3, False)
    assert (after, is_open) == (False, False)
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)]
    assert craft.commands(FAST) == [(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 0.0)]
    (ordered_s, *ordered), (_, *opened), (closing_s, *closing), (_, *closed) = events
    assert [ordered, opened] == [["slow link ordered", True], ["slow link", True]]
    assert [closing, closed] == [["slow link ordered", False], ["slow link", False]]
    assert 63 <= ordered_s <= 66
    assert 130 <= closing_s <= 133


def test_a_station_that_leaves_closes_what_it_has_opened():
    craft = Craft()

    async def flight(station):
        vehicle = await station.wait_for_vehicle(5.0)
        async with beside(switch_of(vehicle).run()):
            craft.cut = True
            await asyncio.sleep(60.0)
            craft.cut = False
            await asyncio.sleep(3.0)
        await asyncio.sleep(1.0)
        return craft.open

    assert virtually(craft, flight, *BOTH)[0] is False


def test_a_station_without_a_satellite_link_orders_nothing():
    craft = Craft()

    async def flight(station):
        vehicle = await station.wait_for_vehicle(5.0)
        async with beside(switch_of(vehicle).run()):
            craft.cut = True
            await asyncio.sleep(60.0)
            craft.cut = False
            await asyncio.sleep(20.0)

    virtually(craft, flight, FAST)
    assert craft.commands(FAST) == []


def test_a_word_over_the_modem_proves_that_it_is_open_though_the_answer_was_lost():
    ordered, order = step(SwitchState(), False, 0.0, 20.0)
    assert order is Order.OPEN
    assert step(proven(ordered, 9.0), False, 100.0, 20.0)[1] is None


def test_an_opening_that_was_not_confirmed_is_closed_all_the_same():
    state, _ = step(SwitchState(), False, 0.0, 20.0)
    state, order = step(state, True, 5.0, 20.0)
    assert order is None
    state, order = step(state, True, 15.0, 20.0)
    assert order is Order.CLOSE
    late = proven(state, 20.0)
    assert late == state, "it was on its way before"
    done = confirmed(late, mavlink.MAV_RESULT_ACCEPTED)
    assert done.open is False
    assert step(proven(done, 40.0), True, 60.0, 20.0)[1] is None
    assert step(proven(done, 90.0), True, 90.0, 20.0)[1] is Order.CLOSE


def test_a_modem_whose_closing_was_not_confirmed_is_opened_again_when_it_is_needed():
    state = SwitchState(open=True, fast_since_s=0.0)
    state, order = step(state, True, 10.0, 20.0)
    assert order is Order.CLOSE
    assert step(state, False, 11.0, 20.0)[1] is Order.OPEN


def test_an_order_in_vain_is_repeated_five_times_and_then_seldom():
    state, orders = SwitchState(), []
    for now_s in range(600):
        state, order = step(state, False, float(now_s), 20.0)
        if order:
            orders.append(now_s)
    assert orders == [0, 20, 40, 60, 80, 180, 280, 380, 480, 580]


def test_a_vehicle_that_is_watched_over_a_satellite_alone_is_called_again_when_it_falls_silent():
    craft = Craft()

    async def watching(station):
        await asyncio.sleep(60.0)
        assert set(station.vehicles) == {42}
        craft.open = False  # somebody else has closed it
        await asyncio.sleep(90.0 + 60.0)
        (vehicle,) = station.vehicles.values()
        return vehicle.silence_s()

    assert virtually(craft, watching, BOTH[1])[0] < 20.0
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)] * 2
