"""What a mission folder holds at one moment, as an immutable value. Read in a worker thread; knows no Qt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rasterio
import shapely
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from missionctl.geopackage import Feature
from missionctl.jobs import JobState, list_jobs
from missionctl.workspace import MissionConfig, Workspace
from plans.errors import MissionError
from plans.frames import GeoPoint, LocalFrame

RASTER_FAULTS: tuple[type[Exception], ...] = (RasterioError, CPLE_BaseError, OSError)
"""What rasterio raises for a file that cannot be read; GDAL's own errors come through it bare."""

_WATCHED = ("mosaics/*.tif", "damage/*/*.tif", "damage/*/report.json", "flights/*", "flights/*/photos")


@dataclass(frozen=True)
class RasterFile:
    """A raster of the mission. `version` changes when the file is replaced."""

    path: Path
    version: int


@dataclass(frozen=True)
class Snapshot:
    """A mission folder as read. Features have lon/lat geometries, oldest first."""

    path: Path
    config: MissionConfig
    frame: LocalFrame | None
    bounds: tuple[float, float, float, float] | None
    """West, south, east, north in metres of the frame: what "the whole mission" is."""
    features: Mapping[str, Sequence[Feature]]
    hillshade: RasterFile | None
    before: RasterFile | None
    mosaic: RasterFile | None
    mosaics: tuple[RasterFile, ...]
    classes: RasterFile | None
    damage_run: str
    damage_report: Mapping[str, Any]
    photos_on_disk: int
    world: Path | None
    """The simulated county of a training mission."""
    jobs: tuple[JobState, ...]
    faults: tuple[str, ...] = field(default=())
    """One plain line for each thing that the folder names and that cannot be read."""


def signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes when something that a snapshot shows has changed on disk."""
    found = [path / "mission.toml", path / "mission.gpkg", path / "mission.gpkg-wal"]
    for pattern in _WATCHED:
        found += sorted(path.glob(pattern))
    marks = []
    for file in found:
        try:
            stat = file.stat()
        except OSError:
            continue
        # A reader's own empty write-ahead log is no change.
        if file.name.endswith("-wal") and stat.st_size == 0:
            continue
        marks.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(marks)


def read_snapshot(workspace: Workspace) -> Snapshot:
    """Read a folder. Raises WorkspaceError when its files are damaged; lesser faults stand in `faults`."""
    faults: list[str] = []
    config = workspace.config
    layers = ("zones", "plans", "flights", "photos", "damage")
    features = {name: workspace.features(name) for name in layers}
    mosaics = _mosaics(workspace.path)
    run = _newest_run(workspace.path)
    classes = run / "classes.tif" if run else None
    hillshade = _input(workspace, "dem", faults)
    before = _input(workspace, "before_ortho", faults)
    world = _named(workspace, "world", faults)
    frame = config.frame or _frame_from(features, [*mosaics[-1:], hillshade, before])
    return Snapshot(
        path=workspace.path,
        config=config,
        frame=frame,
        bounds=_bounds(frame, features, [hillshade, before, *mosaics[-1:]]) if frame else None,
        features=features,
        hillshade=hillshade,
        before=before,
        mosaic=mosaics[-1] if mosaics else None,
        mosaics=tuple(mosaics),
        classes=_raster(classes) if classes and classes.exists() else None,
        damage_run=run.name if run else "",
        damage_report=_json(run / "report.json", faults) if run else {},
        photos_on_disk=sum(1 for _ in workspace.path.glob("flights/*/photos/*.[jJ][pP][gG]")),
        world=world,
        jobs=tuple(list_jobs(workspace)),
        faults=tuple(faults),
    )


def _raster(path: Path) -> RasterFile:
    stat = path.stat()
    return RasterFile(path, stat.st_mtime_ns ^ stat.st_size)


def _named(workspace: Workspace, name: str, faults: list[str]) -> Path | None:
    try:
        return workspace.input(name)
    except MissionError as error:
        faults.append(str(error))
        return None


def _input(workspace: Workspace, name: str, faults: list[str]) -> RasterFile | None:
    path = _named(workspace, name, faults)
    try:
        return _raster(path) if path else None
    except OSError as error:
        faults.append(f"{path}: cannot be read ({error.strerror})")
        return None


def _mosaics(path: Path) -> list[RasterFile]:
    """Mosaics, oldest first; the companions NAME.source.tif beside a NAME.tif are not mosaics."""
    files = [f for f in path.glob("mosaics/*.tif") if not f.name.startswith(".")]
    names = {f.name for f in files}
    whole = [f for f in files if "." not in f.stem or f.stem.rsplit(".", 1)[0] + ".tif" not in names]
    return [_raster(f) for f in sorted(whole, key=lambda f: f.stat().st_mtime_ns)]


def _newest_run(path: Path) -> Path | None:
    runs = [f.parent for f in path.glob("damage/*/classes.tif")]
    return max(runs, key=lambda r: (r / "classes.tif").stat().st_mtime_ns, default=None)


def _json(path: Path, faults: list[str]) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        faults.append(f"{path.name}: cannot be read ({error})")
        return {}
    return data if isinstance(data, dict) else {}


def report_of(row: Feature) -> Mapping[str, Any]:
    """The report that a plan's or a flight's row carries; empty when it has none that can be read."""
    try:
        data = json.loads(row.values["report_json"] or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _shapes(features: Mapping[str, Sequence[Feature]]) -> list[shapely.Geometry]:
    return [
        f.geometry
        for name in ("zones", "plans", "flights", "photos", "damage")
        for f in features[name]
        if f.geometry is not None and not f.geometry.is_empty
    ]


def _frame_from(
    features: Mapping[str, Sequence[Feature]], rasters: Sequence[RasterFile | None]
) -> LocalFrame | None:
    """A frame for a mission that does not name one: around its zones, else around its rasters."""
    shapes = _shapes(features)
    if shapes:
        west, south, east, north = shapely.total_bounds(shapes)
        return LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])
    for raster in rasters:
        if raster is None:
            continue
        try:
            with rasterio.open(raster.path) as dataset:
                if dataset.crs is None:
                    continue
                west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
        except RASTER_FAULTS:
            continue
        return LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])
    return None


def _bounds(
    frame: LocalFrame, features: Mapping[str, Sequence[Feature]], rasters: Sequence[RasterFile | None]
) -> tuple[float, float, float, float] | None:
    """The zones with a margin; without zones all shapes; without shapes the rasters."""
    zones = [f.geometry for f in features["zones"] if f.geometry is not None]
    shapes = zones or _shapes(features)
    if shapes:
        west, south, east, north = shapely.total_bounds([frame.geometry_to_local(s) for s in shapes])
        margin = 0.06 * max(east - west, north - south, 10.0)
        return west - margin, south - margin, east + margin, north + margin
    for raster in rasters:
        if raster is None:
            continue
        try:
            with rasterio.open(raster.path) as dataset:
                if dataset.crs is not None:
                    return transform_bounds(dataset.crs, frame.crs.to_wkt(), *dataset.bounds)
        except RASTER_FAULTS:
            continue
    return None
