"""What keeps a flight safe: checks before, a watch during it."""
