"""What each photo gave to a mosaic, and how good the mosaic is where: the matter of its quality report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.adjust import Adjustment
from imagery.companions import accuracy_map, accuracy_of, blur_of
from imagery.features import Features
from imagery.lanes import lanes_of
from imagery.ortho import MosaicGrid
from imagery.photos import Block
from imagery.priors import flights_of, lens_groups
from imagery.raster_io import write_cog
from imagery.seams import Labels
from imagery.surface import Surface
from plans.frames import FloatArray

Float32 = npt.NDArray[np.float32]

_RESIDUALS = 20_000
_SMALL_PX = 320


@dataclass(frozen=True)
class Share:
    """What one photo gave. `lane` 0 is a turn; `moved_m` from where its tags put it; `blur_px` beside others
    that show the same ground and `error_m` expected of its ground, None where that is not known."""

    name: str
    east_m: float
    north_m: float
    lane: int
    tied: bool
    tie_points: int
    residual_px: float | None
    moved_m: float
    painted_m2: float
    blur_px: float | None
    error_m: float | None

    def report(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "photo": self.name,
            "lane": self.lane or None,
            "placed_by": "tie points" if self.tied else "priors",
            "tie_points": self.tie_points,
            "residual_rms_px": _round(self.residual_px, 3),
            "moved_m": round(self.moved_m, 3),
            "painted_m2": round(self.painted_m2, 1),
            "blur_px": _round(self.blur_px, 2),
            "expected_error_m": _round(self.error_m, 3),
        }


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


@dataclass(frozen=True)
class Account:
    """Of one run. `accuracy` (rows, cols) metres and `blur` (rows, cols) pixels on the cells' grid, None
    where a draft leaves them out; `views` (rows, cols) on a small grid of `small_m`, whose upper left corner
    is `west`, `north` of the mosaic's CRS; `residuals` (n, 4): place in the photo (-1 to 1) and residual in
    pixels. `expected_m` of the whole, of which `common_m` is the receiver's."""

    shares: tuple[Share, ...]
    accuracy: Float32 | None
    blur: Float32 | None
    views: Float32
    small_accuracy: Float32 | None
    small_m: float
    west: float
    north: float
    residuals: FloatArray
    expected_m: float | None
    common_m: float

    def shape(self, error_m: npt.ArrayLike) -> FloatArray:
        """What is left of expected errors when the receiver's, which all places share, is left out: by how
        much one place may be off beside another."""
        return np.asarray(np.sqrt(np.maximum(np.square(np.asarray(error_m, float)) - self.common_m**2, 0.0)))

    @property
    def shape_m(self) -> float | None:
        """The same of the whole."""
        return None if self.expected_m is None else float(self.shape(self.expected_m))

    def report(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "expected_error_m": _round(self.expected_m, 3),
            "shape_error_m": _round(self.shape_m, 3),
            "contributions": [share.report() for share in self.shares],
        }


def account_of(
    block: Block,
    adjustment: Adjustment,
    features: Sequence[Features],
    surface: Surface,
    cells: MosaicGrid,
    labels: Labels,
    views: npt.NDArray[np.uint16],
    *,
    whole: bool = True,
) -> Account:
    """The account of a run; not `whole` leaves out what takes time: accuracy and blur."""
    accuracy = accuracy_of(block, adjustment) if whole else None
    error = accuracy_map(accuracy, adjustment, cells, labels, surface) if accuracy else None
    blur = blur_of(adjustment, features, cells, labels, surface) if whole else None
    factor = max(1, -(-max(cells.shape) // _SMALL_PX))
    return Account(
        shares=_shares(block, adjustment, cells, labels, error, blur.photo_px if blur else None),
        accuracy=error,
        blur=blur.cells if blur else None,
        views=_small(views.astype(np.float32), factor),
        small_accuracy=_small(error, factor) if error is not None else None,
        small_m=cells.gsd_m * factor,
        west=cells.west,
        north=cells.north,
        residuals=_residuals(adjustment),
        expected_m=accuracy.typical_m if accuracy else None,
        common_m=accuracy.common_m if accuracy else 0.0,
    )


def _shares(
    block: Block,
    adjustment: Adjustment,
    cells: MosaicGrid,
    labels: Labels,
    error: Float32 | None,
    blur_px: FloatArray | None,
) -> tuple[Share, ...]:
    count = len(block.photos)
    places = np.array([p.centre for p in adjustment.poses])
    told = np.array([p.prior.centre for p in block.photos])
    groups, _ = lens_groups(block.photos)
    lanes = lanes_of(places[:, :2], [p.clock_s for p in block.photos], flights_of(block.photos, groups))
    ties = np.bincount(adjustment.tracks.photo, minlength=count)
    squares = np.bincount(adjustment.tracks.photo, (adjustment.residuals_px**2).sum(axis=1), minlength=count)
    painted = np.bincount((labels + 1).ravel(), minlength=count + 1)[1:]
    known = None if error is None else np.where(np.isfinite(error), error, 0.0) ** 2
    errors = None if known is None else np.bincount((labels + 1).ravel(), known.ravel(), count + 1)[1:]
    east, north = cells.map_places(places[:, 0], places[:, 1])
    return tuple(
        Share(
            name=photo.name,
            east_m=float(east[i]),
            north_m=float(north[i]),
            lane=int(lanes[i]),
            tied=bool(adjustment.tied[i]),
            tie_points=int(ties[i]),
            residual_px=float(np.sqrt(squares[i] / ties[i])) if ties[i] else None,
            moved_m=float(np.linalg.norm(places[i] - told[i])),
            painted_m2=float(painted[i]) * cells.gsd_m**2,
            blur_px=float(blur_px[i]) if blur_px is not None and np.isfinite(blur_px[i]) else None,
            error_m=float(np.sqrt(errors[i] / painted[i])) if errors is not None and painted[i] else None,
        )
        for i, photo in enumerate(block.photos)
    )


def _small(values: Float32, factor: int) -> Float32:
    """The values on larger cells: their means, NaN where all are."""
    rows, cols = values.shape
    known = np.isfinite(values)
    size = (-(-cols // factor), -(-rows // factor))
    pad = ((0, -rows % factor), (0, -cols % factor))
    total = cv2.resize(np.pad(np.where(known, values, 0), pad), size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(np.pad(known.astype(np.float32), pad), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.where(share > 0, total / np.maximum(share, 1e-9), np.nan), np.float32)


def _residuals(adjustment: Adjustment) -> FloatArray:
    tracks = adjustment.tracks
    some = np.linspace(0, len(tracks.track) - 1, min(_RESIDUALS, len(tracks.track))).astype(int)
    half = np.array([(c.image_width_px / 2, c.image_height_px / 2) for c in adjustment.cameras])
    at = tracks.xy_px[some] / half[tracks.photo[some]] - 1
    return np.concatenate([at, adjustment.residuals_px[some]], axis=1)


def write_quality(account: Account, cells: MosaicGrid, out: Path) -> None:
    """OUT.accuracy.tif, the expected position error in metres, and OUT.blur.tif, in pixels of the photo. Both
    float32, -1 where nobody paints (or, of blur, where one photo alone sees). A draft has neither."""
    for name, values, unit in (("accuracy", account.accuracy, "m"), ("blur", account.blur, "px")):
        path = out.with_name(f"{out.stem}.{name}.tif")
        if values is None:
            path.unlink(missing_ok=True)  # an older run's would mislead
            continue
        rounded = np.where(np.isfinite(values), np.round(values, 3), -1).astype(np.float32)
        write_cog(path, rounded, cells.transform, cells.crs, nodata=-1, tags={"UNIT": unit})
