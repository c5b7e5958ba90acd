"""The options that say how a station talks: signing, and who rides along."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

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
