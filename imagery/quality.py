"""What the mosaic is worth: residuals, seams and positions as figures, per photo and for the whole block."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely import Polygon

from imagery.account import Account
from imagery.adjust import Adjustment
from imagery.control_report import ControlReport
from imagery.photos import Block, Dropped
from plans.frames import Pose

BY_TIE_POINTS = "tie points"
BY_PRIORS = "priors"

CELL_PX = 8
"""Pixels along a cell of the grid that labels and companions are on."""
_LEAST_JUDGED = 5


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
class SeamFigure:
    """How far photos are apart at seams (rms, pixels of the mosaic), and at which share of the places judged
    that is clear; None with fewer than five that are."""

    rms_px: float | None
    clear_share: float | None


@dataclass(frozen=True)
class MosaicReport:
    """What a mosaic run did; `report()` gives the stable keys."""

    photos: tuple[PlacedPhoto, ...]
    photos_given: int
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    gsd_m: float
    reprojection_rms_px: float
    seams: SeamFigure
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
            "seam_rms_px": None if self.seams.rms_px is None else round(self.seams.rms_px, 3),
            "seam_clear_share": None if self.seams.clear_share is None else round(self.seams.clear_share, 3),
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


def seam_figure(apart_px: npt.NDArray[np.float32]) -> SeamFigure:
    """Of what photos are apart at places of seams (n, 2), NaN where that is not clear."""
    apart = apart_px[np.isfinite(apart_px).all(axis=1)].astype(float)
    if len(apart) < _LEAST_JUDGED:
        return SeamFigure(None, None)
    return SeamFigure(float(np.sqrt((apart**2).sum(axis=1).mean())), len(apart) / len(apart_px))


def peak_rss_mb() -> float | None:
    """The process's largest memory so far in MB; None on systems that do not tell."""
    if sys.platform == "win32":
        return None
    try:  # what getrusage tells on Linux is no less than what the parent held
        with open("/proc/self/status", encoding="ascii") as told:
            return next(int(line.split()[1]) / 1024 for line in told if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
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
