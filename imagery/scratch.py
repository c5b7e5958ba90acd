"""Files that are not whole yet: hidden beside what they will be, named after who writes them."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from imagery.errors import RasterError


def scratch_beside(path: Path, kind: str) -> Path:
    """Where this process keeps what is half done of `path`; `kind` tells several of them apart.

    What processes of this machine left there that were killed is removed.
    """
    path = Path(path)
    host = re.sub(r"\W", "", platform.node())
    ours = re.compile(rf"{re.escape(f'.{path.stem}.{kind}-{host}-')}(\d+){re.escape(path.suffix)}")
    if path.parent.is_dir():
        for other in path.parent.glob(f".*.{kind}-{host}-*"):
            found = ours.fullmatch(other.name)
            if found and not _is_running(int(found[1])):
                other.unlink(missing_ok=True)
    return path.with_name(f".{path.stem}.{kind}-{host}-{os.getpid()}{path.suffix}")


def must_be_writable(path: Path) -> None:
    """Find out before hours of work that `path` cannot be written. Raises RasterError."""
    path = Path(path)
    if path.is_dir():
        raise RasterError(f"{path}: is a folder; name a file")
    place = next(p for p in path.absolute().parents if p.exists())
    probe = scratch_beside(place / path.name, "probe")
    try:
        probe.write_bytes(b"")
    except OSError as error:
        raise RasterError(
            f"{path}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    probe.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # there a signal of 0 is none that only asks
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another person's
        return True
    return True
