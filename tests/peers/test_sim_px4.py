"""The simulated PX4 as others fly it: a whole survey by `missionctl fly`, set-points by MAVSDK."""

import json

import pytest

LAUNCH = (30.05, 103.15)
ZONE = {
    "type": "Feature",
    "properties": {"name": "bank"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [
                [103.1504, 30.0503],
                [103.1556, 30.0503],
                [103.1556, 30.0506],
                [103.1504, 30.0506],
                [103.1504, 30.0503],
            ]
        ],
    },
}
"""500 m by 33 m, for many short lanes."""


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_survey_of_a_hundred_items_is_flown_and_every_photo_confirmed(missionctl_sim, missionctl, tmp_path):
    (url,) = missionctl_sim(autopilot="px4")
    zone, plan = tmp_path / "zone.geojson", tmp_path / "bank.plan"
    zone.write_text(json.dumps(ZONE))
    planned = missionctl(
        *("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--height", 40, "--autopilot", "px4"),
        *("--launch", "{},{}".format(*LAUNCH), "--angle", 0, "--clearance", 20),
    )
    assert planned["sorties"][0]["items"] > 100
    flown = missionctl("fly", plan, "--connect", url, "--yes", "--out", tmp_path / "flight", timeout_s=300)
    assert flown["identical"]
    assert flown["items_read_back"] == flown["items_sent"] == planned["sorties"][0]["items"]
    assert flown["complete"]
    assert flown["photos_confirmed"] == flown["photos_expected"] == planned["photos"]
    assert not flown["photos_unheard"]
    assert flown["duration_s"] > 0.0
    print(planned["sorties"][0]["items"], planned["photos"], planned["duration_s"], flown["duration_s"])


@pytest.fixture
def mavsdk_system():
    pytest.importorskip("mavsdk")
    from mavsdk import ComponentType, Configuration, Mavsdk

    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))

    def connect(url):
        assert sdk.add_any_connection(url.replace("tcp:", "tcpout://")) == 0
        return sdk.first_autopilot(30.0)

    yield connect
    sdk.destroy()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_mavsdk_flies_it_by_set_points(missionctl_sim, mavsdk_system, until):
    """MAVSDK's offboard plugin: places, speeds, accelerations, and a stop that holds."""
    from mavsdk.plugins import offboard as ob
    from mavsdk.plugins.action import Action, ActionError
    from mavsdk.plugins.param import Param
    from mavsdk.plugins.telemetry import FlightMode, Telemetry

    (url,) = missionctl_sim(autopilot="px4", speedup=5)
    vehicle = mavsdk_system(url)
    action, offboard, telemetry = Action(vehicle), ob.Offboard(vehicle), Telemetry(vehicle)
    Param(vehicle).set_param_float("COM_OF_LOSS_T", 60.0)  # it sends 20 a second of its own time
    until(telemetry.health_all_ok)
    action.set_takeoff_altitude(12.0)

    def armed():
        try:
            action.arm()
        except ActionError:
            return False
        return True

    def at(north=None, east=None, up=None):
        here = telemetry.position_velocity_ned()
        p = here.position
        pairs = (north, p.north_m), (east, p.east_m), (up, -p.down_m)
        return all(wish is None or abs(wish - is_) < 1.0 for wish, is_ in pairs)

    until(armed)
    action.takeoff()
    until(lambda: telemetry.flight_mode() == FlightMode.HOLD)
    with pytest.raises(ob.OffboardError):
        offboard.start()  # no set-point yet
    offboard.set_position_ned(ob.PositionNedYaw(20.0, 0.0, -12.0, 90.0))
    offboard.start()
    until(lambda: telemetry.flight_mode() == FlightMode.OFFBOARD)
    until(lambda: at(20.0, 0.0, 12.0))
    until(lambda: abs(telemetry.heading().heading_deg - 90.0) < 3.0)
    offboard.set_velocity_ned(ob.VelocityNedYaw(0.0, 3.0, 0.0, 0.0))
    until(lambda: abs(telemetry.position_velocity_ned().velocity.east_m_s - 3.0) < 0.5)
    offboard.set_velocity_body(ob.VelocityBodyYawspeed(0.0, 0.0, -1.0, 0.0))
    until(lambda: at(up=20.0))
    offboard.set_acceleration_ned(ob.AccelerationNed(1.0, 0.0, 0.0))
    until(lambda: telemetry.position_velocity_ned().velocity.north_m_s > 2.0)
    lat, lon = LAUNCH
    relative = ob.PositionGlobalYaw.AltitudeType.REL_HOME
    offboard.set_position_global(ob.PositionGlobalYaw(lat, lon, 15.0, 0.0, relative))
    until(lambda: at(0.0, 0.0, 15.0))
    offboard.stop()
    until(lambda: telemetry.flight_mode() == FlightMode.HOLD)
    action.land()
    until(lambda: not telemetry.armed(), 60.0)
