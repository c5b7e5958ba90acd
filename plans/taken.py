"""Photos that came, as their tags and camera events tell them, placed over the ground that they show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from plans.cameras import Camera, camera_database
from plans.frames import FloatArray, Pose
from plans.mission_shots import PlannedShots
from plans.terrain import Terrain

_MOST_OFF_NADIR_DEG = 55.0
_LEAST_REACH_M = 3.0
_STEADY_M = 5.0
"""Heights that differ from the planned ones by a datum differ all alike; more scatter than this is something
else."""
_FEW, _GOOD_PART = 3, 0.3


@dataclass(frozen=True)
class TakenPhoto:
    """A photo that came. NaN where nothing is known; angles are the camera's (pitch -90 looks down),
    `alt_rel_m` is above the launch point. Photos stand in the order in which they were taken."""

    camera: Camera
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float = math.nan
    alt_rel_m: float = math.nan
    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    roll_deg: float = math.nan


@dataclass(frozen=True)
class PlacedPhotos:
    """The poses of photos, by camera, and how many do not count: they look too far to the side, or nothing
    tells their height. `shifts_m` is what the heights in the tags are above the terrain's, by camera name."""

    poses: Mapping[Camera, tuple[Pose, ...]]
    oblique: int = 0
    without_height: int = 0
    shifts_m: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Photos that count."""
        return sum(len(poses) for poses in self.poses.values())


@dataclass(frozen=True)
class PlannedBy:
    """The mission that photos may be of: its photos, its camera, and how high it flew above ground."""

    shots: PlannedShots
    camera: Camera | None
    height_agl_m: float


def place_photos(
    photos: Sequence[TakenPhoto],
    terrain: Terrain,
    planned: PlannedBy | None,
    *,
    has_datum: bool = True,
    known_shifts: Mapping[str, float] | None = None,
) -> PlacedPhotos:
    """The poses of photos in the terrain's frame.

    What a photo does not say comes from the planned shot that it was taken at (within half the distance
    between photos): its heading, its height. Without one, the heading is the course to the next photo, the
    height that of its camera's other photos above ground. Photos without an attitude look straight down.

    Receivers give heights AMSL above other datums than the DEM's: those of the mission's own camera are
    shifted as a whole to the heights that were flown, those of cameras in `known_shifts` by what is said
    there; and all of them where the ground has no datum (`has_datum` False: it is level at the launch).
    """
    if not photos:
        return PlacedPhotos({})
    table = _Table.of(photos, terrain)
    near = _planned_at(table, planned.shots) if planned is not None else np.full(len(photos), -1)
    pitch, roll, oblique = _tilts(table)
    yaw = _headings(table, near, planned)
    up, shifts = _Heights(table, terrain, planned, near, has_datum, known_shifts or {}).all_m()
    placed = np.isfinite(table.east) & np.isfinite(table.north)
    good = placed & ~oblique & np.isfinite(up)
    poses: dict[Camera, list[Pose]] = {}
    for i in np.flatnonzero(good).tolist():
        pose = Pose(
            float(table.east[i]),
            float(table.north[i]),
            float(up[i]),
            float(yaw[i]),
            float(pitch[i]),
            float(roll[i]),
        )
        poses.setdefault(photos[i].camera, []).append(pose)
    return PlacedPhotos(
        {camera: tuple(own) for camera, own in poses.items()},
        int((placed & oblique).sum()),
        int((placed & ~oblique & ~np.isfinite(up)).sum()),
        shifts,
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """Photos as columns (n,); `ground` is the height under each, `camera` numbers the cameras."""

    cameras: tuple[Camera, ...]
    camera: npt.NDArray[np.intp]
    east: FloatArray
    north: FloatArray
    ground: FloatArray
    amsl: FloatArray
    rel: FloatArray
    yaw: FloatArray
    pitch: FloatArray
    roll: FloatArray

    @classmethod
    def of(cls, photos: Sequence[TakenPhoto], terrain: Terrain) -> _Table:
        rows = np.array(
            [
                (p.lat_deg, p.lon_deg, p.alt_amsl_m, p.alt_rel_m, p.yaw_deg, p.pitch_deg, p.roll_deg)
                for p in photos
            ],
            float,
        )
        cameras = tuple(dict.fromkeys(p.camera for p in photos))
        number = {camera: i for i, camera in enumerate(cameras)}
        east, north = terrain.frame.to_local(rows[:, 0], rows[:, 1])
        return cls(
            cameras,
            np.array([number[p.camera] for p in photos]),
            east,
            north,
            terrain.at(east, north),
            *rows[:, 2:].T,
        )


def _planned_at(table: _Table, shots: PlannedShots) -> npt.NDArray[np.intp]:
    """For each photo the number of the planned shot that it was taken at, or -1: the nearest within half the
    distance between photos and, where the photo knows its heading, along the same line."""
    near = np.full(len(table.east), -1)
    known = np.flatnonzero(np.isfinite(shots.places_m).all(axis=1))
    if not len(known):
        return near
    tree = cKDTree(shots.places_m[known, :2])
    here = np.flatnonzero(np.isfinite(table.east) & np.isfinite(table.north))
    count = min(8, len(known))
    away, which = tree.query(np.column_stack([table.east, table.north])[here], k=count)
    away, which = away.reshape(len(here), count), known[which.reshape(len(here), count)]
    apart = np.abs((table.yaw[here, None] - shots.yaws_deg[which] + 90.0) % 180.0 - 90.0)
    fits = away <= np.maximum(shots.triggers_m[which] / 2, _LEAST_REACH_M)
    fits &= ~(apart > 45.0)
    first = np.argmax(fits, axis=1)
    rows = np.arange(len(here))
    near[here] = np.where(fits[rows, first], which[rows, first], -1)
    return near


def _tilts(table: _Table) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Pitch and roll of each photo, and whether it looks too far to the side to count."""
    told = np.isfinite(table.pitch) & (np.abs(table.pitch) > 1.0)  # some gimbals report zero whatever they do
    pitch = np.where(told, table.pitch, -90.0)
    roll = np.where(told & np.isfinite(table.roll), table.roll, 0.0)
    return pitch, roll, np.asarray(np.abs(90.0 + pitch) > _MOST_OFF_NADIR_DEG)


def _headings(table: _Table, near: npt.NDArray[np.intp], planned: PlannedBy | None) -> FloatArray:
    yaw = np.array(table.yaw)
    if planned is not None and len(planned.shots.yaws_deg):
        of_plan = np.where(near >= 0, planned.shots.yaws_deg[near], np.nan)
        yaw = np.where(np.isfinite(yaw), yaw, of_plan)
    for number in range(len(table.cameras)):
        own = np.flatnonzero((table.camera == number) & np.isfinite(table.east) & np.isfinite(table.north))
        if len(own) > 1:
            steps = np.diff(np.column_stack([table.east, table.north])[own], axis=0)
            course = np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))
            length = np.hypot(*steps.T)
            # the shorter of the steps before and behind lies along the lane
            before, behind = np.concatenate([[np.inf], length]), np.concatenate([length, [np.inf]])
            along = np.where(behind <= before, np.append(course, 0.0), np.concatenate([[0.0], course]))
            yaw[own] = np.where(np.isfinite(yaw[own]), yaw[own], along)
    return np.where(np.isfinite(yaw), yaw, 0.0)


@dataclass(frozen=True, eq=False)
class _Heights:
    """Works out the heights (AMSL, the terrain's datum) of photos, camera by camera."""

    table: _Table
    terrain: Terrain
    planned: PlannedBy | None
    near: npt.NDArray[np.intp]
    has_datum: bool
    known_shifts: Mapping[str, float]

    def all_m(self) -> tuple[FloatArray, dict[str, float]]:
        """Heights (n,), NaN where unknown, and by how much each camera's tags are above the terrain's
        datum."""
        up = np.full(len(self.near), np.nan)
        shifts: dict[str, float] = {}
        waiting = []
        for number, camera in enumerate(self.table.cameras):
            own = np.flatnonzero(self.table.camera == number)
            by_launch, flown = self._as_planned(own, camera)
            amsl = self.table.amsl[own]
            differences = amsl - np.where(np.isfinite(by_launch), by_launch, flown)
            differences = differences[np.isfinite(differences)]
            steady = True
            if camera.name in self.known_shifts:
                shifts[camera.name] = self.known_shifts[camera.name]
            elif len(differences) >= _FEW:
                middle = float(np.median(differences))
                steady = float(np.median(np.abs(differences - middle))) <= _STEADY_M
                shifts[camera.name] = middle
            elif not self.has_datum:
                waiting.append((number, own))
                up[own] = by_launch
                continue
            level = amsl - shifts.get(camera.name, 0.0)
            trusted = np.abs(by_launch - level) <= _STEADY_M
            if self.terrain.is_level or not steady:
                trusted[:] = True
            up[own] = np.where(np.isfinite(by_launch) & (trusted | ~np.isfinite(level)), by_launch, level)
            up[own] = np.where(np.isfinite(up[own]), up[own], flown)
        for number, own in waiting:
            shift = self._guess(number, own, shifts)
            up[own] = np.where(np.isfinite(up[own]), up[own], self.table.amsl[own] - shift)
        above = up - self.table.ground
        for number in range(len(self.table.cameras)):
            own = np.flatnonzero(self.table.camera == number)
            known = above[own][np.isfinite(above[own])]
            height = float(np.median(known)) if len(known) else self._usual_m(number)
            up[own] = np.where(np.isfinite(up[own]), up[own], self.table.ground[own] + height)
        return up, shifts if self.has_datum else {}

    def _as_planned(self, own: npt.NDArray[np.intp], camera: Camera) -> tuple[FloatArray, FloatArray]:
        """Heights of one camera's photos by what they say of their height above launch, and as planned; NaN
        where these are not known.

        A mission tells where its photos were launched from. Photos of other flights lie near its lanes too,
        here and there: it is believed where it accounts for a good part of the camera's photos.
        """
        nothing = np.full(len(own), np.nan)
        rel = self.table.rel[own]
        of_mission, base, flown = self.near[own] >= 0, nothing, nothing
        planned = self.planned
        ours = planned is not None and (planned.camera is None or _alike(camera, planned.camera))
        if planned is not None and ours and of_mission.sum() >= max(_FEW, _GOOD_PART * len(own)):
            shots, which = planned.shots, self.near[own]
            base = np.where(of_mission, shots.bases_m[which], np.median(shots.bases_m[which[of_mission]]))
            flown = np.where(of_mission, shots.places_m[which, 2], np.nan)
        if self.terrain.is_level:
            base = np.full(len(own), float(self.terrain.heights_m.flat[0]))
        return base + rel, flown

    def _guess(self, number: int, own: npt.NDArray[np.intp], shifts: Mapping[str, float]) -> float:
        """The shift where no launch height is known and no photo was taken where one was planned: that of
        other cameras, or such that the photos were taken at their camera's usual height."""
        if shifts:
            return float(np.median(list(shifts.values())))
        guesses = self.table.amsl[own] - self.table.ground[own] - self._usual_m(number)
        guesses = guesses[np.isfinite(guesses)]
        return float(np.median(guesses)) if len(guesses) else math.nan

    def _usual_m(self, number: int) -> float:
        """The height above ground at which a camera has the ground size of a pixel that was planned."""
        planned, camera = self.planned, self.table.cameras[number]
        if planned is None:
            return math.nan
        if planned.camera is None or _alike(camera, planned.camera):
            return planned.height_agl_m
        whole = camera_database().get(camera.name, camera)  # photos may have been made smaller since
        return whole.height_for_gsd_m(planned.camera.gsd_m(planned.height_agl_m))


def _alike(a: Camera, b: Camera) -> bool:
    """Whether two cameras are one, at any image size and however it is mounted: by name, or where a plan has
    a name of its own for it, by how wide it sees."""
    if a.name == b.name or b.name in camera_database():
        return a.name == b.name
    wide, other = sorted(a.footprint_m(1.0)), sorted(b.footprint_m(1.0))
    return all(abs(x / y - 1) < 0.02 for x, y in zip(wide, other, strict=True))
