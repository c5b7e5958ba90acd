"""missionctl train: scenarios with faults, flown and scored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress, say, stop_on_signals
from missionctl.cli.station import settings_of
from missionctl.cli.values import lat_lon

commands = typer.Typer(
    help="Fly scenarios with a simulated vehicle, and be scored.", no_args_is_help=True, add_completion=False
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="train")


@commands.command("list")
def list_all(as_json: JsonFlag = False) -> None:
    """List the scenarios that come with the program."""
    from missionctl.services.training import list_scenarios

    rows = list_scenarios()
    text = "\n".join(f"{row['scenario']:<16} {row['title']}\n{'':<16} {row['about']}" for row in rows)
    give({"scenarios": rows}, as_json, text)


@commands.command("run")
def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A name of `train list`, or a file.")],
    plan: Annotated[
        Path | None,
        typer.Option(metavar="PLAN", help="Fly this plan; without one a trainee connects and flies."),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="An empty folder.")] = Path(
        "training"
    ),
    home: Annotated[
        str, typer.Option(metavar="LAT,LON,ALT", help="Where the vehicle stands (default: the plan's home).")
    ] = "",
    world: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A simulated county (made by the demo).")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="URL", help="Where the trainee's ground station connects.")
    ] = "tcpin:127.0.0.1:5760",
    speedup: Annotated[float, typer.Option(metavar="X", help="Simulated time goes X times as fast.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weather.")] = 0,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE",
            help="Sign as in a real flight; the simulated vehicle has no key and is heard all the same.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a scenario and score it from the record; OUT gets the report and the flight."""
    from missionctl.services.training import TrainingRequest, run_training

    request = TrainingRequest(
        scenario=scenario,
        out=out,
        plan=plan,
        listen=listen,
        home=lat_lon(home, "--home") if home else None,
        world=world,
        speedup=speedup,
        seed=seed,
        settings=settings_of(sign, allow_unsigned=True),
    )
    stop = stop_on_signals()
    with progress("train") as advance:
        result = run_training(request, advance, say, stop.is_set)
    lines = [
        f"{c['name']:<16} {c['points']:4.0f} of {c['of']:3.0f}  {c['measure']}" for c in result["criteria"]
    ]
    for reaction in result["reactions"]:
        what = (
            f"{reaction['mode']} after {reaction['after_s']:.1f} s, by the {reaction['by']}"
            if reaction["mode"]
            else "no change of mode"
        )
        lines.append(f"{reaction['fault']}: {what}")
    if result["why"]:
        lines.append(result["why"])
    score = "nothing to score" if result["score"] is None else f"{result['score']:.0f} points of 100"
    give(result, as_json, "\n".join([*lines, f"{result['title']}: {score}"]))
