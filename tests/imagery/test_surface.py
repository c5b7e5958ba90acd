"""The ground under a mosaic, from a DEM and from the photos' points."""

import numpy as np
import pytest

from imagery.adjust import adjust_block
from imagery.ortho import ground_outline
from imagery.render import make_surface
from imagery.surface import Surface, flat_surface, surface_from_points
from sim.world.store import write_grid
from sim.world.terrain import Grid
from tests.imagery.synthetic import made

BOUNDS = (-100.0, -100.0, 100.0, 100.0)


def dem(heights=lambda e, n: 0.05 * e):
    nodes = np.arange(-110, 111, 5.0)
    east, north = np.meshgrid(nodes, nodes[::-1])
    return Surface(-110.0, 110.0, 5.0, np.asarray(heights(east, north), np.float32))


def points_on(heights, count=2500, east=(-95, 95), seed=1, noise_m=0.05):
    rng = np.random.default_rng(seed)
    e, n = rng.uniform(*east, count), rng.uniform(-95, 95, count)
    return np.column_stack([e, n, heights(e, n) + rng.normal(0, noise_m, count)])


def test_a_dem_of_another_datum_is_lifted_even_where_there_are_no_points():
    points = points_on(lambda e, n: 0.05 * e + 21.7, east=(-95, 0))
    surface = surface_from_points(points, BOUNDS, 2.0, base=dem())
    assert surface.at([-50.0, 90.0], [0.0, 0.0]) == pytest.approx([19.2, 26.2], abs=0.05)


def test_crowns_do_not_lift_the_ground_beside_them():
    ground = points_on(lambda e, n: 0.05 * e + 0.3)
    wood = points_on(lambda e, n: 0.05 * e + 8.0, count=1800, east=(20, 70), seed=2, noise_m=1.5)
    surface = surface_from_points(np.concatenate([ground, wood]), BOUNDS, 2.0, base=dem())
    beside = np.array([10.0, 14.0, 18.0])
    assert surface.at(beside, np.zeros(3)) == pytest.approx(0.05 * beside + 0.3, abs=0.1)
    assert surface.at([45.0], [0.0]) == pytest.approx([2.55], abs=0.2)


def test_a_washed_out_place_is_ground_too():
    points = points_on(lambda e, n: 0.05 * e - 3.0 * (np.hypot(e, n) < 30))
    surface = surface_from_points(points, BOUNDS, 2.0, base=dem())
    assert surface.at([0.0], [0.0]) == pytest.approx([-3.0], abs=0.2)
    assert surface.at([60.0], [0.0]) == pytest.approx([3.0], abs=0.1)


def test_a_poor_dem_gives_way_to_the_points():
    def hill(e, n):
        return 12 * np.exp(-(e**2 + n**2) / 2500)

    surface = surface_from_points(points_on(hill), BOUNDS, 2.0, base=dem(lambda e, n: 0 * e))
    assert surface.at([0.0, 40.0], [0.0, 0.0]) == pytest.approx([hill(0, 0), hill(40, 0)], abs=0.4)


def test_without_a_dem_the_points_make_the_ground():
    surface = surface_from_points(points_on(lambda e, n: 300 + 0.1 * n), BOUNDS, 2.0)
    assert surface.at([0.0, 0.0], [-60.0, 60.0]) == pytest.approx([294.0, 306.0], abs=0.1)


def test_a_steep_valley_is_followed_and_points_far_from_it_are_not():
    """Slopes of 40 degrees that bend within a few nodes, two thousand points a decimetre off, ten of them by
    tens of metres: no point that is right is taken for one that is wrong."""
    rng = np.random.default_rng(5)
    east, north = rng.uniform(-400, 400, (2, 2000))

    def height(e, n):
        across = (n + 40 * np.sin(e / 120)) / 110
        return 500 + 250 * across**2 / (1 + across**2) + 10 * np.sin(e / 45)

    points = np.stack([east, north, height(east, north) + rng.normal(0, 0.1, 2000)], axis=1)
    points[:10, 2] += rng.choice([-1, 1], 10) * rng.uniform(20, 400, 10)
    surface = surface_from_points(points, (-420.0, -420.0, 420.0, 420.0), 1.0)
    off = surface.at(east[10:], north[10:]) - height(east, north)[10:]
    assert float(np.sqrt((off**2).mean())) < 1.0
    assert float(np.percentile(np.abs(off), 99)) < 3.5


def test_a_dem_counts_as_far_as_photos_see_down_into_a_gorge(tmp_path):
    """On level ground at the points' usual height they would see less."""
    truth = made(1, relief_m=45.0)
    adjustment = adjust_block(truth.block, truth.tracks)
    grid = Grid(-300.0, 300.0, 5.0, 120, 120)
    gorge = 500 - 0.5 * np.abs(grid.east_centres_m[None, :]) * np.ones((120, 1))
    write_grid(tmp_path / "dem.tif", gorge.astype(np.float32), grid, truth.block.frame)
    surface = make_surface(truth.block, adjustment, tmp_path / "dem.tif")
    level = flat_surface((-1.0, -1.0, 1.0, 1.0), adjustment.ground_up_m)
    seen = np.concatenate(
        [ground_outline(c, p, level) for c, p in zip(adjustment.cameras, adjustment.poses, strict=True)]
    )
    beyond = float(seen[:, 0].max()) + np.array([15.0, 30.0])
    assert beyond.max() < 250
    assert np.diff(surface.at(beyond, np.zeros(2))) == pytest.approx([-7.5], abs=0.5)
