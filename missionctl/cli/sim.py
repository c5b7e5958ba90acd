"""missionctl sim: simulated vehicles that speak MAVLink."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give, stop_on_signals
from missionctl.cli.values import ValueTypedError, lat_lon
from missionctl.services.simulator import stop_when_stdin_closes

if TYPE_CHECKING:
    from sim.watcher import FlightSummary


def register(app: typer.Typer) -> None:
    app.command("sim")(sim)


def sim(
    scenario: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weather and faults, TOML; or a name of `train list`.")
    ] = None,
    home: Annotated[
        str, typer.Option(metavar="LAT,LON,ALT", help="Where it stands (default: the world's launch).")
    ] = "",
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Address; may be repeated (default tcpin:127.0.0.1:5760)."),
    ] = None,
    listen_high_latency: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Address of a satellite modem: silent until it is opened."),
    ] = None,
    speedup: Annotated[float, typer.Option(metavar="X", help="Simulated time goes X times as fast.")] = 1.0,
    vehicles: Annotated[int, typer.Option(metavar="N", help="Vehicles, system ids 1 to N.")] = 1,
    world: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A world, from `missionctl world`.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the camera writes its photos.")
    ] = None,
    camera: Annotated[str, typer.Option(metavar="NAME", help="The camera under it.")] = "Simulated 6 MP",
    gnss: Annotated[
        str | None, typer.Option(help="rtk (2 cm, the default) or standard (metres); before the scenario's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same flight.")] = 0,
    autopilot: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Whose behaviour: ardupilot or px4, of ours, or with --binary in its own simulator.",
        ),
    ] = "builtin",
    binary: Annotated[
        Path | None, typer.Option(metavar="PATH", help="That simulator: arducopter, or bin/px4 of a build.")
    ] = None,
    end_with_stdin: Annotated[
        bool,
        typer.Option(
            "--end-with-stdin",
            help="End when standard input closes: as it does when the program that started this is no more.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Simulate vehicles that speak MAVLink as an ArduCopter or a PX4. Ends on Ctrl-C, its photos written."""
    from dataclasses import replace

    from plans.cameras import find_camera
    from sim.scenario import find_scenario, read_scenario
    from sim.server import SimSettings, serve

    stop = stop_on_signals()
    if end_with_stdin:
        stop_when_stdin_closes(stop)

    def ready(addresses: tuple[str, ...]) -> None:
        say_ready(addresses, as_json)

    if binary is not None:
        if autopilot == "builtin":
            raise ValueTypedError("--binary is for --autopilot ardupilot or px4")
        idle: dict[str, object] = {
            "--scenario": scenario,
            "--listen": listen,
            "--listen-high-latency": listen_high_latency,
            "--photos": photos,
            "--gnss": gnss,
        }
        _run_real(autopilot, binary, home, world, speedup, vehicles, idle, ready, stop)
        return
    settings = SimSettings(
        home=lat_lon(home, "--home") if home else None,
        listen=tuple(listen) if listen else ("tcpin:127.0.0.1:5760",),
        listen_high_latency=tuple(listen_high_latency or ()),
        speedup=speedup,
        vehicles=vehicles,
        world=world,
        photos_dir=photos,
        camera=find_camera(camera) if photos else None,
        seed=seed,
    )
    if scenario:
        settings = read_scenario(find_scenario(str(scenario))).apply(settings)
    if gnss:
        settings = replace(settings, gnss=gnss)
    if autopilot != "builtin":
        settings = replace(settings, autopilot=autopilot)
    say_goals(serve(settings, ready, stop), as_json)


def say_goals(flights: tuple[FlightSummary, ...], as_json: bool) -> None:
    """What a scenario asked for, and whether it was reached."""
    if not any(flight.goals for flight in flights):
        return
    lines = [
        f"vehicle {flight.sysid}: {'reached' if goal.met else 'missed'}  {goal.name}: {goal.measure}"
        for flight in flights
        for goal in flight.goals
    ]
    told = [{"vehicle": f.sysid, "goals": [asdict(goal) for goal in f.goals]} for f in flights]
    give({"flights": told}, as_json, "\n".join(lines))


def say_ready(addresses: tuple[str, ...], as_json: bool) -> None:
    """The line that others wait for before they connect."""
    connect = ", ".join(addresses)
    give({"ready": True, "connect": list(addresses)}, as_json, f"ready: connect to {connect}")
    sys.stdout.flush()


def _run_real(
    autopilot: str,
    binary: Path,
    home: str,
    world: Path | None,
    speedup: float,
    vehicles: int,
    idle: dict[str, object],
    ready: Callable[[tuple[str, ...]], None],
    stop: threading.Event,
) -> None:
    """A real autopilot's own simulator; options that it would not obey are refused."""
    from sim.real_sitl import SitlSettings, run_sitl
    from sim.world import load_world

    given = [name for name, value in idle.items() if value is not None]
    if given:
        raise ValueTypedError(f"{', '.join(given)}: not with --autopilot {autopilot}, which has its own")
    if home:
        place = lat_lon(home, "--home")
    elif world is not None:
        place = load_world(world).launch
    else:
        raise ValueTypedError("where does it stand? give --home LAT,LON,ALT or --world DIR")
    run_sitl(SitlSettings(autopilot, binary, place, speedup, vehicles), ready, stop)
