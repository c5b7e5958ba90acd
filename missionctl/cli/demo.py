"""missionctl demo: the whole job on a simulated flood."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Mission folder to make.")] = Path("demo-mission"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same flood.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Coarser photos, fewer of them.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Do the whole job on a simulated flood: plan, fly, stitch, map the damage, score against the truth."""
    from missionctl.services.demo import run_demo

    with progress("demo") as advance:
        result = run_demo(out, seed, quick, advance)
    failed = [name for name, ok in result["checks"].items() if not ok]
    flight, mosaic, iou = result["flight"], result["mosaic"], result["damage"]["iou"]
    lines = [
        f"mission     {flight['items_sent']} items sent, {flight['items_read_back']} read back"
        f"{', identical' if flight['identical'] else ', NOT identical'}",
        f"photos      {flight['photos_confirmed']} taken, {mosaic['placed']} placed in the mosaic",
        f"mosaic      {mosaic['gsd_cm']:.1f} cm a pixel, off by {mosaic['rmse_gsd']:.2f} pixels (RMSE)",
        "agreement   " + ", ".join(f"{name} {value:.2f}" for name, value in iou.items()) + " (IoU)",
        f"run time    {result['seconds']:.0f} s",
        f"map sheet   {out / 'reports' / 'map_sheet.pdf'}",
        f"look at it  missionctl-gui {out}",
    ]
    lines += [f"NOT REACHED {name.replace('_', ' ')}" for name in failed]
    give(result, as_json, "\n".join(lines))
    raise typer.Exit(1 if failed else 0)
