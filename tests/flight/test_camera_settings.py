"""Settings of a camera over bad links: all of them, one of them, and what it refuses."""

import struct

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CameraError
from flight.links.profiles import find_profile
from flight.photos.cameras import CameraUnit
from flight.photos.settings import change_setting, get_setting, list_settings
from flight.wire import Encoder

from .mission_doubles import Double
from .virtual_time import Radio, Weather, run_virtually

UNIT = CameraUnit(100, 0, "ACME", "Mapper 3")
UINT32, REAL32, CUSTOM, INT8 = 5, 9, 11, 2
HELD = {
    "CAM_ISO": (UINT32, struct.pack("<I", 100)),
    "CAM_EV": (REAL32, struct.pack("<f", -0.3)),
    "CAM_NAME": (CUSTOM, "坝区 1".encode()),
    "CAM_WB": (INT8, struct.pack("<b", -1)),
    **{f"CAM_X{i}": (UINT32, struct.pack("<I", i)) for i in range(40)},
}


class Settable(Double):
    """An autopilot with a camera whose settings are in HELD; `thinks`: so often it says that it is at it."""

    def __init__(self, thinks=0, refuses=False):
        super().__init__()
        self.held, self.thinks, self.refuses = dict(HELD), thinks, refuses
        self.camera = Encoder(1, 100)
        self.sets = 0

    def say(self, message):
        self._put(self.camera.encode(message))

    def tell(self, name):
        kind, raw = self.held[name]
        index = list(self.held).index(name)
        self.say(mavlink.MAVLink_param_ext_value_message(name.encode(), raw, kind, len(self.held), index))

    def on_param_ext_request_list(self, m):
        for name in self.held:
            self.tell(name)

    def on_param_ext_request_read(self, m):
        name = m.param_id if m.param_index < 0 else list(self.held)[m.param_index]
        if name in self.held:
            self.tell(name)

    def on_param_ext_set(self, m):
        self.sets += 1
        result = 1 if self.refuses else 0
        if not self.refuses:
            self.held[m.param_id] = (m.param_type, m._param_value_raw)
        for code in (*[3] * self.thinks, result):
            kind, raw = self.held[m.param_id]
            self.say(mavlink.MAVLink_param_ext_ack_message(m.param_id.encode(), raw, kind, code))


def with_settings(work, vehicle=None, weather=None):
    async def run():
        radio = Radio(weather or Weather(bytes_per_s=1e6), seed=3)
        async with radio.meet(vehicle or Settable(), find_profile("radio57k")) as met:
            return await work(met)

    return run_virtually(run(), 3000.0)[0]


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_all_settings_come_with_their_types(loss):
    found = with_settings(lambda v: list_settings(v, UNIT), weather=Weather(loss=loss, bytes_per_s=20_000))
    assert list(found) == list(HELD)
    values = [found[name].value for name in ("CAM_ISO", "CAM_EV", "CAM_NAME", "CAM_WB", "CAM_X39")]
    assert values == [100, -0.3, "坝区 1", -1, 39]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("CAM_ISO", "3200", 3200), ("CAM_EV", "0.7", 0.7), ("CAM_NAME", "东岸", "东岸"), ("CAM_WB", "0x10", 16)],
)
@pytest.mark.parametrize("thinks", [0, 3])
def test_a_setting_is_changed_and_confirmed(name, text, value, thinks):
    vehicle = Settable(thinks)

    async def work(met):
        changed = await change_setting(met, UNIT, name, text)
        return changed, await get_setting(met, UNIT, name)

    changed, read = with_settings(work, vehicle)
    assert changed == read
    assert read.value == value
    assert vehicle.sets == 1


def test_what_the_camera_refuses_is_told_with_what_it_keeps():
    with pytest.raises(CameraError, match="CAM_ISO = 7: it does not take that value; it stays 100"):
        with_settings(lambda v: change_setting(v, UNIT, "CAM_ISO", "7"), Settable(refuses=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [("CAM_ISO", "-1"), ("CAM_ISO", "much"), ("CAM_WB", "300"), ("CAM_NAME", "x" * 129), ("CAM_EV", "")],
)
def test_values_that_cannot_be_are_not_sent(name, text):
    vehicle = Settable()
    with pytest.raises(CameraError, match="give "):
        with_settings(lambda v: change_setting(v, UNIT, name, text), vehicle)
    assert vehicle.sets == 0


@pytest.mark.parametrize("name", ["", "CAM_ISO_OF_THE_LEFT_EYE", "感光度"])
def test_names_that_cannot_be_are_told(name):
    with pytest.raises(CameraError, match="is no name of a setting"):
        with_settings(lambda v: get_setting(v, UNIT, name))


def test_a_camera_without_settings_has_none_and_tells_none():
    assert with_settings(lambda v: list_settings(v, UNIT), Double()) == {}
    with pytest.raises(CameraError, match="does not tell CAM_ISO"):
        with_settings(lambda v: get_setting(v, UNIT, "CAM_ISO"), Double())
