"""Flights from first contact to the landing."""
