"""missionctl doctor: what is installed, what is missing and what each missing thing would give."""

from __future__ import annotations

import typer

from missionctl.cli.output import JsonFlag, give
from missionctl.services.checkup import Check, check_all


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def _mark(check: Check) -> str:
    return "ok     " if check.ok else "MISSING" if check.needed else "absent "


def doctor(as_json: JsonFlag = False) -> None:
    """Say what is installed, what is missing and what each missing thing would give."""
    checks = check_all()
    ready = all(c.ok for c in checks if c.needed)
    lines = [f"{_mark(c)}  {c.name:<28} {c.found if c.ok else c.gives}" for c in checks]
    lines.append("")
    lines.append("Ready." if ready else "Not ready: something needed is missing (see above).")
    give(
        {
            "ready": ready,
            "checks": [
                {"name": c.name, "ok": c.ok, "needed": c.needed, "found": c.found, "gives": c.gives}
                for c in checks
            ],
        },
        as_json,
        "\n".join(lines),
    )
    raise typer.Exit(0 if ready else 2)
