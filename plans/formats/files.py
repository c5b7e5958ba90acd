"""Text and bytes in and out of plan files: faults named, nothing half written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from plans.errors import PlanFileError


def read_text(path: Path | str) -> str:
    """The text of a plan file (UTF-8, with or without BOM). Raises PlanFileError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PlanFileError(f"{path}: no such file; check the path of the plan") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(f"{path}: cannot be read as a plan ({error})") from error
    if not text.strip():
        raise PlanFileError(f"{path}: the file is empty; save or copy the plan again")
    return text


def write_text(path: Path | str, text: str) -> Path:
    """Write text beside `path` and rename. Raises PlanFileError."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, data: bytes) -> Path:
    """Write bytes beside `path` and rename. Raises PlanFileError."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise PlanFileError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    return path
