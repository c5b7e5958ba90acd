"""The options that say what a flight is held against, of check and fly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from missionctl.services.checking import SafetyWishes

Tick = Annotated[
    list[str] | None,
    typer.Option("--tick", metavar="KEY", help="An item of the list that you have seen to; repeat."),
]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="KEY", help="A failed check that you fly with all the same; repeat."),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it, for the record.")]
Dem = Annotated[Path | None, typer.Option("--dem", help="Ground heights (default: the mission folder's).")]
NoFly = Annotated[Path | None, typer.Option("--no-fly", metavar="FILE", help="Areas never to enter.")]
Endurance = Annotated[
    float | None,
    typer.Option("--endurance", metavar="MIN", help="How long a full battery flies the survey."),
]


def wishes_of(
    dem: Path | None,
    no_fly: Path | None,
    endurance_min: float | None,
    accept: Sequence[str] | None,
    tick: Sequence[str] | None,
    by: str | None,
) -> SafetyWishes:
    """The options as a value."""
    from missionctl.services.checking import SafetyWishes

    endurance_s = None if endurance_min is None else endurance_min * 60
    return SafetyWishes(dem, no_fly, endurance_s, tuple(accept or ()), tuple(tick or ()), by)
