"""Signed messages: what pymavlink signs we accept, what we sign it accepts, and nothing else passes."""

import itertools
import logging
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v10 import ardupilotmega as mavlink1
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import SigningError
from flight.signing.clock import EPOCH_S, STEPS_PER_S, SigningClock, steps_at
from flight.signing.signatures import (
    Signing,
    SigningKey,
    UnsignedRule,
    Verdict,
    is_signed,
    judge,
    read_key,
    sign,
    stream_of,
    timestamp_of,
    verify,
    write_key,
)
from flight.wire import Encoder, Parser, station_heartbeat

SECRET = bytes(range(1, 33))
KEY = SigningKey(SECRET)
OTHER = SigningKey(bytes(32 * [7]))
NOW = steps_at(1_800_000_000.0)

timestamps = st.integers(1, (1 << 48) - 1)
messages = st.one_of(
    st.just(station_heartbeat()),
    st.builds(
        lambda name, value: mavlink.MAVLink_param_set_message(1, 1, name, value, 9),
        st.binary(max_size=16),
        st.floats(-1e6, 1e6, width=32),
    ),
    st.builds(mavlink.MAVLink_statustext_message, st.integers(0, 7), st.binary(max_size=50)),
)


def peer(timestamp=NOW, link_id=3, sysid=9, key=SECRET):
    """pymavlink with signing on."""
    mav = mavlink.MAVLink(None, srcSystem=sysid, srcComponent=1)
    mav.signing.secret_key = key
    mav.signing.timestamp = timestamp
    mav.signing.link_id = link_id
    mav.signing.sign_outgoing = True
    return mav


def accepted_by_peer(packet, timestamp=NOW):
    mav = peer(timestamp)
    try:
        return mav.decode(bytearray(packet))
    except mavlink.MAVError:
        return None


@given(messages, timestamps, st.integers(0, 255), st.integers(1, 255))
def test_our_signature_is_pymavlinks_byte_for_byte(message, timestamp, link_id, sysid):
    plain = Encoder(sysid, 1).encode(message)
    theirs = message.pack(peer(timestamp, link_id, sysid))
    ours = sign(plain, KEY, link_id, timestamp)
    assert ours == theirs
    assert timestamp_of(ours) == timestamp
    assert stream_of(ours) == (sysid, 1, link_id)
    assert verify(theirs, KEY)
    assert not verify(theirs, OTHER)
    assert not verify(plain, KEY)


def test_a_signature_as_computed_once_and_for_all():
    """pymavlink 2.4.50's own bytes: a station's heartbeat, key 1..32, link 3, timestamp 0x123456789abc."""
    packet = sign(Encoder(255, 190).encode(station_heartbeat()), KEY, 3, 0x123456789ABC)
    assert packet.hex() == VECTOR


VECTOR = "fd09010000ffbe000000000000000608000403dab003bc9a785634126ba570012eb3"


@given(messages, st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_never_passes_for_signed(message, at, change):
    packet = bytearray(sign(Encoder(9, 1).encode(message), KEY, 0, NOW))
    packet[at % len(packet)] ^= change
    verdict = judge(bytes(packet), KEY, {}, NOW, UnsignedRule()) if len(packet) > 12 else None
    assert verdict is not Verdict.GOOD


@given(messages, timestamps, timestamps)
def test_a_message_passes_once_and_only_with_a_later_time(message, first, second):
    streams = {}
    plain = Encoder(9, 1).encode(message)
    packet = sign(plain, KEY, 0, first)
    now = first
    assert judge(packet, KEY, streams, now, UnsignedRule()) is Verdict.GOOD
    streams[stream_of(packet)] = first
    assert judge(packet, KEY, streams, now, UnsignedRule()) is Verdict.OLD
    later = judge(sign(plain, KEY, 0, second), KEY, streams, now, UnsignedRule())
    assert (later is Verdict.GOOD) == (second > first)


def test_a_sender_not_heard_before_may_be_a_minute_behind_and_no_more():
    plain = Encoder(9, 1).encode(station_heartbeat())
    minute = 60 * STEPS_PER_S
    for behind, verdict in ((minute, Verdict.GOOD), (minute + 1, Verdict.OLD)):
        assert judge(sign(plain, KEY, 0, NOW - behind), KEY, {}, NOW, UnsignedRule()) is verdict
        assert (accepted_by_peer(sign(plain, KEY, 0, NOW - behind)) is not None) == (verdict is Verdict.GOOD)


def test_a_forged_time_does_not_shut_out_the_true_sender(caplog):
    caplog.set_level(logging.CRITICAL)
    signing = Signing(KEY, SigningClock(None, KEY.name, wall=lambda: 1_800_000_000.0))
    plain = Encoder(9, 1).encode(station_heartbeat())
    assert signing.incoming(sign(plain, OTHER, 0, NOW + 10**9)) is Verdict.BAD
    assert signing.incoming(sign(plain, KEY, 0, NOW)) is Verdict.GOOD
    assert signing.report() == {"good": 1, "unsigned_allowed": 0, "unsigned": 0, "bad": 1, "old": 0}


def test_each_kind_of_rejection_is_told_once_for_each_system():
    told = []
    signing = Signing(KEY, SigningClock(None, KEY.name), on_rejected=lambda *what: told.append(what))
    for _ in range(3):
        signing.incoming(Encoder(9, 1).encode(station_heartbeat()))
        signing.incoming(Encoder(8, 1).encode(station_heartbeat()))
        signing.incoming(sign(Encoder(9, 1).encode(station_heartbeat()), OTHER, 0, NOW))
    assert told == [(Verdict.UNSIGNED, 9), (Verdict.UNSIGNED, 8), (Verdict.BAD, 9)]
    assert signing.counts[Verdict.UNSIGNED] == 6


def test_a_radio_needs_no_key_and_anybody_else_only_where_allowed():
    radio = Encoder(51, 68).encode(mavlink.MAVLink_radio_status_message(200, 190, 100, 5, 4, 0, 0))
    plain = Encoder(9, 1).encode(station_heartbeat())
    assert judge(radio, KEY, {}, NOW, UnsignedRule()) is Verdict.UNSIGNED_ALLOWED
    assert judge(plain, KEY, {}, NOW, UnsignedRule()) is Verdict.UNSIGNED
    assert judge(plain, KEY, {}, NOW, UnsignedRule(everything=True)) is Verdict.UNSIGNED_ALLOWED
    bad = sign(plain, OTHER, 0, NOW)
    assert judge(bad, KEY, {}, NOW, UnsignedRule(everything=True)) is Verdict.BAD


@given(messages, timestamps)
def test_a_signed_message_is_signed_anew_for_another_link(message, timestamp):
    theirs = message.pack(peer(NOW, 3))
    ours = sign(theirs, KEY, 1, timestamp)
    assert ours == sign(Encoder(9, 1).encode(message), KEY, 1, timestamp)


def test_the_old_protocol_is_brought_to_the_new_one_to_be_signed():
    old = mavlink1.MAVLink(None, srcSystem=7, srcComponent=1)
    packet = bytes(mavlink1.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(old))
    message = accepted_by_peer(sign(packet, KEY, 0, NOW))
    assert (message.get_type(), message.get_srcSystem(), message.command, message.param1) == (
        "COMMAND_LONG",
        7,
        400,
        1.0,
    )


def test_a_message_of_another_dialect_is_signed_too():
    body = bytes([4, 0, 0, 5, 9, 1, 0x11, 0x22, 0x33]) + b"abcd"
    packet = b"\xfd" + body + mavlink.x25crc(body + b"\x2a").crc.to_bytes(2, "little")
    signed = sign(packet, KEY, 0, NOW)
    assert verify(signed, KEY)
    assert mavlink.x25crc(signed[1:14] + b"\x2a").crc.to_bytes(2, "little") == signed[14:16]
    message, _ = Parser().feed(signed + Encoder(1, 1).encode(station_heartbeat()))  # it counts with the next
    assert bytes(message.data) == signed


# -- the clock -----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=50))
def test_timestamps_grow_however_the_machines_clock_jumps(jumps):
    wall_s = [1_800_000_000.0]
    clock = SigningClock(None, "k", wall=lambda: wall_s[0])
    given_out = []
    for jump in jumps:
        wall_s[0] += jump
        given_out.append(clock.next())
    assert all(a < b for a, b in itertools.pairwise(given_out))


def test_a_laptop_whose_clock_went_back_goes_on_where_it_was(tmp_path):
    clock = SigningClock(tmp_path, "k", wall=lambda: 1_800_000_000.0)
    last = [clock.next() for _ in range(1000)][-1]
    clock.close()
    again = SigningClock(tmp_path, "k", wall=lambda: EPOCH_S - 1e6)  # the battery of its clock was empty
    assert again.next() == last + 1
    again.close()


def test_nothing_is_given_out_twice_after_a_kill(tmp_path):
    wall_s = [1_800_000_000.0]
    killed = SigningClock(tmp_path, "k", wall=lambda: wall_s[0])
    given_out = []
    for _ in range(1000):
        wall_s[0] += 1.0
        given_out.append(killed.next())
    killed._lock.close()  # as the system does it; nothing else is saved
    again = SigningClock(tmp_path, "k", wall=lambda: 0.0)
    assert again.next() > given_out[-1]
    assert again.next() - given_out[-1] < 61 * STEPS_PER_S
    again.close()


def test_two_stations_at_once_have_links_of_their_own(tmp_path):
    first, second = SigningClock(tmp_path, "k"), SigningClock(tmp_path, "k")
    assert {first.link_id(0), first.link_id(1)} & {second.link_id(0), second.link_id(1)} == set()
    assert second.next() > first.next() - STEPS_PER_S
    first.close()
    third = SigningClock(tmp_path, "k")
    assert third.link_id(0) == first.link_id(0)
    second.close()
    third.close()


def test_a_drone_that_is_ahead_takes_the_station_along():
    signing = Signing(KEY, SigningClock(None, "k", wall=lambda: 1_700_000_000.0))
    assert signing.incoming(sign(Encoder(9, 1).encode(station_heartbeat()), KEY, 0, NOW)) is Verdict.GOOD
    ours = signing.outgoing(Encoder(255).encode(station_heartbeat()), 0)
    assert timestamp_of(ours) == NOW + 1
    assert accepted_by_peer(ours) is not None


def test_a_full_disk_does_not_stop_the_signing(tmp_path, monkeypatch):
    clock = SigningClock(tmp_path, "k")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left")))
    clock._stored = 0
    assert clock.next() < clock.next()
    clock.close()


def test_a_torn_store_does_no_harm(tmp_path):
    (tmp_path / "k-0.clock").write_text("12x")
    clock = SigningClock(tmp_path, "k")
    assert abs(clock.next() - steps_at(time.time())) < STEPS_PER_S
    clock.close()


# -- keys ----------------------------------------------------------------------------------------------------


def test_a_passphrase_makes_the_key_of_the_other_stations():
    """SHA-256 of the words, as QGroundControl, Mission Planner and MAVProxy make it."""
    assert SigningKey.from_passphrase("abc").reveal().hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_key_shows_nowhere():
    for text in (
        repr(KEY),
        str(KEY),
        f"{KEY!r} {KEY}",
        KEY.name,
        repr(Signing(KEY, SigningClock(None, "k"))),
    ):
        assert SECRET.hex()[:12] not in text
        assert repr(SECRET)[2:20] not in text
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


def test_a_key_file_is_its_owners_alone_and_never_written_over(tmp_path):
    file = tmp_path / "drones.key"
    write_key(file, KEY)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_key(file) == KEY
    with pytest.raises(SigningError, match="never written over"):
        write_key(file, OTHER)
    file.chmod(0o640)
    with pytest.raises(SigningError, match="chmod 600"):
        read_key(file)


@pytest.mark.parametrize("sign_of", ["mission.toml", ".git"])
def test_a_key_is_not_put_where_it_would_be_handed_on(tmp_path, sign_of):
    (tmp_path / sign_of).touch()
    (tmp_path / "flights").mkdir()
    with pytest.raises(SigningError, match="keep keys elsewhere"):
        write_key(tmp_path / "flights" / "drones.key", KEY)


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "00" * 32, "schlüssel"])
def test_what_is_no_key_is_refused_without_repeating_it(tmp_path, text):
    file = tmp_path / "x.key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(SigningError) as caught:
        read_key(file)
    assert not text or text not in str(caught.value)


def test_signed_or_not_is_told_by_flag_and_length():
    assert is_signed(sign(Encoder(9, 1).encode(station_heartbeat()), KEY, 0, NOW))
    assert not is_signed(Encoder(9, 1).encode(station_heartbeat()))
