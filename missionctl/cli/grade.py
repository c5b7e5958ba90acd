"""missionctl grade: what an analyst decides on a building or a road."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give


def register(app: typer.Typer) -> None:
    app.command("grade")(grade)


def grade(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A damage folder inside a mission folder.")],
    identifier: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The building's id; with --road the fid of a stretch."),
    ] = None,
    decided: Annotated[
        str | None,
        typer.Argument(metavar="GRADE", help="For example 'Damaged', or with --road 'Passable'."),
    ] = None,
    road: Annotated[bool, typer.Option("--road", help="A stretch of road, not a building.")] = False,
    note: Annotated[str, typer.Option(help="Why, in your words.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Confirm or correct a suggested grade; a new map keeps it.

    Without GRADE: what was decided on ID, when and by whom. Without ID: the buildings that nobody has decided
    on, worst first."""
    from imagery.damage.decisions import BUILDING_KIND, ROAD_KIND
    from missionctl.services.decisions import decide, history, undecided

    if identifier is None:
        give({"undecided": undecided(folder)}, as_json)
    elif decided is None:
        give({"history": history(folder, identifier)}, as_json)
    else:
        kind = ROAD_KIND if road else BUILDING_KIND
        give(decide(folder, identifier, decided, kind=kind, note=note), as_json)
