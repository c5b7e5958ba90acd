"""missionctl radio: where the link to a planned flight is lost, and where a relay would stand best."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from missionctl.cli.output import JsonFlag, give, progress
from missionctl.cli.values import ValueTypedError, lat_lon, metres_up, place_text, spare_text
from missionctl.jsontext import to_json

_MAST_M, _HOVER_M = 5.0, 100.0


class RelayKind(StrEnum):
    """What carries a relay: a mast on the ground, or a hovering drone."""

    GROUND = "ground"
    AIR = "air"


def register(app: typer.Typer) -> None:
    app.command("radio")(radio)


def radio(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A .plan or .waypoints file.")],
    station: Annotated[str, typer.Option(metavar="LAT,LON", help="Where the ground station stands.")],
    mast: Annotated[float, typer.Option(metavar="M", help="Its antenna above ground.")] = 2.0,
    dem: Annotated[Path | None, typer.Option(help="Ground heights (default: the mission folder's).")] = None,
    link: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="wifi, radio57k-433, radio57k-915, narrowband-868, narrowband-915 or dji-o3.",
        ),
    ] = "radio57k-433",
    relay: Annotated[str | None, typer.Option(metavar="LAT,LON", help="A relay that is there.")] = None,
    relay_height: Annotated[
        float | None,
        typer.Option(metavar="M", help="The relay's antenna above ground (default 5; 100 for air)."),
    ] = None,
    propose_relay: Annotated[
        RelayKind | None, typer.Option(help="Find the best place for a relay on a mast or on a drone.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="OUT.tif: margins over the land; OUT.geojson: along the flights.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say where a planned flight has a radio link over the terrain, and where a relay would bring it back."""
    from missionctl.services.radio import RadioRequest, check_radio
    from missionctl.workspace import write_text
    from plans.radio import Antenna

    if relay and propose_relay:
        raise ValueTypedError("--relay and --propose-relay exclude each other: give one of them")
    if relay_height is not None and not (relay or propose_relay):
        raise ValueTypedError("--relay-height: give --relay LAT,LON or --propose-relay too")
    height = metres_up(relay_height, "--relay-height")
    if height is None:
        height = _HOVER_M if propose_relay is RelayKind.AIR else _MAST_M
    request = RadioRequest(
        plan=plan,
        station=Antenna(lat_lon(station, "--station"), metres_up(mast, "--mast") or 0.0),
        link=link,
        dem=dem,
        relay=Antenna(lat_lon(relay, "--relay"), height) if relay else None,
        propose_height_m=height if propose_relay else None,
        out=out,
    )
    with progress("radio") as on_progress:
        result = check_radio(request, on_progress)
    if report:
        write_text(report, to_json(result) + "\n")
    give(result, as_json, "\n".join(_lines(result, propose_relay is not None)))


def _lines(result: Mapping[str, Any], asked_for_relay: bool) -> list[str]:
    worst = result["worst_margin_db"]
    lines = [
        f"{result['connected_share']:.1%} of {result['length_m'] / 1000:.1f} km in {_flights(result)} "
        f"has a link ({result['link']['name']}); the weakest place {spare_text(worst)}"
    ]
    lines += [f"flight {stretch['flight']}: {stretch_text(stretch)}" for stretch in result["lost"]]
    if result["relay"] and result["relay"]["station_margin_db"] < 0:
        lines.append(
            f"the relay's own link to the station {spare_text(result['relay']['station_margin_db'])}"
        )
    found = result["proposal"]
    if found:
        place = place_text(found["lat_deg"], found["lon_deg"])
        lines.append(
            f"a relay {found['height_agl_m']:g} m above ground at {place} "
            f"brings that to {found['share_after']:.1%}; its own link to the station "
            f"{spare_text(found['station_margin_db'])}"
        )
    elif asked_for_relay and result["lost"]:
        lines.append("no place for a relay within the station's reach brings any of it back")
    elif asked_for_relay:
        lines.append("no relay is needed")
    if "file" in result:
        lines.append(result["file"])
    return lines


def stretch_text(stretch: Mapping[str, Any]) -> str:
    """A stretch of a report that has no link, in words."""
    seconds = stretch["duration_s"]
    return (
        f"no link for {stretch['length_m']:.0f} m"
        + (f", {seconds:.0f} s," if seconds is not None else "")
        + f" from {place_text(*stretch['from'])} to {place_text(*stretch['to'])}; "
        f"the weakest place {spare_text(stretch['worst_margin_db'])}"
    )


def _flights(result: Mapping[str, Any]) -> str:
    return "1 flight" if result["flights"] == 1 else f"{result['flights']} flights"
