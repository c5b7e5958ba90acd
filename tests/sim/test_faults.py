"""Each fault lived through: what the vehicle does, what its station hears, what only the truth knows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.faults import Fault, FaultTimeline
from sim.place import place_of_world
from sim.render import load_scene
from sim.watcher import Watcher

from .conftest import Bench

GUIDED, LOITER, RTL, LAND = 4, 5, 6, 9


class Lived:
    """A vehicle with faults and a watcher."""

    def __init__(self, bench, *faults):
        self.bench, self.news = bench, []
        self.watcher = Watcher(bench.vehicle, self.news.append)
        self.timeline = FaultTimeline(faults, bench.vehicle, (), self.watcher.on_fault)

    def run(self, seconds, until=None):
        def each():
            self.timeline.update()
            self.watcher.update()
            return until is not None and until()

        return self.bench.run(seconds, each)

    @property
    def heading_error_rad(self):
        return self.bench.vehicle.estimate.yaw_rad - self.bench.vehicle.body.yaw_rad

    def kinds(self):
        return [news.kind for news in self.news]


def test_a_full_card_is_told_and_its_photos_are_lost(ready):
    lived = Lived(ready, Fault("card_full", 60.0))
    ready.command(203, 0, 0, 0, 0, 1)
    lived.run(2)
    assert ready.command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_STORAGE_INFORMATION) == 0
    assert ready.heard("STORAGE_INFORMATION")[-1].available_capacity > 1000
    lived.run(20)
    ready.command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_STORAGE_INFORMATION)
    ready.command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS)
    assert ready.heard("STORAGE_INFORMATION")[-1].available_capacity == 0
    assert ready.heard("CAMERA_CAPTURE_STATUS")[-1].available_capacity == 0
    ready.command(203, 0, 0, 0, 0, 1)
    lived.run(1)
    assert [shot.captured for shot in ready.face.shots] == [True, False]


def test_a_compass_that_is_off_a_little_shows_in_the_filter_and_turns_the_nose(ready):
    ready.stream(mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT, 2)
    ready.take_off(20)
    lived = Lived(ready, Fault("compass_error", 0.0, since="takeoff", deg=20.0))
    quiet = ready.heard("EKF_STATUS_REPORT")[-1].compass_variance
    lived.run(12)
    assert quiet < 0.1
    assert 0.4 < ready.heard("EKF_STATUS_REPORT")[-1].compass_variance < 0.8
    assert ready.vehicle.mode == GUIDED
    assert math.degrees(ready.vehicle.estimate.yaw_rad - ready.vehicle.body.yaw_rad) % 360 == pytest.approx(
        20, abs=2
    )


def test_a_compass_that_is_too_far_off_is_not_believed_in_flight(ready):
    """As a real ArduCopter does it: variance over 1, the compasses changed every 10 s, no failsafe."""
    ready.stream(mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT, 2)
    ready.take_off(30)
    ready.vehicle.pilot.guided.go_to((600.0, 0.0, 530.0))
    lived = Lived(ready, Fault("compass_error", 5.0, since="takeoff", deg=45.0))
    lived.run(50)
    assert 1.0 < ready.heard("EKF_STATUS_REPORT")[-1].compass_variance < 2.0
    texts = [text for text in ready.texts() if "compass" in text]
    assert texts[:2] == ["EKF3 IMU0 switching to compass 1", "EKF3 IMU0 switching to compass 0"]
    assert ready.vehicle.mode == GUIDED
    assert abs(math.degrees(math.remainder(lived.heading_error_rad, math.tau))) < 6


def test_a_compass_that_is_off_and_believed_ends_in_a_landing_on_the_move(ready):
    ready.take_off(30)
    ready.vehicle.pilot.guided.go_to((400.0, 0.0, 530.0))
    lived = Lived(ready, Fault("compass_error", 5.0, since="takeoff", deg=32.0))
    assert lived.run(40, lambda: ready.vehicle.mode == LAND)
    ready.run(0.1)
    texts = ready.texts()
    assert "EKF variance" in texts
    assert "EKF Failsafe: changed to LAND Mode" in texts


def test_a_compass_that_is_off_on_the_ground_keeps_it_there(ready):
    lived = Lived(ready, Fault("compass_error", 0.0, deg=90.0))
    lived.run(10)
    ready.mode(GUIDED)
    assert ready.arm() == 4
    ready.run(0.1)
    assert "Arm: Compasses inconsistent" in ready.texts()


def test_falling_pressure_is_taken_for_height_everywhere_alike(ready):
    for kind in (mavlink.MAVLINK_MSG_ID_VFR_HUD, mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT):
        ready.stream(kind, 2)
    ready.stream(mavlink.MAVLINK_MSG_ID_GPS_RAW_INT, 2)
    ready.take_off(30)
    lived = Lived(ready, Fault("pressure_drift", 0.0, since="takeoff", hpa_per_h=-20.0))
    lived.run(180)
    believed = ready.heard("GLOBAL_POSITION_INT")[-1]
    sunk_m = 20 / 3600 * 180 * 8.4
    assert believed.relative_alt / 1000 == pytest.approx(30, abs=0.7)
    assert ready.heard("VFR_HUD")[-1].alt == pytest.approx(believed.alt / 1000, abs=0.3)
    assert ready.vehicle.body.up_m == pytest.approx(530 - sunk_m, abs=1.0)
    assert ready.heard("GPS_RAW_INT")[-1].alt / 1000 == pytest.approx(530 - sunk_m, abs=1.0)  # it tells


def test_a_bird_is_seen_by_nobody_but_the_truth(ready):
    ready.take_off(30)
    bird = Fault("bird_near", 2.0, since="takeoff", north_m=100.0, speed_mps=10.0)
    lived = Lived(ready, bird)
    lived.run(20)
    assert not ready.heard("ADSB_VEHICLE")
    assert "near_miss" in lived.kinds()
    summary = lived.watcher.summary()
    assert summary.nearest_m < 3


def test_an_aircraft_that_passes_far_is_no_near_miss(ready):
    ready.take_off(30)
    plane = Fault("aircraft_near", 2.0, since="takeoff", north_m=500.0, east_m=200.0, speed_mps=50.0)
    lived = Lived(ready, plane)
    lived.run(20)
    assert ready.heard("ADSB_VEHICLE")
    assert "near_miss" not in lived.kinds()
    assert lived.watcher.summary().nearest_m == pytest.approx(200, abs=10)


def test_water_that_rises_over_the_landing_place_drowns_who_lands_there(ready):
    ready.take_off(30)
    lived = Lived(ready, Fault("rising_water", 1.0, since="takeoff", up_m=2.0, duration_s=20.0))
    lived.run(25)
    assert not ready.vehicle.in_water
    ready.mode(RTL)
    assert lived.run(120, lambda: ready.vehicle.in_water)
    assert ready.vehicle.body.up_m == pytest.approx(502.0, abs=0.1)
    lived.run(1)
    assert "in_water" in lived.kinds()
    assert lived.watcher.summary().in_water


def test_water_rises_as_long_as_it_should_and_stays(ready):
    Lived(ready, Fault("rising_water", 45.0, up_m=1.0, duration_s=10.0)).run(4)
    now = ready.vehicle.place.tide.began_s
    depths = [ready.vehicle.place.depth_m(0, 0, now + s) for s in (-1, 0, 5, 10, 100)]
    assert depths == pytest.approx([0, 0, 0.5, 1, 1])


def test_a_flooded_world_is_wet_where_its_water_is_and_wetter_when_it_rises(world):
    place, launch = place_of_world(world.folder)
    east, north = place.to_local(launch.lat_deg, launch.lon_deg)
    assert place.depth_m(east, north, 0.0) == 0.0
    import rasterio

    with rasterio.open(world.truth_depth) as file:
        depth = file.read(1)
        row, col = (int(i) for i in divmod(depth.argmax(), depth.shape[1]))
        x, y = file.xy(row, col)
    assert place.depth_m(x, y, 0.0) == pytest.approx(depth[row, col], abs=0.01)
    assert place.surface_m(x, y, 0.0) == pytest.approx(
        place.ground.height_m(x, y) + depth[row, col], abs=0.01
    )
    bench = Bench()
    bench.vehicle.place = place
    FaultTimeline([Fault("rising_water", 0.0, up_m=3.0)], bench.vehicle).update()
    assert place.depth_m(x, y, 10.0) == pytest.approx(depth[row, col] + 3.0, abs=0.01)


def test_a_low_battery_then_a_critical_one_act_one_after_the_other(ready):
    for name, value in (("BATT_LOW_MAH", 9_000), ("BATT_FS_LOW_ACT", 2), ("BATT_CRT_MAH", 8_000)):
        ready.set_param(name, value)
    ready.set_param("BATT_FS_CRT_ACT", 1)
    ready.set_param("BATT_LOW_TIMER", 2)
    ready.take_off(30)
    ready.vehicle.battery.consumed_mah = ready.vehicle.params["BATT_CAPACITY"] - 8_900
    assert ready.run(10, lambda: ready.vehicle.mode == RTL)
    ready.vehicle.battery.consumed_mah = ready.vehicle.params["BATT_CAPACITY"] - 7_900
    assert ready.run(10, lambda: ready.vehicle.mode == LAND)
    ready.run(0.1)
    texts = " ".join(ready.texts())
    assert "Battery 1 is low" in texts
    assert "Battery 1 is critical" in texts
    assert ready.texts().count("Battery Failsafe") == 2


def silent_station(bench, action=1, options=16, mode=None):
    bench.take_off(20)
    bench.set_param("FS_GCS_ENABLE", action)
    bench.set_param("FS_OPTIONS", options)
    bench.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
    if mode is not None:
        bench.mode(mode)
    bench.run(7)
    return bench


@pytest.mark.parametrize(
    ("action", "mode"), [(1, RTL), (2, RTL), (3, 21), (4, 21), (5, LAND), (6, RTL), (7, 17)]
)
def test_the_station_s_silence_does_what_the_switch_says(ready, action, mode):
    silent_station(ready, action)
    assert ready.vehicle.mode == mode
    assert "GCS Failsafe" in ready.texts()


def test_a_landing_that_nobody_asked_for_begins_with_a_pause(ready):
    silent_station(ready, 5)
    assert ready.vehicle.mode == LAND
    ready.run(1.5)
    assert ready.vehicle.relative_alt_m > 19.3
    ready.run(6)
    assert ready.vehicle.relative_alt_m < 17


def test_by_the_sticks_it_goes_on_without_a_station(ready):
    silent_station(ready, mode=LOITER)
    assert ready.vehicle.mode == LOITER
    assert ready.heard("HEARTBEAT")[-1].system_status == mavlink.MAV_STATE_CRITICAL
    assert "GCS Failsafe - Continuing Pilot Control" in ready.texts()
    ready.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
    ready.run(0.3)
    assert "GCS Failsafe Cleared" in ready.texts()


def test_without_that_option_it_does_not(ready):
    silent_station(ready, options=0, mode=LOITER)
    assert ready.vehicle.mode == RTL


def test_a_mission_goes_on_where_the_option_says_so(ready):
    items = [ready.at(0, 0, 0, 0), ready.at(1, 0, 0, 20, command=22), ready.at(2, 400, 0, 20)]
    ready.upload(items)
    silent_station(ready, options=2, mode=3)
    assert ready.vehicle.mode.name == "AUTO"
    assert "GCS Failsafe - Continuing Auto Mode" in ready.texts()


def test_a_landing_goes_on_where_the_option_says_so(ready):
    silent_station(ready, options=8, mode=LAND)
    assert ready.vehicle.mode == LAND
    assert "GCS Failsafe - Continuing Landing" in ready.texts()


def test_a_station_that_fell_silent_on_the_ground_keeps_it_there(ready):
    ready.set_param("FS_GCS_ENABLE", 1)
    ready.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
    ready.run(6)
    ready.mode(GUIDED)
    assert ready.arm() == 4
    ready.run(0.1)
    assert {"GCS Failsafe", "Arm: GCS failsafe on"} <= set(ready.texts())


def test_a_glitch_is_told_and_its_end_too(ready):
    ready.stream(mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT, 5)
    ready.take_off(20)
    jump = Fault("gps_jump", 0.0, since="takeoff", duration_s=5.0, east_m=30.0)
    lived = Lived(ready, jump)
    lived.run(4)
    assert "GPS Glitch or Compass error" in ready.texts()
    assert ready.heard("EKF_STATUS_REPORT")[-1].pos_horiz_variance == pytest.approx(30 / 4.3, abs=0.3)
    lived.run(4)
    assert "Glitch cleared" in ready.texts()


def test_a_filter_that_may_not_be_trusted_only_reports_where_that_is_asked(ready):
    ready.set_param("FS_EKF_ACTION", 0)
    ready.take_off(20)
    ready.vehicle.estimator.available = False
    ready.run(12)
    assert "EKF Failsafe" in ready.texts()
    assert ready.vehicle.mode == GUIDED
    ready.vehicle.estimator.available = True
    ready.run(3)
    assert "EKF Failsafe Cleared" in ready.texts()


def test_with_no_threshold_nobody_looks(ready):
    ready.set_param("FS_EKF_THRESH", 0)
    ready.take_off(20)
    ready.vehicle.estimator.available = False
    ready.run(12)
    assert not any("EKF" in text for text in ready.texts(since=60))


def test_risen_water_is_seen_from_above_where_the_ground_was_dry(world):
    before, after = load_scene(world.folder), load_scene(world.folder, 1.0)
    assert np.array_equal(load_scene(world.folder, 0.0).pictures[0], before.pictures[0])
    wet, wetter = before.waters[0] > 200, after.waters[0] > 200
    assert wetter.sum() > 1.05 * wet.sum()
    assert not (wet & ~wetter).any()
    fresh, far = wetter & (before.waters[0] == 0), after.waters[0] == 0
    colour = before.pictures[0][wet].mean(axis=0)
    assert after.pictures[0][fresh].mean(axis=0) == pytest.approx(colour, abs=12)
    assert np.abs(after.pictures[0][far].astype(int) - before.pictures[0][far]).max() <= 1
    rise = after.surface_m - before.surface_m
    assert rise.max() == pytest.approx(1.0, abs=0.01)
    assert rise.min() >= -0.001
