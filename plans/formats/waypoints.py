"""Mission Planner's and MAVProxy's `.waypoints` files ("QGC WPL 110"): read and write.

Source: MAVLink developer guide, "File formats". A row is: index, current, frame, command, param1..4, x, y, z,
autocontinue. ArduPilot's tools put home into row 0; fences and rally points come as files of the same kind.
"""

from __future__ import annotations

import math
from pathlib import Path

from plans.errors import PlanFileError
from plans.formats.files import read_text, write_text
from plans.formats.qgc_plan import circle_ring
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

_HEADER = "QGC WPL 110"
_RETURN_POINT, _POLYGON_IN, _POLYGON_OUT, _CIRCLE_IN, _CIRCLE_OUT, _RALLY = 5000, 5001, 5002, 5003, 5004, 5100


def write_waypoints(mission: Mission, path: Path | str) -> Path:
    """Write the items with home in row 0; numbers come back as they are.

    NaN is written "NaN", as .NET (Mission Planner) wants it; ArduPilot takes it for a waypoint's yaw, and to
    PX4 0 would mean north. Fence, rally points and the speed of the plan do not fit this file and are not
    written; a home without a height gets 0. Raises PlanFileError.
    """
    home = mission.home or next((GeoPoint(i.lat_deg, i.lon_deg) for i in mission.items if i.has_place), None)
    if home is None:
        raise PlanFileError(f"{path}: a mission without any place cannot be a .waypoints file")
    first = MissionItem(
        Command.NAV_WAYPOINT,
        AltitudeFrame.AMSL,
        (0.0, 0.0, 0.0, 0.0),
        home.lat_deg,
        home.lon_deg,
        home.alt_amsl_m or 0.0,
    )
    rows = [_row(index, item) for index, item in enumerate((first, *mission.items))]
    return write_text(path, "\n".join([_HEADER, *rows]) + "\n")


def _row(index: int, item: MissionItem) -> str:
    params = "\t".join(_number(p, 8) for p in item.params)
    return (
        f"{index}\t{int(index == 0)}\t{int(item.frame)}\t{int(item.command)}\t{params}\t"
        f"{_number(item.lat_deg, 8)}\t{_number(item.lon_deg, 8)}\t{_number(item.alt_m, 6)}\t"
        f"{int(item.autocontinue)}"
    )


def _number(value: float, places: int) -> str:
    """With as many places as such files have, or as many as the number needs to come back."""
    if math.isnan(value):
        return "NaN"
    text = f"{value:.{places}f}"
    return text if float(text) == value else repr(float(value))


def read_waypoints(path: Path | str) -> Mission:
    """The mission of a `.waypoints` file; of a fence or rally file, a mission with only those.

    A first row that is a waypoint in the absolute frame is home; old Mission Planners gave it command 0.
    Raises PlanFileError.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    if not lines[0].startswith("QGC WPL"):
        raise PlanFileError(f'{path}: not a waypoint file (its first line is not "{_HEADER}")')
    if lines[0].split()[-1] != "110":
        raise PlanFileError(
            f"{path}: waypoint files of version {lines[0].split()[-1]} are not known, only 110"
        )
    rows = [(n, line) for n, line in enumerate(lines[1:], 2) if line.strip() and not line.startswith("#")]
    items = [_read_row(line, number, path) for number, line in rows]
    home = None
    if items and items[0].command in (0, Command.NAV_WAYPOINT) and items[0].frame == AltitudeFrame.AMSL:
        home = GeoPoint(items[0].lat_deg, items[0].lon_deg, items[0].alt_m)
        items = items[1:]
    inclusion, exclusion = _fences(items, path)
    rally = tuple(GeoPoint(i.lat_deg, i.lon_deg, i.alt_m) for i in items if i.command == _RALLY)
    special = (_RETURN_POINT, _POLYGON_IN, _POLYGON_OUT, _CIRCLE_IN, _CIRCLE_OUT, _RALLY)
    speed = next(
        (i.params[1] for i in items if i.command == Command.DO_CHANGE_SPEED and i.params[1] > 0), None
    )
    flown = tuple(i for i in items if i.command not in special)
    return Mission(flown, home, speed, inclusion, exclusion, rally)


def _read_row(line: str, number: int, path: Path) -> MissionItem:
    cells = line.split()
    if len(cells) != 12:
        raise PlanFileError(
            f"{path}: line {number} has {len(cells)} fields, not 12; the file is cut short or altered"
        )
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise PlanFileError(f"{path}: line {number}: {error}") from error
    if not all(math.isfinite(v) for v in (*values[:4], *values[8:])):
        raise PlanFileError(f"{path}: line {number} has a place or command that is not a number")
    if values[2] != AltitudeFrame.MISSION and not (abs(values[8]) <= 90 and abs(values[9]) <= 180):
        raise PlanFileError(f"{path}: line {number}: ({cells[8]}, {cells[9]}) is no latitude and longitude")
    return MissionItem(
        command=int(values[3]),
        frame=int(values[2]),
        params=(values[4], values[5], values[6], values[7]),
        lat_deg=values[8],
        lon_deg=values[9],
        alt_m=values[10],
        autocontinue=bool(values[11]),
    )


_Rings = tuple[tuple[GeoPoint, ...], ...]


def _fences(items: list[MissionItem], path: Path) -> tuple[_Rings, _Rings]:
    """Polygon corners come in a row, each saying in param1 how many its polygon has."""
    rings: dict[bool, list[tuple[GeoPoint, ...]]] = {True: [], False: []}
    at = 0
    while at < len(items):
        item = items[at]
        place = GeoPoint(item.lat_deg, item.lon_deg)
        if item.command in (_CIRCLE_IN, _CIRCLE_OUT):
            inclusion = item.command == _CIRCLE_IN
            rings[inclusion].append(circle_ring(place, item.params[0], inclusion))
        elif item.command in (_POLYGON_IN, _POLYGON_OUT):
            count = int(item.params[0])
            corners = items[at : at + count]
            if count < 3 or len(corners) < count or any(c.command != item.command for c in corners):
                raise PlanFileError(f"{path}: a fence polygon of {count} corners is not whole")
            ring = tuple(GeoPoint(c.lat_deg, c.lon_deg) for c in corners)
            rings[item.command == _POLYGON_IN].append(ring)
            at += count - 1
        at += 1
    return tuple(rings[True]), tuple(rings[False])
