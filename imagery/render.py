"""The mosaic's picture: ground, light and seams worked out on a coarse grid, then painted square by square.

What is held for each photo is small (half a megabyte of coarse picture, later its part of the mosaic,
decoded); memory follows a budget, and what comes out hangs neither on it nor on the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagery.adjust import Adjustment
from imagery.blend import Mixture, Painting, mixture, needed_part, paint_tile
from imagery.errors import MosaicError
from imagery.exposure import Exposure, evened, solve_exposure
from imagery.features import Features, reduced
from imagery.joins import DRAWN_NODES, JUDGED_NODES, NO_JOINS, Drawing, Joins, find_joins
from imagery.jpeg_cog import SQUARE_PX, CogFrame, JpegCog, Square, pack_square
from imagery.ortho import MosaicGrid, Window, ground_outline, make_grid
from imagery.parallax import bent, find_relief, laid_on
from imagery.photos import Block
from imagery.quality import CELL_PX, SeamFigure, held_mb, seam_figure
from imagery.raster_io import whole_file, write_cog
from imagery.scratch import scratch_beside
from imagery.seams import Labels, SeamRules, find_seams, label_windows
from imagery.shelf import Pictures, Pieces
from imagery.surface import Bounds, Surface, flat_surface, good_points, read_dem, surface_from_points
from imagery.views import Sights, View, look_around, make_glance, make_view
from imagery.workers import Workers
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

Float32 = npt.NDArray[np.float32]

GLANCE_CELLS = 4
JPEG_QUALITY = 92
WORKING_BYTES = 40_000_000
"""Of a worker that paints a square."""
LEAST_SHELF_BYTES = 100_000_000
ROWS_IN_WORK = 3


@dataclass(frozen=True)
class RenderRules:
    """How a block is painted; see MosaicOptions. Where `gsd_m` is None, pixels are so many times `coarser`
    than the photos'."""

    gsd_m: float | None
    dem: Path | None
    crs_epsg: int | None
    quick: bool
    coarser: int
    workers: int
    budget_mb: int


@dataclass(frozen=True)
class Canvas:
    """The mosaic before it is painted: its pixels, which photo paints which cell, and what each sees."""

    grid: MosaicGrid
    surface: Surface
    sights: Sights
    painting: Painting
    joins: Joins
    """Where photos are drawn together."""

    @property
    def cells(self) -> MosaicGrid:
        """The coarse grid of the labels."""
        return self.grid.coarser(CELL_PX)


@dataclass(frozen=True)
class Painted:
    """What came of painting: the area that shows ground, and how well photos meet."""

    area_m2: float
    seams: SeamFigure


def lay_out(
    block: Block, features: Sequence[Features], adjustment: Adjustment, rules: RenderRules, workers: Workers
) -> Canvas:
    """Ground, light and seams of an adjusted block."""
    surface = make_surface(block, adjustment, rules.dem)
    outlines = [
        ground_outline(c, p, surface) for c, p in zip(adjustment.cameras, adjustment.poses, strict=True)
    ]
    gsd_m = rules.gsd_m or _native_gsd_m(adjustment, surface) * rules.coarser
    grid = make_grid(block.frame, outlines, gsd_m, rules.crs_epsg)
    cells = grid.coarser(CELL_PX)
    sights, exposure, views = _look(adjustment, features, outlines, cells, surface, workers)
    tied = [bool(t) for t in adjustment.tied]
    tall = None
    if not rules.quick:
        relief = find_relief(surface, views, adjustment.poses, cells)
        views = laid_on(relief, surface, views, adjustment.poses, cells)
        surface, tall = bent(surface, relief, cells), relief.tall
    labels = find_seams(views, cells.shape, tied, SeamRules(graph_cut=not rules.quick), tall)
    painting = _painting(grid, labels, mixture(views, labels), surface, adjustment, exposure)
    joins = NO_JOINS if rules.quick else find_joins(labels, CELL_PX, DRAWN_NODES)
    return Canvas(grid, surface, sights, painting, joins)


def paint_mosaic(
    canvas: Canvas,
    block: Block,
    out: Path,
    pictures: Pictures,
    rules: RenderRules,
    workers: Workers,
    on_share: Callable[[float], None],
) -> Painted:
    """Paint all squares into `out` (COG). Nothing stands under `out` before it is whole.

    Raises MosaicError when no photo shows any ground, ImageryError when the file cannot be written.
    """
    grid = canvas.grid
    frame = CogFrame(*grid.shape, grid.west, grid.north, grid.gsd_m, grid.epsg, _acquired(block))
    spool_path = scratch_beside(out, "tiles")
    with whole_file(out) as part:
        try:
            with open(spool_path, "w+b") as spool:
                cog = JpegCog(frame, spool, JPEG_QUALITY)
                pixels, seams = _paint(canvas, block, cog, pictures, rules, workers, on_share)
                if pixels == 0:
                    raise MosaicError("no photo shows any ground; check their tags and the DEM")
                cog.write(part)
        finally:
            spool_path.unlink(missing_ok=True)
    return Painted(pixels * grid.gsd_m**2, seams)


def _paint(
    canvas: Canvas,
    block: Block,
    cog: JpegCog,
    pictures: Pictures,
    rules: RenderRules,
    workers: Workers,
    on_share: Callable[[float], None],
) -> tuple[int, SeamFigure]:
    painting = canvas.painting
    parts: dict[int, Window] = {}  # where all photos are kept whole, nothing is cut
    if not pictures.keep:
        parts = {p: needed_part(painting, p, cells) for p, cells in label_windows(painting.labels).items()}
    limit = workers.shelf_bytes or _shelf_bytes(block, rules)
    pieces = Pieces(pictures, tuple(p.path for p in block.photos), painting.factors, parts, limit)
    sizes = sum(3 * part.shape[0] * part.shape[1] for part in parts.values())
    windows = _square_windows(painting.grid.shape, sizes / limit)
    judged = find_joins(painting.labels, CELL_PX, JUDGED_NODES)
    drawing = Drawing(painting, pieces, canvas.joins, judged)
    pixels, apart = 0, []
    squares = workers.map(_square, (painting, pieces, drawing), windows)
    for n, (square, covered, apart_px) in enumerate(squares):
        cog.add(square)
        pixels += covered
        apart.append(apart_px)
        on_share((n + 1) / len(windows))
    return pixels, seam_figure(np.concatenate(apart))


def _square(job: tuple[Painting, Pieces, Drawing], window: Window) -> tuple[Square, int, Float32]:
    """One square, compressed, how many of its pixels show ground, and what photos are apart on its seams."""
    painting, pieces, drawing = job
    tile = paint_tile(painting, window, pieces, drawing.fields(window))
    place = window.row0 // SQUARE_PX, window.col0 // SQUARE_PX
    apart = drawing.left_apart(window)
    if tile is None:
        return Square(*place), 0, apart
    return pack_square(*place, tile.colour, tile.mask, JPEG_QUALITY), int(tile.mask.sum()), apart


def _shelf_bytes(block: Block, rules: RenderRules) -> int:
    """What the budget leaves for decoded pieces: beside what is held, each worker decodes one photo."""
    largest = max(p.camera.image_width_px * p.camera.image_height_px * 3 for p in block.photos)
    working = rules.workers * (2 * largest + WORKING_BYTES)
    return max(int(rules.budget_mb * 1e6 - held_mb() * 1e6 - working), LEAST_SHELF_BYTES)


def write_companions(canvas: Canvas, block: Block, out: Path) -> None:
    """OUT.source.tif: photo number (1..n, 0 none) per cell; OUT.views.tif: how many photos see it."""
    cells = canvas.cells
    names = {f"PHOTO_{p.index + 1}": p.name for p in block.photos}
    for kind, values, tags in (
        ("source", (canvas.painting.labels + 1).astype(np.uint16), names),
        ("views", np.minimum(canvas.sights.count, 255).astype(np.uint8), None),
    ):
        write_cog(
            out.with_name(f"{out.stem}.{kind}.tif"),
            values,
            cells.transform,
            cells.crs,
            nodata=0,
            resampling="nearest",
            tags=tags,
        )


def make_surface(block: Block, adjustment: Adjustment, dem: Path | None) -> Surface:
    """The ground under the block: the DEM where given, bent to the adjusted points."""
    bounds = _seen_bounds(adjustment, adjustment.ground_up_m)
    points = good_points(adjustment)
    base = None
    if dem is not None:
        low = min(adjustment.ground_up_m, float(points[:, 2].min(initial=np.inf)))  # from there more is seen
        step_m = max(1.0, (bounds[2] - bounds[0]) / 1500)
        base = read_dem(dem, block.frame, _seen_bounds(adjustment, low), step_m)
    if len(points):
        return surface_from_points(points, bounds, 1.0, base=base)
    return base or flat_surface(bounds, adjustment.ground_up_m)


def _seen_bounds(adjustment: Adjustment, ground_up_m: float) -> Bounds:
    """What the photos would see of level ground at this height, and a little more."""
    level = flat_surface(_bounds(adjustment, ground_up_m, 0.0), ground_up_m)
    outlines = np.concatenate(
        [ground_outline(c, p, level) for c, p in zip(adjustment.cameras, adjustment.poses, strict=True)]
    )
    west, south = outlines.min(axis=0) - 10.0
    east, north = outlines.max(axis=0) + 10.0
    return float(west), float(south), float(east), float(north)


def _look(
    adjustment: Adjustment,
    features: Sequence[Features],
    outlines: Sequence[FloatArray],
    cells: MosaicGrid,
    surface: Surface,
    workers: Workers,
) -> tuple[Sights, Exposure, list[View]]:
    """What all photos see, the light that makes them even, and the part of each that is worth painting,
    evened, on the coarse grid."""
    tied = [bool(t) for t in adjustment.tied]
    cameras, poses = adjustment.cameras, adjustment.poses
    sights = look_around(cameras, poses, outlines, tied, cells, surface, workers)

    shots = [
        _Shot(i, cameras[i], poses[i], tied[i], features[i].only_picture, outlines[i])
        for i in range(len(poses))
    ]
    glances = list(workers.map(_glance, (cells.coarser(GLANCE_CELLS), surface), shots))
    exposure = solve_exposure(glances, len(poses))
    views = list(workers.map(_view, (cells, surface, sights, exposure), shots))
    return sights, exposure, views


@dataclass(frozen=True)
class _Shot:
    """One photo as far as the coarse grid needs it."""

    number: int
    camera: Camera
    pose: Pose
    tied: bool
    features: Features
    outline: FloatArray


def _glance(ground: tuple[MosaicGrid, Surface], shot: _Shot) -> View:
    small = reduced(shot.features.thumbnail, GLANCE_CELLS)
    factor = GLANCE_CELLS * shot.features.thumbnail_factor
    return make_glance(shot.number, shot.camera, shot.pose, small, factor, *ground, shot.outline)


def _view(scene: tuple[MosaicGrid, Surface, Sights, Exposure], shot: _Shot) -> View:
    cells, surface, sights, exposure = scene
    thumbnail, factor = shot.features.thumbnail, shot.features.thumbnail_factor
    seen = make_view(
        shot.number, shot.camera, shot.pose, shot.tied, thumbnail, factor, cells, surface, sights
    )
    return evened(seen, exposure)


def _bounds(adjustment: Adjustment, ground_m: float, margin_m: float) -> Bounds:
    centres = np.array([p.centre for p in adjustment.poses])
    low, high = centres.min(axis=0) - margin_m, centres.max(axis=0) + margin_m
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _native_gsd_m(adjustment: Adjustment, surface: Surface) -> float:
    ground = [float(surface.at([p.east_m], [p.north_m])[0]) for p in adjustment.poses]
    return float(
        np.median(
            [
                max(p.up_m - g, 1.0) / c.focal_px
                for p, g, c in zip(adjustment.poses, ground, adjustment.cameras, strict=True)
            ]
        )
    )


def _painting(
    grid: MosaicGrid,
    labels: Labels,
    mixed: Mixture,
    surface: Surface,
    adjustment: Adjustment,
    exposure: Exposure,
) -> Painting:
    factors = []
    for pose, camera in zip(adjustment.poses, adjustment.cameras, strict=True):
        own = max(pose.up_m - float(surface.at([pose.east_m], [pose.north_m])[0]), 1.0) / camera.focal_px
        factor = 1
        while factor < 8 and own * factor * 2 <= grid.gsd_m * 1.15:
            factor *= 2
        factors.append(factor)
    return Painting(
        grid, labels, mixed, CELL_PX, surface, adjustment.cameras, adjustment.poses, exposure, tuple(factors)
    )


def _square_windows(shape: tuple[int, int], fill: float) -> list[Window]:
    """Squares in rows to and fro: neighbours in time are neighbours in place, and what photos give to the
    rows in work is kept. Where that would not fit (`fill` is by how much all photos' parts overfill the
    shelf), in strips side by side."""
    squares = -(-shape[0] // SQUARE_PX), -(-shape[1] // SQUARE_PX)
    strips = math.ceil(fill * min(1.0, ROWS_IN_WORK / squares[0]))
    wide = max(1, squares[1] // max(1, strips)) * SQUARE_PX
    windows = []
    for left in range(0, shape[1], wide):
        right = min(left + wide, shape[1])
        for n, row in enumerate(range(0, shape[0], SQUARE_PX)):
            line = [
                Window(row, min(row + SQUARE_PX, shape[0]), col, min(col + SQUARE_PX, right))
                for col in range(left, right, SQUARE_PX)
            ]
            windows += line if n % 2 == 0 else line[::-1]
    return windows


def _acquired(block: Block) -> dict[str, str]:
    """When the photos were taken, as raster tags; empty where one of them does not tell in UTC."""
    times = [p.time_utc for p in block.photos if p.time_utc is not None]
    if len(times) < len(block.photos):
        return {}
    first, last = (t.isoformat(timespec="seconds") for t in (min(times), max(times)))
    return {"ACQUIRED_UTC": first, "ACQUIRED_END_UTC": last}
