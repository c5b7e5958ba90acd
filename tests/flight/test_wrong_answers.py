"""Vehicles that answer wrongly about parameters and logs: late, twice, of another kind, for ever, never. Each
call ends in a value or in a FlightError, in bounded time; on virtual time.

The same is done elsewhere for

| protocol | where | ways |
|---|---|---|
| missions | test_missions.py `WRONG` | 19, each on ArduPilot, PX4 and another, each with five calls |
| commands | test_commands.py `WRONG` | 22 |
| file transfer | test_ftp.py `WRONG` | 13, with bursts and without |
| parameters | here, `PARAMS` | 20, each with four calls |
| logs | here, `LOGS` | 17, each with two calls |
"""

import asyncio
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FlightError
from flight.links.profiles import find_profile
from flight.logs.transfer import LogEntry, download_log, list_logs
from flight.params.protocol import fetch_all, get_param, get_some, set_param
from flight.wire import Encoder, decode_text

from .mission_doubles import Double
from .virtual_time import Radio, Weather, run_virtually

GOOD = Weather(latency_s=0.01, bytes_per_s=1e7)
NAMES = (b"RTL_ALT", b"WPNAV_SPEED", b"BATT_CAPACITY")
INT32, REAL32 = mavlink.MAV_PARAM_TYPE_INT32, mavlink.MAV_PARAM_TYPE_REAL32
FIRST = 7.0
"""What a parameter is until it is set."""
LOG_BYTES = 1000
CONTENT = bytes(i % 251 for i in range(LOG_BYTES))


def value(index, count=3, name=None, field=None, kind=REAL32):
    name = NAMES[index % 3] if name is None else name
    return mavlink.MAVLink_param_value_message(name, FIRST if field is None else field, kind, count, index)


def entry(number=1, logs=1, last=1, size=LOG_BYTES, utc=0):
    return mavlink.MAVLink_log_entry_message(number, logs, last, utc, size)


def piece(at, number=1, size=None, content=CONTENT):
    data = content[at : at + 90]
    size = len(data) if size is None else size
    return mavlink.MAVLink_log_data_message(number, at, size, list(data.ljust(90, b"\0")))


class Wrong(Double):
    """Answers as a table says: `answers(double, message)` gives (after s, message), or by whom as well."""

    autopilot = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA

    def __init__(self, answers):
        super().__init__()
        self._answers = answers
        self.asked = 0
        self.held = {}
        self.camera, self.stranger = Encoder(1, 100), Encoder(2, 1)

    def take(self, message):
        super().take(message)
        kind = message.get_type()
        if kind == "COMMAND_LONG":
            unsupported = mavlink.MAV_RESULT_UNSUPPORTED
            self.send(mavlink.MAVLink_command_ack_message(message.command, unsupported, 0, 0, 255, 190))
        elif kind.startswith(("PARAM_", "LOG_REQUEST")) and kind != "LOG_REQUEST_END":
            self.asked += 1
            if kind == "PARAM_SET":
                self.held[decode_text(message.param_id)] = message.param_value
            for after_s, answer, *by in self._answers(self, message):
                asyncio.get_running_loop().call_later(after_s, self.send_as, answer, *by)

    def send_as(self, message, by=None):
        if getattr(message, "param_value", None) == FIRST:
            message.param_value = self.held.get(decode_text(message.param_id), FIRST)
        if self._put is not None:
            self._put((by or self._encoder).encode(message))


# -- right answers -----------------------------------------------------------------------------------------


def indices(message):
    """Which parameters a request is about."""
    kind = message.get_type()
    if kind == "PARAM_REQUEST_LIST":
        return [0, 1, 2]
    name = decode_text(message.param_id).encode()
    if kind == "PARAM_REQUEST_READ" and message.param_index >= 0:
        return [message.param_index]
    return [NAMES.index(name)] if name in NAMES else []


def values(message, after_s=0.05, **twist):
    return [(after_s, value(i, **twist)) for i in indices(message)]


def data(message):
    """The pieces that a request for a log wants; a list of one log for a request of the list."""
    if message.get_type() == "LOG_REQUEST_LIST":
        return []
    end = min(message.ofs + message.count, LOG_BYTES)
    return range(message.ofs, end, 90)


def log(message, after_s=0.05, **twist):
    if message.get_type() == "LOG_REQUEST_LIST":
        return [(after_s, entry())]
    return [(after_s, piece(at, **twist)) for at in data(message)]


# -- the ways ----------------------------------------------------------------------------------------------

VALUE, ERROR = "a value", "an error"
ANY = (VALUE, ERROR)

PARAMS = {
    # how: (answers, what comes of: all, one, some, set)
    "never": (lambda d, m: [], (ERROR, ERROR, VALUE, ERROR)),
    "late": (lambda d, m: values(m, 2.5), (VALUE, VALUE, VALUE, VALUE)),
    "far too late": (lambda d, m: values(m, 500.0), (ERROR, ERROR, VALUE, ERROR)),
    "twice": (lambda d, m: values(m) * 2, (VALUE,) * 4),
    "by its camera": (lambda d, m: [(*v, d.camera) for v in values(m)], (ERROR, ERROR, VALUE, ERROR)),
    "by another vehicle": (lambda d, m: [(*v, d.stranger) for v in values(m)], (ERROR, ERROR, VALUE, ERROR)),
    "under the number of another": (
        lambda d, m: [(0.05, value((i + 1) % 3, name=NAMES[i])) for i in indices(m)],
        (VALUE, VALUE, VALUE, VALUE),
    ),
    "a count of one": (lambda d, m: values(m, count=1), (VALUE, VALUE, VALUE, VALUE)),
    "under a number beyond the count": (
        lambda d, m: [(0.05, value(i + 999, name=NAMES[i])) for i in indices(m)],
        (ERROR, VALUE, VALUE, VALUE),
    ),
    "a count of nothing": (lambda d, m: values(m, count=0), (ERROR, VALUE, VALUE, VALUE)),
    "a count of 65535": (lambda d, m: values(m, count=65535), (ERROR, VALUE, VALUE, VALUE)),
    "another count each time": (
        lambda d, m: [(0.05, value(i, count=3 + d.asked)) for i in indices(m)],
        (ERROR, VALUE, VALUE, VALUE),
    ),
    "under another name": (lambda d, m: values(m, name=b"ANOTHER"), (ERROR, ERROR, VALUE, ERROR)),
    "under a name that is no text": (lambda d, m: values(m, name=b"\xff\xfe"), (ERROR, ERROR, VALUE, ERROR)),
    "not a number": (lambda d, m: values(m, field=math.nan), (VALUE, VALUE, VALUE, ERROR)),
    "without end": (lambda d, m: values(m, field=math.inf), (VALUE, VALUE, VALUE, ERROR)),
    "of another type": (lambda d, m: values(m, kind=INT32), (VALUE, VALUE, VALUE, ERROR)),
    "of a type that is none": (lambda d, m: values(m, kind=200), (VALUE, VALUE, VALUE, VALUE)),
    "the first one for ever": (
        lambda d, m: [(0.3 * i, value(0)) for i in range(500)] if d.asked < 60 else [],
        (ERROR, VALUE, VALUE, ERROR),
    ),
    "others for ever": (
        lambda d, m: [(0.3 * i, value(0, name=b"NOISE")) for i in range(500)] if d.asked < 60 else [],
        (ERROR, ERROR, VALUE, ERROR),
    ),
}

LOGS = {
    # how: (answers, what comes of: the list, the download)
    "never": (lambda d, m: [], (ERROR, ERROR)),
    "late": (lambda d, m: log(m, 2.5), (VALUE, VALUE)),
    "far too late": (lambda d, m: log(m, 500.0), (ERROR, ERROR)),
    "twice": (lambda d, m: log(m) * 2, (VALUE, VALUE)),
    "in another order": (lambda d, m: log(m)[::-1], (VALUE, VALUE)),
    "by another vehicle": (lambda d, m: [(*v, d.stranger) for v in log(m)], (ERROR, ERROR)),
    "of another log": (
        lambda d, m: [(0.05, piece(at, number=7)) for at in data(m)] or [(0.05, entry(number=7, last=1))],
        (VALUE, ERROR),
    ),
    "from beyond the end": (
        lambda d, m: [(0.05, piece(0)), (0.05, mavlink.MAVLink_log_data_message(1, 2**32 - 1, 90, [1] * 90))],
        (ERROR, ERROR),
    ),
    "from between two pieces": (
        lambda d, m: [(0.05, piece(at + 45)) for at in data(m)] or [(0.05, entry())],
        (VALUE, ERROR),
    ),
    "overlapping, then right": (
        lambda d, m: [(0.05, piece(at + o)) for at in data(m) for o in (45, 0)] or [(0.05, entry())],
        (VALUE, VALUE),
    ),
    "pieces of nothing": (lambda d, m: log(m, size=0), (VALUE, ERROR)),
    "pieces longer than they are": (lambda d, m: log(m, size=255), (VALUE, ERROR)),
    "half pieces": (lambda d, m: log(m, size=45), (VALUE, ERROR)),
    "the first one for ever": (
        lambda d, m: (
            [(0.3 * i, (entry(logs=5) if not data(m) else piece(0))) for i in range(500)]
            if d.asked < 60
            else []
        ),
        (ERROR, ERROR),
    ),
    "more logs than it tells of": (
        lambda d, m: [(0.05, entry(n, 2, 2)) for n in range(1, 9)],
        (VALUE, ERROR),
    ),
    "65535 logs": (lambda d, m: [(0.05, entry(n, 65535, 65535)) for n in range(1, 9)], (ERROR, ERROR)),
    "another number of logs each time": (
        lambda d, m: [(0.05, entry(1, 2 + d.asked, 9, utc=2**32 - 1))],
        (ERROR, ERROR),
    ),
}


def meet(answers, work):
    async def whole():
        async with Radio(GOOD).meet(Wrong(answers), find_profile("wifi")) as vehicle:
            return await work(vehicle)

    return run_virtually(whole(), 5000.0)[0]


async def _ended(vehicle, deed, within_s):
    """What came of a call, that took so long at most."""
    began_s = vehicle.now_s()
    try:
        found, outcome = await deed, VALUE
    except FlightError as fault:
        found, outcome = str(fault), ERROR
        assert "\n" not in found
    assert vehicle.now_s() - began_s < within_s
    return found, outcome


@pytest.mark.parametrize("way", PARAMS)
def test_parameters_of_a_vehicle_that_answers_wrongly(way):
    answers, wanted = PARAMS[way]

    async def work(vehicle):
        return [
            await _ended(vehicle, deed, 90.0)
            for deed in (
                fetch_all(vehicle),
                get_param(vehicle, "RTL_ALT"),
                get_some(vehicle, ["RTL_ALT", "BATT_CAPACITY"]),
                set_param(vehicle, "RTL_ALT", 8.5),
            )
        ]

    whole, one, some, changed = ended = meet(answers, work)
    assert tuple(outcome for _, outcome in ended) == wanted
    if whole[1] is VALUE:
        assert {name.encode() for name in whole[0]} <= set(NAMES)
    if one[1] is VALUE:
        assert one[0].name == "RTL_ALT"
    assert set(some[0]) <= {"RTL_ALT", "BATT_CAPACITY"}
    assert changed[1] is ERROR or changed[0].value == 8.5


@pytest.mark.parametrize("way", LOGS)
def test_logs_of_a_vehicle_that_answers_wrongly(way, tmp_path):
    answers, wanted = LOGS[way]

    async def work(vehicle):
        return (
            await _ended(vehicle, list_logs(vehicle), 60.0),
            await _ended(vehicle, download_log(vehicle, LogEntry(1, LOG_BYTES, None), tmp_path), 60.0),
        )

    listed, fetched = meet(answers, work)
    assert (listed[1], fetched[1]) == wanted
    if fetched[1] is VALUE:
        assert fetched[0].read_bytes() == CONTENT
    else:
        assert not [f for f in tmp_path.iterdir() if not f.name.startswith(".")]  # nothing that looks whole
