"""missionctl new: an empty mission folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.values import ValueTypedError, lat_lon
from missionctl.workspace import AUTOPILOTS, INPUT_NAMES, MissionConfig, Workspace


def register(app: typer.Typer) -> None:
    app.command("new")(new)


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    name: Annotated[str, typer.Option(help="The mission's name (default: the folder's).")] = "",
    place: Annotated[str, typer.Option(help="Where it is, in words.")] = "",
    camera: Annotated[
        str, typer.Option(help="Camera (name or FILE.json) that plans take when none is named.")
    ] = "",
    autopilot: Annotated[
        str, typer.Option(metavar="NAME", help="ardupilot or px4: what plans are for when none is named.")
    ] = "",
    origin: Annotated[str, typer.Option(metavar="LAT,LON", help="Middle of the work area.")] = "",
    input_file: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="NAME=FILE", help=f"An input file; NAME is one of {', '.join(INPUT_NAMES)}."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an empty mission folder."""
    from missionctl.services.planning import keep_camera
    from plans.cameras import find_camera

    if autopilot not in ("", *AUTOPILOTS):
        raise ValueTypedError(f"--autopilot {autopilot!r}: give {' or '.join(AUTOPILOTS)}")
    known = find_camera(camera) if camera else None
    point = lat_lon(origin, "--origin") if origin else None
    config = MissionConfig(
        name=name or folder.resolve().name,
        place=place,
        camera=known.name if known else "",
        autopilot=autopilot,
        origin_lat_deg=point.lat_deg if point else None,
        origin_lon_deg=point.lon_deg if point else None,
    )
    pairs = [_input_pair(text) for text in input_file or []]
    workspace = Workspace.create(folder, config)
    if known:
        keep_camera(workspace, known)
    for key, file in pairs:
        workspace.set_input(key, file)
    give({"folder": str(folder), "name": config.name}, as_json, f"{folder}: new mission {config.name!r}")


def _input_pair(text: str) -> tuple[str, Path]:
    key, _, file = text.partition("=")
    if key not in INPUT_NAMES:
        raise ValueTypedError(f"--input {text!r}: give NAME=FILE with NAME one of {', '.join(INPUT_NAMES)}")
    if not Path(file).exists():
        raise ValueTypedError(f"--input {text!r}: {file or 'the file'} does not exist")
    return key, Path(file)
