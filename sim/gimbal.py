"""A two-axis gimbal that holds the camera at a pitch and level, nearly, while the airframe moves."""

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
    """Pitch is commanded; roll is held level; yaw is the airframe's. The residual error is a wander of
    0.3 degrees per axis plus a lag behind the airframe's rotation rates."""

    SIGMA_DEG = 0.3
    WANDER_TIME_S = 3.0
    LAG_S = 0.03

    def __init__(self, seed: int) -> None:
        self.pitch_deg = -90.0
        self._random = random.Random(f"gimbal {seed}")
        self._wander = [self._random.gauss(0.0, self.SIGMA_DEG) for _ in range(2)]
        self._time_s = 0.0

    def look(self, body: Body, time_s: float) -> GimbalAngles:
        """The camera's true angles now. Call with times that do not run backwards."""
        keep = math.exp(-(time_s - self._time_s) / self.WANDER_TIME_S)
        kick = self.SIGMA_DEG * math.sqrt(1.0 - keep * keep)
        self._time_s = time_s
        for i in range(2):
            self._wander[i] = self._wander[i] * keep + self._random.gauss(0.0, 1.0) * kick
        roll = self._wander[0] + math.degrees(body.roll_rate_radps) * self.LAG_S
        pitch = self._wander[1] + math.degrees(body.pitch_rate_radps) * self.LAG_S
        return self.angles(math.degrees(body.yaw_rad), pitch, roll)

    def angles(self, yaw_deg: float, pitch_error_deg: float, roll_error_deg: float) -> GimbalAngles:
        """The commanded look seen from a mount that is tilted by these errors: at nadir a roll error tips
        the view sideways, which gimbal angles cannot say by their roll alone."""
        mount = rotation_ned_from_body(yaw_deg, pitch_error_deg, roll_error_deg)
        look = mount @ rotation_ned_from_body(0.0, self.pitch_deg, 0.0)
        return GimbalAngles(*gimbal_angles(CAMERA_FROM_GIMBAL @ look.T @ ENU_FROM_NED))
