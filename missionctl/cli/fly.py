"""missionctl fly: a plan flown by a vehicle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress, say
from missionctl.cli.station import AllowUnsigned, Forward, Sign, riders_text


def register(app: typer.Typer) -> None:
    app.command("fly")(fly)


def fly(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .plan or .waypoints file.")],
    connect: Annotated[
        str, typer.Option(metavar="URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to record (default: the mission folder)."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the camera's photos turn up.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Arm and take off without asking.")] = False,
    profile: Annotated[str, typer.Option(help="wifi, radio57k, narrowband or satellite.")] = "wifi",
    forward: Forward = None,
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """Upload a plan, read it back, arm, fly it, land; everything is recorded."""
    from missionctl.services.flying import FlyRequest, fly_plan
    from missionctl.services.signing import station_settings
    from plans.errors import MissionError
    from plans.formats import read_mission

    settings = station_settings(sign, allow_unsigned, forward or (), lambda line: say(f"missionctl: {line}"))
    items = len(read_mission(plan).items)
    if not yes:
        if not sys.stdin.isatty():
            raise MissionError("nobody is there to confirm the take-off; give --yes to fly without asking")
        say(f"{plan.name}: {items} items go to the vehicle at {connect}; it will arm and take off.")
        if input("Is the place clear? Type fly to go on: ").strip().lower() != "fly":
            raise MissionError("not confirmed; nothing was sent")
    with progress("fly") as advance:
        report = fly_plan(FlyRequest(plan, connect, out, photos, profile, settings), advance)
    text = (
        f"landed: {report['items_sent']} items flown, {report['photos_confirmed']} photos confirmed "
        f"(expected {report['photos_expected']}), {report['duration_s'] / 60:.1f} min; {report['folder']}"
    )
    give(report, as_json, "\n".join([text, *riders_text(report)]))
