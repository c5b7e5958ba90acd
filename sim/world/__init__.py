"""A flooded valley that never was, with the truth about it."""

from sim.world.analyst import paint_samples
from sim.world.make import make_world
from sim.world.store import World, load_world

__all__ = ["World", "load_world", "make_world", "paint_samples"]
