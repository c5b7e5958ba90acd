"""A vehicle with a satellite modem beside its radio: what goes over it, when it is opened, and a whole flight
whose radio link is cut."""

import asyncio
import contextlib
import json
from unittest import mock

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import station as station_module
from flight.commands.actions import return_home
from flight.commands.basics import request_streams, set_mode
from flight.commands.modem import control_modem
from flight.errors import CommandError, NotSeenError, NoVehicleError, SatelliteLinkError
from flight.flying.job import FlightJob
from flight.flying.run import fly_vehicle, meet
from flight.ftp.files import open_files
from flight.links.high_latency_switch import (
    HighLatencySwitch,
    Order,
    SwitchState,
    confirmed,
    may_pass,
    proven,
    step,
    while_fast,
)
from flight.links.link import Address
from flight.links.profiles import find_profile
from flight.logs.transfer import list_logs
from flight.missions.download import download
from flight.missions.upload import upload
from flight.params.protocol import fetch_all
from flight.photos.keeper import PhotoKeeper
from flight.station import open_station
from flight.streams import keep_streams
from flight.wire import Encoder, Parser, station_heartbeat, vehicle_heartbeat
from sim.faults import Fault

from .virtual_time import Weather, _OneWay, run_virtually

FAST, SPACE = "tcp:field:1", "tcp:space:2"
BOTH = (FAST, f"{SPACE}?profile=satellite")
COPTER, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
AUTO, RTL = 3, 6


class Craft:
    """An armed copter on two links, after ArduPilot's GCS_Common.cpp: over its modem it says HIGH_LATENCY2
    each ten seconds, once that is opened. `heard` are (link, message)."""

    def __init__(self, sysid=42, autopilot=COPTER, loss=0.0, seed=1):
        self.autopilot, self.mode, self.battery, self.item = autopilot, AUTO, 80, 3
        self.open = self.cut = False
        self.heard = []
        space = Weather(loss=loss, latency_s=6.0, bytes_per_s=100.0)
        self._ways = {
            place: (_OneWay(weather, seed), _OneWay(weather, seed + 1))
            for place, weather in ((FAST, Weather(latency_s=0.02)), (SPACE, space))
        }
        self._encoders = {place: Encoder(sysid, 1) for place in self._ways}
        self._links = {}

    def count(self, place, kind):
        return sum(m.get_type() == kind for p, m in self.heard if p == place)

    def commands(self, place):
        return [(m.command, m.param1) for p, m in self.heard if p == place and m.get_type() == "COMMAND_LONG"]

    @contextlib.asynccontextmanager
    async def meet(self, *addresses):
        """A station that has these links."""

        async def open_link(text, on_bytes):
            link = _Link(self, text, on_bytes)
            self._links[text] = link
            return link

        with mock.patch.object(station_module, "open_link", open_link):
            async with open_station(addresses, find_profile("wifi"), sysid=255) as station:
                life = asyncio.get_running_loop().create_task(self._live())
                try:
                    yield station
                finally:
                    life.cancel()

    async def _live(self):
        second = 0
        while True:
            self.say(FAST, vehicle_heartbeat(2, self.autopilot, 0x89, self.mode, 4))
            if self.open and second % 10 == 0:
                self.say(SPACE, self.one_message())
            second += 1
            await asyncio.sleep(1.0)

    def one_message(self, **values):
        fields = {
            "timestamp": 0, "type": 2, "autopilot": self.autopilot, "custom_mode": self.mode,
            "latitude": 300500000, "longitude": 1031500000, "altitude": 560, "target_altitude": 560,
            "heading": 45, "target_heading": 45, "target_distance": 12, "throttle": 40, "airspeed": 0,
            "airspeed_sp": 0, "groundspeed": 50, "windspeed": 0, "wind_heading": 0, "eph": 0, "epv": 0,
            "temperature_air": 20, "climb_rate": 0, "battery": self.battery, "wp_num": self.item,
            "failure_flags": 0, "custom0": -119, "custom1": 0, "custom2": 0,
        }  # fmt: skip
        return mavlink.MAVLink_high_latency2_message(**fields | values)

    def say(self, place, message):
        link = self._links.get(place)
        if link is not None and not (place == FAST and self.cut):
            self._ways[place][1].carry(self._encoders[place].encode(message), link.on_bytes)

    def write(self, place, data):
        if not (place == FAST and self.cut):
            self._ways[place][0].carry(data, lambda packet: self._take(place, packet))

    def _take(self, place, packet):
        for message in Parser(lambda: 0.0).feed(packet):
            self.heard.append((place, message))
            if message.get_type() == "COMMAND_LONG":
                if message.command == mavlink.MAV_CMD_CONTROL_HIGH_LATENCY:
                    self.open = message.param1 == 1.0
                if message.command == mavlink.MAV_CMD_DO_SET_MODE:
                    self.mode = int(message.param2)
                if place == FAST or self.open:
                    self.say(place, mavlink.MAVLink_command_ack_message(message.command, 0))


class _Link:
    connected = True
    dropped = 0

    def __init__(self, craft, place, on_bytes):
        kind, host, port = place.split(":")
        self.address = Address(kind, host, int(port))
        self.on_bytes = on_bytes
        self._craft, self._place = craft, place

    def write(self, data):
        self._craft.write(self._place, data)

    async def close(self):
        pass


def virtually(craft, work, *addresses):
    """Run `work(station)`; gives its result and how long it took."""

    async def whole():
        async with craft.meet(*addresses) as station:
            return await work(station)

    return run_virtually(whole())


@contextlib.asynccontextmanager
async def beside(*works):
    """Everything that `fly` runs beside a flight."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def switch_of(vehicle, events=None):
    def on_event(action, **detail):
        if events is not None:
            events.append((round(vehicle.now_s()), action, detail["open"]))

    return HighLatencySwitch(vehicle, lambda: vehicle.station.satellite_links, on_event)


# -- who is there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("autopilot", "sysid"), [(COPTER, 42), (PX4, 250)])
def test_a_vehicle_is_met_over_its_satellite_modem_alone(autopilot, sysid):
    craft = Craft(sysid, autopilot)
    if autopilot == PX4:
        craft.mode = 4 | 4 << 8

    async def meeting(station):
        vehicle = await station.wait_for_vehicle(5.0)
        await asyncio.sleep(40.0)
        return vehicle, vehicle.state.ages_s(vehicle.now_s()), vehicle.silent(vehicle.now_s())

    (vehicle, ages, silent), _ = virtually(craft, meeting, BOTH[1])
    state = vehicle.state
    assert (state.sysid, state.is_px4, state.armed) == (sysid, autopilot == PX4, True)
    assert state.mode == ("AUTO.MISSION" if autopilot == PX4 else "AUTO")
    assert (state.mission.current, state.battery.remaining_percent) == (3, 80.0)
    assert vehicle.by_satellite
    assert vehicle.profile.silence_s == find_profile("satellite").silence_s
    assert not silent
    assert set(ages) >= {"position", "battery", "gps", "ekf", "mission", "health"}
    assert all(age <= 10.0 for age in ages.values())
    assert {m.get_type() for _, m in craft.heard} == {"COMMAND_LONG"}
    assert set(craft.commands(SPACE)) == {(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)}


def test_a_modem_that_does_not_answer_is_asked_for_as_long_as_satellites_take():
    craft = Craft(loss=1.0)

    async def meeting(station):
        with pytest.raises(NoVehicleError, match="90 s"):
            await station.wait_for_vehicle(5.0)

    _, took_s = virtually(craft, meeting, BOTH[1])
    assert 90.0 <= took_s < 92.0


def test_other_messages_and_companions_over_a_satellite_are_no_vehicle():
    craft = Craft()
    craft.cut = True

    async def meeting(station):
        await asyncio.sleep(1.0)
        craft.say(SPACE, craft.one_message(autopilot=mavlink.MAV_AUTOPILOT_INVALID))
        craft.say(SPACE, mavlink.MAVLink_statustext_message(4, b"hello"))
        await asyncio.sleep(30.0)
        return dict(station.vehicles)

    assert virtually(craft, meeting, *BOTH)[0] == {}


def test_what_a_satellite_tells_late_does_not_replace_what_a_fast_link_tells():
    craft = Craft()
    craft.open = True

    async def landing(station):
        vehicle = await station.wait_for_vehicle(5.0)
        modes = set()
        for _ in range(400):
            craft.mode = RTL
            await asyncio.sleep(0.1)
            modes.add(vehicle.state.mode)
            craft.say(SPACE, craft.one_message(custom_mode=AUTO))
        return vehicle, modes

    (vehicle, modes), _ = virtually(craft, landing, *BOTH)
    assert modes <= {"AUTO", "RTL"}
    assert vehicle.state.mode == "RTL"
    assert vehicle.state.mission is None
    assert len(vehicle.paths) == 2
    assert not vehicle.by_satellite


# -- what goes over it ---------------------------------------------------------------------------------------


def test_only_commands_pass_and_requests_for_telemetry_are_none():
    def command(number):
        return mavlink.MAVLink_command_long_message(1, 1, number, 0, *([0.0] * 7))

    assert may_pass(command(mavlink.MAV_CMD_DO_SET_MODE))
    assert may_pass(mavlink.MAVLink_command_ack_message(mavlink.MAV_CMD_REQUEST_MESSAGE, 0))
    for number in (mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, mavlink.MAV_CMD_REQUEST_MESSAGE):
        assert not may_pass(command(number))


def test_an_hour_over_a_satellite_costs_one_message_of_the_station():
    craft = Craft()

    async def hour(station):
        vehicle = await station.wait_for_vehicle(5.0)
        craft.cut = True
        works = (
            switch_of(vehicle).run(),
            keep_streams(vehicle),
            while_fast(vehicle, PhotoKeeper(vehicle).run),
        )
        async with beside(*works):
            await asyncio.sleep(3600.0)
            assert vehicle.by_satellite
            assert not vehicle.silent(vehicle.now_s())
            assert vehicle.silence_s() < 20.0

    virtually(craft, hour, *BOTH)
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)]
    assert craft.count(SPACE, "COMMAND_LONG") == sum(place == SPACE for place, _ in craft.heard)


async def list_files(vehicle, mission):
    async with open_files(vehicle) as files:
        await files.list("/")


TRANSFERS = {
    "upload": lambda vehicle, mission: upload(vehicle, mission.items),
    "download": lambda vehicle, mission: download(vehicle),
    "parameters": lambda vehicle, mission: fetch_all(vehicle),
    "logs": lambda vehicle, mission: list_logs(vehicle),
    "files": list_files,
    "streams": lambda vehicle, mission: request_streams(vehicle),
}


@pytest.mark.parametrize("what", TRANSFERS)
def test_a_transfer_that_only_a_satellite_could_carry_fails_at_once_and_says_why(what, mission):
    craft = Craft()

    async def transfer(station):
        vehicle = await station.wait_for_vehicle(5.0)
        before_s = vehicle.now_s()
        with pytest.raises(SatelliteLinkError) as caught:
            await TRANSFERS[what](vehicle, mission)
        return str(caught.value), vehicle.now_s() - before_s

    (line, took_s), _ = virtually(craft, transfer, BOTH[1])
    assert took_s < 1.0
    assert line.startswith("vehicle 42: only its satellite link works")
    assert "fast link" in line
    assert "\n" not in line


def test_a_mission_under_way_is_given_up_when_the_fast_link_is_lost(mission):
    craft = Craft()

    async def transfer(station):
        vehicle = await station.wait_for_vehicle(5.0)
        craft.cut, craft.open = True, True
        await asyncio.sleep(20.0)
        with pytest.raises(SatelliteLinkError):
            await upload(vehicle, mission.items)
        craft.cut = False
        await asyncio.sleep(2.0)
        return vehicle.by_satellite

    assert virtually(craft, transfer, *BOTH)[0] is False


def test_an_order_gets_through_a_satellite_that_loses_a_third():
    craft = Craft(loss=0.33, seed=4)

    async def ordering(station):
        vehicle = await station.wait_for_vehicle(5.0)
        before_s = vehicle.now_s()
        await set_mode(vehicle, "RTL")
        return vehicle.state.mode, vehicle.now_s() - before_s

    (mode, took_s), _ = virtually(craft, ordering, BOTH[1])
    assert mode == "RTL"
    assert 10.0 < took_s < 2 * 5 * 20.0
    assert {number for number, _ in craft.commands(SPACE)} == {
        mavlink.MAV_CMD_CONTROL_HIGH_LATENCY,
        mavlink.MAV_CMD_DO_SET_MODE,
    }


def test_those_who_ride_along_send_no_more_over_a_satellite_than_the_station():
    craft, rider = Craft(), Encoder(245, 190)
    said = (
        station_heartbeat(),
        mavlink.MAVLink_param_request_list_message(42, 1),
        mavlink.MAVLink_command_long_message(42, 1, mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH, 0, *([0.0] * 7)),
    )

    async def riding(station):
        (link,) = station.satellite_links
        for message in said:
            station.pass_on(rider.encode(message), link)
        station.send(station_heartbeat(), link)
        await asyncio.sleep(20.0)

    virtually(craft, riding, *BOTH)
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH, 0.0)]
    assert sum(place == SPACE for place, _ in craft.heard) == 1


# -- open and closed -----------------------------------------------------------------------------------------


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


def test_a_simulated_vehicles_modem_is_opened_and_closed_by_hand(over_both):
    async def whole():
        async with open_station(over_both(1e6, 1.0, speedup=10.0), find_profile("wifi")) as station:
            vehicle = await meet(station, None)
            opened = await control_modem(vehicle, True)
            return opened, await control_modem(vehicle, False)

    opened, closed = asyncio.run(whole())
    assert (opened.proven, closed.proven) == (True, False)


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


# -- whole flights -------------------------------------------------------------------------------------------


@pytest.fixture
def over_both(simulator):
    """A simulated vehicle whose radio is cut for a while; gives its addresses for the station."""

    def start(cut_s, lasts_s, speedup):
        cut = Fault("link_cut", cut_s, since="takeoff", duration_s=lasts_s)
        radio, modem = simulator(speedup=speedup, faults=(cut,), listen_high_latency=("tcpin:127.0.0.1:0",))
        return radio, f"{modem}?profile=satellite"

    return start


def fly_with(addresses, job, beside_it):
    """A flight, with something done beside it by `beside_it(vehicle)`; gives its result and what was told."""
    steps = []

    async def whole():
        async with open_station(addresses, find_profile("wifi")) as station:
            vehicle = await meet(station, None)
            flight = asyncio.create_task(
                fly_vehicle(job, vehicle, lambda step, _: steps.append(step), lambda: False)
            )
            other = asyncio.create_task(beside_it(vehicle))
            result = await flight
            await other
            return result

    return asyncio.run(whole()), steps


def journal(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def actions(folder):
    wanted = {"link lost", "heard by satellite", "slow link ordered", "slow link", "link back"}
    return [(event["action"], event.get("open")) for event in journal(folder) if event["action"] in wanted]


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


async def nothing(vehicle):
    pass


def test_a_flight_lives_on_by_satellite_while_its_radio_is_cut(over_both, mission, tmp_path):
    start, lanes, end = mission.items[:1], mission.items[1:-1], mission.items[-1:]
    longer = type(mission)((*start, *(lanes * 6), *end), home=mission.home, cruise_speed_mps=8.0)
    addresses = over_both(cut_s=30.0, lasts_s=100.0, speedup=10.0)
    result, steps = fly_with(addresses, FlightJob(longer, tmp_path), nothing)
    assert result.complete, result.notes
    done = actions(tmp_path)
    assert set(done[2:4]) == {("slow link", True), ("heard by satellite", None)}
    assert done[:2] + done[4:] == [
        ("link lost", None),
        ("slow link ordered", True),
        ("link back", None),
        ("slow link ordered", False),
        ("slow link", False),
    ]
    told = [step for step in steps if step.startswith("by satellite")]
    assert any("auto, item" in step and "battery" in step and "m above sea" in step for step in told)
    alerts = [e["key"] for e in journal(tmp_path) if e["action"] == "alert"]
    assert [key for key in alerts if key.startswith("satellite")] == ["satellite.opening", "satellite.only"]
    compared = [e for e in journal(tmp_path) if e["action"] == "mission compared"]
    assert [e["held"] for e in compared] == [True]
    assert result.photos["missing"] == []
    assert result.photos["recovered"], "photos taken meanwhile are in the vehicle's log"


def test_a_vehicle_whose_radio_is_cut_is_called_home_over_the_satellite(over_both, mission, tmp_path):
    lanes = mission.items[1:-1]
    longer = type(mission)(
        (mission.items[0], *(lanes * 8), mission.items[-1]), home=mission.home, cruise_speed_mps=8.0
    )
    addresses = over_both(cut_s=20.0, lasts_s=70.0, speedup=6.0)  # three words are said in 15 s
    seen = []

    async def call_home(vehicle):
        while not vehicle.by_satellite:
            await asyncio.sleep(0.1)
        done = await return_home(vehicle)
        seen.append((done.mode, vehicle.by_satellite))

    result, _ = fly_with(addresses, FlightJob(longer, tmp_path), call_home)
    assert seen == [("RTL", True)]
    assert not result.complete
    assert any(note.startswith("left AUTO for RTL") for note in result.notes)
    done = actions(tmp_path)
    assert done.index(("heard by satellite", None)) < done.index(("link back", None))
    assert ("slow link ordered", False) in done
    assert journal(tmp_path)[-1]["action"] == "landed"
    assert result.photos["missing"] == []
