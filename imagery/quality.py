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
from imagery.ortho import MosaicGrid
from imagery.photos import Block, Dropped
from imagery.seams import Labels
from imagery.surface import Surface
from plans.frames import FloatArray, Pose

BY_TIE_POINTS = "tie points"
BY_PRIORS = "priors"

CELL_PX = 8
"""Pixels along a cell of the grid that labels and companions are on."""
_SEAM_CELLS = 3
"""Nearer to seams there are too few tie points: the same block then came out at 0.9 px and at 2.1."""
_LEAST_SEAM_TIES = 5


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


def seam_rms_px(adjustment: Adjustment, surface: Surface, cells: MosaicGrid, labels: Labels) -> float | None:
    """RMS shift, in mosaic pixels, between the two photos that meet at a seam.

    Told by tie points within some cells of seams between photos that both show them: where each photo, laid
    on the surface, has the point. What stands off the surface counts, as it does in the mosaic; what could
    not be matched does not. None with fewer than five.
    """
    tracks = adjustment.tracks
    if not tracks.count:
        return None
    near = np.flatnonzero(_painted_beside(adjustment, cells, labels))
    place = _on_surface(adjustment, surface)[near]
    same = np.diff(tracks.track[near]) == 0
    if same.sum() < _LEAST_SEAM_TIES:
        return None
    apart = np.diff(place, axis=0)[same]
    return float(np.sqrt((apart**2).sum(axis=1).mean()) / cells.gsd_m * CELL_PX)


def _painted_beside(adjustment: Adjustment, cells: MosaicGrid, labels: Labels) -> npt.NDArray[np.bool_]:
    """(n,) which observations are of a photo that paints within a few cells of their point."""
    tracks = adjustment.tracks
    x, y = cells.map_places(adjustment.points[:, 0], adjustment.points[:, 1])
    col = ((x - cells.west) / cells.gsd_m).astype(int)[tracks.track]
    row = ((cells.north - y) / cells.gsd_m).astype(int)[tracks.track]
    near = np.zeros(len(tracks.track), bool)
    for down in (-_SEAM_CELLS, 0, _SEAM_CELLS):
        for right in (-_SEAM_CELLS, 0, _SEAM_CELLS):
            r, c = (
                np.clip(v, 0, n - 1) for v, n in zip((row + down, col + right), labels.shape, strict=True)
            )
            near |= labels[r, c] == tracks.photo
    return near


def _on_surface(adjustment: Adjustment, surface: Surface) -> FloatArray:
    """(n, 2) where the ray of each observation meets the surface at its point's place, metres."""
    tracks = adjustment.tracks
    ground = surface.at(adjustment.points[:, 0], adjustment.points[:, 1]).astype(float)[tracks.track]
    out = np.empty((len(tracks.track), 2))
    for photo, (camera, pose) in enumerate(zip(adjustment.cameras, adjustment.poses, strict=True)):
        mine = tracks.photo == photo
        ray = camera.rays(tracks.xy_px[mine]) @ pose.camera_from_enu
        reach = (ground[mine] - pose.up_m) / ray[:, 2]
        out[mine] = pose.centre[:2] + ray[:, :2] * reach[:, None]
    return out


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
