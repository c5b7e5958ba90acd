"""missionctl sign: keys that keep strangers from commanding the drones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.station import Connect, Profile, VehicleId

commands = typer.Typer(
    help="Sign MAVLink messages: make keys, give them to vehicles.",
    no_args_is_help=True,
    add_completion=False,
)

Key = Annotated[Path, typer.Option("--key", metavar="KEYFILE", help="The key file.")]
Force = Annotated[
    bool, typer.Option("--force", help="Send the key over a link that others may hear. They can then fly it.")
]


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="sign")


@commands.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that does not exist yet.")],
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help="Make it of a passphrase, as QGroundControl and Mission Planner do."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a key file that only you can read."""
    from missionctl.services import signing

    words: str | None = None
    if passphrase and sys.stdin.isatty():
        words = str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    elif passphrase:
        words = sys.stdin.readline().rstrip("\r\n")
    result = signing.new_key(file, words)
    give(
        result,
        as_json,
        f"{file}: key {result['key_name']}; keep it off the network and out of the mission folder",
    )


@commands.command("enable")
def enable(
    connect: Connect,
    key: Key,
    vehicle: VehicleId = None,
    force: Force = False,
    profile: Profile = "wifi",
    as_json: JsonFlag = False,
) -> None:
    """Give a vehicle the key, over a cable; from then on it obeys signed messages only."""
    from missionctl.services.signing import SetupRequest, set_up

    result = set_up(SetupRequest(connect, key, profile, vehicle, force), enable=True)
    give(result, as_json, f"vehicle {result['vehicle']} signs with key {result['key_name']}")


@commands.command("disable")
def disable(
    connect: Connect,
    key: Key,
    vehicle: VehicleId = None,
    force: Force = False,
    profile: Profile = "wifi",
    as_json: JsonFlag = False,
) -> None:
    """Make a vehicle forget its key, over a cable; from then on it obeys everybody."""
    from missionctl.services.signing import SetupRequest, set_up

    result = set_up(SetupRequest(connect, key, profile, vehicle, force), enable=False)
    give(result, as_json, f"vehicle {result['vehicle']} no longer signs")
