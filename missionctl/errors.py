"""Errors of missionctl.

MissionError
└── WorkspaceError        a mission folder that cannot be opened, made or written
    └── JobError          a job that cannot start or go on
"""

from plans.errors import MissionError


class WorkspaceError(MissionError):
    """A mission folder that cannot be opened, made or written."""


class JobError(WorkspaceError):
    """A job that cannot start or go on."""
