"""A vehicle is told its own parameters, not those of the other autopilot."""

import re

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.alerts import LANGUAGES
from flight.safety.checklist import CheckState
from flight.safety.failsafes import PARAMETERS, PX4_PARAMETERS
from flight.safety.lost_link import lost_link
from flight.safety.plan_check import check_plan
from flight.safety.vehicle_checks import VehicleFacts, check_vehicle
from flight.state import Position, VehicleState
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
PLAIN = (0.0, 0.0, 0.0, 0.0)
FENCE = (
    GeoPoint(30.04, 103.14),
    GeoPoint(30.06, 103.14),
    GeoPoint(30.06, 103.16),
    GeoPoint(30.04, 103.16),
)
MISSION = Mission(
    (
        MissionItem(Command.NAV_TAKEOFF, 3, PLAIN, 30.05, 103.15, 40.0),
        MissionItem(Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, (20.0, 0.0, 1.0, 0.0)),
        MissionItem(Command.NAV_WAYPOINT, 3, PLAIN, 30.055, 103.15, 80.0),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    ),
    HOME,
    8.0,
    fence_inclusion=(FENCE,),
)
PX4, ARDUPILOT = mavlink.MAV_AUTOPILOT_PX4, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
PARAMETER = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")


def state_of(autopilot, mode="AUTO.MISSION"):
    position = Position(0.0, 30.051, 103.15, 540.0, 40.0, 0.0, 0.0, 0.0, 0.0)
    return VehicleState(1, 1, autopilot, 2, 0.0, 0.0, mode=mode, armed=True, position=position)


def checks_of(autopilot, params):
    name = "px4" if autopilot == PX4 else "ardupilot"
    found = check_vehicle(state_of(autopilot), 0.0, VehicleFacts(params), check_plan(MISSION, autopilot=name))
    return {check.key: check for check in found}


@pytest.mark.parametrize(
    ("autopilot", "own", "params"),
    [
        (
            PX4,
            PX4_PARAMETERS,
            [
                {},
                {"GF_ACTION": 1.0, "NAV_RCL_ACT": 0.0, "NAV_DLL_ACT": 0.0, "TRIG_MODE": 0.0},
                {"GF_ACTION": 3.0, "GF_MAX_VER_DIST": 50.0, "GF_MAX_HOR_DIST": 100.0, "TRIG_MODE": 1.0},
            ],
        ),
        (
            ARDUPILOT,
            (*PARAMETERS, "SYSID_MYGCS"),
            [
                {},
                {"FENCE_ENABLE": 0.0, "FS_THR_ENABLE": 0.0, "CAM1_TYPE": 0.0, "MAV_GCS_SYSID": 7.0},
                {"FENCE_ENABLE": 1.0, "FENCE_ALT_MAX": 50.0, "FENCE_RADIUS": 100.0, "FENCE_TYPE": 3.0},
            ],
        ),
    ],
)
def test_a_vehicle_is_told_its_own_parameters(autopilot, own, params):
    for held in params:
        for check in checks_of(autopilot, held).values():
            for language in LANGUAGES:
                named = set(PARAMETER.findall(check.line(language)))
                assert named <= set(own), check.line(language)
        lost = lost_link(state_of(autopilot), held, MISSION, HOME, 255)
        for alert in (*lost.warnings, *(moment.alert for moment in lost.moments)):
            assert set(PARAMETER.findall(alert.line())) <= set(own), alert.line()


def test_the_fence_of_a_px4():
    off = checks_of(PX4, {"GF_ACTION": 1.0})["fence_enabled"]
    assert off.state is CheckState.WARN
    assert off.line().endswith("(GF_ACTION is 1); set GF_ACTION to 2")
    bounded = checks_of(PX4, {"GF_ACTION": 2.0, "GF_MAX_VER_DIST": 50.0, "GF_MAX_HOR_DIST": 100.0})
    assert bounded["fence_height"].state is bounded["fence_radius"].state is CheckState.FAIL
    assert "GF_MAX_VER_DIST" in bounded["fence_height"].todo()
    free = checks_of(PX4, {"GF_ACTION": 2.0, "GF_MAX_VER_DIST": 0.0, "GF_MAX_HOR_DIST": 0.0})
    assert not {key for key in free if key.startswith("fence")} - {"fence_held"}
