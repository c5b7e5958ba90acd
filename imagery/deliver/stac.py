"""A static STAC catalogue of a damage folder: what there is, where, when and in which projection."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from imagery.deliver.folder import DamageFolder


def export_stac(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """catalog.json with one item."""
    raise NotImplementedError(folder, out_dir, dt)
