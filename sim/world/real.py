"""A world of a real place: an orthophoto over a DEM, and a DSM where houses and trees are to stand up.

All three may be in any CRS that rasterio reads; here they are laid into one local frame. Heights are taken as
they are, metres AMSL. A picture of any kind becomes RGB bytes; where it has none, haze is shown. With a flood
(sim.world.inundation) water stands over it, and the world has the truth about that.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import calculate_default_transform, transform_bounds
from scipy import ndimage

from plans.frames import GeoPoint, LocalFrame
from sim.errors import WorldError
from sim.world import store
from sim.world.inundation import Inundation, RealFlood, inundate, paint_flood, write_truth
from sim.world.objects import Trees
from sim.world.rasters import heights_on, known_in, open_raster, warped
from sim.world.store import Progress, World
from sim.world.terrain import Grid, world_grid

Pixels = npt.NDArray[np.uint8]

HAZE_RGB = (176, 180, 184)
_LEAST_M, _MOST_M = 60.0, 6000.0
_FINEST_M, _COARSEST_M = 0.02, 2.0
_MOST_PX = 150e6
"""A picture of this many pixels takes the renderer 0.9 GB."""
_LAUNCH_ROOM_M = 7.0


@dataclass(frozen=True)
class RealPlace:
    """What a world of a real place is made from. Without a `centre` the orthophoto's middle and all of it is
    taken; `launch` is chosen by itself where none is given."""

    ortho: Path
    dem: Path
    dsm: Path | None = None
    launch: GeoPoint | None = None
    centre: GeoPoint | None = None
    size_m: float | None = None
    """Side of the square to cut out about the centre; None takes all."""
    flood: RealFlood | None = None
    """None leaves the place dry."""

    @property
    def made_from(self) -> dict[str, Any]:
        """What tells whether a world is still that of these files: paths, sizes, times, choices.

        Raises WorldError for a file that is missing.
        """
        values: dict[str, Any] = {}
        for name in ("ortho", "dem", "dsm"):
            file = getattr(self, name)
            if file is None:
                continue
            try:
                facts = Path(file).stat()
            except OSError as error:
                raise WorldError(
                    f"{file}: the {name} cannot be read ({error.strerror}); name a file"
                ) from error
            values[name] = [str(Path(file).resolve()), facts.st_size, facts.st_mtime_ns]
        for name in ("launch", "centre"):
            point = getattr(self, name)
            values[name] = None if point is None else asdict(point)
        flood = self.flood.made_from if self.flood is not None else None
        return {**values, "size_m": self.size_m, "flood": flood}


def make_real_world(folder: Path, place: RealPlace, on_progress: Progress | None = None) -> World:
    """Make a world folder of a real place; one that was made from the same files is left as it is.

    Raises WorldError, in one line, for files without a CRS, without heights under the picture, too large, or
    of another part of the world.
    """
    folder = Path(folder)
    made_from, note = place.made_from, folder / "made_from.json"
    if (folder / "world.json").exists() and note.exists() and json.loads(note.read_text()) == made_from:
        return store.load_world(folder)
    tell = on_progress or (lambda stage, share: None)
    tell("orthophoto", 0.0)
    with open_raster(place.ortho, "orthophoto") as ortho:
        frame, width_m, height_m, pixel_m = _extent(ortho, place)
        grid = world_grid(width_m, height_m, pixel_m)
        picture, seen = _picture(ortho, frame, grid)
    if not seen.any():
        raise WorldError(f"{place.ortho}: no picture in the part that was asked for; choose another part")
    coarse = world_grid(width_m, height_m, 1.0)
    needed = _on_grid(seen, grid, coarse)
    tell("heights", 0.5)
    heights = heights_on(place.dem, "DEM", frame, coarse, needed)
    surface = None
    if place.dsm is not None:
        surface = np.maximum(heights_on(place.dsm, "DSM", frame, coarse, needed), heights)
    water = None
    if place.flood is not None:
        tell("flood", 0.6)
        water = inundate(place.flood, place.dem, frame, coarse, heights)
    wet = water.peak_depth_m > 0 if water is not None else np.zeros(heights.shape, bool)
    ground = _Ground(coarse, heights, heights if surface is None else surface, needed, wet)
    launch = _launch(place, frame, ground)
    store.clear_world(folder)
    world = World(folder, 0, frame, width_m, height_m, pixel_m, launch)
    tell("writing", 0.7)
    store.write_grid(world.dem, heights, coarse, frame)
    world.surface.unlink(missing_ok=True)
    if surface is not None:
        store.write_grid(world.surface, surface, coarse, frame)
    store.save_objects(world.objects, [], _no_trees())
    picture[~seen] = HAZE_RGB
    if water is None:
        for left in (world.before, world.after, world.truth_change, world.truth_classes, world.zone):
            left.unlink(missing_ok=True)  # of a flood that this folder held
        store.save_image(world.ground, picture)
        store.save_image(world.water, np.zeros((grid.rows, grid.cols), np.uint8))
        store.write_grid(world.truth_depth, np.zeros_like(heights), coarse, frame)
    else:
        world = replace(world, stage_m=water.stage_m, river=water.river.found)
        _write_flooded(world, water, picture, seen, heights, surface)
    store.save_world(world)
    note.write_text(json.dumps(made_from, indent=2), encoding="utf-8")
    tell("world", 1.0)
    return world


def _write_flooded(
    world: World,
    water: Inundation,
    picture: Pixels,
    seen: npt.NDArray[np.bool_],
    heights: npt.NDArray[np.float32],
    surface: npt.NDArray[np.float32] | None,
) -> None:
    """What the renderer takes, the orthophoto before and after, and the truth."""
    grid, frame = world.image_grid, world.frame
    after, opacity, classes, change = paint_flood(picture, grid, water, heights, surface, world.dem_grid)
    after[~seen], opacity[~seen], classes[~seen], change[~seen] = HAZE_RGB, 0, 0, 0
    store.save_image(world.ground, after)
    store.save_image(world.water, opacity)
    store.write_picture(world.before, picture, grid, frame)
    store.write_picture(world.after, after, grid, frame)
    store.write_classes(world.truth_classes, classes, grid, frame)
    store.write_classes(world.truth_change, change, grid, frame, changes=True)
    write_truth(world, water)


def _no_trees() -> Trees:
    empty = np.zeros(0)
    return Trees(empty, empty, empty, empty, empty, empty.astype(np.int64), empty)


def _extent(ortho: Any, place: RealPlace) -> tuple[LocalFrame, float, float, float]:
    """Frame, width, height (whole metres) and pixel of the part that is taken."""
    west, south, east, north = transform_bounds(ortho.crs, "EPSG:4326", *ortho.bounds, densify_pts=21)
    if not (abs(south) < 85 and abs(north) < 85 and east - west < 5):
        raise WorldError(
            f"{ortho.name}: lies from {south:.2f}, {west:.2f} to {north:.2f}, {east:.2f}; take a place"
        )
    centre = place.centre or GeoPoint((south + north) / 2, (west + east) / 2)
    if not (south <= centre.lat_deg <= north and west <= centre.lon_deg <= east):
        raise WorldError(
            f"{ortho.name}: {centre.lat_deg:.5f}, {centre.lon_deg:.5f} is not on it; it shows {south:.5f} to "
            f"{north:.5f} N, {west:.5f} to {east:.5f} E"
        )
    frame = LocalFrame(centre.lat_deg, centre.lon_deg)
    crs = frame.crs.to_wkt()
    step, _, _ = calculate_default_transform(ortho.crs, crs, ortho.width, ortho.height, *ortho.bounds)
    w, s, e, n = transform_bounds(ortho.crs, crs, *ortho.bounds, densify_pts=21)
    width, height = 2 * min(e, -w), 2 * min(n, -s)
    if place.size_m is not None:
        width, height = min(width, place.size_m), min(height, place.size_m)
    width, height = float(math.floor(width)), float(math.floor(height))
    if min(width, height) < _LEAST_M or max(width, height) > _MOST_M:
        raise WorldError(
            f"{ortho.name}: {width:.0f} x {height:.0f} m; a world is {_LEAST_M:.0f} to {_MOST_M:.0f} m wide, "
            "so cut a part out (around and size)"
        )
    native_m = min(abs(step.a), abs(step.e))
    pixel_m = max(native_m, _FINEST_M, math.sqrt(width * height / _MOST_PX))
    if pixel_m > _COARSEST_M:
        raise WorldError(
            f"{ortho.name}: a pixel is {pixel_m:.1f} m; photos need {_COARSEST_M:.0f} m or finer"
        )
    return frame, width, height, pixel_m


def _picture(ortho: Any, frame: LocalFrame, grid: Grid) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """(rows, cols, 3) RGB on the grid, and where there is any."""
    bands = _colour_bands(ortho)
    with warped(ortho, frame, grid, Resampling.bilinear) as vrt:
        raw = vrt.read(bands)
        seen = known_in(vrt)
    if ortho.count == 1 and ortho.colorinterp[0] is ColorInterp.palette:
        table = np.zeros((256, 3), np.uint8)
        for value, colour in ortho.colormap(1).items():
            table[value] = colour[:3]
        return table[raw[0]], seen
    if raw.dtype != np.uint8:
        raw = _as_bytes(raw, seen)
    if len(bands) == 1:
        raw = np.repeat(raw, 3, axis=0)
    return np.ascontiguousarray(np.moveaxis(raw, 0, 2)), seen


def _colour_bands(ortho: Any) -> list[int]:
    """Red, green, blue as the file says, else its first three bands, else its only one."""
    kinds = list(ortho.colorinterp)
    wanted = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(kind in kinds for kind in wanted):
        return [kinds.index(kind) + 1 for kind in wanted]
    colours = [i for i, kind in enumerate(kinds, 1) if kind is not ColorInterp.alpha]
    return colours[:3] if len(colours) >= 3 else colours[:1]


def _as_bytes(raw: npt.NDArray, seen: npt.NDArray[np.bool_]) -> Pixels:
    """Other numbers stretched to bytes, the darkest and brightest hundredth cut off."""
    values = raw[:, seen].astype(np.float64)
    low, high = np.nanpercentile(values, (1, 99)) if values.size else (0.0, 1.0)
    span = max(float(high - low), 1e-9)
    return np.nan_to_num(np.clip((raw.astype(np.float64) - low) / span * 255, 0, 255)).astype(np.uint8)


def _on_grid(seen: npt.NDArray[np.bool_], fine: Grid, coarse: Grid) -> npt.NDArray[np.bool_]:
    """Cells of the coarse grid with a picture at their centre."""
    col, _ = fine.to_pixel(coarse.east_centres_m, 0.0)
    _, row = fine.to_pixel(0.0, coarse.north_centres_m)
    cols = np.clip(np.round(col), 0, fine.cols - 1).astype(int)
    rows = np.clip(np.round(row), 0, fine.rows - 1).astype(int)
    return seen[np.ix_(rows, cols)]


@dataclass(frozen=True)
class _Ground:
    """What a launch point is chosen by, (rows, cols) on the grid."""

    grid: Grid
    heights_m: npt.NDArray
    surface_m: npt.NDArray
    seen: npt.NDArray[np.bool_]
    wet: npt.NDArray[np.bool_]
    """At the flood's highest."""


def _launch(place: RealPlace, frame: LocalFrame, ground: _Ground) -> GeoPoint:
    """Where it is told, or the most level open ground that stays dry, rather near the middle."""
    grid = ground.grid
    if place.launch is not None:
        east, north = (float(v) for v in frame.to_local(place.launch.lat_deg, place.launch.lon_deg))
        col, row = (float(v) for v in grid.to_pixel(east, north))
        told = f"launch {place.launch.lat_deg:.5f}, {place.launch.lon_deg:.5f}"
        if not (0 <= col < grid.cols and 0 <= row < grid.rows and ground.seen[int(row), int(col)]):
            raise WorldError(f"{told} is not on {place.ortho}")
        if ground.wet[round(row), round(col)]:
            raise WorldError(f"{told} is under water in this flood; choose dry ground or a lower stage")
    else:
        size = 2 * round(_LAUNCH_ROOM_M) + 1
        rough = ndimage.maximum_filter(ground.surface_m, size) - ndimage.minimum_filter(
            ground.heights_m, size
        )
        away = np.hypot(grid.east_centres_m[None, :], grid.north_centres_m[:, None])
        open_ground = ndimage.minimum_filter(ground.seen & ~ground.wet, size)
        if not open_ground.any():
            raise WorldError(f"{place.ortho}: no ground to start from that stays dry; choose a lower stage")
        cost = np.where(open_ground, rough + 0.01 * away, np.inf)
        row, col = (int(i) for i in np.unravel_index(int(np.argmin(cost)), cost.shape))
        east, north = float(grid.east_centres_m[col]), float(grid.north_centres_m[row])
    lat, lon = frame.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), float(grid.sample(ground.heights_m, east, north)))
