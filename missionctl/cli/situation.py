"""missionctl situation: what was known at a moment, and what had changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.values import moment


def register(app: typer.Typer) -> None:
    app.command("situation")(situation)


def situation(
    mission: Annotated[Path, typer.Argument(metavar="MISSION", help="A mission folder with damage reports.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where to (default: MISSION/reports).")
    ] = None,
    as_of: Annotated[
        str, typer.Option(metavar="TIME", help="The moment, with its zone (default: now).")
    ] = "",
    began: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="When it began: tells also what was known 30, 60 and 120 minutes later."
        ),
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """The situation as of a moment, from all reports made by then: situation.json, .csv and one page, .md."""
    from missionctl.services.situation import page, write_situation

    told = write_situation(
        mission,
        out,
        moment(as_of, "--as-of") if as_of else None,
        moment(began, "--began") if began else None,
    )
    give(told, as_json, page(told, mission.resolve().name))
