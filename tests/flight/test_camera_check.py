"""A vehicle that will not take the photos of a survey as they are planned says so before it flies."""

import re

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.plan_check import check_plan
from flight.safety.vehicle_checks import VehicleFacts, check_vehicle
from flight.state_update import first_state
from flight.wire import Encoder, Parser, vehicle_heartbeat

ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4


@pytest.mark.parametrize(
    ("autopilot", "params", "state", "says"),
    [
        (PX4, {"TRIG_MODE": 0.0}, "warn", r"no camera \(TRIG_MODE is 0\).*TRIG_MODE to 4 and restart"),
        (PX4, {"TRIG_MODE": 2.0}, "warn", r"by time \(TRIG_MODE is 2\).*TRIG_MODE to 4"),
        (PX4, {"TRIG_MODE": 3.0}, "warn", "outside of the lanes"),
        (PX4, {"TRIG_MODE": 4.0}, "ok", ""),
        (PX4, {}, "unknown", "TRIG_MODE"),
        (ARDUPILOT, {"CAM1_TYPE": 0.0}, "warn", r"no camera \(CAM1_TYPE is 0\).*CAM1_TYPE to 1"),
        (ARDUPILOT, {"CAM1_TYPE": 4.0}, "ok", ""),
    ],
)
def test_what_keeps_it_from_taking_the_photos_as_planned_is_told(mission, autopilot, params, state, says):
    heartbeat = Parser().feed(Encoder(1, 1).encode(vehicle_heartbeat(2, autopilot, 81, 0, 3)))[0]
    checks = check_vehicle(first_state(heartbeat, 0.0), 1.0, VehicleFacts(params), check_plan(mission))
    check = next(c for c in checks if c.key == "camera")
    assert check.state.value == state
    assert re.search(says, "; ".join(check.words["en"]))
    assert len(check.words["zh"]) == 2
