"""A simulated PX4: its modes, checks, missions, flying and MAVLink, behind sim.autopilot.craft and speech."""
