"""Footprints from the class building: right angles, true sizes, and none for a speck."""

from dataclasses import replace

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely import Polygon, box
from shapely.affinity import rotate

from imagery.damage import map_damage
from imagery.damage import segment as segmenting
from imagery.damage.legend import BUILDING, VEGETATION
from imagery.damage.scene import GeoGrid
from imagery.damage.segment import regular, segment_footprints

GRID = GeoGrid(pyproj.CRS(32650), Affine(0.2, 0, 500_000, 0, -0.2, 3_400_100), 500, 500)


def classes(folder, houses):
    codes = np.full((500, 500), VEGETATION, np.uint8)
    codes[rasterize(houses, out_shape=codes.shape, transform=GRID.transform) > 0] = BUILDING
    rng = np.random.default_rng(2)
    codes[rng.random(codes.shape) < 0.01] = BUILDING  # specks
    with rasterio.open(
        folder / "classes.tif", "w", driver="GTiff", count=1, width=500, height=500, dtype="uint8",
        crs="EPSG:32650", transform=GRID.transform,
    ) as sink:  # fmt: skip
        sink.write(codes, 1)
    return folder


def l_shaped() -> Polygon:
    return Polygon([(0, 0), (14, 0), (14, 6), (7, 6), (7, 13), (0, 13)])


HOUSES = (
    rotate(box(500_010, 3_400_060, 500_022, 3_400_068), 24),
    rotate(shapely.affinity.translate(l_shaped(), 500_050, 3_400_020), -17),
)


@pytest.mark.parametrize("block_px", [4096, 128])
def test_houses_come_out_as_they_are_and_specks_not_however_blocks_fall(
    tmp_path, monkeypatch, block_px
) -> None:
    monkeypatch.setattr(segmenting, "_BLOCK_PX", block_px)
    found = segment_footprints(classes(tmp_path, HOUSES), GRID)
    assert len(found) == 2
    for house, outline in zip(HOUSES, found, strict=True):
        assert house.intersection(outline).area / house.union(outline).area > 0.88
    assert [len(f.exterior.coords) - 1 for f in found] == [4, 6]


@pytest.mark.parametrize("turn_deg", [0, 13, 45, 71])
def test_every_corner_is_a_right_angle(turn_deg) -> None:
    rough = rotate(l_shaped(), turn_deg).segmentize(0.5).buffer(0.15).simplify(0.1)
    ring = shapely.get_coordinates(regular(rough))[:-1]
    edges = np.roll(ring, -1, axis=0) - ring
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    assert np.abs((edges * np.roll(edges, 1, axis=0)).sum(axis=1)).max() < 1e-6


def test_without_footprints_houses_are_segmented_graded_and_marked_lost_ones_too(
    place, all_inputs, tmp_path
) -> None:
    options = replace(all_inputs, footprints=None, roads=None, population=None)
    report = map_damage(place.after, tmp_path, options).report()
    meta, _, wkb, values = pyogrio.raw.read(tmp_path / "damage.gpkg", layer="buildings")
    columns = dict(zip(meta["fields"], values, strict=True))
    assert set(columns["footprint"]) == {"segmented"}
    assert report["footprints"] == "segmented"
    _, _, true_wkb, true_values = pyogrio.raw.read(place.footprints)
    found = shapely.from_wkb(wkb)
    tree = shapely.STRtree(found)
    for identifier, house in zip(true_values[0], shapely.from_wkb(true_wkb), strict=True):
        near = tree.query(house, predicate="intersects")
        best = max((found[i].intersection(house).area / found[i].union(house).area, i) for i in near)
        # The middle of the house that is gone shows no wall; it need only be there.
        assert best[0] > (0.3 if identifier == "b2" else 0.75), identifier
        if identifier in place.grades:
            assert columns["grade"][best[1]] != "No visible damage"
