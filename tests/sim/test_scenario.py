"""Training scenarios: every one that we ship can be flown, and a mistake in one of your own is named."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plans.frames import GeoPoint
from sim.dynamics import Weather
from sim.errors import ScenarioError, SettingsError, SimError
from sim.faults import Fault, FaultTimeline
from sim.goals import Goals
from sim.radio import RadioSettings, Reach
from sim.scenario import find_scenario, packaged_scenarios, parse_scenario, read_scenario
from sim.server import SimSettings, make_vehicles
from sim.watcher import FlightSummary

from .conftest import HOME, Bench

repeatable = settings(derandomize=True, deadline=None, max_examples=150, database=None)

WHOLE = """
name = "Everything"
about = "All that a scenario can say."
start = 2026-07-01T10:00:00+08:00
gnss = "standard"
[weather]
wind_mps = 7.0
from_deg = 250.0
gust_mps = 1.5
[radio]
loss = 0.05
latency_s = 0.2
jitter_s = 0.1
bytes_per_s = 5700.0
[battery]
charge_share = 0.8
capacity_mah = 8000.0
[params]
FS_GCS_ENABLE = 1
[[faults]]
kind = "link_cut"
at_s = 60
since = "takeoff"
duration_s = 60
[[faults]]
kind = "gps_jump"
at_s = 5
east_m = 20.0
vehicle = 2
"""


@pytest.mark.parametrize("name", packaged_scenarios())
def test_every_packaged_scenario_is_whole_and_makes_a_vehicle(name):
    scenario = read_scenario(find_scenario(name))
    assert scenario.name
    assert len(scenario.about) > 20
    vehicles = make_vehicles(scenario.apply(SimSettings(home=HOME)))[1]
    assert len(vehicles) == 1


def test_there_are_scenarios_for_each_thing_to_be_learnt():
    names = set(packaged_scenarios())
    assert {"calm", "gps-trouble", "gusty-valley", "lost-link", "silent-camera", "tired-battery"} <= names


def test_a_scenario_says_all_that_it_can_and_the_settings_hear_it():
    scenario = parse_scenario(WHOLE, "whole.toml")
    assert scenario.start_utc == dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
    settings_ = scenario.apply(SimSettings(home=HOME, vehicles=2, params=(("RTL_ALT", 2000),)))
    assert settings_.weather == Weather(7.0, 250.0, 1.5)
    assert settings_.radio == RadioSettings(0.05, 0.2, 0.1, 5700.0)
    assert (settings_.gnss, settings_.charge_share, settings_.pack.capacity_mah) == ("standard", 0.8, 8000)
    assert settings_.params == (("RTL_ALT", 2000), ("FS_GCS_ENABLE", 1))
    assert [f.kind for f in settings_.faults] == ["link_cut", "gps_jump"]
    assert settings_.faults[1] == Fault("gps_jump", 5, vehicle=2, east_m=20.0)


def test_each_link_may_have_its_own_radio_and_place():
    scenario = parse_scenario(
        """name = "Two radios"
[terrain]
on_card = false
[radio]
loss = 0.5
[[radios]]
range_m = 6000
station = [30.1, 103.2]
antenna_m = 6
mhz = 433
[[radios]]
latency_s = 0.1
range_m = 900
over_terrain = false
""",
        "two.toml",
    )
    settings_ = scenario.apply(SimSettings(home=HOME, listen=("tcpin:1.2.3.4:1",) * 3))
    first, second, third = (settings_.radio_of(number) for number in range(3))
    assert first.reach == Reach(6000.0, GeoPoint(30.1, 103.2), 6.0, 433e6)
    assert (second.latency_s, second.reach) == (0.1, Reach(900.0, over_terrain=False))
    assert third == RadioSettings(loss=0.5)
    assert not make_vehicles(settings_)[1][0].setup.terrain_on_card


def test_a_file_gives_its_world_its_vehicles_and_its_goals(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(
        'name = "x"\nvehicles = 3\nworld = "county"\n[goals]\nphotos = 9\nfence_kept = true\n'
    )
    scenario = read_scenario(tmp_path / "mine.toml")
    settings_ = scenario.apply(SimSettings())
    assert (settings_.vehicles, settings_.world) == (3, tmp_path / "county")
    assert settings_.goals == Goals(photos=9, fence_kept=True)
    assert scenario.apply(SimSettings(world=tmp_path / "other")).world == tmp_path / "other"


FLIGHT = FlightSummary(
    sysid=1,
    time_s=200,
    flight_s=120,
    distance_m=900,
    max_height_m=60,
    min_height_m=50,
    max_touchdown_mps=0.5,
    charge_share=0.5,
    photos_announced=10,
    photos_lost=0,
    away_m=2.0,
    armed=False,
    airborne=False,
    return_share=0.6,
)


@pytest.mark.parametrize(
    ("goals", "broken", "says"),
    [
        (Goals(photos=10), {"photos_lost": 1}, "9 on the card, 10 wanted"),
        (Goals(all_photos=True), {"photos_lost": 2}, "2 of 10 lost"),
        (Goals(landed_within_m=5), {"away_m": 7.0}, "7.0 m away"),
        (Goals(landed_within_m=5), {"in_water": True}, "in water"),
        (Goals(landed_within_m=5), {"armed": True}, "not on the ground"),
        (Goals(touchdown_mps=1), {"max_touchdown_mps": 3.0}, "3.0 m/s"),
        (Goals(fence_kept=True), {"fence_breaches": 2}, "2 breaches"),
        (Goals(return_above=0.3), {"return_share": 0.2}, "at 20%"),
        (Goals(return_above=0.3), {"return_share": None}, "never returned"),
        (Goals(charge_above=0.3), {"charge_share": 0.1}, "10% left"),
        (Goals(apart_m=50), {"nearest_m": 12.0}, "12 m"),
        (Goals(flight_s=130), {"flight_s": 140.0}, "140 s in the air"),
    ],
)
def test_each_goal_is_met_or_missed_with_its_measure(goals, broken, says):
    assert [result.met for result in goals.judge(FLIGHT)] == [True]
    (result,) = goals.judge(replace(FLIGHT, **broken))
    assert not result.met
    assert says in result.measure


def test_who_never_flew_reached_nothing():
    everything = Goals(1, True, 5, 2, True, 0.3, 0.2, 10, 500)
    flight = replace(
        FLIGHT, flight_s=0.0, photos_announced=0, return_share=None, distance_m=0.0, max_height_m=0.0
    )
    results = everything.judge(flight)
    assert len(results) == 9
    assert not any(result.met for result in results)


def test_what_a_scenario_does_not_say_stays_as_it_was():
    before = SimSettings(home=HOME, gnss="standard", weather=Weather(3.0), charge_share=0.7)
    assert parse_scenario('name = "Bare"', "bare.toml").apply(before) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 'x'\nwether = 1", r"wether: is not known; take name, about"),
        (
            "name = 'x'\n[weather]\nwind = 3",
            r"weather\.wind: is not known; take wind_mps, from_deg, gust_mps",
        ),
        (
            "name = 'x'\n[weather]\nwind_mps = 90",
            r"weather\.wind_mps: .*less than or equal to 40 \(it is 90\)",
        ),
        ("name = 'x'\n[weather]\nwind_mps = nan", r"weather\.wind_mps: .*finite"),
        ("name = 'x'\n[radio]\nloss = 1.0", r"radio\.loss"),
        ("name = 'x'\n[battery]\ncharge_share = 0", r"battery\.charge_share"),
        ("about = 'no name'", r"name: is missing; add it"),
        (
            "name = 'x'\nstart = 2026-07-01T02:00:00",
            r"start: has no time zone; write for example 2026-07-01T02:00:00Z",
        ),
        ("name = 'x'\nstart = 'tomorrow'", r"start"),
        ("name = 'x'\ngnss = 'laser'", r"GNSS kind 'laser' is not known; take one of: rtk, standard"),
        ("name = 'x'\n[params]\nRTL_ALTI = 3", r"params: RTL_ALTI is not a parameter .*near it: RTL"),
        ("name = 'x'\n[params]\nRTL_ALT = -1", r"params: RTL_ALT = -1 is out of its range"),
        ("name = 'x'\n[params]\nFRAME_CLASS = 1", r"states a fact"),
        (
            "name = 'x'\n[[faults]]\nkind = 'gremlins'\nat_s = 1",
            r"fault 1: fault kind 'gremlins' is not known",
        ),
        ("name = 'x'\n[[faults]]\nkind = 'gps_loss'", r"faults 1\.at_s: is missing"),
        ("name = 'x'\n[[faults]]\nkind = 'gps_loss'\nat_s = -1", r"faults 1\.at_s"),
        (
            "name = 'x'\n[[faults]]\nkind = 'gps_loss'\nat_s = 1\nsince = 'dawn'",
            r"since must be start, armed or takeoff",
        ),
        (
            "name = 'x'\n[[faults]]\nkind = 'gps_loss'\nat_s = 1\nohm = 2",
            r"fault 1: gps_loss: ohm has no effect",
        ),
        (
            "name = 'x'\n[[faults]]\nkind = 'gps_jump'\nat_s = 1",
            r"fault 1: gps_jump: give at least one of east_m",
        ),
        ("name = 'x'\n[radio]\nantenna_m = 3", r"radio: antenna_m has no effect without range_m; add it"),
        ("name = 'x'\n[radio]\nrange_m = 900\nstation = [100, 3]", r"radio\.station: 100, 3 is no place"),
        ("name = 'x'\n[[radios]]\nrange_m = 9", r"radios 1\.range_m: .*greater than or equal to 50"),
        ("name = 'x'\n[[faults]]\nkind = 'compass_error'\nat_s = 1", r"fault 1: compass_error: give .* deg"),
        ("name = 'x'\n[goals]\nphoto = 3", r"goals\.photo: is not known; take photos, all_photos"),
        ("name = 'x'\n[goals]\nreturn_above = 30", r"goals\.return_above: .*less than or equal to 1"),
        ("name = 'x'\nvehicles = 0", r"vehicles: .*greater than or equal to 1 \(it is 0\)"),
        ("name = ", r"is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place_in_one_line(text, says):
    with pytest.raises(ScenarioError, match=says) as caught:
        parse_scenario(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


def test_a_fault_for_a_vehicle_that_does_not_fly_is_refused():
    scenario = parse_scenario(WHOLE, "whole.toml")
    with pytest.raises(
        ScenarioError, match=r"fault 2 \(gps_jump\) is for vehicle 2, but 1 fly; give --vehicles 2"
    ):
        scenario.apply(SimSettings(home=HOME))


def test_files_that_are_none_are_refused(tmp_path: Path):
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_scenario(tmp_path / "none.toml")
    (tmp_path / "picture.toml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ScenarioError, match="is no text file"):
        read_scenario(tmp_path / "picture.toml")
    with pytest.raises(ScenarioError, match=r"'clam' is not known; take a file, or one of: .*calm"):
        find_scenario("clam")


def test_scenarios_of_the_mission_folder_come_before_the_packaged_ones(tmp_path: Path):
    (tmp_path / "calm.toml").write_text('name = "Mine"')
    assert read_scenario(find_scenario("calm", (tmp_path,))).name == "Mine"


@repeatable
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("name", "about", "start", "gnss", "weather", "radio", "radios", "battery", "params"),
                *("faults", "goals", "terrain", "vehicles", "world", "x"),
            ]
        ),
        st.sampled_from(
            [
                '""',
                '"rtk"',
                "1",
                "-1.5",
                "true",
                "[]",
                "{}",
                "[1]",
                "{a = 1}",
                "[{}]",
                "1979-05-27",
                "07:32:00",
            ]
        ),
    )
)
def test_whatever_is_written_it_is_read_or_refused_but_never_a_crash(entries):
    text = "\n".join(f"{key} = {value}" for key, value in entries.items())
    try:
        assert parse_scenario(text, "odd.toml").name
    except SimError as error:
        said = str(error)
        if "\n" in said or not said.startswith("odd.toml: "):
            raise


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"home": None}, "needs a home position or a world"),
        ({"speedup": 0.5}, "speed-up 0.5"),
        ({"vehicles": 0}, "0 vehicles"),
        ({"listen": ()}, "needs an address"),
        ({"listen": ("http:1",)}, "is not understood"),
        ({"charge_share": 0.0}, "battery"),
        ({"photos_dir": Path("photos")}, "photos need a world"),
        ({"params": (("NOPE", 1.0),)}, "NOPE is not a parameter"),
        ({"gnss": "laser"}, "GNSS kind"),
    ],
)
def test_settings_that_cannot_be_simulated_are_refused(change, says):
    with pytest.raises(SimError, match=says):
        make_vehicles(SimSettings(**{"home": HOME, **change}))


def test_a_world_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(SimError, match="no whole world"):
        make_vehicles(SimSettings(world=tmp_path))


def test_vehicles_stand_beside_each_other_with_their_own_ids():
    place, vehicles = make_vehicles(SimSettings(home=GeoPoint(30, 103, 500.0), vehicles=3))
    assert [v.sysid for v in vehicles] == [1, 2, 3]
    assert [v.body.east_m for v in vehicles] == pytest.approx([0, 3, 6], abs=0.01)
    assert {v.body.up_m for v in vehicles} == {500.0}
    assert place.ground.height_m(10, 10) == 500.0
    with pytest.raises(SettingsError):
        make_vehicles(SimSettings(home=HOME, vehicles=51))


# -- faults --------------------------------------------------------------------------------------------


class Wire:
    cut = False


def with_faults(*faults, vehicle=None):
    bench = Bench() if vehicle is None else vehicle
    wire, told = Wire(), []
    timeline = FaultTimeline(
        faults, bench.vehicle, [wire], lambda fault, on: told.append((bench.vehicle.time_s, fault.kind, on))
    )
    return bench, timeline, wire, told


def run(bench, timeline, seconds):
    bench.run(seconds, lambda: timeline.update())


def test_a_fault_begins_and_ends_on_its_time():
    bench, timeline, wire, told = with_faults(Fault("link_cut", 3.0, duration_s=2.0))
    run(bench, timeline, 2.9)
    assert not wire.cut
    run(bench, timeline, 1)
    assert wire.cut
    run(bench, timeline, 2)
    assert not wire.cut
    assert told == [
        (pytest.approx(3, abs=0.03), "link_cut", True),
        (pytest.approx(5, abs=0.05), "link_cut", False),
    ]


def test_times_count_from_take_off_when_they_should(ready):
    bench, timeline, _, told = with_faults(Fault("camera_stuck", 5.0, since="takeoff"), vehicle=ready)
    run(bench, timeline, 10)
    assert told == []
    bench.mode(4)
    bench.arm()
    bench.command(22, 0, 0, 0, 0, 0, 0, 10)
    begun = bench.vehicle.time_s
    run(bench, timeline, 12)
    assert [kind for _, kind, _ in told] == ["camera_stuck"]
    assert 5.0 <= told[0][0] - begun < 8.0
    assert bench.vehicle.camera_stuck


@pytest.mark.parametrize(
    ("fault", "look", "during", "after"),
    [
        (Fault("gps_loss", 1, duration_s=2), lambda v: v.estimator.available, False, True),
        (Fault("gps_jump", 1, duration_s=2, east_m=20), lambda v: v.estimator.jump_m, (20, 0, 0), (0, 0, 0)),
        (Fault("battery_sag", 1, duration_s=2, ohm=0.1), lambda v: v.battery.extra_resistance_ohm, 0.1, 0.0),
        (Fault("wind_step", 1, duration_s=2, wind_mps=9), lambda v: v.wind.weather.wind_mps, 9, 0),
        (Fault("camera_stuck", 1, duration_s=2), lambda v: v.camera_stuck, True, False),
        (Fault("rc_loss", 1, duration_s=2), lambda v: v.sticks.failed, True, False),
        (Fault("motor_weak", 1, duration_s=2, thrust_share=0.7), lambda v: v.motor_share, 0.7, 1.0),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_each_fault_does_its_work_and_is_lifted(fault, look, during, after):
    bench, timeline, _, _ = with_faults(fault)
    run(bench, timeline, 2)
    assert look(bench.vehicle) == during
    run(bench, timeline, 2)
    assert look(bench.vehicle) == after


def test_a_fault_of_another_vehicle_is_not_ours():
    bench, timeline, _, told = with_faults(Fault("gps_loss", 1.0, vehicle=2))
    run(bench, timeline, 3)
    assert told == []
    assert bench.vehicle.estimator.available


def test_a_lost_charge_is_lost_once():
    bench, timeline, _, _ = with_faults(Fault("battery_sag", 1.0, charge_share=0.3))
    run(bench, timeline, 5)
    assert bench.vehicle.battery.charge_share == pytest.approx(0.7, abs=0.01)


def test_a_stuck_camera_announces_photos_that_it_does_not_take(ready):
    ready.vehicle.camera_stuck = True
    ready.command(203, 0, 0, 0, 0, 1)
    ready.run(1)
    assert [m.img_idx for m in ready.heard("CAMERA_FEEDBACK")] == [1]
    assert [shot.captured for shot in ready.face.shots] == [False]


def test_a_fault_says_itself_in_words():
    text = str(Fault("gps_jump", 60, duration_s=8, east_m=20, vehicle=2))
    assert text == "gps jump, east_m 20, north_m 0, up_m 0, for 8 s, vehicle 2"
