"""DataFlash logs of ArduPilot (.BIN, and .log as text), read with pymavlink."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymavlink import DFReader

from flight.errors import LogError
from flight.logs.flight_log import FlightLog, LogText, ModeChange, gps_utc, in_order, utc
from flight.logs.track import TrackPoint
from plans.mission import CameraEvent

MAGIC = b"\xa3\x95"
TEXT_MAGIC = b"FMT,"
_FIRST_RECORD = b"\xa3\x95\x80\x80"
"""Every log begins with the description of its own descriptions, which has number 128."""
_FAULTS = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError)
_READ = ["CAM", "TRIG", "POS", "GPS", "MODE", "MSG"]
_VEHICLES = {"ArduCopter": "quadrotor", "ArduPlane": "fixed wing", "ArduRover": "ground rover"}


def read_dataflash(path: Path) -> FlightLog:
    """Read a DataFlash log. Raises LogError."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return _read(path)  # the reader prints what it stumbles over
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror}); name a log file") from None
        except _FAULTS as error:
            raise LogError(f"{path}: is damaged ({error}); download it from the vehicle again") from None


def _read(path: Path) -> FlightLog:
    with path.open("rb") as file:
        head = file.read(len(_FIRST_RECORD))
    text = head.startswith(TEXT_MAGIC)
    if not text and head != _FIRST_RECORD:
        raise ValueError("its beginning is missing")
    reader = DFReader.DFReader_text(str(path)) if text else DFReader.DFReader_binary(str(path))
    with reader:
        counts = _counts(reader, text)
        if not counts:
            raise ValueError("no messages in it")
        started = None
        cameras: dict[str, list[tuple[int, CameraEvent]]] = {"CAM": [], "TRIG": []}
        gps_track: list[TrackPoint] = []
        track: list[TrackPoint] = []
        modes: list[ModeChange] = []
        texts: list[LogText] = []
        vehicle = ""
        for message in _messages(reader):
            now = utc(message._timestamp)
            started = started or now
            kind = message.get_type()
            if kind in cameras:
                if getattr(message, "I", 0) == 0:
                    number = getattr(message, "Img", len(cameras[kind]) + 1)
                    cameras[kind].append((0, _event(message, number, now)))
            elif kind == "POS":
                track.append(_point(message, now, getattr(message, "RelHomeAlt", math.nan)))
            elif kind == "GPS" and getattr(message, "Status", 0) >= 3 and getattr(message, "I", 0) == 0:
                gps_track.append(_point(message, now, math.nan))
            elif kind == "MODE" and (not modes or modes[-1].mode != reader.flightmode):
                modes.append(ModeChange(now, reader.flightmode))
            elif kind == "MSG":
                texts.append(LogText(now, None, str(message.Message)))
                name = str(message.Message).split(" ", 1)[0]
                vehicle = vehicle or (f"ArduPilot {_VEHICLES[name]}" if name in _VEHICLES else "")
        ended = utc(reader.last_timestamp()) if started else None
    return FlightLog(
        path=path,
        kind="dataflash",
        sysid=int(reader.params.get("SYSID_THISMAV", reader.params.get("MAV_SYSID", 0)) or 0),
        vehicle=vehicle or "ArduPilot",
        started_utc=started,
        ended_utc=ended,
        messages=counts,
        modes=tuple(modes),
        texts=tuple(texts),
        # TRIG is the order to the camera, CAM its answer; without a feedback wire there is only CAM
        camera_events=in_order(cameras["CAM"] or cameras["TRIG"]),
        track=tuple(track or gps_track),
    )


def _messages(reader: Any) -> Iterator[Any]:
    while (message := reader.recv_match(type=_READ)) is not None:
        yield message


def _counts(reader: Any, text: bool) -> dict[str, int]:
    if text:
        return {str(name): int(n) for name, n in reader.counts.items() if n > 0}
    return {
        str(reader.id_to_name[number]): int(n)
        for number, n in enumerate(reader.counts)
        if n > 0 and number in reader.id_to_name
    }


def _event(message: Any, number: int, now: dt.datetime) -> CameraEvent:
    known = getattr(message, "GPSWeek", 0) > 0
    return CameraEvent(
        index=int(number),
        time_utc=gps_utc(message.GPSWeek, message.GPSTime) if known else now,
        lat_deg=float(message.Lat),
        lon_deg=float(message.Lng),
        alt_amsl_m=float(message.Alt),
        yaw_deg=_angle(message, "Y", "Yaw") % 360,
        pitch_deg=_angle(message, "P", "Pitch"),
        roll_deg=_angle(message, "R", "Roll"),
    )


def _angle(message: Any, *names: str) -> float:
    return next((float(getattr(message, n)) for n in names if hasattr(message, n)), math.nan)


def _point(message: Any, now: dt.datetime, alt_rel_m: float) -> TrackPoint:
    return TrackPoint(
        time_utc=now,
        boot_s=getattr(message, "TimeUS", 0) / 1e6,
        lat_deg=float(message.Lat),
        lon_deg=float(message.Lng),
        alt_amsl_m=float(message.Alt),
        alt_rel_m=float(alt_rel_m),
        heading_deg=float(getattr(message, "GCrs", math.nan)),
    )
