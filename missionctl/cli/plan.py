"""missionctl plan: a zone to survey flights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError, lat_lon
from missionctl.jsontext import to_json


def register(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    zone: Annotated[Path, typer.Argument(metavar="ZONE", help="Area to survey: any vector file.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="OUT", help="OUT.plan, .waypoints, .kmz (DJI), .kml, .geojson or .gpkg."
        ),
    ],
    gcj02: Annotated[
        bool, typer.Option("--gcj02", help="ZONE and --no-fly are in GCJ-02 (AMap, Tencent), not WGS84.")
    ] = False,
    camera: Annotated[
        str | None, typer.Option(metavar="NAME", help="See: missionctl cameras; or a FILE.json of your own.")
    ] = None,
    photo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A photo of the camera, instead.")
    ] = None,
    gsd: Annotated[
        float | None, typer.Option(metavar="CM", help="Ground size of a pixel (default 3).")
    ] = None,
    height: Annotated[float | None, typer.Option(metavar="M", help="Height above ground, instead.")] = None,
    overlap: Annotated[float, typer.Option(metavar="PCT", help="Along the lane.")] = 80.0,
    sidelap: Annotated[float, typer.Option(metavar="PCT", help="Between lanes.")] = 70.0,
    dem: Annotated[Path | None, typer.Option(help="Ground heights: the flight follows them.")] = None,
    clearance: Annotated[
        float, typer.Option(metavar="M", help="Least height above ground, everywhere.")
    ] = 20.0,
    speed: Annotated[
        float | None, typer.Option(metavar="MPS", help="Ground speed (default 10 or less).")
    ] = None,
    wind: Annotated[str, typer.Option(metavar="MPS@DEG", help="Wind speed and where it comes from.")] = "0@0",
    angle: Annotated[
        str, typer.Option(metavar="auto|DEG", help="Lane direction, clockwise from north.")
    ] = "auto",
    no_fly: Annotated[Path | None, typer.Option(metavar="FILE", help="Areas never to enter.")] = None,
    launch: Annotated[
        list[str] | None, typer.Option(metavar="LAT,LON", help="Launch point; may be repeated.")
    ] = None,
    drones: Annotated[int, typer.Option(metavar="N", help="Drones that share the work.")] = 1,
    endurance: Annotated[float, typer.Option(metavar="MIN", help="Flight time of one battery.")] = 25.0,
    straight: Annotated[
        bool, typer.Option("--straight", help="Straight lanes only, also where a river winds.")
    ] = False,
    crosshatch: Annotated[
        bool, typer.Option("--crosshatch", help="A second set of lanes across the first.")
    ] = False,
    corridor: Annotated[
        float | None,
        typer.Option(metavar="WIDTH", help="ZONE holds lines: survey a strip of this width in metres."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Plan survey flights over a zone: they cover it, follow the terrain and stay clear of obstacles."""
    from missionctl.services.planning import PlanRequest, plan_to_file
    from missionctl.workspace import write_text
    from plans.energy import parse_wind

    request = PlanRequest(
        zone=zone,
        out=out,
        gcj02=gcj02,
        camera=camera,
        photo=photo,
        gsd_m=gsd / 100 if gsd is not None else None,
        height_agl_m=height,
        overlap=overlap / 100,
        sidelap=sidelap / 100,
        dem=dem,
        clearance_m=clearance,
        speed_mps=speed,
        wind=parse_wind(wind),
        angle_deg=_angle(angle),
        no_fly=no_fly,
        launches=tuple(lat_lon(text, "--launch") for text in launch or []),
        drones=drones,
        endurance_s=endurance * 60,
        straight=straight,
        crosshatch=crosshatch,
        corridor_width_m=corridor,
    )
    with progress("plan"):
        result = plan_to_file(request)
    if report:
        write_text(report, to_json(result) + "\n")
    coverage = result["coverage"]
    lines = [
        f"{', '.join(result['files'])}",
        f"{result['lanes']} lanes, {result['photos']} photos, {result['length_m'] / 1000:.1f} km, "
        f"{result['duration_s'] / 60:.0f} min in {len(result['sorties'])} sorties",
        f"{coverage['share']:.1%} of the zone is seen by {coverage['k']} photos or more; "
        f"GSD {result['gsd_cm']['min']:.1f} to {result['gsd_cm']['max']:.1f} cm; "
        f"never lower than {result['min_clearance_m']:.0f} m above ground",
        *(f"note: {note}" for note in result["notes"]),
    ]
    give(result, as_json, "\n".join(lines))


def _angle(text: str) -> float | None:
    if text.strip().lower() == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueTypedError(f"--angle {text!r}: give auto or a number of degrees")
    return value % 180.0
