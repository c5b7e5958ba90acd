"""What of a zone the photos that came do not show yet, and a survey of just that, for any drone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import shapely
from rasterio import Affine
from rasterio.features import shapes
from shapely import Geometry, MultiPolygon, Polygon
from shapely import ops as shapely_ops

from plans.cameras import Camera
from plans.coverage import NODATA, Coverage, GroundCells, cell_size_m, ground_cells
from plans.drones import Drone
from plans.errors import SurveyError, ZoneError
from plans.frames import FloatArray, GeoPoint, LocalFrame, Pose
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.survey_job import check_settings
from plans.terrain import Terrain
from plans.zones import Zone

_ROUNDS = 2  # of planning more ground where old and planned photos together still leave too much unseen
_SLIT_M = 1.0
_WHOLE = 0.995  # of a zone unseen: it is planned as it was drawn
_LEAST_MARGIN_M = 5.0


@dataclass(frozen=True)
class Ground:
    """The ground that is to be seen. Without a datum (`terrain` level at a made-up height) planned heights
    are relative."""

    terrain: Terrain
    has_datum: bool = True

    @property
    def frame(self) -> LocalFrame:
        """The terrain's."""
        return self.terrain.frame


@dataclass(frozen=True)
class Team:
    """Who will fly: the camera of drones that name none, launch points (none: the planner chooses), and how
    many drones there are, or which."""

    camera: Camera
    launches: tuple[GeoPoint, ...] = ()
    drones: int | tuple[Drone, ...] = 1


@dataclass(frozen=True)
class CoverageRest:
    """What is left of zones after photos came. `plan` is None when nothing is.

    Shares are of the zones' ground (less no-fly areas) that `views` photos or more see: `share_before` by the
    photos that came, `share_after` with those of the plan. Areas are in square metres: what too few photos
    see, and what the plan covers (that with a margin, neighbours merged).
    """

    views: int
    before: Coverage
    share_before: float
    share_after: float
    lacking_m2: float
    planned_m2: float
    plan: SurveyPlan | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Task:
    """Everything that stays the same from one round of planning to the next, in the ground's frame."""

    zones: tuple[Zone, ...]
    parts: tuple[Geometry, ...]
    ground: Ground
    team: Team
    settings: SurveySettings
    no_fly: tuple[Zone, ...]
    barred: tuple[Zone, ...]
    barred_margin_m: float
    cells: GroundCells
    spacing_m: float
    margin_m: float
    speck_share: float
    notes: tuple[str, ...] = field(default=())

    @property
    def frame(self) -> LocalFrame:
        return self.ground.frame

    @property
    def views(self) -> int:
        return self.settings.views_asked


def plan_uncovered(
    zones: Sequence[Zone],
    taken: Mapping[Camera, Sequence[Pose]],
    team: Team,
    settings: SurveySettings,
    ground: Ground,
    *,
    no_fly: Sequence[Zone] = (),
    barred: Sequence[Zone] = (),
    speck_share: float = 0.0005,
    margin_m: float | None = None,
) -> CoverageRest:
    """The survey of what fewer than `settings.views_asked` of the photos taken (poses in the ground's frame)
    see of `zones`. Pure and deterministic.

    Nothing is planned where `settings.min_share` of the ground is seen already. The smallest patches are left
    out as long as they are no more than `speck_share` of the ground together. The others get a margin (half
    the distance between photos if not given, at least 5 m and a ground cell), which makes up for positions
    that are off by some metres, and patches nearer to each other than lanes are flown as one. Sorties keep
    away from `no_fly` and `barred` areas and from the zones' holes, as in the survey of the whole zones.
    Raises SurveyError, ZoneError or TerrainError when nothing can be flown.
    """
    check_settings(settings, team.drones if isinstance(team.drones, int) else len(team.drones))
    task = _task(zones, taken, team, settings, ground, no_fly, barred, speck_share, margin_m)
    before = _counted(task.cells, taken)
    share = before.share(task.views)
    lacking = _lacking(before, task.views)
    if share >= settings.min_share or not lacking.any():
        lacking_m2 = float(lacking.sum()) * before.cell_m**2
        return CoverageRest(task.views, before, share, share, lacking_m2, 0.0, None, task.notes)
    region = _region(task, lacking, speck_share)
    plan, after = _planned(task, region, before)
    for _ in range(_ROUNDS):
        if after.share(task.views) >= settings.min_share:
            break
        more = shapely.union(region, _region(task, _lacking(after, task.views), speck_share / 2))
        if more.area < region.area + before.cell_m**2:
            break
        try:
            again, better = _planned(task, more, before)
        except SurveyError:
            break
        if better.share(task.views) <= after.share(task.views):
            break
        region, plan, after = more, again, better
    return CoverageRest(
        views=task.views,
        before=before,
        share_before=share,
        share_after=after.share(task.views),
        lacking_m2=float(lacking.sum()) * before.cell_m**2,
        planned_m2=float(region.area),
        plan=plan,
        notes=(*task.notes, *_told(plan, after, task)),
    )


def _told(plan: SurveyPlan, after: Coverage, task: _Task) -> list[str]:
    """The plan's notes, but what stays unseen is told of the whole zone instead of what was planned."""
    notes = [note for note in plan.notes if "of the zone is seen by fewer" not in note]
    share = after.share(task.views)
    if share < task.settings.min_share:
        whys = sorted({gap.why.value for gap in plan.gaps[:20]})
        why = f" ({'; '.join(whys)})" if whys else ""
        notes.append(f"{1 - share:.2%} of the zone will still be seen by fewer than {task.views} photos{why}")
    return notes


def count_taken(
    zones: Sequence[Zone],
    taken: Mapping[Camera, Sequence[Pose]],
    camera: Camera,
    height_m: float,
    ground: Ground,
    no_fly: Sequence[Zone] = (),
) -> Coverage:
    """How many of the photos taken see each place of the zones. `camera` at `height_m` above ground sets the
    size of the cells."""
    seen = _seen_ground([ground.frame.geometry_to_local(z.polygon) for z in zones], no_fly, ground.frame)
    cells = ground_cells(seen, ground.terrain, cell_size_m(camera, height_m, seen))
    return _counted(cells, taken)


def _task(
    zones: Sequence[Zone],
    taken: Mapping[Camera, Sequence[Pose]],
    team: Team,
    settings: SurveySettings,
    ground: Ground,
    no_fly: Sequence[Zone],
    barred: Sequence[Zone],
    speck_share: float,
    margin_m: float | None,
) -> _Task:
    if not zones:
        raise ZoneError("no zone to resume; give one or more polygons")
    parts = tuple(ground.frame.geometry_to_local(zone.polygon) for zone in zones)
    seen = _seen_ground(parts, no_fly, ground.frame)
    cameras = [d.camera or team.camera for d in team.drones] if not isinstance(team.drones, int) else []
    cameras = [c.turned() if settings.portrait else c for c in cameras or [team.camera]]
    heights = [settings.height_agl_m or c.height_for_gsd_m(settings.gsd_m or 0.03) for c in cameras]
    sizes = [cell_size_m(c, h, seen) for c, h in zip(cameras, heights, strict=True)]
    cell = min([*sizes, *_cells_of(taken, seen, ground.terrain)])
    prints = [c.footprint_m(h) for c, h in zip(cameras, heights, strict=True)]
    spacing = min(width for width, _ in prints) * (1 - settings.sidelap)
    trigger = min(length for _, length in prints) * (1 - settings.overlap)
    margin = max(trigger / 2, _LEAST_MARGIN_M, 1.5 * cell) if margin_m is None else margin_m
    walls, wall_margin, notes = _walls(parts, zones, no_fly, barred, team, settings, ground.frame)
    cells = ground_cells(seen, ground.terrain, cell)
    return _Task(
        tuple(zones),
        parts,
        ground,
        team,
        settings,
        tuple(no_fly),
        walls,
        wall_margin,
        cells,
        spacing,
        margin,
        speck_share,
        notes,
    )


def _seen_ground(parts: Sequence[Geometry], no_fly: Sequence[Zone], frame: LocalFrame) -> Geometry:
    whole = shapely.union_all(list(parts))
    if no_fly:
        whole = shapely.difference(
            whole, shapely.union_all([frame.geometry_to_local(z.polygon) for z in no_fly])
        )
    seen = MultiPolygon([p for p in shapely.get_parts(whole) if isinstance(p, Polygon) and p.area > 0])
    if seen.is_empty:
        raise ZoneError("the no-fly areas leave nothing of the zone to photograph")
    return seen


def _cells_of(taken: Mapping[Camera, Sequence[Pose]], seen: Geometry, terrain: Terrain) -> list[float]:
    """Cell sizes that suit the footprints of the photos taken."""
    sizes = []
    for camera, poses in taken.items():
        places = np.array([(p.east_m, p.north_m, p.up_m) for p in poses]).reshape(-1, 3)
        above = places[:, 2] - terrain.at(places[:, 0], places[:, 1])
        above = above[np.isfinite(above) & (above > 1.0)]
        if len(above):
            sizes.append(cell_size_m(camera, float(np.median(above)), seen))
    return sizes


def _walls(
    parts: Sequence[Geometry],
    zones: Sequence[Zone],
    no_fly: Sequence[Zone],
    barred: Sequence[Zone],
    team: Team,
    settings: SurveySettings,
    frame: LocalFrame,
) -> tuple[tuple[Zone, ...], float, tuple[str, ...]]:
    """What sorties keep out of, and how far: no-fly areas, barred ones, and the zones' holes unless a zone or
    a launch point lies inside.

    The planner knows one margin for all of them; with no-fly areas it is theirs, which holes get too.
    """
    whole = shapely.union_all(list(parts))
    holes = [Polygon(ring) for part in shapely.get_parts(whole) for ring in part.interiors]
    launches = [*team.launches]
    if not isinstance(team.drones, int):
        launches += [d.launch for d in team.drones if d.launch is not None]
    inner = [part.representative_point() for part in shapely.get_parts(whole)]
    inner += [shapely.Point(*(float(v) for v in frame.to_local(p.lat_deg, p.lon_deg))) for p in launches]
    closed = [hole for hole in holes if not any(hole.contains(point) for point in inner)]
    notes: tuple[str, ...] = ()
    if len(closed) < len(holes):
        notes = (
            f"{len(holes) - len(closed)} of {len(holes)} holes may be flown over: "
            "there is a zone or launch point inside",
        )
    walls = (*no_fly, *barred, *(Zone("hole", frame.geometry_to_geo(hole)) for hole in closed))
    margin = settings.no_fly_margin_m if no_fly or barred else settings.hole_margin_m
    return walls, max(margin, settings.hole_margin_m) if closed else margin, notes


def _counted(cells: GroundCells, taken: Mapping[Camera, Sequence[Pose]]) -> Coverage:
    total: Coverage | None = None
    for camera, poses in taken.items():
        counted = cells.count(poses, camera)
        total = counted if total is None else total.plus(counted)
    if total is None:
        empty = np.where(cells.inside, 0, NODATA).astype(np.uint16)
        return Coverage(cells.frame, cells.west_m, cells.north_m, cells.cell_m, empty)
    return total


def _lacking(coverage: Coverage, views: int) -> npt.NDArray[np.bool_]:
    return np.asarray((coverage.counts < views) & (coverage.counts != NODATA))


def _planned(task: _Task, region: Geometry, before: Coverage) -> tuple[SurveyPlan, Coverage]:
    """The survey of a region, and the photos of both old and new."""
    share = region.area / before.zone_area_m2
    # What the planner may leave unseen of the region, with the specks, is what may be left of the zone.
    asked = max(
        task.settings.min_share, 1 - (1 - task.settings.min_share - task.speck_share) / max(share, 1e-9)
    )
    settings = replace(
        task.settings,
        min_share=min(max(asked, 1e-6), 1.0),
        min_views=task.views,
        no_fly_margin_m=task.barred_margin_m,
        corridor_width_m=None,
    )
    plan = plan_survey(
        _as_zones(task, region),
        task.team.camera,
        settings,
        terrain=task.ground.terrain if task.ground.has_datum else None,
        no_fly=task.barred,
        launches=task.team.launches,
        drones=task.team.drones,
    )
    plan = _without_false_fences(plan, task)
    return plan, before.plus(_counted(task.cells, _poses(plan, task)))


def _poses(plan: SurveyPlan, task: _Task) -> dict[Camera, list[Pose]]:
    """The planned photos in the task's frame and datum, by camera."""
    found: dict[Camera, list[Pose]] = {}
    for sortie in plan.sorties:
        own = found.setdefault(sortie.camera, [])
        if task.ground.has_datum:
            own += [shot.pose for shot in sortie.shots]
            continue
        east, north = task.frame.to_local(
            [s.lat_deg for s in sortie.shots], [s.lon_deg for s in sortie.shots]
        )
        ground = task.ground.terrain.at(east, north)
        own += [
            replace(shot.pose, east_m=float(e), north_m=float(n), up_m=float(g) + shot.height_agl_m)
            for shot, e, n, g in zip(sortie.shots, east, north, ground, strict=True)
        ]
    return found


def _without_false_fences(plan: SurveyPlan, task: _Task) -> SurveyPlan:
    """The plan with the no-fly areas as its fence: the holes of the zone that it was given beside them are
    flown around, but a vehicle that drifts into one's margin need not turn home."""
    fence = []
    areas = [p for zone in task.no_fly for p in shapely.get_parts(plan.frame.geometry_to_local(zone.polygon))]
    for area in areas:
        lat, lon = plan.frame.to_geo(*np.asarray(area.exterior.coords)[:-1].T)
        fence.append(tuple(GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)))
    sorties = tuple(
        replace(sortie, mission=replace(sortie.mission, fence_exclusion=tuple(fence)))
        for sortie in plan.sorties
    )
    margins = replace(plan.settings, no_fly_margin_m=task.settings.no_fly_margin_m)
    return replace(plan, sorties=sorties, no_fly=tuple(areas), settings=margins)


def _as_zones(task: _Task, region: Geometry) -> list[Zone]:
    """The region as zones with the priorities of those that it is of."""
    zones = []
    for zone, part in zip(task.zones, task.parts, strict=True):
        own = _polygons(shapely.intersection(part, region))
        own = [piece for polygon in own for piece in _opened(polygon, part, task)]
        if own:
            polygon = own[0] if len(own) == 1 else MultiPolygon(own)
            zones.append(Zone(zone.name, task.frame.geometry_to_geo(polygon), zone.priority))
    return zones


def _region(task: _Task, lacking: npt.NDArray[np.bool_], speck_share: float) -> Geometry:
    """Polygons around cells that lack photos, within the zones (local metres)."""
    cells, whole = task.cells, shapely.union_all(list(task.parts))
    if lacking.sum() >= _WHOLE * cells.inside.sum():
        return whole
    transform = Affine(cells.cell_m, 0.0, cells.west_m, 0.0, -cells.cell_m, cells.north_m)
    patches = [
        Polygon(shape["coordinates"][0], shape["coordinates"][1:])
        for shape, _ in shapes(lacking.astype(np.uint8), mask=lacking, transform=transform, connectivity=8)
    ]
    areas = np.array([patch.area for patch in patches])
    order = np.argsort(areas, kind="stable")
    specks = np.cumsum(areas[order]) <= speck_share * float(cells.inside.sum()) * cells.cell_m**2
    kept = [patches[i] for i in sorted(order[~specks].tolist())]
    if not kept:
        kept = [patches[int(order[-1])]]
    reach = task.spacing_m / 2
    grown = shapely.union_all(
        shapely.buffer(kept, task.margin_m + reach, join_style="mitre", mitre_limit=2.0)
    )
    closed = shapely.buffer(grown, -reach, join_style="mitre", mitre_limit=2.0)
    smooth = shapely.simplify(closed, cells.cell_m)
    # Smoothing must not cut into what lacks photos.
    sure = shapely.union_all(shapely.buffer(kept, cells.cell_m / 2, join_style="mitre"))
    found = shapely.intersection(shapely.union(smooth, sure), whole)
    return MultiPolygon(_polygons(found))


def _polygons(geometry: Geometry) -> list[Polygon]:
    """The polygons among a geometry's parts that are more than slivers."""
    flat = shapely.get_parts(shapely.get_parts(geometry))
    return [p for p in flat.tolist() if isinstance(p, Polygon) and p.area > 1.0]


def _opened(polygon: Polygon, zone: Geometry, task: _Task) -> list[Polygon]:
    """The polygon without holes that are none of the zone's: the planner would fly around ground that has
    only been photographed. Small ones are flown over, to larger ones a slit is cut."""
    own = [Polygon(ring) for part in shapely.get_parts(zone) for ring in part.interiors]
    true_holes = shapely.union_all(own) if own else Polygon()
    kept, slits = [], []
    for ring in polygon.interiors:
        hole = Polygon(ring)
        ground = hole.area - shapely.intersection(hole, true_holes).area
        if ground < 0.05 * hole.area:
            kept.append(ring)
        elif ground > (2 * task.spacing_m) ** 2:
            kept.append(ring)
            slits.append(ring)
        else:
            kept += [piece.exterior for piece in _polygons(shapely.intersection(hole, true_holes))]
    filled = Polygon(polygon.exterior, kept)
    for ring in slits:
        bridge = shapely.LineString(shapely_ops.nearest_points(polygon.exterior, ring))
        cut = _longer(bridge, 2 * _SLIT_M).buffer(_SLIT_M / 2, cap_style="flat")
        filled = shapely.difference(filled, cut)
    return _polygons(filled)


def _longer(line: shapely.LineString, by_m: float) -> shapely.LineString:
    ends: FloatArray = np.asarray(line.coords)
    unit = (ends[1] - ends[0]) / max(float(np.hypot(*(ends[1] - ends[0]))), 1e-9)
    return shapely.LineString([ends[0] - by_m * unit, ends[1] + by_m * unit])
