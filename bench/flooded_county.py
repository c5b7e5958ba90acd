"""Flooded valleys with all their truth, flown and stitched: what damage maps are measured on.

    python -m bench.flooded_county FOLDER

Each scene is a place of its own (seed) at a stage of its own. FOLDER/county-SEED/world holds the truth and
what a county has: the orthophoto, DEM, footprints and roads of before, townships. mosaic.tif is what
imagery.mosaic made of some 80 photos. What is there is kept; a scene takes some minutes of two cores.
Methods are chosen by the scenes of TUNING and told by those of UNSEEN, which nothing is chosen by.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio.raw
import rasterio
import shapely
from rasterio.enums import Resampling
from shapely import Geometry

from imagery.damage import DamageOptions
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.raster_io import write_cog
from plans.cameras import find_camera
from sim.camera import PhotoCard
from sim.world.analyst import paint_samples
from sim.world.make import make_world
from sim.world.store import World, load_world, write_layer

from .photo_blocks import poses_over, shots_at

CAMERA = "Simulated 6 MP"
GSD_M = 0.10
SIZE_M = 800.0
PHOTOS = 80
_RTK_SIGMA_M = 0.02
_VILLAGE_YARD_M = 20.0
_COARSE_DEM_M = 30.0


@dataclass(frozen=True)
class Place:
    """A scene to be: the seed of its valley, and the water above the floor (None: as the demo has it)."""

    seed: int
    stage_m: float | None = None


TUNING = (Place(41), Place(42, 1.2))
UNSEEN = (Place(51), Place(52, 0.9), Place(53, 1.5), Place(54))


@dataclass(frozen=True)
class FloodedCounty:
    """A scene on disk."""

    folder: Path
    world: World

    @property
    def mosaic(self) -> Path:
        """Flown and stitched."""
        return self.folder / "mosaic.tif"

    @property
    def true_ortho(self) -> Path:
        """What the mosaic would be if all were seen from straight above: a cheap stand-in for it."""
        return self.world.after

    @property
    def coarse_dem(self) -> Path:
        """The ground before the flood in cells of 30 m, as global models have it."""
        return self.folder / "dem30.tif"

    @property
    def villages(self) -> Path:
        """Polygons about the houses of each village, named."""
        return self.folder / "villages.gpkg"

    def samples(self, strokes_per_class: int, painting: int = 0) -> Path:
        """Strokes by the simulated analyst; another `painting`, another hand."""
        path = self.folder / f"samples-{strokes_per_class}-{painting}.geojson"
        if not path.exists():
            paint_samples(self.world, path, strokes_per_class, painting)
        return path

    def options(self, strokes_per_class: int, painting: int = 0) -> DamageOptions:
        """All inputs that there are, with the DEM of 1 m."""
        world = self.world
        return DamageOptions(
            before=world.before,
            dem=world.dem_before,
            footprints=world.footprints,
            roads=world.roads,
            townships=world.townships,
            population=world.population,
            samples=self.samples(strokes_per_class, painting),
        )


def flooded_county(root: Path, place: Place, workers: int = 2) -> FloodedCounty:
    """The scene of a place in a folder of `root`, made if it is not there."""
    folder = root / f"county-{place.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    world = _world(folder / "world", place)
    county = FloodedCounty(folder, world)
    if not county.villages.exists():
        names, outlines = _villages(world)
        write_layer(county.villages, world.frame, outlines, {"name_en": names})
    if not county.coarse_dem.exists():
        _coarsen(world.dem_before, county.coarse_dem, _COARSE_DEM_M)
    if not county.mosaic.exists():
        photos = folder / "photos"
        if not (photos / "whole").exists():
            _fly(world, photos, place.seed, workers)
        make_mosaic(photos, county.mosaic, MosaicOptions(dem=world.dem_before, workers=workers))
    return county


def _world(folder: Path, place: Place) -> World:
    if (folder / "world.json").exists():
        return load_world(folder)
    return make_world(folder, place.seed, SIZE_M, 0.1, stage_m=place.stage_m)


def _fly(world: World, photos: Path, seed: int, workers: int) -> None:
    camera = find_camera(CAMERA)
    poses = poses_over(world, PHOTOS, None, camera, GSD_M)
    with PhotoCard(world.folder, camera, photos, workers, seed) as card:
        for shot in shots_at(world, poses, seed, _RTK_SIGMA_M):
            card.capture(shot)
    (photos / "whole").touch()


def _villages(world: World) -> tuple[list[str], list[Geometry]]:
    _, _, shapes, fields = pyogrio.raw.read(world.footprints, columns=["village"])
    houses = shapely.from_wkb(shapes)
    of = np.asarray(fields[0])
    names = sorted(set(of.tolist()))
    yards = [
        shapely.MultiPolygon(list(houses[of == n])).convex_hull.buffer(_VILLAGE_YARD_M, quad_segs=4)
        for n in names
    ]
    return names, yards


def _coarsen(dem: Path, out: Path, cell_m: float) -> None:
    """Heights averaged over larger cells."""
    with rasterio.open(dem) as source:
        size = round(source.width / cell_m), round(source.height / cell_m)
        few = source.read(1, out_shape=(size[1], size[0]), resampling=Resampling.average)
        transform = source.transform * source.transform.scale(source.width / size[0], source.height / size[1])
        write_cog(out, few.astype(np.float32), transform, source.crs, nodata=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    for place in (*TUNING, *UNSEEN):
        print(flooded_county(given.folder, place).mosaic)
