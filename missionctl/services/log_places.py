"""Places along a flight by its log, for what was filmed on it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flight.errors import LogError
from flight.logs.attitudes import Attitudes, attitudes_of, steady_times
from flight.logs.files import read_log
from imagery.srt import Sample, Track
from missionctl.services.replaying import log_of
from plans.frames import FloatArray

STEP_S = 0.1
_GAP_S = 2.0
"""Over a longer gap in the log nothing is put: the track says that it does not know."""
_COLUMNS = ("lat_deg", "lon_deg", "alt_amsl_m", "height_rel_m", "yaw_deg", "pitch_deg", "roll_deg")
_CLOCK_FROM = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class LoggedFlight:
    """A flight's track in seconds since `started_utc`, the log's first position; None where the vehicle had
    no clock. `of_camera`: the track's angles are the camera's."""

    track: Track
    started_utc: dt.datetime | None
    of_camera: bool


def logged_flight(path: Path, sysid: int | None = None) -> LoggedFlight:
    """The track of a telemetry log, DataFlash log or ULog, or of a flight's folder.

    Raises LogError when it cannot be read or tells no positions.
    """
    log = read_log(log_of(path), sysid)
    points = log.track
    if len(points) < 2:
        raise LogError(f"{path}: tells no positions; give the log of the flight that was filmed")
    at = steady_times([p.time_utc.timestamp() for p in points], [p.boot_s for p in points])
    order = np.argsort(at, kind="stable")
    at = at[order]
    columns = np.array([(p.lat_deg, p.lon_deg, p.alt_amsl_m, p.alt_rel_m) for p in points])[order]
    if np.isnan(columns[:, 3]).all():
        columns[:, 3] = columns[:, 2] - columns[0, 2]  # over where it was switched on
    attitudes = attitudes_of(log)
    grid = np.arange(at[0], at[-1] + STEP_S / 2, STEP_S)
    grid = grid[_near(at, grid)]
    places = np.stack([np.interp(grid, at, c) for c in columns.T], axis=1)
    rows = np.concatenate([places, _angles(attitudes, grid)], axis=1)
    start = dt.datetime.fromtimestamp(float(at[0]), dt.UTC)
    known = start >= _CLOCK_FROM
    samples = tuple(
        Sample(
            t,
            **dict(zip(_COLUMNS, row, strict=True)),
            clock=start + dt.timedelta(seconds=t) if known else None,
            of_airframe=not attitudes.of_camera,
        )
        for t, row in zip((grid - at[0]).tolist(), rows.tolist(), strict=True)
    )
    return LoggedFlight(Track(samples), start if known else None, attitudes.of_camera)


def _near(at: FloatArray, grid: FloatArray) -> np.ndarray:
    """(n,) which times have told ones before and after that are not far apart."""
    after = np.clip(np.searchsorted(at, grid), 1, len(at) - 1)
    return np.asarray(at[after] - at[after - 1] <= _GAP_S)


def _angles(attitudes: Attitudes, grid: FloatArray) -> FloatArray:
    """(n, 3) yaw, pitch, roll at times; NaN where none was told near."""
    at = attitudes.at_s
    if len(at) < 2:
        return np.full((len(grid), 3), math.nan)
    yaw, pitch, roll = attitudes.angles_deg.T
    turned = np.unwrap(yaw, period=360.0)
    out = np.stack([np.interp(grid, at, v) for v in (turned, pitch, roll)], axis=1)
    out[:, 0] %= 360.0
    within = (grid >= at[0] - STEP_S) & (grid <= at[-1] + STEP_S)
    out[~(within & _near(at, grid))] = math.nan
    return out
