"""Long work whose state stands in the mission folder, so that any window and any process can see it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from missionctl import geopackage
from missionctl.workspace import Workspace, now_utc

OnProgress = Callable[[str, float], None]
_WRITE_EVERY_S = 1.0


@dataclass(frozen=True)
class JobState:
    """A job as the folder knows it. A job whose process is gone without a word is `interrupted`."""

    job_id: int
    kind: str
    state: str  # running | done | failed | interrupted
    stage: str
    progress: float
    started_utc: str
    updated_utc: str
    detail: dict[str, Any]


@contextmanager
def job(
    workspace: Workspace | None, kind: str, on_progress: OnProgress, **detail: Any
) -> Iterator[OnProgress]:
    """Run long work under a row of the jobs table; yields the progress callback to hand down.

    The row ends as done, or as failed with the reason; without a workspace only the callback is used.
    """
    if workspace is None:
        yield on_progress
        return
    row = {
        "kind": kind,
        "state": "running",
        "stage": "",
        "progress": 0.0,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_utc": now_utc(),
        "updated_utc": now_utc(),
        "detail_json": json.dumps(detail, default=str, ensure_ascii=False),
    }
    job_id = workspace.add("jobs", [(None, row)])[0]
    written_s = time.monotonic()

    def advance(stage: str, share: float) -> None:
        nonlocal written_s
        on_progress(stage, share)
        if time.monotonic() - written_s >= _WRITE_EVERY_S:
            written_s = time.monotonic()
            _set(workspace, job_id, stage=stage, progress=share)

    try:
        yield advance
    except BaseException as error:
        failed = {**detail, "error": str(error) or type(error).__name__}
        _set(
            workspace, job_id, state="failed", detail_json=json.dumps(failed, default=str, ensure_ascii=False)
        )
        raise
    _set(workspace, job_id, state="done", progress=1.0)


def list_jobs(workspace: Workspace) -> list[JobState]:
    """All jobs, oldest first."""
    return [
        JobState(
            f.fid,
            f.values["kind"],
            _true_state(f.values),
            f.values["stage"] or "",
            float(f.values["progress"] or 0.0),
            f.values["started_utc"],
            f.values["updated_utc"],
            json.loads(f.values["detail_json"] or "{}"),
        )
        for f in workspace.features("jobs")
    ]


def _true_state(values: Any) -> str:
    state = str(values["state"])
    if state == "running" and values["host"] == socket.gethostname() and not _alive(int(values["pid"])):
        return "interrupted"
    return state


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # no harmless probe there; the row's age tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _set(workspace: Workspace, job_id: int, **values: Any) -> None:
    geopackage.update(workspace.store, "jobs", job_id, {**values, "updated_utc": now_utc()})
