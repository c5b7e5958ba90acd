"""What can go wrong in the simulator for reasons outside it.

MissionError              (plans)
└── SimError              (this package)
    ├── SettingsError     settings with which no vehicle can be simulated
    ├── ListenError       an address that cannot be understood or opened
    ├── ScenarioError     a scenario file that cannot be read
    ├── SitlError         a real autopilot's simulator that ended by itself
    ├── WorldError        a world folder that cannot be made or read
    └── PhotoError        a photo that cannot be rendered or written
"""

from plans.errors import MissionError


class SimError(MissionError):
    """Base of the faults that sim/ raises."""


class SettingsError(SimError):
    """Settings with which no vehicle can be simulated."""


class ListenError(SimError):
    """A listen address that cannot be understood or opened."""


class ScenarioError(SimError):
    """A scenario file that cannot be read or contradicts itself."""


class WorldError(SimError):
    """A world folder that cannot be made or read."""


class PhotoError(SimError):
    """A photo that cannot be rendered or written."""


class SitlError(SimError):
    """A real autopilot's simulator that could not go on."""
