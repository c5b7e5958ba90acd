"""Each kind of fault on a simulated PX4 in flight, under the eyes of the real station: what it does, what it
says, and what the station tells its pilot. A PX4 says little: why it acts it tells in EVENTs alone."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sim.autopilot.px4.vehicle import Px4
from sim.faults import FAULT_KINDS, Fault

from .on_air import Heard, OnAir, flown

FLIES_ON = ["AUTO_LOITER", "AUTO_MISSION"]
"""Armed in its mission, and still in it."""
HOLDS = [*FLIES_ON, "AUTO_LOITER"]
WAITS, ACTS = "Failsafe activated: entering Hold for 5 seconds", "Failsafe activated"
CALM = (
    "Armed by",
    "Executing",
    "Climb to",
    "[logger]",
    "Takeoff",
    "Returning",
    "RTL:",
    "Landing",
    "Disarmed",
)


class Px4OnAir(OnAir):
    make, has_home_slot = Px4, False
    params = {"NAV_DLL_ACT": 2.0, "COM_LOW_BAT_ACT": 3.0, "MPC_XY_CRUISE": 8.0}  # noqa: RUF012


@dataclass(frozen=True)
class Row:
    """One fault. `modes` are flown one after the other; `says` is all that is out of the ordinary."""

    kind: str
    modes: list[str]
    says: list[str]
    tells: set[str]
    """The station's alerts."""
    seconds: float = 65.0
    also: Callable[[OnAir, Heard], bool] = lambda on_air, heard: True
    numbers: tuple[tuple[str, float], ...] = ()


def row(kind, modes, says, tells=(), seconds=65.0, also=Row.also, **numbers):
    return Row(kind, modes, says, set(tells), seconds, also, tuple(numbers.items()))


def is_down_far_from_home(on_air, heard):
    flight = on_air.watcher.summary()
    return not on_air.vehicle.armed and flight.away_m > 50.0 and flight.max_touchdown_mps < 1.0


def photos_are_announced_and_not_written(on_air, heard):
    summary = on_air.watcher.summary()
    return 0 < summary.photos_lost < summary.photos_announced == len(heard.photos)


def comes_near(on_air, heard):
    return "near_miss" in [told.kind for told in on_air.news]


def is_lower_than_it_thinks(on_air, heard):
    _, _, believed_m, true_m = on_air.trace[-1]
    return 1.5 < believed_m - true_m < 6.0


def has_drifted_with_its_position_and_come_back(on_air, heard):
    return on_air.watcher.summary().distance_m > 60.0 and is_where_it_thinks(on_air)


def is_where_it_thinks(on_air):
    vehicle = on_air.vehicle
    return abs(vehicle.estimate.east_m - vehicle.body.east_m) < 1.0


def is_at_full_throttle_on_the_ground(on_air, heard):
    return on_air.vehicle.body.broken and on_air.vehicle.armed and on_air.vehicle.body.throttle > 0.9


TABLE = (
    row(
        "gps_loss",
        [*FLIES_ON, "AUTO_LAND", "AUTO_MISSION"],
        [ACTS, "Preflight: GPS fix too low"],
        seconds=120.0,
        also=is_down_far_from_home,
    ),
    row(
        *("gps_jump", FLIES_ON, []),
        seconds=90.0,
        also=has_drifted_with_its_position_and_come_back,
        duration_s=20.0,
        east_m=30.0,
    ),
    row("compass_error", FLIES_ON, [], deg=32.0),
    row("pressure_drift", FLIES_ON, [], seconds=90.0, also=is_lower_than_it_thinks, hpa_per_h=-20.0),
    row(
        *("battery_sag", [*HOLDS, "AUTO_RTL"], ["Critical battery", WAITS, ACTS], {"reserve.hands_off"}),
        seconds=42.0,
        charge_share=0.915,
    ),
    row("wind_step", FLIES_ON, [], {"watch.no_headway"}, seconds=130.0, wind_mps=18.0, gust_mps=2.0),
    row(
        *("motor_weak", FLIES_ON, [], {"reserve.uses_more"}),
        seconds=90.0,
        also=is_at_full_throttle_on_the_ground,
        thrust_share=0.33,
    ),
    row("rc_loss", [*HOLDS, "AUTO_RTL"], [WAITS, ACTS], {"reserve.hands_off"}, seconds=50.0),
    row(
        *("link_cut", [*HOLDS, "AUTO_RTL"], ["GCS connection regained"], {"lost.silent", "lost.now"}),
        seconds=80.0,
        duration_s=30.0,
    ),
    row("camera_stuck", FLIES_ON, [], also=photos_are_announced_and_not_written),
    row("card_full", FLIES_ON, [], also=photos_are_announced_and_not_written),
    row(
        *("aircraft_near", FLIES_ON, [], {"conflict.traffic_same_height"}),
        also=comes_near,
        north_m=900.0,
        speed_mps=30.0,
    ),
    row("bird_near", FLIES_ON, [], also=comes_near, north_m=100.0, speed_mps=10.0),
    row(
        *("rising_water", [*FLIES_ON, "AUTO_RTL", "AUTO_MISSION"], []),
        seconds=220.0,
        also=lambda on_air, heard: on_air.vehicle.in_water,
        duration_s=20.0,
        up_m=1.0,
    ),
)


def test_the_table_has_every_kind_of_fault():
    assert {row.kind for row in TABLE} == set(FAULT_KINDS)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind)
def test_it_reacts_and_the_station_tells(row):
    fault = Fault(row.kind, 30.0, "takeoff", **dict(row.numbers))
    on_air, heard = flown([fault], row.seconds, kind=Px4OnAir)
    assert on_air.modes() == row.modes
    said = [text.removesuffix("\t") for text in heard.texts]
    assert [text for text in said if not text.startswith(CALM)] == row.says
    assert row.tells <= set(heard.keys)
    assert bool(row.tells) is bool(heard.keys)
    assert row.also(on_air, heard)
