"""The drones of a survey: one, several alike, or several kinds from several launch points."""

from __future__ import annotations

from dataclasses import dataclass, field

from plans.cameras import Camera
from plans.capacity import count_items, item_capacity
from plans.energy import Airframe, Battery
from plans.frames import GeoPoint
from plans.mission import Mission


@dataclass(frozen=True)
class Drone:
    """One drone. Without `camera` it carries the survey's; without `launch` its crew may start each sortie
    from whichever launch point is best. `autopilot` (a name of plans.capacity) says how many mission items it
    holds and which count; without it `item_limit` does, and without that it holds any number."""

    name: str = "drone"
    airframe: Airframe = field(default_factory=Airframe)
    battery: Battery = field(default_factory=Battery)
    camera: Camera | None = None
    launch: GeoPoint | None = None
    autopilot: str | None = None
    item_limit: int | None = None

    @property
    def memory(self) -> int | None:
        """The most slots that one flight may take; None for any number."""
        return self.item_limit if self.autopilot is None else item_capacity(self.autopilot)

    def slots(self, mission: Mission) -> int:
        """The slots that a mission takes in this drone's autopilot or app."""
        return len(mission.items) if self.autopilot is None else count_items(mission, self.autopilot)

    @property
    def counts_waypoints_alone(self) -> bool:
        """Whether camera and speed orders take no slots: so in DJI's apps."""
        return self.autopilot is not None and self.autopilot.startswith("dji")


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
