"""The pixel grid of a mosaic: where its pixels lie in the local frame."""

import numpy as np
import pyproj
import pytest

from imagery.ortho import MosaicGrid
from plans.frames import LocalFrame


@pytest.mark.parametrize(
    ("epsg", "lat", "lon"),
    [(32648, 30.6, 103.1), (32648, 30.6, 107.9), (3857, 60.2, 24.9)],
    ids=["utm", "edge of a utm zone", "web mercator in the north"],
)
def test_places_between_anchors_are_exact_to_a_third_of_a_millimetre(epsg, lat, lon):
    frame = LocalFrame(lat, lon)
    to_local = pyproj.Transformer.from_crs(epsg, frame.crs, always_xy=True)
    west, north = to_local.transform(-500.0, 500.0, direction="INVERSE")
    grid = MosaicGrid(epsg, frame, west, north, 0.5, 2000, 2000)
    rows, cols = np.arange(-8.5, 2000, 16), np.arange(200.0, 1500, 7)
    east, up = grid.local_places(rows, cols)
    x, y = np.meshgrid(west + (cols + 0.5) * 0.5, north - (rows + 0.5) * 0.5)
    exact = to_local.transform(x, y)
    assert east.shape == (len(rows), len(cols))
    assert np.hypot(east - exact[0], up - exact[1]).max() < 3.3e-4


def test_few_places_are_not_put_between_anchors():
    frame = LocalFrame(30.6, 103.1)
    grid = MosaicGrid(32648, frame, 400_000.0, 3_390_000.0, 100.0, 50, 50)
    to_local = pyproj.Transformer.from_crs(32648, frame.crs, always_xy=True)
    east, north = grid.local_places([3], [4, 40])
    exact = to_local.transform([400_450.0, 404_050.0], [3_389_650.0, 3_389_650.0])
    assert east[0] == pytest.approx(exact[0], abs=1e-9)
    assert north[0] == pytest.approx(exact[1], abs=1e-9)


def test_map_places_are_the_way_back():
    frame = LocalFrame(30.6, 103.1)
    grid = MosaicGrid(32648, frame, 400_000.0, 3_390_000.0, 0.05, 500, 500)
    east, north = grid.local_places([7], [11])
    x, y = grid.map_places(east, north)
    assert (float(x[0, 0]), float(y[0, 0])) == pytest.approx((400_000.575, 3_389_999.625), abs=1e-6)
