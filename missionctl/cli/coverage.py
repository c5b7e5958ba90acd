"""missionctl coverage: proof of how many photos see each piece of ground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import percent


def register(app: typer.Typer) -> None:
    app.command("coverage")(coverage)


def coverage(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .plan or .waypoints file.")],
    zone: Annotated[Path, typer.Option(metavar="ZONE", help="The area to be seen.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="COUNT.tif", help="Photos per cell (GeoTIFF).")],
    camera: Annotated[
        str | None, typer.Option(metavar="NAME", help="See: missionctl cameras (default: the plan's).")
    ] = None,
    dem: Annotated[
        Path | None, typer.Option(help="Ground heights (default: level ground at the home).")
    ] = None,
    min_views: Annotated[
        int | None, typer.Option(metavar="N", help="Photos asked of every place (default: the plan's).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Count the planned photos that see each cell of the ground."""
    from missionctl.services.covering import cover_plan

    with progress("coverage"):
        result = cover_plan(plan, zone, out, camera, dem, min_views)
    shares = "; ".join(f"{percent(share)} by {k} or more" for k, share in result["share_by_views"].items())
    lines = [f"{out}: {result['photos']} photos see {shares}"]
    if result["views_asked"] is not None:
        lines.append(
            f"asked for: {result['views_asked']} or more photos of every place; "
            f"{percent(result['share'])} has them"
        )
    give(result, as_json, "\n".join(lines))
