"""An ArduCopter-like autopilot: parameters, modes, missions, failsafes and its MAVLink face."""
