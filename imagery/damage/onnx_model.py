"""A user's own segmentation network (ONNX), told apart by its metadata.

The contract stands in the model's `metadata_props`, with the names that the QGIS plug-in Deepness uses:

    resolution       ground size of a pixel in cm; a model without it is refused
    class_names      JSON, {"0": "background", "1": "water"} or ["background", "water"]
    tiles_size       side of the square input in px (default: the model's own, or 512)
    tiles_overlap    per cent (default 15)
    mean, std        JSON lists per channel on a 0..1 scale (default 0 and 1)

Input (1, 3, H, W) float32 RGB; for a before/after pair two such inputs named `pre` and `post`. Output
(1, classes, H, W) scores, or (1, 1, H, W) scores of the one class named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagery.damage.features import Float, Mask, View
from imagery.damage.legend import class_code
from imagery.errors import DamageError

_DEFAULT_TILE_PX = 512
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
        picture = self._input(after)
        names = [item.name for item in self.session.get_inputs()]
        feeds = {"post": picture} if self.contract.pair else {names[0]: picture}
        if self.contract.pair and before is not None:
            feeds["pre"] = self._input(before)
        scores = np.asarray(self.session.run(None, feeds)[0], np.float32)[0]
        side = self.contract.tile_px
        if scores.shape[1:] != (side, side) or len(scores) not in (1, len(self.of_output)):
            raise DamageError(
                f"{self.path}: gives {scores.shape} for a {side} px tile and {len(self.of_output)} classes; "
                "export it with scores per class at the input's size"
            )
        likely = _softmax(scores) if len(scores) > 1 else _two(scores)
        result = np.zeros((len(self.codes), side, side), np.float32)
        np.add.at(result, self.of_output, likely)
        return result

    def _input(self, rgb: npt.NDArray[np.uint8]) -> Float:
        side = self.contract.tile_px
        padded = np.pad(rgb, ((0, side - rgb.shape[0]), (0, side - rgb.shape[1]), (0, 0)), mode="edge")
        scaled = (padded / np.float32(255) - np.array(self.contract.mean)) / np.array(self.contract.std)
        return np.ascontiguousarray(np.moveaxis(scaled, -1, 0)[None], np.float32)


@lru_cache(maxsize=2)
def load_model(path: Path) -> OnnxModel:
    """Load a model and check its contract.

    Raises DamageError when onnxruntime is not installed, the file is no ONNX model, or its metadata does not
    say what is needed.
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
        raise DamageError(f"{path}: is no ONNX model ({' '.join(str(error).split())[:120]})") from error
    contract = _contract(path, session)
    output_names = contract.class_names if len(contract.class_names) > 1 else ("", *contract.class_names)
    output_codes = [class_code(name) or 0 for name in output_names]
    codes = np.unique(output_codes).astype(np.int64)
    if not codes.any():
        raise DamageError(f"{path}: none of its classes is in the legend ({', '.join(contract.class_names)})")
    unmapped = tuple(n for n, c in zip(output_names, output_codes, strict=True) if not c and n)
    of_output = np.searchsorted(codes, output_codes).astype(np.int64)
    return OnnxModel(Path(path), contract, codes, of_output, unmapped, session)


def _contract(path: Path, session: Any) -> Contract:
    said = session.get_modelmeta().custom_metadata_map
    inputs = {item.name: item for item in session.get_inputs()}
    pair = {"pre", "post"} <= set(inputs)
    if len(inputs) != (2 if pair else 1):
        raise DamageError(f"{path}: has {len(inputs)} inputs; a model takes one picture, or `pre` and `post`")
    shape = next(iter(inputs.values())).shape
    if len(shape) != 4 or (shape[1] not in (3, "3") and isinstance(shape[1], int)):
        raise DamageError(f"{path}: takes input of shape {shape}; an RGB model takes (1, 3, H, W)")
    try:
        resolution_cm = float(_value(said.get("resolution", "nan")))
        names = _names(_value(said.get("class_names", "[]")))
        fixed = shape[2] if isinstance(shape[2], int) else _DEFAULT_TILE_PX
        tile = int(_value(said.get("tiles_size", fixed)))
        overlap = float(_value(said.get("tiles_overlap", _DEFAULT_OVERLAP_PERCENT)))
        mean = tuple(float(v) for v in _value(said.get("mean", [0, 0, 0])))
        std = tuple(float(v) for v in _value(said.get("std", [1, 1, 1])))
    except (ValueError, TypeError) as error:
        raise DamageError(f"{path}: its metadata cannot be read ({error})") from error
    if not 0.5 <= resolution_cm <= 1000.0:
        raise DamageError(
            f"{path}: does not state its ground resolution; add the metadata `resolution` (cm per pixel)"
        )
    if not names:
        raise DamageError(f"{path}: does not name its classes; add the metadata `class_names`")
    if (isinstance(shape[2], int) and shape[2] != tile) or not 32 <= tile <= 4096 or not 0 <= overlap < 50:
        raise DamageError(
            f"{path}: tiles of {tile} px with {overlap:g} % overlap do not fit its input {shape}"
        )
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise DamageError(f"{path}: `mean` and `std` must be three numbers each, `std` above zero")
    return Contract(resolution_cm / 100, names, tile, round(tile * overlap / 100), mean, std, pair)


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


def _window(side: int) -> Float:
    ramp = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    return np.asarray(np.outer(ramp, ramp) + 1e-3, np.float32)


def _starts(length: int, side: int, step: int) -> Sequence[int]:
    """Tile starts that cover a length, the last one flush with the end."""
    if length <= side:
        return [0]
    starts = list(range(0, length - side, step))
    return [*starts, length - side]
