"""missionctl logs: logs on the vehicle, and what a log file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.station import VehicleId, VehicleOptions, take_options
from missionctl.cli.values import ValueTypedError

commands = typer.Typer(
    help="List and download a vehicle's logs, read log files.", no_args_is_help=True, add_completion=False
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="logs")


@commands.command("list")
@take_options
def list_all(
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """List the logs on a vehicle."""
    from missionctl.services.vehicle_work import list_vehicle_logs

    logs = list_vehicle_logs(on.target())
    rows = [
        {
            "number": log.number,
            "size_bytes": log.size_bytes,
            "time_utc": log.time_utc.isoformat() if log.time_utc else None,
        }
        for log in logs
    ]
    lines = [
        f"{log.number:>5}  {log.size_bytes / 1e6:8.2f} MB  "
        + (f"{log.time_utc:%Y-%m-%d %H:%M:%S} UTC" if log.time_utc else "no date")
        for log in logs
    ]
    give({"logs": rows}, as_json, "\n".join(lines) or "no logs")


@commands.command("download")
@take_options
def download(
    on: VehicleOptions,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where the files go.")],
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER...]", help="Which (default: the newest).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Download logs; a download that broke off goes on where it stopped."""
    from missionctl.services.vehicle_work import download_logs

    if everything and numbers:
        raise ValueTypedError("give either numbers of logs or --all")
    with progress("logs") as advance:
        files = download_logs(
            on.target(),
            None if everything else numbers or [],
            out,
            advance,
        )
    give({"files": [str(f) for f in files]}, as_json, "\n".join(str(f) for f in files))


@commands.command("show")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tlog, .BIN, .log or .ulg, or a flight.")],
    vehicle: VehicleId = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what is in a log file: how long, which vehicle, modes, photos, messages."""
    from flight.logs.files import read_log
    from missionctl.services.replaying import log_of

    log = read_log(log_of(file), vehicle)
    height = log.summary()["max_height_rel_m"]
    lines = [
        f"{log.vehicle or 'vehicle'} {log.sysid or ''}, {log.kind}",
        f"from {log.started_utc:%Y-%m-%d %H:%M:%S} UTC, {log.duration_s:.0f} s"
        if log.started_utc
        else "empty",
        f"{len(log.track)} positions over {log.distance_m:.0f} m"
        + (f", up to {height:.0f} m above the launch point" if height is not None else ""),
        f"{len(log.camera_events)} photos",
        "modes: " + (", ".join(m.mode for m in log.modes) or "none"),
        f"{sum(log.messages.values())} messages of {len(log.messages)} kinds",
    ]
    give(log.summary(), as_json, "\n".join(lines))
