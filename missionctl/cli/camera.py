"""missionctl camera: the cameras of a vehicle, asked and told."""

from __future__ import annotations

from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.station import VehicleOptions, take_options

commands = typer.Typer(
    help="Ask a vehicle's cameras, and tell them to take photos.", no_args_is_help=True, add_completion=False
)
Component = Annotated[
    int | None, typer.Option("--camera", metavar="ID", help="Its component id (default: the first camera).")
]


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="camera")


@commands.command("show")
@take_options
def show(
    on: VehicleOptions,
    as_json: JsonFlag = False,
) -> None:
    """List the cameras: what they can do, what they are doing, the space on their cards."""
    from missionctl.services.cameras import show_cameras

    rows = show_cameras(on.target())
    lines = []
    for row in rows:
        lines.append(
            f"{row['component']:>3}  {row['name']}: {', '.join(row['can']) or 'tells nothing of itself'}"
        )
        told = [row["mode"], row["capturing"], *row["storage"]]
        taken = row["photos_taken"]
        told.append(f"{taken} photos since it was switched on" if taken is not None else None)
        lines.append("     " + ", ".join(str(word) for word in told if word))
    give({"cameras": rows}, as_json, "\n".join(lines) or "no camera")


@commands.command("do")
@take_options
def do(
    action: Annotated[
        str, typer.Argument(help="photo, start, stop, video-start, video-stop, mode, zoom or focus.")
    ],
    on: VehicleOptions,
    value: Annotated[
        str,
        typer.Argument(metavar="[VALUE]", help="Seconds for start; photo, video or survey; 0 to 100; auto."),
    ] = "",
    count: Annotated[
        int, typer.Option(metavar="N", help="So many photos, then stop (0: until stopped).")
    ] = 0,
    camera: Component = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell a camera to do something; it ends when the camera has accepted it, a photo when it is taken."""
    from missionctl.services.cameras import tell_camera

    target = on.target()
    result = tell_camera(target, camera, action, value, count)
    give(result, as_json, f"{result['camera']}: {result['done']}")


@commands.command("settings")
@take_options
def settings(
    on: VehicleOptions,
    camera: Component = None,
    as_json: JsonFlag = False,
) -> None:
    """List a camera's own settings (exposure, white balance, ...) by the names that it gives them."""
    from missionctl.services.cameras import camera_settings

    result = camera_settings(on.target(), camera)
    lines = [f"{name:<16}  {value}" for name, value in result["settings"].items()]
    give(result, as_json, "\n".join(lines) or f"{result['camera']}: has no settings to tell of")


@commands.command("set", context_settings={"ignore_unknown_options": True})  # a value may be below zero
@take_options
def change(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of those that `camera settings` lists.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A number, or a word.")],
    on: VehicleOptions,
    camera: Component = None,
    as_json: JsonFlag = False,
) -> None:
    """Change one of a camera's settings; it ends when the camera has confirmed it."""
    from missionctl.services.cameras import change_camera

    result = change_camera(on.target(), camera, name, value)
    give(result, as_json, f"{result['camera']}: {name} = {result['settings'][name]}")
