"""A gimbal that holds the camera at a pitch and level, nearly, and turns with the airframe, a little late."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from plans.frames import CAMERA_FROM_GIMBAL, ENU_FROM_NED, gimbal_angles, rotation_ned_from_body
from sim.dynamics import Body


@dataclass(frozen=True)
class GimbalAngles:
    """Where the camera looks, in the convention of plans.frames.Pose, degrees."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


class Gimbal:
    """Pitch is commanded (`pitch_deg`) and reached with a lag; roll is held level; yaw follows the airframe's
    with a lag. The residual error, which its encoders do not see, is a wander of 0.3 degrees per axis plus a
    lag behind the airframe's rotation rates; a tremor is left that a rolling shutter sees."""

    SIGMA_DEG = 0.3
    WANDER_TIME_S = 3.0
    LAG_S = 0.03
    FOLLOW_S = 0.2
    MAX_RATE_DEGPS = 90.0
    TREMOR_DEGPS = 0.3

    def __init__(self, seed: int) -> None:
        self._pitch_deg = -90.0
        self._place: tuple[float, float] | None = None
        self._left_place: tuple[float, float] | None = None
        self._aim_deg = -90.0
        self.at_pitch_deg = -90.0
        """Its pitch now, as its encoder has it."""
        self._random = random.Random(f"gimbal {seed}")
        self._wander = [self._random.gauss(0.0, self.SIGMA_DEG) for _ in range(2)]
        self._yaw_deg: float | None = None
        self._pitch_rate_degps = self._yaw_rate_degps = 0.0

    @property
    def pitch_deg(self) -> float:
        """The commanded pitch. A command takes the look off a region of interest."""
        return self._pitch_deg

    @pitch_deg.setter
    def pitch_deg(self, pitch_deg: float) -> None:
        self._pitch_deg = pitch_deg
        self._left_place = self._place

    def aim(self, place: tuple[float, float] | None, pitch_deg: float) -> None:
        """Look at a region of interest, which lies at this pitch now; without one at the commanded pitch."""
        self._place, self._aim_deg = place, pitch_deg
        if place is None:
            self._left_place = None

    def step(self, body: Body, dt_s: float) -> None:
        """Follow the command and the airframe for a time step."""
        airframe_deg = math.degrees(body.yaw_rad)
        if self._yaw_deg is None:
            self._yaw_deg = airframe_deg
        behind_deg = math.remainder(airframe_deg - self._yaw_deg, 360.0)
        self._yaw_rate_degps = self._rate_degps(behind_deg, dt_s)
        self._yaw_deg += self._yaw_rate_degps * dt_s
        aims = self._place is not None and self._place != self._left_place
        wanted_deg = self._aim_deg if aims else self._pitch_deg
        self._pitch_rate_degps = self._rate_degps(wanted_deg - self.at_pitch_deg, dt_s)
        self.at_pitch_deg += self._pitch_rate_degps * dt_s
        keep = math.exp(-dt_s / self.WANDER_TIME_S)
        kick = self.SIGMA_DEG * math.sqrt(1.0 - keep * keep)
        gauss, wander = self._random.gauss, self._wander
        wander[0] = wander[0] * keep + gauss(0.0, kick)
        wander[1] = wander[1] * keep + gauss(0.0, kick)

    def _rate_degps(self, error_deg: float, dt_s: float) -> float:
        rate = error_deg * (1.0 - math.exp(-dt_s / self.FOLLOW_S)) / dt_s
        return min(max(rate, -self.MAX_RATE_DEGPS), self.MAX_RATE_DEGPS)

    def beside_deg(self, body: Body) -> float:
        """By how much its yaw is beyond the airframe's, as its encoder has it."""
        if self._yaw_deg is None:
            return 0.0
        return math.remainder(self._yaw_deg - math.degrees(body.yaw_rad), 360.0)

    def look(self, body: Body) -> GimbalAngles:
        """The camera's true angles now."""
        roll = self._wander[0] + math.degrees(body.roll_rate_radps) * self.LAG_S
        pitch = self._wander[1] + math.degrees(body.pitch_rate_radps) * self.LAG_S
        return self.angles(math.degrees(body.yaw_rad) + self.beside_deg(body), pitch, roll)

    def turn_radps(self) -> tuple[float, float, float]:
        """The camera's rotation now, by the right hand about east, north and up; another tremor each time."""
        yaw = math.radians(self._yaw_deg or 0.0)
        east, north, up = (math.radians(self._random.gauss(0.0, self.TREMOR_DEGPS)) for _ in range(3))
        nose_up = math.radians(self._pitch_rate_degps)
        right_turn = math.radians(self._yaw_rate_degps)
        return east + nose_up * math.cos(yaw), north - nose_up * math.sin(yaw), up - right_turn

    def angles(self, yaw_deg: float, pitch_error_deg: float, roll_error_deg: float) -> GimbalAngles:
        """The look seen from a mount that is tilted by these errors: at nadir a roll error tips the view
        sideways, which gimbal angles cannot say by their roll alone."""
        mount = rotation_ned_from_body(yaw_deg, pitch_error_deg, roll_error_deg)
        look = mount @ rotation_ned_from_body(0.0, self.at_pitch_deg, 0.0)
        return GimbalAngles(*gimbal_angles(CAMERA_FROM_GIMBAL @ look.T @ ENU_FROM_NED))
