"""One door to all output formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagery.deliver.brief import export_brief
from imagery.deliver.cog import export_cog
from imagery.deliver.ems import DEFAULT_PRODUCT, Product, export_ems, read_product
from imagery.deliver.folder import DamageFolder, read_folder
from imagery.deliver.kmz import export_kmz
from imagery.deliver.sheet import export_sheet
from imagery.deliver.sheet_page import PAPERS
from imagery.deliver.stac import export_stac
from imagery.deliver.tables import export_csv, export_xlsx
from imagery.deliver.tiles import export_mbtiles, export_pmtiles
from imagery.deliver.vectors import export_fgb, export_geojson, export_gpkg, export_shp
from imagery.deliver.words import WORDS
from imagery.errors import DeliveryError, RasterError

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Job:
    folder: DamageFolder
    out_dir: Path
    lang: str
    paper: str
    title: str
    product: Product


_PLAIN: Final = {
    "cog": export_cog,
    "gpkg": export_gpkg,
    "geojson": export_geojson,
    "kmz": export_kmz,
    "shp": export_shp,
    "csv": export_csv,
    "xlsx": export_xlsx,
    "mbtiles": export_mbtiles,
    "pmtiles": export_pmtiles,
    "fgb": export_fgb,
}
_SHEETS: Final = ("pdf", "png")
FORMATS: Final = (
    "cog", "gpkg", "geojson", "fgb", "kmz", "shp", "pdf", "png", "brief", "csv", "xlsx", "mbtiles", "pmtiles",
    "ems", "stac",
)  # fmt: skip
"""What `export` can write."""


def export(
    folder: Path,
    formats: Sequence[str],
    out_dir: Path | None = None,
    *,
    lang: str = "en",
    paper: str = "a3",
    title: str = "",
    product: str = DEFAULT_PRODUCT,
    on_progress: Progress | None = None,
) -> list[Path]:
    """Write a damage folder's products for others; returns the files made, in the order of `FORMATS`.

    Args:
        folder: what `map_damage` wrote.
        formats: some of `FORMATS`.
        out_dir: where to, by default the folder itself.
        lang: "en" or "zh", the language of sheets and brief.
        paper: "a4", "a3" or "a1".
        title: of sheets and brief; by default the event, or what the sheet shows.
        product: name of the EMS-style package, like EMSR517_AOI15_r1_v1.
        on_progress: called with the format and the share done.

    Raises DeliveryError for a format, language, paper or product name that there is not, a folder that is
    none, and an output folder that cannot be written.
    """
    wanted = _checked(formats, lang, paper)
    named = read_product(product)
    source = read_folder(folder)
    target = _writable(Path(out_dir) if out_dir is not None else source.path)
    job = _Job(source, target, lang.lower(), paper.lower(), title, named)
    made: list[Path] = []
    for done, name in enumerate(wanted):
        if on_progress:
            on_progress(name, done / len(wanted))
        try:
            made += [path for path in _write(name, job, made) if path not in made]
        except (RasterError, OSError) as error:
            raise DeliveryError(_one_line(error, target)) from error
    if on_progress:
        on_progress("done", 1.0)
    return made


def _checked(formats: Sequence[str], lang: str, paper: str) -> list[str]:
    asked = [name.strip().lower() for name in formats]
    unknown = [name for name in asked if name not in FORMATS]
    if unknown:
        raise DeliveryError(f"unknown format '{unknown[0]}'; use some of: {', '.join(FORMATS)}")
    if not asked:
        raise DeliveryError(f"no format was named; use some of: {', '.join(FORMATS)}")
    if lang.lower() not in WORDS:
        raise DeliveryError(f"unknown language '{lang}'; use {' or '.join(WORDS)}")
    if paper.lower() not in PAPERS:
        raise DeliveryError(f"unknown paper '{paper}'; use {' or '.join(PAPERS)}")
    return [name for name in FORMATS if name in asked]


def _writable(folder: Path) -> Path:
    """The folder, made if need be; a fault is found before the work, not after it."""
    probe = folder / f".export.part{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = "is a file" if folder.is_file() else (error.strerror or str(error))
        raise DeliveryError(f"{folder}: cannot be written ({reason}); choose another folder") from error
    return folder


def _write(name: str, job: _Job, made: Sequence[Path]) -> list[Path]:
    if name in _SHEETS:
        return export_sheet(job.folder, job.out_dir, name, lang=job.lang, paper=job.paper, title=job.title)
    if name == "brief":
        return export_brief(job.folder, job.out_dir, lang=job.lang, title=job.title)
    if name == "ems":
        return export_ems(job.folder, job.out_dir, job.product)
    if name == "stac":
        return export_stac(job.folder, job.out_dir, made)
    return _PLAIN[name](job.folder, job.out_dir)


def _one_line(error: Exception, folder: Path) -> str:
    if isinstance(error, RasterError):
        return str(error)
    reason = getattr(error, "strerror", None) or str(error)
    return f"{folder}: cannot be written ({reason}); free some space or choose another folder"
