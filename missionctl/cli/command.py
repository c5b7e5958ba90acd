"""missionctl command: vehicles in flight told to do something, and seen doing it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from missionctl.cli.output import JsonFlag, give, say
from missionctl.cli.station import AllowUnsigned, Profile, Sign, settings_of
from missionctl.cli.values import ValueTypedError
from plans.errors import MissionError
from plans.frames import GeoPoint

if TYPE_CHECKING:
    from flight.commands.confirmed import Danger
    from flight.commands.group import GroupAction

_FLAGS = ("--all", "--yes", "--json", "--allow-unsigned")
_VALUED = ("--connect", "--vehicle", "--profile", "--sign", "--by", "--record")


class _OptionsAnywhere(TyperGroup):
    """The options that all actions share may stand before the action or behind it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        shared: list[str] = []
        rest: list[str] = []
        left = list(args)
        while left:
            word = left.pop(0)
            if word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _VALUED)):
                shared.append(word)
            elif word in _VALUED:
                shared += [word, *left[:1]]
                left = left[1:]
            else:
                rest.append(word)
        return list(super().parse_args(ctx, shared + rest))


@dataclass(frozen=True)
class _Shared:
    """The options of all actions."""

    connect: tuple[str, ...]
    vehicles: tuple[int, ...]
    every: bool
    yes: bool
    by: str
    profile: str
    sign: Path | None
    allow_unsigned: bool
    record: Path | None
    as_json: bool


commands = typer.Typer(
    cls=_OptionsAnywhere,
    help="Tell vehicles to do something, and see that they do it.",
    no_args_is_help=True,
    add_completion=False,
)
_NEGATIVE = {"ignore_unknown_options": True}
"""So that a latitude may begin with a minus."""

Place = Annotated[str, typer.Argument(metavar="LAT,LON[,HEIGHT]", help="Degrees; metres above the launch.")]
Speed = Annotated[float | None, typer.Option(metavar="M/S", help="Ground speed.")]


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="command")


@commands.callback()
def shared(
    ctx: typer.Context,
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD; repeat."),
    ] = None,
    vehicle: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="System id; repeat for several (default: the only one heard)."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All vehicles that are heard.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do what is dangerous without asking.")] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who confirms, for the record.")] = None,
    profile: Profile = "wifi",
    sign: Sign = None,
    allow_unsigned: AllowUnsigned = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep telemetry.tlog and events.jsonl there; later ones go on."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    if every and vehicle:
        raise ValueTypedError("--all and --vehicle exclude each other")
    ctx.obj = _Shared(
        tuple(connect or ()),
        tuple(vehicle or ()),
        every,
        yes,
        by or getpass.getuser(),
        profile,
        sign,
        allow_unsigned,
        record,
        as_json,
    )


@commands.command("pause")
def pause(ctx: typer.Context) -> None:
    """Stop in the air and hover."""
    from flight.commands import actions

    _do(ctx, "pause", lambda vehicle, confirmed: actions.pause(vehicle))


@commands.command("continue")
def go_on(ctx: typer.Context) -> None:
    """Go on with what was paused."""
    from flight.commands import actions

    _do(ctx, "continue", lambda vehicle, confirmed: actions.go_on(vehicle))


@commands.command("mission")
def mission(ctx: typer.Context) -> None:
    """Fly the stored mission: from the ground (asks first), or on from the current item."""
    from flight.commands import actions
    from flight.commands.confirmed import Danger

    _do(ctx, "mission", actions.start_mission, Danger.START_MISSION, only_on_ground=True)


@commands.command("item")
def item(ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="N")]) -> None:
    """Make item N of the stored mission the current one; in a mission it flies there now."""
    from flight.commands import actions

    _do(ctx, "item", lambda vehicle, confirmed: actions.set_current_item(vehicle, number))


@commands.command("rtl")
def rtl(ctx: typer.Context) -> None:
    """Come home and land."""
    from flight.commands import actions

    _do(ctx, "rtl", lambda vehicle, confirmed: actions.return_home(vehicle))


@commands.command("land")
def land(ctx: typer.Context) -> None:
    """Land where it is."""
    from flight.commands import actions

    _do(ctx, "land", lambda vehicle, confirmed: actions.land(vehicle))


@commands.command("goto", context_settings=_NEGATIVE)
def goto(
    ctx: typer.Context,
    place: Place,
    speed: Speed = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is there.")] = False,
) -> None:
    """Fly to a place; without a height, at the present one."""
    from flight.commands import guided

    where, height_m = _place(place)
    _do(ctx, "goto", lambda vehicle, confirmed: guided.go_to(vehicle, where, height_m, speed, wait))


@commands.command("orbit", context_settings=_NEGATIVE)
def orbit(
    ctx: typer.Context,
    place: Place,
    radius: Annotated[float, typer.Option(metavar="M", help="Radius.")] = 30.0,
    speed: Annotated[float, typer.Option(metavar="M/S", help="Ground speed.")] = 5.0,
    turns: Annotated[float, typer.Option(metavar="N", help="How often around.")] = 1.0,
    counterclockwise: Annotated[bool, typer.Option("--counterclockwise", help="The other way.")] = False,
) -> None:
    """Fly around a place, looking at it; ends after the turns (Ctrl-C: it stops where it is)."""
    from flight.commands import guided

    where, height_m = _place(place)
    _do(
        ctx,
        "orbit",
        lambda vehicle, confirmed: guided.orbit(
            vehicle, where, radius, speed, not counterclockwise, turns, height_m
        ),
    )


@commands.command("speed")
def speed(ctx: typer.Context, value: Annotated[float, typer.Argument(metavar="M/S")]) -> None:
    """Fly at another ground speed."""
    from flight.commands import guided

    _do(ctx, "speed", lambda vehicle, confirmed: guided.change_speed(vehicle, value))


@commands.command("altitude", context_settings=_NEGATIVE)
def altitude(ctx: typer.Context, height: Annotated[float, typer.Argument(metavar="HEIGHT")]) -> None:
    """Climb or sink to a height above the launch point, in metres; leaves a mission."""
    from flight.commands import guided

    _do(ctx, "altitude", lambda vehicle, confirmed: guided.change_altitude(vehicle, height))


@commands.command("look", context_settings=_NEGATIVE)
def look(
    ctx: typer.Context,
    place: Annotated[str, typer.Argument(metavar="LAT,LON[,HEIGHT]|ahead", help="A place, or ahead again.")],
) -> None:
    """Look at a place (with the nose, or the gimbal), or ahead again."""
    from flight.commands import looking

    if place == "ahead":
        _do(ctx, "look", lambda vehicle, confirmed: looking.look_ahead(vehicle))
        return
    where, height_m = _place(place)
    _do(ctx, "look", lambda vehicle, confirmed: looking.look_at(vehicle, where, height_m or 0.0))


@commands.command("gimbal", context_settings=_NEGATIVE)
def gimbal(
    ctx: typer.Context,
    pitch: Annotated[float, typer.Argument(metavar="PITCH", help="Degrees; -90 looks down.")],
    yaw: Annotated[float, typer.Option(metavar="DEG", help="From the nose, clockwise.")] = 0.0,
) -> None:
    """Turn the gimbal."""
    from flight.commands import looking

    _do(ctx, "gimbal", lambda vehicle, confirmed: looking.point_gimbal(vehicle, pitch, yaw))


@commands.command("photo")
def photo(
    ctx: typer.Context,
    seconds: Annotated[float | None, typer.Option(metavar="S", help="One each S seconds.")] = None,
    metres: Annotated[float | None, typer.Option(metavar="M", help="One each M metres.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="No more of these.")] = False,
) -> None:
    """Take a photo now, or one again and again, or no more."""
    from flight.commands import looking

    if sum((seconds is not None, metres is not None, stop)) > 1:
        raise ValueTypedError("give one of --seconds, --metres and --stop")
    action: GroupAction
    if seconds is not None:
        action = lambda vehicle, confirmed: looking.photos_each_seconds(vehicle, seconds)  # noqa: E731
    elif metres is not None:
        action = lambda vehicle, confirmed: looking.photos_each_metres(vehicle, metres)  # noqa: E731
    elif stop:
        action = lambda vehicle, confirmed: looking.stop_photos(vehicle)  # noqa: E731
    else:
        action = lambda vehicle, confirmed: looking.take_photo(vehicle)  # noqa: E731
    _do(ctx, "photo", action)


@commands.command("high-latency")
def high_latency(
    ctx: typer.Context,
    switch: Annotated[str, typer.Argument(metavar="on|off", help="Open its satellite modem, or close it.")],
) -> None:
    """Open or close the vehicle's satellite modem by hand; fly does it by itself."""
    from flight.commands import modem

    if switch not in ("on", "off"):
        raise ValueTypedError(f"high-latency {switch!r}: give on or off")
    _do(ctx, "high-latency", lambda vehicle, confirmed: modem.control_modem(vehicle, switch == "on"))


@commands.command("arm")
def arm(ctx: typer.Context) -> None:
    """Arm the motors: propellers turn. Asks first."""
    from flight.commands import actions
    from flight.commands.confirmed import Danger

    _do(ctx, "arm", actions.arm, Danger.ARM)  # type: ignore[arg-type]


@commands.command("disarm")
def disarm(ctx: typer.Context) -> None:
    """Stop the motors on the ground. In flight: see stop."""
    from flight.commands import actions

    _do(ctx, "disarm", lambda vehicle, confirmed: actions.disarm(vehicle))


@commands.command("takeoff")
def takeoff(ctx: typer.Context, height: Annotated[float, typer.Argument(metavar="HEIGHT")]) -> None:
    """Arm and take off to a height in metres. Asks first."""
    from flight.commands import actions
    from flight.commands.confirmed import Danger

    _do(
        ctx,
        "takeoff",
        lambda vehicle, confirmed: actions.take_off(vehicle, height, confirmed),  # type: ignore[arg-type]
        Danger.TAKE_OFF,
    )


@commands.command("stop")
def stop(
    ctx: typer.Context,
    really: Annotated[bool, typer.Option("--really", help="It will fall.")] = False,
) -> None:
    """Stop the motors NOW, in flight too: the vehicle falls. Asks first."""
    from flight.commands import actions
    from flight.commands.confirmed import Danger

    if not really:
        raise MissionError("this stops the motors in flight and the vehicle falls; give --really")
    _do(
        ctx,
        "stop",
        actions.emergency_stop,  # type: ignore[arg-type]
        Danger.EMERGENCY_STOP,
        at_once=True,
    )


_WORDS = {"arm": "arm", "take off": "takeoff", "start the mission": "fly", "emergency stop": "stop"}
"""What a person types to confirm."""


def _do(
    ctx: typer.Context,
    name: str,
    action: GroupAction,
    danger: Danger | None = None,
    only_on_ground: bool = False,
    at_once: bool = False,
) -> None:
    """Do an action and tell its outcomes; exit 2 with a line for each vehicle where it failed."""
    from missionctl.services.commanding import CommandRequest, command_vehicles, report

    options: _Shared = ctx.find_object(_Shared) or _missing()
    if not options.connect:
        raise ValueTypedError("--connect URL is missing: where are the vehicles?")
    settings = settings_of(options.sign, options.allow_unsigned)
    request = CommandRequest(
        options.connect,
        name,
        action,
        options.vehicles,
        options.every,
        danger,
        only_on_ground,
        at_once,
        options.profile,
        settings,
        options.record,
        options.by,
    )
    outcomes = command_vehicles(request, lambda what, lines: _confirmed(options, what, lines))
    done = [outcome for outcome in outcomes if outcome.result is not None]
    lines = [
        f"vehicle {o.vehicle}: {o.result.action}: {o.result.seen}{'' if o.result.proven else ' (not seen)'}"
        for o in done
        if o.result is not None
    ]
    if options.as_json or lines:
        give(report(name, outcomes), options.as_json, "\n".join(lines))
    for outcome in outcomes:
        if outcome.fault is not None:
            say(f"missionctl: {outcome.fault}")
    if len(done) < len(outcomes):
        raise typer.Exit(2)


def _missing() -> _Shared:
    raise ValueTypedError("--connect URL is missing: where are the vehicles?")


def _confirmed(options: _Shared, danger: Danger, vehicles: Sequence[str]) -> str:
    if options.yes:
        return options.by
    if not sys.stdin.isatty():
        raise MissionError(f"nobody is there to confirm '{danger}'; give --yes to do it without asking")
    for line in vehicles:
        say(line)
    word = _WORDS[danger]
    if input(f"'{danger}' for {len(vehicles)} of them. Type {word} to go on: ").strip().lower() != word:
        raise MissionError("not confirmed; nothing was sent")
    return options.by


def _place(text: str) -> tuple[GeoPoint, float | None]:
    """LAT,LON or LAT,LON,HEIGHT; the height is above the launch point."""
    from missionctl.cli.values import lat_lon

    place = lat_lon(text, "place")
    return GeoPoint(place.lat_deg, place.lon_deg), place.alt_amsl_m
