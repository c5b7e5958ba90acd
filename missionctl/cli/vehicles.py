"""missionctl vehicles: who is there, and how is it?"""

from __future__ import annotations

from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, stop_on_signals
from missionctl.cli.station import AllowUnsigned, Forward, Sign, riders_text, settings_of


def register(app: typer.Typer) -> None:
    app.command("vehicles")(vehicles)


def vehicles(
    connect: Annotated[
        list[str], typer.Option(metavar="URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD; repeat.")
    ],
    listen: Annotated[float, typer.Option(metavar="S", help="How long to listen.")] = 3.0,
    profile: Annotated[str, typer.Option(help="wifi, radio57k, narrowband or satellite.")] = "wifi",
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C: with --forward, let others ride along.")
    ] = False,
    forward: Forward = None,
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """List the vehicles that are heard, with their states."""
    from missionctl.services.flying import find_vehicles

    settings = settings_of(sign, allow_unsigned, forward)
    until = stop_on_signals().is_set if watch else None
    result = find_vehicles(connect, profile, listen, settings, until)
    found = result["vehicles"]
    lines = [
        f"vehicle {v['vehicle']} ({v['autopilot']}): {v['mode']}, {'armed' if v['armed'] else 'disarmed'}, "
        f"battery {_percent(v['battery_percent'])}, GPS fix {v['gps_fix']}, {v['satellites']} satellites"
        for v in found
    ]
    give(result, as_json, "\n".join(lines + riders_text(result)))


def _percent(value: float | None) -> str:
    return "unknown" if value is None or value != value else f"{value:.0f} %"
