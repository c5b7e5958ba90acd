"""Recorded flights again: as a timeline to read, or over MAVLink to a ground station."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flight.links.replay import open_recording, play
from flight.logs.files import read_log

OnProgress = Callable[[str, float], None]


def log_of(flight: Path) -> Path:
    """The telemetry log of a flight's folder; a file is itself."""
    return flight / "telemetry.tlog" if flight.is_dir() else flight


def timeline(flight: Path, from_s: float = 0.0, sysid: int | None = None) -> dict[str, Any]:
    """What happened in a flight, in order: modes, words, photos. Raises LogError."""
    log = read_log(log_of(flight), sysid)
    start = log.started_utc
    rows = [(m.time_utc, "mode", m.mode) for m in log.modes]
    rows += [(t.time_utc, "says", t.text) for t in log.texts]
    rows += [
        (p.time_utc, "photo", f"{p.index} at {p.lat_deg:.6f}, {p.lon_deg:.6f}, {p.alt_amsl_m:.0f} m")
        for p in log.camera_events
    ]
    events: list[dict[str, Any]] = []
    for when, what, text in sorted(rows, key=lambda row: row[0]):
        at_s = (when - start).total_seconds() if start else 0.0
        if at_s >= from_s:
            events.append({"at_s": round(at_s, 3), "what": what, "text": text})
    summary = {k: v for k, v in log.summary().items() if k not in ("modes", "texts")}
    return {**summary, "timeline": events}


def play_flight(
    flight: Path,
    address: str,
    speed: float,
    from_s: float,
    on_progress: OnProgress,
    on_waiting: Callable[[], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Play a flight to an address. Raises LogError, AddressError, LinkError.

    No station is open, and nobody's heartbeat hangs on this loop: the callbacks run on it.
    """
    recording = open_recording(log_of(flight))
    played = asyncio.run(
        play(
            recording,
            address,
            speed=speed,
            from_s=from_s,
            on_share=lambda share: on_progress("play", share),
            on_waiting=on_waiting,
            should_stop=should_stop,
        )
    )
    return {"file": str(recording.path), "duration_s": recording.duration_s, "speed": speed, **asdict(played)}
