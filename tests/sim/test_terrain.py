"""Ground heights: on the vehicle's card, or asked of the station tile by tile."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.rally import return_point
from sim.autopilot.terrain import TILE, TILES, TILES_EAST, Block, spot_of

from .conftest import GROUND_M, Bench

GUIDED, AUTO, RTL = 4, 3, 6
REQUEST = mavlink.MAVLINK_MSG_ID_TERRAIN_REQUEST
REPORT = mavlink.MAVLINK_MSG_ID_TERRAIN_REPORT


@pytest.fixture
def bare():
    """A vehicle without terrain on its card, ready but for it."""
    bench = Bench(terrain_on_card=False)
    bench.stream(REQUEST, 2)
    bench.stream(REPORT, 2)
    bench.run(42.5)
    return bench


def answer(bench, height=lambda lat, lon: round(GROUND_M) + 7):
    """The station sends what was asked for last."""
    asked = bench.heard("TERRAIN_REQUEST")[-1]
    for bit in range(TILES):
        if asked.mask >> bit & 1:
            data = [height(asked.lat, asked.lon)] * TILE**2
            bench.say(
                mavlink.MAVLink_terrain_data_message(asked.lat, asked.lon, asked.grid_spacing, bit, data)
            )
    return asked


def serve_all(bench, seconds=60):
    for _ in range(seconds):
        before = len(bench.heard("TERRAIN_REQUEST"))
        bench.run(1)
        if len(bench.heard("TERRAIN_REQUEST")) > before:
            answer(bench)
        if bench.heard("TERRAIN_REPORT")[-1].pending == 0:
            return


def terrain_mission(bench):
    return [
        bench.at(0, 0, 0, 0),
        bench.at(1, 0, 0, 20, command=22),
        bench.at(2, 80, 0, 25, frame=11),
        bench.at(3, 80, 80, 25, frame=11),
    ]


def test_with_its_card_all_is_loaded_and_nothing_asked(ready):
    ready.stream(REQUEST, 2)
    ready.stream(REPORT, 2)
    ready.upload(terrain_mission(ready))
    ready.run(5)
    report = ready.heard("TERRAIN_REPORT")[-1]
    assert (report.spacing, report.pending) == (100, 0)
    assert report.loaded % TILES == 0
    assert report.loaded > 0
    assert report.terrain_height == GROUND_M
    assert not ready.heard("TERRAIN_REQUEST")


def test_without_a_card_it_asks_every_two_seconds(bare):
    bare.run(10)
    asked = bare.heard("TERRAIN_REQUEST")
    times = [t for t, m in bare.inbox if m.get_type() == "TERRAIN_REQUEST"]
    assert all(b - a >= 1.9 for a, b in pairwise(times))
    first = asked[0]
    assert (first.grid_spacing, first.mask) == (100, (1 << TILES) - 1)
    report = bare.heard("TERRAIN_REPORT")[-1]
    assert (report.spacing, report.loaded) == (0, 0)
    assert report.pending > 0
    serve_all(bare)
    bare.run(1)
    report = bare.heard("TERRAIN_REPORT")[-1]
    assert report.spacing == 100
    assert report.pending <= TILES < report.loaded  # it stands at a block's border and looks both ways
    assert report.terrain_height == GROUND_M + 7


def test_the_status_says_whether_the_ground_is_known(ready, bare):
    for bench, known in ((ready, True), (bare, False)):
        bench.stream(mavlink.MAVLINK_MSG_ID_SYS_STATUS, 2)
        bench.run(2)
        status = bench.heard("SYS_STATUS")[-1]
        assert status.onboard_control_sensors_enabled & mavlink.MAV_SYS_STATUS_TERRAIN
        assert bool(status.onboard_control_sensors_health & mavlink.MAV_SYS_STATUS_TERRAIN) is known


def test_a_mission_over_terrain_waits_for_it(bare):
    bare.upload(terrain_mission(bare))
    bare.run(2)
    bare.mode(GUIDED)
    assert bare.arm() == 4
    bare.run(0.1)
    assert "Arm: waiting for terrain data" in bare.texts()
    serve_all(bare)
    bare.run(2)
    assert bare.arm() == 0
    assert bare.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20) == 0
    bare.run(15)
    bare.mode(AUTO)
    bare.run(25)
    # the ground is where the vehicle stood, seven metres below what the station said (TERRAIN_OFS_MAX)
    assert bare.vehicle.body.up_m == pytest.approx(GROUND_M + 25, abs=1.5)


def test_without_the_offset_the_station_s_heights_count(bare):
    bare.set_param("TERRAIN_OFS_MAX", 0)
    bare.upload(terrain_mission(bare))
    serve_all(bare)
    bare.run(2)
    bare.mode(GUIDED)
    assert bare.arm() == 0
    bare.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20)
    bare.run(15)
    bare.mode(AUTO)
    bare.run(30)
    assert bare.vehicle.body.up_m == pytest.approx(GROUND_M + 32, abs=1.5)


def test_terrain_that_is_missing_in_flight_ends_in_a_return(bare):
    bare.take_off(20)
    bare.upload(terrain_mission(bare))
    bare.mode(AUTO)
    bare.run(3)
    bare.say(mavlink.MAVLink_mission_set_current_message(1, 1, 2))
    assert bare.run(30, lambda: bare.vehicle.mode == RTL)
    bare.run(0.1)
    assert "Failsafe: Terrain data missing" in bare.texts()


def test_a_check_is_answered_for_its_place(ready):
    lat, lon = ready.place.to_geo(1000, 2000)
    ready.run(1)
    ready.say(mavlink.MAVLink_terrain_check_message(round(lat * 1e7), round(lon * 1e7)))
    report = ready.heard("TERRAIN_REPORT")[-1]
    assert (report.lat, report.lon) == (round(lat * 1e7), round(lon * 1e7))
    assert (report.spacing, report.terrain_height) == (100, GROUND_M)


def test_a_check_of_what_is_not_known_says_so(bare):
    pending = bare.heard("TERRAIN_REPORT")[-1].pending
    bare.say(mavlink.MAVLink_terrain_check_message(310_000_000, 1_040_000_000))
    told = bare.heard("TERRAIN_REPORT")[-1]
    assert told.spacing == 0
    assert told.pending == pending + TILES  # it is wanted from now on
    before = len(bare.inbox)
    bare.say(mavlink.MAVLink_terrain_check_message(2_000_000_000, 0))
    assert len(bare.inbox) == before


@pytest.mark.parametrize(("name", "value"), [("TERRAIN_ENABLE", 0), ("TERRAIN_OPTIONS", 1)])
def test_what_is_switched_off_is_not_asked_for(bare, name, value):
    bare.set_param(name, value)
    asked = len(bare.heard("TERRAIN_REQUEST"))
    bare.run(6)
    assert len(bare.heard("TERRAIN_REQUEST")) == asked


def test_switched_off_a_mission_over_terrain_does_not_start(ready):
    ready.set_param("TERRAIN_ENABLE", 0)
    ready.upload(terrain_mission(ready))
    ready.mode(GUIDED)
    assert ready.arm() == 4
    ready.run(0.1)
    assert "Arm: terrain disabled" in ready.texts()


def test_places_a_quarter_of_the_earth_away_and_odd_spacings_do_no_harm(bare):
    bare.upload([bare.at(0, 0, 0, 0), bare.item(1, 16, 11, lat=0.0, lon=13.0, alt=50)])
    bare.upload([bare.item(0, 5100, 3, lat=0.0, lon=13.0, alt=50, kind=2)], kind=2)
    bare.upload([bare.item(0, 5003, 0, (50, 0, 0, 0), lat=0.0, lon=13.0, kind=1)], kind=1)
    bare.say(mavlink.MAVLink_terrain_check_message(0, 130_000_000))
    for name, value in (("FENCE_ENABLE", 1), ("RALLY_LIMIT_KM", 0), ("RALLY_INCL_HOME", 0)):
        bare.set_param(name, value)
    for spacing in (0, -5, 1e9, 40_000):
        bare.set_param("TERRAIN_SPACING", spacing)
        bare.run(3)
        bare.say(mavlink.MAVLink_terrain_check_message(300_000_000, 1_030_000_000))
    assert bare.heard("TERRAIN_REPORT")
    assert return_point(bare.vehicle)[0] == pytest.approx(0, abs=0.5)


def test_tiles_that_nobody_asked_for_change_nothing(bare):
    bare.say(mavlink.MAVLink_terrain_data_message(310_000_000, 1_030_000_000, 100, 3, [9] * 16))
    bare.say(
        mavlink.MAVLink_terrain_data_message(
            *spot_of(300_000_000, 1_030_000_000, 100).corner, 100, 200, [9] * 16
        )
    )
    bare.run(1)
    assert bare.heard("TERRAIN_REPORT")[-1].loaded == 0


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(
    st.integers(-899_000_000, 899_000_000), st.integers(-1_799_000_000, 1_799_000_000), st.integers(30, 200)
)
def test_a_place_lies_in_its_block(lat, lon, spacing):
    spot = spot_of(lat, lon, spacing)
    assert 0 <= spot.north < 24
    assert 0 <= spot.east < 28
    north_m = (lat - spot.corner[0]) * 0.011131884502145034
    assert north_m == pytest.approx(spot.north * spacing, abs=0.1)


def test_the_grid_is_that_of_a_real_arducopter():
    """The block that one asked for at this place."""
    assert spot_of(301_234_560, 1_034_567_890, 100).corner == (301_077_984, 1_034_358_992)


def test_a_block_is_read_between_its_heights():
    block = Block(100)
    for bit in range(TILES):
        row, col = bit // TILES_EAST * TILE, bit % TILES_EAST * TILE
        block.fill(bit, [10 * (row + x) + (col + y) for x in range(TILE) for y in range(TILE)])
    for north, east in ((0.0, 0.0), (3.5, 3.25), (23.9, 27.4)):
        assert block.height_m(north, east) == pytest.approx(10 * north + east)
    assert Block(100).height_m(1.0, 1.0) is None
    assert math.isfinite(block.height_m(26.9, 30.9))
