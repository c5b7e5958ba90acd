"""Layers as values: which are shown where, in what order."""

import pytest

from gui.layers import DEFAULT_ORDER, RASTER_KEYS, SHOWN_IN, moved, raster_sources, states_for
from gui.snapshot import read_snapshot
from gui.vectors import VECTOR_KEYS
from gui.window import VIEWS
from missionctl.workspace import Workspace

KEYS = [s.key for s in DEFAULT_ORDER]


def test_every_layer_has_a_place_in_the_order():
    assert sorted(KEYS) == sorted([*RASTER_KEYS, *VECTOR_KEYS])


@pytest.mark.parametrize("view", VIEWS)
def test_a_workspace_begins_with_its_own_layers(view):
    shown = {s.key for s in states_for(view) if s.shown}
    assert shown == SHOWN_IN[view]
    assert "zones" in shown


def test_moving_keeps_what_is_not_named():
    order = [k for k in KEYS if k != "mosaic"]
    order.insert(0, order.pop())  # zones to the bottom
    result = [s.key for s in moved(DEFAULT_ORDER, order)]
    assert sorted(result) == sorted(KEYS)
    assert result.index("mosaic") == KEYS.index("mosaic")
    assert result[0] == "zones"


def test_moving_with_an_unknown_key_is_harmless():
    assert moved(DEFAULT_ORDER, ["nothing", *KEYS]) == DEFAULT_ORDER


def test_the_rasters_of_a_folder(mission):
    sources = raster_sources(read_snapshot(Workspace.open(mission)))
    assert set(sources) == set(RASTER_KEYS)
    assert sources["classes"].kind == "classes"
    assert sources["classes"].colours


def test_a_folder_without_rasters_has_none(make_mission):
    assert raster_sources(read_snapshot(Workspace.open(make_mission(rasters=False)))) == {}
