"""MAVLink 2 message signing."""
