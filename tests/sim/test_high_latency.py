"""A satellite modem is silent until it is opened; then comes one HIGH_LATENCY2 every five seconds."""

import contextlib
import socket
import threading

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Parser
from plans.frames import GeoPoint
from sim.faults import Fault
from sim.server import SimSettings, serve

HOME = GeoPoint(30.05, 103.15, 500.0)
CONTROL = mavlink.MAV_CMD_CONTROL_HIGH_LATENCY


@pytest.fixture
def modem(bench):
    """What comes over the modem beside the bench's own link."""
    came, parser = [], Parser(clock=lambda: 0.0)
    bench.new_channel(lambda data, droppable: came.extend(parser.feed(data)), high_latency=True)
    return came


def kinds(messages):
    return {m.get_type() for m in messages}


def test_a_modem_is_silent_until_it_is_opened_and_after_it_is_closed(bench, modem):
    bench.run(60)
    assert modem == []
    assert bench.command(CONTROL, 1.0) == mavlink.MAV_RESULT_ACCEPTED
    bench.run(30)
    assert kinds(modem) <= {"HIGH_LATENCY2", "STATUSTEXT"}
    assert 6 <= sum(m.get_type() == "HIGH_LATENCY2" for m in modem) <= 7
    assert bench.command(CONTROL, 0.0) == mavlink.MAV_RESULT_ACCEPTED
    heard = len(modem)
    bench.run(20)
    assert len(modem) == heard


def test_only_one_and_zero_are_understood(bench):
    assert bench.command(CONTROL, 0.5) == mavlink.MAV_RESULT_FAILED


def test_the_one_message_says_what_the_others_say(bench):
    bench.run(60)
    bench.mode(4)
    bench.arm()
    assert bench.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 30.0) == mavlink.MAV_RESULT_ACCEPTED
    bench.run(20)
    for number in (mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2, mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT):
        assert bench.command(mavlink.MAV_CMD_REQUEST_MESSAGE, number) == mavlink.MAV_RESULT_ACCEPTED
    one, place = bench.heard("HIGH_LATENCY2")[-1], bench.heard("GLOBAL_POSITION_INT")[-1]
    assert (one.latitude, one.longitude) == (place.lat, place.lon)
    assert one.altitude == pytest.approx(place.alt / 1e3, abs=1.0)
    assert one.custom_mode == 4
    assert one.custom0 & mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    assert one.failure_flags == 0
    assert one.battery > 90


def test_failures_show(bench):
    bench.run(5)
    bench.command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2)
    flags = bench.heard("HIGH_LATENCY2")[-1].failure_flags
    assert flags & mavlink.HL_FAILURE_FLAG_GPS
    assert flags & mavlink.HL_FAILURE_FLAG_ESTIMATOR


def test_a_cut_link_leaves_the_modem_alone():
    """Two ways to one simulator, the radio cut from the start."""
    ready, stop, came = threading.Event(), threading.Event(), {}
    wanted = SimSettings(
        home=HOME,
        speedup=20.0,
        listen=("tcpin:127.0.0.1:0",),
        listen_high_latency=("tcpin:127.0.0.1:0",),
        faults=(Fault("link_cut", 0.0),),
    )

    def on_ready(urls):
        came["urls"] = urls
        ready.set()

    thread = threading.Thread(target=serve, args=(wanted, on_ready, stop), daemon=True)
    thread.start()
    try:
        assert ready.wait(30.0)
        ports = [int(url.rpartition(":")[2]) for url in came["urls"]]
        with (
            socket.create_connection(("127.0.0.1", ports[0])) as radio,
            socket.create_connection(("127.0.0.1", ports[1])) as modem,
        ):
            order = mavlink.MAVLink_command_long_message(1, 1, CONTROL, 0, 1.0, *([0.0] * 6))
            modem.sendall(Encoder(255, 190).encode(order))
            modem.settimeout(10.0)
            parser, kinds_heard = Parser(), set()
            while "HIGH_LATENCY2" not in kinds_heard:
                kinds_heard |= kinds(parser.feed(modem.recv(4096)))
            radio.settimeout(0.3)
            said = []
            with contextlib.suppress(TimeoutError):
                said = Parser().feed(radio.recv(65536))
            assert sum(m.get_type() == "HEARTBEAT" for m in said) <= 1, "that of its first moment"
    finally:
        stop.set()
        thread.join(10.0)
