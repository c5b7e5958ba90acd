"""The layers of a mission, bottom to top, and how each is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gui.snapshot import RasterFile, Snapshot
from gui.tiles import RasterSource
from imagery.damage.legend import GRADES, ROAD_STATES, Entry, Legend, legend_of


@dataclass(frozen=True)
class LayerState:
    """How a layer is shown."""

    key: str
    shown: bool
    opacity: float = 1.0


DEFAULT_ORDER: tuple[LayerState, ...] = (
    LayerState("hillshade", True),
    LayerState("before", False),
    LayerState("mosaic", True),
    LayerState("classes", False, 0.6),
    LayerState("water", False),
    LayerState("roads", False),
    LayerState("buildings", False),
    LayerState("photos", False),
    LayerState("lanes", False),
    LayerState("track", False),
    LayerState("zones", True),
)
"""Bottom first. What is switched on here is on in every workspace until a person says otherwise."""

SHOWN_IN: dict[str, frozenset[str]] = {
    "plan": frozenset({"hillshade", "before", "lanes", "zones"}),
    "fly": frozenset({"hillshade", "before", "lanes", "zones"}),
    "map": frozenset({"hillshade", "mosaic", "photos", "track", "zones"}),
    "damage": frozenset({"hillshade", "mosaic", "classes", "roads", "buildings", "zones"}),
    "train": frozenset({"hillshade", "before", "lanes", "zones"}),
}
"""What a workspace shows at first; from then on each keeps its own switches."""

RASTER_KEYS = ("hillshade", "before", "mosaic", "classes")


def states_for(view: str) -> tuple[LayerState, ...]:
    """The layers as a workspace first shows them, bottom first."""
    return tuple(replace(s, shown=s.key in SHOWN_IN[view]) for s in DEFAULT_ORDER)


def raster_sources(snapshot: Snapshot) -> dict[str, RasterSource]:
    """The raster layers that the folder has, by key."""
    files: dict[str, tuple[RasterFile | None, str]] = {
        "hillshade": (snapshot.hillshade, "hillshade"),
        "before": (snapshot.before, "photo"),
        "mosaic": (snapshot.mosaic, "photo"),
        "classes": (snapshot.classes, "classes"),
    }
    colours = class_colours(class_legend(snapshot))
    return {
        key: RasterSource(file.path, kind, file.version, colours if kind == "classes" else ())
        for key, (file, kind) in files.items()
        if file is not None
    }


def class_legend(snapshot: Snapshot) -> Legend:
    """The classes of the newest damage map, the analysts' own among them."""
    try:
        return legend_of(snapshot.damage_report.get("legend", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Legend()


def class_colours(legend: Legend) -> tuple[tuple[int, int, int, int, int], ...]:
    """The legend's colours for the class raster; what was not analysed stays clear."""
    return tuple((e.code, *e.colour, 255) for e in legend.entries if e.code != 0)


def legends_of(snapshot: Snapshot) -> dict[str, tuple[Entry, ...]]:
    """What the legend of each layer has to explain: only what the newest damage map really has."""
    report = snapshot.damage_report
    classes = class_legend(snapshot).entries[1:]
    run = [f.values for f in snapshot.features["damage"] if f.values["run"] == snapshot.damage_run]
    found = {
        kind: {str(v["grade"]) for v in run if str(v["kind"]).startswith(kind)}
        for kind in ("building", "road")
    }
    return {
        "classes": tuple(e for e in classes if e.key in report.get("classes", {})),
        "buildings": tuple(e for e in GRADES if e.key in found["building"]),
        "roads": tuple(e for e in ROAD_STATES if e.key in found["road"]),
    }


def moved(states: Sequence[LayerState], order: Sequence[str]) -> tuple[LayerState, ...]:
    """The layers in a new order, bottom first; keys that `order` does not name keep their place."""
    by_key = {s.key: s for s in states}
    queue = [by_key[k] for k in order if k in by_key]
    named = {s.key for s in queue}
    return tuple(queue.pop(0) if s.key in named else s for s in states)
