"""Errors of flight.

MissionError (plans.errors)
└── FlightError
    ├── LinkError         an address that cannot be read or opened, a link that is gone
    ├── NoVehicleError    nobody answers
    ├── RefusedError      the vehicle refused a command; carries its own reasons
    ├── TransferError     a mission, parameters, a file or a log that did not get across
    └── LogError          a recording that cannot be read or written
"""

from __future__ import annotations

from plans.errors import MissionError


class FlightError(MissionError):
    """Base of the faults that flight/ raises."""


class LinkError(FlightError):
    """An address that cannot be read or opened, or a link that is gone."""


class NoVehicleError(FlightError):
    """No vehicle answered in time."""


class RefusedError(FlightError):
    """The vehicle refused; `reasons` are its own words."""

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class TransferError(FlightError):
    """A mission, parameters, a file or a log that did not get across."""


class LogError(FlightError):
    """A recording that cannot be read or written."""
