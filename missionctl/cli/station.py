"""The options that say how a station talks, and to which vehicle: addresses, signing, who rides along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from missionctl.cli.output import say

if TYPE_CHECKING:
    from flight.station import StationSettings
    from missionctl.services.vehicle_work import Target

Connect = Annotated[str, typer.Option(metavar="URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD")]
VehicleId = Annotated[
    int | None, typer.Option("--vehicle", metavar="ID", help="Its system id, where several are heard.")
]
Profile = Annotated[str, typer.Option(help="wifi, radio57k, narrowband or satellite.")]
Sign = Annotated[
    Path | None,
    typer.Option("--sign", metavar="KEYFILE", help="Sign with this key; hear only who signs with it."),
]
AllowUnsigned = Annotated[
    bool, typer.Option("--allow-unsigned", help="With --sign: hear vehicles that do not sign too.")
]
Forward = Annotated[
    list[str] | None,
    typer.Option(
        "--forward",
        metavar="URL[?FILTER]",
        help="Let another program ride along; FILTER: may=listen|read|command & allow=, deny=, systems=, "
        "sign=own|lend. Repeat.",
    ),
]


def settings_of(
    sign: Path | None, allow_unsigned: bool, forward: Sequence[str] | None = None
) -> StationSettings:
    """The station that the options describe; its troubles go to stderr."""
    from missionctl.services.signing import station_settings

    return station_settings(sign, allow_unsigned, forward or (), lambda line: say(f"missionctl: {line}"))


def target_of(
    connect: str, profile: str, vehicle: int | None, sign: Path | None, allow_unsigned: bool
) -> Target:
    """The vehicle that the options name, and how to talk to it."""
    from missionctl.services.vehicle_work import Target

    return Target(connect, profile, vehicle, settings_of(sign, allow_unsigned))


def riders_text(report: Mapping[str, Any]) -> list[str]:
    """What signing and the endpoints counted, a line each, where there is something to tell."""
    lines = []
    signing = report.get("signing", {})
    bad = {
        kind.replace("_", " "): n for kind, n in signing.items() if n and kind in ("unsigned", "bad", "old")
    }
    if bad:
        lines.append("not heard for their signature: " + ", ".join(f"{n} {kind}" for kind, n in bad.items()))
    for end in report.get("forward", ()):
        line = f"{end['address']}: {end['sent']} messages out, {end['received']} in"
        if end["dropped"]:
            line += f", {end['dropped']} dropped because it was too slow"
        if end["refused"]:
            line += ", refused: " + ", ".join(f"{n} ({why})" for why, n in end["refused"].items())
        lines.append(line)
    return lines
