"""Several ways to one vehicle: which one is spoken on, what counts as a copy, and who is who."""

from dataclasses import replace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FlightError
from flight.identity import Identity, identity_after
from flight.links.paths import Copies, Path, choose_path
from flight.links.profiles import find_profile, profile_of
from flight.links.round_trip import MOST_WAIT_S, RoundTrip
from flight.links.stats import LinkStats
from flight.station_id import station_id
from flight.wire import Encoder, Parser, vehicle_heartbeat


class Link:
    connected = True


def path(trip_s=0.1, lost=0.0, heard_s=100.0, profile="wifi"):
    stats = LinkStats(recent_received=10.0 * (1 - lost), recent_lost=10.0 * lost)
    return Path(find_profile(profile), heard_s, stats, RoundTrip(trip_s, 0.0))


def heard(message, encoder):
    return Parser(clock=lambda: 0.0).feed(encoder.encode(message))[0]


def test_a_link_that_works_is_left_for_one_twice_as_good_only():
    a, b = Link(), Link()
    assert choose_path({a: path(0.1), b: path(0.07)}, a, 100.0) is a
    assert choose_path({a: path(0.1), b: path(0.03)}, a, 100.0) is b
    assert choose_path({a: path(0.1, lost=0.5), b: path(0.1)}, a, 100.0) is b


def test_a_silent_or_broken_link_is_left_at_once_and_the_last_heard_is_kept_where_none_works():
    a, b, c = Link(), Link(), Link()
    c.connected = False
    paths = {a: path(heard_s=90.0), b: path(5.0), c: path(0.01)}
    assert choose_path(paths, a, 100.0) is b
    silent = {a: path(heard_s=90.0), b: path(heard_s=80.0)}
    assert choose_path(silent, b, 100.0) is a


def test_a_second_copy_is_known_on_whatever_link_it_comes():
    encoder, copies, a, b = Encoder(1, 1), Copies(), Link(), Link()
    attitude = mavlink.MAVLink_attitude_message(1000, 0.1, 0.2, 0.3, 0, 0, 0)
    first = heard(attitude, encoder)
    assert not copies.is_copy(first, a, 0.0)
    assert copies.is_copy(first, b, 0.2)
    assert copies.is_copy(first, a, 0.4)
    assert not copies.is_copy(heard(attitude, encoder), a, 0.5), "the same values under a new number"
    assert not copies.is_copy(first, a, 9.0)


def test_texts_that_a_vehicle_says_on_all_its_ports_count_once_and_repeated_ones_again():
    encoder, copies, a, b = Encoder(1, 1), Copies(), Link(), Link()
    text = mavlink.MAVLink_statustext_message(4, b"PreArm: GPS")
    assert not copies.is_copy(heard(text, encoder), a, 0.0)
    assert copies.is_copy(heard(text, encoder), b, 0.1)
    assert not copies.is_copy(heard(text, encoder), b, 0.2), "said again on that port"


def test_heartbeats_prove_that_a_link_lives_and_are_never_copies():
    encoder, copies = Encoder(1, 1), Copies()
    beat = heard(vehicle_heartbeat(2, 3, 81, 0, 3), encoder)
    assert not copies.is_copy(beat, Link(), 0.0)
    assert not copies.is_copy(beat, Link(), 0.1)


def test_the_same_number_comes_again_after_256_messages():
    encoder, copies, link = Encoder(1, 1), Copies(), Link()
    text = mavlink.MAVLink_statustext_message(6, b"again")
    assert not any(copies.is_copy(heard(text, encoder), link, 0.001 * n) for n in range(600))


def moments(*boots_s):
    encoder, identity = Encoder(1, 1), Identity()
    for n, boot_s in enumerate(boots_s):
        message = mavlink.MAVLink_attitude_message(int(boot_s * 1000), 0, 0, 0, 0, 0, 0)
        identity = identity_after(identity, heard(message, encoder), float(n) / 10)
    return identity


def test_a_clock_that_goes_back_once_is_a_restart_and_to_and_fro_are_two_vehicles():
    once = moments(500.0, 500.1, 2.0, 2.1, 2.2)
    assert (once.restarts, once.dispute(1)) == (1, None)
    two = moments(*([500.0, 20.0] * 4))
    assert "two vehicles speak as system 1" in two.dispute(1)
    assert moments(*[10.0 + n for n in range(50)]).dispute(1) is None


def test_a_board_of_another_number_is_another_vehicle():
    def version(uid):
        return mavlink.MAVLink_autopilot_version_message(
            0, 0, 0, 0, 0, b"0" * 8, b"0" * 8, b"0" * 8, 0, 0, uid
        )

    encoder = Encoder(1, 1)
    one = identity_after(Identity(), heard(version(77), encoder), 0.0)
    assert identity_after(one, heard(version(77), encoder), 1.0).dispute(1) is None
    assert identity_after(one, heard(version(78), encoder), 1.0).dispute(1) is not None


def test_a_computer_keeps_its_station_id(tmp_path):
    drawn = station_id(tmp_path)
    assert 201 <= drawn <= 244
    assert {station_id(tmp_path) for _ in range(5)} == {drawn}
    (tmp_path / "station-id").write_text("rubbish")
    assert station_id(tmp_path) == station_id(tmp_path)


def test_round_trips_set_the_wait_and_bounds_hold():
    trip = RoundTrip()
    assert trip.wait_s(0.25, 1.0) == 1.0
    for _ in range(50):
        trip = trip.after(0.02)
    assert trip.wait_s(0.25, 1.0) == 0.25
    for _ in range(50):
        trip = trip.after(4.0)
    assert 4.0 < trip.wait_s(0.25, 1.0) < 12.0
    assert replace(trip, mean_s=500.0).wait_s(0.25, 1.0) == MOST_WAIT_S


def test_an_address_may_name_its_profile():
    wifi = find_profile("wifi")
    assert profile_of("udp:0.0.0.0:14550", wifi) == ("udp:0.0.0.0:14550", wifi)
    place, radio = profile_of("serial:/dev/ttyUSB0:57600?profile=radio57k", wifi)
    assert (place, radio.name) == ("serial:/dev/ttyUSB0:57600", "radio57k")
    for bad in ("tcp:host:1?profile=none", "tcp:host:1?speed=9"):
        with pytest.raises(FlightError):
            profile_of(bad, wifi)
