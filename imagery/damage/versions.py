"""Every set of samples that a damage folder was made from is kept: FOLDER/samples/001.gpkg, 002.gpkg, ...

Painting is an hour of somebody's work, and more of it can make a map worse. A version is never changed, so
any earlier map can be made again from its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shapely import STRtree

from imagery.damage.own_classes import OwnClasses
from imagery.damage.samples import Samples, read_samples
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_out import OutLayer, write_vectors
from imagery.errors import DamageError

_SAME_M = 1e-3


def numbers(folder: Path) -> tuple[int, ...]:
    """The versions that a damage folder keeps, ascending."""
    found = (re.fullmatch(r"(\d{3,})\.gpkg", path.name) for path in (folder / "samples").glob("*.gpkg"))
    return tuple(sorted(int(match[1]) for match in found if match))


def file_of(folder: Path, number: int) -> Path:
    """Where a version stands.

    Raises DamageError when the folder has no such version.
    """
    path = folder / "samples" / f"{number:03d}.gpkg"
    if not path.exists():
        kept = ", ".join(map(str, numbers(folder))) or "none"
        raise DamageError(f"{folder}: keeps no version {number} of its samples; there are: {kept}")
    return path


def keep(
    folder: Path, samples: Samples, grid: GeoGrid, own: OwnClasses | None = None
) -> tuple[int, Samples | None]:
    """Keep the samples as a new version, unless they are those of the newest.

    Returns the version's number and the samples of the one before it, None where there is none that lies on
    this mosaic. Raises DamageError when the folder cannot be written.
    """
    kept = numbers(folder)
    newest = _read(file_of(folder, kept[-1]), grid, own) if kept else None
    if newest is not None and len(newest.strokes) == len(samples.strokes) == shared(samples, newest).sum():
        earlier = _read(file_of(folder, kept[-2]), grid, own) if len(kept) > 1 else None
        return kept[-1], earlier
    return _write(folder, samples, grid, kept[-1] + 1 if kept else 1), newest


def shared(samples: Samples, earlier: Samples) -> npt.NDArray[np.bool_]:
    """(strokes,) which of the samples' strokes stand in the earlier ones too, of the same class."""
    tree = STRtree([stroke.area for stroke in earlier.strokes])
    return np.array(
        [
            any(
                earlier.strokes[i].code == stroke.code
                and earlier.strokes[i].area.equals_exact(stroke.area, _SAME_M, normalize=True)
                for i in tree.query(stroke.area)
            )
            for stroke in samples.strokes
        ]
    )


def _read(path: Path, grid: GeoGrid, own: OwnClasses | None) -> Samples | None:
    try:
        return read_samples(path, grid, own)
    except DamageError:  # painted on another mosaic that was mapped into this folder
        return None


def _write(folder: Path, samples: Samples, grid: GeoGrid, number: int) -> int:
    layer = OutLayer(
        "samples",
        "Unknown",  # single and multi areas as they are, so that they are read back the same
        tuple(stroke.area for stroke in samples.strokes),
        {"class": [samples.legend[stroke.code].key for stroke in samples.strokes]},
        "class",
        samples.legend.entries[1:],
    )
    part = folder / "samples" / f".{os.getpid()}.gpkg"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        write_vectors(part, [layer], grid.crs)
        while True:
            try:  # a link fails where another run was faster; a rename would overwrite its work
                os.link(part, part.with_name(f"{number:03d}.gpkg"))
                return number
            except FileExistsError:
                number += 1
    except OSError as error:
        raise DamageError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        part.unlink(missing_ok=True)
