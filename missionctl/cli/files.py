"""missionctl files: the files on a vehicle's card, over its link."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.station import HowToTalk, take_options

if TYPE_CHECKING:
    from flight.ftp.files import Transferred
    from missionctl.services.vehicle_work import Target

commands = typer.Typer(
    help="List, fetch, write and remove files on a vehicle's card (MAVLink file transfer).",
    no_args_is_help=True,
    add_completion=False,
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="files")


@commands.callback(no_args_is_help=True)
def where(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="VEHICLE-URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD")
    ],
) -> None:
    """List, fetch, write and remove files on a vehicle's card (MAVLink file transfer)."""
    context.obj = url


Component = Annotated[
    int | None,
    typer.Option(
        "--component", metavar="ID", help="Whose files (default: the autopilot's; cameras are 100 to 105)."
    ),
]


@dataclass(frozen=True, kw_only=True)
class CardOptions(HowToTalk):
    """Whose files: the vehicle that stands before the command, and the options behind it."""

    context: typer.Context
    component: Component = None

    def target(self) -> Target:
        """The vehicle that the options name."""
        return self.target_at(self.context.obj)


Path1 = Annotated[str, typer.Argument(metavar="PATH", help="On the vehicle, as /APM/LOGS.")]


@commands.command("list")
@take_options
def list_folder(
    card: CardOptions,
    folder: Annotated[str, typer.Argument(metavar="FOLDER")] = "/",
    as_json: JsonFlag = False,
) -> None:
    """List a folder."""
    from missionctl.services import vehicle_files

    entries = vehicle_files.list_folder(card.target(), card.component, folder)
    rows = [
        {"name": e.name, "folder": e.is_folder, "size_bytes": None if e.is_folder else e.size_bytes}
        for e in entries
    ]
    lines = [f"{'' if e.is_folder else e.size_bytes:>12}  {e.name}{'/' * e.is_folder}" for e in entries]
    give({"folder": folder, "entries": rows}, as_json, "\n".join(lines) or "empty")


@commands.command("get")
@take_options
def get(
    card: CardOptions,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, or folders as a whole.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where they go.")] = Path("."),
    as_json: JsonFlag = False,
) -> None:
    """Fetch files and folders; what broke off goes on where it stopped, checksums are compared."""
    from missionctl.services import vehicle_files

    with progress("files") as advance:
        done = vehicle_files.get_paths(card.target(), card.component, paths, out, advance)
    give({"files": [_row(t) for t in done]}, as_json, "\n".join(map(_line, done)) or "all there already")


@commands.command("put")
@take_options
def put(
    card: CardOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="On the vehicle; FOLDER/ keeps the name.")],
    as_json: JsonFlag = False,
) -> None:
    """Write a file to the vehicle; one of that name is replaced when the new one is whole."""
    from missionctl.services import vehicle_files

    with progress("files") as advance:
        done = vehicle_files.put_file(card.target(), card.component, file, path, advance)
    give({"files": [_row(done)]}, as_json, f"{done.path}: {_told(done)}")


@commands.command("rm")
@take_options
def remove(
    card: CardOptions,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, or empty folders.")],
    as_json: JsonFlag = False,
) -> None:
    """Remove files and empty folders."""
    from missionctl.services import vehicle_files

    gone = vehicle_files.remove_paths(card.target(), card.component, paths)
    give({"removed": list(gone)}, as_json, "\n".join(f"{path} removed" for path in gone))


@commands.command("mkdir")
@take_options
def make_folder(
    card: CardOptions,
    path: Path1,
    as_json: JsonFlag = False,
) -> None:
    """Make a folder."""
    from missionctl.services import vehicle_files

    vehicle_files.make_folder(card.target(), card.component, path)
    give({"made": path}, as_json, f"{path} made")


@commands.command("mv")
@take_options
def rename(
    card: CardOptions,
    path: Path1,
    to: Annotated[str, typer.Argument(metavar="TO")],
    as_json: JsonFlag = False,
) -> None:
    """Give a file another name."""
    from missionctl.services import vehicle_files

    vehicle_files.rename(card.target(), card.component, path, to)
    give({"renamed": path, "to": to}, as_json, f"{path} is {to} now")


@commands.command("truncate")
@take_options
def truncate(
    card: CardOptions,
    path: Path1,
    size_bytes: Annotated[int, typer.Argument(metavar="BYTES", min=0, max=2**32 - 1)],
    as_json: JsonFlag = False,
) -> None:
    """Cut a file to a length (not with ArduPilot)."""
    from missionctl.services import vehicle_files

    vehicle_files.truncate(card.target(), card.component, path, size_bytes)
    give({"path": path, "size_bytes": size_bytes}, as_json, f"{path} has {size_bytes} bytes now")


@commands.command("checksum")
@take_options
def checksum(
    card: CardOptions,
    path: Path1,
    as_json: JsonFlag = False,
) -> None:
    """Show the vehicle's own CRC32 of a file."""
    from missionctl.services import vehicle_files

    found = vehicle_files.checksum(card.target(), card.component, path)
    give({"path": path, "crc32": f"{found:08x}"}, as_json, f"{found:08x}  {path}")


def _row(done: Transferred) -> dict[str, object]:
    return {
        "file": str(done.file),
        "path": done.path,
        "size_bytes": done.size_bytes,
        "checked": done.checked,
        "resumed_bytes": done.resumed_bytes,
    }


def _line(done: Transferred) -> str:
    return f"{done.file}: {_told(done)}"


def _told(done: Transferred) -> str:
    told = f"{done.size_bytes / 1e6:.2f} MB"
    if done.resumed_bytes:
        told += f", {done.resumed_bytes / 1e6:.2f} of them from an earlier try"
    return told + (", checksum right" if done.checked else ", not checked")
