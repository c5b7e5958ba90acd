"""Plan files: QGroundControl .plan, Mission Planner .waypoints, DJI WPML .kmz, KML and GeoJSON."""

from plans.formats.convert import PLAN_SUFFIXES, read_mission, write_mission, write_plan

__all__ = ["PLAN_SUFFIXES", "read_mission", "write_mission", "write_plan"]
