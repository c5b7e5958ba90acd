"""A user's own network: taken at its word about ground resolution and classes, or refused."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from sklearn.linear_model import LogisticRegression

from imagery.damage import DamageOptions, map_damage
from imagery.damage.features import View
from imagery.damage.onnx_model import load_model
from imagery.damage.own_classes import OwnClasses
from imagery.errors import DamageError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

GOOD = {"resolution": "20", "class_names": json.dumps(["background", "water"]), "tiles_size": "64"}


def _model(
    path: Path,
    said: dict[str, str],
    *,
    inputs=("image",),
    weights=None,
    bias=None,
    size=("h", "w"),
    kind="FLOAT",
    shrunk=1,
) -> Path:
    """One convolution: by default 1 x 1, class 1 where blue outweighs red."""
    kernel = np.array([[0, 0, 0], [-30, 0, 30]] if weights is None else weights, np.float32)
    kernel = kernel if kernel.ndim == 4 else kernel[:, :, None, None]
    if kind == "UINT8":
        kernel = kernel / 255
    channels = kernel.shape[1] if len(inputs) == 1 else 3
    nodes = [helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT) for name in inputs]
    source = f"{inputs[0]}_f"
    if len(inputs) == 2:
        nodes.append(helper.make_node("Sub", [f"{inputs[1]}_f", source], ["difference"]))
        source = "difference"
    conv = helper.make_node(
        "Conv", [source, "kernel", "bias"], ["scores"], pads=[kernel.shape[2] // 2] * 4, strides=[shrunk] * 2
    )
    given = np.zeros(len(kernel)) if bias is None else bias
    graph = helper.make_graph(
        [*nodes, conv],
        "test",
        [helper.make_tensor_value_info(n, getattr(TensorProto, kind), [1, channels, *size]) for n in inputs],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(kernel), "y", "x"])],
        [
            numpy_helper.from_array(kernel.astype(np.float32), "kernel"),
            numpy_helper.from_array(np.array(given, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    for key, value in said.items():
        prop = model.metadata_props.add()
        prop.key, prop.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


def _half_a_pond() -> np.ndarray:
    """(3, 400, 500): blue in the east, with the grain that sharp pictures have."""
    rgb = np.full((3, 400, 500), 120.0)
    rgb[2, :, 250:] = 220
    return (rgb + np.random.default_rng(3).normal(0, 6, rgb.shape)).clip(0, 255).astype(np.uint8)


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
        ({"standardization_std": "[1, 0, 1]"}, "std above zero"),
        ({"seg_thresh": "2"}, "seg_thresh below one"),
        ({"tiles_size": "many"}, "metadata cannot be read"),
        ({"class_names": '["a", "b", "water"]'}, r"gives \(1, 2, 64, 64\) for a 64 px tile and 3 classes"),
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


@pytest.mark.parametrize("inputs", [("pre", "post"), ("both",)])
def test_a_before_and_after_model_wants_both(tmp_path, inputs) -> None:
    weights = None if len(inputs) == 2 else [[0] * 6, [30, 0, -30, -30, 0, 30]]
    model = load_model(_model(tmp_path / "m.onnx", GOOD, inputs=inputs, weights=weights))
    view = _half_blue()
    with pytest.raises(DamageError, match="give the before-ortho too"):
        model.probabilities(view, None)
    red = _view(np.full_like(view.rgb, (200, 90, 40)))
    water = model.probabilities(view, red)[model.codes.tolist().index(1)]
    assert water[:, 80:].min() > 0.9
    assert water[:, :70].max() < 0.6


def test_a_pair_without_a_before_ortho_is_refused_before_any_work(tmp_path, make_raster) -> None:
    mosaic = make_raster(tmp_path / "m.tif", np.full((3, 400, 500), 120, np.uint8))
    options = DamageOptions(model=_model(tmp_path / "m.onnx", GOOD, inputs=("pre", "post")))
    with pytest.raises(DamageError, match="give a before-ortho that fits"):
        map_damage(mosaic, tmp_path / "out", options)


def test_a_pair_maps_what_has_changed(place, tmp_path) -> None:
    """Class "mud" where the after is redder than the before."""
    said = {**GOOD, "class_names": '["background", "mud"]'}
    model = _model(tmp_path / "m.onnx", said, inputs=("pre", "post"), weights=[[0, 0, 0], [40, -20, -20]])
    report = map_damage(
        place.after, tmp_path / "out", DamageOptions(model=model, before=place.before)
    ).report()
    assert report["classes"]["mud"]["area_m2"] > 100
    assert report["changes"]


@pytest.mark.parametrize("kind", ["FLOAT16", "UINT8"])
def test_other_types_of_input_are_fed(tmp_path, kind) -> None:
    model = load_model(_model(tmp_path / "m.onnx", GOOD, kind=kind))
    water = model.probabilities(_half_blue(), None)[model.codes.tolist().index(1)]
    assert water[:, :75].max() < 0.02
    assert water[:, 75:].min() > 0.98


def test_quarter_size_scores_are_enlarged(tmp_path) -> None:
    model = load_model(_model(tmp_path / "m.onnx", GOOD, shrunk=4))
    water = model.probabilities(_half_blue(), None)[model.codes.tolist().index(1)]
    assert water.shape == (100, 150)
    assert water[:, :70].max() < 0.1
    assert water[:, 80:].min() > 0.9


def test_normalisation_may_have_the_names_of_deepness(tmp_path) -> None:
    shifted = {"standardization_mean": "[0.6, 0, 0.6]", "standardization_std": "[0.5, 1, 0.5]"}
    plain, other = (
        load_model(_model(tmp_path / f"{n}.onnx", {**GOOD, **more})) for n, more in enumerate(({}, shifted))
    )
    assert other.contract.mean == (0.6, 0.0, 0.6)
    assert other._input(_half_blue().rgb[:64, :64])[0, 0, 0, 0] == pytest.approx(
        (200 / 255 - 0.6) / 0.5, abs=1e-5
    )
    assert plain._input(_half_blue().rgb[:64, :64])[0, 0, 0, 0] == pytest.approx(200 / 255, abs=1e-5)


def test_below_the_threshold_nothing_is_believed(tmp_path) -> None:
    weights = [[0, 0, 0], [-1, 0, 1]]  # blue gives 0.65
    sure = load_model(_model(tmp_path / "a.onnx", {**GOOD, "seg_thresh": "0.6"}, weights=weights))
    unsure = load_model(_model(tmp_path / "b.onnx", {**GOOD, "seg_thresh": "0.7"}, weights=weights))
    view = _half_blue()
    assert sure.probabilities(view, None)[sure.codes.tolist().index(1)][:, 80:].min() > 0.6
    assert unsure.probabilities(view, None)[unsure.codes.tolist().index(1)].max() == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inputs": ("a", "b")}, "has 2 inputs"),
        ({"weights": [[0] * 4, [1] * 4]}, "takes input of shape"),
        ({"kind": "INT32"}, "takes input of type"),
        ({"size": (64, 96)}, "do not fit its input"),
        ({"size": (128, 128)}, "do not fit its input"),
        ({"weights": [[0] * 3, [float("nan")] * 3]}, "no numbers"),
        ({"weights": [[0] * 3] * 5}, "5, 64, 64"),
    ],
)
def test_a_model_that_cannot_do_it_is_refused_before_any_work(tmp_path, wrong, says) -> None:
    with pytest.raises(DamageError, match=says) as caught:
        load_model(_model(tmp_path / "m.onnx", GOOD, **wrong))
    assert "\n" not in str(caught.value)


def test_a_model_of_a_fixed_size_needs_no_tile_size(tmp_path) -> None:
    said = {key: value for key, value in GOOD.items() if key != "tiles_size"}
    assert load_model(_model(tmp_path / "m.onnx", said, size=(96, 96))).contract.tile_px == 96
    assert load_model(_model(tmp_path / "d.onnx", said)).contract.tile_px == 512


def test_a_model_may_know_the_own_classes_of_a_folder(tmp_path, make_raster) -> None:
    own = OwnClasses(tmp_path / "classes")
    own.with_class("鱼塘")
    rgb = _half_a_pond()
    mosaic = make_raster(tmp_path / "m.tif", rgb)
    model = _model(
        tmp_path / "m.onnx",
        {**GOOD, "class_names": json.dumps(["水体", "鱼塘"], ensure_ascii=False)},
        bias=[0, -6],
    )
    options = DamageOptions(model=model, own_classes=own.folder)
    report = map_damage(mosaic, tmp_path / "out", options).report()
    assert report["classes"]["鱼塘"]["value"] == 32
    assert report["classes"]["鱼塘"]["share"] == pytest.approx(0.5, abs=0.01)


def test_a_model_trained_on_the_place_maps_it(place, tmp_path) -> None:
    """A linear one on colour and blurred colour: trained here, exported with Deepness' metadata, mapped."""
    with rasterio.open(place.after) as source:
        rgb = np.moveaxis(source.read((1, 2, 3)), 0, -1)[1::2, 1::2].astype(np.float32) / 255
    truth = place.classes[1::2, 1::2]
    columns = np.concatenate([rgb, cv2.blur(rgb, (7, 7))], axis=2).reshape(-1, 6)
    some = np.random.default_rng(0).choice(len(columns), 6000, replace=False)
    fitted = LogisticRegression(max_iter=500, C=100.0).fit(columns[some], truth.ravel()[some] == 1)
    weights = np.zeros((2, 3, 7, 7), np.float32)
    weights[1, :, 3, 3] = fitted.coef_[0, :3]
    weights[1] += fitted.coef_[0, 3:, None, None] / 49
    path = _model(
        tmp_path / "m.onnx", {**GOOD, "resolution": "20"}, weights=weights, bias=[0, fitted.intercept_[0]]
    )
    map_damage(place.after, tmp_path / "out", DamageOptions(model=path))
    with rasterio.open(tmp_path / "out" / "classes.tif") as source:
        water = source.read(1) == 1
    with rasterio.open(tmp_path / "out" / "not_analysed.tif") as source:
        seen = source.read(1) == 0
    true = truth == 1
    assert (seen & water & true).sum() / (seen & (water | true)).sum() > 0.5


def test_a_mosaic_is_mapped_at_the_resolution_of_the_model(tmp_path, make_raster) -> None:
    rgb = _half_a_pond()
    mosaic = make_raster(tmp_path / "m.tif", rgb)
    model = _model(tmp_path / "m.onnx", {**GOOD, "resolution": "25"}, bias=[0, -6])
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
