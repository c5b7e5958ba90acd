"""Actions as a pilot relies on them: seen in telemetry, confirmed where they hurt, one vehicle or many."""

import asyncio
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands import actions, guided, looking
from flight.commands.basics import request_streams, set_mode
from flight.commands.confirmed import Confirmed, Danger
from flight.commands.evidence import moved, offset_m
from flight.commands.group import confirm_each, for_each
from flight.commands.orbits import Circle, ahead_m, carrot, steady_speed
from flight.errors import (
    ArmingError,
    CommandError,
    FlightError,
    NotConfirmedError,
    NotSeenError,
    TransferError,
)
from flight.links.profiles import find_profile
from flight.missions.lists import slots_of
from flight.missions.upload import upload
from flight.preflight import wait_until_ready
from flight.station import open_station
from plans.frames import GeoPoint

from .conftest import HOME
from .mission_doubles import Double
from .test_commands import GOOD
from .virtual_time import Radio, run_virtually


def yes(vehicle, danger):
    return Confirmed("a test", danger, vehicle.sysid)


# -- who does not do what it accepts: a double on virtual time ---------------------------------------------


class Accepts(Double):
    """Accepts all commands and tells where it is; what else it does is up to the test."""

    autopilot = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    def __init__(self, armed=True, alt_m=30.0, mode=4):
        super().__init__()
        self.armed, self.alt_m, self.mode = armed, alt_m, mode
        self.speed_mps = self.sinks_mps = 0.0
        self.results = {}
        self.orders = []
        self.on_order = lambda order: None

    def go_on_air(self, put):
        super().go_on_air(put)
        self._jobs.append(asyncio.get_running_loop().create_task(self._tell()))

    def each_second(self):
        base = 81 | (128 if self.armed else 0)
        custom = mavlink.MAV_TYPE_QUADROTOR, self.autopilot, base, self.mode, 4, 3
        self.send(mavlink.MAVLink_heartbeat_message(*custom))

    async def _tell(self):
        while True:
            lat, lon = round(HOME.lat_deg * 1e7), round(HOME.lon_deg * 1e7)
            up_mm = round(self.alt_m * 1000)
            self.send(
                mavlink.MAVLink_global_position_int_message(
                    0,
                    lat,
                    lon,
                    500_000 + up_mm,
                    up_mm,
                    round(self.speed_mps * 100),
                    0,
                    round(self.sinks_mps * 100),
                    0,
                )
            )
            await asyncio.sleep(0.25)

    def on_command_int(self, order):
        self.on_command_long(order)

    def on_command_long(self, order):
        if order.command == mavlink.MAV_CMD_SET_MESSAGE_INTERVAL:
            result = 0
        else:
            self.orders.append(order)
            result = self.results.get(order.command, 0)
            self.on_order(order)
        self.send(mavlink.MAVLink_command_ack_message(order.command, result, 0, 0, 255, 190))


def meet(double, work, limit_s=300.0):
    async def whole():
        async with Radio(GOOD).meet(double, find_profile("wifi")) as vehicle:
            return await work(vehicle)

    return run_virtually(whole(), limit_s)[0]


NORTH = moved(HOME, 0.0, 100.0)
UNDONE = {
    "go to": (lambda v: guided.go_to(v, NORTH), "comes no closer than 100 m"),
    "altitude": (lambda v: guided.change_altitude(v, 60.0), "stays at 30.0 m"),
    "orbit": (lambda v: guided.orbit(v, NORTH, 30.0), "comes no closer"),
    "return home": (lambda v: actions.return_home(v), "stays in GUIDED"),
    "land": (lambda v: actions.land(v), "stays in GUIDED"),
    "continue": (lambda v: actions.go_on(v), "does not move"),
    "item": (lambda v: actions.set_current_item(v, 7), "its current item is not told"),
    "photo": (lambda v: looking.take_photo(v), "no photo is told"),
    "stop": (lambda v: actions.emergency_stop(v, yes(v, Danger.EMERGENCY_STOP)), "NOT seen to stop"),
    "disarm": (lambda v: actions.disarm(v, yes(v, Danger.DISARM_IN_FLIGHT)), "still armed"),
}


@pytest.mark.parametrize("action", UNDONE)
def test_accepted_is_not_done(action):
    do, words = UNDONE[action]
    with pytest.raises(CommandError, match=words):
        meet(Accepts(), do)


def test_a_vehicle_that_goes_on_flying_is_not_paused():
    double = Accepts()
    double.speed_mps = 8.0
    with pytest.raises(NotSeenError, match="does not stop"):
        meet(double, actions.pause)


def test_a_mission_that_is_flown_is_not_overwritten(mission):
    double, counts = Accepts(mode=3), []
    double.on_mission_count = counts.append

    async def work(vehicle):
        await vehicle_tells(vehicle)
        await upload(vehicle, slots_of(mission, True, HOME))

    async def vehicle_tells(vehicle):
        await asyncio.sleep(2.0)
        assert (vehicle.state.mode, vehicle.state.armed) == ("AUTO", True)

    with pytest.raises(TransferError, match="flies its mission in AUTO"):
        meet(double, work)
    assert counts == []


class Brakes(Accepts):
    """Changes the mode as it is told; what it flew before is over 1.5 s later, and nothing follows."""

    def __init__(self, speed_mps=0.0, sinks_mps=0.0):
        super().__init__()
        self.speed_mps, self.sinks_mps = speed_mps, sinks_mps
        self.on_order = self.obey

    def obey(self, order):
        if order.command == mavlink.MAV_CMD_DO_SET_MODE:
            self.mode = int(order.param2)
            self.each_second()
            asyncio.get_running_loop().call_later(1.5, self.stop)

    def stop(self):
        self.speed_mps = self.sinks_mps = 0.0


def test_sinking_from_before_is_no_landing():
    with pytest.raises(NotSeenError, match="does not sink: LAND, hovers"):
        meet(Brakes(sinks_mps=1.5), actions.land)


def test_flying_from_before_is_no_return_and_no_mission():
    result = meet(Brakes(speed_mps=8.0), actions.return_home)
    assert (result.proven, result.seen) == (False, "RTL, hovers")
    with pytest.raises(NotSeenError, match="does not move"):
        meet(Brakes(speed_mps=8.0), actions.start_mission)


def test_a_landing_is_told_as_it_was_seen():
    double = Brakes()
    double.stop = lambda: setattr(double, "sinks_mps", 0.5)
    result = meet(double, actions.land)
    assert (result.proven, result.seen) == (True, "LAND, sinks at 0.5 m/s at 30.0 m")


def test_a_corner_is_no_pause():
    double = Accepts()
    double.speed_mps = 8.0

    async def work(vehicle):
        loop = asyncio.get_running_loop()
        for at_s in range(1, 60, 2):  # it stands still for half a second now and then
            loop.call_later(at_s, setattr, double, "speed_mps", 0.2)
            loop.call_later(at_s + 0.5, setattr, double, "speed_mps", 8.0)
        return await actions.pause(vehicle)

    with pytest.raises(NotSeenError, match="does not stop"):
        meet(double, work)


@pytest.mark.parametrize(
    "do",
    [
        lambda v: looking.look_at(v, NORTH),
        lambda v: guided.change_speed(v, 7.0),
        lambda v: looking.point_gimbal(v, -45.0),
    ],
)
def test_what_cannot_be_seen_is_told_as_not_proven(do):
    double = Accepts()
    result = meet(double, do)
    assert not result.proven or "nose points" in result.seen  # NORTH is where its nose is
    assert result.answers


def test_a_pause_that_is_refused_in_the_mode_becomes_a_brake():
    double = Accepts(mode=3)
    double.results[mavlink.MAV_CMD_DO_PAUSE_CONTINUE] = 4

    def on_order(order):
        if order.command == mavlink.MAV_CMD_DO_SET_MODE:
            double.mode = int(order.param2)
            double.each_second()

    double.on_order = on_order
    result = meet(double, actions.pause)
    assert result.mode == "BRAKE"
    assert "hovers" in result.seen


def test_a_refusal_brings_the_vehicles_own_words():
    double = Accepts(mode=5)
    double.results[mavlink.MAV_CMD_DO_SET_MODE] = 4

    def on_order(order):
        double.send(mavlink.MAVLink_statustext_message(4, b"Mode change failed: requires position"))

    double.on_order = on_order
    with pytest.raises(CommandError, match="it said: Mode change failed: requires position"):
        meet(double, actions.return_home)


def test_termination_is_tried_where_a_forced_disarm_does_not_help():
    double = Accepts()

    def on_order(order):
        if order.command == mavlink.MAV_CMD_DO_FLIGHTTERMINATION:
            double.armed = False
            double.each_second()

    double.on_order = on_order
    result = meet(double, lambda v: actions.emergency_stop(v, yes(v, Danger.EMERGENCY_STOP)))
    assert result.seen == "motors stopped"
    assert [o.command for o in double.orders] == [400, 185]


def test_an_old_vehicle_gets_its_current_item_in_the_old_way():
    double = Accepts()
    double.results[mavlink.MAV_CMD_DO_SET_MISSION_CURRENT] = 3
    double.on_mission_set_current = lambda m: double.send(mavlink.MAVLink_mission_current_message(m.seq))
    assert "item 5 is the current one" in meet(double, lambda v: actions.set_current_item(v, 5)).seen


# -- confirmations -----------------------------------------------------------------------------------------

DANGEROUS = {
    Danger.ARM: lambda v, c: actions.arm(v, c),
    Danger.TAKE_OFF: lambda v, c: actions.take_off(v, 20.0, c),
    Danger.EMERGENCY_STOP: lambda v, c: actions.emergency_stop(v, c),
    Danger.DISARM_IN_FLIGHT: lambda v, c: actions.disarm(v, c),
    Danger.START_MISSION: lambda v, c: actions.start_mission(v, c),
}


@pytest.mark.parametrize("danger", DANGEROUS)
@pytest.mark.parametrize("spent", ["none", "of another vehicle", "of another action", "of nobody"])
def test_a_confirmation_is_good_for_one_vehicle_and_one_action(danger, spent):
    other = Danger.ARM if danger is not Danger.ARM else Danger.TAKE_OFF
    confirmed = {
        "none": None,
        "of another vehicle": Confirmed("a test", danger, 4),
        "of another action": Confirmed("a test", other, 1),
        "of nobody": Confirmed(" ", danger, 1),
    }[spent]
    double = Accepts(armed=danger is Danger.DISARM_IN_FLIGHT)
    with pytest.raises(NotConfirmedError, match="nothing was sent"):
        meet(double, lambda vehicle: DANGEROUS[danger](vehicle, confirmed))
    assert double.orders == []


@pytest.mark.parametrize(
    "do",
    [
        lambda v: guided.go_to(v, GeoPoint(0.0, 0.0)),
        lambda v: guided.go_to(v, GeoPoint(math.nan, 103.0)),
        lambda v: guided.go_to(v, GeoPoint(31.0, 103.15)),
        lambda v: guided.go_to(v, NORTH, math.inf),
        lambda v: guided.go_to(v, NORTH, 30.0, -1.0),
        lambda v: guided.change_altitude(v, math.nan),
        lambda v: guided.change_speed(v, 0.0),
        lambda v: guided.orbit(v, NORTH, 0.0),
        lambda v: guided.orbit(v, NORTH, 30.0, turns=math.nan),
        lambda v: looking.point_gimbal(v, math.nan),
        lambda v: looking.look_at(v, GeoPoint(91.0, 0.0)),
        lambda v: looking.photos_each_seconds(v, 0.0),
        lambda v: looking.photos_each_metres(v, math.nan),
        lambda v: actions.set_current_item(v, -1),
        lambda v: actions.take_off(v, math.nan, yes(v, Danger.TAKE_OFF)),
    ],
)
def test_nonsense_is_refused_before_anything_is_sent(do):
    double = Accepts()
    with pytest.raises(CommandError):
        meet(double, do)
    assert double.orders == []


def test_what_flies_is_not_sent_from_the_ground():
    double = Accepts(armed=False, alt_m=0.0)
    for do in (actions.pause, actions.go_on, actions.return_home, actions.land):
        with pytest.raises(CommandError, match="on the ground"):
            meet(double, do)
    with pytest.raises(CommandError, match="on the ground"):
        meet(double, lambda v: guided.go_to(v, NORTH))
    assert double.orders == []


# -- geometry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clockwise", [True, False])
@pytest.mark.parametrize("offset", [(10.0, 3.0), (0.0, 0.0), (-400.0, 20.0)])
def test_a_carrot_lies_ahead_on_a_little_wider_circle(clockwise, offset):
    circle = Circle(HOME, 40.0, clockwise)
    east, north = carrot(circle, offset, 5.0, 0.5)
    near = circle.nearest(offset)
    turned = math.remainder(math.atan2(east, north) - math.atan2(*near), math.tau)
    assert (turned > 0) == clockwise
    assert abs(turned) <= 0.9 + 1e-9
    assert 40.0 < math.hypot(east, north) < 40.0 / math.cos(0.45) ** 2 + 1e-9


@pytest.mark.parametrize(("radius_m", "delay_s"), [(5.0, 0.5), (40.0, 1.0), (500.0, 7.0)])
def test_a_steady_speed_keeps_its_target_near(radius_m, delay_s):
    speed = steady_speed(radius_m, delay_s)
    assert ahead_m(speed, delay_s) == pytest.approx(0.9 * radius_m, rel=0.01)


def test_places_move_and_come_back():
    there = moved(HOME, 120.0, -340.0)
    assert offset_m(HOME, there) == pytest.approx((120.0, -340.0), rel=1e-3)


# -- flights -----------------------------------------------------------------------------------------------


def fly(url, work, count=1):
    async def whole():
        async with open_station([url], find_profile("wifi"), sysid=255) as station:
            vehicles = [await station.wait_for_vehicle(20.0, n + 1) for n in range(count)]
            for vehicle in vehicles:
                await request_streams(vehicle)
            for vehicle in vehicles:
                await wait_until_ready(vehicle, 60.0)
            return await work(*vehicles)

    return asyncio.run(whole())


def test_a_flight_by_hand(simulator, mission):
    seen = []

    async def work(vehicle):
        async def do(action):
            result = await action
            seen.append((result.action, result.proven, result.mode))
            return result

        await do(actions.arm(vehicle, yes(vehicle, Danger.ARM)))
        await do(actions.disarm(vehicle))
        await do(actions.take_off(vehicle, 20.0, yes(vehicle, Danger.TAKE_OFF)))
        with pytest.raises(NotConfirmedError):
            await actions.disarm(vehicle)
        there = await do(guided.go_to(vehicle, moved(HOME, 0.0, 60.0), 25.0, 8.0, until_there=True))
        assert there.seen.startswith("there")
        assert math.hypot(*offset_m(vehicle.state.position, moved(HOME, 0.0, 60.0))) < 2.5
        await do(guided.go_to(vehicle, moved(HOME, 0.0, 2000.0)))
        await do(guided.change_speed(vehicle, 5.0))
        await do(actions.pause(vehicle))
        await do(actions.go_on(vehicle))
        await do(guided.change_altitude(vehicle, 35.0))
        await do(looking.look_at(vehicle, HOME))
        await do(looking.point_gimbal(vehicle, -40.0))
        photo = await do(looking.take_photo(vehicle))
        assert photo.seen == "photo 1"
        await upload(vehicle, slots_of(mission, True, HOME))
        await do(actions.set_current_item(vehicle, 2))
        await do(actions.start_mission(vehicle))
        await do(actions.pause(vehicle))
        await do(actions.go_on(vehicle))
        skipped = await do(actions.set_current_item(vehicle, 3))
        assert "the next place after item 3" in skipped.seen
        with pytest.raises(CommandError, match="denied"):
            await actions.set_current_item(vehicle, 99)
        await do(actions.return_home(vehicle))
        await do(actions.pause(vehicle))
        await do(actions.land(vehicle))
        await do(actions.emergency_stop(vehicle, yes(vehicle, Danger.EMERGENCY_STOP)))

    fly(simulator(speedup=15.0), work)
    assert all(proven for _, proven, _ in seen)
    modes = [(action, mode) for action, _, mode in seen]
    assert ("start the mission", "AUTO") in modes
    assert modes[-4:-1] == [("return home", "RTL"), ("pause", "BRAKE"), ("land", "LAND")]


def test_a_vehicle_is_led_around_a_place(simulator):
    centre = moved(HOME, 0.0, 60.0)
    radii = []

    async def work(vehicle):
        await actions.take_off(vehicle, 20.0, yes(vehicle, Danger.TAKE_OFF))
        flying = asyncio.ensure_future(guided.orbit(vehicle, centre, 30.0, 5.0, turns=1.0))
        while not flying.done():
            await asyncio.sleep(0.05)
            radii.append(math.hypot(*offset_m(centre, vehicle.state.position)))
        return await flying

    result = fly(simulator(), work)
    assert result.seen.startswith("1.0 turns")
    around = radii[-len(radii) // 2 :]
    assert max(abs(radius - 30.0) for radius in around) < 4.0


def test_arming_that_is_refused_brings_the_reasons(simulator):
    async def work(url):
        async with open_station([url], find_profile("wifi"), sysid=255) as station:
            vehicle = await station.wait_for_vehicle(20.0)
            await set_mode(vehicle, "GUIDED")
            await actions.arm(vehicle, yes(vehicle, Danger.ARM))

    with pytest.raises(ArmingError) as refused:
        asyncio.run(work(simulator(speedup=1.0)))
    assert refused.value.reasons


def test_many_vehicles_at_once_each_with_its_own_end(simulator):
    async def work(*vehicles):
        some = confirm_each("a test", Danger.TAKE_OFF, [vehicles[0], vehicles[2]])
        outcomes = await for_each(
            [*vehicles, vehicles[0]],
            lambda vehicle, confirmed: actions.take_off(vehicle, 15.0, confirmed),
            some,
        )
        with pytest.raises(ExceptionGroup):
            await for_each(vehicles, lambda vehicle, confirmed: 1 / 0)
        later = await for_each(vehicles, lambda vehicle, confirmed: actions.return_home(vehicle))
        return outcomes, later

    outcomes, later = fly(simulator(vehicles=3), work, count=3)
    assert [o.vehicle for o in outcomes] == [1, 2, 3]
    assert [o.fault is None for o in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].fault, NotConfirmedError)
    assert outcomes[1].report()["error"].startswith("vehicle 2: nobody confirmed 'take off'")
    assert outcomes[0].report()["result"]["proven"] is True
    assert [type(o.fault) for o in later] == [type(None), CommandError, type(None)]
    assert all(isinstance(o.fault, FlightError | None) for o in later)
