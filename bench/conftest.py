"""What the benches share: where the real data lies, and a way to say a figure."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def brighton():
    """The folder of 18 real photos of 9 Mpx."""
    folder = SHARED / "brighton" / "images"
    if not folder.is_dir():
        pytest.skip("the real photos are not here (../shared/data/brighton)")
    return folder


@pytest.fixture
def tell(capsys):
    """Print a figure past pytest's capture."""

    def say(line):
        with capsys.disabled():
            print(f"\n  {line}", end="")

    return say
