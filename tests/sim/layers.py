"""Layers of a world as its tests read them."""

from __future__ import annotations

import numpy as np
import pyogrio.raw
import rasterio.features
import shapely


def layer(path):
    meta, _, wkb, values = pyogrio.raw.read(path)
    return shapely.from_wkb(wkb), dict(zip(meta["fields"], values, strict=True)), meta["crs"]


def inside_of(world, polygon):
    transform = rasterio.open(world.truth_classes).transform
    grid = world.image_grid
    return rasterio.features.geometry_mask([polygon], (grid.rows, grid.cols), transform, invert=True)


def away_from(world, path, **wanted):
    """Metres from the centre of each DEM cell to the nearest line of a layer."""
    shapes, values, _ = layer(path)
    ((key, value),) = wanted.items()
    lines = shapely.unary_union([s for s, v in zip(shapes, values[key], strict=True) if v == value])
    shapely.prepare(lines)
    e, n = np.meshgrid(world.dem_grid.east_centres_m, world.dem_grid.north_centres_m)
    return shapely.distance(lines, shapely.points(e, n))
