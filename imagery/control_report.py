"""What ground control says of a mosaic: each point, the check points as figures, and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imagery.marks import Marks, PointFit

_NOT_HELD_GSD = 3.0
"""Control points that end farther off than this were not followed: the block or the points are wrong."""


@dataclass(frozen=True)
class Rms:
    """Root mean squares over some points: in plan and in height, metres; `points` were measured."""

    points: int
    plan_m: float
    height_m: float


@dataclass(frozen=True)
class ControlReport:
    """The points of a run, and the mosaic's pixel."""

    points: tuple[PointFit, ...]
    gsd_m: float

    def rms(self, *, check: bool) -> Rms | None:
        """Of the check points, or of the control points that were believed; None without any."""
        off = np.array(
            [p.off_m for p in self.points if p.check is check and p.believed and p.off_m is not None]
        )
        if not len(off):
            return None
        plan = float(np.sqrt((off[:, :2] ** 2).sum(axis=1).mean()))
        return Rms(len(off), plan, float(np.sqrt((off[:, 2] ** 2).mean())))

    def warnings(self) -> list[str]:
        """Points and marks that were not believed, by name, and control that was not followed."""
        told = []
        for p in self.points:
            if p.marks == 0:
                told.append(f"ground control {p.name}: no photo of this run shows it, it was not used")
            elif not p.believed:
                off = f", {np.hypot(*p.off_m[:2]):.2f} m off in plan" if p.off_m else ""
                told.append(
                    f"ground control {p.name} disagrees with the other points{off}: it was left out; look at "
                    "its coordinates and marks"
                )
            told += [
                f"ground control {p.name}: its mark in {name} lies elsewhere than the others, it was left out"
                for name in p.wrong_marks
            ]
        held = self.rms(check=False)
        if held and held.plan_m > _NOT_HELD_GSD * self.gsd_m:
            told.append(
                f"the mosaic misses its control points by {held.plan_m:.2f} m rms: they contradict each "
                "other, or the photos do"
            )
        return told

    def line(self) -> str:
        """One line for a person."""
        held, check = self.rms(check=False), self.rms(check=True)
        parts = [f"{held.points if held else 0} control points"]
        if check:
            parts.append(
                f"{check.points} check points {check.plan_m:.3f} m rms in plan "
                f"({check.plan_m / self.gsd_m:.2f} GSD), {check.height_m:.3f} m in height"
            )
        return "; ".join(parts)

    def report(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "control": self._figures(self.rms(check=False)),
            "check": self._figures(self.rms(check=True)),
            "points": [_point(p) for p in self.points],
        }

    def _figures(self, rms: Rms | None) -> dict[str, Any] | None:
        if rms is None:
            return None
        return {
            "points": rms.points,
            "plan_rms_m": round(rms.plan_m, 4),
            "plan_rms_gsd": round(rms.plan_m / self.gsd_m, 3),
            "height_rms_m": round(rms.height_m, 4),
        }


def _point(p: PointFit) -> dict[str, Any]:
    east, north, up = (round(v, 4) for v in p.off_m) if p.off_m else (None, None, None)
    return {
        "name": p.name,
        "role": "check" if p.check else "control",
        "used": p.believed,
        "marks": p.marks,
        "wrong_marks": list(p.wrong_marks),
        "east_off_m": east,
        "north_off_m": north,
        "up_off_m": up,
        "rms_px": None if p.rms_px is None else round(p.rms_px, 3),
    }


def control_warnings(marks: Marks) -> list[str]:
    """Photos that are marked and not there."""
    unknown: Sequence[str] = marks.unknown_photos
    if not unknown:
        return []
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return [f"ground control is marked in photos that are not here: {', '.join(unknown[:3])}{more}"]
