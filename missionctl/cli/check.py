"""missionctl check: is this plan fit to be flown, and this vehicle ready for it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give, say
from missionctl.cli.station import AllowUnsigned, Sign

if TYPE_CHECKING:
    from missionctl.services.checking import Checked


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN", help="A .plan or .waypoints file, whoever made it.")
    ],
    connect: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask this vehicle too; without it the plan alone is looked at."),
    ] = None,
    vehicle: Annotated[
        int | None, typer.Option(metavar="N", help="System id, where several are heard.")
    ] = None,
    tick: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="An item of the list that you have seen to; repeat."),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A failed check that you fly with all the same; repeat."),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who checks, for the record.")] = None,
    dem: Annotated[Path | None, typer.Option(help="Ground heights (default: the mission folder's).")] = None,
    no_fly: Annotated[Path | None, typer.Option(metavar="FILE", help="Areas never to enter.")] = None,
    endurance: Annotated[
        float | None, typer.Option(metavar="MIN", help="How long a full battery flies the survey.")
    ] = None,
    autopilot: Annotated[
        str, typer.Option(metavar="NAME", help="Without --connect: ardupilot or px4.")
    ] = "ardupilot",
    language: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the list.")] = "en",
    profile: Annotated[str, typer.Option(help="wifi, radio57k, narrowband or satellite.")] = "wifi",
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """Look at a plan (items, fence, ground, battery) and, with --connect, at the vehicle that is to fly it.
    Exit code 2 when the plan has faults or the vehicle is not ready."""
    from missionctl.cli.values import ValueTypedError
    from missionctl.services.checking import SafetyWishes, check_offline, check_with_vehicle
    from missionctl.services.signing import station_settings
    from missionctl.services.vehicle_work import Target

    if language not in ("en", "zh"):
        raise ValueTypedError(f"--lang {language!r}: give en or zh")
    if autopilot not in ("ardupilot", "px4"):
        raise ValueTypedError(f"--autopilot {autopilot!r}: give ardupilot or px4")
    wishes = SafetyWishes(
        dem,
        no_fly,
        endurance * 60 if endurance is not None else None,
        tuple(accept or ()),
        tuple(tick or ()),
        by,
    )
    if connect is None:
        result = check_offline(plan, wishes, autopilot)
    else:
        settings = station_settings(sign, allow_unsigned, (), lambda line: say(f"missionctl: {line}"))
        result = check_with_vehicle(plan, Target(connect, profile, vehicle, settings), wishes)
    give(result.report(), as_json, _text(result, language))
    if result.checklist is not None:
        result.checklist.require_ready()
    else:
        result.plan.require_flyable(frozenset(wishes.accepted))


def _text(result: Checked, language: str) -> str:
    from missionctl.services.checking import alert_lines

    if result.checklist is None:
        lines = alert_lines(result.plan.alerts, language) or ["no faults"]
    else:
        marks = {"ok": "ok", "warn": "warning", "fail": "FAIL", "unknown": "?", "to tick": "[ ]"}
        taken = {check.key for check in result.checklist.taken}
        lines = [
            f"{'accepted' if c.key in taken else marks[str(c.state)]:8} {c.key}: {c.line(language)}"
            for c in result.checklist.checks
        ]
    facts = result.plan.facts
    clearance = "unknown" if facts.least_clearance_m is None else f"{facts.least_clearance_m:.0f} m"
    lines.append(
        f"{facts.items} items, {facts.length_m / 1000:.1f} km, {facts.duration_s / 60:.1f} min; least height "
        f"above ground {clearance}"
    )
    if result.lost is not None:
        lines.append("If the link is lost at the farthest waypoint, by its settings it")
        lines += [f"  {moment.line(language)}" for moment in result.lost.moments]
    return "\n".join(lines)
