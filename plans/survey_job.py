"""What a survey is to do, in local metres: settings checked, zones, obstacles, launch points and speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import shapely
from shapely import Geometry, LineString, MultiPolygon, Polygon
from shapely import ops as shapely_ops

from plans.cameras import Camera
from plans.drones import Drone, Kit
from plans.energy import Airframe, Battery, Wind
from plans.errors import SurveyError, ZoneError
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.obstacles import Obstacles, make_obstacles
from plans.terrain import Terrain, flat_terrain, require_cover
from plans.zones import Corridor, Zone

_MOST_HOURS = 400.0  # of flight in one plan: more is a slip of the pen, and would take minutes to plan


@dataclass(frozen=True)
class SurveySettings:
    """What the pilot asks for. Overlaps are shares (0.8), angles clockwise from north, None means automatic.

    Give `gsd_m` or `height_agl_m`, not both; with neither the GSD is 3 cm. `portrait` is for a camera mounted
    with its long side along the flight. `speed_mps` is lowered where the camera's cycle or motion blur (more
    than `blur_px` within an exposure) asks for it. With `follow_shape` and an automatic angle, lanes run
    along a winding zone where that is sooner done. The plan is worked over until `min_share` of the zone is
    seen by `min_views` photos (None: `views_asked`), or says where and why it is not.
    """

    gsd_m: float | None = None
    height_agl_m: float | None = None
    overlap: float = 0.80
    sidelap: float = 0.70
    portrait: bool = False
    clearance_m: float = 20.0
    speed_mps: float | None = None
    wind: Wind = field(default_factory=Wind)
    angle_deg: float | None = None
    endurance_s: float = 25 * 60.0
    temperature_c: float = 20.0
    pack_health: float = 1.0
    reserve: float = 0.0
    swap_s: float = 300.0
    item_limit: int | None = None
    follow_shape: bool = True
    crosshatch: bool = False
    corridor_width_m: float | None = None
    min_views: int | None = None
    min_share: float = 0.999
    no_fly_margin_m: float = 10.0
    hole_margin_m: float = 2.0
    blur_px: float = 1.0
    gimbal_pitch_deg: float | None = None
    airframe: Airframe = field(default_factory=Airframe)

    @property
    def battery(self) -> Battery:
        """The pack of a drone for which none is named."""
        return Battery(self.endurance_s, self.temperature_c, self.pack_health, self.reserve, self.swap_s)

    @property
    def views_asked(self) -> int:
        """How many photos are to see every place: `min_views`, or what the overlaps promise.

        That is the fewest that a place in a corner of a level rectangle gets when lanes and photos lie as the
        overlaps say (half the photos of a lane, and the lanes that reach the edge from half a spacing on),
        but no more than those of one whole lane; from 60 % overlap on at least three, which make a point of
        the ground.
        """
        if self.min_views is not None:
            return self.min_views
        along, beside = 1 / (1 - self.overlap) + 1e-9, 1 / (1 - self.sidelap) + 1e-9
        corner = (math.floor(along / 2) + 1) * max(math.floor(beside / 2 + 0.5), 1)
        return max(min(math.floor(along), corner), 3 if self.overlap >= 0.6 else 1)


@dataclass(frozen=True)
class SurveyArea:
    """Ground of one priority (higher is more urgent), in local metres; areas of a survey do not overlap."""

    region: Polygon | MultiPolygon
    priority: float


@dataclass(frozen=True)
class SurveyLine:
    """A line to follow in a corridor survey, in local metres, and its priority."""

    line: LineString
    priority: float


@dataclass(frozen=True)
class SurveyJob:
    """A survey in local metres: what the steps of the planner start from.

    `region` is all ground to be photographed and `areas` the same by falling priority. `kits` are the drones;
    heights and speeds of the job itself are the first one's.
    """

    frame: LocalFrame
    camera: Camera
    settings: SurveySettings
    kits: tuple[Kit, ...]
    region: Polygon | MultiPolygon
    areas: tuple[SurveyArea, ...]
    lines: tuple[SurveyLine, ...]
    no_fly: tuple[Polygon, ...]
    obstacles: Obstacles
    terrain: Terrain
    launches: tuple[GeoPoint, ...]
    spacing_m: float

    @property
    def height_m(self) -> float:
        """Height above ground of the first drone."""
        return self.kits[0].height_m

    @property
    def speed_mps(self) -> float:
        """Ground speed of the first drone."""
        return self.kits[0].speed_mps

    @property
    def trigger_m(self) -> float:
        """Distance between photos of the first drone on level ground."""
        return self.kits[0].trigger_m

    @cached_property
    def has_relief(self) -> bool:
        """Whether the ground about the survey is not level."""
        known = self.terrain.heights_m[np.isfinite(self.terrain.heights_m)]
        return bool(np.ptp(known) > 0.02 * self.height_m)

    @property
    def launches_m(self) -> FloatArray:
        """East, north of the launch points, shape (k, 2)."""
        e, n = self.frame.to_local([p.lat_deg for p in self.launches], [p.lon_deg for p in self.launches])
        return np.column_stack([e, n])


def check_settings(s: SurveySettings, drones: int) -> None:
    """Raise SurveyError for what cannot be flown whatever the zone."""
    for name, value in (("overlap", s.overlap), ("sidelap", s.sidelap)):
        if not 0.0 <= value < 1.0:
            raise SurveyError(f"{name} of {value:.0%} cannot be flown; give 0 % to 95 %")
        if value > 0.95:
            raise SurveyError(
                f"{name} of {value:.1%} would take a photo every few centimetres; give at most 95 %"
            )
    if s.gsd_m is not None and s.height_agl_m is not None:
        raise SurveyError("GSD and height exclude each other: give one of them")
    positive = {
        "GSD": s.gsd_m,
        "height": s.height_agl_m,
        "speed": s.speed_mps,
        "endurance": s.endurance_s,
        "corridor width": s.corridor_width_m,
        "clearance": s.clearance_m,
        "pack health": s.pack_health,
    }
    for name, given in positive.items():
        if given is not None and not (math.isfinite(given) and given > 0):
            raise SurveyError(f"{name} of {given:g} cannot be flown; give a number above 0")
    if not 0.0 <= s.reserve < 1.0:
        raise SurveyError(f"a reserve of {s.reserve:.0%} leaves nothing to fly with; give 0 % to 90 %")
    if not -40.0 <= s.temperature_c <= 60.0 or s.pack_health > 1.0 or not s.swap_s >= 0.0:
        raise SurveyError(
            "temperature must lie in -40 to 60 degrees C, pack health at 100 % or less, "
            "the battery swap at 0 or more"
        )
    if not 0.0 < s.min_share <= 1.0 or (s.min_views is not None and not 1 <= s.min_views <= 50):
        raise SurveyError("ask for 1 to 50 photos of every place, over a share of 0 to 1 of the zone")
    for name, margin in (("no-fly", s.no_fly_margin_m), ("hole", s.hole_margin_m)):
        if not 0.0 <= margin <= 10_000.0:
            raise SurveyError(f"a {name} margin of {margin:g} m cannot be kept; give 0 to 10000")
    if not s.blur_px > 0:
        raise SurveyError(f"a motion blur of {s.blur_px:g} pixels cannot be kept; give a number above 0")
    if s.item_limit is not None and s.item_limit < 10:
        raise SurveyError(f"{s.item_limit} mission items hold no survey; give 10 or more")
    if s.angle_deg is not None and not math.isfinite(s.angle_deg):
        raise SurveyError("the lane angle must be a number of degrees, or auto")
    if drones < 1:
        raise SurveyError(f"{drones} drones cannot fly; give 1 or more")


def prepare_survey(
    zones: Sequence[Zone] | Sequence[Corridor],
    camera: Camera,
    settings: SurveySettings,
    terrain: Terrain | None,
    no_fly: Sequence[Zone],
    launches: Sequence[GeoPoint],
    drones: Sequence[Drone],
    notes: list[str],
) -> SurveyJob:
    """The job that the inputs ask for; what a pilot should know of it is added to `notes`.

    Raises SurveyError, ZoneError or TerrainError when nothing can be flown.
    """
    geometries = [z.polygon if isinstance(z, Zone) else z.line for z in zones]
    if not geometries:
        raise ZoneError("no zone to plan; give one or more polygons")
    frame = terrain.frame if terrain is not None else _frame_around(geometries)
    areas, lines = _areas(zones, frame, settings)
    region = shapely.union_all([area.region for area in areas]) if len(areas) > 1 else areas[0].region
    forbidden = [p for z in no_fly for p in shapely.get_parts(frame.geometry_to_local(z.polygon))]
    launches = tuple(dict.fromkeys([*launches, *(d.launch for d in drones if d.launch is not None)]))
    obstacles = _obstacles(region, forbidden, frame, launches, settings, notes)
    launches = launches or (_default_launch(region, obstacles, frame, notes),)
    _check_launches(launches, obstacles, frame)
    kits = tuple(_kit(drone, camera, settings, launches, notes) for drone in drones)
    if terrain is None:
        terrain = flat_terrain(frame, launches[0].alt_amsl_m or 0.0, _wide_bounds(region))
    else:
        require_cover(terrain, region, "the zone")
    widths = [kit.camera.footprint_m(kit.height_m)[0] for kit in kits]
    spacing = min(widths) * (1 - settings.sidelap)
    hours = region.area / spacing / max(kit.speed_mps for kit in kits) / 3600
    if hours > _MOST_HOURS:
        raise SurveyError(
            f"{region.area / 1e6:.0f} km2 at this GSD and overlap are {hours:.0f} hours of flight or more; "
            "plan smaller zones, or fly higher"
        )
    return SurveyJob(
        frame=frame,
        camera=kits[0].camera,
        settings=settings,
        kits=kits,
        region=region,
        areas=areas,
        lines=lines,
        no_fly=tuple(forbidden),
        obstacles=obstacles,
        terrain=terrain,
        launches=launches,
        spacing_m=spacing,
    )


def _kit(
    drone: Drone, camera: Camera, settings: SurveySettings, launches: Sequence[GeoPoint], notes: list[str]
) -> Kit:
    """The drone as it flies this survey: each at the height at which its own camera has the GSD asked for."""
    camera = drone.camera or camera
    camera = camera.turned() if settings.portrait else camera
    height = settings.height_agl_m or camera.height_for_gsd_m(settings.gsd_m or 0.03)
    if height < settings.clearance_m:
        raise SurveyError(
            f"height of {height:.1f} m above ground is under the clearance of {settings.clearance_m:g} m; "
            "fly higher (coarser GSD) or ask for less clearance"
        )
    trigger = camera.footprint_m(height)[1] * (1 - settings.overlap)
    speed = _speed_mps(camera, drone.airframe, settings, height, trigger, notes)
    own = [launches.index(drone.launch)] if drone.launch is not None else range(len(launches))
    return Kit(drone, camera, height, speed, trigger, tuple(own))


def _frame_around(geometries: Sequence[Geometry]) -> LocalFrame:
    west, south, east, north = shapely.total_bounds(geometries)
    if east - west > 180:
        raise ZoneError("zones lie on both sides of the antimeridian (180 degrees); plan each side by itself")
    wide_m = 111_320.0 * max(north - south, (east - west) * math.cos(math.radians((south + north) / 2)))
    if wide_m > 400_000:
        raise ZoneError(
            f"zones span {wide_m / 1000:.0f} km; check their coordinates, or plan distant ones by themselves"
        )
    return LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])


def _wide_bounds(region: Geometry) -> tuple[float, float, float, float]:
    west, south, east, north = region.bounds
    return west - 1e5, south - 1e5, east + 1e5, north + 1e5


def _areas(
    zones: Sequence[Zone] | Sequence[Corridor], frame: LocalFrame, settings: SurveySettings
) -> tuple[tuple[SurveyArea, ...], tuple[SurveyLine, ...]]:
    """What is to be photographed by falling priority, and the lines to follow when it is a corridor.

    Where zones overlap the ground belongs to the most urgent.
    """
    width = settings.corridor_width_m
    if width is not None:
        if not all(isinstance(z, Corridor) for z in zones):
            raise SurveyError(
                "a corridor survey follows lines; this zone is a polygon, plan it without a corridor width"
            )
        lines = tuple(
            SurveyLine(frame.geometry_to_local(z.line), z.priority) for z in zones if isinstance(z, Corridor)
        )
        if not all(line.line.length > 0 for line in lines):
            raise ZoneError("a corridor's line has no length; draw it again")
        strips = [(line.priority, line.line.buffer(width / 2, cap_style="flat")) for line in lines]
        return _by_priority(strips), lines
    if not all(isinstance(z, Zone) for z in zones):
        raise SurveyError("a line is no zone; give the corridor's width to survey along it")
    return _by_priority(
        [(z.priority, frame.geometry_to_local(z.polygon)) for z in zones if isinstance(z, Zone)]
    ), ()


def _by_priority(shapes: Sequence[tuple[float, Geometry]]) -> tuple[SurveyArea, ...]:
    """Areas by falling priority that do not overlap."""
    by_priority: dict[float, list[Geometry]] = {}
    for priority, shape in shapes:
        by_priority.setdefault(priority, []).append(_sound(shape))
    areas: list[SurveyArea] = []
    for priority in sorted(by_priority, reverse=True):
        polygons = by_priority[priority]
        region = shapely.union_all(polygons) if len(polygons) > 1 else polygons[0]
        if areas:
            region = shapely.difference(region, shapely.union_all([area.region for area in areas]))
        least_m2 = 1.0 if areas else 0.0
        parts = [p for p in shapely.get_parts(region) if isinstance(p, Polygon) and p.area > least_m2]
        if parts:
            areas.append(SurveyArea(parts[0] if len(parts) == 1 else MultiPolygon(parts), priority))
    if not areas:
        raise ZoneError("the zones have no area; draw them again")
    return tuple(areas)


def _sound(shape: Geometry) -> Geometry:
    """An outline whose edges nearly meet in degrees may cross itself in metres."""
    if shape.is_valid:
        return shape
    return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def _obstacles(
    region: Polygon | MultiPolygon,
    forbidden: Sequence[Polygon],
    frame: LocalFrame,
    launches: Sequence[GeoPoint],
    settings: SurveySettings,
    notes: list[str],
) -> Obstacles:
    """Walls around no-fly areas, and around the zone's holes unless a zone or a launch point lies inside."""
    holes = [Polygon(ring) for part in shapely.get_parts(region) for ring in part.interiors]
    inner = [part.representative_point() for part in shapely.get_parts(region)]
    inner += [shapely.Point(*(float(v) for v in frame.to_local(p.lat_deg, p.lon_deg))) for p in launches]
    closed = [hole for hole in holes if not any(hole.contains(point) for point in inner)]
    if len(closed) < len(holes):
        notes.append(
            f"{len(holes) - len(closed)} of {len(holes)} holes may be flown over: "
            "there is a zone or launch point inside"
        )
    walls = [*make_obstacles(closed, settings.hole_margin_m).walls]
    walls += make_obstacles(forbidden, settings.no_fly_margin_m).walls
    return make_obstacles(walls, 0.0) if walls else Obstacles()


def _default_launch(
    region: Polygon | MultiPolygon, obstacles: Obstacles, frame: LocalFrame, notes: list[str]
) -> GeoPoint:
    """The place on the zone's outer edge nearest its middle that is free of obstacles."""
    edge = shapely.union_all([part.exterior for part in shapely.get_parts(region)])
    if obstacles.walls:
        edge = shapely.difference(edge, obstacles.area)
        if edge.is_empty:
            raise SurveyError(
                "the whole edge of the zone lies in no-fly areas or their margin: nowhere to launch from; "
                "give a launch point outside of them"
            )
    place = shapely_ops.nearest_points(edge, region.centroid)[0]
    lat, lon = frame.to_geo(place.x, place.y)
    notes.append(
        f"no launch point given; planned from lat {float(lat):.6f}, lon {float(lon):.6f} on the zone's edge"
    )
    return GeoPoint(float(lat), float(lon))


def _check_launches(launches: Sequence[GeoPoint], obstacles: Obstacles, frame: LocalFrame) -> None:
    for launch in launches:
        e, n = frame.to_local(launch.lat_deg, launch.lon_deg)
        if not (np.isfinite(e) and np.isfinite(n)) or frame.distance_m(launch) > 200_000:
            raise SurveyError(
                f"launch point {launch.lat_deg:g},{launch.lon_deg:g} is not near the zone; "
                "give LAT,LON in degrees"
            )
        if obstacles.holds(np.array([float(e), float(n)])) is not None:
            raise SurveyError(
                f"launch point {launch.lat_deg:.6f},{launch.lon_deg:.6f} stands in a no-fly "
                "area or its margin"
            )


def _speed_mps(
    camera: Camera,
    airframe: Airframe,
    settings: SurveySettings,
    height_m: float,
    trigger_m: float,
    notes: list[str],
) -> float:
    """The ground speed: what is asked for (10 m/s else), capped by the camera's cycle and motion blur."""
    asked = settings.speed_mps or 10.0
    if asked > airframe.fastest_mps:
        if settings.speed_mps is not None:
            note = f"speed lowered from {asked:.1f} to {airframe.fastest_mps:.1f} m/s: its airframe's most"
            notes += [] if note in notes else [note]
        asked = airframe.fastest_mps
    cycle = trigger_m / camera.min_trigger_interval_s if camera.min_trigger_interval_s > 0 else math.inf
    blur = settings.blur_px * camera.gsd_m(height_m) / camera.exposure_s
    speed = min(asked, cycle, blur)
    if speed < 1.0:
        raise SurveyError(
            f"{camera.name} cannot keep up: {settings.overlap:.0%} overlap at {height_m:.0f} m needs "
            f"{speed:.2f} m/s or less; fly higher or ask for less overlap"
        )
    if speed < asked:
        why = "its cycle" if cycle <= blur else "motion blur"
        note = f"speed lowered from {asked:.1f} to {speed:.1f} m/s for {camera.name} ({why})"
        notes += [] if note in notes else [note]
        speed = math.floor(speed * 100) / 100
    return speed
