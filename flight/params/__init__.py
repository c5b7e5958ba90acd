"""Parameters of a vehicle."""
