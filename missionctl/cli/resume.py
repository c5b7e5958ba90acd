"""missionctl resume: what is still to fly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError


def register(app: typer.Typer) -> None:
    app.command("resume")(resume)


def resume(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan that was flown in part.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.plan", help="The plan of the rest.")],
    photos: Annotated[Path | None, typer.Option(metavar="DIR", help="The photos that came.")] = None,
    flight: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A flight of the mission folder, or a folder or log of one."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Plan only what is still missing, from the photos or the camera messages that really came."""
    from missionctl.services.resuming import plan_rest

    if (photos is None) == (flight is None):
        raise ValueTypedError("give either --photos DIR or --flight ID")
    with progress("resume"):
        result = plan_rest(plan, out, photos, flight)
    if result["file"] is None:
        give(result, as_json, f"all {result['photos_planned']} planned photos are there: nothing left to fly")
        return
    give(
        result,
        as_json,
        f"{out}: {result['photos_planned'] - result['photos_taken']} of {result['photos_planned']} photos "
        f"still to take, {result['items']} items",
    )
