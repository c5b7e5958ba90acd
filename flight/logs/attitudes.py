"""How a vehicle stood and where its camera looked, by time: what a log of any kind tells beside its track."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyulog
from pymavlink import DFReader
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.logs.flight_log import FlightLog
from flight.logs.tlog import decode, packets
from flight.wire import Message
from plans.frames import FloatArray

LOOKS_DOWN_DEG = -40.0
"""A mount that never pitches down to this tells nothing of a survey's camera: it answers zeros."""
_NEAR_NADIR_DEG = 3.0
_REBOOT_S = 2.0
_IN_EARTH_FRAME = mavlink.GIMBAL_DEVICE_FLAGS_YAW_LOCK | mavlink.GIMBAL_DEVICE_FLAGS_YAW_IN_EARTH_FRAME
_ATTITUDE, _GIMBAL, _MOUNT = "ATTITUDE", "GIMBAL_DEVICE_ATTITUDE_STATUS", "MOUNT_ORIENTATION"
_READ = {
    mavlink.MAVLINK_MSG_ID_ATTITUDE,
    mavlink.MAVLINK_MSG_ID_MOUNT_ORIENTATION,
    mavlink.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS,
}
_FAULTS = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError)

Angles = tuple[float, float, float]
"""Yaw, pitch, roll in degrees."""


@dataclass(frozen=True)
class Attitudes:
    """Angles (n, 3) yaw, pitch, roll in degrees at times (n,) in UTC seconds, ascending. `of_camera`: they
    are the camera's (pitch -90 looks down), else the airframe's. Empty where the log tells none."""

    at_s: FloatArray
    angles_deg: FloatArray
    of_camera: bool


def attitudes_of(log: FlightLog) -> Attitudes:
    """The camera's attitudes by the log of a vehicle that looks down with a gimbal, else the airframe's.

    Raises LogError when the file cannot be read any more.
    """
    read: dict[str, Callable[[FlightLog], _Told]] = {"tlog": _of_tlog, "dataflash": _of_dataflash}
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            told = read.get(log.kind, _of_ulog)(log)
    except OSError as error:
        raise LogError(f"{log.path}: cannot be read ({error.strerror}); name a log file") from None
    except (pyulog.core.ULogException, *_FAULTS) as error:
        raise LogError(f"{log.path}: is damaged ({error}); download it from the vehicle again") from None
    for rows in (told.gimbal, told.mount):
        camera = _attitudes(rows, of_camera=True)
        if len(camera.at_s) and float(camera.angles_deg[:, 1].min()) < LOOKS_DOWN_DEG:
            return camera
    return _attitudes(told.airframe, of_camera=False)


def steady_times(heard_s: Sequence[float], boot_s: Sequence[float]) -> FloatArray:
    """(n,) seconds of UTC of what a vehicle sent at its own times `boot_s` and a station heard at `heard_s`.

    A radio delays some messages and none arrives early: the least delay of all since power-up sets the
    clock. Another power-up begins where the vehicle's time goes back.
    """
    heard, boot = np.asarray(heard_s, float), np.asarray(boot_s, float)
    out = np.empty(len(heard))
    begins = np.r_[0, np.flatnonzero(np.diff(boot) < -_REBOOT_S) + 1, len(boot)]
    for begin, end in itertools.pairwise(begins):
        if end > begin:
            out[begin:end] = boot[begin:end] + (heard[begin:end] - boot[begin:end]).min()
    return out


@dataclass(frozen=True)
class _Told:
    """Rows (heard, boot, yaw, pitch, roll) in seconds and degrees."""

    airframe: list[tuple[float, ...]]
    gimbal: list[tuple[float, ...]]
    mount: list[tuple[float, ...]]


def _attitudes(rows: Sequence[tuple[float, ...]], *, of_camera: bool) -> Attitudes:
    table = np.array(rows, float).reshape(-1, 5)
    table = table[np.isfinite(table).all(axis=1)]
    at = steady_times(table[:, 0], table[:, 1])
    order = np.argsort(at, kind="stable")
    return Attitudes(at[order], table[order, 2:], of_camera)


def _of_tlog(log: FlightLog) -> _Told:
    told = _Told([], [], [])
    for packet in packets(log.path):
        if packet.message_id not in _READ or packet.sysid != log.sysid:
            continue
        message = decode(packet)
        if message is None:
            continue
        kind, heard_s = message.get_type(), packet.time_us / 1e6
        nose_deg = told.airframe[-1][2] if told.airframe else math.nan
        if kind == _ATTITUDE:
            angles = (math.degrees(a) for a in (message.yaw, message.pitch, message.roll))
            told.airframe.append((heard_s, message.time_boot_ms / 1e3, *angles))
        elif kind == _GIMBAL:
            angles3 = gimbal_view(message.q, message.flags, nose_deg)
            told.gimbal.append((heard_s, message.time_boot_ms / 1e3, *angles3))
        elif kind == _MOUNT:
            told.mount.append((heard_s, message.time_boot_ms / 1e3, *_mount(message, nose_deg)))
    return told


def _mount(message: Message, nose_deg: float) -> Angles:
    absolute = getattr(message, "yaw_absolute", math.nan)
    yaw = absolute if math.isfinite(absolute) and absolute != 0.0 else nose_deg + message.yaw
    return yaw, message.pitch, message.roll


def gimbal_view(q: Sequence[float], flags: int, nose_deg: float) -> Angles:
    """Angles of a gimbal's quaternion (w, x, y, z), whose yaw counts from the nose unless `flags` say from
    north; NaN when it is no rotation. Straight down yaw and roll turn about one axis: then the yaw is where
    the picture's top points."""
    norm = math.hypot(*q)
    if not 0.9 < norm < 1.1:
        return math.nan, math.nan, math.nan
    w, x, y, z = (v / norm for v in q)
    nose = 0.0 if flags & _IN_EARTH_FRAME else nose_deg
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x)))))
    if pitch < -90.0 + _NEAR_NADIR_DEG:
        north, east = -2 * (x * z + w * y), -2 * (y * z - w * x)  # of the camera's up
        return math.degrees(math.atan2(east, north)) + nose, pitch, 0.0
    yaw = math.degrees(math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    roll = math.degrees(math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)))
    return yaw + nose, pitch, roll


def _of_dataflash(log: FlightLog) -> _Told:
    told = _Told([], [], [])
    with log.path.open("rb") as file:
        text = file.read(4) == b"FMT,"
    reader = DFReader.DFReader_text(str(log.path)) if text else DFReader.DFReader_binary(str(log.path))
    with reader:
        while (message := reader.recv_match(type=["ATT", "MNT"])) is not None:
            at_s = float(message._timestamp)
            if message.get_type() == "ATT":
                told.airframe.append((at_s, at_s, message.Yaw, message.Pitch, message.Roll))
            elif getattr(message, "I", 0) == 0 and hasattr(message, "YawE"):
                nose_deg = told.airframe[-1][2] if told.airframe else math.nan
                yaw = message.YawE if math.isfinite(message.YawE) else nose_deg + message.YawB
                told.mount.append((at_s, at_s, yaw, message.Pitch, message.Roll))
    return told


def _of_ulog(log: FlightLog) -> _Told:
    topics: dict[str, Any] = {}
    names = ["vehicle_attitude", "gimbal_device_attitude_status", "mount_orientation"]
    for topic in pyulog.ULog(str(log.path), names).data_list:
        topics.setdefault(topic.name, topic.data)
    zero_s = log.track[0].time_utc.timestamp() - log.track[0].boot_s if log.track else 0.0

    def rows(name: str, angles_at: Callable[[Any, int], Angles]) -> list[tuple[float, ...]]:
        data = topics.get(name)
        if data is None:
            return []
        times = zero_s + np.asarray(data["timestamp"], float) / 1e6
        return [(t, t, *angles_at(data, i)) for i, t in enumerate(times.tolist())]

    def q(data: Any, i: int) -> list[float]:
        return [float(data[f"q[{k}]"][i]) for k in range(4)]

    airframe = rows("vehicle_attitude", lambda d, i: gimbal_view(q(d, i), _IN_EARTH_FRAME, 0.0))
    noses = np.array(airframe, float).reshape(-1, 5)

    def nose_deg(time_us: float) -> float:
        if not len(noses):
            return math.nan
        after = int(np.searchsorted(noses[:, 0], zero_s + time_us / 1e6))
        return float(noses[min(after, len(noses) - 1), 2])

    def gimbal(d: Any, i: int) -> Angles:
        return gimbal_view(q(d, i), int(d["device_flags"][i]), nose_deg(float(d["timestamp"][i])))

    def mount(d: Any, i: int) -> Angles:
        roll, pitch, yaw = (math.degrees(float(d[f"attitude_euler_angle[{k}]"][i])) for k in range(3))
        return yaw, pitch, roll

    return _Told(airframe, rows("gimbal_device_attitude_status", gimbal), rows("mount_orientation", mount))
