"""A user's own segmentation network (ONNX), told apart by its metadata.

The contract stands in the model's `metadata_props`, with the names that the QGIS plug-in Deepness uses:

    resolution       ground size of a pixel in cm; a model without it is refused
    class_names      JSON, {"0": "background", "1": "water"} or ["background", "water"]
    tiles_size       side of the square input in px (default: the model's own, or 512)
    tiles_overlap    per cent (default 15)
    standardization_mean, standardization_std (or mean, std)
                     JSON lists per channel on a 0..1 scale (default 0 and 1)
    seg_thresh       below this probability nothing but the first class is believed (default: none)

Input (1, 3, H, W) RGB, float32 or float16, or uint8 as it is. For a before/after pair two such inputs named
`pre` and `post`, or one of six channels, the before first. Output (1, classes, H, W) scores, or
(1, 1, H, W) scores of the one class named; smaller ones (SegFormer's quarter) are enlarged. A model is tried
on an empty tile before any work.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.damage.features import Float, Mask, View
from imagery.damage.legend import Legend
from imagery.errors import DamageError

_DEFAULT_TILE_PX = 512
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
_DEFAULT_OVERLAP_PERCENT = 15.0


@dataclass(frozen=True)
class Contract:
    """What a model says of itself."""

    pixel_m: float
    class_names: tuple[str, ...]
    tile_px: int
    overlap_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pair: bool
    threshold: float
    dtype: str
    """Of the input: numpy's name."""


@dataclass(frozen=True)
class OnnxModel:
    """A network that can stand where the forest stands."""

    path: Path
    contract: Contract
    codes: npt.NDArray[np.int64]
    """Ascending legend codes; 0 collects the outputs the legend has no class for."""
    of_output: npt.NDArray[np.int64]
    """Index into `codes` of each network output."""
    unmapped: tuple[str, ...]
    session: Any = field(repr=False)

    @property
    def pixel_m(self) -> float:
        """Ground size of its pixels."""
        return self.contract.pixel_m

    @property
    def halo_px(self) -> int:
        """Cells it looks at around a block: half a tile, so that no block edge is a tile edge."""
        return self.contract.tile_px // 2

    def probabilities(self, after: View, before: View | None, where: Mask | None = None) -> Float:
        """(codes, rows, cols) of a block: overlapping tiles blended with a raised-cosine window.

        Raises DamageError when the model compares with a before-ortho and none is given.
        """
        if self.contract.pair and before is None:
            raise DamageError(f"{self.path}: compares before and after; give the before-ortho too")
        asked = after.valid if where is None else after.valid & where
        rows, cols = asked.shape
        total = np.zeros((len(self.codes), rows, cols), np.float32)
        weight = np.zeros((rows, cols), np.float32)
        side = self.contract.tile_px
        window = _window(side)
        for top in _starts(rows, side, side - self.contract.overlap_px):
            for left in _starts(cols, side, side - self.contract.overlap_px):
                part = np.s_[top : min(top + side, rows), left : min(left + side, cols)]
                if not asked[part].any():
                    continue
                height, width = asked[part].shape
                scores = self._tile(after.rgb[part], before.rgb[part] if before else None)
                blend = window[:height, :width]
                total[(slice(None), *part)] += scores[:, :height, :width] * blend
                weight[part] += blend
        return np.asarray(total / np.maximum(weight, 1e-6) * asked, np.float32)

    def _tile(self, after: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8] | None) -> Float:
        """(codes, tile, tile) probabilities of one tile (padded when it is smaller)."""
        likely = self._scores(after, before)
        result = np.zeros((len(self.codes), *likely.shape[1:]), np.float32)
        np.add.at(result, self.of_output, likely)
        return result

    def _scores(self, after: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8] | None) -> Float:
        """(outputs, tile, tile) probabilities.

        Raises DamageError when the model fails or gives what the contract does not allow.
        """
        side, outputs = self.contract.tile_px, len(self.of_output)
        picture = self._input(after)
        names = [item.name for item in self.session.get_inputs()]
        if self.contract.pair:
            assert before is not None
            pair = {"pre": self._input(before), "post": picture}
            feeds = pair if len(names) == 2 else {names[0]: np.concatenate(list(pair.values()), axis=1)}
        else:
            feeds = {names[0]: picture}
        try:
            scores = np.asarray(self.session.run(None, feeds)[0], np.float32)
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            raise DamageError(f"{self.path}: fails on a tile of {side} px ({_line(error)})") from error
        wrong = scores.ndim != 4 or scores.shape[0] != 1 or scores.shape[2] != scores.shape[3]
        if wrong or len(scores[0]) not in (outputs, 1 if outputs == 2 else outputs):
            raise DamageError(
                f"{self.path}: gives {scores.shape} for a {side} px tile and {outputs} classes; export it "
                "with scores per class, (1, classes, H, W)"
            )
        if scores.shape[2] != side:
            planes = [cv2.resize(p, (side, side), interpolation=cv2.INTER_LINEAR) for p in scores[0]]
            scores = np.stack(planes)[None]
        likely = _softmax(scores[0]) if len(scores[0]) > 1 else _two(scores[0])
        if not np.isfinite(likely).all():
            raise DamageError(f"{self.path}: gives scores that are no numbers; export it again")
        return _believed(likely, self.contract.threshold)

    def _input(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        side, contract = self.contract.tile_px, self.contract
        padded = np.pad(rgb, ((0, side - rgb.shape[0]), (0, side - rgb.shape[1]), (0, 0)), mode="edge")
        if contract.dtype != "uint8":
            padded = (padded / np.float32(255) - np.array(contract.mean)) / np.array(contract.std)
        return np.ascontiguousarray(np.moveaxis(padded, -1, 0)[None], contract.dtype)


@lru_cache(maxsize=2)
def load_model(path: Path, legend: Legend | None = None) -> OnnxModel:
    """Load a model, check its contract and try it. Its classes are those of the legend by name.

    Raises DamageError when onnxruntime is not installed, the file is no ONNX model, its metadata does not
    say what is needed, or it does not do what they say.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DamageError(
            f"{path}: models need onnxruntime, which is not installed; pip install 'missionctl[ai]'"
        ) from error
    if not Path(path).is_file():
        raise DamageError(f"{path}: no such file; give a segmentation model (.onnx)")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 2
    settings.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        raise DamageError(f"{path}: is no ONNX model ({_line(error)})") from error
    contract = _contract(path, session)
    output_names = contract.class_names if len(contract.class_names) > 1 else ("", *contract.class_names)
    known = legend or Legend()
    output_codes = [known.code(name) or 0 for name in output_names]
    codes = np.unique(output_codes).astype(np.int64)
    if not codes.any():
        raise DamageError(f"{path}: none of its classes is in the legend ({', '.join(contract.class_names)})")
    unmapped = tuple(n for n, c in zip(output_names, output_codes, strict=True) if not c and n)
    of_output = np.searchsorted(codes, output_codes).astype(np.int64)
    model = OnnxModel(Path(path), contract, codes, of_output, unmapped, session)
    empty = np.zeros((contract.tile_px, contract.tile_px, 3), np.uint8)
    model._scores(empty, empty)
    return model


def _contract(path: Path, session: Any) -> Contract:
    said = session.get_modelmeta().custom_metadata_map
    inputs = {item.name: item for item in session.get_inputs()}
    shapes = [item.shape for item in inputs.values()]
    shape, channels = shapes[0], shapes[0][1] if len(shapes[0]) == 4 else None
    two = {"pre", "post"} == set(inputs)
    if len(inputs) != 1 and not two:
        raise DamageError(f"{path}: has {len(inputs)} inputs; a model takes one picture, or `pre` and `post`")
    if channels is None or (isinstance(channels, int) and channels not in ((3,) if two else (3, 6))):
        raise DamageError(f"{path}: takes input of shape {shape}; an RGB model takes (1, 3, H, W)")
    kind = next(iter(inputs.values())).type
    if kind not in _DTYPES:
        raise DamageError(f"{path}: takes input of type {kind}; a model takes float, float16 or uint8")
    try:
        resolution_cm = float(_value(said.get("resolution", "nan")))
        names = _names(_value(said.get("class_names", "[]")))
        fixed = [size for one in shapes for size in one[2:] if isinstance(size, int)]
        tile = int(_value(said.get("tiles_size", fixed[0] if fixed else _DEFAULT_TILE_PX)))
        overlap = float(_value(said.get("tiles_overlap", _DEFAULT_OVERLAP_PERCENT)))
        mean = tuple(float(v) for v in _value(_first(said, "standardization_mean", "mean") or [0, 0, 0]))
        std = tuple(float(v) for v in _value(_first(said, "standardization_std", "std") or [1, 1, 1]))
        threshold = float(_value(said.get("seg_thresh", 0)))
    except (ValueError, TypeError) as error:
        raise DamageError(f"{path}: its metadata cannot be read ({error})") from error
    if not 0.5 <= resolution_cm <= 1000.0:
        raise DamageError(
            f"{path}: does not state its ground resolution; add the metadata `resolution` (cm per pixel)"
        )
    if not names:
        raise DamageError(f"{path}: does not name its classes; add the metadata `class_names`")
    if any(size != tile for size in fixed) or not 32 <= tile <= 4096 or not 0 <= overlap < 50:
        raise DamageError(
            f"{path}: tiles of {tile} px with {overlap:g} % overlap do not fit its input {shape}"
        )
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or not 0 <= threshold < 1:
        raise DamageError(
            f"{path}: mean and std must be three numbers each, std above zero, seg_thresh below one"
        )
    return Contract(
        resolution_cm / 100, names, tile, round(tile * overlap / 100), mean, std, two or channels == 6,
        threshold, _DTYPES[kind],
    )  # fmt: skip


def _first(said: dict[str, str], *names: str) -> str | None:
    return next((said[name] for name in names if name in said), None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _value(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) and text not in ("nan",) else text


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        count = max(int(key) for key in value) + 1
        return tuple(str(value.get(str(i), f"class {i}")) for i in range(count))
    return tuple(str(name) for name in value)


def _softmax(scores: Float) -> Float:
    if scores.min() >= 0 and np.allclose(scores.sum(axis=0), 1.0, atol=1e-3):
        return scores  # the network already ends in a softmax
    grown = np.exp(scores - scores.max(axis=0))
    return np.asarray(grown / grown.sum(axis=0), np.float32)


def _two(scores: Float) -> Float:
    """Not-it and it, from one score plane: probabilities as they are, anything else through a sigmoid."""
    one = scores[0] if scores.min() >= 0 and scores.max() <= 1 else 1.0 / (1.0 + np.exp(-scores[0]))
    return np.stack([1.0 - one, one]).astype(np.float32)


def _believed(likely: Float, threshold: float) -> Float:
    """Where no class reaches the threshold, the first one it is, as Deepness has it."""
    if threshold <= 0:
        return likely
    weak = likely[1:].max(axis=0) < threshold
    likely[:, weak] = 0
    likely[0, weak] = 1
    return likely


def _window(side: int) -> Float:
    ramp = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    return np.asarray(np.outer(ramp, ramp) + 1e-3, np.float32)


def _starts(length: int, side: int, step: int) -> Sequence[int]:
    """Tile starts that cover a length, the last one flush with the end."""
    if length <= side:
        return [0]
    starts = list(range(0, length - side, step))
    return [*starts, length - side]
