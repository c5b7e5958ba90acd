"""missionctl world: a world for the simulator, made up or real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError, lat_lon
from plans.frames import GeoPoint


def register(app: typer.Typer) -> None:
    app.command("world")(world)


def world(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the world goes.")],
    seed: Annotated[int, typer.Option(help="A made-up valley: the same seed gives the same one.")] = 0,
    size: Annotated[
        float | None, typer.Option(metavar="M", help="Its width, or of a real place the square to cut out.")
    ] = None,
    pixel: Annotated[float | None, typer.Option(metavar="CM", help="Of its ground (default 10).")] = None,
    stage: Annotated[
        float | None,
        typer.Option(
            metavar="M",
            help="Flood above the valley's floor (default: some houses stand in it); of a real place "
            "above its river's own surface (default: dry).",
        ),
    ] = None,
    peak: Annotated[
        float | None,
        typer.Option(metavar="M", help="How high it had been at a real place: mud is left up to there."),
    ] = None,
    river: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|LAT,LON",
            help="Where a real place's river runs: lines, areas, a mask, or points (default: by its DEM).",
        ),
    ] = None,
    ortho: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A real place instead: its orthophoto, in any CRS.")
    ] = None,
    dem: Annotated[Path | None, typer.Option(metavar="FILE", help="Its ground, metres AMSL.")] = None,
    dsm: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its surface, if houses and trees are to stand up.")
    ] = None,
    around: Annotated[
        str,
        typer.Option(metavar="LAT,LON", help="The middle of what is cut out (default: the orthophoto's)."),
    ] = "",
    launch: Annotated[
        str, typer.Option(metavar="LAT,LON", help="Where drones start (default: level open ground).")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make a world for `missionctl sim --world`: a flooded valley with its truth, or a real place."""
    from sim.world import RealFlood, RealPlace, World, make_real_world, make_world

    made_up: dict[str, object] = {"--pixel": pixel}
    real: dict[str, object] = {
        "--dem": dem,
        "--dsm": dsm,
        "--around": around or None,
        "--launch": launch or None,
        "--peak": peak,
        "--river": river or None,
    }
    made: World
    if ortho is None:
        _refuse(real, "needs --ortho: it is of a real place")
        chosen = {"size_m": size, "pixel_m": None if pixel is None else pixel / 100, "stage_m": stage}
        with progress("world") as advance:
            made = make_world(
                folder, seed, on_progress=advance, **{k: v for k, v in chosen.items() if v is not None}
            )
    else:
        _refuse(made_up, "is of a made-up valley: not with --ortho")
        if dem is None:
            raise ValueTypedError("--ortho needs --dem: the heights of the ground")
        if stage is None:
            _refuse({"--peak": peak, "--river": river or None}, "needs --stage: how high the water stands")
        place = RealPlace(
            ortho,
            dem,
            dsm,
            lat_lon(launch, "--launch") if launch else None,
            lat_lon(around, "--around") if around else None,
            size,
            None if stage is None else RealFlood(stage, peak, _river(river or [])),
        )
        with progress("world") as advance:
            made = make_real_world(folder, place, advance)
    told = {
        "world": str(folder),
        "width_m": made.width_m,
        "height_m": made.height_m,
        "pixel_m": made.pixel_m,
        "stage_m": made.stage_m,
        "river": made.river,
        "launch": [made.launch.lat_deg, made.launch.lon_deg, made.launch.alt_amsl_m],
    }
    text = (
        f"{folder}: {made.width_m:.0f} x {made.height_m:.0f} m, {100 * made.pixel_m:.1f} cm a pixel, "
        f"launch at {made.launch.lat_deg:.6f}, {made.launch.lon_deg:.6f}"
    )
    if made.river is not None:
        text += f"\n{made.stage_m:g} m of water over the river, which is known by {made.river}"
    give(told, as_json, text)


def _river(given: list[str]) -> Path | tuple[GeoPoint, ...]:
    """A file, or points."""
    if len(given) == 1 and Path(given[0]).exists():
        return Path(given[0])
    return tuple(lat_lon(text, "--river") for text in given)


def _refuse(given: dict[str, object], why: str) -> None:
    """Options that would have no effect."""
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise ValueTypedError(f"{', '.join(named)} {why}")
