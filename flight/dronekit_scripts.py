"""DroneKit scripts as people have them: each runs in a process of its own, with its vehicle given.

DroneKit cannot sign. With a key the script rides along on a station of ours, which signs for it and lets only
signed messages through to it; the script never sees the key.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flight.core import station_on_core
from flight.dronekit_runner import CONNECT_VARIABLE
from flight.errors import ScriptError
from flight.links.endpoints import parse_endpoint
from flight.links.link import parse_address
from flight.station import PLAIN, Station, StationSettings

_LINES_KEPT = 50
_FIRST_WORD_S = 10.0

Child = subprocess.Popen[str]


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended. `last_line` is the last that it wrote to its error output."""

    exit_code: int
    last_line: str


def run_script(
    script: Path,
    connect: str,
    arguments: Sequence[str] = (),
    output_to_stderr: bool = False,
    settings: StationSettings = PLAIN,
) -> ScriptResult:
    """Run a DroneKit script against a vehicle and wait for its end.

    The script gets `--connect ADDRESS` as DroneKit's examples expect it, if it speaks of that option at all,
    and MISSIONCTL_CONNECT in its environment. What it prints is passed on as it comes. With a key in the
    settings its messages are signed on their way.

    Raises ScriptError for a file that cannot be read or is no Python, AddressError; with a key, LinkError,
    SigningError, and NoVehicleError when nobody signs with it.
    """
    parse_address(connect)
    text = _checked(script)

    def start(address: str) -> Child:
        return _start(script, text, address, arguments, output_to_stderr)

    if settings.key is None:
        return _followed(start(connect), lambda child: child.wait())
    own = f"127.0.0.1:{_free_port()}"
    settings = replace(settings, forward=(parse_endpoint(f"tcpin:{own}"),))
    with station_on_core([connect], settings=settings) as (station, core):
        core.run(_meet(station))
        return _followed(start(f"tcp:{own}"), lambda child: core.run(asyncio.to_thread(child.wait)))


async def _meet(station: Station) -> None:
    """Hear the vehicle; from then on only the script's heartbeat counts."""
    await station.wait_for_vehicle(_FIRST_WORD_S)
    station.alive = lambda: False


def _start(script: Path, text: str, address: str, arguments: Sequence[str], output_to_stderr: bool) -> Child:
    options = []
    if "--connect" in text and "--connect" not in arguments:
        options = ["--connect", address]
    command = [sys.executable, "-m", "flight.dronekit_runner", str(script.resolve()), *options, *arguments]
    return subprocess.Popen(
        command,
        env=_environment(address),
        stdout=sys.stderr if output_to_stderr else None,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _environment(address: str) -> Mapping[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    return {**os.environ, CONNECT_VARIABLE: address, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}


def _followed(child: Child, wait: Callable[[Child], int]) -> ScriptResult:
    """Pass on what a script complains about, until its end."""
    last: deque[str] = deque(maxlen=_LINES_KEPT)
    reader = threading.Thread(target=_pass_on, args=(child, last), name="script's words", daemon=True)
    reader.start()
    with child:
        try:
            code = wait(child)
        except KeyboardInterrupt:
            code = wait(child)  # the script heard Ctrl-C too, and may bring its vehicle down
            reader.join()
            last.append("stopped")
        reader.join()
    return ScriptResult(code, last[-1] if last else "")


def _pass_on(child: Child, last: deque[str]) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        sys.stderr.write(line)
        if line.strip():
            last.append(line.strip())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


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
