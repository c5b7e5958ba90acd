"""Shadow as a class of its own, on the simulator's true orthophoto: what is said of ground in the shade of
houses and trees without it and with ten strokes of it, and what that does to the others."""

from dataclasses import replace

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely

from imagery.damage import DamageOptions, map_damage, score
from imagery.damage.legend import BARE, DEBRIS, LANDSLIDE, MUD, ROAD, SHADOW
from sim.world import make_world, paint_samples
from sim.world import paint as painting
from sim.world.store import read_band, write_layer

SEEDS = (51, 52)


def _world(folder, seed: int, monkeypatch):
    """A county, and where shadows of houses and trees lie on it: 0 lit to 255 dark."""
    shades = []
    honest = painting.shadow_raster
    monkeypatch.setattr(painting, "shadow_raster", lambda *given: shades.append(honest(*given)) or shades[-1])
    return make_world(folder, seed, 600, 0.2), shades[1]


def _strokes(world, path, dark) -> None:
    """Ten strokes of each class and ten where open ground lies in shadow."""
    paint_samples(world, path, 10)
    _meta, _, wkb, (names,) = pyogrio.raw.read(path, columns=["class"])
    grid = world.image_grid
    rows, cols = np.nonzero(dark)
    picked = np.random.default_rng(world.seed).choice(len(rows), 10, replace=False)
    spots = [
        shapely.Point(grid.east_centres_m[cols[i]], grid.north_centres_m[rows[i]]).buffer(0.5) for i in picked
    ]
    shapes = [*shapely.from_wkb(wkb), *spots]
    write_layer(path, world.frame, shapes, {"class": [*map(str, names), *["shadow"] * 10]})


@pytest.mark.parametrize("seed", SEEDS)
def test_shadow_as_a_class(seed: int, tmp_path, tell, monkeypatch) -> None:
    world, shade = _world(tmp_path / "w", seed, monkeypatch)
    truth = read_band(world.truth_classes)
    dark = (shade > 200) & np.isin(truth, (MUD, DEBRIS, ROAD, BARE, LANDSLIDE))
    lit = (shade < 60) & (truth > 0)
    paint_samples(world, tmp_path / "plain.gpkg", 10)
    _strokes(world, tmp_path / "shadow.gpkg", dark)
    said, iou = {}, {}
    for name in ("plain", "shadow"):
        options = replace(DamageOptions(), samples=tmp_path / f"{name}.gpkg")
        map_damage(world.folder / "after.tif", tmp_path / name, options)
        with rasterio.open(tmp_path / name / "classes.tif") as source:
            said[name] = source.read(1)
        iou[name] = score(tmp_path / name / "classes.tif", world.truth_classes).iou
    right = {name: ((codes == truth) | (codes == SHADOW))[dark].mean() for name, codes in said.items()}
    called, false = (said["shadow"] == SHADOW)[dark].mean(), (said["shadow"] == SHADOW)[lit].mean()
    means = [np.mean([v for k, v in iou[name].items() if k != "shadow"]) for name in said]
    tell(
        f"seed {seed}: {dark.mean():.1%} of the ground open and in shadow; right there {right['plain']:.2f} "
        f"without, right or not claimed {right['shadow']:.2f} with; called shadow {called:.2f}, "
        f"of lit ground {false:.4f}; mean IoU of the others {means[0]:.3f}, {means[1]:.3f}"
    )
    assert right["shadow"] > right["plain"] + 0.2
    assert false < 0.01
    assert means[1] > means[0] - 0.02
