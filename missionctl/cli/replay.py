"""missionctl replay: a recorded flight again, to a ground station or as a timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress, say, stop_on_signals


def register(app: typer.Typer) -> None:
    app.command("replay")(replay)


def replay(
    flight: Annotated[
        Path, typer.Argument(metavar="FLIGHT|LOG", help="A flight's folder, or a .tlog (others: timeline).")
    ],
    listen: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Play to a ground station: udpout:HOST:PORT, tcpin:HOST:PORT, ..."),
    ] = None,
    speed: Annotated[float, typer.Option(metavar="X", min=0.01, max=1000, help="X times as fast.")] = 1.0,
    start: Annotated[float, typer.Option("--from", metavar="S", min=0, help="Start at this second.")] = 0.0,
    vehicle: Annotated[
        int | None, typer.Option(metavar="ID", help="Whose timeline, where a log holds several.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Play a recorded flight over MAVLink; without --listen print its timeline."""
    from missionctl.services.replaying import play_flight, timeline

    if listen is None:
        result = timeline(flight, start, vehicle)
        lines = [f"{row['at_s']:9.1f} s  {row['what']:<7} {row['text']}" for row in result["timeline"]]
        give(result, as_json, "\n".join(lines))
        return
    stop = stop_on_signals()
    with progress("replay") as advance:
        result = play_flight(
            flight,
            listen,
            speed,
            start,
            advance,
            lambda: say(f"waiting for somebody at {listen}"),
            stop.is_set,
        )
    give(result, as_json, f"{result['packets']} packets, {result['from_s']:.0f} to {result['until_s']:.0f} s")
