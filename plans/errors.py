"""Errors that a person can act on.

    MissionError              anything that is the input's, the vehicle's or the machine's fault
    └── PlanningError         (this package)
        ├── ZoneError         a zone that cannot be read or flown
        ├── CameraError       an unknown or impossible camera
        ├── TerrainError      a DEM that cannot be read or does not cover the work area
        ├── SurveyError       settings with which no survey can be flown
        └── PlanFileError     a plan file that cannot be read or written

Every package hangs its own base class under `MissionError`. The message is one line: what is wrong, with
what, and what to do. The command line prints it and exits with 2; anything else that escapes is a bug.
"""


class MissionError(Exception):
    """Base of every fault that is not a bug: one line that names the thing and what to do."""


class PlanningError(MissionError):
    """Base of the faults that plans/ raises."""


class ZoneError(PlanningError):
    """A zone file or polygon that cannot be read, repaired or flown."""


class CameraError(PlanningError):
    """A camera that is unknown or whose numbers make no sense."""


class TerrainError(PlanningError):
    """A DEM that cannot be read or does not cover the work area."""


class SurveyError(PlanningError):
    """Survey settings with which nothing can be flown."""


class PlanFileError(PlanningError):
    """A plan file that cannot be read or written."""
