"""Photos find their shutter releases though clocks are wrong, photos are missing and extra ones appear."""

import datetime as dt
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
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
    events = flight(40)
    clear = match_photos(photos_of(events, jitter_s=0.01), events)
    vague = match_photos(photos_of(events, jitter_s=0.5), events)
    assert min(m.confidence for m in clear.matches) > 0.98
    assert min(m.confidence for m in vague.matches) < min(m.confidence for m in clear.matches)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_flight_with_losses_drift_and_whole_seconds_is_matched_and_never_surely_wrong(seed):
    """500 photos, a tenth missing in either list, 50 ppm drift, 0.3 s jitter, clock in whole seconds."""
    rng = np.random.default_rng(seed)
    events = flight(500, seed)
    photos = []
    for event in events:
        run_s = (event.time_utc - START).total_seconds()
        wrong_s = 9000.0 + 50e-6 * run_s + float(rng.normal(0, 0.3))
        clock = (event.time_utc + dt.timedelta(seconds=wrong_s)).replace(microsecond=0)
        photos.append(PhotoStamp(f"P{event.index:04d}.JPG", clock))
    kept_photos, kept_events = rng.random(500) >= 0.1, rng.random(500) >= 0.1
    result = match_photos(
        [p for p, keep in zip(photos, kept_photos, strict=True) if keep],
        [e for e, keep in zip(events, kept_events, strict=True) if keep],
    )
    right = [m for m in result.matches if int(m.photo[1:5]) == m.event.index]
    wrong = [m for m in result.matches if int(m.photo[1:5]) != m.event.index]
    assert len(right) >= 0.98 * np.sum(kept_photos & kept_events)
    assert [m for m in wrong if m.certainty == "sure"] == []
    assert result.counts()["sure"] > 0.5 * len(result.matches)
    assert result.clock_offset_s == pytest.approx(-9000.0, abs=0.3)


def steady(count):
    return [
        CameraEvent(i + 1, START + dt.timedelta(seconds=2.0 * i), 30.0 + i * 1e-4, 103.0, 700.0)
        for i in range(count)
    ]


def test_two_alignments_that_fit_alike_are_told_and_nothing_is_matched():
    events = steady(60)
    photos = photos_of(events, clock_error_s=3617.0, jitter_s=0.05)
    result = match_photos(photos[1:], events)  # which end lacks one?
    assert result.ambiguous
    assert result.matches == ()
    assert abs(result.rival.shift) == 1
    known = match_photos(photos_of(events, jitter_s=0.05)[1:], events, within_s=1.0)
    assert numbers(known) == [(i, i) for i in range(2, 61)]


def test_a_turn_tells_where_a_steady_pace_does_not():
    events = [
        replace(e, time_utc=e.time_utc + dt.timedelta(seconds=7.3 * (e.index // 20))) for e in steady(60)
    ]
    result = match_photos(photos_of(events, 3617.0, jitter_s=0.05)[1:], events)
    assert numbers(result) == [(i, i) for i in range(2, 61)]
    assert result.rival.odds > 100


def test_a_file_counter_that_starts_again_does_not_disturb():
    events = flight(30)
    photos = photos_of(events)
    renamed = [replace(p, name=f"P{(i + 9985) % 10_000:04d}.JPG") for i, p in enumerate(photos)]
    result = match_photos(sorted(renamed, key=lambda p: p.name), events)
    assert [m.event.index for m in result.matches] == list(range(1, 31))


def test_photos_without_a_clock_stay_alone_among_others():
    photos = [replace(p, clock=None) if i == 4 else p for i, p in enumerate(photos_of(flight(20)))]
    result = match_photos(photos, flight(20))
    assert result.photos_without_event == ("P0005.JPG",)
    assert result.events_without_photo == (5,)


def scan_of(jpeg):
    """The compressed picture: from the start of scan to the end."""
    return jpeg[jpeg.index(b"\xff\xda") :]


def test_tags_are_written_and_pixels_stay(tmp_path):
    events = flight(2)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for event in events:
        cv2.imwrite(str(tmp_path / f"P{event.index:04d}.JPG"), pixels)
    before = cv2.imread(str(tmp_path / "P0001.JPG"))
    bytes_before = (tmp_path / "P0001.JPG").read_bytes()
    write_event_tags(tmp_path, match_photos(photos_of(events), events))
    tags = read_tags(tmp_path / "P0001.JPG")
    assert tags.lat_deg == pytest.approx(events[0].lat_deg, abs=1e-8)
    assert tags.alt_amsl_m == pytest.approx(700.0)
    assert tags.time_utc is not None
    assert abs((tags.time_utc - events[0].time_utc).total_seconds()) < 1e-3
    assert np.array_equal(cv2.imread(str(tmp_path / "P0001.JPG")), before)
    bytes_after = (tmp_path / "P0001.JPG").read_bytes()
    assert bytes_after != bytes_before
    assert scan_of(bytes_after) == scan_of(bytes_before)
