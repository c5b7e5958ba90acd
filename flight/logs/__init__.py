"""Logs of flights: on the vehicle, on this machine, and being written."""
