"""missionctl verified: figures that people have verified, beside what imagery suggests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give


def register(app: typer.Typer) -> None:
    app.command("verified")(verified)


def verified(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A damage folder inside a mission folder.")],
    unit: Annotated[
        str | None, typer.Argument(metavar="UNIT", help="Its name, or COUNTY/TOWNSHIP/VILLAGE.")
    ] = None,
    item: Annotated[
        str | None,
        typer.Argument(
            metavar="ITEM",
            help="water_ha, farmland_ha, destroyed, damaged, roads_cut_m, affected, moved, missing or dead.",
        ),
    ] = None,
    value: Annotated[float | None, typer.Argument(metavar="VALUE", help="The verified figure.")] = None,
    source: Annotated[str, typer.Option(help="Who says so on the ground.")] = "",
    note: Annotated[str, typer.Option(help="Anything else worth keeping.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Enter a figure that was verified on the ground; it is never mixed with what imagery suggests.

    Without UNIT: every figure entered so far, when and by whom."""
    from missionctl.services.verified import enter, history

    if unit is None:
        give({"verified": history(folder)}, as_json)
    elif item is None or value is None:
        raise typer.BadParameter("give UNIT, ITEM and VALUE, or none of them")
    else:
        give(enter(folder, unit, item, value, source=source, note=note), as_json)
