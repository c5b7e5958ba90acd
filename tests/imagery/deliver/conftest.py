"""The flooded place of the damage tests, mapped: what there is to deliver."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

# The damage tests' scene is a conftest.py of another folder: pytest offers it to that folder alone.
_SPEC = importlib.util.spec_from_file_location(
    "damage_conftest", Path(__file__).parents[1] / "damage" / "conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_scene = importlib.util.module_from_spec(_SPEC)
sys.modules["damage_conftest"] = _scene
_SPEC.loader.exec_module(_scene)

place = _scene.place
all_inputs = _scene.all_inputs
mapped = _scene.mapped


@pytest.fixture(scope="session")
def folder(mapped) -> Path:
    """A damage folder with everything in it; do not write into it."""
    return mapped.folder


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the folder whose report has other values: copied(event="...")."""

    def copy(**values) -> Path:
        target = tmp_path / "damage"
        shutil.copytree(folder, target)
        report = json.loads((target / "report.json").read_text(encoding="utf-8"))
        (target / "report.json").write_text(json.dumps({**report, **values}), encoding="utf-8")
        return target

    return copy


@pytest.fixture(scope="session")
def bare(place, tmp_path_factory) -> Path:
    """The folder of a mosaic about which nothing else is known."""
    return _scene.map_damage(place.after, tmp_path_factory.mktemp("bare"), _scene.DamageOptions()).folder
