"""Strokes painted in the app: kept as the mission's samples, and shown as classes beside the window."""

import json
import queue

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from shapely import LineString, Point, box

from imagery.damage.legend import Legend
from missionctl.errors import WorkspaceError
from missionctl.services.preview_worker import PreviewWorker
from missionctl.services.strokes import (
    PAINTED,
    PaintedStroke,
    Strokes,
    keep_strokes,
    read_strokes,
    same_class,
)
from missionctl.workspace import MissionConfig, Workspace
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 105.0)
WATER_RGB, FIELD_RGB = (60, 90, 140), (110, 160, 70)


@pytest.fixture
def workspace(tmp_path):
    config = MissionConfig("Bend", origin_lat_deg=30.0, origin_lon_deg=105.0)
    return Workspace.create(tmp_path / "mission", config)


def line(*places, name="water", width_m=2.0):
    return PaintedStroke(name, FRAME.geometry_to_geo(LineString(places)), width_m)


@pytest.fixture
def mosaic(workspace):
    """60 m of water in the west, fields in the east; 0.2 m a pixel."""
    rng = np.random.default_rng(1)
    side = 600
    picture = np.where(np.arange(side)[None, :] < side // 2, 0, 1)
    picture = np.broadcast_to(picture, (side, side))
    rgb = np.array([WATER_RGB, FIELD_RGB])[picture].transpose(2, 0, 1)
    rough = np.where(picture == 1, 14, 3)
    rgb = np.clip(rgb + rng.normal(0, 1, (1, side, side)) * rough, 0, 255).astype(np.uint8)
    path = workspace.path / "mosaics" / "m.tif"
    utm = "EPSG:32648"
    east, north = 403_500.0, 3_320_000.0
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8", crs=utm,
        transform=from_origin(east, north, 0.2, 0.2), photometric="RGB",
    ) as out:  # fmt: skip
        out.write(rgb)
    return path


def at(mosaic, *places, name, width_m=2.0):
    """A stroke in metres east and south of the mosaic's corner."""
    from pyproj import Transformer

    with rasterio.open(mosaic) as picture:
        turn = Transformer.from_crs(picture.crs, 4326, always_xy=True).transform
        corner = picture.transform.c, picture.transform.f
    line = LineString([(corner[0] + x, corner[1] - y) for x, y in places])
    return PaintedStroke(name, shapely.transform(line, turn, interleaved=False), width_m)


def test_strokes_come_back_as_they_were_kept_and_are_the_missions_samples(workspace):
    assert read_strokes(workspace) == Strokes()
    painted = Strokes().with_stroke(line((0, 0), (10, 5))).with_stroke(line((5, 5), (9, 9), name="滑坡体"))
    painted = painted.with_stroke(PaintedStroke("mud", FRAME.geometry_to_geo(Point(3, 3))))
    file = keep_strokes(workspace, painted)
    assert read_strokes(workspace) == painted
    assert workspace.config.inputs["samples"] == PAINTED
    assert painted.counts() == {"water": 1, "滑坡体": 1, "mud": 1}
    assert pyogrio.read_info(file)["features"] == 3
    keep_strokes(workspace, painted.without(1))
    assert [s.name for s in read_strokes(workspace).strokes] == ["water", "mud"]


def test_samples_from_elsewhere_are_taken_up_and_their_file_stays(workspace):
    elsewhere = workspace.path / "given.gpkg"
    shape = FRAME.geometry_to_geo(box(0, 0, 5, 5))
    pyogrio.raw.write(
        elsewhere, np.array([shapely.to_wkb(shape)]), [np.array(["Water"], object)], ["class"],
        geometry_type="Polygon", crs="EPSG:4326", layer="samples",
    )  # fmt: skip
    workspace.set_input("samples", elsewhere)
    before = elsewhere.read_bytes()
    strokes = read_strokes(workspace)
    assert [(s.name, s.width_m) for s in strokes.strokes] == [("Water", None)]
    assert strokes.strokes[0].geometry.equals_exact(shape, 1e-9)
    keep_strokes(workspace, strokes.with_stroke(line((0, 0), (3, 3), name="mud")))
    assert elsewhere.read_bytes() == before
    assert len(read_strokes(workspace).strokes) == 2


def test_a_broken_file_is_told_and_left_alone(workspace):
    keep_strokes(workspace, Strokes())
    (workspace.path / PAINTED).write_text(json.dumps({"features": [{"geometry": 3}]}))
    with pytest.raises(WorkspaceError, match="cannot be read"):
        read_strokes(workspace)


def test_a_name_means_the_legends_class_whatever_the_language():
    assert same_class("水体", Legend()) == "water"
    assert same_class("Mud", Legend()) == "mud"
    assert same_class("greenhouse", Legend()) == "greenhouse"


def test_what_strokes_make_of_a_window_comes_from_beside(workspace, mosaic):
    strokes = Strokes()
    for south in (15, 45, 75, 105):
        strokes = strokes.with_stroke(at(mosaic, (10, south), (40, south + 5), name="water"))
        strokes = strokes.with_stroke(at(mosaic, (75, south), (110, south + 5), name="vegetation"))
    keep_strokes(workspace, strokes)
    with rasterio.open(mosaic) as picture:
        west, south, east, north = rasterio.warp.transform_bounds(picture.crs, 4326, *picture.bounds)
    results = queue.Queue()
    worker = PreviewWorker(results.put)
    try:
        worker.show(workspace.path, mosaic, (west, south, east, north))
        done = results.get(timeout=120)
        assert done.fault == ""
        shown = done.result
        columns = shown.classes.shape[1]
        assert (shown.classes[:, : columns // 2 - 10] == 1).mean() > 0.95
        assert (shown.classes[:, columns // 2 + 10 :] == 6).mean() > 0.95
        assert shown.corners_deg[0] == pytest.approx((west, north), abs=1e-4)
        keep_strokes(workspace, Strokes(strokes.strokes[:1]))
        worker.show(workspace.path, mosaic, (west, south, east, north))
        assert "at least one other class" in results.get(timeout=120).fault
    finally:
        worker.close()
