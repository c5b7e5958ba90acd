"""Other aircraft, as an ADS-B receiver hears them."""

import math

import pytest

from plans.frames import GeoPoint, LocalFrame
from sim.errors import ScenarioError
from sim.faults import Fault
from sim.place import FlatGround, Place
from sim.traffic import Aircraft

HOME = GeoPoint(30.05, 103.15, 500.0)
PLACE = Place(LocalFrame(HOME.lat_deg, HOME.lon_deg), FlatGround(500.0))


def test_it_flies_straight_and_says_where_it_is():
    plane = Aircraft(0xA00001, "SIM01", 10.0, 0.0, 1000.0, 650.0, 180.0, 50.0)
    assert plane.place_m(30.0) == pytest.approx((0.0, 0.0), abs=1e-6)
    message = plane.message(20.0, PLACE)
    east, north = PLACE.to_local(message.lat / 1e7, message.lon / 1e7)
    assert math.hypot(east, north - 500.0) < 0.1
    assert (message.altitude, message.heading, message.hor_velocity) == (650_000, 18_000, 5_000)
    assert message.ICAO_address == 0xA00001


def test_an_aircraft_near_takes_its_own_numbers():
    fault = Fault("aircraft_near", 5.0, north_m=1000.0, speed_mps=50.0)
    fault.check_numbers({"north_m", "speed_mps"})
    with pytest.raises(ScenarioError, match="ohm"):
        fault.check_numbers({"north_m", "ohm"})
