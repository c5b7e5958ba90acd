"""Signing on the vehicle's side, met by pymavlink's own: whom it obeys, what it signs, what it refuses."""

from __future__ import annotations

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Parser

KEY = bytes(range(32))
NOW = 35_000_000_000_000  # ten microseconds since 2015
GUIDED = 4


class SignedStation:
    """A station on a link of its own, which signs and checks with pymavlink."""

    def __init__(self, bench, key=KEY, link_id=7, timestamp=NOW):
        self.bench, self.heard, self.raw = bench, [], []
        self.channel = bench.new_channel(self._hear)
        self._mav = mavlink.MAVLink(None, srcSystem=255, srcComponent=190)
        signing = self._mav.signing
        signing.secret_key, signing.link_id, signing.timestamp = key, link_id, timestamp
        signing.sign_outgoing = key is not None
        self._ears = self._mav if key in (KEY, None) else mavlink.MAVLink(None)
        self._wire = Parser(clock=lambda: 0.0)

    def _hear(self, data, droppable):
        self.raw.append(data)
        self.heard.append(self._ears.decode(bytearray(data)))  # raises for a wrong signature

    def packet(self, message):
        data = message.pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        return bytes(data)

    def send(self, data):
        for parsed in self._wire.feed(data):
            self.bench.face.handle(self.channel, parsed)

    def obeyed(self, mode=GUIDED):
        before = len([m for m in self.heard if m.get_type() == "COMMAND_ACK"])
        self.send(self.packet(mode_message(mode)))
        return len([m for m in self.heard if m.get_type() == "COMMAND_ACK"]) > before


def mode_message(mode):
    return mavlink.MAVLink_command_long_message(
        1, 1, mavlink.MAV_CMD_DO_SET_MODE, 0, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, mode, *(0,) * 5
    )


def set_up(bench, key=KEY, timestamp=NOW):
    bench.say(mavlink.MAVLink_setup_signing_message(1, 1, list(key), timestamp))


def test_with_a_key_it_signs_on_all_links_and_obeys_who_signs(bench):
    signing, plain = SignedStation(bench), SignedStation(bench, key=None)
    assert plain.obeyed()
    set_up(bench)
    bench.run(2)
    assert signing.heard[-1].get_signed()
    assert signing.raw[-1][-13] == 1  # its link id
    assert signing.obeyed()
    assert not plain.obeyed()


def test_the_first_link_is_a_cable_and_obeys_everybody(bench):
    set_up(bench)
    assert bench.mode(GUIDED) == 0
    wrong = SignedStation(bench, key=bytes(32)[:-1] + b"\1")
    data = wrong.packet(mode_message(GUIDED))
    for parsed in Parser(clock=lambda: 0.0).feed(data):
        bench.face.handle(bench.channel, parsed)
    assert len(bench.heard("COMMAND_ACK")) == 2


def test_another_key_and_a_replay_are_refused(bench):
    station, stranger = SignedStation(bench), SignedStation(bench, key=bytes(range(1, 33)), link_id=9)
    other = SignedStation(bench)
    set_up(bench)
    assert not stranger.obeyed()
    once = station.packet(mode_message(GUIDED))
    station.send(once)
    station.send(once)
    assert len([m for m in station.heard if m.get_type() == "COMMAND_ACK"]) == 1
    other.send(once)  # nor does it help on another link
    assert not [m for m in other.heard if m.get_type() == "COMMAND_ACK"]


@pytest.mark.parametrize(("late_s", "obeys"), [(-30, True), (0, True), (-600, False), (600, True)])
def test_a_station_with_an_old_clock_is_not_obeyed(bench, late_s, obeys):
    set_up(bench)
    station = SignedStation(bench, timestamp=NOW + (60 + late_s) * 100_000)
    set_up(bench)
    assert station.obeyed() is obeys


def test_zeros_take_the_key_away(bench):
    plain = SignedStation(bench, key=None)
    set_up(bench)
    assert not plain.obeyed()
    set_up(bench, bytes(32), 0)
    assert plain.obeyed()
    bench.run(2)
    assert not plain.heard[-1].get_signed()


def test_while_armed_no_key_is_taken(ready):
    ready.mode(GUIDED)
    ready.arm()
    set_up(ready)
    ready.run(0.1)
    assert "ERROR: Won't setup signing when armed" in ready.texts()
    assert SignedStation(ready, key=None).obeyed()


def test_a_radio_between_may_speak_unsigned(bench):
    plain = SignedStation(bench, key=None)
    set_up(bench)
    status = mavlink.MAVLink_radio_status_message(100, 100, 90, 40, 40, 0, 0)
    for parsed in Parser(clock=lambda: 0.0).feed(plain.packet(status)):
        assert bench.face._trusts(plain.channel, parsed)
