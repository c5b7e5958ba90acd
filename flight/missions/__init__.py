"""Missions, fences and rally points: up, down, and what a vehicle holds."""
