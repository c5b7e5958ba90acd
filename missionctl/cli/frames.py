"""missionctl frames: photos out of a video, for the mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    overlap: Annotated[float, typer.Option(metavar="%", help="Overlap of neighbouring frames.")] = 80.0,
    as_json: JsonFlag = False,
) -> None:
    """Take frames out of a video as photos with places, sharp ones, as many as a mosaic needs."""
    from missionctl.services.video_frames import frames_of

    with progress("frames") as advance:
        result = frames_of(video, srt, out, overlap, advance)
    give(
        result,
        as_json,
        f"{out}: {result['frames']} frames of {video.name}, "
        f"from {result['from_s']:.1f} to {result['to_s']:.1f} s"
        f"\n  next: missionctl mosaic {out} -o mosaic.tif",
    )
