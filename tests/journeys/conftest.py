"""The command line as the tests of missionctl run it."""

from tests.missionctl.conftest import complaint, run, run_json

__all__ = ["complaint", "run", "run_json"]
