"""All parameters as one file, and the way back to the old protocol."""

import struct

import pytest

from flight.errors import ParameterError
from flight.ftp.files import open_files
from flight.links.profiles import find_profile
from flight.params.fetch import PACKED_FILE, fetch_params, unpack_params
from flight.params.protocol import Param, fetch_all, to_float32
from flight.station import open_station
from sim.radio import RadioSettings

from .ftp_double import FileDouble

BLOCKS = (
    b"\x04\x60RTL_ALT" + struct.pack("<f", 1500.5),
    b"\x02\x34SPED" + struct.pack("<h", -7),  # RTL_ and SPED
    b"\x01\x08X" + struct.pack("<b", 3),
)


def packed(*blocks, count=None, magic=0x671B):
    return struct.pack("<HHH", magic, len(blocks) if count is None else count, 99) + b"".join(blocks)


def test_names_go_on_from_the_one_before_and_noughts_fill_up():
    params = unpack_params(packed(BLOCKS[0], b"\0\0\0" + BLOCKS[1], BLOCKS[2]))
    assert list(params.values()) == [
        Param("RTL_ALT", to_float32(1500.5), 9),
        Param("RTL_SPED", -7.0, 4),
        Param("RTL_SPEDX", 3.0, 2),
    ]


def test_defaults_that_come_along_are_passed_over():
    with_default = b"\x14\x60RTL_ALT" + struct.pack("<ff", 1.0, 2.0)
    params = unpack_params(packed(with_default, BLOCKS[1], magic=0x671C))
    assert [p.value for p in params.values()] == [1.0, -7.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1b\x67\0",
        packed(magic=0x1234),
        packed(*BLOCKS, count=4),
        packed(*BLOCKS)[:-1],
        packed(b"\x07\x00A\0\0\0\0"),
        packed(b"\x01\x00\xff\0"),
        packed(b"\x04\xf0"),
    ],
)
def test_what_is_no_whole_file_of_parameters_is_refused(content):
    with pytest.raises(ParameterError, match="packed parameters"):
        unpack_params(content)


def on(url, work, profile="wifi"):
    import asyncio

    async def run():
        async with open_station([url], find_profile(profile)) as station:
            return await work(await station.wait_for_vehicle(20))

    return asyncio.run(run())


@pytest.mark.parametrize("profile", ["wifi", "radio57k"])
def test_both_ways_give_the_same_parameters(simulator, profile):
    async def work(vehicle):
        async with open_files(vehicle) as files:
            assert len(await files.read(PACKED_FILE)) > 500
        return await fetch_params(vehicle), await fetch_all(vehicle)

    fast, classic = on(simulator(), work, profile)
    assert fast == classic
    assert list(fast) == list(classic)


def test_over_a_lossy_radio_all_parameters_come(simulator):
    url = simulator(radio=RadioSettings(loss=0.2, latency_s=0.1), speedup=5.0)
    fast, classic = on(url, fetch_params), on(url, fetch_all)
    assert fast == classic


def test_a_vehicle_whose_file_is_missing_or_broken_is_asked_in_the_old_way(scripted, meet):
    from pymavlink.dialects.v20 import ardupilotmega as mavlink

    vehicle = scripted()
    double = FileDouble(vehicle)
    vehicle.replies["PARAM_REQUEST_LIST"] = lambda m: [
        mavlink.MAVLink_param_value_message(b"RTL_ALT", 15.0, 9, 1, 0)
    ]
    assert list(meet(vehicle, fetch_params)) == ["RTL_ALT"]
    double.files["@PARAM/param.pck"] = packed(*BLOCKS, count=7)
    assert list(meet(vehicle, fetch_params)) == ["RTL_ALT"]
    double.files["@PARAM/param.pck"] = packed(*BLOCKS)
    assert len(meet(vehicle, fetch_params)) == 3
