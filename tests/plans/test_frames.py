"""One meaning of place and attitude for planning, simulation and mosaicking."""

from __future__ import annotations

import pickle

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plans.frames import (
    GeoPoint,
    LocalFrame,
    Pose,
    gimbal_angles,
    nadir_camera_from_body,
    rotation_ned_from_body,
)

from .conftest import FRAME, repeatable

angles = st.floats(-180, 180)


def looks_at(pose):
    """The direction (east, north, up) in which the picture's middle looks."""
    return pose.camera_from_enu.T @ [0.0, 0.0, 1.0]


def top_points(pose):
    """The direction (east, north, up) to which the top edge of the picture points."""
    return pose.camera_from_enu.T @ [0.0, -1.0, 0.0]


@repeatable(40)
@given(st.floats(-75, 75), st.floats(-179, 179), st.floats(-15_000, 15_000), st.floats(-15_000, 15_000))
def test_a_place_comes_back_from_the_local_frame_to_the_millimetre(lat, lon, east, north):
    frame = LocalFrame(lat, lon)
    there = frame.to_geo(east, north)
    back = frame.to_local(*there)
    assert np.allclose(back, (east, north), atol=1e-3)


@repeatable(60)
@given(st.floats(-70, 70), st.floats(-170, 170), st.floats(0, 360), st.floats(1, 10_000))
def test_local_metres_are_metres_on_the_ground(lat, lon, azimuth, distance):
    frame = LocalFrame(lat, lon)
    lon2, lat2, _ = pyproj.Geod(ellps="WGS84").fwd(lon, lat, azimuth, distance)
    turn = np.radians(azimuth)
    expected = distance * np.sin(turn), distance * np.cos(turn)
    assert np.allclose(frame.to_local(lat2, lon2), expected, atol=1e-3 + 2e-6 * distance)


def test_the_middle_of_the_work_area_is_zero_and_axes_run_east_and_north():
    frame = LocalFrame.around([GeoPoint(30.0, 104.0), GeoPoint(30.2, 104.6), GeoPoint(30.1, 104.1)])
    assert (frame.origin_lat_deg, frame.origin_lon_deg) == pytest.approx((30.1, 104.3))
    assert np.allclose(frame.to_local(30.1, 104.3), 0.0, atol=1e-6)
    assert frame.to_local(30.1, 104.31)[0] > 900
    assert frame.to_local(30.11, 104.3)[1] > 1000


def test_shapes_go_there_and_back_with_their_holes(concave_zone):
    local = FRAME.geometry_to_local(concave_zone.polygon)
    assert len(local.interiors) == 3
    assert local.exterior.coords[1] == pytest.approx((1300, 0), abs=1e-6)
    back = FRAME.geometry_to_geo(local)
    assert shapely.hausdorff_distance(back, concave_zone.polygon) < 1e-10


def test_a_frame_reaches_worker_processes_whole():
    used = LocalFrame(30.0, 104.0)
    used.to_local(30.0, 104.0)  # makes the transformers that do not pickle
    copy = pickle.loads(pickle.dumps(used))
    assert copy == used
    assert np.allclose(copy.to_local(30.01, 104.01), used.to_local(30.01, 104.01))


@pytest.mark.parametrize(("yaw", "towards"), [(0, (0, 1)), (90, (1, 0)), (180, (0, -1)), (270, (-1, 0))])
def test_a_camera_looking_down_has_the_top_of_its_picture_along_the_yaw(yaw, towards):
    pose = Pose(0, 0, 100, yaw, -90, 0)
    assert looks_at(pose) == pytest.approx((0, 0, -1), abs=1e-12)
    assert top_points(pose) == pytest.approx((*towards, 0), abs=1e-12)


@pytest.mark.parametrize(("yaw", "towards"), [(0, (0, 1)), (90, (1, 0)), (225, (-0.7071068, -0.7071068))])
def test_a_level_camera_looks_along_its_yaw_with_the_sky_on_top(yaw, towards):
    pose = Pose(0, 0, 100, yaw, 0, 0)
    assert looks_at(pose) == pytest.approx((*towards, 0), abs=1e-6)
    assert top_points(pose) == pytest.approx((0, 0, 1), abs=1e-12)


def test_a_right_roll_lowers_the_right_side_of_a_level_picture():
    right = Pose(0, 0, 0, 0, 0, 10).camera_from_enu.T @ [1.0, 0.0, 0.0]
    assert right[2] == pytest.approx(-np.sin(np.radians(10)))


def test_body_axes_are_those_of_aviation():
    nose = rotation_ned_from_body(90, 20, 0) @ [1.0, 0.0, 0.0]
    assert nose == pytest.approx((0, np.cos(np.radians(20)), -np.sin(np.radians(20))))  # east, nose up
    wing = rotation_ned_from_body(0, 0, 30) @ [0.0, 1.0, 0.0]
    assert wing == pytest.approx((0, np.cos(np.radians(30)), np.sin(np.radians(30))))  # right wing down


@repeatable(200)
@given(angles, st.floats(-90, 90), angles)
def test_gimbal_angles_give_the_same_camera_back(yaw, pitch, roll):
    turned = Pose(0, 0, 0, yaw, pitch, roll).camera_from_enu
    assert np.allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turned) == pytest.approx(1.0)
    found = gimbal_angles(turned)
    assert np.allclose(Pose(0, 0, 0, *found).camera_from_enu, turned, atol=1e-4)
    assert 0 <= found[0] < 360.0000001


@repeatable(60)
@given(st.floats(0, 359.99), st.floats(-85, 85), st.floats(-170, 170))
def test_away_from_the_poles_the_angles_themselves_come_back(yaw, pitch, roll):
    found = gimbal_angles(Pose(0, 0, 0, yaw, pitch, roll).camera_from_enu)
    assert (found[0] - yaw + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    assert found[1:] == pytest.approx((pitch, roll), abs=1e-6)


@pytest.mark.parametrize("yaw", [0.0, 37.0, 211.0])
def test_looking_straight_down_the_heading_is_the_yaw_and_roll_is_nought(yaw):
    assert gimbal_angles(Pose(0, 0, 0, yaw, -90, 0).camera_from_enu) == pytest.approx((yaw, -90, 0))


def test_a_fixed_camera_tilts_with_its_airframe():
    level = nadir_camera_from_body(40, 0, 0)
    assert level == pytest.approx((40, -90, 0))
    nose_down = Pose(0, 0, 0, *nadir_camera_from_body(0, -10, 0))
    # nose down: the camera looks back, to the south
    assert looks_at(nose_down) == pytest.approx((0, -np.sin(np.radians(10)), -np.cos(np.radians(10))))
    right_bank = Pose(0, 0, 0, *nadir_camera_from_body(0, 0, 10))
    # right wing down: it looks out to the left, to the west
    assert looks_at(right_bank) == pytest.approx((-np.sin(np.radians(10)), 0, -np.cos(np.radians(10))))
