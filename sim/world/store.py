"""A world on disk: what it consists of, how its files are written and found again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyogrio.raw
import rasterio
import shapely
from affine import Affine
from rasterio import features
from rasterio.io import MemoryFile
from shapely import Geometry
from shapely.geometry import shape

from imagery.damage.legend import CHANGES, CLASSES
from imagery.errors import RasterError
from imagery.raster_io import finish_cog, whole_file, write_cog
from plans.frames import GeoPoint, LocalFrame
from sim.errors import WorldError
from sim.world.objects import Building, Trees
from sim.world.terrain import Grid, world_grid

_FORMAT = 1
_JPEG_QUALITY = 93


@dataclass(frozen=True)
class World:
    """A world folder. Files beside the named ones are the renderer's own (in scene/)."""

    folder: Path
    seed: int
    frame: LocalFrame
    width_m: float
    height_m: float
    pixel_m: float
    launch: GeoPoint
    """Dry ground to start from, AMSL."""
    stage_m: float | None = None
    """Water when the survey is flown, above the valley's floor; of a real place above its river's own
    surface, None if it is dry."""
    river: str | None = None
    """Of a flooded real place: how it is known where its river runs."""

    @property
    def image_grid(self) -> Grid:
        """Of the orthophotos and the truth rasters."""
        return world_grid(self.width_m, self.height_m, self.pixel_m)

    @property
    def dem_grid(self) -> Grid:
        """Of dem.tif and truth_depth.tif."""
        return world_grid(self.width_m, self.height_m, 1.0)

    @property
    def dem(self) -> Path:
        """Bare earth after the event, float32, 1 m, AMSL."""
        return self.folder / "dem.tif"

    @property
    def dem_before(self) -> Path:
        """The same before the event: without washed-out roads and landslides."""
        return self.folder / "dem_before.tif"

    @property
    def before(self) -> Path:
        """Orthophoto before the event."""
        return self.folder / "before.tif"

    @property
    def after(self) -> Path:
        """Orthophoto after the event, as no camera sees it: true to scale everywhere."""
        return self.folder / "after.tif"

    @property
    def truth_classes(self) -> Path:
        """Ground classes after the event, legend codes."""
        return self.folder / "truth_classes.tif"

    @property
    def truth_classes_before(self) -> Path:
        """Ground classes before it."""
        return self.folder / "truth_classes_before.tif"

    @property
    def truth_change(self) -> Path:
        """Change classes, legend codes."""
        return self.folder / "truth_change.tif"

    @property
    def truth_depth(self) -> Path:
        """Water depth in metres on the DEM's grid, when the survey is flown."""
        return self.folder / "truth_depth.tif"

    @property
    def truth_depth_before(self) -> Path:
        """Before the event, over the heights of then."""
        return self.folder / "truth_depth_before.tif"

    @property
    def truth_depth_peak(self) -> Path:
        """At the flood's highest, over the heights before it."""
        return self.folder / "truth_depth_peak.tif"

    @property
    def zone(self) -> Path:
        """The flood zone to survey: concave, with a hole."""
        return self.folder / "zone.geojson"

    @property
    def footprints(self) -> Path:
        """Houses before the event."""
        return self.folder / "footprints.gpkg"

    @property
    def truth_buildings(self) -> Path:
        """The same houses with grade, flooded and depth."""
        return self.folder / "truth_buildings.gpkg"

    @property
    def roads(self) -> Path:
        """Centre lines before the event."""
        return self.folder / "roads.gpkg"

    @property
    def truth_roads(self) -> Path:
        """Pieces of road with their state."""
        return self.folder / "truth_roads.gpkg"

    @property
    def truth_bridges(self) -> Path:
        """Lines over the water with their road and state."""
        return self.folder / "truth_bridges.gpkg"

    @property
    def rivers(self) -> Path:
        """Centre lines of river and tributaries."""
        return self.folder / "rivers.gpkg"

    @property
    def truth_water(self) -> Path:
        """What was under water, as polygons: `moment` is before, survey or peak."""
        return self.folder / "truth_water.gpkg"

    @property
    def truth_debris(self) -> Path:
        """Polygons of what lies on the ground: `kind` is house, driftwood, landslide or bridge; of `scar`
        the slope is bare."""
        return self.folder / "truth_debris.gpkg"

    @property
    def truth_finds(self) -> Path:
        """Points of people and boats to be found."""
        return self.folder / "truth_finds.gpkg"

    @property
    def townships(self) -> Path:
        """Township polygons with Chinese and English names."""
        return self.folder / "townships.gpkg"

    @property
    def population(self) -> Path:
        """A point per house with the people who live there."""
        return self.folder / "population.gpkg"

    @property
    def ground(self) -> Path:
        """The renderer's ground: the after-orthophoto without trees."""
        return self.folder / "scene" / "ground.jpg"

    @property
    def water(self) -> Path:
        """The renderer's water opacity."""
        return self.folder / "scene" / "water.png"

    @property
    def surface(self) -> Path:
        """Ground with all that stands on it, float32, 1 m, AMSL; only of a real place with a DSM."""
        return self.folder / "scene" / "surface.tif"

    @property
    def objects(self) -> Path:
        """The renderer's buildings and trees."""
        return self.folder / "scene" / "objects.npz"


def save_world(world: World) -> None:
    """Write world.json: the last file, so that it stands for a whole world."""
    value = {
        "format": _FORMAT,
        "seed": world.seed,
        "origin_lat_deg": world.frame.origin_lat_deg,
        "origin_lon_deg": world.frame.origin_lon_deg,
        "size_m": [world.width_m, world.height_m],
        "pixel_m": world.pixel_m,
        "stage_m": world.stage_m,
        "river": world.river,
        "launch": {
            "lat_deg": world.launch.lat_deg,
            "lon_deg": world.launch.lon_deg,
            "alt_amsl_m": world.launch.alt_amsl_m,
        },
    }
    with _whole(world.folder / "world.json") as part:
        part.write_text(json.dumps(value, indent=2), encoding="utf-8")


def clear_world(folder: Path) -> None:
    """Make the folder ready for a new world: it holds none until save_world.

    Raises WorldError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "world.json").unlink(missing_ok=True)
    except OSError as error:
        raise WorldError(
            f"{folder}: a world cannot be written here ({error.strerror}); choose another folder"
        ) from error


def load_world(folder: Path) -> World:
    """The world in a folder.

    Raises WorldError when there is none, or only a part of one.
    """
    folder = Path(folder)
    try:
        value = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        if value["format"] != _FORMAT:
            raise WorldError(
                f"{folder}: a world of format {value['format']}; make it again with this version"
            )
        launch = value["launch"]
        width, height = value["size_m"]
        world = World(
            folder=folder,
            seed=int(value["seed"]),
            frame=LocalFrame(value["origin_lat_deg"], value["origin_lon_deg"]),
            width_m=float(width),
            height_m=float(height),
            pixel_m=float(value["pixel_m"]),
            launch=GeoPoint(launch["lat_deg"], launch["lon_deg"], launch["alt_amsl_m"]),
            stage_m=value.get("stage_m"),
            river=value.get("river"),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WorldError(f"{folder}: holds no whole world ({error}); make one first") from error
    missing = [p.name for p in (world.dem, world.ground, world.water, world.objects) if not p.exists()]
    if missing:
        raise WorldError(f"{folder}: {', '.join(missing)} missing; make the world again")
    return world


def write_picture(path: Path, picture: npt.NDArray[np.uint8], grid: Grid, frame: LocalFrame) -> None:
    """An RGB orthophoto (rows, cols, 3) as a COG with JPEG tiles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": 3,
        "height": grid.rows,
        "width": grid.cols,
        "dtype": "uint8",
        "transform": transform_of(grid),
        "crs": frame.crs.to_wkt(),
        "photometric": "RGB",
        "interleave": "pixel",
    }
    with _as_sim_error(), MemoryFile() as memory:
        with memory.open(**profile) as sink:
            sink.write(np.moveaxis(picture, 2, 0))
        finish_cog(Path(memory.name), path, jpeg_quality=_JPEG_QUALITY)


def write_classes(
    path: Path, codes: npt.NDArray[np.uint8], grid: Grid, frame: LocalFrame, *, changes: bool = False
) -> None:
    """A truth raster of legend codes with its colours and names; 0 is nodata."""
    legend = CHANGES if changes else CLASSES
    with _as_sim_error():
        write_cog(
            path,
            codes,
            transform_of(grid),
            frame.crs,
            nodata=0,
            colormap={entry.code: entry.colour for entry in legend},
            names={entry.code: entry.name_en for entry in legend},
            resampling="nearest",
        )


def write_grid(
    path: Path, values: npt.NDArray, grid: Grid, frame: LocalFrame, nodata: float | None = None
) -> None:
    """One band of numbers as a COG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _as_sim_error():
        write_cog(path, values, transform_of(grid), frame.crs, nodata=nodata)


def write_layer(
    path: Path, frame: LocalFrame, geometries: list[Geometry], fields: dict[str, list[Any]]
) -> None:
    """A vector file (by suffix) from shapes in local metres; GeoJSON goes out in WGS84."""
    shapes, crs = geometries, frame.crs.to_wkt()
    if path.suffix == ".geojson":
        shapes, crs = [frame.geometry_to_geo(g) for g in geometries], "EPSG:4326"
    kind = shapes[0].geom_type if len({g.geom_type for g in shapes}) == 1 else "Unknown"
    with _whole(path) as part:
        part.unlink(missing_ok=True)
        pyogrio.raw.write(
            str(part),
            geometry=np.array([shapely.to_wkb(g) for g in shapes], dtype=object),
            field_data=[np.array(v) for v in fields.values()],
            fields=list(fields),
            geometry_type=kind,
            crs=crs,
            layer=path.stem,
        )


def save_image(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """A picture without a place, RGB or one band, for the renderer: quick to write and read."""
    jpeg = path.suffix == ".jpg"
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if jpeg else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    done, data = cv2.imencode(path.suffix, ordered, options)
    if not done:
        raise WorldError(f"{path}: a picture of {picture.shape[1]} x {picture.shape[0]} cannot be encoded")
    with _whole(path) as part:
        part.write_bytes(data.tobytes())


def load_image(path: Path) -> npt.NDArray[np.uint8]:
    """What save_image wrote."""
    flag = cv2.IMREAD_COLOR_RGB if path.suffix == ".jpg" else cv2.IMREAD_GRAYSCALE
    picture = cv2.imread(str(path), flag)
    if picture is None:
        raise WorldError(f"{path}: cannot be read; make the world again")
    return np.asarray(picture, np.uint8)


def save_objects(path: Path, buildings: list[Building], trees: Trees) -> None:
    """The renderer's buildings and trees."""
    text = json.dumps([asdict(b) for b in buildings])
    arrays = {f"tree_{name}": getattr(trees, name) for name in Trees.__dataclass_fields__}
    with _whole(path) as part, open(part, "wb") as sink:
        np.savez(sink, buildings=np.array(text), **arrays)


def load_objects(path: Path) -> tuple[list[Building], Trees]:
    """What save_objects wrote."""
    with np.load(path) as arrays:
        entries = json.loads(str(arrays["buildings"]))
        trees = Trees(**{name: arrays[f"tree_{name}"] for name in Trees.__dataclass_fields__})
    for entry in entries:
        entry["roof_colour"] = tuple(entry["roof_colour"])
        entry["wall_colour"] = tuple(entry["wall_colour"])
    return [Building(**entry) for entry in entries], trees


def read_band(path: Path) -> npt.NDArray:
    """The first band of a raster."""
    with rasterio.open(path) as source:
        return source.read(1)


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """(rows, cols, 3) RGB."""
    with rasterio.open(path) as source:
        return np.ascontiguousarray(np.moveaxis(source.read((1, 2, 3)), 0, 2))


def outlines(depth_m: npt.NDArray, grid: Grid) -> list[Geometry]:
    """The parts that are under water, as polygons in local metres."""
    wet = (depth_m > 0).astype(np.uint8)
    return [shape(part) for part, _ in features.shapes(wet, mask=wet > 0, transform=transform_of(grid))]


def transform_of(grid: Grid) -> Affine:
    """Pixel corners to local metres."""
    return Affine(grid.step_m, 0, grid.west_m, 0, -grid.step_m, grid.north_m)


Progress = Callable[[str, float], None]


@contextmanager
def _as_sim_error() -> Iterator[None]:
    """Faults of the raster writer, as this package's."""
    try:
        yield
    except RasterError as error:
        raise WorldError(str(error)) from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """imagery.raster_io.whole_file with this package's errors."""
    with _as_sim_error(), whole_file(path) as part:
        yield part
