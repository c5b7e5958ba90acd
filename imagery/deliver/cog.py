"""Cloud Optimized GeoTIFFs with their class names and QGIS styles; each is checked to be what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from rio_cogeo.cogeo import cog_validate

from imagery.damage.analysable import ANALYSIS
from imagery.damage.legend import CHANGES, Entry
from imagery.damage.series import SINCE
from imagery.deliver.folder import DamageFolder
from imagery.deliver.picture import codes, fitted
from imagery.deliver.raster_styles import write_class_style, write_depth_style
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_CELLS_LOOKED_AT = 4_000_000


def export_cog(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """Copy the product rasters with their class tables, each with a QGIS style beside it; each copy is
    validated."""
    made = []
    for raster in folder.rasters:
        for source in (raster, Path(f"{raster}.aux.xml")):
            if not source.exists():
                continue
            target = out_dir / source.name
            if target.resolve() != source.resolve():
                with whole_file(target) as part:
                    shutil.copyfile(source, part)
            made.append(target)
        valid, errors, _ = cog_validate(str(out_dir / raster.name), quiet=True)
        if not valid:
            raise DeliveryError(f"{out_dir / raster.name}: is no valid COG ({'; '.join(errors)})")
        made += _style(folder, out_dir / raster.name)
    return made


def legend_of_raster(folder: DamageFolder, name: str) -> tuple[Entry, ...]:
    """What the values of a class raster mean; nothing for one of measures."""
    legends = {"classes": folder.legend.entries, "change": CHANGES, "since": SINCE, "not_analysed": ANALYSIS}
    return legends.get(name, ())


def _style(folder: DamageFolder, raster: Path) -> list[Path]:
    if raster.stem in ("depth", "depth_peak"):
        return [write_depth_style(raster)]
    legend = legend_of_raster(folder, raster.stem)
    if not legend:
        return []
    report = folder.report
    told = {"classes": report["classes"], "change": report["changes"]}.get(raster.stem)
    if told is not None:
        return [write_class_style(raster, legend, (part["value"] for part in told.values()))]
    found = np.unique(codes(raster, fitted(folder.grid, _CELLS_LOOKED_AT)))
    return [write_class_style(raster, legend, found.tolist())]
