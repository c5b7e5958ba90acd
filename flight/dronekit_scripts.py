"""DroneKit scripts as people have them: each runs in a process of its own, with its vehicle given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flight.dronekit_runner import CONNECT_VARIABLE
from flight.errors import ScriptError
from flight.links.link import parse_address

_LINES_KEPT = 50


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended. `last_line` is the last that it wrote to its error output."""

    exit_code: int
    last_line: str


def run_script(
    script: Path, connect: str, arguments: Sequence[str] = (), output_to_stderr: bool = False
) -> ScriptResult:
    """Run a DroneKit script against a vehicle and wait for its end.

    The script gets `--connect ADDRESS` as DroneKit's examples expect it, if it speaks of that option at all,
    and MISSIONCTL_CONNECT in its environment. What it prints is passed on as it comes.

    Raises ScriptError for a file that cannot be read or is no Python, AddressError.
    """
    parse_address(connect)
    text = _checked(script)
    options = []
    if "--connect" in text and "--connect" not in arguments:
        options = ["--connect", connect]
    command = [sys.executable, "-m", "flight.dronekit_runner", str(script.resolve()), *options, *arguments]
    environment = {**os.environ, CONNECT_VARIABLE: connect, "PYTHONUNBUFFERED": "1"}
    root = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    last: deque[str] = deque(maxlen=_LINES_KEPT)
    with subprocess.Popen(
        command,
        env=environment,
        stdout=sys.stderr if output_to_stderr else None,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as child:
        assert child.stderr is not None
        try:
            for line in child.stderr:
                sys.stderr.write(line)
                if line.strip():
                    last.append(line.strip())
            code = child.wait()
        except KeyboardInterrupt:
            code = child.wait()  # the script heard Ctrl-C too, and may bring its vehicle down
            last.append("stopped")
    return ScriptResult(code, last[-1] if last else "")


def _checked(script: Path) -> str:
    try:
        source = script.read_bytes()
    except OSError as error:
        raise ScriptError(f"{script}: cannot be read ({error.strerror}); name a Python file") from None
    try:
        compile(source, str(script), "exec", dont_inherit=True)
        return source.decode("utf-8", "replace")
    except (SyntaxError, ValueError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else error
        hint = "; it is for Python 2: run 2to3 on it" if "print" in str(what) else ""
        raise ScriptError(f"{script}: is not Python 3{where}: {what}{hint}") from None
