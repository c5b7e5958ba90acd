"""Zones, terrain and cameras that the planning tests share. All in a frame at 30 N, 104 E."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from shapely import Polygon

from plans.cameras import Camera, find_camera
from plans.frames import LocalFrame
from plans.terrain import Terrain
from plans.zones import Zone

FRAME = LocalFrame(30.0, 104.0)
SHELL = [(0, 0), (1300, 0), (1300, 400), (700, 500), (1250, 700), (1200, 1100), (100, 1150), (250, 600)]
HOLES = [
    [(300, 200), (420, 190), (410, 330), (290, 310)],
    [(900, 800), (1000, 780), (1050, 900), (930, 940)],
    [(450, 700), (560, 690), (600, 800), (480, 840)],
]


def repeatable(examples: int) -> settings:
    """Hypothesis with the same examples on every run, and no clock."""
    return settings(derandomize=True, deadline=None, max_examples=examples, database=None)


def zone_of(polygon: Polygon, name: str = "zone") -> Zone:
    """A zone of a polygon in local metres."""
    return Zone(name, FRAME.geometry_to_geo(polygon))


def hills(amplitude_m: float = 70.0, step_m: float = 10.0, seed: int = 1, half_m: float = 2500.0) -> Terrain:
    """Smooth random relief about 1500 m AMSL around the frame's origin."""
    rng = np.random.default_rng(seed)
    n = int(2 * half_m / step_m)
    axis = np.linspace(0, 2 * np.pi, n)
    height = sum(
        rng.normal() * np.sin(i * axis[:, None] + j * axis[None, :] + rng.uniform(0, 6)) / (i + j)
        for i in range(1, 6)
        for j in range(1, 6)
    )
    height = np.asarray(height)
    return Terrain(FRAME, -half_m, half_m, step_m, 1500 + amplitude_m * height / height.std(), "hills")


@pytest.fixture(scope="session")
def frame() -> LocalFrame:
    return FRAME


@pytest.fixture(scope="session")
def camera() -> Camera:
    return find_camera("DJI Mavic 3E")


@pytest.fixture(scope="session")
def concave_zone() -> Zone:
    """1.1 km2, concave, three holes."""
    return zone_of(Polygon(SHELL, HOLES))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data (../shared/data) is not here")
    return folder
