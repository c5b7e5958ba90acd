"""Where a return ends: at the nearest rally point, or at home."""

from __future__ import annotations

import pytest

from sim.autopilot.rally import return_point

RTL = 6


def rally(bench, *places, frame=3):
    items = [bench.at(i, east, north, up, 5100, frame) for i, (east, north, up) in enumerate(places)]
    for item in items:
        item.mission_type = 2
    assert bench.upload(items, kind=2) == 0
    assert bench.vehicle.params["RALLY_TOTAL"] == len(places)


def test_a_return_ends_at_the_rally_point_that_is_nearest(ready):
    rally(ready, (120, 0, 10), (0, 150, 10))
    ready.take_off(20)
    ready.vehicle.pilot.guided.go_to((100.0, 10.0, 520.0))
    ready.run(25)
    ready.mode(RTL)
    assert ready.run(120, lambda: not ready.vehicle.armed)
    assert (ready.vehicle.body.east_m, ready.vehicle.body.north_m) == pytest.approx((120, 0), abs=1)


def test_home_is_nearer_than_a_rally_point_unless_it_does_not_count(ready):
    rally(ready, (120, 0, 10))
    ready.take_off(20)
    assert return_point(ready.vehicle)[:2] == pytest.approx((0, 0), abs=0.2)
    ready.set_param("RALLY_INCL_HOME", 0)
    assert return_point(ready.vehicle) == pytest.approx((120, 0, 510), abs=0.3)


def test_a_rally_point_beyond_the_limit_is_left_alone(ready):
    ready.set_param("RALLY_INCL_HOME", 0)
    rally(ready, (400, 0, 10))
    assert return_point(ready.vehicle)[0] == pytest.approx(0, abs=0.2)
    ready.set_param("RALLY_LIMIT_KM", 0)
    assert return_point(ready.vehicle)[0] == pytest.approx(400, abs=0.2)


def test_a_rally_point_outside_the_fence_does_not_count(ready):
    ready.set_param("RALLY_INCL_HOME", 0)
    ready.set_param("FENCE_RADIUS", 100)
    rally(ready, (120, 0, 10), (-60, 0, 10))
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    ready.vehicle.pilot.guided.go_to((80.0, 0.0, 520.0))
    ready.run(20)
    assert return_point(ready.vehicle)[0] == pytest.approx(-60, abs=0.2)


@pytest.mark.parametrize(("frame", "up"), [(0, 530.0), (3, 1030.0), (10, 1030.0)])
def test_heights_are_those_of_the_frame(ready, frame, up):
    ready.set_param("RALLY_INCL_HOME", 0)
    rally(ready, (100, 0, 530), frame=frame)
    assert return_point(ready.vehicle)[2] == pytest.approx(up, abs=0.3)


def test_they_read_back_as_the_storage_keeps_them(ready):
    rally(ready, (100, 0, 12.7), frame=6)
    (item,) = ready.read_back(kind=2)
    assert (item.command, item.frame, item.z) == (5100, 3, 12.0)
    bad = ready.at(0, 0, 0, 40_000, 5100, 3)
    bad.mission_type = 2
    assert ready.upload([bad], kind=2) == 12


def test_a_high_rally_point_is_climbed_to_first(ready):
    rally(ready, (150, 0, 40))
    ready.take_off(20)
    ready.vehicle.pilot.guided.go_to((100.0, 0.0, 520.0))
    ready.run(25)
    ready.mode(RTL)
    ready.run(20)
    assert ready.vehicle.relative_alt_m == pytest.approx(40, abs=2)


class Slope:
    """Rises by a fifth to the east."""

    def height_m(self, east_m, north_m):
        return 500.0 + 0.2 * east_m


def test_a_return_may_keep_its_height_above_the_ground(ready):
    ready.set_param("RTL_ALT_TYPE", 1)
    ready.set_param("RTL_ALT", 3000)
    ready.vehicle.place.ground = Slope()
    ready.take_off(60)
    ready.vehicle.pilot.guided.go_to((200.0, 0.0, 560.0))
    ready.run(40)
    ready.mode(RTL)
    e = ready.vehicle.body
    assert ready.run(60, lambda: e.east_m < 120)
    assert e.up_m - Slope().height_m(e.east_m, 0) == pytest.approx(
        30, abs=4
    )  # it sinks slower than the ground
    assert ready.run(120, lambda: not ready.vehicle.armed)


def test_without_terrain_it_returns_above_home(ready):
    ready.set_param("RTL_ALT_TYPE", 1)
    ready.set_param("TERRAIN_ENABLE", 0)
    ready.take_off(20)
    ready.mode(RTL)
    ready.run(0.1)
    assert "RTL: no terrain data, using alt-above-home" in ready.texts()


def test_failsafes_go_there_too(ready):
    rally(ready, (60, 0, 10))
    ready.set_param("RALLY_INCL_HOME", 0)
    ready.take_off(20)
    ready.vehicle.sticks.failed = True
    assert ready.run(120, lambda: not ready.vehicle.armed)
    assert "Radio Failsafe" in ready.texts()
    assert ready.vehicle.body.east_m == pytest.approx(60, abs=1)
