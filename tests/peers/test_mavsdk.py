"""MAVSDK (4, with its native core) as the ground station of our simulator."""

import pytest

from sim.autopilot.params import PARAMETERS

pytest.importorskip("mavsdk")


@pytest.fixture
def system():
    from mavsdk import ComponentType, Configuration, Mavsdk

    with_core = []

    def connect(url):
        sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
        with_core.append(sdk)
        assert sdk.add_any_connection(url) == 0
        found = sdk.first_autopilot(15.0)
        assert found is not None
        return found

    yield connect
    for sdk in with_core:
        sdk.destroy()


def items():
    from mavsdk.plugins.mission_raw import MissionItem

    def item(seq, command, frame, north_deg=0.0, east_deg=0.0, z=0.0):
        place = (round((30.05 + north_deg) * 1e7), round((103.15 + east_deg) * 1e7)) if frame != 2 else (0, 0)
        return MissionItem(seq, frame, command, int(seq == 0), 1, 0.0, 0.0, 0.0, 0.0, *place, z, 0)

    return [
        item(0, 16, 0, z=500.0),
        item(1, 22, 3, z=20.0),
        item(2, 16, 3, 0.0003, z=20.0),
        item(3, 16, 3, 0.0003, 0.0003, z=20.0),
        item(4, 20, 2),
    ]


@pytest.mark.slow
def test_mavsdk_flies_a_mission_over_tcp(missionctl_sim, system, until):
    from mavsdk.plugins.action import Action, ActionError
    from mavsdk.plugins.mission_raw import MissionRaw
    from mavsdk.plugins.telemetry import Telemetry

    (url,) = missionctl_sim()
    vehicle = system(url.replace("tcp:", "tcpout://"))
    action, mission, telemetry = Action(vehicle), MissionRaw(vehicle), Telemetry(vehicle)
    mission.upload_mission(items())
    back = mission.download_mission()
    assert [(i.command, i.x, i.y) for i in back[1:4]] == [(i.command, i.x, i.y) for i in items()[1:4]]
    telemetry.set_rate_position(10.0)
    action.set_takeoff_altitude(15.0)

    def took_off():
        try:
            action.arm()
            action.takeoff()
        except ActionError:
            return False  # not ready yet: it has no position
        return True

    until(took_off)
    until(lambda: telemetry.position().relative_altitude_m > 5.0)
    mission.start_mission()
    until(lambda: telemetry.position().latitude_deg > 30.0502)
    until(lambda: not telemetry.armed(), 60.0)
    assert mission.is_mission_finished()
    assert telemetry.position().latitude_deg == pytest.approx(30.05, abs=1e-5)


@pytest.mark.slow
def test_mavsdk_flies_our_px4_as_it_flies_px4(missionctl_sim, system, until):
    """Its own mission format, which is written for PX4, take-off, going to a place, return and landing."""
    from mavsdk.plugins.action import Action, ActionError
    from mavsdk.plugins.mission import Mission, MissionItem, MissionPlan
    from mavsdk.plugins.param import Param
    from mavsdk.plugins.telemetry import FlightMode, LandedState, Telemetry

    (url,) = missionctl_sim(autopilot="px4")
    vehicle = system(url.replace("tcp:", "tcpout://"))
    action, mission, telemetry = Action(vehicle), Mission(vehicle), Telemetry(vehicle)
    param = Param(vehicle)
    param.set_param_float("RTL_RETURN_ALT", 20.0)
    assert param.get_param_float("RTL_RETURN_ALT") == 20.0
    param.set_param_int("NAV_DLL_ACT", 0)
    until(telemetry.health_all_ok)

    def armed():
        try:
            action.arm()
        except ActionError:
            return False
        return True

    action.set_takeoff_altitude(12.0)
    until(armed)
    action.takeoff()
    until(lambda: telemetry.landed_state() == LandedState.TAKING_OFF)
    until(lambda: telemetry.flight_mode() == FlightMode.HOLD)
    assert telemetry.position().relative_altitude_m == pytest.approx(12.0, abs=1.5)
    action.goto_location(30.0502, 103.15, telemetry.position().absolute_altitude_m, 0.0)
    until(lambda: telemetry.position().latitude_deg > 30.05018)
    camera, mode = MissionItem.CameraAction, MissionItem.VehicleAction
    nan = float("nan")

    def item(lat, lon, up, taking):
        return MissionItem(
            latitude_deg=lat,
            longitude_deg=lon,
            relative_altitude_m=up,
            speed_m_s=5.0,
            is_fly_through=True,
            gimbal_pitch_deg=nan,
            gimbal_yaw_deg=nan,
            camera_action=taking,
            loiter_time_s=nan,
            camera_photo_interval_s=nan,
            acceptance_radius_m=1.0,
            yaw_deg=nan,
            camera_photo_distance_m=nan,
            vehicle_action=mode.NONE,
        )

    plan = [
        item(30.0502, 103.1502, 15.0, camera.TAKE_PHOTO),
        item(30.0504, 103.1502, 15.0, camera.NONE),
    ]
    mission.set_return_to_launch_after_mission(True)
    mission.upload_mission(MissionPlan(plan))
    mission.start_mission()
    until(lambda: telemetry.flight_mode() == FlightMode.MISSION)
    until(mission.is_mission_finished, 60.0)
    until(lambda: not telemetry.armed(), 90.0)
    assert telemetry.position().latitude_deg == pytest.approx(30.05, abs=2e-5)


def test_mavsdk_reads_and_sets_parameters_over_udp(missionctl_sim, system, free_port):
    from mavsdk.plugins.param import Param

    port = free_port()
    missionctl_sim(f"udpout:127.0.0.1:{port}")
    param = Param(system(f"udpin://127.0.0.1:{port}"))
    known = param.get_all_params()
    assert len(known.int_params) + len(known.float_params) == len(PARAMETERS)
    param.set_param_float("RTL_ALT", 2500.0)
    assert param.get_param_float("RTL_ALT") == 2500.0


def test_mavsdk_downloads_a_log_of_our_simulator_that_our_reader_reads(
    missionctl_sim, system, until, tmp_path
):
    from mavsdk.plugins.action import Action, ActionError
    from mavsdk.plugins.log_files import LogFiles, LogFilesResult
    from mavsdk.plugins.telemetry import Telemetry

    from flight.logs.files import read_log

    (url,) = missionctl_sim()
    vehicle = system(url.replace("tcp:", "tcpout://"))
    action, logs, telemetry = Action(vehicle), LogFiles(vehicle), Telemetry(vehicle)

    def armed():
        try:
            action.arm()
        except ActionError:
            return False
        return True

    until(armed)
    until(telemetry.armed)
    action.disarm()
    until(lambda: not telemetry.armed())
    (entry,) = logs.get_entries()
    done = []
    file = tmp_path / "00000001.BIN"
    logs.download_log_file_async(entry, str(file), lambda *news: done.append(news[0]))
    until(lambda: LogFilesResult.SUCCESS in done)
    until(lambda: file.stat().st_size == entry.size_bytes)
    assert read_log(file).messages["PARM"] == len(PARAMETERS)


def test_mavsdk_serves_a_camera_whose_settings_we_list_and_change(free_port, missionctl):
    """MAVSDK's own servers as camera and parameters: it keeps what we set, and tells what it holds."""
    from mavsdk import ComponentType, Configuration, Mavsdk
    from mavsdk.plugins.camera_server import CameraServer, Information
    from mavsdk.plugins.param_server import ParamServer

    port = free_port()
    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.AUTOPILOT))
    try:
        assert sdk.add_any_connection(f"udpout://127.0.0.1:{port}") == 0
        component = sdk.server_component()
        cameras = CameraServer(component)
        cameras.set_information(
            Information("ACME", "Mapper 3", "1.0.0", 8.8, 13.2, 8.8, 5472, 3648, 0, 0, "", False, False)
        )
        server = ParamServer(component)
        server.provide_param_int("CAM_ISO", 100)
        server.provide_param_float("CAM_EV", 0.5)
        server.provide_param_custom("CAM_NAME", "Mapper")
        link = ("--connect", f"udp:127.0.0.1:{port}")
        before = missionctl("camera", "settings", *link)
        assert "ACME Mapper 3" in before["camera"]
        assert before["settings"] == {"CAM_ISO": 100, "CAM_EV": 0.5, "CAM_NAME": "Mapper"}
        assert missionctl("camera", "set", "CAM_ISO", 800, *link)["settings"] == {"CAM_ISO": 800}
        assert missionctl("camera", "set", "CAM_EV", -1.25, *link)["settings"] == {"CAM_EV": -1.25}
        assert missionctl("camera", "settings", *link)["settings"]["CAM_EV"] == -1.25
        assert server.retrieve_param_int("CAM_ISO") == 800
    finally:
        sdk.destroy()
