"""missionctl mosaic: photos to a georeferenced orthomosaic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give, progress, say, stop_on_signals
from missionctl.cli.values import ValueTypedError
from missionctl.jsontext import to_json

if TYPE_CHECKING:
    from imagery.live import Draft


def register(app: typer.Typer) -> None:
    app.command("mosaic")(mosaic)


def mosaic(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.tif", help="The mosaic to write (COG).")],
    gsd: Annotated[
        float | None, typer.Option(metavar="CM", help="Ground size of a pixel (default: as flown).")
    ] = None,
    dem: Annotated[
        Path | None, typer.Option(help="Ground heights; without it they come from the photos.")
    ] = None,
    crs: Annotated[int | None, typer.Option(metavar="EPSG", help="CRS of the mosaic (default: UTM).")] = None,
    gcp: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ground control and check points: CSV or gcp_list.txt."),
    ] = None,
    geotags: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Positions of photos: ODM's geo.txt, Pix4D's CSV, or a table."),
    ] = None,
    quality: Annotated[str, typer.Option(help="quick or full.")] = "full",
    live: Annotated[
        bool, typer.Option("--live", help="Follow the folder: drafts while photos arrive, then the mosaic.")
    ] = False,
    idle: Annotated[
        float, typer.Option(metavar="S", help="With --live: done when no photo has come for so long.")
    ] = 60.0,
    flight: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --live: the flight that takes the photos (its folder, or all flights')."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="A Dask cluster that does the heavy work."),
    ] = None,
    memory: Annotated[
        int | None, typer.Option(metavar="MB", help="What the run may take (default 3000).")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the report: JSON, or a page and JSON beside it when FILE ends in .html.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Stitch photos into a georeferenced orthomosaic."""
    from imagery.mosaic import MosaicOptions
    from imagery.scratch import must_be_writable
    from missionctl.services.mapping import Live, mosaic_photos
    from missionctl.workspace import write_text

    options = MosaicOptions(
        gsd_m=gsd / 100 if gsd is not None else None,
        dem=dem,
        crs_epsg=crs,
        quality=quality,
        memory_mb=memory,
        control=gcp,
        geotags=geotags,
    )
    if flight is not None and not live:
        raise ValueTypedError("--flight goes with --live; missionctl geotag places photos that are there")
    if report:
        must_be_writable(report)
    following = None
    if live:
        following = Live(idle, stop_on_signals().is_set, lambda draft: say(_draft_line(out, draft)), flight)
    with progress("mosaic") as advance:
        made = mosaic_photos(photos, out, options, advance, live=following, cluster=cluster)
    result = made.report()
    if report:
        write_text(report.with_suffix(".json") if _is_page(report) else report, to_json(result) + "\n")
    if report and _is_page(report):
        from imagery.report import quality_page

        write_text(report, quality_page(made, out.name))
    more = [f"left out: {d['reason']}" for d in result["dropped"]]
    more += result["warnings"]
    if made.control:
        more.insert(0, made.control.line())
    loose = len(result["placed_by_priors"])
    by_tags = f" ({loose} by their tags alone)" if loose else ""
    give(
        result,
        as_json,
        f"{out}: {result['placed']} of {result['photos']} photos{by_tags}, "
        f"{result['gsd_cm']:.2f} cm a pixel, "
        f"{result['area_m2'] / 1e4:.2f} ha in {result['seconds']['total']:.0f} s; "
        f"reprojection {result['reprojection_rms_px']:.2f} px rms" + "".join(f"\n  {line}" for line in more),
    )


def _is_page(report: Path) -> bool:
    return report.suffix.lower() in (".html", ".htm")


def _draft_line(out: Path, draft: Draft) -> str:
    if draft.left_out:
        return f"{out}: {draft.left_out}"
    what = ""
    if draft.name:
        how = f"after {draft.late_s:.1f} s" if draft.late_s is not None else "by its camera event"
        what = f"{draft.name} on the map {how}; "
    waiting = f", {draft.waiting} waiting" if draft.waiting else ""
    waiting += f", {len(draft.expected)} taken and not here yet" if draft.expected else ""
    return f"{out}: {what}draft of {draft.count} photos{waiting}, {draft.area_m2 / 1e4:.2f} ha"
