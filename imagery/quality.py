"""What the mosaic is worth: residuals, seams and positions as figures, per photo and for the whole block."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Polygon

from imagery.account import Account
from imagery.adjust import Adjustment
from imagery.control_report import ControlReport
from imagery.photos import Block, Dropped
from imagery.seams import NOBODY, Labels
from imagery.views import View, overlap
from plans.frames import Pose

BY_TIE_POINTS = "tie points"
BY_PRIORS = "priors"


@dataclass(frozen=True)
class PlacedPhoto:
    """A photo in the mosaic: where it was taken from and what it shows. `footprint` is in lon/lat degrees;
    `placed_by` is BY_TIE_POINTS, or BY_PRIORS where nothing but its corrected tags holds it."""

    name: str
    footprint: Polygon
    pose: Pose
    lat_deg: float
    lon_deg: float
    placed_by: str
    tie_points: int
    sharpness: float


@dataclass(frozen=True)
class MosaicReport:
    """What a mosaic run did; `report()` gives the stable keys."""

    photos: tuple[PlacedPhoto, ...]
    photos_given: int
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    gsd_m: float
    reprojection_rms_px: float
    seam_rms_px: float | None
    position_rms_m: float
    area_m2: float
    seconds: dict[str, float]
    peak_rss_mb: float | None
    epsg: int
    lag_s: float
    """By how long positions in the tags are older than the exposures, as the adjustment found it."""
    control: ControlReport | None = None
    account: Account | None = None
    """What each photo gave, and how good it is where; None only where a report was made by hand."""

    def report(self) -> dict[str, Any]:
        """The run as JSON-ready values."""
        return {
            "photos": self.photos_given,
            "placed": len(self.photos),
            "placed_by_priors": [p.name for p in self.photos if p.placed_by == BY_PRIORS],
            "dropped": [{"photo": d.name, "reason": d.reason} for d in self.dropped],
            "warnings": [*self.warnings, *(self.control.warnings() if self.control else ())],
            "gsd_cm": round(100 * self.gsd_m, 3),
            "reprojection_rms_px": round(self.reprojection_rms_px, 3),
            "seam_rms_px": None if self.seam_rms_px is None else round(self.seam_rms_px, 3),
            "position_rms_m": round(self.position_rms_m, 3),
            "area_m2": round(self.area_m2, 1),
            "seconds": {k: round(v, 2) for k, v in self.seconds.items()},
            "peak_rss_mb": None if self.peak_rss_mb is None else round(self.peak_rss_mb, 1),
            "crs": f"EPSG:{self.epsg}",
            "lag_ms": round(1000 * self.lag_s, 1),
            "control": self.control.report() if self.control else None,
            **(self.account.report() if self.account else {}),
        }


def position_rms_m(block: Block, adjustment: Adjustment) -> float:
    """RMS length of (adjusted - tagged) camera positions: how far the block moved its photos."""
    moved = [
        np.linalg.norm(pose.centre - photo.prior.centre)
        for photo, pose, tied in zip(block.photos, adjustment.poses, adjustment.tied, strict=True)
        if tied
    ]
    return float(np.sqrt(np.mean(np.square(moved)))) if moved else 0.0


def seam_rms_px(views: Sequence[View], labels: Labels, cell_px: int, patch: int = 32) -> float | None:
    """RMS shift, in mosaic pixels, between the two photos that meet along each seam.

    Measured by phase correlation of patches of the coarse orthos centred on seam cells; patches without
    structure or agreement do not count. None where nothing could be measured.
    """
    by_photo = {v.photo: v for v in views}
    window = cv2.createHanningWindow((patch, patch), cv2.CV_32F)
    shifts = []
    for row, col, first, second in _seam_places(labels, patch // 2):
        pair = [_patch(by_photo[p], row, col, patch) for p in (first, second)]
        if pair[0] is None or pair[1] is None:
            continue
        if min(float(p.std()) for p in pair if p is not None) < 4:
            continue
        (dx, dy), response = cv2.phaseCorrelate(pair[0], pair[1], window)
        if response > 0.35 and np.hypot(dx, dy) < patch / 4:
            shifts.append(dx * dx + dy * dy)
    return float(np.sqrt(np.mean(shifts))) * cell_px if len(shifts) >= 5 else None


def _seam_places(labels: Labels, step: int) -> list[tuple[int, int, int, int]]:
    """(row, col, photo, other photo) at seam cells, thinned to one in each step x step block."""
    found: dict[tuple[int, int, int, int], tuple[int, int, int, int]] = {}
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        rows, cols = np.nonzero((a != b) & (a != NOBODY) & (b != NOBODY))
        for r, c in zip(rows.tolist(), cols.tolist(), strict=True):
            pair = sorted((int(a[r, c]), int(b[r, c])))
            found.setdefault((r // step, c // step, *pair), (r, c, *pair))  # type: ignore[arg-type]
    return sorted(found.values())


def _patch(view: View, row: int, col: int, size: int) -> npt.NDArray[np.float32] | None:
    r, c = row - view.window.row0 - size // 2, col - view.window.col0 - size // 2
    rows, cols = view.valid.shape
    if r < 0 or c < 0 or r + size > rows or c + size > cols:
        return None
    if not view.valid[r : r + size, c : c + size].all():
        return None
    return np.asarray(view.colour[r : r + size, c : c + size].mean(axis=2), np.float32)


def shared_share(a: View, b: View) -> float:
    """Share of the smaller view's cells that both see."""
    window = overlap(a, b)
    if window is None:
        return 0.0
    both = a.valid[window.within(a.window)] & b.valid[window.within(b.window)]
    return float(both.sum() / max(min(a.valid.sum(), b.valid.sum()), 1))


def peak_rss_mb() -> float | None:
    """The process's largest memory so far in MB; None on systems that do not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1024


def held_mb() -> float:
    """The memory that the process holds now, in MB; its largest so far on systems that do not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return peak_rss_mb() or 0.0
