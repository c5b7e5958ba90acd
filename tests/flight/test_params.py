"""Parameters: both ways of writing whole numbers, lost messages, refusals, and files of both kinds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import ParameterError
from flight.params.files import read_params, write_params
from flight.params.protocol import (
    Param,
    compare,
    decode_value,
    encode_value,
    fetch_all,
    get_param,
    number_text,
    set_param,
    to_float32,
)

INT8, INT16, INT32, UINT32, REAL32 = 2, 4, 6, 5, 9
BYTEWISE = mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE
C_CAST = mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST


@pytest.fixture
def vehicle(scripted):
    """Holds parameters under either encoding; `fixed` ones are not changed by a PARAM_SET."""
    vehicle = scripted()
    vehicle.capabilities = C_CAST
    vehicle.params = {"RTL_ALT": (1500.0, INT32), "WPNAV_SPEED": (1000.5, REAL32), "SYSID": (-7.0, INT16)}
    vehicle.fixed = set()

    def bytewise():
        return bool(vehicle.capabilities & BYTEWISE)

    def value_of(name):
        value, kind = vehicle.params[name]
        names = list(vehicle.params)
        return mavlink.MAVLink_param_value_message(
            name.encode(), encode_value(value, kind, bytewise()), kind, len(names), names.index(name)
        )

    def on_read(message):
        names = list(vehicle.params)
        name = names[message.param_index] if message.param_index >= 0 else message.param_id
        return [value_of(name)] if name in vehicle.params else []

    def on_set(message):
        name = message.param_id
        if name not in vehicle.params:
            return []
        if name not in vehicle.fixed:
            kind = vehicle.params[name][1]
            vehicle.params[name] = (decode_value(message.param_value, kind, bytewise()), kind)
        return [value_of(name)]

    def on_command(message):
        assert message.command == mavlink.MAV_CMD_REQUEST_MESSAGE
        return [
            mavlink.MAVLink_autopilot_version_message(
                vehicle.capabilities, 0, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0, 0, 0
            )
        ]

    vehicle.replies = {
        "PARAM_REQUEST_LIST": lambda m: [value_of(n) for n in vehicle.params],
        "PARAM_REQUEST_READ": on_read,
        "PARAM_SET": on_set,
        "COMMAND_LONG": on_command,
    }
    return vehicle


@given(st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_a_whole_number_survives_either_encoding(value, bytewise):
    field = encode_value(float(value), INT32, bytewise)
    if math.isnan(field):
        return  # a pattern of bytes that no float field carries faithfully
    if not bytewise:
        field = to_float32(field)
    exact = abs(value) < 2**24 or bytewise
    assert decode_value(field, INT32, bytewise) == (value if exact else to_float32(float(value)))


@pytest.mark.parametrize(("value", "kind"), [(200, INT8), (-1, UINT32), (1.5, INT16), (math.nan, INT32)])
def test_a_value_that_the_type_does_not_hold_is_refused(value, kind):
    with pytest.raises(ParameterError, match="not a whole number"):
        encode_value(value, kind, bytewise=False)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_are_written_so_that_they_read_the_same(value):
    assert to_float32(float(number_text(value))) == value


def test_numbers_are_written_as_a_person_would():
    assert [number_text(v) for v in (1500.0, to_float32(0.1), -0.0, 1e-7)][:2] == ["1500", "0.1"]


def test_all_parameters_come_in_the_vehicles_order(vehicle, meet):
    params = meet(vehicle, fetch_all)
    assert list(params) == ["RTL_ALT", "WPNAV_SPEED", "SYSID"]
    assert {n: p.value for n, p in params.items()} == {"RTL_ALT": 1500, "WPNAV_SPEED": 1000.5, "SYSID": -7}


def test_parameters_lost_on_the_way_are_asked_for_by_index(vehicle, meet):
    vehicle.params = {f"P{i}": (float(i), REAL32) for i in range(60)}
    sent = []

    def every_third_is_lost(message):
        if message.get_type() != "PARAM_VALUE":
            return False
        sent.append(message)
        return len(sent) % 3 == 0

    vehicle.lost = every_third_is_lost
    params = meet(vehicle, fetch_all)
    assert [p.value for p in params.values()] == [float(i) for i in range(60)]
    asked = [m.param_index for m in vehicle.heard if m.get_type() == "PARAM_REQUEST_READ"]
    assert set(range(2, 60, 3)) <= set(asked)
    assert vehicle.count("PARAM_REQUEST_LIST") == 1


@pytest.mark.parametrize("capabilities", [BYTEWISE, C_CAST, mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT])
def test_the_capability_bits_say_how_numbers_travel(vehicle, meet, capabilities):
    vehicle.capabilities = capabilities

    async def work(v):
        return await set_param(v, "rtl_alt", -3000), await get_param(v, "SYSID")

    changed, other = meet(vehicle, work)
    assert (changed.value, other.value) == (-3000, -7)
    assert vehicle.params["RTL_ALT"] == (-3000, INT32)


def test_a_parameter_that_stays_as_it_was_is_told(vehicle, meet):
    vehicle.fixed = {"RTL_ALT"}
    with pytest.raises(ParameterError, match="RTL_ALT was to be 9 but is 1500"):
        meet(vehicle, lambda v: set_param(v, "RTL_ALT", 9))


def test_an_unknown_parameter_is_told(vehicle, meet):
    with pytest.raises(ParameterError, match="does not tell NOPE"):
        meet(vehicle, lambda v: get_param(v, "NOPE"))


def test_the_vehicles_own_reason_is_told_where_it_gives_one(vehicle, meet):
    def refuse(message):
        reason = mavlink.MAV_PARAM_ERROR_PERMISSION_DENIED
        return [mavlink.MAVLink_param_error_message(255, 190, message.param_id.encode(), -1, reason)]

    vehicle.replies["PARAM_SET"] = refuse
    with pytest.raises(ParameterError, match="RTL_ALT cannot be changed now"):
        meet(vehicle, lambda v: set_param(v, "RTL_ALT", 9))


PARAMS = {p.name: p for p in (Param("RTL_ALT", 1500.0, INT32), Param("ATC_RAT", to_float32(0.135), REAL32))}


@pytest.mark.parametrize("suffix", [".params", ".param"])
def test_both_kinds_of_file_give_back_what_was_written(tmp_path, suffix):
    file = tmp_path / f"quad{suffix}"
    write_params(file, PARAMS)
    back = read_params(file)
    assert compare(back, PARAMS) == ()
    if suffix == ".params":
        assert [p.type for p in back.values()] == [p.type for p in PARAMS.values()]
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_files_of_other_programs_are_read(tmp_path):
    file = tmp_path / "x.param"
    file.write_text("#NOTE: Mission Planner\nRTL_ALT,1500\nATC_RAT 0.135  # MAVProxy\n\nrc1_min\t1100\n")
    assert {n: p.value for n, p in read_params(file).items()} == {
        "RTL_ALT": 1500.0,
        "ATC_RAT": 0.135,
        "RC1_MIN": 1100.0,
    }
    qgc = tmp_path / "x.params"
    qgc.write_text("# Vehicle-Id Component-Id Name Value Type\n1\t1\tBAT1_N_CELLS\t6\t6\n")
    assert read_params(qgc) == {"BAT1_N_CELLS": Param("BAT1_N_CELLS", 6.0, 6)}


@pytest.mark.parametrize(
    ("text", "words"),
    [("RTL_ALT,high\n", "line 1"), ("RTL_ALT,1\nnonsense\n", "line 2"), ("# empty\n", "no parameters")],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, text, words):
    file = tmp_path / "bad.param"
    file.write_text(text)
    with pytest.raises(ParameterError, match=f"bad.param: .*{words}"):
        read_params(file)


def test_an_unknown_suffix_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ParameterError, match=r"\.params"):
        write_params(tmp_path / "quad.txt", PARAMS)
    assert list(tmp_path.iterdir()) == []


def test_differences_name_what_is_missing_on_either_side():
    here = {"A": Param("A", 1.0), "B": Param("B", 2.0)}
    there = {"B": Param("B", 2.5), "C": Param("C", 3.0)}
    assert [(d.name, d.here, d.there) for d in compare(here, there)] == [
        ("A", 1.0, None),
        ("B", 2.0, 2.5),
        ("C", None, 3.0),
    ]
