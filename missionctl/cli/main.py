"""The command line: `missionctl COMMAND`. Exit code 0 done, 2 bad input (one line), 1 a bug (see the log)."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

import click
import typer

from missionctl.workspace import now_utc
from plans.errors import MissionError

app = typer.Typer(
    name="missionctl",
    help="Drone mission control and imagery for flood response. Works offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS = (
    "demo",
    "doctor",
    "new",
    "cameras",
    "plan",
    "coverage",
    "resume",
    "sim",
    "vehicles",
    "fly",
    "params",
    "logs",
    "geotag",
    "script",
    "mosaic",
    "damage",
    "export",
    "train",
    "replay",
)


def _register() -> None:
    for name in _COMMANDS:
        import_module(f"missionctl.cli.{name}").register(app)


def main() -> None:
    """Entry point of `missionctl`."""
    _register()
    try:
        app(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.Abort:
        _fail("stopped", 130)
    except click.ClickException as usage:
        _fail(usage.format_message().replace("\n", " ") + _usage_hint(usage), 2)
    except MissionError as fault:
        _fail(str(fault).replace("\n", " "), 2)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as bug:
        log = _write_bug(traceback.format_exc())
        _fail(f"this is a fault of missionctl ({type(bug).__name__}: {bug}); details in {log}", 1)


def _usage_hint(usage: click.ClickException) -> str:
    context = getattr(usage, "ctx", None)
    return f" (see: {context.command_path} --help)" if context else ""


def _fail(line: str, code: int) -> None:
    sys.stderr.write(f"missionctl: {line}\n")
    sys.exit(code)


def log_file() -> Path:
    """Where faults of the program are written: MISSIONCTL_LOG, or the user's state folder."""
    named = os.environ.get("MISSIONCTL_LOG")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "missionctl" / "missionctl.log"


def _write_bug(trace: str) -> str:
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{now_utc()} {' '.join(sys.argv)}\n{trace}\n")
    except OSError:
        sys.stderr.write(trace)  # no log can be written: better on the screen than nowhere
        return "the lines above"
    return str(file)


if __name__ == "__main__":
    main()
