"""Files on a vehicle (MAVFTP)."""
