"""missionctl merge: two analysts' edits of one damage map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give


def register(app: typer.Typer) -> None:
    app.command("merge")(merge)


def merge(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The GeoPackage or GeoJSON both began with.")],
    ours: Annotated[Path, typer.Argument(metavar="OURS", help="As one analyst edited it.")],
    theirs: Annotated[Path, typer.Argument(metavar="THEIRS", help="As the other did.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The merged .gpkg or .geojson.")],
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="OUT.conflicts.csv with `take` filled in: ours, theirs or base."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Merge the edits of two analysts. What they contradict each other in is left as it was and listed in
    OUT.conflicts.csv; fill in its column `take` and give it as --decisions."""
    from missionctl.services.merging import merge_files

    give(merge_files(base, ours, theirs, out, decisions), as_json)
