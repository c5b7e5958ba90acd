"""What a mission does, read from its items: flights, stretches under trigger, and the photos they give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plans.errors import PlanFileError
from plans.flights import shot_places
from plans.frames import FloatArray, GeoPoint, LocalFrame, Pose
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.terrain import Terrain

MOVES = (
    Command.NAV_WAYPOINT,
    Command.NAV_LOITER_UNLIM,
    Command.NAV_LOITER_TIME,
    Command.NAV_SPLINE_WAYPOINT,
    Command.NAV_LAND,
)
"""Items that a vehicle flies to when they have a place."""
_AMSL_FRAMES, _TERRAIN_FRAMES = (0, 5), (10, 11)


@dataclass(frozen=True)
class Stretch:
    """A piece of a flight's path on which the camera fires every `trigger_m`: path points first..last."""

    first: int
    last: int
    trigger_m: float


@dataclass(frozen=True, eq=False)
class PlannedFlight:
    """One flight of a mission, from a take-off to the next.

    `path` is (n, 3): east, north in local metres and altitude as the items say it (datum: `frame`). `items`
    are all its items, `setup` those before the first waypoint that have no place (speed, gimbal).
    """

    launch: GeoPoint | None
    items: tuple[MissionItem, ...]
    take_off: MissionItem | None
    setup: tuple[MissionItem, ...]
    frame: int
    path: FloatArray
    stretches: tuple[Stretch, ...]


def frame_of(mission: Mission) -> LocalFrame:
    """A local frame centred on the mission's places. Raises PlanFileError when it has none."""
    places = [GeoPoint(item.lat_deg, item.lon_deg) for item in mission.items if item.has_place]
    if not places:
        raise PlanFileError("the mission has no waypoints; take the plan of a survey")
    return LocalFrame.around(places)


def flights_of(mission: Mission, local: LocalFrame) -> tuple[PlannedFlight, ...]:
    """The flights of a mission: one for each take-off, or one when there is none.

    Camera triggers by distance (DO_SET_CAM_TRIGG_DIST), by time (DO_SET_CAM_TRIGG_INTERVAL and
    IMAGE_START_CAPTURE, at the speed commanded) and single shots are understood; DO_JUMP is not followed.
    """
    groups: list[list[MissionItem]] = [[]]
    for item in mission.items:
        if item.command == Command.NAV_TAKEOFF and any(i.command in MOVES for i in groups[-1]):
            groups.append([])
        groups[-1].append(item)
    speed = mission.cruise_speed_mps or 5.0
    flights = []
    for group in groups:
        reader = _Reader(local, mission.home, speed)
        for item in group:
            reader.take(item)
        flights.append(reader.flight(tuple(group)))
        speed = reader.speed_mps
    return tuple(flights)


class _Reader:
    """Walks the items of one flight."""

    def __init__(self, local: LocalFrame, home: GeoPoint | None, speed_mps: float) -> None:
        self.local, self.home, self.speed_mps = local, home, speed_mps
        self.take_off: MissionItem | None = None
        self.launch = home
        self.setup: list[MissionItem] = []
        self.frame: int = AltitudeFrame.RELATIVE
        self.path: list[tuple[float, float, float]] = []
        self.stretches: list[Stretch] = []
        self._on: tuple[int, float] | None = None

    def take(self, item: MissionItem) -> None:
        if item.command == Command.NAV_TAKEOFF:
            self.take_off = item
            if item.has_place:
                self.launch = GeoPoint(
                    item.lat_deg, item.lon_deg, self.home.alt_amsl_m if self.home else None
                )
        elif item.command in MOVES and item.has_place:
            self._move(item)
        elif item.command == Command.DO_SET_CAM_TRIGG_DIST:
            self._trigger(item.params[0])
        elif item.command == Command.DO_SET_CAM_TRIGG_INTERVAL:
            self._trigger(item.params[0] / 1000.0 * self.speed_mps)
        elif item.command == Command.IMAGE_START_CAPTURE and item.params[2] != 1:
            self._trigger(item.params[1] * self.speed_mps)
        elif item.command == Command.IMAGE_STOP_CAPTURE:
            self._trigger(0.0)
        elif item.command in (Command.DO_DIGICAM_CONTROL, Command.IMAGE_START_CAPTURE):
            self._single()
        else:
            if item.command == Command.DO_CHANGE_SPEED and item.params[1] > 0:
                self.speed_mps = item.params[1]
            if not self.path and not item.has_place:
                self.setup.append(item)

    def _move(self, item: MissionItem) -> None:
        e, n = self.local.to_local(item.lat_deg, item.lon_deg)
        if not self.path:
            self.frame = item.frame
        self.path.append((float(e), float(n), item.alt_m))

    def _trigger(self, distance_m: float) -> None:
        self._close()
        if distance_m > 0 and self.path:
            self._on = (len(self.path) - 1, distance_m)

    def _single(self) -> None:
        if self.path and self._on is None:
            self.stretches.append(Stretch(len(self.path) - 1, len(self.path) - 1, 1.0))

    def _close(self) -> None:
        if self._on is not None and len(self.path) - 1 > self._on[0]:
            self.stretches.append(Stretch(self._on[0], len(self.path) - 1, self._on[1]))
        self._on = None

    def flight(self, items: tuple[MissionItem, ...]) -> PlannedFlight:
        self._close()
        path = np.array(self.path).reshape(-1, 3)
        return PlannedFlight(
            self.launch, items, self.take_off, tuple(self.setup), self.frame, path, tuple(self.stretches)
        )


def launch_m(flight: PlannedFlight, local: LocalFrame) -> FloatArray | None:
    """East, north (2,) of a flight's launch point, None where that is unknown."""
    if flight.launch is None:
        return None
    e, n = local.to_local(flight.launch.lat_deg, flight.launch.lon_deg)
    return np.array([float(e), float(n)])


def stretch_shots(flight: PlannedFlight, stretch: Stretch) -> tuple[FloatArray, FloatArray]:
    """Places (n, 3; altitude as in the flight's path) and headings (n,) of the photos of a stretch."""
    points = flight.path[stretch.first : stretch.last + 1]
    if len(points) == 1:
        return points, np.zeros(1)
    return shot_places(points, stretch.trigger_m)


@dataclass(frozen=True, eq=False)
class PlannedShots:
    """The photos of a mission as arrays: places (n, 3) of east, north, up (AMSL), headings (n,), the ground
    height that the altitudes of their flight count from (n,), and the distance between photos there (n,)."""

    places_m: FloatArray
    yaws_deg: FloatArray
    bases_m: FloatArray
    triggers_m: FloatArray


def planned_shots(mission: Mission, terrain: Terrain) -> PlannedShots:
    """The photos of a mission in the terrain's frame.

    Relative altitudes are taken from the terrain under each flight's launch point; when that is unknown,
    from under its first waypoint. Raises PlanFileError when there is no ground either.
    """
    places, yaws, bases, triggers = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for flight in flights_of(mission, terrain.frame):
        if not len(flight.path):
            continue
        base = _base_m(flight, terrain)
        for stretch in flight.stretches:
            at, yaw = stretch_shots(flight, stretch)
            places.append(np.column_stack([at[:, :2], heights_amsl_m(at, flight, terrain)]))
            yaws.append(yaw)
            bases.append(np.full(len(at), base))
            triggers.append(np.full(len(at), stretch.trigger_m))
    return PlannedShots(*(np.concatenate(part) for part in (places, yaws, bases, triggers)))


def mission_poses(mission: Mission, terrain: Terrain) -> tuple[Pose, ...]:
    """The poses of all photos of a mission, looking straight down, in the terrain's frame, heights AMSL: see
    planned_shots."""
    shots = planned_shots(mission, terrain)
    return tuple(
        Pose(east, north, up, yaw, -90.0, 0.0)
        for (east, north, up), yaw in zip(shots.places_m.tolist(), shots.yaws_deg.tolist(), strict=True)
    )


def heights_amsl_m(points_m: FloatArray, flight: PlannedFlight, terrain: Terrain) -> FloatArray:
    """Heights AMSL (n,) of places (n, 3) whose altitudes are as the flight's items say them; NaN where they
    count from ground that the terrain does not know. Raises PlanFileError when that is the launch point's."""
    if flight.frame in _AMSL_FRAMES:
        return points_m[:, 2]
    if flight.frame in _TERRAIN_FRAMES:
        return points_m[:, 2] + terrain.at(points_m[:, 0], points_m[:, 1])
    return points_m[:, 2] + _base_m(flight, terrain)


def _base_m(flight: PlannedFlight, terrain: Terrain) -> float:
    """The ground height (AMSL) that relative altitudes of a flight count from."""
    if flight.launch is not None:
        base = float(terrain.at(*terrain.frame.to_local(flight.launch.lat_deg, flight.launch.lon_deg)))
        if np.isfinite(base):
            return base
        if flight.launch.alt_amsl_m is not None:
            return flight.launch.alt_amsl_m
    base = float(terrain.at(flight.path[0, 0], flight.path[0, 1]))
    if not np.isfinite(base):
        raise PlanFileError(
            f"{terrain.source}: no ground height at the plan's launch point, so its relative altitudes mean "
            "nothing; take a DEM that covers it"
        )
    return base
