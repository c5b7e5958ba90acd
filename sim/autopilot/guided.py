"""GUIDED: places, velocities and accelerations from a station, as ArduCopter's controllers follow them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.controller import Point, approach_mps, gather_level, shape_climb, shape_level
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot

_STILL: Point = (0.0, 0.0, 0.0)
_TURN_RADPS = math.radians(60.0)
"""How fast the nose goes over to an angle that counts from where it points (ATC_SLEW_YAW)."""
_MOVES_SHARE = 0.05
"""From this share of the full speed on the nose points ahead."""


@dataclass(frozen=True)
class Nose:
    """Where the nose is to point. With neither an angle nor a rate it points ahead."""

    angle_rad: float | None = None
    rate_radps: float | None = None
    relative: bool = False
    """The angle counts from where the nose points; the rate is left out then, as ArduCopter does."""


AHEAD = Nose()


@dataclass(frozen=True)
class Aim:
    """What GUIDED is told, east, north, up; None is "not given". A place's third number is AMSL, or above
    ground if `terrain`."""

    place: Point | None = None
    velocity_mps: Point | None = None
    accel_mps2: Point | None = None
    nose: Nose = AHEAD
    terrain: bool = False

    @property
    def kind(self) -> tuple[bool, bool]:
        """What tells which controller follows it."""
        return self.place is not None, self.velocity_mps is not None


STOP = Aim(velocity_mps=_STILL)


class Guided:
    """Follows the aim with the pilot's tools. Owned by a Pilot, whose phase is "guided" meanwhile."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._aim = STOP
        self._place: Point = _STILL
        self._velocity: Point = _STILL
        """The aim's, moved on: the place by the velocity, and that by the acceleration that it came with."""
        self._told_s = -math.inf
        self._to_turn_rad = 0.0
        self.paused = False

    @property
    def goal(self) -> Point | None:
        """The place that it flies to, or with."""
        return self._place if self._aim.place is not None else None

    @property
    def over_terrain(self) -> bool:
        """True if that place's height is above ground."""
        return self._aim.place is not None and self._aim.terrain

    def begin(self) -> None:
        """The mode has been entered: stop."""
        self.paused = False
        self.follow(STOP)

    def go_to(self, place: Point, terrain: bool = False) -> None:
        """Fly there from the present motion on, the nose ahead."""
        self.follow(Aim(place, terrain=terrain))

    def go_at(self, velocity_mps: Point) -> None:
        """Fly with this velocity until the time-out."""
        self.follow(Aim(velocity_mps=velocity_mps))

    def follow(self, aim: Aim) -> None:
        """Do this from now on."""
        pilot = self._pilot
        if pilot.phase != "guided" or aim is STOP or aim.kind != self._aim.kind:
            pilot.glide()  # another controller begins from the present motion
            pilot.phase = "guided"
        t = pilot.target
        pilot.track.hold((t.east_m, t.north_m, t.up_m))
        self._aim, self._told_s = aim, pilot.vehicle.time_s
        self._place, self._velocity = aim.place or _STILL, aim.velocity_mps or _STILL
        self._to_turn_rad = 0.0
        pilot.fixed_yaw = aim.nose != AHEAD
        if aim.nose.angle_rad is not None and aim.nose.relative:
            self._to_turn_rad = aim.nose.angle_rad
        elif aim.nose.angle_rad is not None:
            pilot.yaw_rad = aim.nose.angle_rad % math.tau

    # -- every step ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """One step after the aim; what moves ends GUID_TIMEOUT after it was told."""
        pilot, aim = self._pilot, self._aim
        late = pilot.vehicle.time_s - self._told_s > max(pilot.vehicle.params["GUID_TIMEOUT"], 0.1)
        if self.paused:
            self._hold(_STILL, _STILL)
            return
        if aim.place is not None and aim.velocity_mps is not None:
            self._pursue(*self._moved(late))
        elif aim.place is not None:
            self._approach()
        elif aim.velocity_mps is not None:
            self._hold(*self._moved(late))
        elif aim.accel_mps2 is not None and not late:
            self._gather(aim.accel_mps2)
        else:
            self._hold(_STILL, _STILL)
        self._turn(late)

    def _moved(self, late: bool) -> tuple[Point, Point]:
        """(velocity, acceleration) of this step; the place and the velocity move on."""
        if late:
            return _STILL, _STILL
        velocity, accel, dt = self._velocity, self._aim.accel_mps2 or _STILL, STEP_S
        along = tuple(v * dt + a * dt * dt / 2.0 for v, a in zip(velocity, accel, strict=True))
        self._place = self._place[0] + along[0], self._place[1] + along[1], self._place[2] + along[2]
        self._velocity = velocity[0] + accel[0] * dt, velocity[1] + accel[1] * dt, velocity[2] + accel[2] * dt
        return velocity, accel

    def _hold(self, velocity: Point, accel: Point) -> None:
        """Bring the velocity to this one, with an acceleration that is known beforehand."""
        self._pilot.slew(*velocity, self._pilot.vehicle.limits.accel_mps2, feed=accel)

    def _approach(self) -> None:
        """Towards a place that may be moved at any time, as fast as it can stop there."""
        pilot = self._pilot
        east, north, up = pilot.amsl_beneath(self._place, self._aim.terrain)
        pilot.pursue_level(east, north)
        pilot.climb_towards(up)
        pilot.fly_target()

    def _pursue(self, velocity: Point, accel: Point) -> None:
        """After a place that moves: its velocity, and what brings the target nearer to it."""
        pilot, t, limits = self._pilot, self._pilot.target, self._pilot.vehicle.limits
        (east, north, up), (v_east, v_north, v_up) = self._place, velocity
        jerk, jerk_z = limits.shaping_jerk_mps3, limits.shaping_jerk_z_mps3
        d_east, d_north, d_up = east - t.east_m, north - t.north_m, up - t.up_m
        far = math.hypot(d_east, d_north)
        share = min(limits.speed_mps, approach_mps(far, limits.accel_mps2, jerk)) / far if far > 0.0 else 0.0
        wish = v_east + d_east * share, v_north + d_north * share
        shape_level(t, *wish, limits.accel_mps2, jerk, accel[:2])
        nearer = approach_mps(abs(d_up), limits.accel_z_mps2, jerk_z)
        nearer = min(nearer, limits.climb_mps) if d_up > 0.0 else -min(nearer, limits.sink_mps)
        shape_climb(t, v_up + nearer, limits.accel_z_mps2, jerk_z, accel[2])
        pilot.fly_target()

    def _gather(self, accel: Point) -> None:
        """With an acceleration, up to the speeds of the waypoints."""
        pilot, t, limits = self._pilot, self._pilot.target, self._pilot.vehicle.limits
        gather_level(t, accel[0], accel[1], limits)
        pilot.climb_at(max(-limits.sink_mps, min(limits.climb_mps, t.v_up_mps + accel[2])))
        pilot.fly_target()

    def _turn(self, late: bool) -> None:
        """The nose: ahead, over to an angle, or round at a rate."""
        pilot, t, nose = self._pilot, self._pilot.target, self._aim.nose
        if self._to_turn_rad:
            most = _TURN_RADPS * STEP_S
            turn = max(-most, min(most, self._to_turn_rad))
            self._to_turn_rad -= turn
            pilot.yaw_rad = (pilot.yaw_rad + turn) % math.tau
        elif nose.rate_radps is not None and not nose.relative and not late:
            pilot.yaw_rad = (pilot.yaw_rad + nose.rate_radps * STEP_S) % math.tau
        elif math.hypot(t.v_east_mps, t.v_north_mps) > _MOVES_SHARE * pilot.vehicle.limits.speed_mps:
            pilot.face(math.atan2(t.v_east_mps, t.v_north_mps))
