"""missionctl geotag: places from a flight's camera messages into its photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError


def register(app: typer.Typer) -> None:
    app.command("geotag")(geotag)


def geotag(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos.")],
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="A .tlog, .BIN, .log or .ulg.")] = None,
    flight: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A flight that missionctl recorded.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="Where the tagged copies go (default: PHOTOS-tagged)."
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Write into the photos themselves, no copies.")
    ] = False,
    offset: Annotated[
        float | None,
        typer.Option(metavar="S", help="Add this to the camera's clock (default: found by itself)."),
    ] = None,
    vehicle: Annotated[
        int | None, typer.Option(metavar="ID", help="Whose photos, where a log holds several vehicles.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also photos that have a place of their own.")
    ] = False,
    doubtful: Annotated[
        bool, typer.Option("--doubtful", help="Write also places that are doubtful (else listed only).")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the places as a table.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write place, time and attitude into photos, from the camera messages of a log."""
    from missionctl.services.geotagging import GeotagRequest, geotag_photos

    if (log is None) == (flight is None):
        raise ValueTypedError("give either --log FILE or --flight DIR")
    if in_place and out is not None:
        raise ValueTypedError("give either --out DIR or --in-place")
    source = log if log is not None else flight
    assert source is not None
    target = None if in_place else out or photos.with_name(photos.name + "-tagged")
    with progress("geotag") as advance:
        request = GeotagRequest(photos, source, target, offset, vehicle, replace, csv, doubtful)
        result = geotag_photos(request, advance)
    lines = [f"{result['matched']} of {result['photos']} photos found in the log, {result['tagged']} tagged"]
    lines.append(", ".join(f"{count} {word}" for word, count in result["certainty"].items()))
    if result["clock_offset_s"] is not None:
        drift = result["clock_drift_ppm"]
        drifts = f" and drifts {drift:+.0f} ppm" if drift else ""
        lines.append(f"the camera's clock is off by {-result['clock_offset_s']:+.1f} s{drifts}")
    if result["next_best"] is not None:
        best = result["next_best"]
        lines.append(
            f"the next best alignment ({best['shift']:+d} photo) fits {best['odds']:.2g} times worse"
        )
    if result["doubtful"]:
        written = "written all the same" if doubtful else "not written; --doubtful writes them"
        lines.append(f"doubtful ({written}): " + ", ".join(result["doubtful"]))
    if result["photos_without_event"]:
        lines.append("not in the log: " + ", ".join(result["photos_without_event"]))
    if result["events_without_photo"]:
        lines.append(f"{len(result['events_without_photo'])} photos of the log are not in the folder")
    lines.append(str(result["folder"]))
    give(result, as_json, "\n".join(lines))
