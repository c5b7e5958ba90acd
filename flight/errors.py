"""Errors of the ground station.

    MissionError (plans.errors)
    └── FlightError               anything between the station and the vehicle
        ├── AddressError          a connection address that is not understood
        ├── LinkError             a port that cannot be opened, or a link that is gone
        ├── NoVehicleError        nobody answered
        ├── DisputedError         two vehicles speak under one system id
        ├── CommandError          a command that the vehicle refused or did not answer
        │   ├── ArmingError       arming refused, with the vehicle's own reasons
        │   ├── NotConfirmedError something dangerous that nobody confirmed for this vehicle
        │   ├── SatelliteLinkError only a satellite link works, which does not carry this
        │   ├── NotSeenError      accepted, but telemetry does not show that it is done
        │   └── OvertakenError    given up for a more urgent command of the same kind
        ├── TransferError         a mission exchange that did not end well
        ├── PlanFaultsError       a plan that must not be uploaded, with its faults
        ├── ChecklistError        a vehicle that must not be armed, with what does not pass
        ├── ParameterError        a parameter that is unknown or was not taken
        ├── CameraError           a camera that is not there, cannot do it, or did not
        ├── LogError              a log that cannot be listed, fetched or read
        │   ├── LogPartsError         it cannot be read in parts: only the whole tells
        │   └── OtherFlightError      it is not of this flight
        ├── FileError             a file on the vehicle that cannot be listed, fetched or written
        │   ├── NoFileServerError     the vehicle does no file transfer, or not that part of it
        │   ├── FileServerSilentError the file server stopped answering
        │   ├── FileServerBusyError   somebody else has all its sessions
        │   ├── FileMissingError      no such file or folder on the vehicle
        │   ├── FilePresentError      there is one of that name already
        │   ├── FileProtectedError    it may not be changed
        │   ├── CardFullError         no room left on the vehicle
        │   ├── SessionLostError      the vehicle closed the file under us
        │   ├── FileChangedError      what came is not what the vehicle holds now
        │   └── FileAnswerError       an answer that makes no sense
        ├── SigningError          a key that cannot be used, or a vehicle that does not take it
        ├── ScriptError           a DroneKit script that cannot be run
        ├── FlightStopped         the flight was given up by the person in charge
        └── FlightAborted         the vehicle did not do what the mission says

Every message is one line: what is wrong, with what, and what to do.
"""

from __future__ import annotations

from plans.errors import MissionError
from plans.mission import MissionItem


class FlightError(MissionError):
    """Base of the faults that flight/ raises."""


class AddressError(FlightError):
    """A connection address that is not understood."""


class LinkError(FlightError):
    """A port that cannot be opened, or a link that is gone."""


class NoVehicleError(FlightError):
    """Nobody answered within the time limit."""


class DisputedError(FlightError):
    """Two vehicles speak under one system id: neither may be commanded."""


class CommandError(FlightError):
    """A command that the vehicle refused or did not answer. `result`: MAV_RESULT, None without an answer."""

    def __init__(self, message: str, result: int | None = None) -> None:
        super().__init__(message)
        self.result = result


class ArmingError(CommandError):
    """Arming was refused. `reasons` are the vehicle's own words."""

    def __init__(self, message: str, result: int | None = None, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message, result)
        self.reasons = reasons


class NotConfirmedError(CommandError):
    """Something dangerous that nobody confirmed for this vehicle; nothing was sent."""


class NotSeenError(CommandError):
    """The vehicle accepted, but its telemetry does not show that it does it."""


class OvertakenError(CommandError):
    """Given up for a more urgent command of the same kind."""


class TransferError(FlightError):
    """A mission exchange that did not end well.

    `result` is MAV_MISSION_RESULT, None without an answer. `kind` is MAV_MISSION_TYPE. After an upload `held`
    is the list that the vehicle holds now, None where that is not known.
    """

    def __init__(
        self,
        message: str,
        result: int | None = None,
        kind: int = 0,
        held: tuple[MissionItem, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.result = result
        self.kind = kind
        self.held = held


class PlanFaultsError(FlightError):
    """A plan that must not be uploaded. `faults` has a line for each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        super().__init__(f"the plan cannot be flown: {'; '.join(faults[:3])}{more}")
        self.faults = faults


class ChecklistError(FlightError):
    """A vehicle that must not be armed. `failed` has the key and a line for each check that does not pass."""

    def __init__(self, failed: tuple[tuple[str, str], ...]) -> None:
        lines = "; ".join(f"{key}: {line}" for key, line in failed)
        super().__init__(f"not ready to fly: {lines} (--accept KEY flies all the same)")
        self.failed = failed


class ParameterError(FlightError):
    """A parameter that is unknown or was not taken."""


class CameraError(FlightError):
    """A camera that is not there, cannot do what was asked, or did not do it."""


class LogError(FlightError):
    """A log that cannot be listed, fetched or read."""


class LogPartsError(LogError):
    """A log that cannot be read in parts: only the whole tells."""


class OtherFlightError(LogError):
    """A log that is not of this flight."""


class FileError(FlightError):
    """A file on the vehicle that cannot be listed, fetched or written. `code` is the vehicle's error number
    (MAV_FTP_ERR), None where the fault is not its answer."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NoFileServerError(FileError):
    """The vehicle does no file transfer, or not that part of it."""


class FileServerSilentError(FileError):
    """The file server stopped answering."""


class FileServerBusyError(FileError):
    """Somebody else has all its sessions."""


class FileMissingError(FileError):
    """No such file or folder on the vehicle."""


class FilePresentError(FileError):
    """There is a file or folder of that name already."""


class FileProtectedError(FileError):
    """The file or folder may not be changed."""


class CardFullError(FileError):
    """No room is left on the vehicle."""


class SessionLostError(FileError):
    """The vehicle has closed the file under us."""


class FileChangedError(FileError):
    """What came is not what the vehicle holds now."""


class FileAnswerError(FileError):
    """An answer that makes no sense."""


class SatelliteLinkError(CommandError):
    """Only a satellite link reaches the vehicle, which carries commands alone; nothing was sent."""


class SigningError(FlightError):
    """A key that cannot be used, or a vehicle that does not take it. Never tells anything of the key."""


class ScriptError(FlightError):
    """A DroneKit script that cannot be run."""


class FlightStopped(FlightError):  # noqa: N818 - a decision, not a fault
    """The flight was given up by the person in charge."""


class FlightAborted(FlightError):  # noqa: N818 - named for what happened
    """The vehicle did not do what the mission says."""
