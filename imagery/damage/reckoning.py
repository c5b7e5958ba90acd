"""The stage that shares out what was found among units that nest, and holds it against earlier reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.damage import series
from imagery.damage.legend import Entry
from imagery.damage.objects import Found
from imagery.damage.options import DamageOptions
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import People, Township
from imagery.damage.units import Evidence, Unit, pieces_of, unit_layer, units_of
from imagery.damage.vector_in import VectorLayer
from imagery.damage.vector_out import OutLayer
from imagery.errors import DamageError


@dataclass(frozen=True)
class Reckoned:
    """Figures of units, and what changed since earlier reports (None without any)."""

    units: tuple[Unit, ...]
    since: dict[str, Any] | None
    notes: tuple[str, ...] = ()

    def layer(self, common: Mapping[str, Any]) -> OutLayer | None:
        """The units for damage.gpkg where they say more than its townships; `common` stands on each."""
        if not self.units or (self.units[-1].level == "township" and self.units[0].figures.land_m2 is None):
            return None
        return unit_layer(self.units, common)

    def onto(self, figures: dict[str, Any], townships: Sequence[Township], folder: Path) -> dict[str, Any]:
        """report.json's figures with `units` and `since`, and on each area its own `since_m2`."""
        units = [unit.report() for unit in self.units]
        towns = figures["townships"]
        if self.since is not None:
            for row, unit in zip(units, self.units, strict=True):
                parts = series.by_area(folder, unit.areas)
                row["since_m2"] = {key: round(sum(p[key] for p in parts), 1) for key in parts[0]}
            moved = series.by_area(folder, [t.area for t in townships])
            towns = [{**town, "since_m2": areas} for town, areas in zip(towns, moved, strict=True)]
        return {**figures, "townships": towns, "units": units, "since": self.since,
                "notes": [*figures["notes"], *self.notes]}  # fmt: skip


def reckoned(
    folder: Path,
    out_dir: Path,
    grid: GeoGrid,
    levels: Mapping[str, VectorLayer | None],
    land_use: VectorLayer | None,
    found: Found,
    people: People | None,
    known: Sequence[Entry],
    options: DamageOptions,
    seen_utc: dt.datetime,
    tags: Mapping[str, str],
) -> Reckoned:
    """Share out the rasters of `folder` and what was found on them; writes since.tif and duration.tif there
    when there are earlier reports."""
    classes, depth = folder / "classes.tif", folder / "depth.tif"
    evidence = Evidence(
        folder / "not_analysed.tif",
        classes if classes.exists() else None,
        depth if depth.exists() else None,
        found.buildings or None,
        found.roads if options.roads and classes.exists() else None,
        people,
        known,
    )
    rows = units_of(pieces_of(levels, grid.outline), evidence, land_use)
    notes: list[str] = []
    since = _since(folder, out_dir, grid, options, seen_utc, tags, notes) if classes.exists() else None
    return Reckoned(rows, since, tuple(notes))


def _since(
    folder: Path,
    out_dir: Path,
    grid: GeoGrid,
    options: DamageOptions,
    seen_utc: dt.datetime,
    tags: Mapping[str, str],
    notes: list[str],
) -> dict[str, Any] | None:
    others = [path for path in options.earlier if path.resolve() != out_dir.resolve()]
    cells = series.series_grid(grid)
    earlier, seen = [], []
    for report in series.sightings(others):
        if report.seen_utc >= seen_utc:
            continue
        try:
            seen.append((report.seen_utc, series.states(report.classes, cells)))
        except DamageError as error:  # an old map must not hold up a new one
            notes.append(f"An earlier report was left out of the comparison: {error}")
            continue
        earlier.append(report)
    if not earlier:
        return None
    seen.append((seen_utc, series.states(folder / "classes.tif", cells)))
    found = series.compare(seen, cells, options.flood_began_utc)
    series.write_since(folder, found, tags)
    return series.since_report(found, seen_utc, earlier, options.flood_began_utc)
