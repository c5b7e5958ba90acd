"""Photos find their shutter releases though clocks are wrong, photos are missing and extra ones appear."""

import datetime as dt
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery.geotag import PhotoStamp, match_photos, write_event_tags
from imagery.photo_tags import read_tags
from plans.mission import CameraEvent

START = dt.datetime(2026, 7, 1, 8, 0, tzinfo=dt.UTC)


def flight(count: int, seed: int = 0) -> list[CameraEvent]:
    """Releases every 2 to 3 s along a line to the north, 20 m apart."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(2.0, 3.0, count))
    return [
        CameraEvent(i + 1, START + dt.timedelta(seconds=float(t)), 30.0 + i * 20 / 111_000, 103.0, 700.0)
        for i, t in enumerate(times)
    ]


def photos_of(
    events: list[CameraEvent], clock_error_s: float = 0.0, jitter_s: float = 0.1
) -> list[PhotoStamp]:
    rng = np.random.default_rng(1)
    return [
        PhotoStamp(
            f"P{e.index:04d}.JPG",
            e.time_utc + dt.timedelta(seconds=clock_error_s + float(rng.normal(0, jitter_s))),
        )
        for e in events
    ]


def numbers(result) -> list[tuple[int, int]]:
    return [(int(m.photo[1:5]), m.event.index) for m in result.matches]


@given(
    clock_error_s=st.floats(-40_000, 40_000),
    lost=st.sets(st.integers(1, 40), max_size=8),
    unheard=st.sets(st.integers(1, 40), max_size=8),
)
def test_a_wrong_clock_with_lost_photos_and_lost_messages_still_matches(clock_error_s, lost, unheard):
    events = flight(40)
    photos = [p for p in photos_of(events, clock_error_s) if int(p.name[1:5]) not in lost]
    heard = [e for e in events if e.index not in unheard]
    result = match_photos(photos, heard)
    expected = sorted(set(range(1, 41)) - lost - unheard)
    assert numbers(result) == [(i, i) for i in expected]
    assert result.clock_offset_s == pytest.approx(-clock_error_s, abs=0.3)
    assert {int(p[1:5]) for p in result.photos_without_event} == unheard - lost
    assert set(result.events_without_photo) == lost - unheard


def test_extra_photos_taken_by_hand_before_take_off_stay_unmatched():
    events = flight(12)
    early = [PhotoStamp(f"X{i}.JPG", START - dt.timedelta(seconds=300 - 40 * i)) for i in range(3)]
    result = match_photos([*early, *photos_of(events)], events)
    assert numbers(result) == [(i, i) for i in range(1, 13)]
    assert result.photos_without_event == ("X0.JPG", "X1.JPG", "X2.JPG")


def test_without_a_clock_the_photos_own_positions_decide():
    events = flight(10)
    photos = [
        PhotoStamp(f"P{e.index:04d}.JPG", None, e.lat_deg + 1e-6, e.lon_deg) for e in events if e.index != 4
    ]
    result = match_photos(photos, events)
    assert numbers(result) == [(i, i) for i in range(1, 11) if i != 4]
    assert all(m.by == "position" for m in result.matches)


def test_without_clock_and_position_only_equal_numbers_are_matched():
    events = flight(5)
    photos = [PhotoStamp(f"P{i:04d}.JPG", None) for i in range(1, 6)]
    assert numbers(match_photos(photos, events)) == [(i, i) for i in range(1, 6)]
    assert match_photos(photos[:-1], events).matches == ()


def test_a_release_that_failed_takes_no_photo():
    events = [replace(e, captured=e.index != 3) for e in flight(6)]
    photos = photos_of([e for e in events if e.captured])
    assert numbers(match_photos(photos, events)) == [(i, i) for i in (1, 2, 4, 5, 6)]


def test_confidence_is_high_for_clear_matches_and_falls_near_a_rival():
    events = flight(8)
    clear = match_photos(photos_of(events, jitter_s=0.01), events)
    vague = match_photos(photos_of(events, jitter_s=0.5), events)
    assert min(m.confidence for m in clear.matches) > 0.95
    assert min(m.confidence for m in vague.matches) < min(m.confidence for m in clear.matches)


def test_tags_are_written_and_pixels_stay(tmp_path):
    events = flight(2)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for event in events:
        cv2.imwrite(str(tmp_path / f"P{event.index:04d}.JPG"), pixels)
    before = cv2.imread(str(tmp_path / "P0001.JPG"))
    write_event_tags(tmp_path, match_photos(photos_of(events), events))
    tags = read_tags(tmp_path / "P0001.JPG")
    assert tags.lat_deg == pytest.approx(events[0].lat_deg, abs=1e-8)
    assert tags.alt_amsl_m == pytest.approx(700.0)
    assert tags.time_utc is not None
    assert abs((tags.time_utc - events[0].time_utc).total_seconds()) < 1e-3
    assert np.array_equal(cv2.imread(str(tmp_path / "P0001.JPG")), before)
