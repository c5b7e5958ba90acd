"""The options that say how a station talks, and to which vehicle: addresses, signing, who rides along."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from missionctl.cli.output import say

if TYPE_CHECKING:
    from flight.station import StationSettings
    from missionctl.services.vehicle_work import Target

Connect = Annotated[str, typer.Option(metavar="URL", help="udp:HOST:PORT, tcp:HOST:PORT, serial:DEV:BAUD")]
VehicleId = Annotated[
    int | None, typer.Option("--vehicle", metavar="ID", help="Its system id, where several are heard.")
]
Profile = Annotated[str, typer.Option(help="wifi, radio57k, narrowband or satellite.")]
Sign = Annotated[
    Path | None,
    typer.Option("--sign", metavar="KEYFILE", help="Sign with this key; hear only who signs with it."),
]
AllowUnsigned = Annotated[
    bool, typer.Option("--allow-unsigned", help="With --sign: hear vehicles that do not sign too.")
]
Forward = Annotated[
    list[str] | None,
    typer.Option(
        "--forward",
        metavar="URL[?FILTER]",
        help="Let another program ride along; FILTER: may=listen|read|command & allow=, deny=, systems=, "
        "sign=own|lend. Repeat.",
    ),
]


def settings_of(
    sign: Path | None, allow_unsigned: bool, forward: Sequence[str] | None = None
) -> StationSettings:
    """The station that the options describe; its troubles go to stderr."""
    from missionctl.services.signing import station_settings

    return station_settings(sign, allow_unsigned, forward or (), lambda line: say(f"missionctl: {line}"))


@dataclass(frozen=True, kw_only=True)
class HowToTalk:
    """Which of the vehicles that are heard is meant, and how to talk to it."""

    vehicle: VehicleId = None
    profile: Profile = "wifi"
    sign: Sign = None
    allow_unsigned: AllowUnsigned = False

    def target_at(self, connect: str) -> Target:
        """The vehicle that the options name."""
        from missionctl.services.vehicle_work import Target

        return Target(connect, self.profile, self.vehicle, settings_of(self.sign, self.allow_unsigned))


@dataclass(frozen=True, kw_only=True)
class VehicleOptions(HowToTalk):
    """The options of a command that works on one vehicle."""

    connect: Connect

    def target(self) -> Target:
        """The vehicle that the options name."""
        return self.target_at(self.connect)


def take_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the shared options as one value: typer sees the fields of its type, the command gets
    the value."""
    hints = get_type_hints(command, include_extras=True)
    groups = {n: kind for n, kind in hints.items() if isinstance(kind, type) and issubclass(kind, HowToTalk)}

    @wraps(command)
    def flat(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    parameters: list[inspect.Parameter] = []
    for name, given in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _parameters_of(groups[name])
        else:
            parameters.append(given.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {each.name: each.annotation for each in parameters}
    return flat


def _parameters_of(kind: type[HowToTalk]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in sorted(fields(kind), key=lambda field: field.default is not MISSING)
    ]


def riders_text(report: Mapping[str, Any]) -> list[str]:
    """What signing and the endpoints counted, a line each, where there is something to tell."""
    lines = []
    signing = report.get("signing", {})
    bad = {
        kind.replace("_", " "): n for kind, n in signing.items() if n and kind in ("unsigned", "bad", "old")
    }
    if bad:
        lines.append("not heard for their signature: " + ", ".join(f"{n} {kind}" for kind, n in bad.items()))
    for end in report.get("forward", ()):
        line = f"{end['address']}: {end['sent']} messages out, {end['received']} in"
        if end["dropped"]:
            line += f", {end['dropped']} dropped because it was too slow"
        if end["refused"]:
            line += ", refused: " + ", ".join(f"{n} ({why})" for why, n in end["refused"].items())
        lines.append(line)
    return lines
