"""Attitudes beside the track: at the vehicle's own times, of the camera where the log knows it."""

from pathlib import Path

import numpy as np
import pytest
from pymavlink import quaternion

from flight.logs.attitudes import attitudes_of, gimbal_view, steady_times
from flight.logs.files import read_log

LOGS = Path(__file__).parents[3] / "shared/data/plans"


def test_messages_that_a_radio_held_up_get_the_vehicles_own_times():
    rng = np.random.default_rng(4)
    sent = np.r_[np.arange(0, 60, 0.25), np.arange(3, 40, 0.25)]  # switched off and on again
    true = np.r_[1000 + sent[:240], 1100 + sent[240:]]
    at = steady_times(true + 0.03 + rng.exponential(0.2, len(sent)), sent)
    assert np.abs(at - true).max() < 0.06
    assert len(steady_times([], [])) == 0


@pytest.mark.parametrize(("pitch", "roll"), [(-45.0, 5.0), (-80.0, -3.0), (-88.5, 0.0), (-90.0, 0.0)])
def test_a_gimbals_quaternion_is_where_it_looks(pitch, roll):
    q = list(quaternion.Quaternion(np.radians([roll, pitch, 30.0])).q)
    for flags, nose, yaw in ((64, 100.0, 30.0), (0, 100.0, 130.0)):
        assert gimbal_view(q, flags, nose) == pytest.approx((yaw, pitch, roll), abs=1e-3)


def test_no_rotation_tells_nothing():
    assert np.isnan(gimbal_view([0, 0, 0, 0], 0, 0.0)).all()


@pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")
@pytest.mark.parametrize(
    ("name", "count", "first_deg"),
    [
        ("uavlogviewer_vtol.tlog", 888, (140.4, 0.1, -1.4)),
        ("pymavlink_test.BIN", 24, (337.1, 2.6, -7.2)),
        ("pyulog_sample_log_small.ulg", 1298, (13.9, -0.1, 1.1)),
    ],
)
def test_real_logs_tell_the_airframes_attitude_over_their_tracks_time(name, count, first_deg):
    log = read_log(LOGS / name)
    told = attitudes_of(log)
    assert not told.of_camera
    assert told.angles_deg.shape == (count, 3)
    assert told.angles_deg[0] == pytest.approx(first_deg, abs=0.05)
    assert (np.diff(told.at_s) >= 0).all()
    for end, point in ((0, log.track[0]), (-1, log.track[-1])):
        assert told.at_s[end] == pytest.approx(point.time_utc.timestamp(), abs=1.5)
