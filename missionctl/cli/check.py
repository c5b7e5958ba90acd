"""missionctl check: is this plan fit to be flown, and this vehicle ready for it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.cli.safety import Accept, By, Dem, Endurance, NoFly, Tick, wishes_of
from missionctl.cli.station import AllowUnsigned, Profile, Sign, VehicleId, VehicleOptions

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
    vehicle: VehicleId = None,
    tick: Tick = None,
    accept: Accept = None,
    by: By = None,
    dem: Dem = None,
    no_fly: NoFly = None,
    endurance: Endurance = None,
    autopilot: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Without --connect: ardupilot or px4 (default: the plan's, or ardupilot).",
        ),
    ] = None,
    language: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the list.")] = "en",
    profile: Profile = "wifi",
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """Look at a plan (items, fence, ground, battery) and, with --connect, at the vehicle that is to fly it.
    Exit code 2 when the plan has faults or the vehicle is not ready."""
    from missionctl.cli.values import ValueTypedError
    from missionctl.services.checking import check_offline, check_with_vehicle

    if language not in ("en", "zh"):
        raise ValueTypedError(f"--lang {language!r}: give en or zh")
    if autopilot not in (None, "ardupilot", "px4"):
        raise ValueTypedError(f"--autopilot {autopilot!r}: give ardupilot or px4")
    wishes = wishes_of(dem, no_fly, endurance, accept, tick, by)
    if connect is None:
        result = check_offline(plan, wishes, autopilot)
    else:
        on = VehicleOptions(
            connect=connect, vehicle=vehicle, profile=profile, sign=sign, allow_unsigned=allow_unsigned
        )
        result = check_with_vehicle(plan, on.target(), wishes)
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
