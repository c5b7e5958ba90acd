"""The drones of a survey: one, several alike, or several kinds from several launch points."""

from __future__ import annotations

from dataclasses import dataclass, field

from plans.cameras import Camera
from plans.energy import Airframe, Battery
from plans.frames import GeoPoint


@dataclass(frozen=True)
class Drone:
    """One drone. Without `camera` it carries the survey's; without `launch` its crew may start each sortie
    from whichever launch point is best. `item_limit` is what its autopilot stores (None: any number)."""

    name: str = "drone"
    airframe: Airframe = field(default_factory=Airframe)
    battery: Battery = field(default_factory=Battery)
    camera: Camera | None = None
    launch: GeoPoint | None = None
    item_limit: int | None = None


@dataclass(frozen=True)
class Kit:
    """A drone as it flies a survey: its camera (turned, where it is mounted portrait), height above ground,
    ground speed, distance between photos on level ground, and which of the survey's launch points it may
    use."""

    drone: Drone
    camera: Camera
    height_m: float
    speed_mps: float
    trigger_m: float
    launches: tuple[int, ...]
