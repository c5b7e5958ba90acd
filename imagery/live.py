"""A mosaic that grows with its folder of photos: drafts while the drone flies, the full mosaic after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from imagery.errors import MosaicError
from imagery.features import FeatureRules
from imagery.found import FileKey, Found, file_key
from imagery.mosaic import MosaicOptions, Progress, make_mosaic
from imagery.photos import list_photo_files
from imagery.quality import MosaicReport

OnDraft = Callable[[MosaicReport], None]


@dataclass(frozen=True)
class LiveRules:
    """When to look, and when to be done: `idle_s` without a new photo ends the flight."""

    look_every_s: float = 1.0
    idle_s: float = 60.0


def follow_photos(
    folder: Path,
    out: Path,
    options: MosaicOptions,
    on_progress: Progress,
    on_draft: OnDraft,
    should_end: Callable[[], bool],
    rules: LiveRules | None = None,
    *,
    finders: Executor | None = None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> MosaicReport:
    """Keep `out` up to date with a folder, then make the full mosaic of it.

    Each draft replaces the one before in one step, and holds all photos that were whole when it began.
    Features and matches are found once for drafts and full mosaic alike. A folder without a usable photo yet
    is waited for.

    Raises MosaicError when the folder is missing, or still holds no usable photo at the end.
    """
    rules = rules or LiveRules()
    if not Path(folder).is_dir():
        raise MosaicError(f"{folder}: no such folder; name the one where the photos will arrive")
    found = Found(FeatureRules())
    draft = replace(options, quality="quick")
    drawn: frozenset[FileKey] = frozenset()
    changed_s = clock()
    while not should_end() and clock() - changed_s < rules.idle_s:
        here = _photos_in(folder)
        if here == drawn:
            on_progress(f"{len(here)} photos, waiting for more", 0.0)
            wait(rules.look_every_s)
            continue
        try:
            report = make_mosaic(folder, out, draft, on_progress, found=found, finders=finders)
        except MosaicError:  # nothing usable yet; the last run below says why if it stays so
            pass
        else:
            on_draft(report)
        drawn, changed_s = here, clock()
    return make_mosaic(folder, out, options, on_progress, found=found, finders=finders)


def _photos_in(folder: Path) -> frozenset[FileKey]:
    try:
        return frozenset(file_key(path) for path in list_photo_files(folder))
    except MosaicError:
        return frozenset()  # none yet
