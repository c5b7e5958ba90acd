"""missionctl fly: a plan flown by a vehicle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flight.errors import FlightError
from missionctl.cli.output import JsonFlag, give, progress, say
from missionctl.cli.safety import Accept, By, Dem, Endurance, NoFly, Tick, wishes_of
from missionctl.cli.station import AllowUnsigned, Forward, Profile, Sign, riders_text, settings_of

if TYPE_CHECKING:
    from missionctl.services.flying import OnFlight


def register(app: typer.Typer) -> None:
    app.command("fly")(fly)


def fly(
    plan: Annotated[
        list[Path], typer.Argument(metavar="PLAN...", help="A .plan or .waypoints file for each vehicle.")
    ],
    connect: Annotated[
        list[str],
        typer.Option(
            metavar="URL",
            help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD; ?profile=NAME may follow. Repeat: "
            "a vehicle that is heard on several links is spoken to on the best one.",
        ),
    ],
    vehicle: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="System id of the vehicle; one for each PLAN, in their order."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to record (default: the mission folder)."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the camera's photos turn up.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Arm and take off without asking.")] = False,
    by: By = None,
    tick: Tick = None,
    accept: Accept = None,
    dem: Dem = None,
    no_fly: NoFly = None,
    endurance: Endurance = None,
    profile: Profile = "wifi",
    forward: Forward = None,
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a plan, upload it, read it back, check the vehicle, arm, fly, land; everything is recorded.

    A vehicle that flies this plan already (the station was killed) is watched to its end. Several plans are
    flown at once, each by the vehicle that is named for it.
    """
    from missionctl.services.flying import FlyRequest, fly_plans
    from plans.errors import MissionError
    from plans.formats import read_mission

    settings = settings_of(sign, allow_unsigned, forward)
    vehicles: list[int | None] = list(vehicle or [])
    if not vehicles and len(plan) == 1:
        vehicles = [None]
    if len(vehicles) != len(plan):
        raise MissionError(
            f"{len(plan)} plans and {len(vehicles)} vehicles; give one --vehicle for each plan"
        )
    if len(plan) > 1 and photos is not None:
        raise MissionError("--photos goes with one plan; for several, tag each flight's photos afterwards")
    pairs = list(zip(plan, vehicles, strict=True))
    sizes = [len(read_mission(file).items) for file in plan]
    if not yes:
        if not sys.stdin.isatty():
            raise MissionError("nobody is there to confirm the take-off; give --yes to fly without asking")
        for (file, sysid), items in zip(pairs, sizes, strict=True):
            who = "the vehicle" if sysid is None else f"vehicle {sysid}"
            say(f"{file.name}: {items} items go to {who}; it will arm and take off.")
        if input("Is the place clear? Type fly to go on: ").strip().lower() != "fly":
            raise MissionError("not confirmed; nothing was sent")
    wishes = wishes_of(dem, no_fly, endurance, accept, tick, by)
    requests = [
        FlyRequest(file, connect, out, photos, profile, settings, sysid, wishes) for file, sysid in pairs
    ]
    with progress("fly") as advance:
        outcomes = fly_plans(requests, _advances(advance, vehicles))
    _conclude(outcomes, as_json)


def _advances(advance: Callable[[str, float], None], vehicles: Sequence[int | None]) -> OnFlight:
    """One line of progress for all: what each vehicle does, and the mean share."""
    steps, shares = ["" for _ in vehicles], [0.0 for _ in vehicles]

    def on_flight(number: int, step: str, share: float) -> None:
        steps[number], shares[number] = step, share
        named = [s if v is None else f"{v}: {s}" for v, s in zip(vehicles, steps, strict=True) if s]
        advance(" | ".join(named), sum(shares) / len(shares))

    return on_flight


def _conclude(outcomes: Sequence[dict[str, Any] | FlightError], as_json: bool) -> None:
    faults = [outcome for outcome in outcomes if isinstance(outcome, FlightError)]
    if len(outcomes) == 1:
        if faults:
            raise faults[0]
        report = outcomes[0]
        assert isinstance(report, dict)
        give(report, as_json, "\n".join([_text(report), *riders_text(report)]))
        return
    reports = [{"error": str(o)} if isinstance(o, FlightError) else o for o in outcomes]
    lines = [f"failed: {r['error']}" if "error" in r else _text(r) for r in reports]
    give({"flights": reports}, as_json, "\n".join(lines))
    if faults:
        raise FlightError(f"{len(faults)} of {len(outcomes)} flights did not end as planned: {faults[0]}")


def _text(report: Mapping[str, Any]) -> str:
    return (
        f"vehicle {report['vehicle']} landed: {report['items_sent']} items flown, "
        f"{report['photos_confirmed']} photos confirmed (expected {report['photos_expected']}), "
        f"{report['duration_s'] / 60:.1f} min; {report['folder']}"
    )
