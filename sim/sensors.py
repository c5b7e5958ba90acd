"""What the vehicle believes: GNSS with its errors, and the estimate that the autopilot flies on.

The estimate is the truth plus errors that wander (first-order Gauss-Markov). The autopilot controls the
estimate, so an error in it moves the real vehicle.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from sim.dynamics import STEP_S, Body
from sim.errors import SettingsError

GNSS_PERIOD_STEPS = 10
"""GNSS epochs at 5 Hz."""

_GATE_M = 6.0
"""Innovations beyond this are taken for a glitch and not used."""
_POSITION_GATE_M = 4.3
"""So much of an innovation makes a variance of 1 (33 m made 7.7 on a real ArduCopter)."""
_GLITCH_PATIENCE_S = 10.0
"""After this long of rejected positions the estimate is reset onto GNSS, as ArduPilot's EKF does."""
_COMPASS_S = 2.0
"""The heading follows a disturbed compass with this time constant."""
_COMPASS_GATE_RAD = 0.6
"""So much between compass and heading makes a variance of 1; in flight a compass further off is rejected."""
_COMPASS_CREEP_RADPS = math.radians(0.07)
"""So fast the heading gives in to a compass that is not believed (seen on a real ArduCopter)."""
_VELOCITY_GATE = 4.0
"""So many radians of heading error times m/s of speed make one of the velocity."""
METRES_PER_HPA = 8.4
"""Near sea level."""


@dataclass(frozen=True)
class GnssKind:
    """A receiver: standard deviations per axis of the wandering and of the white part of its error."""

    name: str
    fix_type: int
    satellites: int
    walk_h_m: float
    walk_v_m: float
    walk_time_s: float
    white_h_m: float
    white_v_m: float
    hdop: float

    @property
    def sigma_h_m(self) -> float:
        """Standard deviation of a horizontal axis."""
        return math.hypot(self.walk_h_m, self.white_h_m)

    @property
    def sigma_v_m(self) -> float:
        """Standard deviation of the height."""
        return math.hypot(self.walk_v_m, self.white_v_m)


GNSS_KINDS = {
    "rtk": GnssKind("rtk", 6, 28, 0.015, 0.030, 120.0, 0.0132, 0.0265, 0.5),
    "standard": GnssKind("standard", 3, 16, 1.5, 1.5, 180.0, 0.3, 0.5, 0.8),
}


def find_gnss(name: str) -> GnssKind:
    """The receiver of this name; raises SettingsError that lists the known ones."""
    if name not in GNSS_KINDS:
        raise SettingsError(f"GNSS kind {name!r} is not known; take one of: {', '.join(GNSS_KINDS)}")
    return GNSS_KINDS[name]


@dataclass
class Estimate:
    """What the autopilot takes for true. Axes and units as in dynamics.Body."""

    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    v_east_mps: float = 0.0
    v_north_mps: float = 0.0
    v_up_mps: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0


@dataclass(frozen=True)
class Variances:
    """EKF_STATUS_REPORT's measure of trust: 1 is where a measurement is refused."""

    velocity: float
    position: float
    height: float
    compass: float


class Estimator:
    """Keeps an Estimate of a Body. `update` once a step; errors change at the GNSS epochs."""

    ATTITUDE_SIGMA_RAD = math.radians(0.5)
    ATTITUDE_TIME_S = 20.0
    VELOCITY_SIGMA_MPS = 0.03

    def __init__(self, gnss: GnssKind, seed: int) -> None:
        self.gnss = gnss
        self.estimate = Estimate()
        self.available = True
        """False while no satellites are heard (fault)."""
        self.jump_m = (0.0, 0.0, 0.0)
        """An offset east, north, up that the receiver is fooled by (fault)."""
        self.compass_off_rad = 0.0
        """What the compass is off by (fault)."""
        self.compass_rejected_s = 0.0
        """For how long the compass has not been believed."""
        self.pressure_hpa_per_s = 0.0
        """How fast the air pressure changes (fault): a barometer takes that for height."""
        self._heading_error = self._baro_m = self._speed_mps = self._away_m = 0.0
        self.gnss_error_m = [0.0, 0.0, 0.0]
        self.rejected_s = 0.0
        """For how long GNSS has been taken for a glitch."""
        self.lost_s = 0.0
        """For how long there has been no GNSS at all."""
        self._random = random.Random(f"sensors {seed}")
        gauss = self._random.gauss
        self._walk = [
            gauss(0.0, gnss.walk_h_m),
            gauss(0.0, gnss.walk_h_m),
            gauss(0.0, gnss.walk_v_m),
        ]
        self._error = list(self._walk)
        self._drift = [0.0, 0.0, 0.0]
        self._velocity_error = [0.0, 0.0, 0.0]
        self._attitude_error = [gauss(0.0, self.ATTITUDE_SIGMA_RAD) for _ in range(3)]
        self._steps = 0

    def update(self, body: Body) -> Estimate:
        """Advance by one step and return the estimate (the same object each time)."""
        if self._steps % GNSS_PERIOD_STEPS == 0:
            self._epoch(GNSS_PERIOD_STEPS * STEP_S)
        self._steps += 1
        error, velocity, attitude, drift = (
            self._error,
            self._velocity_error,
            self._attitude_error,
            self._drift,
        )
        if not self.available:
            error[0] += drift[0] * STEP_S
            error[1] += drift[1] * STEP_S
        elif self.rejected_s == 0.0:
            follow = STEP_S / 0.5
            error[0] += (self.gnss_error_m[0] - error[0]) * follow
            error[1] += (self.gnss_error_m[1] - error[1]) * follow
            error[2] += (self.gnss_error_m[2] - error[2]) * follow * 0.2
        climb_mps = -self.pressure_hpa_per_s * METRES_PER_HPA
        self._baro_m += climb_mps * STEP_S
        if self.compass_off_rad or self._heading_error:
            self._turn(flying=not body.on_ground)
        e = self.estimate
        e.east_m = body.east_m + error[0]
        e.north_m = body.north_m + error[1]
        e.up_m = body.up_m + error[2] + self._baro_m
        e.v_east_mps = body.v_east_mps + velocity[0] + drift[0]
        e.v_north_mps = body.v_north_mps + velocity[1] + drift[1]
        e.v_up_mps = body.v_up_mps + velocity[2] + climb_mps
        e.roll_rad = body.roll_rad + attitude[0]
        e.pitch_rad = body.pitch_rad + attitude[1]
        e.yaw_rad = (body.yaw_rad + attitude[2] + self._heading_error) % math.tau
        self._speed_mps = math.hypot(body.v_east_mps, body.v_north_mps)
        return e

    def _turn(self, flying: bool) -> None:
        """The heading follows a disturbed compass; in flight only one that is not too far off."""
        away = self.compass_off_rad - self._heading_error
        if flying and abs(away) > _COMPASS_GATE_RAD:
            self.compass_rejected_s += STEP_S
            self._heading_error += math.copysign(_COMPASS_CREEP_RADPS * STEP_S, away)
        else:
            self.compass_rejected_s = 0.0
            self._heading_error += away * STEP_S / _COMPASS_S

    @property
    def variances(self) -> Variances:
        """A glitch shows in the position; a heading that is off in the compass and, on the move, in the
        velocity."""
        lost = 0.0 if self.available else 0.3
        rejected = self._away_m / _POSITION_GATE_M if self.rejected_s > 0.0 else 0.0
        off = abs(self._heading_error)
        compass = max(off, abs(self.compass_off_rad - self._heading_error))
        return Variances(
            0.02 + lost + min(off * self._speed_mps / _VELOCITY_GATE, 2.0),
            0.02 + lost + rejected,
            0.02,
            0.03 + min(compass / _COMPASS_GATE_RAD, 2.0),
        )

    @property
    def compasses_agree(self) -> bool:
        """False when the heading is off by more than ArduPilot lets two compasses differ."""
        return abs(self._heading_error) < math.radians(60.0)

    def shot_error_m(self) -> tuple[float, float, float]:
        """The part of a photo's position error that the smoothed estimate does not carry (a fresh draw)."""
        gauss, gnss = self._random.gauss, self.gnss
        return (
            gauss(0.0, 0.9 * gnss.white_h_m),
            gauss(0.0, 0.9 * gnss.white_h_m),
            gauss(0.0, 0.9 * gnss.white_v_m),
        )

    def _epoch(self, period_s: float) -> None:
        gnss, gauss = self.gnss, self._random.gauss
        keep = math.exp(-period_s / gnss.walk_time_s)
        kick = math.sqrt(1.0 - keep * keep)
        sigmas = (gnss.walk_h_m, gnss.walk_h_m, gnss.walk_v_m)
        whites = (gnss.white_h_m, gnss.white_h_m, gnss.white_v_m)
        for i in range(3):
            self._walk[i] = self._walk[i] * keep + kick * gauss(0.0, sigmas[i])
            self.gnss_error_m[i] = self._walk[i] + gauss(0.0, whites[i]) + self.jump_m[i]
        keep_a = math.exp(-period_s / self.ATTITUDE_TIME_S)
        kick_a = math.sqrt(1.0 - keep_a * keep_a) * self.ATTITUDE_SIGMA_RAD
        keep_v = math.exp(-period_s / 2.0)
        kick_v = math.sqrt(1.0 - keep_v * keep_v) * self.VELOCITY_SIGMA_MPS
        for i in range(3):
            self._attitude_error[i] = self._attitude_error[i] * keep_a + kick_a * gauss(0.0, 1.0)
            self._velocity_error[i] = self._velocity_error[i] * keep_v + kick_v * gauss(0.0, 1.0)
        self._watch(period_s)

    def _watch(self, period_s: float) -> None:
        """Loss and glitch: dead reckoning drifts; a persistent jump is believed in the end."""
        if not self.available:
            self.lost_s += period_s
            for i in range(2):  # accelerometer bias: drift grows with the square root of time
                self._drift[i] += self._random.gauss(0.0, 0.12) * math.sqrt(period_s)
            return
        self.lost_s = 0.0
        self._drift[0] = self._drift[1] = 0.0
        away = math.hypot(
            self.gnss_error_m[0] - self._error[0],
            self.gnss_error_m[1] - self._error[1],
        )
        self._away_m = away
        if away <= _GATE_M:
            self.rejected_s = 0.0
            return
        self.rejected_s += period_s
        if self.rejected_s >= _GLITCH_PATIENCE_S:
            self._error[:] = self.gnss_error_m
            self.rejected_s = 0.0
