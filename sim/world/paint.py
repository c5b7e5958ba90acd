"""The ground as a camera above sees it, before and after the flood, tile by tile, with its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Polygon
from shapely.affinity import translate

from imagery.damage.legend import (
    BARE,
    BUILDING,
    FLOODED,
    MUD,
    MUD_OR_DEBRIS_LAID,
    ROAD,
    ROAD_LOST,
    UNCHANGED,
    VEGETATION,
    WATER,
)
from sim.world.flood import Flood
from sim.world.landcover import Layout, Material, Units, fill, materials, tiles, upsampled
from sim.world.noise import PixelNoise, generator
from sim.world.objects import Building, Trees
from sim.world.rise import STANDS_OUT
from sim.world.sprites import LAYER_HEIGHTS, blend, crowns
from sim.world.terrain import Grid

Pixels = npt.NDArray[np.uint8]
Window = tuple[slice, slice]
FloatGrid = npt.NDArray[np.float32]

SUN_BEFORE, SUN_AFTER = (152.0, 56.0), (138.0, 50.0)
"""Azimuth and elevation in degrees of the two photo flights."""

MUD_RGB = np.array([150, 122, 88], np.float32)
WATER_SHALLOW_RGB = np.array([158, 132, 96], np.float32)
WATER_DEEP_RGB = np.array([140, 116, 84], np.float32)
_SEASON = np.array([1.03, 0.97, 0.94], np.float32)
_RIVER = np.array([84, 104, 92], np.float32)


@dataclass
class Canvas:
    """The rasters of one world on one grid, painted in place. Pictures are (rows, cols, 3) RGB."""

    grid: Grid
    before: Pixels
    after: Pixels
    classes_before: Pixels
    classes: Pixels
    change: Pixels
    water: Pixels
    """Opacity of the water after the event, 0..255; STANDS_OUT where none will ever be."""

    @classmethod
    def empty(cls, grid: Grid) -> Canvas:
        """All black, all unchanged."""
        shape = (grid.rows, grid.cols)
        return cls(
            grid,
            np.zeros((*shape, 3), np.uint8),
            np.zeros((*shape, 3), np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint8),
            np.full(shape, UNCHANGED, np.uint8),
            np.zeros(shape, np.uint8),
        )


@dataclass(frozen=True)
class _Tables:
    """Materials as arrays, the last axis indexed by unit number."""

    colour: FloatGrid
    """(3, units)."""
    tint: FloatGrid
    amplitudes: FloatGrid
    """(4, units): patch, clump, grain, speckle."""
    rows: FloatGrid
    """(3, units): row amplitude, wave numbers east and north in radians per metre."""
    codes: Pixels

    @classmethod
    def of(cls, entries: list[Material]) -> _Tables:
        wave = [2 * np.pi / m.row_spacing_m for m in entries]
        return cls(
            _columns([m.colour for m in entries]),
            _columns([m.tint for m in entries]),
            _columns([(m.patch, m.clump, m.grain, m.speckle) for m in entries]),
            _columns(
                [
                    (m.row_amplitude, -np.sin(m.row_heading_rad) * k, np.cos(m.row_heading_rad) * k)
                    for m, k in zip(entries, wave, strict=True)
                ]
            ),
            np.array([m.class_code for m in entries], np.uint8),
        )


def _columns(entries: list[tuple[float, ...]]) -> FloatGrid:
    return np.ascontiguousarray(np.array(entries, np.float32).T)


def paint_ground(
    canvas: Canvas,
    layout: Layout,
    flood: Flood,
    units: Units,
    noise: PixelNoise,
    shadows: tuple[Pixels, Pixels],
    on_tile: Callable[[float], None],
) -> None:
    """Everything flat: land, river, mud, flood water, with hillshade and the given shadows (0..255)."""
    tables = _Tables.of(materials(layout))
    lost_road = np.zeros((canvas.grid.rows, canvas.grid.cols), np.uint8)
    gaps = [b.line.buffer(b.road.half_width_m + 0.8, cap_style="flat") for b in flood.lost_bridges]
    fill(lost_road, canvas.grid, [flood.washout, *gaps], 1)
    light = [_relative_light(layout, sun) for sun in (SUN_BEFORE, SUN_AFTER)]
    source = layout.relief.grid
    windows = tiles(canvas.grid)
    for number, window in enumerate(windows):
        land, grain, wet_noise = _land(canvas.grid, window, units, tables, noise)
        shade_before, shade_after = (
            upsampled(light[i], source, canvas.grid, window) * _lit(shadows[i][window]) for i in (0, 1)
        )
        canvas.classes_before[window] = tables.codes[units[window]]
        _before_tile(canvas, window, flood, land, grain, shade_before)
        _after_tile(canvas, window, flood, units, tables, land, grain, wet_noise, shade_after)
        gone = (lost_road[window] > 0) & (tables.codes[units[window]] == ROAD)
        canvas.change[window][gone] = ROAD_LOST
        canvas.classes[window][gone & (canvas.water[window] < 128)] = BARE
        on_tile((number + 1) / len(windows))


def _land(
    grid: Grid, window: Window, units: Units, tables: _Tables, noise: PixelNoise
) -> tuple[FloatGrid, FloatGrid, FloatGrid]:
    """Of the dry ground: (3, rows, cols) RGB before light, fine grain and clump noise about 0."""
    unit = units[window]
    patch = noise.tile("patch", window, [512, 256, 64, 16], [0.5, 0.45, 0.45, 0.35])
    hue = noise.tile("hue", window, [256, 64, 16, 8], [0.5, 0.5, 0.35, 0.3])
    clump = noise.tile("clump", window, [16, 8, 4], [0.55, 0.65, 0.45])
    grain = noise.tile("grain", window, [4, 2], [0.75, 0.95])
    speckle = noise.white("speckle", window)
    value = 1 + tables.amplitudes[0][unit] * patch
    value += tables.amplitudes[1][unit] * clump
    value += tables.amplitudes[2][unit] * grain
    value += tables.amplitudes[3][unit] * speckle
    value += _rows(grid, window, unit, tables, clump, patch)
    np.clip(value, 0.35, 1.8, out=value)
    rgb = np.empty((3, *unit.shape), np.float32)
    for band in range(3):
        plane = tables.colour[band][unit] * value
        plane += tables.tint[band][unit] * hue
        cv2.GaussianBlur(plane, (3, 3), 0.5, dst=rgb[band])
    speckle *= 0.6
    return rgb, grain + speckle, clump


def _rows(
    grid: Grid, window: Window, unit: Units, tables: _Tables, clump: FloatGrid, patch: FloatGrid
) -> FloatGrid:
    """Crop rows: waves across each field, bent and broken by noise."""
    rows, cols = window
    east = (grid.west_m + (np.arange(cols.start, cols.stop) + 0.5) * grid.step_m).astype(np.float32)
    north = (grid.north_m - (np.arange(rows.start, rows.stop) + 0.5) * grid.step_m).astype(np.float32)
    phase = tables.rows[1][unit] * east[None, :]
    phase += tables.rows[2][unit] * north[:, None]
    phase += 1.1 * patch
    phase += 0.7 * clump
    np.sin(phase, out=phase)
    phase *= tables.rows[0][unit]
    phase *= 1 + 0.7 * clump
    return phase


def _relative_light(layout: Layout, sun: tuple[float, float]) -> FloatGrid:
    """Light on the slopes as a share of that on level ground, on the relief's grid."""
    south, east = np.gradient(layout.relief.heights_m, layout.relief.grid.step_m)
    azimuth, elevation = np.radians(sun)
    light = np.array([np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation)])
    lit = (-east * light[0] + south * light[1] + np.sin(elevation)) / np.sqrt(1 + east**2 + south**2)
    return (np.clip(lit / np.sin(elevation), 0.35, 1.5) ** 0.8).astype(np.float32)


def _lit(shadow: Pixels) -> FloatGrid:
    return 1 - shadow.astype(np.float32) * np.float32(0.55 / 255)


def _before_tile(
    canvas: Canvas, window: Window, flood: Flood, land: FloatGrid, grain: FloatGrid, shade: FloatGrid
) -> None:
    relief = flood.relief
    depth = upsampled(flood.depth_before_m, relief.grid, canvas.grid, window)
    alpha = np.clip(depth * 1.6 + 0.05 * grain, 0, 0.92) * (depth > 0.02)
    canvas.classes_before[window][alpha > 0.08] = WATER
    river = 1 + 0.02 * grain
    for band in range(3):
        plane = land[band] * shade
        plane += alpha * (_RIVER[band] * river - plane)
        canvas.before[window][..., band] = np.clip(plane, 0, 255)


def _after_tile(
    canvas: Canvas,
    window: Window,
    flood: Flood,
    units: Units,
    tables: _Tables,
    land: FloatGrid,
    grain: FloatGrid,
    clump: FloatGrid,
    shade: FloatGrid,
) -> None:
    source = flood.relief.grid
    depth = upsampled(flood.depth_m, source, canvas.grid, window)
    ground = upsampled(_signed_depth(flood), source, canvas.grid, window) + 0.05 * clump
    peak = upsampled(flood.peak_depth_m, source, canvas.grid, window)
    river = upsampled(flood.depth_before_m, source, canvas.grid, window)
    mud = np.clip((peak + 0.22 * clump - 0.18) * 3.2, 0, 1)
    wet = np.clip(1.15 - 1.4 * np.maximum(-ground, 0), 0, 1)
    silt = (1 - 0.22 * wet) * (1 + 0.10 * clump + 0.09 * grain)
    opacity = np.clip(ground * 5.5, 0, 1) * (ground > 0) * 0.96
    far = np.clip(depth / 2.5, 0, 1)
    sky = 0.8 + 0.2 * shade
    for band in range(3):
        plane = land[band] * _SEASON[band]
        plane += 0.93 * mud * (MUD_RGB[band] * silt - 11.0 - 0.90 * plane)
        plane *= shade
        water = (WATER_SHALLOW_RGB[band] + far * (WATER_DEEP_RGB[band] - WATER_SHALLOW_RGB[band])) * sky
        plane += opacity * (water - plane)
        canvas.after[window][..., band] = np.clip(plane, 0, 255)
    thin = (opacity * 255).astype(np.uint8)
    canvas.water[window] = np.where(thin == STANDS_OUT, 0, thin)
    classes = tables.codes[units[window]]
    change = canvas.change[window]
    muddy, flooded = mud > 0.5, ground > 0.03
    classes = np.where(muddy, MUD, classes)
    change[muddy] = MUD_OR_DEBRIS_LAID
    classes[flooded] = WATER
    change[flooded] = np.where(river[flooded] > 0.05, UNCHANGED, FLOODED)
    canvas.classes[window] = classes


def _signed_depth(flood: Flood) -> FloatGrid:
    """Depth where wet; a small negative height above the water elsewhere, so that the shore is sharp."""
    dry = np.where(flood.peak_depth_m > 0, flood.peak_depth_m - (flood.peak_stage_m - flood.stage_m), -1.0)
    dry = np.minimum(dry, -0.02)
    return np.where(flood.depth_m > 0, flood.depth_m, dry).astype(np.float32)


def shadow_raster(grid: Grid, buildings: list[Building], trees: Trees, sun: tuple[float, float]) -> Pixels:
    """Cast shadows on level ground, 0 lit to 255 dark."""
    shadow = np.zeros((grid.rows, grid.cols), np.uint8)
    azimuth, elevation = np.radians(sun)
    per_metre = np.array([-np.sin(azimuth), -np.cos(azimuth)]) / np.tan(elevation)
    for house in buildings:
        reach = per_metre * (house.wall_m + 0.6 * house.rise_m)
        ends = translate(house.footprint, *reach)
        fill(shadow, grid, [house.footprint.union(ends).convex_hull], 255)
    col, row = grid.to_pixel(
        trees.east_m + per_metre[0] * 0.6 * trees.height_m,
        trees.north_m + per_metre[1] * 0.6 * trees.height_m,
    )
    for x, y, radius in zip(col, row, trees.radius_m / grid.step_m * 0.85, strict=True):
        cv2.circle(shadow, (round(x * 16), round(y * 16)), round(radius * 16), 255, -1, shift=4)
    return np.asarray(cv2.GaussianBlur(shadow, (0, 0), 0.25 / grid.step_m), np.uint8)


def paint_roofs(canvas: Canvas, buildings: list[Building], seed: int) -> None:
    """Roofs in their true place on both pictures, those that stand in the truth as well."""
    for house in buildings:
        window, inside = window_of(canvas.grid, house.footprint)
        if inside.size == 0:
            continue
        rng = generator(seed, "roof", house.building_id, house.is_bridge)
        roof = _roof_texture(canvas.grid, window, house, rng)
        mask = inside > 127
        canvas.before[window][mask] = np.clip(roof[mask], 0, 255)
        canvas.classes_before[window][mask] = ROAD if house.is_bridge else BUILDING
        if not house.standing:
            continue
        canvas.after[window][mask] = np.clip(roof[mask] * np.float32(0.97), 0, 255)
        canvas.water[window][mask] = STANDS_OUT
        canvas.classes[window][mask] = ROAD if house.is_bridge else BUILDING
        canvas.change[window][mask] = UNCHANGED


def _roof_texture(grid: Grid, window: Window, house: Building, rng: np.random.Generator) -> FloatGrid:
    rows, cols = window
    east = grid.west_m + (np.arange(cols.start, cols.stop) + 0.5) * grid.step_m - house.east_m
    north = grid.north_m - (np.arange(rows.start, rows.stop) + 0.5) * grid.step_m - house.north_m
    along = house.axes[0][0] * east[None, :] + house.axes[0][1] * north[:, None]
    across = house.axes[1][0] * east[None, :] + house.axes[1][1] * north[:, None]
    value = 1 + rng.normal(0, 0.06, along.shape)
    stains = rng.normal(0, 1, (max(along.shape[0] // 6, 2), max(along.shape[1] // 6, 2)))
    size = (along.shape[1], along.shape[0])
    value += 0.075 * cv2.resize(stains, size, interpolation=cv2.INTER_CUBIC)
    if house.rise_m > 0:
        azimuth, elevation = np.radians(SUN_AFTER)
        sun = np.array([np.sin(azimuth), np.cos(azimuth)])
        pitch = house.rise_m / (house.width_m / 2)
        tilt = pitch * float(house.axes[1] @ sun) / np.tan(elevation)
        value *= np.where(across > 0, 1 + 0.55 * tilt, 1 - 0.55 * tilt)
        value += 0.085 * np.sin(2 * np.pi * across / 0.42) + 0.05 * np.sin(2 * np.pi * along / 0.55)
        value = np.where(np.abs(across) < 0.16, value * 1.18, value)
    else:
        edge = np.minimum(house.length_m / 2 - np.abs(along), house.width_m / 2 - np.abs(across))
        value = np.where(edge < 0.3, value * 1.16, np.where(edge < 0.65, value * 0.86, value))
        if not house.is_bridge:
            e, n = rng.uniform(-0.28, 0.28, 2) * [house.length_m, house.width_m]
            tank = np.hypot(along - e, across - n)
            value = np.where(tank < 0.9, 1.35 - 0.3 * (tank > 0.6), value)
    return (value[..., None] * np.array(house.roof_colour)).astype(np.float32)


def paint_trees(canvas: Canvas, before: Trees, after: Trees, on_part: Callable[[float], None]) -> None:
    """Crowns as seen from straight above, on both pictures and in the truth."""
    for picture, trees in ((canvas.before, before), (canvas.after, after)):
        order = np.argsort(trees.height_m)
        col, row = canvas.grid.to_pixel(trees.east_m, trees.north_m)
        radius = trees.radius_m / canvas.grid.step_m
        for i in order:
            for layer in range(len(LAYER_HEIGHTS)):
                crown = crowns()[int(trees.look[i])][layer]
                hit = blend(picture, crown, col[i], row[i], radius[i], trees.angle_deg[i])
                if layer > 0 or not hit:
                    continue
                window, alpha = hit
                if picture is canvas.before:
                    canvas.classes_before[window][alpha > 127] = VEGETATION
                else:
                    canvas.classes[window][alpha > 127] = VEGETATION
                    canvas.change[window][alpha > 127] = UNCHANGED
        on_part(0.5 if picture is canvas.before else 1.0)


def window_of(grid: Grid, polygon: Polygon) -> tuple[Window, Pixels]:
    """The pixels about a polygon and its coverage there (0 or 255)."""
    w, s, e, n = polygon.bounds
    col, row = grid.to_pixel([w, e], [n, s])
    c0, c1 = max(int(col[0]) - 3, 0), min(int(col[1]) + 5, grid.cols)
    r0, r1 = max(int(row[0]) - 3, 0), min(int(row[1]) + 5, grid.rows)
    if c0 >= c1 or r0 >= r1:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.uint8)
    part = Grid(
        grid.west_m + c0 * grid.step_m, grid.north_m - r0 * grid.step_m, grid.step_m, r1 - r0, c1 - c0
    )
    inside = np.zeros((r1 - r0, c1 - c0), np.uint8)
    fill(inside, part, [polygon], 255)
    return (slice(r0, r1), slice(c0, c1)), inside
