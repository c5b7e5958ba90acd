"""missionctl script: a DroneKit script against a vehicle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, say
from missionctl.cli.station import AllowUnsigned, Connect, Sign, settings_of


def register(app: typer.Typer) -> None:
    app.command("script")(script)


def script(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DroneKit script (Python).")],
    connect: Connect,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGS...]", help="Passed on to the script.")
    ] = None,
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a DroneKit script against a vehicle; it gets --connect as DroneKit's examples expect it. With
    --sign what it says is signed on the way; the script does not see the key."""
    from flight.dronekit_scripts import run_script

    settings = settings_of(sign, allow_unsigned)
    result = run_script(file, connect, arguments or [], output_to_stderr=as_json, settings=settings)
    if as_json:
        give({"script": str(file), "exit_code": result.exit_code, "last_line": result.last_line}, True)
    if result.exit_code != 0:
        say(f"missionctl: {file} failed (exit code {result.exit_code}): {result.last_line or 'no words'}")
        raise typer.Exit(1)
