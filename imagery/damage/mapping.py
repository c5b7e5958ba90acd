"""From a mosaic to a damage folder: the list of stages."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from imagery.damage import classify, coarse, ground_pass, register, statistics, suggest, versions
from imagery.damage.buildings import GradedBuilding
from imagery.damage.depth import (
    DepthMap,
    HighWater,
    dem_cell_m,
    depth_grid,
    map_depth,
    map_high_water,
    read_dem,
    relief_of,
)
from imagery.damage.found import write_found
from imagery.damage.ground_pass import DEPTH_KIND, PEAK_KIND, Before, Classifier, Inputs, Pictures, Relief
from imagery.damage.hand import read_drainage
from imagery.damage.legend import BUILDING, DEBRIS, MUD, WATER, Entry, Legend
from imagery.damage.objects import Found, Given, grade_objects
from imagery.damage.onnx_model import load_model
from imagery.damage.options import DamageOptions, raster_tags, vector_columns
from imagery.damage.own_classes import OwnClasses
from imagery.damage.rasters import Layers, RasterKind, raster_sink
from imagery.damage.reckoning import reckoned
from imagery.damage.report import Learnt, report_of
from imagery.damage.roads import RoadStretch
from imagery.damage.samples import Samples, read_samples
from imagery.damage.scene import GeoGrid, acquired_of, grid_of
from imagery.damage.statistics import People, Township
from imagery.damage.vector_in import VectorLayer, read_layer
from imagery.errors import DamageError

Progress = Callable[[str, float], None]

_PLACES = ("Point", "MultiPoint", "Polygon", "MultiPolygon")
_WATERS = ("LineString", "MultiLineString", "Polygon", "MultiPolygon")
PRODUCTS = (
    "classes.tif", "confidence.tif", "not_analysed.tif", "depth.tif", "depth_peak.tif", "change.tif",
    "since.tif", "duration.tif", "damage.gpkg", "report.json",
)  # fmt: skip


@dataclass(frozen=True)
class DamageReport:
    """What was found, and the folder it was written to."""

    folder: Path
    figures: dict[str, Any] = field(repr=False)

    def report(self) -> dict[str, Any]:
        """The content of report.json."""
        return self.figures


def map_damage(
    mosaic: Path, out_dir: Path, options: DamageOptions, on_progress: Progress | None = None
) -> DamageReport:
    """Map damage on a mosaic; writes the products its inputs allow into `out_dir`.

    Everything appears under its final name only when all of it is done; products of an earlier run that this
    one does not make are removed, so that the folder always tells one story.

    Raises DamageError (an input that is missing or does not fit) or RasterError (a folder that cannot be
    written).
    """
    mosaic, out_dir = Path(mosaic), Path(out_dir)
    progress = on_progress or _silent
    started = time.monotonic()
    grid = grid_of(mosaic, _work_pixel(options, out_dir))
    if options.acquired_utc is None:
        options = replace(options, acquired_utc=acquired_of(mosaic))
    staging = _staging(out_dir)
    try:
        figures = _run(mosaic, out_dir, staging, grid, options, progress)
        figures["seconds"] = round(time.monotonic() - started, 2)
        (staging / "report.json").write_text(
            json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        _publish(staging, out_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    progress("done", 1.0)
    return DamageReport(out_dir, figures)


def _silent(stage: str, share: float) -> None:
    del stage, share


def _work_pixel(options: DamageOptions, out_dir: Path) -> float | None:
    if options.model is not None:
        return load_model(options.model, _own(options, out_dir).legend()).pixel_m
    return options.work_pixel_m


def _own(options: DamageOptions, out_dir: Path) -> OwnClasses:
    return OwnClasses(options.own_classes or out_dir / "samples" / "classes")


def _staging(out_dir: Path) -> Path:
    staging = out_dir / f".damage.part{os.getpid()}"
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
    except OSError as error:
        raise DamageError(
            f"{out_dir}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    return staging


def _publish(staging: Path, out_dir: Path) -> None:
    """Rename the finished files into place, report.json last."""
    made = sorted(p.name for p in staging.iterdir() if not p.name.startswith("."))
    stale = [*PRODUCTS, *(f"{name}.aux.xml" for name in PRODUCTS)]
    try:
        for name in stale:
            if name not in made:
                (out_dir / name).unlink(missing_ok=True)
        for name in sorted(made, key=lambda n: n == "report.json"):
            os.replace(staging / name, out_dir / name)
    except OSError as error:
        raise DamageError(
            f"{out_dir}: cannot be written ({error.strerror}); choose another folder"
        ) from error


@dataclass(frozen=True)
class _Vectors:
    """The given vectors, read and checked before any long work."""

    footprints: VectorLayer | None
    roads: VectorLayer | None
    townships: VectorLayer | None
    rivers: VectorLayer | None
    villages: VectorLayer | None
    safe: VectorLayer | None
    county: VectorLayer | None
    land_use: VectorLayer | None

    @property
    def levels(self) -> dict[str, VectorLayer | None]:
        """The administrative levels, as `units` names them."""
        return {"county": self.county, "township": self.townships, "village": self.villages}


@dataclass(frozen=True)
class _Trained:
    """What judges the ground, and how well: `plain` is the same without differences, for the before-ortho."""

    classifier: Classifier | None
    plain: Classifier | None = None
    accuracy: classify.Accuracy | None = None
    retrained: classify.Retrained | None = None


def _run(
    mosaic: Path, out_dir: Path, folder: Path, grid: GeoGrid, options: DamageOptions, progress: Progress
) -> dict[str, Any]:
    progress("read", 0.0)
    vectors = _read_vectors(options, grid)
    own = _own(options, out_dir)
    samples = read_samples(options.samples, grid, own) if options.samples else None
    version, earlier = versions.keep(out_dir, samples, grid, own) if samples else (None, None)
    legend = samples.legend if samples else own.legend()
    depth_cells = depth_grid(grid)
    dem = read_dem(options.dem, depth_cells) if options.dem else None
    relief = Relief(depth_cells, relief_of(dem, depth_cells)) if dem is not None else None
    notes: list[str] = samples.notes() if samples else []
    produced = dt.datetime.now(dt.UTC)
    tags = raster_tags(mosaic, options, produced)

    comparison = _compare(mosaic, grid, options, notes, progress)
    trained = _train(mosaic, grid, options, samples, earlier, comparison, relief, legend, notes, progress)
    classifier = trained.classifier
    before = None
    if comparison is not None and options.before is not None:
        before = Before(options.before, *comparison, trained.plain)
    inputs = Inputs(
        mosaic, grid, classifier, before, relief, _geometries(vectors.footprints),
        tuple(road.buffer(2.0) for road in _geometries(vectors.roads)), legend,
    )  # fmt: skip
    counts = ground_pass.run(inputs, folder, tags, progress)
    depth, peak = None, None
    if classifier is not None and options.dem is not None:
        progress("depth", 0.0)
        cell_m = dem_cell_m(options.dem, grid)
        depth, peak = _depth(folder, grid, depth_cells, dem, cell_m, tags)
    given = Given(vectors.footprints, vectors.roads, vectors.rivers, vectors.villages, vectors.safe)
    found = Found()
    with Layers(folder, grid) as layers:
        if classifier is not None:
            found = grade_objects(given, mosaic, folder, grid, layers, before, options, progress)
        elif given.footprints or given.roads:
            notes.append("Buildings and roads were not graded: that needs ground classes.")
        people = statistics.read_people(options.population, grid, layers) if options.population else None
    buildings, roads = found.buildings, found.roads
    known = tuple(e for e in legend.entries[1:] if classifier is not None and e.code in classifier.codes)
    townships = _townships(vectors.townships, folder, buildings, roads, people, known, progress)
    moment = options.acquired_utc or produced
    told = reckoned(folder, out_dir, grid, vectors.levels, vectors.land_use, found, people, known, options,
                    moment, tags)  # fmt: skip
    progress("vectors", 0.0)
    common = vector_columns(mosaic, options, produced)
    drains = read_drainage(options.dem, grid) if classifier is not None and options.dem else None
    high_m2 = write_found(
        folder, grid, found, townships, common, has_classes=classifier is not None,
        units=told.layer(common), drainage=drains, mosaic=mosaic,
    )  # fmt: skip
    learnt = None
    if samples is not None and version is not None:
        places = suggest.paint_next(folder, grid, samples)
        learnt = Learnt(samples, version, trained.accuracy, trained.retrained, places)
    figures = report_of(
        mosaic, grid, options, counts, depth, peak, found, townships, people, notes, produced,
        learnt, comparison, legend,
    )  # fmt: skip
    if drains is not None and high_m2 is not None:
        figures["drainage"] = {
            "known_share": round(drains.known_share, 4), "water_too_high_m2": round(high_m2, 1),
        }  # fmt: skip
    return told.onto(figures, townships, folder)


def _read_vectors(options: DamageOptions, grid: GeoGrid) -> _Vectors:
    lines = ("LineString", "MultiLineString")
    return _Vectors(
        read_layer(options.footprints, grid.crs, "footprints") if options.footprints else None,
        read_layer(options.roads, grid.crs, "roads", kinds=lines) if options.roads else None,
        statistics.read_townships(options.townships, grid.crs) if options.townships else None,
        read_layer(options.rivers, grid.crs, "rivers", kinds=_WATERS) if options.rivers else None,
        read_layer(options.villages, grid.crs, "villages", kinds=_PLACES) if options.villages else None,
        read_layer(options.safe, grid.crs, "safe places", kinds=_PLACES) if options.safe else None,
        read_layer(options.county, grid.crs, "county") if options.county else None,
        read_layer(options.land_use, grid.crs, "land use") if options.land_use else None,
    )


def _geometries(layer: VectorLayer | None) -> tuple[Any, ...]:
    return layer.geometries if layer else ()


def _compare(
    mosaic: Path, grid: GeoGrid, options: DamageOptions, notes: list[str], progress: Progress
) -> tuple[register.Registration, register.ColourMatch] | None:
    if options.before is None:
        return None
    progress("register", 0.0)
    registration = register.register(mosaic, options.before, grid)
    if registration is None:
        notes.append("The before-ortho could not be registered to the mosaic: change was not mapped.")
        return None
    if registration.misplaced:
        notes.append(
            "The before-ortho lies in part over 1 m beside the mosaic: change was not mapped there "
            f"({registration.misplaced_m2 / 1e4:.2f} ha)."
        )
    progress("register", 0.6)
    colours = register.match_colours(mosaic, options.before, grid, registration.correction)
    if colours is None:
        notes.append(
            "Too little unchanged ground to match the before-ortho's colours: change was not mapped."
        )
        return None
    return registration, colours


def _train(
    mosaic: Path,
    grid: GeoGrid,
    options: DamageOptions,
    samples: Samples | None,
    earlier: Samples | None,
    comparison: tuple[register.Registration, register.ColourMatch] | None,
    relief: Relief | None,
    legend: Legend,
    notes: list[str],
    progress: Progress,
) -> _Trained:
    """The model that was given, or a forest grown on the samples and held against the `earlier` ones."""
    if samples is not None and options.model is not None:
        raise DamageError(f"{options.model}: give either samples or a model, not both")
    if options.model is not None:
        model = load_model(options.model, legend)
        if model.unmapped:
            notes.append(f"Classes of the model that the legend does not have: {', '.join(model.unmapped)}.")
        if model.contract.pair and comparison is None:
            raise DamageError(f"{model.path}: compares before and after; give a before-ortho that fits")
        return _Trained(model, model if comparison and not model.contract.pair else None)
    if samples is None:
        notes.append("No samples and no model were given: ground classes were not mapped.")
        return _Trained(None)
    progress("train", 0.0)
    before = (options.before, *comparison) if comparison and options.before else None
    with Pictures(mosaic, grid, before, relief) as pictures:
        cells = classify.collect(samples, grid, pictures, before is not None, options.seed)
    forest = classify.train(cells, before is not None, grid.pixel_m, options.seed)
    plain = classify.without_before(cells, relief is not None, grid.pixel_m, options.seed) if before else None
    progress("train", 0.6)
    accuracy = classify.cross_validate(cells, options.seed)
    if accuracy is None:
        notes.append("The samples lie too close together for a blocked accuracy estimate: spread them.")
    compared = classify.retrained(cells, versions.shared(samples, earlier), options.seed) if earlier else None
    if compared and compared.got_worse:
        notes.append(
            f"Agreement on the earlier strokes fell from {compared.earlier:.2f} to {compared.now:.2f} with "
            "those added since: look at these, or go back to the version before."
        )
    return _Trained(forest, plain, accuracy, compared)


def _depth(
    folder: Path, grid: GeoGrid, cells: GeoGrid, dem: Any, dem_cell: float, tags: dict[str, str]
) -> tuple[DepthMap, HighWater | None]:
    """Depth now, and at the flood's highest by its trace; writes depth.tif and depth_peak.tif."""
    water_share, seen = coarse.class_shares(folder / "classes.tif", grid, cells, (WATER,))
    half = 0.5 * np.maximum(seen, 0.5)
    water = water_share > half
    # What stands in the water or lies on it has no water's edge.
    standing, _ = coarse.class_shares(folder / "classes.tif", grid, cells, (BUILDING, DEBRIS))
    dry = (seen > 0.9) & ~water & (standing < half)
    depth = map_depth(water, dry, dem, cells, dem_cell)
    _write_depth(folder, DEPTH_KIND, depth, tags)
    hit_share, _ = coarse.class_shares(folder / "classes.tif", grid, cells, (WATER, MUD))
    trace = (hit_share > half) & ~water
    peak = map_high_water(water, trace, dry & ~trace, dem, depth, dem_cell)
    if peak is not None:
        _write_depth(folder, PEAK_KIND, peak.depth, tags)
    return depth, peak


def _write_depth(folder: Path, kind: RasterKind, depth: DepthMap, tags: dict[str, str]) -> None:
    with raster_sink(folder, kind, depth.grid, tags) as sink:
        for band, values in enumerate((depth.depth_m, depth.half_width_m), start=1):
            sink.write(np.where(np.isfinite(values), values, kind.nodata).astype(np.float32), band)


def _townships(
    layer: VectorLayer | None,
    folder: Path,
    buildings: Sequence[GradedBuilding],
    roads: Sequence[RoadStretch],
    people: People | None,
    known: Sequence[Entry],
    progress: Progress,
) -> tuple[Township, ...]:
    if layer is None:
        return ()
    progress("statistics", 0.0)
    classes, depth = folder / "classes.tif", folder / "depth.tif"
    return statistics.township_statistics(
        layer,
        classes if classes.exists() else None,
        depth if depth.exists() else None,
        folder / "not_analysed.tif",
        buildings,
        roads,
        people,
        known,
    )
