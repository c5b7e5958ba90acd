"""A vehicle that will not take the photos of a survey says so before it flies."""

import re

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.camera_setup import camera_trouble
from flight.params import encode_value

ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
INT32 = mavlink.MAV_PARAM_TYPE_INT32


def trouble_of(scripted, meet, autopilot, name, value):
    vehicle = scripted(autopilot)
    number = encode_value(value, INT32, bytewise=autopilot == PX4)

    def on_read(message):
        if message.param_id != name:
            return []
        return [mavlink.MAVLink_param_value_message(name.encode(), number, INT32, 1, 0)]

    vehicle.replies["PARAM_REQUEST_READ"] = on_read
    return meet(vehicle, camera_trouble)


@pytest.mark.parametrize(
    ("autopilot", "name", "value", "says"),
    [
        (PX4, "TRIG_MODE", 0, r"no camera \(TRIG_MODE is 0\).*set it to 4 and restart"),
        (PX4, "TRIG_MODE", 1, r"by time \(TRIG_MODE is 1\)"),
        (PX4, "TRIG_MODE", 3, "outside of the lanes"),
        (ARDUPILOT, "CAM1_TYPE", 0, r"no camera \(CAM1_TYPE is 0\)"),
    ],
)
def test_what_keeps_a_vehicle_from_taking_the_photos_is_told(scripted, meet, autopilot, name, value, says):
    trouble = trouble_of(scripted, meet, autopilot, name, value)
    assert (trouble.parameter, trouble.value) == (name, value)
    assert re.search(says, trouble.words)


@pytest.mark.parametrize(
    ("autopilot", "name", "value"), [(PX4, "TRIG_MODE", 4), (ARDUPILOT, "CAM1_TYPE", 1), (ARDUPILOT, "?", 1)]
)
def test_a_camera_that_is_set_up_or_cannot_be_asked_for_is_no_trouble(scripted, meet, autopilot, name, value):
    assert trouble_of(scripted, meet, autopilot, name, value) is None
