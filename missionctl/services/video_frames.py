"""A video and the file of places beside it, to a folder of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagery.errors import PhotoError
from imagery.srt import read_srt
from imagery.video import FrameRules, take_frames
from missionctl.jobs import OnProgress


def frames_of(
    video: Path, srt: Path | None, out: Path, overlap_percent: float, on_progress: OnProgress
) -> dict[str, Any]:
    """Write the frames of a video as photos into the new folder `out`.

    Raises PhotoError when video or subtitles cannot be read, or the folder cannot be written.
    """
    rules = FrameRules(overlap_percent / 100)
    if not video.is_file():
        raise PhotoError(f"{video}: no such video")
    track = read_srt(srt or _beside(video))
    taken = take_frames(video, track, out, rules, lambda share: on_progress("frames", share))
    return {
        "folder": str(out),
        "frames": len(taken),
        "from_s": taken[0].at_s,
        "to_s": taken[-1].at_s,
        "photos": [frame.name for frame in taken],
    }


def _beside(video: Path) -> Path:
    for suffix in (".SRT", ".srt"):
        if video.with_suffix(suffix).is_file():
            return video.with_suffix(suffix)
    raise PhotoError(
        f"{video}: no subtitles ({video.stem}.SRT) beside it to say where it was taken; name them (--srt)"
    )
