"""missionctl damage: a mosaic to damage rasters and statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import moment
from missionctl.jsontext import to_json


def register(app: typer.Typer) -> None:
    app.command("damage")(damage)


def damage(
    mosaic: Annotated[Path, typer.Argument(metavar="MOSAIC", help="The orthomosaic after the event.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    before: Annotated[
        Path | None, typer.Option(metavar="ORTHO", help="Orthophoto from before the event.")
    ] = None,
    dem: Annotated[Path | None, typer.Option(help="Ground heights: gives the depth of water.")] = None,
    footprints: Annotated[Path | None, typer.Option(metavar="FILE", help="Buildings to grade.")] = None,
    roads: Annotated[Path | None, typer.Option(metavar="FILE", help="Road lines to check.")] = None,
    townships: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Areas to give statistics for.")
    ] = None,
    county: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Areas above townships: sums of their figures.")
    ] = None,
    land_use: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Parcels with a kind of use: how much farmland is under water."),
    ] = None,
    population: Annotated[
        Path | None, typer.Option(metavar="FILE", help="People, as points with a number.")
    ] = None,
    rivers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rivers, lines or areas: a road over one is a bridge."),
    ] = None,
    villages: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Villages, points or areas: which do the roads still reach?"),
    ] = None,
    safe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="From where help comes (default: the edge of the map)."),
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Painted samples: any vector file with `class`.")
    ] = None,
    samples_version: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Go back to the samples that DIR/samples/N.gpkg keeps of an earlier run."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="A segmentation model of your own.")
    ] = None,
    preview: Annotated[
        str | None,
        typer.Option(
            metavar="WEST,SOUTH,EAST,NORTH",
            help="Only a quick look at this window (degrees): what samples make of it, in DIR/preview.tif.",
        ),
    ] = None,
    flood_began: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="When the water came (2026-07-01T04:30+08:00): bounds how long it stood."
        ),
    ] = "",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as JSON here too.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Map the damage on a mosaic: those results that the inputs allow."""
    from imagery.damage import DamageOptions
    from imagery.damage.versions import file_of
    from missionctl.services.damage import damage_from_mosaic, preview_damage
    from missionctl.workspace import actor, write_text

    if samples_version is not None:
        if samples is not None:
            raise typer.BadParameter("give either --samples or --samples-version")
        samples = file_of(out, samples_version)
    if preview is not None:
        give(preview_damage(mosaic, out, samples, _degrees(preview)), as_json)
        return
    options = DamageOptions(
        before=before,
        dem=dem,
        footprints=footprints,
        roads=roads,
        townships=townships,
        county=county,
        land_use=land_use,
        flood_began_utc=moment(flood_began, "--flood-began") if flood_began else None,
        population=population,
        rivers=rivers,
        villages=villages,
        safe=safe,
        samples=samples,
        model=model,
        analyst=actor(),
    )
    with progress("damage") as advance:
        result = damage_from_mosaic(mosaic, out, options, advance).report()
    if report:
        write_text(report, to_json(result) + "\n")
    give(result, as_json)


def _degrees(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not WEST,SOUTH,EAST,NORTH in degrees") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise typer.BadParameter(f"'{text}' is no window: west below east, south below north, in degrees")
    return west, south, east, north
