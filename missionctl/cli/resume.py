"""missionctl resume: what is still to fly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError, lat_lon


def register(app: typer.Typer) -> None:
    app.command("resume")(resume)


def resume(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan that was flown in part.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.plan", help="The plan of the rest.")],
    photos: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="The photos that came; may be repeated.")
    ] = None,
    flight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="A flight of the mission folder, or a folder or log of one; may be repeated."
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="auto|shots|coverage",
            help="Fly the missing shots of the same mission, or plan the ground anew that no photo shows. "
            "auto: shots, unless an option below asks for more.",
        ),
    ] = "auto",
    camera: Annotated[
        str | None, typer.Option(metavar="NAME", help="The camera that will fly (default: the plan's).")
    ] = None,
    photo_camera: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The camera of photos that do not say it (default: the plan's)."),
    ] = None,
    launch: Annotated[
        list[str] | None,
        typer.Option(metavar="LAT,LON", help="Launch point (default: the plan's); may be repeated."),
    ] = None,
    drones: Annotated[int | None, typer.Option(metavar="N", help="Drones that share the work.")] = None,
    endurance: Annotated[
        float | None,
        typer.Option(
            metavar="MIN", help="Flight time of one battery; with --mode shots cuts the rest by it."
        ),
    ] = None,
    autopilot: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What flies: ardupilot, px4, dji, dji-fly, any (default: the mission's, or ardupilot).",
        ),
    ] = None,
    zone: Annotated[
        Path | None, typer.Option(metavar="ZONE", help="The whole area (default: the plan's own).")
    ] = None,
    dem: Annotated[Path | None, typer.Option(help="Ground heights.")] = None,
    no_fly: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Areas never to enter, beside the plan's.")
    ] = None,
    gsd: Annotated[
        float | None, typer.Option(metavar="CM", help="Ground size of a pixel (default: the plan's).")
    ] = None,
    height: Annotated[float | None, typer.Option(metavar="M", help="Height above ground, instead.")] = None,
    overlap: Annotated[float | None, typer.Option(metavar="PCT", help="Along the lane.")] = None,
    sidelap: Annotated[float | None, typer.Option(metavar="PCT", help="Between lanes.")] = None,
    min_views: Annotated[
        int | None, typer.Option(metavar="N", help="So many photos are to see every place.")
    ] = None,
    clearance: Annotated[
        float | None, typer.Option(metavar="M", help="Least height above ground, everywhere.")
    ] = None,
    speed: Annotated[float | None, typer.Option(metavar="MPS", help="Ground speed.")] = None,
    wind: Annotated[
        str | None, typer.Option(metavar="MPS@DEG", help="Wind speed and where it comes from.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Plan only what is still missing, from the photos or the camera messages that really came: with the same
    drone, or with any other."""
    from missionctl.services.resuming import ResumeRequest, plan_rest
    from plans.energy import parse_wind

    if not photos and not flight:
        raise ValueTypedError("give --photos DIR or --flight ID, or both")
    if mode not in ("auto", "shots", "coverage"):
        raise ValueTypedError(f"--mode {mode!r}: give auto, shots or coverage")
    request = ResumeRequest(
        plan=plan,
        out=out,
        photos=tuple(photos or ()),
        flights=tuple(flight or ()),
        mode=mode,  # type: ignore[arg-type]
        zone=zone,
        camera=camera,
        photo_camera=photo_camera,
        gsd_m=gsd / 100 if gsd is not None else None,
        height_agl_m=height,
        overlap=overlap / 100 if overlap is not None else None,
        sidelap=sidelap / 100 if sidelap is not None else None,
        min_views=min_views,
        dem=dem,
        clearance_m=clearance,
        speed_mps=speed,
        wind=parse_wind(wind) if wind is not None else None,
        no_fly=no_fly,
        launches=tuple(lat_lon(text, "--launch") for text in launch or []),
        drones=drones,
        endurance_s=endurance * 60 if endurance is not None else None,
        autopilot=autopilot,
    )
    with progress("resume"):
        result = plan_rest(request)
    give(result, as_json, _text(result))


def _text(result: dict[str, Any]) -> str:
    seen = result["coverage"]
    notes = [f"note: {note}" for note in result["notes"]]
    if result["file"] is None:
        if result["mode"] == "shots":
            first = f"all {result['photos_planned']} planned photos are there: nothing left to fly"
        else:
            first = f"{_share(seen['share_before'])} of the zone is seen by {seen['views']} photos or more: "
            first += "nothing left to fly"
        return "\n".join([first, *notes])
    lines = [f"{', '.join(result['files'])}", f"mode {result['mode']}: {result['why']}"]
    if result["mode"] == "shots":
        lines[0] = (
            f"{result['file']}: {result['photos_to_take']} of {result['photos_planned']} photos "
            f"still to take, {result['items']} items"
        )
        if result["flights"] > 1:
            lines.append(f"{result['flights']} flights: {', '.join(result['files'][1:])}")
    else:
        lines.append(
            f"{result['photos_taken']} photos count; {result['photos_to_take']} more with "
            f"{result['camera']}, {result['duration_s'] / 60:.0f} min in {result['flights']} sorties"
        )
    if seen is not None:
        lines.append(
            f"{_share(seen['share_before'])} of the zone is seen by {seen['views']} photos or more, "
            f"{_share(seen['share_after'])} after these flights"
        )
    return "\n".join([*lines, *notes])


def _share(share: float) -> str:
    """Rounded down: what is not whole must not be told as 100 %."""
    return f"{int(share * 1000) / 10:.1f} %"
