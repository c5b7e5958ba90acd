"""missionctl params: a vehicle's parameters, read, set, and kept in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.station import VehicleOptions, take_options

commands = typer.Typer(
    help="Read and set a vehicle's parameters, keep them in files.",
    no_args_is_help=True,
    add_completion=False,
)

ParamFile = Annotated[
    Path, typer.Argument(metavar="FILE", help=".params (QGroundControl) or .param (Mission Planner).")
]


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="params")


@commands.command("list")
@take_options
def list_all(
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """List all parameters."""
    from missionctl.services.vehicle_work import list_params

    with progress("params") as advance:
        params = list_params(on.target(), advance)
    give(
        {"params": {p.name: p.value for p in params.values()}},
        as_json,
        "\n".join(f"{p.name:<16} {p.text()}" for p in params.values()),
    )


@commands.command("get")
@take_options
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """Show some parameters."""
    from missionctl.services.vehicle_work import get_params

    params = get_params(on.target(), names)
    give(
        {"params": {p.name: p.value for p in params}},
        as_json,
        "\n".join(f"{p.name:<16} {p.text()}" for p in params),
    )


@commands.command("set", context_settings={"ignore_unknown_options": True})
@take_options
def set_one(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    value: Annotated[float, typer.Argument(metavar="VALUE")],
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """Set a parameter and read it back."""
    from missionctl.services.vehicle_work import change_param

    param = change_param(on.target(), name, value)
    give({"params": {param.name: param.value}}, as_json, f"{param.name} is {param.text()}")


@commands.command("save")
@take_options
def save(
    file: ParamFile,
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """Save all parameters to a file."""
    from missionctl.services.vehicle_work import save_params

    with progress("params") as advance:
        result = save_params(on.target(), file, advance)
    give(result, as_json, f"{file}: {result['params']} parameters")


@commands.command("load")
@take_options
def load(
    file: ParamFile,
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """Bring the vehicle to what a file says; each change is read back."""
    from missionctl.services.vehicle_work import load_params

    with progress("params") as advance:
        result = load_params(on.target(), file, advance)
    lines = [f"{c['name']:<16} set" for c in result["changed"]]
    lines += [f"{name:<16} is not on this vehicle" for name in result["unknown"]]
    lines += [r["why"] for r in result["refused"]]
    lines.append(f"{result['same']} the same already, {len(result['changed'])} set")
    give(result, as_json, "\n".join(lines))
    raise typer.Exit(2 if result["refused"] else 0)


@commands.command("compare")
@take_options
def compare(
    file: ParamFile,
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """Show what differs between the vehicle and a file."""
    from flight.params.protocol import number_text
    from missionctl.services.vehicle_work import compare_params

    with progress("params") as advance:
        result = compare_params(on.target(), file, advance)

    def shown(value: float | None) -> str:
        return "-" if value is None else number_text(value)

    lines = [f"{'':<16} {'vehicle':>14} {'file':>14}"]
    lines += [
        f"{d['name']:<16} {shown(d['vehicle']):>14} {shown(d['file']):>14}" for d in result["differences"]
    ]
    give(result, as_json, "\n".join(lines) if result["differences"] else "no difference")
