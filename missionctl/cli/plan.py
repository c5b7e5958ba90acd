"""missionctl plan: a zone to survey flights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.plan_text import plan_text
from missionctl.cli.values import ValueTypedError, lat_lon, metres_up, within
from missionctl.jsontext import to_json

if TYPE_CHECKING:
    from missionctl.services.plan_radio import RadioSetup


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
    portrait: Annotated[
        bool, typer.Option("--portrait", help="Cameras are mounted with their long side along the flight.")
    ] = False,
    gsd: Annotated[
        float | None, typer.Option(metavar="CM", help="Ground size of a pixel (default 3).")
    ] = None,
    height: Annotated[float | None, typer.Option(metavar="M", help="Height above ground, instead.")] = None,
    overlap: Annotated[float, typer.Option(metavar="PCT", help="Along the lane.")] = 80.0,
    sidelap: Annotated[float, typer.Option(metavar="PCT", help="Between lanes.")] = 70.0,
    min_views: Annotated[
        int | None,
        typer.Option(metavar="N", help="Photos that must see every place (default: what overlaps promise)."),
    ] = None,
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
    exposure: Annotated[
        Path | None,
        typer.Option(metavar="RASTER", help="People or assets per cell: flown first where there are most."),
    ] = None,
    launch: Annotated[
        list[str] | None, typer.Option(metavar="LAT,LON", help="Launch point; may be repeated.")
    ] = None,
    drones: Annotated[
        int | None, typer.Option(metavar="N", help="Drones that share the work (default 1).")
    ] = None,
    endurance: Annotated[
        float | None,
        typer.Option(metavar="MIN", help="Flight time of a new battery at 20 degrees C (default 25)."),
    ] = None,
    temperature: Annotated[float, typer.Option(metavar="C", help="Of the batteries, at take-off.")] = 20.0,
    pack_health: Annotated[
        float, typer.Option(metavar="PCT", help="What is left of the batteries' capacity.")
    ] = 100.0,
    reserve: Annotated[
        float, typer.Option(metavar="PCT", help="Of the battery, to land with beyond --endurance.")
    ] = 0.0,
    swap: Annotated[float, typer.Option(metavar="MIN", help="From landing to the next take-off.")] = 5.0,
    fleet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Unlike drones (docs/planning.md), instead of --drones."),
    ] = None,
    autopilot: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What flies: ardupilot, px4, dji, dji-fly, any (default: the mission folder's, or by OUT's "
            "suffix). Times and batteries go by it, and how many items a flight may have.",
        ),
    ] = None,
    station: Annotated[
        str | None, typer.Option(metavar="LAT,LON", help="Ground station: say where its link is lost.")
    ] = None,
    mast: Annotated[
        float | None, typer.Option(metavar="M", help="Its antenna above ground (default 2).")
    ] = None,
    link: Annotated[
        str | None, typer.Option(metavar="NAME", help="See: missionctl radio (default radio57k-433).")
    ] = None,
    relay: Annotated[str | None, typer.Option(metavar="LAT,LON", help="A relay that is there.")] = None,
    relay_height: Annotated[
        float | None, typer.Option(metavar="M", help="The relay's antenna above ground (default 5).")
    ] = None,
    keep_link: Annotated[
        bool, typer.Option("--keep-link", help="Keep out of ground where the link would be lost.")
    ] = False,
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
    from missionctl.services.planning import PlanRequest, check_report, plan_to_file
    from missionctl.workspace import write_text
    from plans.energy import parse_wind

    if fleet and not (drones is None and endurance is None):
        raise ValueTypedError(
            "--fleet names the drones and their endurance: leave --drones and --endurance out"
        )
    request = PlanRequest(
        zone=zone,
        out=out,
        gcj02=gcj02,
        camera=camera,
        photo=photo,
        portrait=portrait,
        gsd_m=gsd / 100 if gsd is not None else None,
        height_agl_m=height,
        overlap=overlap / 100,
        sidelap=sidelap / 100,
        min_views=None if min_views is None else int(within(min_views, "--min-views", 1, 50, "photos")),
        dem=dem,
        clearance_m=clearance,
        speed_mps=speed,
        wind=parse_wind(wind),
        angle_deg=_angle(angle),
        no_fly=no_fly,
        exposure=exposure,
        launches=tuple(lat_lon(text, "--launch") for text in launch or []),
        drones=1 if drones is None else drones,
        endurance_s=(25.0 if endurance is None else endurance) * 60,
        temperature_c=within(temperature, "--temperature", -40, 60, "degrees C"),
        pack_health=within(pack_health, "--pack-health", 10, 100, "percent") / 100,
        reserve=within(reserve, "--reserve", 0, 90, "percent") / 100,
        swap_s=within(swap, "--swap", 0, 1440, "minutes") * 60,
        fleet=fleet,
        autopilot=autopilot,
        radio=_radio(station, mast, link, relay, relay_height, keep_link),
        straight=straight,
        crosshatch=crosshatch,
        corridor_width_m=corridor,
    )
    if report:
        check_report(report)
    with progress("plan"):
        result = plan_to_file(request)
    if report:
        write_text(report, to_json(result) + "\n")
    give(result, as_json, plan_text(result))


def _radio(
    station: str | None,
    mast: float | None,
    link: str | None,
    relay: str | None,
    relay_height: float | None,
    keep_link: bool,
) -> RadioSetup | None:
    from missionctl.services.plan_radio import RadioSetup
    from plans.radio import Antenna, find_link

    if station is None:
        given = {"--mast": mast, "--link": link, "--relay": relay, "--relay-height": relay_height}
        named = [name for name, value in given.items() if value is not None]
        named += ["--keep-link"] if keep_link else []
        if named:
            raise ValueTypedError(f"{named[0]}: give --station LAT,LON too")
        return None
    if relay_height is not None and relay is None:
        raise ValueTypedError("--relay-height: give --relay LAT,LON too")
    mast = metres_up(mast, "--mast")
    height = metres_up(relay_height, "--relay-height")
    return RadioSetup(
        Antenna(lat_lon(station, "--station"), 2.0 if mast is None else mast),
        find_link(link or "radio57k-433"),
        Antenna(lat_lon(relay, "--relay"), 5.0 if height is None else height) if relay else None,
        keep_link,
    )


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
