"""What `missionctl plan` says to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from missionctl.cli.radio import stretch_text
from missionctl.cli.values import clock, percent, place_text

_MOST_GAPS, _MOST_STRETCHES = 3, 8


def plan_text(result: Mapping[str, Any]) -> str:
    """The result of planning in words and tables."""
    lines = [_files(result["files"]), *_sorties(result["sorties"]), *_when(result)]
    lines += _proof(result)
    if "radio" in result:
        lines += radio_lines(result["radio"])
    lines += [f"note: {note}" for note in result["notes"]]
    return "\n".join(lines)


def _files(files: Sequence[str]) -> str:
    if len(files) == 1:
        return files[0]
    return f"{files[0]} (all sorties, to look at); to fly: {Path(files[1]).name} ... {Path(files[-1]).name}"


def _sorties(sorties: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row a sortie: when it starts, how long it takes, and the most of its battery that it may need."""
    rows = [("sortie", "drone", "start", "minutes", "battery", "photos", "launch")]
    for number, sortie in sorted(
        enumerate(sorties, 1), key=lambda row: (round(row[1]["start_s"] / 60), row[0])
    ):
        most = max(sortie["battery_share"], sortie["battery_share_home"])
        name = "" if sortie["name"] == "drone" else f" {sortie['name']}"
        rows.append(
            (
                str(number),
                f"{sortie['drone']}{name}",
                clock(sortie["start_s"]),
                f"{sortie['duration_s'] / 60:.0f}",
                percent(most).replace(".0%", "%") if most == 1 else f"{most:.0%}",
                str(sortie["photos"]),
                place_text(*sortie["launch"]),
            )
        )
    return table(rows, left=(1, 6))


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Rows in columns two spaces apart; the columns `left` are flush left, the others flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _when(result: Mapping[str, Any]) -> list[str]:
    """The whole, how long it takes, and when the ground has been photographed."""
    sorties = result["sorties"]
    seen = result["time_to_image_s"]
    one = len(sorties) == 1
    lines = [
        f"{result['lanes']} lanes, {result['photos']} photos, {result['length_m'] / 1000:.1f} km, "
        f"{result['duration_s'] / 60:.0f} min of flight in {len(sorties)} {'sortie' if one else 'sorties'}; "
        f"the last lands {clock(result['makespan_s'])} (h:mm) after the first take-off, swaps included",
        f"of what counts in the zone (area, priority, exposure) half has been photographed once by "
        f"{clock(seen['50%'])}, 90% by {clock(seen['90%'])}",
    ]
    zones = result["zones"]
    if len(zones) > 1:
        rows = [("zone", "priority", "half by", "90% by")]
        for zone in zones:
            times = zone.get("time_to_image_s", {"50%": None, "90%": None})
            rows.append((zone["name"], f"{zone['priority']:g}", clock(times["50%"]), clock(times["90%"])))
        lines += table(rows)
    return lines


def _proof(result: Mapping[str, Any]) -> list[str]:
    """How much of the zone is seen, where it is not, how fine, and how far from the ground."""
    coverage, gsd = result["coverage"], result["gsd_cm"]
    lines = [
        f"{percent(coverage['share'])} of {_flown_zone(result)} is seen by {coverage['k']} photos or more; "
        f"GSD {gsd['min']:.1f} to {gsd['max']:.1f} cm; "
        f"never lower than {int(result['min_clearance_m'])} m above ground"
    ]
    gaps = coverage["gaps"]
    if coverage["share"] < 1 and gaps:
        for gap in gaps[:_MOST_GAPS]:
            lines.append(f"  too few photos: {gap['area_m2']:.0f} m2 at {_gap(gap)}")
        if len(gaps) > _MOST_GAPS:
            lines.append(f"  and in {len(gaps) - _MOST_GAPS} smaller places or more (--json lists them)")
    return lines


def _flown_zone(result: Mapping[str, Any]) -> str:
    """The zone, or what no-fly areas and the radio leave of it."""
    left_out = result["coverage"]["left_out_share"]
    if left_out < 0.0005:
        return "the zone"
    radio = " and where there is a radio link" if result.get("radio", {}).get("left_out_share") else ""
    return f"the {percent(1 - left_out)} of the zone outside of no-fly areas{radio}"


def _gap(gap: Mapping[str, Any]) -> str:
    return f"{place_text(gap['lat'], gap['lon'])} ({gap['why']})"


def radio_lines(radio: Mapping[str, Any]) -> list[str]:
    """Where the link to the station will be lost, and where a relay would help."""
    lost = radio["lost"]
    head = f"radio ({radio['link']['name']}): {percent(radio['share_connected'])} of the way has a link"
    lines = [head if not lost else f"{head}; it will be lost here:"]
    lines += [f"  sortie {stretch['sortie']}: {stretch_text(stretch)}" for stretch in lost[:_MOST_STRETCHES]]
    if len(lost) > _MOST_STRETCHES:
        lines.append(f"  and on {len(lost) - _MOST_STRETCHES} stretches more (--json lists them)")
    if radio["relay"] and radio["relay"]["station_margin_db"] < 0:
        lines.append("  the relay itself has no link to the station")
    relay = radio["relay_proposal"]
    if relay and relay["share_of"] == "flights":
        lines.append(
            f"  a relay {relay['height_agl_m']:g} m above ground at "
            f"{place_text(relay['lat_deg'], relay['lon_deg'])} brings that to {percent(relay['share_after'])}"
        )
    elif lost and not radio["relay"] and not radio["left_out_share"]:
        lines.append("  no place for a relay within the station's reach brings any of it back")
    return lines
