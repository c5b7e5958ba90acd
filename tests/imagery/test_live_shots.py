"""Photos and camera events while both are still coming: each photo gets the event that is its own."""

import datetime as dt
from dataclasses import replace

import pytest

from imagery.live_shots import Shots, with_shot
from imagery.photo_tags import PhotoTags
from plans.mission import CameraEvent

BEGIN = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
NOTHING = PhotoTags(make="X", model="Y", image_width_px=4000, image_height_px=3000)


def events(count):
    """One each 2 s and about 20 m, in lanes of eight; a turn takes 7.3 s more."""
    return [
        CameraEvent(
            i + 1, BEGIN + dt.timedelta(seconds=2.0 * i + 7.3 * (i // 8)), 30.0 + 0.00018 * i, 103.0, 550.0,
            yaw_deg=0.0, pitch_deg=-89.0, roll_deg=1.0,
        )
        for i in range(count)
    ]  # fmt: skip


def clocked(event, ahead_s=0.0):
    """A photo's tags with the camera's own clock, whole seconds."""
    when = (event.time_utc + dt.timedelta(seconds=ahead_s)).replace(tzinfo=None, microsecond=0)
    return replace(NOTHING, clock=when)


def numbers(shots):
    return {name: shot.event.index for name, shot in shots.of_photos.items()}


def test_the_first_photo_is_that_of_the_first_event_while_more_have_been_taken():
    shots = Shots()
    shots.hear(events(3))
    assert shots.arrive("DJI_0041.JPG", NOTHING).event.index == 1
    assert shots.arrive("DJI_0041.JPG", NOTHING).by == "count"
    assert [e.index for e in shots.expected] == [2, 3]


def test_a_photo_waits_for_its_event():
    shots = Shots()
    assert shots.arrive("A1.JPG", NOTHING) is None
    shots.hear(events(1))
    assert shots.settle() == {"A1.JPG"}
    assert numbers(shots) == {"A1.JPG": 1}
    assert shots.expected == ()


def test_one_that_stays_away_shifts_nobody():
    """Names have numbers: the third photo never comes, the fifth before the fourth."""
    shots = Shots()
    shots.hear(events(6))
    for number in (101, 102, 105, 104, 106):
        shots.arrive(f"P{number}.JPG", NOTHING)
    assert numbers(shots) == {"P101.JPG": 1, "P102.JPG": 2, "P104.JPG": 4, "P105.JPG": 5, "P106.JPG": 6}
    assert [e.index for e in shots.expected] == [3]


def test_a_failed_photo_leaves_no_file():
    shots = Shots()
    told = events(3)
    told[1] = replace(told[1], captured=False)
    shots.hear(told)
    assert [e.index for e in shots.expected] == [1, 3]
    for name in ("left.JPG", "right.JPG"):  # no numbers: by order
        shots.arrive(name, NOTHING)
    assert numbers(shots) == {"left.JPG": 1, "right.JPG": 3}


def test_a_photo_too_many_is_found_out_at_the_turns():
    """One taken by hand before the flight counts as the first, and all others one too late, until the
    clocks of some lanes say otherwise."""
    shots, told = Shots(), events(26)
    test_shot = replace(NOTHING, clock=clocked(told[0], 3600.0).clock - dt.timedelta(seconds=2))
    shots.hear(told[:3])
    shots.arrive("DJI_0007.JPG", test_shot)
    assert numbers(shots) == {"DJI_0007.JPG": 1}
    for i, event in enumerate(told):
        shots.hear(told[: i + 3])
        shots.arrive(f"DJI_{8 + i:04d}.JPG", clocked(event, 3600.0))
        shots.settle()
    shots.settle(now=True)
    assert numbers(shots) == {f"DJI_{8 + i:04d}.JPG": i + 1 for i in range(26)}
    assert {shot.by for shot in shots.of_photos.values()} == {"time"}


def test_a_clock_that_disagrees_stops_the_counting():
    shots, told = Shots(), events(4)
    shots.hear(told)
    for i, gap_s in enumerate((0, 0, 7)):
        shots.arrive(f"P{i}.JPG", clocked(told[i], gap_s))
    assert numbers(shots) == {"P0.JPG": 1, "P1.JPG": 2}


def test_a_photo_that_knows_its_place_takes_its_event_with_it():
    shots, told = Shots(), events(4)
    shots.hear(told)
    own = replace(NOTHING, lat_deg=told[2].lat_deg, lon_deg=told[2].lon_deg)
    assert shots.arrive("A.JPG", own).event.index == 3
    assert [e.index for e in shots.expected] == [1, 2, 4]
    merged = with_shot(own, shots.shot("A.JPG"), shots.spacing_m)
    assert (merged.lat_deg, merged.pitch_deg, merged.alt_amsl_m) == (told[2].lat_deg, -89.0, 550.0)


@pytest.mark.parametrize("sigma_m", [15.0, 3.0])
def test_a_rough_place_is_worth_less_than_the_events(sigma_m):
    shots, told = Shots(), events(2)
    shots.hear(told)
    rough = replace(NOTHING, lat_deg=30.0001, lon_deg=103.0001, position_sigma_h_m=sigma_m)
    shot = shots.arrive("A1.JPG", rough)
    merged = with_shot(rough, shot, shots.spacing_m)
    if sigma_m > 10:
        assert merged.lat_deg == told[0].lat_deg
        assert merged.position_sigma_h_m == pytest.approx(20.0, rel=0.1)  # only counted: as sure as that
    else:
        assert merged.lat_deg == 30.0001
