"""A forest that learns from painted strokes and says, block by block, what each cell is.

Accuracy is estimated by spatially blocked cross-validation: strokes that lie near each other are held out
together, because neighbouring cells are no independent witnesses (Roberts et al. 2017, Ecography 40:913).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from imagery.damage import features
from imagery.damage.features import Float, Mask, View
from imagery.damage.legend import MUD, WATER, Legend
from imagery.damage.samples import Samples
from imagery.damage.scene import GeoGrid, grown
from imagery.damage.smoothing import guided, looked_at
from imagery.errors import DamageError

if TYPE_CHECKING:  # a second of loading, which only who trains should wait for
    from sklearn.ensemble import ExtraTreesClassifier

Views = Callable[[Window], tuple[View, View | None]]
"""Reads the mosaic and, where there is one, the matched before-ortho of a window."""

TREES = 64
CELLS_PER_STROKE = 100
"""Of a stroke no more are learnt: its cells are much alike, and trees of fewer are as good and quicker."""
_THREADS = 2
_PORTION = 8192
_FOLDS = 5
_AGREED = 0.6
_FILM = 0.3
_STEP_PERCENT = 5


@dataclass(frozen=True)
class TrainingSet:
    """Cells under strokes: features (n, features), class codes (n,), stroke numbers (n,), and for each
    stroke its middle (strokes, 2) in CRS metres."""

    features: Float
    codes: npt.NDArray[np.int64]
    strokes: npt.NDArray[np.int64]
    middles: npt.NDArray[np.float64]
    legend: Legend = field(default_factory=Legend)

    def weights(self) -> npt.NDArray[np.float64]:
        """Each class weighs the same, and within it each stroke, however large it was painted."""
        weights = np.zeros(len(self.codes))
        for code in np.unique(self.codes):
            of_class = self.codes == code
            strokes, counts = np.unique(self.strokes[of_class], return_counts=True)
            per_cell = dict(zip(strokes.tolist(), (1.0 / (counts * len(strokes))).tolist(), strict=True))
            weights[of_class] = [per_cell[s] for s in self.strokes[of_class].tolist()]
        return weights * (len(weights) / weights.sum())


@dataclass(frozen=True)
class ClassScore:
    """How well one class was recognised in strokes that the forest had not seen."""

    precision: float
    recall: float
    iou: float


@dataclass(frozen=True)
class Accuracy:
    """The outcome of the blocked cross-validation: cells weighted so that each class counts the same."""

    overall: float
    classes: dict[str, ClassScore]
    blocks: int
    folds: int


@dataclass(frozen=True)
class Tree:
    """One tree of a forest: scikit-learn's, which finds the leaf of each cell, and how likely each class is
    in each leaf: (nodes, classes) float32."""

    finder: Any
    likely: Float


@dataclass(frozen=True)
class Forest:
    """A trained classifier: which class each of its outputs is, and whether it compares with the before."""

    trees: tuple[Tree, ...]
    codes: npt.NDArray[np.int64]
    with_before: bool
    pixel_m: float
    sees_films: bool = True
    """Whether a film of water over mud is looked for (`_with_films`)."""

    @property
    def halo_px(self) -> int:
        """Cells it looks at around a block."""
        return features.halo_px(self.pixel_m)

    def probabilities(self, after: View, before: View | None, where: Mask | None = None) -> Float:
        """(classes, rows, cols) of a block, 0 where the mosaic shows nothing or outside `where`."""
        asked = after.valid if where is None else after.valid & where
        result = np.zeros((len(self.codes), *asked.shape), np.float32)
        if asked.any():
            step = looked_at(self.pixel_m)
            stack = features.stack(after, self.pixel_m, before if self.with_before else None, step)
            result[:, ::step, ::step] = self._judge(stack, asked[::step, ::step])
        smooth = guided(result, after.rgb, asked, self.pixel_m)
        return _with_films(smooth, self.codes) if self.sees_films else smooth

    def _judge(self, stack: Float, asked: Mask) -> Float:
        """(classes, rows, cols) where asked: every second cell of every second row first, then, only where
        those do not agree with each other, the cells between. Inside fields and water that saves most."""
        result = np.zeros((len(self.codes), *asked.shape), np.float32)
        lattice = np.zeros_like(asked)
        lattice[::2, ::2] = asked[::2, ::2]
        self._judge_cells(stack, lattice, result)
        few = result[:, ::2, ::2]
        winner = np.where(asked[::2, ::2], few.argmax(axis=0), len(few)).astype(np.uint8)
        square = np.ones((3, 3), np.uint8)
        agreed = (cv2.erode(winner, square) == cv2.dilate(winner, square)) & (few.max(axis=0) > _AGREED)
        size = (2 * few.shape[2], 2 * few.shape[1])
        agreed = cv2.resize(agreed.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        filled = agreed[: asked.shape[0], : asked.shape[1]].astype(bool) & asked & ~lattice
        for code, plane in enumerate(few):
            between = cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST)
            result[code][filled] = between[: asked.shape[0], : asked.shape[1]][filled]
        self._judge_cells(stack, asked & ~lattice & ~filled, result)
        return result

    def _judge_cells(self, stack: Float, where: Mask, result: Float) -> None:
        if where.any():
            cells = np.ascontiguousarray(stack[:, where].T)
            result[:, where] = _likely(self.trees, cells).T


def _with_films(probabilities: Float, codes: npt.NDArray[np.int64]) -> Float:
    """Water under a hand deep shows the mud below it and looks like both. Nobody paints that seam, so a
    forest puts the shore in the middle of it, and water comes out too small: what water and mud have between
    them goes to water from a share of `_FILM` on, not from a half."""
    wet, muddy = np.flatnonzero(codes == WATER), np.flatnonzero(codes == MUD)
    if not wet.size or not muddy.size:
        return probabilities
    water, mud = probabilities[wet[0]], probabilities[muddy[0]]
    both = water + mud
    lifted = both * water / np.maximum(water + mud * np.float32(_FILM / (1 - _FILM)), np.float32(1e-6))
    result = probabilities.copy()
    result[wet[0]], result[muddy[0]] = lifted, both - lifted
    return result


def _likely(trees: Sequence[Tree], cells: Float) -> Float:
    """(cells, classes) probabilities: the mean of all trees, always summed in the same order. Cells are taken
    in portions that stay in the processor's cache from tree to tree."""
    result = np.zeros((len(cells), trees[0].likely.shape[1]), np.float32)
    for start in range(0, len(cells), _PORTION):
        portion, total = cells[start : start + _PORTION], result[start : start + _PORTION]
        for tree in trees:
            total += tree.likely.take(tree.finder.apply(portion), axis=0)
    result /= np.float32(len(trees))
    return result


def collect(samples: Samples, grid: GeoGrid, views: Views, with_before: bool, seed: int) -> TrainingSet:
    """Read the cells under the strokes.

    Raises DamageError when fewer than two classes have a cell where the mosaic shows something.
    """
    return training_set(samples, *cells_under(samples, grid, views, with_before, seed))


def cells_under(
    samples: Samples, grid: GeoGrid, views: Views, with_before: bool, seed: int
) -> tuple[Float, npt.NDArray[np.int64]]:
    """Features (n, features) and stroke numbers (n,) of the cells under strokes, some of each stroke's; none
    where the mosaic shows nothing."""
    rng = np.random.default_rng(seed)
    halo = features.halo_px(grid.pixel_m)
    rows: list[Float] = []
    strokes: list[npt.NDArray[np.int64]] = []
    for block in _touched(samples, grid):
        window = _tight(samples, grid, block)
        if window is None:
            continue
        after, before = views(grown(window, halo))
        core = np.s_[halo : halo + int(window.height), halo : halo + int(window.width)]
        painted = samples.burn(grid, window)
        painted[~after.valid[core]] = 0
        if not painted.any():
            continue
        stack = features.stack(after, grid.pixel_m, before if with_before else None)[(slice(None), *core)]
        for number in np.unique(painted[painted > 0]):
            where = np.flatnonzero(painted == number)
            if len(where) > CELLS_PER_STROKE:
                where = np.sort(rng.choice(where, CELLS_PER_STROKE, replace=False))
            rows.append(stack.reshape(len(stack), -1)[:, where].T)
            strokes.append(np.full(len(where), number - 1, np.int64))
    if not rows:
        return np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    return np.concatenate(rows).astype(np.float32), np.concatenate(strokes)


def training_set(samples: Samples, cells: Float, numbers: npt.NDArray[np.int64]) -> TrainingSet:
    """Cells with their strokes' classes and places.

    Raises DamageError when they are of fewer than two classes.
    """
    codes = np.array([stroke.code for stroke in samples.strokes], np.int64)[numbers]
    if len(np.unique(codes)) < 2:
        raise DamageError(
            f"{samples.source}: samples of fewer than two classes lie where the mosaic shows something; "
            "paint on the picture"
        )
    middles = np.array([stroke.area.representative_point().coords[0] for stroke in samples.strokes])
    return TrainingSet(cells, codes, numbers, middles, samples.legend)


def _touched(samples: Samples, grid: GeoGrid, size: int = 512) -> Iterator[Window]:
    """Squares of the grid that strokes reach into, row by row."""
    squares: set[tuple[int, int]] = set()
    for stroke in samples.strokes:
        window = grid.window_of(stroke.area)
        if window is not None:
            rows, cols = window.toranges()
            squares |= set(
                itertools.product(
                    range(rows[0] // size, (rows[1] - 1) // size + 1),
                    range(cols[0] // size, (cols[1] - 1) // size + 1),
                )
            )
    for row, col in sorted(squares):
        top, left = row * size, col * size
        yield Window(left, top, min(size, grid.width - left), min(size, grid.height - top))


def _tight(samples: Samples, grid: GeoGrid, block: Window) -> Window | None:
    """The part of a block that holds strokes."""
    painted = samples.burn(grid, block) > 0
    if not painted.any():
        return None
    rows, cols = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
    return Window(
        int(block.col_off + cols[0]),
        int(block.row_off + rows[0]),
        int(cols[-1] - cols[0] + 1),
        int(rows[-1] - rows[0] + 1),
    )


def train(cells: TrainingSet, with_before: bool, pixel_m: float, seed: int) -> Forest:
    """Grow the forest (Geurts et al. 2006: extremely randomised trees; probabilities are leaf means)."""
    estimator = _forest(seed, cells.features.shape[1]).fit(
        cells.features, cells.codes, sample_weight=cells.weights()
    )
    trees = tuple(_tree(grown.tree_) for grown in estimator.estimators_)
    return Forest(trees, np.asarray(estimator.classes_, np.int64), with_before, pixel_m)


def _tree(finder: Any) -> Tree:
    weights = finder.value[:, 0, :]
    return Tree(finder, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def without_before(cells: TrainingSet, with_relief: bool, pixel_m: float, seed: int) -> Forest:
    """The same forest without the differences to the before-ortho, to judge that picture by itself."""
    own = cells.features[:, : len(features.feature_names(False, with_relief))]
    return replace(train(replace(cells, features=own), False, pixel_m, seed), sees_films=False)


def _forest(seed: int, columns: int, trees: int = TREES) -> ExtraTreesClassifier:
    """Not yet grown. Colour and texture say much the same many times over: three of them tried at a
    split make trees that differ, and 0.01 more IoU from eight strokes. Relief and differences to the
    before-ortho are few and decisive, and would seldom be among three."""
    from sklearn.ensemble import ExtraTreesClassifier

    alone = columns == len(features.feature_names(False, False))
    return ExtraTreesClassifier(
        n_estimators=trees,
        min_samples_leaf=3,
        max_features=3 if alone else "sqrt",
        n_jobs=_THREADS,
        random_state=seed,
    )


def cross_validate(cells: TrainingSet, seed: int) -> Accuracy | None:
    """Blocked cross-validation; None when the strokes lie so close together that nothing can be held out."""
    blocks = _spatial_blocks(cells.middles)[cells.strokes]
    folds = _folds(cells, blocks, seed)
    if not folds:
        return None
    weights = cells.weights()
    predicted = np.zeros_like(cells.codes)
    for learn, test in folds:
        predicted[test] = _foretell(cells, weights, learn, test, seed)
    scores = {}
    for code in np.unique(cells.codes):
        true, said = cells.codes == code, predicted == code
        hit = weights[true & said].sum()
        scores[cells.legend[code].key] = ClassScore(
            precision=_ratio(hit, weights[said].sum()),
            recall=_ratio(hit, weights[true].sum()),
            iou=_ratio(hit, weights[true | said].sum()),
        )
    overall = _ratio(weights[predicted == cells.codes].sum(), weights.sum())
    return Accuracy(overall, scores, len(np.unique(blocks)), len(folds))


@dataclass(frozen=True)
class Retrained:
    """What strokes that came later did to the agreement with the earlier ones, each held out in its turn."""

    earlier: float
    """Agreement of a forest that knows the earlier strokes only."""
    now: float
    """Of one that knows them all."""
    strokes: int

    @property
    def got_worse(self) -> bool:
        """Whether it fell by more than chance: the sigma of a share, and a hundredth at least."""
        sigma = (max(self.earlier * (1 - self.earlier), 1e-4) / self.strokes) ** 0.5
        return self.earlier - self.now > max(sigma, 0.01)


def retrained(cells: TrainingSet, was_there: Mask, seed: int) -> Retrained | None:
    """Compare, fold by fold, forests with and without the strokes that were added.

    `was_there` is (strokes,): which of them are the earlier ones. None when nothing was added, or the earlier
    strokes cannot be held out in blocks.
    """
    old = was_there[cells.strokes]
    if old.all() or not old.any():
        return None
    blocks = _spatial_blocks(cells.middles)[cells.strokes]
    weights = cells.weights()
    right = np.zeros((2, len(old)))
    judged = np.zeros(len(old), bool)
    for learn, test in _folds(cells, blocks, seed):
        asked, known = test[old[test]], learn[old[learn]]
        if len(asked) == 0 or set(cells.codes[asked]) - set(cells.codes[known]):
            continue
        for number, lesson in enumerate((known, learn)):
            right[number, asked] = _foretell(cells, weights, lesson, asked, seed) == cells.codes[asked]
        judged[asked] = True
    if not judged.any():
        return None
    earlier, now = np.average(right[:, judged], axis=1, weights=weights[judged])
    return Retrained(float(earlier), float(now), len(np.unique(cells.strokes[judged])))


def _folds(
    cells: TrainingSet, blocks: npt.NDArray[np.int64], seed: int
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(cells to learn from, cells held out) of each fold; none when nothing can be held out."""
    per_class = [len(np.unique(blocks[cells.codes == code])) for code in np.unique(cells.codes)]
    count = min(_FOLDS, len(np.unique(blocks)), min(per_class))
    if count < 2:
        return []
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(cells.features, cells.codes, blocks))


def _foretell(
    cells: TrainingSet,
    weights: npt.NDArray[np.float64],
    learn: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    seed: int,
) -> npt.NDArray[np.int64]:
    """Classes of the cells `test` by a forest that learnt from `learn`."""
    forest = _forest(seed, cells.features.shape[1], TREES // 2)
    forest.fit(cells.features[learn], cells.codes[learn], sample_weight=weights[learn])
    forest.set_params(n_jobs=1)
    return np.asarray(forest.predict(cells.features[test]), np.int64)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def _spatial_blocks(middles: npt.NDArray[np.float64], per_side: int = 6) -> npt.NDArray[np.int64]:
    """A block number per stroke: squares of a sixth of the strokes' extent."""
    low, high = middles.min(axis=0), middles.max(axis=0)
    side = max(float((high - low).max()) / per_side, 1e-6)
    cell = np.minimum(((middles - low) / side).astype(np.int64), per_side - 1)
    return cell[:, 1] * per_side + cell[:, 0]


def decide(probabilities: Float, codes: npt.NDArray[np.int64], valid: Mask) -> tuple[Any, Any]:
    """(class codes, confidence 0..100), both (rows, cols) uint8; 0 where the mosaic shows nothing.

    Confidence is the winner's probability stretched so that a guess among the classes is 0, in steps of 5:
    it is not known any finer, and a raster of it takes half the room.
    """
    best = probabilities.argmax(axis=0)
    top = probabilities.max(axis=0)
    guess = 1.0 / max(len(codes), 2)
    sure = np.clip((top - guess) / (1.0 - guess), 0.0, 1.0) * 100.0
    classes = np.where(valid & (top > 0), codes[best], 0).astype(np.uint8)
    return classes, np.where(classes > 0, np.rint(sure / _STEP_PERCENT) * _STEP_PERCENT, 0).astype(np.uint8)
