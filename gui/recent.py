"""The missions opened lately, kept in the user's state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

_MOST = 8


def recent_file() -> Path:
    """Where the list is kept, beside the program's log."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "missionctl" / "recent.json"


def read_recent() -> list[Path]:
    """The folders, the last opened first. A list that cannot be read is an empty one."""
    try:
        names = json.loads(recent_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [Path(name) for name in names if isinstance(name, str)] if isinstance(names, list) else []


def remember(folder: Path) -> None:
    """Put a folder first. Where nothing can be written nothing is remembered: a convenience, no data."""
    folder = folder.resolve()
    _write([folder, *(f for f in read_recent() if f != folder)][:_MOST])


def _write(folders: Sequence[Path]) -> None:
    file = recent_file()
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps([str(f) for f in folders], ensure_ascii=False), encoding="utf-8")
        os.replace(beside, file)
    except OSError:
        return
