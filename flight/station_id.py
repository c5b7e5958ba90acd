"""The station's own system id: one for each computer, so that two stations do not speak as one.

255 is what most stations take; two of them with one id drive each other's mission exchanges, and a vehicle
cannot tell whose link it lost. So an id is drawn once and kept. ArduPilot's own watch over the station
(FS_GCS_ENABLE) listens to MAV_GCS_SYSID, 255 unless set: `flight.flying` takes that when it is free.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

_IDS = tuple(range(201, 245))
"""Above all vehicles, below MAVSDK's 245 and the 250s that companions and stations take."""
_FILE = "station-id"


def state_folder() -> Path:
    """Where this computer's own state is kept (XDG base directories)."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "missionctl"


def station_id(folder: Path | None = None) -> int:
    """This computer's station id; drawn and kept in the folder when there is none. Where nothing can be kept
    it is drawn anew each time."""
    file = (folder or state_folder()) / _FILE
    try:
        kept = int(file.read_text(encoding="ascii"))
        if kept in _IDS:
            return kept
    except (OSError, ValueError):
        pass
    drawn = random.SystemRandom().choice(_IDS)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{_FILE}.{os.getpid()}.part")
        part.write_text(f"{drawn}\n", encoding="ascii")
        os.replace(part, file)
    except OSError:
        pass
    return drawn
