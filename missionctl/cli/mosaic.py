"""missionctl mosaic: photos to a georeferenced orthomosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.jsontext import to_json


def register(app: typer.Typer) -> None:
    app.command("mosaic")(mosaic)


def mosaic(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.tif", help="The mosaic to write (COG).")],
    gsd: Annotated[
        float | None, typer.Option(metavar="CM", help="Ground size of a pixel (default: as flown).")
    ] = None,
    dem: Annotated[
        Path | None, typer.Option(help="Ground heights; without it they come from the photos.")
    ] = None,
    crs: Annotated[int | None, typer.Option(metavar="EPSG", help="CRS of the mosaic (default: UTM).")] = None,
    quality: Annotated[str, typer.Option(help="quick or full.")] = "full",
    memory: Annotated[int | None, typer.Option(metavar="MB", help="Memory budget.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Stitch photos into a georeferenced orthomosaic."""
    from imagery.mosaic import MosaicOptions
    from missionctl.services.mapping import mosaic_photos
    from missionctl.workspace import write_text

    options = MosaicOptions(
        gsd_m=gsd / 100 if gsd is not None else None,
        dem=dem,
        crs_epsg=crs,
        quality=quality,
        memory_mb=memory,
    )
    with progress("mosaic") as advance:
        made = mosaic_photos(photos, out, options, advance)
    result = made.report()
    if report:
        write_text(report, to_json(result) + "\n")
    dropped = "".join(f"\n  left out: {d['photo']}: {d['reason']}" for d in result["dropped"])
    give(
        result,
        as_json,
        f"{out}: {result['placed']} of {result['photos']} photos, {result['gsd_cm']:.2f} cm a pixel, "
        f"{result['area_m2'] / 1e4:.2f} ha in {result['seconds']['total']:.0f} s; "
        f"reprojection {result['reprojection_rms_px']:.2f} px rms" + dropped,
    )
