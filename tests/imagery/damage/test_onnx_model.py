"""A user's own network: taken at its word about ground resolution and classes, or refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from imagery.damage import DamageOptions, map_damage
from imagery.damage.features import View
from imagery.damage.onnx_model import load_model
from imagery.errors import DamageError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

GOOD = {"resolution": "20", "class_names": json.dumps(["background", "water"]), "tiles_size": "64"}


def _model(path: Path, said: dict[str, str], *, inputs=("image",), weights=None, size=("h", "w")) -> Path:
    """A 1 x 1 convolution: by default class 1 where blue outweighs red."""
    kernel = np.array([[0, 0, 0], [-30, 0, 30]] if weights is None else weights, np.float32)
    nodes = []
    source = inputs[0]
    if len(inputs) == 2:
        nodes.append(helper.make_node("Sub", [inputs[1], inputs[0]], ["difference"]))
        source = "difference"
    nodes.append(helper.make_node("Conv", [source, "kernel"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, *size]) for n in inputs],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(kernel), *size])],
        [numpy_helper.from_array(kernel[:, :, None, None], "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    for key, value in said.items():
        prop = model.metadata_props.add()
        prop.key, prop.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


def _view(rgb: np.ndarray) -> View:
    return View(rgb, np.ones(rgb.shape[:2], bool))


def _half_blue() -> View:
    rgb = np.zeros((100, 150, 3), np.uint8)
    rgb[:, :75] = (200, 90, 40)
    rgb[:, 75:] = (40, 90, 200)
    return _view(rgb)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("resolution", "does not state its ground resolution"), ("class_names", "does not name its classes")],
)
def test_a_model_that_does_not_say_what_it_needs_is_refused(tmp_path, missing, says) -> None:
    path = _model(tmp_path / "m.onnx", {k: v for k, v in GOOD.items() if k != missing})
    with pytest.raises(DamageError, match=says):
        load_model(path)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"resolution": "0"}, "ground resolution"),
        ({"resolution": "fine"}, "metadata cannot be read"),
        ({"class_names": '["lava", "ice"]'}, "none of its classes is in the legend"),
        ({"tiles_overlap": "80"}, "do not fit its input"),
        ({"std": "[1, 1]"}, "must be three numbers"),
    ],
)
def test_nonsense_in_the_metadata_is_refused(tmp_path, said, says) -> None:
    with pytest.raises(DamageError, match=says) as caught:
        load_model(_model(tmp_path / "m.onnx", {**GOOD, **said}))
    assert "\n" not in str(caught.value)


def test_what_is_no_model_is_refused(tmp_path) -> None:
    with pytest.raises(DamageError, match="no such file"):
        load_model(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(DamageError, match="is no ONNX model"):
        load_model(tmp_path / "text.onnx")


def test_tiles_are_blended_without_seams(tmp_path) -> None:
    model = load_model(_model(tmp_path / "m.onnx", GOOD))
    view = _half_blue()
    likely = model.probabilities(view, None)
    water = likely[model.codes.tolist().index(1)]
    assert water[:, :75].max() < 0.02
    assert water[:, 75:].min() > 0.98
    assert np.allclose(likely.sum(axis=0), 1.0, atol=1e-4)


def test_class_names_may_be_a_table_and_the_unknown_ones_are_told(tmp_path) -> None:
    names = json.dumps({"0": "lava", "1": "水体"})
    model = load_model(_model(tmp_path / "m.onnx", {**GOOD, "class_names": names}))
    assert model.unmapped == ("lava",)
    assert model.codes.tolist() == [0, 1]


def test_one_output_is_the_one_class_named(tmp_path) -> None:
    said = {**GOOD, "class_names": '["water"]'}
    model = load_model(_model(tmp_path / "m.onnx", said, weights=[[-30, 0, 30]]))
    water = model.probabilities(_half_blue(), None)[model.codes.tolist().index(1)]
    assert water[:, 80:].min() > 0.9
    assert water[:, :70].max() < 0.1


def test_a_before_and_after_model_wants_both(tmp_path) -> None:
    model = load_model(_model(tmp_path / "m.onnx", GOOD, inputs=("pre", "post")))
    view = _half_blue()
    with pytest.raises(DamageError, match="give the before-ortho too"):
        model.probabilities(view, None)
    red = _view(np.full_like(view.rgb, (200, 90, 40)))
    water = model.probabilities(view, red)[model.codes.tolist().index(1)]
    assert water[:, 80:].min() > 0.9


def test_a_mosaic_is_mapped_at_the_resolution_of_the_model(tmp_path, make_raster) -> None:
    rgb = np.full((3, 400, 500), 120, np.uint8)
    rgb[2, :, 250:] = 220
    mosaic = make_raster(tmp_path / "m.tif", rgb)
    model = _model(tmp_path / "m.onnx", {**GOOD, "resolution": "25"})
    options = DamageOptions(model=model)
    report = map_damage(mosaic, tmp_path / "out", options).report()
    assert report["pixel_m"] == 0.25
    assert report["water_area_m2"] == pytest.approx(25 * 40, rel=0.02)
    assert report["method"] == "segmentation model m.onnx"
    assert report["accuracy"] is None
    with rasterio.open(tmp_path / "out" / "classes.tif") as source:
        assert source.res == (0.25, 0.25)
    samples = tmp_path / "s.geojson"
    _samples(samples)
    with pytest.raises(DamageError, match="either samples or a model"):
        map_damage(mosaic, tmp_path / "out", replace(options, samples=samples))


def _samples(path: Path) -> None:
    features = [
        {"type": "Feature", "properties": {"class": c}, "geometry": {"type": "Point", "coordinates": [x, y]}}
        for c, x, y in (("water", 117.0004, 30.7334), ("mud", 117.0001, 30.7334))
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
