"""A plain pymavlink script, as thousands of people have one, flies our simulator."""

import os

import pytest


@pytest.fixture
def link(missionctl_sim, monkeypatch):
    monkeypatch.setitem(os.environ, "MAVLINK20", "1")
    from pymavlink import mavutil

    (url,) = missionctl_sim()
    link = mavutil.mavlink_connection(url, source_system=255, autoreconnect=False)
    link.wait_heartbeat(timeout=10)
    yield link
    link.close()


def heard(link, kind, condition=lambda m: True, timeout_s=30.0):
    import time

    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        message = link.recv_match(type=kind, blocking=True, timeout=left_s)
        if message is not None and condition(message):
            return message
    raise AssertionError(f"no fitting {kind} came")


def test_mavutil_flies_a_guided_hop(link):
    from pymavlink import mavutil

    m = mavutil.mavlink
    assert link.mav_type == m.MAV_TYPE_QUADROTOR
    link.mav.request_data_stream_send(1, 1, m.MAV_DATA_STREAM_ALL, 10, 1)
    heard(link, "EKF_STATUS_REPORT", lambda e: e.flags & m.ESTIMATOR_POS_HORIZ_ABS and not e.flags & 128)
    link.set_mode("GUIDED")
    heard(link, "HEARTBEAT", lambda h: h.custom_mode == 4)
    link.arducopter_arm()
    link.motors_armed_wait()
    link.mav.command_long_send(1, 1, m.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 0, 15)
    assert heard(link, "COMMAND_ACK", lambda a: a.command == m.MAV_CMD_NAV_TAKEOFF).result == 0
    heard(link, "GLOBAL_POSITION_INT", lambda p: p.relative_alt > 14_000)
    link.set_mode("RTL")
    link.motors_disarmed_wait()
    last = heard(link, "GLOBAL_POSITION_INT")
    assert abs(last.lat - 300500000) < 100
    assert abs(last.relative_alt) < 500


def test_mavutil_reads_parameters_by_the_list_and_by_name(link):
    link.param_fetch_all()
    first = heard(link, "PARAM_VALUE")
    names = {first.param_id}
    while len(names) < first.param_count:
        names.add(heard(link, "PARAM_VALUE").param_id)
    assert {"RTL_ALT", "WPNAV_SPEED", "FS_GCS_ENABLE"} <= names
    link.param_set_send("RTL_ALT", 2000)
    assert heard(link, "PARAM_VALUE", lambda p: p.param_id == "RTL_ALT").param_value == 2000
    link.param_fetch_one("RTL_ALT")
    assert heard(link, "PARAM_VALUE", lambda p: p.param_id == "RTL_ALT").param_value == 2000
