"""missionctl export: damage results in the forms that people ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress


def register(app: typer.Typer) -> None:
    app.command("export")(export_damage)


def export_damage(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `missionctl damage` wrote.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMATS",
            help="Comma-separated: cog,gpkg,geojson,fgb,kmz,shp,pdf,png,brief,csv,xlsx,mbtiles,pmtiles,ems,"
            "stac.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where to (default: DIR).")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of sheets and brief: en or zh.")] = "en",
    paper: Annotated[str, typer.Option(help="Paper of the sheets: a4, a3 or a1.")] = "a3",
    title: Annotated[str, typer.Option(help="Title of sheets and brief.")] = "",
    product: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the EMS package: activation, area, release, version.")
    ] = "EMSR000_AOI01_r1_v1",
    as_json: JsonFlag = False,
) -> None:
    """Write damage results as files for others."""
    from imagery.deliver import export

    formats = [part.strip().lower() for part in to.split(",") if part.strip()]
    with progress("export") as advance:
        files = export(
            folder, formats, out, lang=lang, paper=paper, title=title, product=product, on_progress=advance
        )
    give({"files": [str(f) for f in files]}, as_json, "\n".join(str(f) for f in files))
