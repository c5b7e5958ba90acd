"""missionctl frames: photos out of a video, for the mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from missionctl.cli.output import JsonFlag, give, progress


def register(app: typer.Typer) -> None:
    app.command("frames")(frames)


def frames(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, as the drone's camera saved it.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder of photos to make.")],
    srt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The drone's subtitles (default: VIDEO's name with .SRT)."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The flight's log instead (.tlog, .BIN, .log, .ulg), or its folder."
        ),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="The video begins so long after the log (default: found by how it moves)."
        ),
    ] = None,
    vehicle: Annotated[
        int | None, typer.Option(metavar="ID", help="Whose flight, where a log holds several vehicles.")
    ] = None,
    overlap: Annotated[float, typer.Option(metavar="%", help="Overlap of neighbouring frames.")] = 80.0,
    as_json: JsonFlag = False,
) -> None:
    """Take frames out of a video as photos with places, sharp ones, as many as a mosaic needs."""
    from missionctl.services.video_frames import FramesRequest, frames_of

    with progress("frames") as advance:
        result = frames_of(FramesRequest(video, out, overlap, srt, log, offset, vehicle), advance)
    lines = [
        f"{out}: {result['frames']} frames of {video.name}, "
        f"from {result['from_s']:.1f} to {result['to_s']:.1f} s"
    ]
    if result["log"]:
        lines.append(_when(result["log"]))
    lines.append(f"  next: missionctl mosaic {out} -o mosaic.tif")
    give(result, as_json, "\n".join(lines))


def _when(log: dict[str, Any]) -> str:
    """The line about the video's place in the log."""
    begins = f"  the video begins {log['offset_s']:.1f} s after the log"
    if log["found_by"] == "given":
        return f"{begins}, as given"
    if log["found_by"] == "clock":
        return (
            f"{begins} by the file's clock alone, its time zone guessed: doubtful, a second off puts every "
            "frame metres off; compare one with a known place and give --offset"
        )
    by = "how it turns and moves" + (", and the file's clock" if "clock" in log["found_by"] else "")
    return f"{begins}, give or take {log['sigma_s']:.2f} s (by {by}: sure)"
