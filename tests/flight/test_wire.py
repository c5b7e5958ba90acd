"""Bytes to messages and back: whatever happens on the way, what is whole arrives."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymavlink.dialects.v10 import ardupilotmega as mavlink1
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import (
    Encoder,
    Parser,
    decode_text,
    encode_text,
    item_to_message,
    message_to_item,
    packet_of,
    source_of,
    station_heartbeat,
    target_of,
)
from plans.mission import AltitudeFrame, Command, MissionItem

floats = st.floats(-1e6, 1e6, width=32)
items = st.builds(
    MissionItem,
    command=st.sampled_from([int(c) for c in Command]),
    frame=st.sampled_from([int(f) for f in AltitudeFrame if f != AltitudeFrame.MISSION]),
    params=st.tuples(floats, floats, floats, st.one_of(floats, st.just(math.nan))),
    lat_deg=st.floats(-90, 90),
    lon_deg=st.floats(-180, 180),
    alt_m=st.floats(-100, 9000, width=32),
    autocontinue=st.booleans(),
)


def packets(count):
    encoder = Encoder(255)
    return [
        encoder.encode(mavlink.MAVLink_param_set_message(1, 1, b"P%d" % i, float(i), 9)) for i in range(count)
    ]


@example([b"", b"", b"", b"\xfe\x00\x00\x00\x00\x08"], 1)
@given(st.lists(st.binary(max_size=40), min_size=4, max_size=4), st.integers(1, 97))
def test_noise_between_messages_costs_nothing_but_itself(noise, chunk):
    time_s = [0.0]
    parser = Parser(clock=lambda: time_s[0])
    stream = b"".join(n + p for n, p in zip(noise, packets(4), strict=True))
    heard = []
    for start in range(0, len(stream), chunk):
        heard += parser.feed(stream[start : start + chunk])
    while len(heard) < 4 and time_s[0] < 1000:  # a false start in the noise is given up after its second
        time_s[0] += 2.0
        heard += parser.feed(b"")
    assert [m.param_id for m in heard] == ["P0", "P1", "P2", "P3"]


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_message_is_dropped_and_the_next_one_heard(at, change):
    first, second = packets(2)
    at %= len(first)
    damaged = bytearray(first)
    damaged[at] ^= change
    time_s = [0.0]
    parser = Parser(clock=lambda: time_s[0])
    heard = parser.feed(bytes(damaged) + second)
    for _ in range(40):
        time_s[0] += 2.0
        heard += parser.feed(b"")
    assert [m.param_id for m in heard if m.get_type() == "PARAM_SET"][-1:] == ["P1"]


def test_an_unfinished_message_is_waited_for_and_given_up_after_a_second():
    time_s = [0.0]
    parser = Parser(clock=lambda: time_s[0])
    first, second = packets(2)
    assert parser.feed(first[:9]) == []
    time_s[0] = 0.9
    assert [m.param_id for m in parser.feed(first[9:])] == ["P0"]
    parser.feed(first[:9])
    time_s[0] = 2.5
    assert [m.param_id for m in parser.feed(second)] == ["P1"]


def test_the_old_and_the_new_protocol_are_both_heard():
    old = mavlink1.MAVLink(None, srcSystem=7, srcComponent=1)
    packet = bytes(mavlink1.MAVLink_heartbeat_message(2, 3, 81, 4, 3, 3).pack(old))
    (message,) = Parser().feed(packet)
    assert (packet[0], message.get_srcSystem(), message.custom_mode) == (0xFE, 7, 4)
    (message,) = Parser().feed(Encoder(255).encode(station_heartbeat()))
    assert message.type == mavlink.MAV_TYPE_GCS


def test_a_packet_is_handed_on_byte_for_byte():
    (packet,) = packets(1)
    (message,) = Parser().feed(packet)
    assert packet_of(message) == packet


def test_sequence_numbers_run_and_wrap():
    encoder = Encoder(255)
    numbers = [encoder.encode(station_heartbeat())[4] for _ in range(300)]
    assert numbers == [i % 256 for i in range(300)]


def test_an_id_out_of_range_is_refused():
    with pytest.raises(ValueError, match="system id 0"):
        Encoder(0)


@given(items)
def test_a_mission_item_survives_the_wire(item):
    (message,) = Parser().feed(Encoder(255).encode(item_to_message(item, 3, 1)))
    back = message_to_item(message)
    assert (back.command, back.frame, back.autocontinue) == (item.command, item.frame, item.autocontinue)
    assert back.params == pytest.approx(item.params, nan_ok=True)
    assert abs(back.lat_deg - item.lat_deg) <= 0.51e-7
    assert abs(back.lon_deg - item.lon_deg) <= 0.51e-7
    assert back.alt_m == item.alt_m
    assert message.seq == 3


@given(st.text(max_size=60), st.integers(1, 50))
def test_a_text_field_is_cut_between_characters(text, size):
    data = encode_text(text, size)
    assert len(data) <= size
    assert text.startswith(data.decode("utf-8"))


def test_a_text_field_ends_at_its_first_zero():
    assert decode_text(b"RTL_ALT\0\0x") == decode_text("RTL_ALT\0y") == "RTL_ALT"


def test_a_message_of_another_dialect_has_a_sender_and_a_number_all_the_same():
    second = bytes([0xFD, 2, 0, 0, 41, 7, 1, 0x9A, 1, 0, 5, 6, 0, 0])  # message 410
    first = bytes([0xFE, 2, 42, 8, 3, 240, 5, 6, 0, 0])
    got = Parser().feed(second + first + packets(1)[0])[:2]
    for message, expected in zip(got, ((41, 7, 1), (42, 8, 3)), strict=True):
        sender = (message.get_seq(), message.get_srcSystem(), message.get_srcComponent())
        assert (message.get_type()[:7], sender) == ("UNKNOWN", expected)


def test_who_a_packet_is_for_is_read_without_decoding_it():
    """Of every kind in the dialect that names a target, as pymavlink packs it, in both versions."""
    mav = mavlink.MAVLink(None, srcSystem=7, srcComponent=8)
    checked = 0
    for number, kind in mavlink.mavlink_map.items():
        lengths = dict(zip(kind.ordered_fieldnames, kind.array_lengths, strict=True))
        types = dict(zip(kind.fieldnames, kind.fieldtypes, strict=True))
        values = {
            name: b"A" if types[name] == "char" else [1] * lengths[name] if lengths[name] else 1
            for name in kind.fieldnames
        }
        wanted = 0
        if "target_system" in values:
            wanted = values["target_system"] = 42
            checked += 1
        for old in (False, True)[: 1 + (number < 256)]:
            packet = bytes(kind(**values).pack(mav, force_mavlink1=old))
            assert (source_of(packet), target_of(packet)) == (7, wanted), kind.msgname
    assert checked > 50
    assert [target_of(x) for x in (b"", b"here I am", b"\xfd", b"\xfd" * 10, b"\xfe" * 6)] == [0] * 5
