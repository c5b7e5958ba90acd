"""missionctl damage: a quick look while painting, and classes of one's own in a mission folder."""

import json

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine

WEST, NORTH = 500_000.0, 3_400_000.0


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """(mosaic, strokes): 60 x 60 m, dark in the west, bright in the east, six strokes on each half."""
    folder = tmp_path_factory.mktemp("painted")
    rng = np.random.default_rng(1)
    picture = np.full((3, 300, 300), 60.0)
    picture[:, :, 150:] = 190
    picture += rng.normal(0, 5, picture.shape)
    mosaic = folder / "mosaic.tif"
    with rasterio.open(
        mosaic, "w", driver="GTiff", width=300, height=300, count=3, dtype="uint8", crs="EPSG:32650",
        transform=Affine(0.2, 0, WEST, 0, -0.2, NORTH),
    ) as sink:  # fmt: skip
        sink.write(picture.astype(np.uint8))
    to_degrees = pyproj.Transformer.from_crs(32650, 4326, always_xy=True).transform
    features = [
        {
            "type": "Feature",
            "properties": {"class": name},
            "geometry": {
                "type": "LineString",
                "coordinates": [to_degrees(WEST + x, NORTH - y), to_degrees(WEST + x + 3, NORTH - y)],
            },
        }
        for name, left in (("water", 5), ("晒谷场", 38))
        for x, y in zip((left, left + 8, left + 15) * 2, range(6, 60, 9), strict=True)
    ]
    strokes = folder / "strokes.geojson"
    strokes.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return mosaic, strokes


def _window(east_m: float, width_m: float) -> str:
    to_degrees = pyproj.Transformer.from_crs(32650, 4326, always_xy=True)
    bounds = to_degrees.transform_bounds(WEST + east_m, NORTH - 40, WEST + east_m + width_m, NORTH - 10)
    return ",".join(f"{v:.9f}" for v in bounds)


def test_a_window_is_looked_at_while_painting(run_json, painted, tmp_path):
    mosaic, strokes = painted
    seen = run_json(
        "damage", mosaic, "-o", tmp_path / "d", "--samples", strokes, "--preview", _window(15, 30)
    )
    assert seen["pixel_m"] == 0.2
    assert seen["classes"]["water"]["share"] == pytest.approx(0.5, abs=0.1)
    assert seen["classes"]["晒谷场"]["value"] == 32
    assert seen["samples"] == {"water": 6, "晒谷场": 6}
    with rasterio.open(tmp_path / "d" / "preview.tif") as source:
        assert source.tags(1)["CLASS_32"] == "晒谷场"
        assert source.read(1)[75, 10] == 1
    assert not (tmp_path / "d" / "report.json").exists()


def test_own_classes_of_a_mission_folder_are_one_list(run_json, painted, tmp_path):
    mosaic, strokes = painted
    run_json("new", tmp_path / "m")
    for name in ("a", "b"):
        report = run_json("damage", mosaic, "-o", tmp_path / "m" / "damage" / name, "--samples", strokes)
        assert report["classes"]["晒谷场"]["value"] == 32
    assert [p.name for p in (tmp_path / "m" / "classes").iterdir()] == ["032.json"]


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ("117,30", "is not WEST,SOUTH,EAST,NORTH"),
        ("117,31,116,30", "is no window"),
        ("10,10,10.1,10.1", "misses the mosaic"),
    ],
)
def test_a_window_that_is_none_is_refused(complaint, painted, tmp_path, window, says):
    mosaic, strokes = painted
    assert says in complaint(
        "damage", mosaic, "-o", tmp_path / "d", "--samples", strokes, "--preview", window
    )


def test_without_samples_there_is_nothing_to_preview(complaint, painted, tmp_path):
    said = complaint("damage", painted[0], "-o", tmp_path / "d", "--preview", _window(15, 30))
    assert "give --samples" in said
