"""A video, and the subtitles or the log that say where it was taken, to a folder of photos."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagery.errors import PhotoError
from imagery.srt import read_srt
from imagery.video import FrameRules, take_frames
from imagery.video_clock import SURE_NATS, VideoClock, created_utc, find_clock, picture_motion
from missionctl.jobs import OnProgress
from missionctl.services.log_places import LoggedFlight, logged_flight


@dataclass(frozen=True)
class FramesRequest:
    """What `missionctl frames` was asked for. Places come from `log`, else from `srt`, else from the
    subtitles beside the video. `offset_s`: the video begins so long after the log; None lets it be found."""

    video: Path
    out: Path
    overlap_percent: float = 80.0
    srt: Path | None = None
    log: Path | None = None
    offset_s: float | None = None
    sysid: int | None = None


def frames_of(request: FramesRequest, on_progress: OnProgress) -> dict[str, Any]:
    """Write the frames of a video as photos into the new folder `out`.

    Raises PhotoError or LogError when video, subtitles or log cannot be read, when nobody knows when in the
    log the video begins, or when the folder cannot be written.
    """
    rules = FrameRules(request.overlap_percent / 100)
    video = request.video
    if not video.is_file():
        raise PhotoError(f"{video}: no such video")
    if request.log is None:
        if request.offset_s is not None or request.sysid is not None:
            raise PhotoError("an offset or a vehicle says something of a log; name it (--log)")
        track, clock = read_srt(request.srt or _beside(video)), None
    else:
        if request.srt is not None:
            raise PhotoError("places come from subtitles or from a log; give --srt or --log")
        flight = logged_flight(request.log, request.sysid)
        clock = _clock_in(request, flight, on_progress)
        track = flight.track.moved(-clock.offset_s)
    taken = take_frames(video, track, request.out, rules, lambda share: on_progress("frames", share))
    return {
        "folder": str(request.out),
        "frames": len(taken),
        "from_s": taken[0].at_s,
        "to_s": taken[-1].at_s,
        "photos": [frame.name for frame in taken],
        "log": _told(clock, flight) if clock else None,
    }


def _beside(video: Path) -> Path:
    for suffix in (".SRT", ".srt"):
        if video.with_suffix(suffix).is_file():
            return video.with_suffix(suffix)
    raise PhotoError(
        f"{video}: no subtitles ({video.stem}.SRT) beside it to say where it was taken; name them (--srt), "
        "or the flight's log (--log)"
    )


def _clock_in(request: FramesRequest, flight: LoggedFlight, on_progress: OnProgress) -> VideoClock:
    """When the video begins, in seconds of the log."""
    if request.offset_s is not None:
        return VideoClock(request.offset_s, 0.0, "given")
    motion = picture_motion(request.video, lambda share: on_progress("compare with the log", share))
    created, started = created_utc(request.video), flight.started_utc
    created_s = (created - started).total_seconds() if created and started else None
    found = find_clock(motion, flight.track, created_s)
    if found is None:
        raise PhotoError(
            f"{request.video}: neither how its picture moves nor its clock says when in {request.log} it was "
            "taken; is it of this flight? (--offset S: seconds from the log's begin to the video's)"
        )
    if found.odds_nats < SURE_NATS and found.rival_s is not None:
        raise PhotoError(
            f"{request.video}: may begin {found.offset_s:.1f} s or {found.rival_s:.1f} s after the log, both "
            "fit about equally well; compare a frame of a known place with the log and give --offset"
        )
    return found


def _told(clock: VideoClock, flight: LoggedFlight) -> dict[str, Any]:
    start = flight.started_utc
    begins = start + dt.timedelta(seconds=clock.offset_s) if start else None
    return {
        "offset_s": round(clock.offset_s, 3),
        "sigma_s": round(clock.sigma_s, 3),
        "found_by": clock.by,
        "certainty": "doubtful" if clock.by == "clock" else "given" if clock.by == "given" else "sure",
        "next_best_s": None if clock.rival_s is None else round(clock.rival_s, 3),
        "begins_utc": begins.isoformat() if begins else None,
        "attitude_of": "camera" if flight.of_camera else "airframe",
    }
