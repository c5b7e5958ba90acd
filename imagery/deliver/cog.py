"""Cloud Optimized GeoTIFFs with their class names, and a check that they are what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

from rio_cogeo.cogeo import cog_validate

from imagery.deliver.folder import DamageFolder
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file


def export_cog(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """Copy the product rasters and their class tables; each copy is validated before it gets its name."""
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
    return made
