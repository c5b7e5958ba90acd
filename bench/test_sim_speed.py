"""The simulator's speed on one core, without pictures: one vehicle at full speed, twenty in real time."""

import math
import time

import pytest

from plans.frames import GeoPoint, LocalFrame
from sim.autopilot.core import Vehicle, VehicleSetup
from sim.autopilot.items import TAKEOFF, WAYPOINT, Frame, Item
from sim.autopilot.mavlink import Channel, Face
from sim.autopilot.modes import Mode
from sim.dynamics import STEP_S, Weather
from sim.place import FlatGround, Place

HOME = GeoPoint(30.05, 103.15)
TELEMETRY = (0, 1, 24, 30, 33, 42, 74, 193)
READY_S = 45.0


def flying(sysid):
    """A vehicle in gusty wind on a mission of zigzag lanes with photos; the usual messages stream at 4 Hz."""
    place = Place(LocalFrame(HOME.lat_deg, HOME.lon_deg), FlatGround(500.0))
    vehicle = Vehicle(VehicleSetup(place, HOME, sysid=sysid, weather=Weather(4.0, 270.0, 1.0)))
    face = Face(vehicle)
    heard = []
    channel = Channel(vehicle, lambda data, droppable: heard.append(len(data)))
    face.channels.append(channel)
    for message in TELEMETRY:
        channel.set_interval(message, 250_000)
    items = [Item(WAYPOINT, 0, 0, 0, 0, 0, 0, 0, 0.0), Item(TAKEOFF, Frame.RELATIVE, 0, 0, 0, 0, 0, 0, 50.0)]
    items.append(Item(206, 2, 20.0, 0, 1, 0, 0, 0, 0.0))
    for lane in range(40):
        for end in (0, 1):
            lat, lon = place.to_geo(300.0 * ((lane + end) % 2), 40.0 * lane)
            items.append(Item(WAYPOINT, Frame.RELATIVE, 0, 0, 0, 0, round(lat * 1e7), round(lon * 1e7), 50.0))
    for index, item in enumerate(items):
        vehicle.mission.store(index, item)
    for _ in range(round(READY_S / STEP_S)):
        face.step()
    vehicle.set_mode(Mode.GUIDED)
    assert vehicle.arm()
    assert vehicle.set_mode(Mode.AUTO)
    vehicle.auto_armed = True
    return face


def test_one_vehicle(benchmark, tell):
    face, seconds = flying(1), 200.0

    def fly():
        for _ in range(round(seconds / STEP_S)):
            face.step()

    begin = time.perf_counter()
    benchmark.pedantic(fly, rounds=1)
    times = seconds / (time.perf_counter() - begin)
    assert face.vehicle.armed
    assert math.hypot(face.vehicle.body.v_east_mps, face.vehicle.body.v_north_mps) > 1.0
    tell(f"one vehicle: {times:.0f} x real time on one core")
    assert times >= 100.0


@pytest.mark.parametrize("vehicles", [20])
def test_many_vehicles(benchmark, tell, vehicles):
    faces, seconds = [flying(1 + number) for number in range(vehicles)], 20.0

    def fly():
        for _ in range(round(seconds / STEP_S)):
            for face in faces:
                face.step()

    begin = time.perf_counter()
    benchmark.pedantic(fly, rounds=1)
    load = (time.perf_counter() - begin) / seconds
    tell(f"{vehicles} vehicles: {100 * load:.0f} % of one core in real time")
    assert load < 1.0
