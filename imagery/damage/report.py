"""report.json: what was found, how, and how sure it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagery.damage import classify, register, statistics
from imagery.damage.analysable import ANALYSIS, SEEN
from imagery.damage.depth import DepthMap, HighWater
from imagery.damage.ground_pass import Counts
from imagery.damage.legend import CHANGES, ROAD_STATES, ROADS_CUT, Legend
from imagery.damage.objects import Found
from imagery.damage.options import VERSION, DamageOptions, inputs_of, method_of
from imagery.damage.roads import cut_length_m
from imagery.damage.samples import Samples
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import People, Township
from imagery.damage.suggest import PaintNext


@dataclass(frozen=True)
class Learnt:
    """What a forest was grown on, what is known of it, and where painting more would help."""

    samples: Samples
    version: int
    accuracy: classify.Accuracy | None
    retrained: classify.Retrained | None
    paint_next: tuple[PaintNext, ...]


def report_of(
    mosaic: Path,
    grid: GeoGrid,
    options: DamageOptions,
    counts: Counts,
    depth: DepthMap | None,
    peak: HighWater | None,
    found: Found,
    townships: Sequence[Township],
    people: People | None,
    notes: list[str],
    produced: dt.datetime,
    learnt: Learnt | None,
    comparison: tuple[register.Registration, register.ColourMatch] | None,
    legend: Legend,
) -> dict[str, Any]:
    """The keys of the contract first, then how it was made and how sure it is."""
    classes = statistics.class_areas(counts.classes, grid, legend.entries)
    buildings, roads = found.buildings, found.roads
    figures: dict[str, Any] = {
        "classes": classes,
        "buildings": statistics.count_grades(buildings) if buildings and counts.classes else {},
        "footprints": buildings[0].origin if buildings else None,
        "buildings_flooded": sum(b.flooded for b in buildings),
        "buildings_flood_trace": sum(b.flood_trace for b in buildings),
        "roads_m": round(sum(r.length_m for r in roads), 1),
        "roads_cut_m": round(cut_length_m(tuple(roads)), 1) if options.roads and counts.classes else None,
        "road_cuts": {
            e.key: sum(c.state == e.key for c in found.cuts) for e in ROAD_STATES if e.key in ROADS_CUT
        },
        "places": [place.report() for place in found.places],
        "water_area_m2": classes.get("water", {}).get("area_m2", 0.0) if counts.classes else None,
        "depth_m": depth.statistics() if depth else None,
        "depth_classes_m2": depth.class_areas_m2() if depth else None,
        "high_water": _high_water(peak) if peak else None,
        "legend": legend.plain(),
        "changes": _changes(counts, grid),
        "townships": [t.report() for t in townships],
        "people_exposed": people.total_exposed if people else None,
        "people_not_seen": people.total_unseen if people else None,
    }
    analysed = counts.analysis.get(SEEN, 0)
    figures |= {
        "analysed_m2": round(analysed * grid.cell_m2, 1),
        "not_analysed_m2": round((sum(counts.analysis.values()) - analysed) * grid.cell_m2, 1),
        "not_analysed_by_reason_m2": {
            e.key: round(counts.analysis[e.code] * grid.cell_m2, 1)
            for e in ANALYSIS[1:]
            if counts.analysis.get(e.code)
        },
        "confidence_mean": round(counts.confidence_sum / max(sum(counts.classes.values()), 1) / 100, 3),
        "accuracy": asdict(learnt.accuracy) if learnt and learnt.accuracy else None,
        "registration": _registration(comparison),
        "samples": learnt.samples.counts() if learnt else None,
        "samples_version": learnt.version if learnt else None,
        "retrained": asdict(learnt.retrained) if learnt and learnt.retrained else None,
        "paint_next": [asdict(place) for place in learnt.paint_next] if learnt else [],
        "notes": notes,
        "mosaic": str(Path(mosaic).resolve()),
        "inputs": inputs_of(options),
        "method": method_of(options),
        "analyst": options.analyst,
        "event": options.event,
        "acquired_utc": options.acquired_utc.isoformat() if options.acquired_utc else None,
        "produced_utc": produced.isoformat(timespec="seconds"),
        "pixel_m": grid.pixel_m,
        "crs": grid.crs.to_wkt(),
        "version": VERSION,
        "verified": False,
    }
    return figures


def _high_water(peak: HighWater) -> dict[str, Any]:
    return {
        "trace_m2": round(peak.trace_m2, 1),
        "depth_m": peak.depth.statistics(),
        "fallen_m": None if peak.fallen_m is None else round(peak.fallen_m, 2),
    }


def _changes(counts: Counts, grid: GeoGrid) -> dict[str, dict[str, float]]:
    total = sum(n for code, n in counts.changes.items() if code)
    return {
        e.key: {
            "value": e.code,
            "area_m2": round(counts.changes[e.code] * grid.cell_m2, 1),
            "share": round(counts.changes[e.code] / total, 6),
        }
        for e in CHANGES[1:]
        if counts.changes.get(e.code)
    }


def _registration(
    comparison: tuple[register.Registration, register.ColourMatch] | None,
) -> dict[str, Any] | None:
    if comparison is None:
        return None
    found, colours = comparison
    return {
        "shift_m": [round(v, 3) for v in found.shift_m],
        "rms_m": round(found.rms_m, 3),
        "tiles_used": found.tiles_used,
        "tiles": found.tiles,
        "unchanged_cells": colours.cells,
        "misplaced_m2": round(found.misplaced_m2, 1),
    }
