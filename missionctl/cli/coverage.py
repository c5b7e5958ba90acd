"""missionctl coverage: proof of how many photos see each piece of ground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress


def register(app: typer.Typer) -> None:
    app.command("coverage")(coverage)


def coverage(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .plan or .waypoints file.")],
    zone: Annotated[Path, typer.Option(metavar="ZONE", help="The area to be seen.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="COUNT.tif", help="Photos per cell (GeoTIFF).")],
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="See: missionctl cameras.")] = None,
    dem: Annotated[
        Path | None, typer.Option(help="Ground heights (default: level ground at the home).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Count the planned photos that see each cell of the ground."""
    from missionctl.services.planning import cover_plan

    with progress("coverage"):
        result = cover_plan(plan, zone, out, camera, dem)
    shares = "; ".join(f"{share:.1%} by {k} or more" for k, share in result["share_by_views"].items())
    give(result, as_json, f"{out}: {result['photos']} photos see {shares}")
