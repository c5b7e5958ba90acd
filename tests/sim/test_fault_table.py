"""Each kind of fault in flight, under the eyes of the real station: what the vehicle does, and what the
station tells its pilot. Where it tells nothing, because nobody could know, that is held as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from imagery.geotag import PhotoStamp, match_photos
from sim.faults import FAULT_KINDS, Fault

from .on_air import Heard, OnAir, flown

HOME_BY_ITSELF = ["STABILIZE", "GUIDED", "AUTO"]
"""The mission ends with a return, which is an item of it and no mode."""


@dataclass(frozen=True)
class Row:
    """One fault. `does` is given the vehicle and what is true, `tells` what the station has told."""

    fault: Fault
    does: Callable[[OnAir], bool]
    tells: Callable[[Heard], bool]
    name: str = ""
    seconds: float = 200.0
    ask_camera: bool = False


def airborne(kind, at_s=30.0, lasts_s=0.0, **numbers):
    return Fault(kind, at_s, "takeoff", lasts_s, **numbers)


def lands_where_it_is(on_air):
    return on_air.modes()[-1] == "LAND" and not on_air.vehicle.armed and on_air.watcher.summary().away_m > 50


def comes_home(on_air):
    flight = on_air.watcher.summary()
    return on_air.modes()[-1] == "RTL" and not on_air.vehicle.armed and flight.away_m < 3.0


def flies_on_to_its_end(on_air):
    flight = on_air.watcher.summary()
    return on_air.modes() == HOME_BY_ITSELF and not on_air.vehicle.armed and flight.away_m < 3.0


def news(kind):
    return lambda on_air: kind in [told.kind for told in on_air.news]


def both(*wanted):
    return lambda seen: all(want(seen) for want in wanted)


def says(*keys):
    """The vehicle's own texts, as the station puts them in plain words, in this order."""

    def look(heard):
        left = iter(heard.plain_keys)
        return all(key in left for key in keys)

    return look


def warns(*keys):
    return lambda heard: set(keys) <= set(heard.keys)


def is_silent(heard):
    """No alert, and no text but those of a flight in which nothing happens."""
    calm = {"arming", "take_off", "item", "waypoint", "mission_item_now", "home", "ground", "disarming"}
    return not heard.alerts and set(heard.plain_keys) <= calm


def is_40_m_by_its_own_reckoning_and_lower_in_truth(on_air):
    """20 hPa in an hour are 8.4 m in three minutes; here after two."""
    cruise = [
        (believed, true) for _, mode, believed, true in on_air.trace if mode == "AUTO" and believed > 39.0
    ]
    sunk = [believed - true for believed, true in cruise]
    return sunk[0] < 1.5 and 3.0 < max(sunk) < 8.0 and max(believed for believed, _ in cruise) < 41.0


def sinks_though_at_full_throttle(on_air):
    return on_air.vehicle.body.broken and not on_air.vehicle.armed


def is_held_by_the_wind(on_air):
    flight = on_air.watcher.summary()
    return on_air.vehicle.armed and on_air.vehicle.mode.name == "AUTO" and flight.away_m < 400.0


def photos_stop_coming(on_air):
    lost = [told for told in on_air.news if told.kind == "photo_lost"]
    kept = [told for told in on_air.news if told.kind == "photo"]
    return bool(lost and kept) and on_air.watcher.summary().photos_lost == len(lost)


def photos_miss_on_the_card(heard):
    """What `missionctl fly` and `geotag` find when they hold the card against what was announced."""
    on_card = [event for event in heard.photos if event.index <= 9]
    stamps = [PhotoStamp(f"{e.index}.JPG", e.time_utc, e.lat_deg, e.lon_deg) for e in on_card]
    found = match_photos(stamps, heard.photos)
    return set(found.events_without_photo) == {event.index for event in heard.photos} - set(range(1, 10))


def card_has_no_room(heard):
    return [card.free_mb for card in heard.camera.storages] == [0.0]


TABLE = (
    Row(airborne("gps_loss"), lands_where_it_is, says("variance", "failsafe_ekf", "gps_bad_fix")),
    Row(
        airborne("gps_jump", lasts_s=20.0, east_m=30.0),
        flies_on_to_its_end,
        says("gps_glitch", "glitch_cleared"),
    ),
    Row(
        airborne("compass_error", deg=32.0),
        lands_where_it_is,
        says("variance", "failsafe_ekf"),
        "compass_error that is believed",
    ),
    Row(
        airborne("compass_error", deg=60.0),
        flies_on_to_its_end,
        says("compass_changed", "compass_changed"),
        "compass_error that is not believed",
    ),
    Row(
        airborne("pressure_drift", 0.0, hpa_per_h=-20.0),
        is_40_m_by_its_own_reckoning_and_lower_in_truth,
        is_silent,
    ),
    Row(airborne("battery_sag", ohm=0.15), comes_home, says("battery_level", "battery_low")),
    Row(
        airborne("wind_step", wind_mps=18.0, gust_mps=2.0),
        is_held_by_the_wind,
        warns("watch.no_headway"),
    ),
    Row(
        airborne("motor_weak", thrust_share=0.33),
        sinks_though_at_full_throttle,
        both(says("thrust_loss", "crash"), warns("reserve.uses_more")),
    ),
    Row(airborne("rc_loss"), comes_home, says("remote_lost")),
    Row(
        airborne("link_cut", lasts_s=60.0),
        comes_home,
        both(warns("lost.silent", "lost.now"), says("failsafe_gcs_cleared")),
    ),
    Row(airborne("camera_stuck"), both(flies_on_to_its_end, photos_stop_coming), photos_miss_on_the_card),
    Row(
        airborne("card_full"),
        both(flies_on_to_its_end, photos_stop_coming),
        card_has_no_room,
        ask_camera=True,
    ),
    Row(
        airborne("aircraft_near", north_m=900.0, speed_mps=30.0),
        both(flies_on_to_its_end, news("near_miss")),
        lambda heard: any(key.startswith("conflict.traffic") for key in heard.keys),
    ),
    Row(
        airborne("bird_near", north_m=100.0, speed_mps=10.0),
        both(flies_on_to_its_end, news("near_miss")),
        is_silent,
    ),
    Row(
        airborne("rising_water", lasts_s=20.0, up_m=1.0),
        lambda on_air: on_air.vehicle.in_water and news("in_water")(on_air),
        is_silent,
    ),
)


def test_the_table_has_every_kind_of_fault():
    assert {row.fault.kind for row in TABLE} == set(FAULT_KINDS)


def test_without_a_fault_it_flies_its_mission_and_nothing_is_told():
    on_air, heard = flown([], 200.0)
    assert flies_on_to_its_end(on_air)
    assert is_silent(heard)
    assert len(heard.photos) == on_air.watcher.summary().photos_announced > 40


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name or row.fault.kind)
def test_the_vehicle_reacts_and_the_station_tells(row):
    on_air, heard = flown([row.fault], row.seconds, row.ask_camera)
    assert row.does(on_air), (on_air.modes(), on_air.watcher.summary())
    assert row.tells(heard), (heard.keys, heard.texts)
