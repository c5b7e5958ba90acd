"""A flooded valley that never was, with the truth about it; or a real place."""

from sim.world.analyst import paint_samples
from sim.world.inundation import RealFlood
from sim.world.make import make_world
from sim.world.real import RealPlace, make_real_world
from sim.world.store import World, load_world

__all__ = ["RealFlood", "RealPlace", "World", "load_world", "make_real_world", "make_world", "paint_samples"]
