"""Zones drawn on a Chinese web map come out where they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plans.gcj02 import gcj02_from_wgs84, geometry_from_gcj02, wgs84_from_gcj02
from plans.zones import read_zones

from .conftest import repeatable

METRES_PER_DEG = 111_320.0


# go/transform_test.go of googollee/eviltransform, computed by the same public formula
EVILTRANSFORM = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]
# test/fixtures/china-cities.json of hujiulong/gcoord: cities as a map service places them, to 1e-7 deg
CITIES = [
    ((33.0133556, 114.0164322), (33.0115324, 114.022306)),
    ((31.4784436, 92.0499619), (31.4762063, 92.0512438)),
    ((36.2138283, 117.6708588), (36.2138184, 117.6767323)),
    ((25.048566, 101.5265949), (25.0455363, 101.5280737)),
    ((43.9312805, 116.0414035), (43.9334573, 116.0482308)),
    ((39.7319946, 98.4937175), (39.7328234, 98.4943595)),
    ((41.8032629, 123.4253306), (41.8057023, 123.4314787)),
    ((23.3567569, 116.6775114), (23.3540964, 116.6819735)),
]


@pytest.mark.parametrize(("wgs84", "gcj02"), EVILTRANSFORM)
def test_the_formula_is_the_public_one(wgs84, gcj02):
    assert [float(v) for v in gcj02_from_wgs84(*wgs84)] == pytest.approx(gcj02, abs=1e-12)
    assert [float(v) for v in wgs84_from_gcj02(*gcj02)] == pytest.approx(wgs84, abs=1e-11)


@pytest.mark.parametrize(("wgs84", "gcj02"), CITIES)
def test_it_agrees_with_a_map_service_to_a_metre(wgs84, gcj02):
    assert [float(v) for v in gcj02_from_wgs84(*wgs84)] == pytest.approx(gcj02, abs=1e-5)
    assert [float(v) for v in wgs84_from_gcj02(*gcj02)] == pytest.approx(wgs84, abs=1e-5)


@repeatable(200)
@given(st.floats(18.0, 53.0), st.floats(74.0, 134.0))
def test_there_and_back_is_under_a_tenth_of_a_metre(lat, lon):
    back = wgs84_from_gcj02(*gcj02_from_wgs84(lat, lon))
    off = np.hypot(float(back[0]) - lat, (float(back[1]) - lon) * np.cos(np.radians(lat))) * METRES_PER_DEG
    assert off < 1e-3


def test_outside_of_china_nothing_moves():
    assert [float(v) for v in gcj02_from_wgs84(52.5, 13.4)] == [52.5, 13.4]
    assert [float(v) for v in wgs84_from_gcj02(-33.9, 151.2)] == [-33.9, 151.2]


def test_a_zone_declared_as_gcj02_moves_by_its_half_kilometre_and_keeps_its_holes(tmp_path):
    drawn = shapely.box(104.0, 30.0, 104.02, 30.02).difference(shapely.box(104.005, 30.005, 104.01, 30.01))
    path = tmp_path / "amap.geojson"
    path.write_text(shapely.to_geojson(drawn))
    (plain,), (moved,) = read_zones(path), read_zones(path, gcj02=True)
    assert len(moved.polygon.interiors) == 1
    shift = plain.polygon.centroid.distance(moved.polygon.centroid) * METRES_PER_DEG
    assert 200 < shift < 800
    assert json.loads(shapely.to_geojson(geometry_from_gcj02(drawn))) == json.loads(
        shapely.to_geojson(moved.polygon)
    )
