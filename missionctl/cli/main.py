"""The command line: `missionctl COMMAND`. Exit code 0 done, 2 bad input (one line), 1 a bug (see the log)."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.main import get_group

from missionctl.workspace import now_utc
from plans.errors import MissionError


def _new_app() -> typer.Typer:
    return typer.Typer(
        name="missionctl",
        help="Drone mission control and imagery for flood response. Works offline.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


app = _new_app()

_UsageFault: type[Exception] = typer.BadParameter.__bases__[0]
"""Every way to type a command wrongly: a class of click, or of the copy of it that newer typers carry."""

_STOPPED = 130

_COMMANDS = (
    "demo",
    "doctor",
    "new",
    "cameras",
    "plan",
    "coverage",
    "resume",
    "radio",
    "sim",
    "world",
    "vehicles",
    "check",
    "fly",
    "command",
    "camera",
    "params",
    "logs",
    "files",
    "sign",
    "geotag",
    "script",
    "frames",
    "mosaic",
    "damage",
    "grade",
    "verified",
    "situation",
    "merge",
    "export",
    "train",
    "replay",
)


def _register() -> None:
    if app.registered_commands:
        return  # main() was called before in this process
    _take_in(app, _COMMANDS)


def _take_in(into: typer.Typer, names: Sequence[str]) -> None:
    for name in names:
        import_module(f"missionctl.cli.{name}").register(into)


def _commands_for(words: Sequence[str]) -> typer.Typer:
    """The command that is called, or all of them: to take in all takes a fifth of a second."""
    called = _new_app()
    _take_in(called, words[:1] if words and words[0] in _COMMANDS else _COMMANDS)
    return called


def main() -> None:
    """Entry point of `missionctl`."""
    try:
        commands = get_group(_commands_for(sys.argv[1:]))  # a group even of one
        code = commands(prog_name="missionctl", standalone_mode=False)  # gives an Exit's code back
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        _fail("stopped", _STOPPED)
    except _UsageFault as usage:
        _usage(usage)
    except MissionError as fault:
        _fail(str(fault).replace("\n", " "), 2)
    except KeyboardInterrupt:
        _fail("stopped", _STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as bug:
        log = _write_bug(traceback.format_exc())
        _fail(f"this is a fault of missionctl ({type(bug).__name__}: {bug}); details in {log}", 1)
    if code == _STOPPED:  # Ctrl-C, which newer typers turn into an Exit
        _fail("stopped", _STOPPED)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(usage: Any) -> None:
    """A command typed wrongly is one line; a command without its words is its help."""
    context = getattr(usage, "ctx", None)
    if type(usage).__name__ == "NoArgsIsHelpError" and context:
        sys.stderr.write(context.get_help() + "\n")
        sys.exit(2)
    hint = f" (see: {context.command_path} --help)" if context else ""
    _fail(usage.format_message().replace("\n", " ") + hint, 2)


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
