"""How commands speak: the result on stdout (plain, or JSON with --json), progress and errors on stderr."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from missionctl.jsontext import to_json

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
OnProgress = Callable[[str, float], None]

_stderr = Console(stderr=True, highlight=False)
_stdout = Console(highlight=False)


def say(text: str) -> None:
    """A line of news for a person, on stderr."""
    _stderr.print(text, markup=False, soft_wrap=True)


def give(result: Mapping[str, Any], as_json: bool, text: str | None = None) -> None:
    """The command's result: JSON, or the text (or the flat values, a line each)."""
    if as_json:
        sys.stdout.write(to_json(result) + "\n")
        return
    _stdout.print(text if text is not None else _plain(result), markup=False, soft_wrap=True)


def _plain(result: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{key}:")
            lines.append(_plain(value, indent + "  "))
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            lines.append(f"{indent}{key}: {len(value)}")
            lines += [
                f"{indent}  - " + ", ".join(f"{k} {_short(v)}" for k, v in row.items()) for row in value
            ]
        else:
            lines.append(f"{indent}{key}: {_short(value)}")
    return "\n".join(line for line in lines if line)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(_short(v) for v in value) or "none"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{k} {_short(v)}" for k, v in value.items()) + ")"
    return "unknown" if value is None else str(value)


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set: for commands that end in good order."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def progress(title: str) -> Iterator[OnProgress]:
    """A progress line on stderr; where stderr is no terminal, a line a stage."""
    if not _stderr.is_terminal:
        yield _stage_lines(title)
        return
    with Progress(
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=_stderr,
    ) as bar:
        task = bar.add_task(title, total=1.0)

        def advance(stage: str, share: float) -> None:
            bar.update(task, description=f"{title}: {stage}", completed=min(max(share, 0.0), 1.0))

        yield advance


def _stage_lines(title: str) -> OnProgress:
    last = ""

    def advance(stage: str, share: float) -> None:
        nonlocal last
        if stage != last:
            say(f"{title}: {stage}")
            last = stage

    return advance
