"""What a damage run is given, and how that is told on every file that it makes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.damage.decisions import Decision

VERSION = 1


@dataclass(frozen=True)
class DamageOptions:
    """What there is to work with; every input is optional and gives the products it allows."""

    before: Path | None = None
    dem: Path | None = None
    footprints: Path | None = None
    roads: Path | None = None
    townships: Path | None = None
    county: Path | None = None
    """Areas above the townships: their figures are the townships' sums."""
    land_use: Path | None = None
    """Parcels with a kind of use, to say what lies under water."""
    population: Path | None = None
    rivers: Path | None = None
    """Lines or areas with water at all times: a road over them is a bridge."""
    villages: Path | None = None
    """Points or areas with a name, to say which the roads still reach; areas get figures too."""
    safe: Path | None = None
    """Places from where help comes; without them the edge of the map."""
    earlier: tuple[Path, ...] = ()
    """Damage folders of earlier reports on the same ground, to say what changed since."""
    flood_began_utc: dt.datetime | None = None
    """When the water came, if somebody knows: bounds how long it stood."""
    decisions: tuple[Decision, ...] = ()
    """What analysts decided before; it stands over what the picture suggests."""
    samples: Path | None = None
    own_classes: Path | None = None
    """Folder of the analysts' own classes; by default beside the samples that the damage folder keeps."""
    model: Path | None = None
    analyst: str = ""
    event: str = ""
    acquired_utc: dt.datetime | None = None
    work_pixel_m: float | None = None
    seed: int = 0


def method_of(options: DamageOptions) -> str:
    """How the ground classes came about, in words."""
    if options.model is not None:
        return f"segmentation model {options.model.name}"
    if options.samples is not None:
        return "forest of randomised trees on painted samples"
    return "no classification"


def inputs_of(options: DamageOptions) -> dict[str, str]:
    """File names of the inputs that were given."""
    names = (
        "before",
        "dem",
        "footprints",
        "roads",
        "townships",
        "county",
        "land_use",
        "population",
        "rivers",
        "villages",
        "safe",
        "samples",
        "model",
    )
    return {n: Path(getattr(options, n)).name for n in names if getattr(options, n) is not None}


def digests_of(mosaic: Path, options: DamageOptions) -> dict[str, str]:
    """SHA-256 of every file that went in, by file name: which mosaic this was can be proved later."""
    names = (*inputs_of(options),)
    files = [mosaic, *(Path(getattr(options, name)) for name in names)]
    return {path.name: _digest(path) for path in files if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def raster_tags(mosaic: Path, options: DamageOptions, produced: dt.datetime) -> dict[str, str]:
    """Tags of the rasters: who says so, by what, when."""
    tags = {
        "MOSAIC": mosaic.name,
        "METHOD": method_of(options),
        "ANALYST": options.analyst,
        "EVENT": options.event,
        "PRODUCED_UTC": produced.isoformat(timespec="seconds"),
        "ACQUIRED_UTC": options.acquired_utc.isoformat(timespec="seconds") if options.acquired_utc else "",
        "SOURCES": json.dumps(digests_of(mosaic, options), ensure_ascii=False),
        "VERSION": str(VERSION),
        "NOTICE": "Preliminary image interpretation, not verified in the field",
    }
    return {key: value for key, value in tags.items() if value}


def vector_columns(mosaic: Path, options: DamageOptions, produced: dt.datetime) -> dict[str, Any]:
    """Columns that every feature carries: who says so, by what, when."""
    return {
        "source": mosaic.name,
        "method": method_of(options),
        "analyst": options.analyst or None,
        "time_utc": produced.isoformat(timespec="seconds"),
        "version": VERSION,
    }
