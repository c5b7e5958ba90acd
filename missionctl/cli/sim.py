"""missionctl sim: simulated vehicles that speak MAVLink."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.values import lat_lon


def register(app: typer.Typer) -> None:
    app.command("sim")(sim)


def sim(
    scenario: Annotated[Path | None, typer.Option(metavar="FILE", help="Weather and faults, TOML.")] = None,
    home: Annotated[
        str, typer.Option(metavar="LAT,LON,ALT", help="Where it stands (default: the world's launch).")
    ] = "",
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Address; may be repeated (default tcpin:127.0.0.1:5760)."),
    ] = None,
    speedup: Annotated[float, typer.Option(metavar="X", help="Simulated time goes X times as fast.")] = 1.0,
    vehicles: Annotated[int, typer.Option(metavar="N", help="Vehicles, system ids 1 to N.")] = 1,
    world: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A simulated county (made by the demo).")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the camera writes its photos.")
    ] = None,
    camera: Annotated[str, typer.Option(metavar="NAME", help="The camera under it.")] = "Simulated 6 MP",
    gnss: Annotated[str, typer.Option(help="rtk (2 cm) or standard (metres).")] = "rtk",
    seed: Annotated[int, typer.Option(help="The same seed gives the same flight.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Simulate vehicles that speak MAVLink as an ArduCopter does. Ends on Ctrl-C, its photos written."""
    from plans.cameras import find_camera
    from sim.scenario import read_scenario
    from sim.server import SimSettings, serve

    settings = SimSettings(
        home=lat_lon(home, "--home") if home else None,
        listen=tuple(listen) if listen else ("tcpin:127.0.0.1:5760",),
        speedup=speedup,
        vehicles=vehicles,
        world=world,
        photos_dir=photos,
        camera=find_camera(camera) if photos else None,
        seed=seed,
        gnss=gnss,
    )
    if scenario:
        settings = read_scenario(scenario).apply(settings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def ready(addresses: tuple[str, ...]) -> None:
        connect = ", ".join(addresses)
        give({"ready": True, "connect": list(addresses)}, as_json, f"ready: connect to {connect}")
        import sys

        sys.stdout.flush()

    serve(settings, ready, stop)
