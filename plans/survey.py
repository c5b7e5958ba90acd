"""The survey planner: zones, camera, terrain and wind in; lanes, sorties, missions and their proof out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from plans.cameras import Camera
from plans.costs import FlightCosts
from plans.coverage import Coverage, GroundCells, cell_size_m, ground_cells
from plans.drones import Drone, Kit
from plans.fleet import Flown, fly_lanes, follow_limits, no_lanes
from plans.flights import Shot, Sortie
from plans.frames import GeoPoint, LocalFrame
from plans.gaps import Gap, Why, closer_photos, find_gaps, mending_lanes, tell
from plans.lanes import Lane
from plans.layout import LaidPart, lay_lanes
from plans.mission import Mission
from plans.obstacles import Obstacles
from plans.survey_job import SurveyJob, SurveySettings, check_settings, prepare_survey
from plans.terrain import Terrain
from plans.traffic import schedule
from plans.urgency import TimeToImage, cell_weights, time_to_image
from plans.zones import Corridor, Zone

__all__ = ["SurveyPlan", "SurveySettings", "plan_survey"]

_ROUNDS = 5  # of mending what the proof finds unseen
_CLOSEST = 0.4  # of the survey's distance between photos


@dataclass(frozen=True)
class SurveyPlan:
    """A whole survey. Geometry is in local metres of `frame`; heights are AMSL (above the first launch point
    where no terrain and no launch height is known: `has_datum` is then False). `camera`, `height_agl_m`,
    `speed_mps` and `trigger_m` are the first drone's; `kits` has those of each."""

    frame: LocalFrame
    camera: Camera
    settings: SurveySettings
    kits: tuple[Kit, ...]
    region: Polygon | MultiPolygon
    obstacles: Obstacles
    no_fly: tuple[Polygon, ...]
    height_agl_m: float
    speed_mps: float
    trigger_m: float
    spacing_m: float
    angle_deg: float
    has_datum: bool
    lanes: tuple[Lane, ...]
    sorties: tuple[Sortie, ...]
    coverage: Coverage
    gaps: tuple[Gap, ...]
    to_image: TimeToImage
    notes: tuple[str, ...] = ()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every planned photo in the order of the sorties."""
        return tuple(shot for sortie in self.sorties for shot in sortie.shots)

    @property
    def missions(self) -> tuple[Mission, ...]:
        """The mission of every sortie."""
        return tuple(sortie.mission for sortie in self.sorties)

    @property
    def min_clearance_m(self) -> float:
        """The least height of any segment of lane or transit above the terrain."""
        return min(sortie.min_clearance_m for sortie in self.sorties)

    @property
    def makespan_s(self) -> float:
        """From the first take-off to the last landing, battery swaps included."""
        return max(sortie.start_s + sortie.duration_s for sortie in self.sorties)

    def report(self) -> dict[str, Any]:
        """The figures of the plan under the keys of `missionctl plan --report`."""
        gsd_cm = np.array([shot.gsd_m for shot in self.shots]) * 100
        views = self.settings.views_asked
        return {
            "lanes": len(self.lanes),
            "photos": len(self.shots),
            "length_m": round(sum(s.length_m for s in self.sorties), 1),
            "duration_s": round(sum(s.duration_s for s in self.sorties), 1),
            "makespan_s": round(self.makespan_s, 1),
            "sorties": [self._sortie_report(s) for s in self.sorties],
            "coverage": {
                "k": views,
                "share": round(self.coverage.share(views), 5),
                "share_by_views": {str(k): round(self.coverage.share(k), 5) for k in (1, 2, 3, 5, 8)},
                "gaps": [
                    {
                        "lat": round(gap.place.lat_deg, 7),
                        "lon": round(gap.place.lon_deg, 7),
                        "area_m2": round(gap.area_m2, 1),
                        "why": gap.why.value,
                    }
                    for gap in self.gaps[:50]
                ],
            },
            "time_to_image_s": self.to_image.report(),
            "min_clearance_m": round(self.min_clearance_m, 2),
            "gsd_cm": {
                "min": round(float(gsd_cm.min()), 3),
                "mean": round(float(gsd_cm.mean()), 3),
                "max": round(float(gsd_cm.max()), 3),
            },
            "angle_deg": round(self.angle_deg, 2),
        }

    def _sortie_report(self, sortie: Sortie) -> dict[str, Any]:
        return {
            "drone": sortie.drone + 1,
            "name": self.kits[sortie.drone].drone.name,
            "launch": [sortie.launch.lat_deg, sortie.launch.lon_deg],
            "lanes": len(sortie.lanes),
            "photos": len(sortie.shots),
            "items": len(sortie.mission.items),
            "length_m": round(sortie.length_m, 1),
            "start_s": round(sortie.start_s, 1),
            "duration_s": round(sortie.duration_s, 1),
            "battery_share": round(sortie.battery_s / sortie.usable_s, 4),
            "battery_share_home": round(sortie.worst_home_s / sortie.usable_s, 4),
        }


def plan_survey(
    zones: Sequence[Zone] | Sequence[Corridor],
    camera: Camera,
    settings: SurveySettings,
    *,
    terrain: Terrain | None = None,
    no_fly: Sequence[Zone] = (),
    launches: Sequence[GeoPoint] = (),
    drones: int | Sequence[Drone] = 1,
    exposure: Terrain | None = None,
) -> SurveyPlan:
    """Plan a survey of zones (or, with settings.corridor_width_m, along corridors). Pure and deterministic.

    The plan's frame is the terrain's, or one centred on the zones. Without terrain the ground is level at the
    first launch point's height. `drones` is how many of the settings' kind there are, or the drones
    themselves. `exposure` is a grid of what is at stake on the ground (people, say): where it is high is
    flown first. Raises SurveyError, ZoneError or TerrainError when nothing can be flown.
    """
    notes: list[str] = []
    fleet = _fleet(drones, settings)
    check_settings(settings, len(fleet))
    job = prepare_survey(zones, camera, settings, terrain, no_fly, launches, fleet, notes)
    kit = job.kits[0]
    parts = lay_lanes(job, FlightCosts(job, kit), follow_limits(job, kit))
    if not any(part.lanes for part in parts):
        raise no_lanes()
    flown = fly_lanes(job, parts, exposure)
    seen = shapely.difference(job.region, shapely.union_all(job.no_fly)) if job.no_fly else job.region
    height = min(kit.height_m for kit in job.kits)
    cells = ground_cells(seen, job.terrain, cell_size_m(job.camera, height, seen))
    flown, coverage, gaps = _prove(job, parts, flown, cells, exposure)
    sorties, traffic = schedule(flown.sorties, [kit.drone.battery.swap_s for kit in job.kits])
    notes += [*tell(gaps, coverage, settings.views_asked, settings.min_share), *traffic]
    return SurveyPlan(
        frame=job.frame,
        camera=job.camera,
        settings=settings,
        kits=job.kits,
        region=job.region,
        obstacles=job.obstacles,
        no_fly=job.no_fly,
        height_agl_m=job.height_m,
        speed_mps=job.speed_mps,
        trigger_m=job.trigger_m,
        spacing_m=job.spacing_m,
        angle_deg=next(part.angle_deg for part in parts if part.lanes),
        has_datum=terrain is not None or job.launches[0].alt_amsl_m is not None,
        lanes=tuple(flown.lanes),
        sorties=tuple(sorties),
        coverage=coverage,
        gaps=tuple(gaps),
        to_image=_told_by_when(job, seen, cells.cell_m, sorties, exposure),
        notes=tuple(notes),
    )


def _fleet(drones: int | Sequence[Drone], settings: SurveySettings) -> list[Drone]:
    if not isinstance(drones, int):
        return list(drones)
    one = Drone("drone", settings.airframe, settings.battery, item_limit=settings.item_limit)
    return [one] * drones


def _told_by_when(
    job: SurveyJob,
    seen: Polygon | MultiPolygon,
    cell_m: float,
    sorties: Sequence[Sortie],
    exposure: Terrain | None,
) -> TimeToImage:
    """When the ground is first photographed, on cells three times as wide as those of the proof."""
    cells = ground_cells(seen, job.terrain, 3 * cell_m)
    return time_to_image(cells, cell_weights(cells, job.areas, exposure), sorties)


def _count(cells: GroundCells, sorties: Sequence[Sortie]) -> Coverage:
    """The photos of all sorties, whichever cameras they carry."""
    counted = [
        cells.count([shot.pose for s in sorties if s.camera == camera for shot in s.shots], camera)
        for camera in dict.fromkeys(sortie.camera for sortie in sorties)
    ]
    total = counted[0]
    for more in counted[1:]:
        total = total.plus(more)
    return total


def _prove(
    job: SurveyJob, parts: list[LaidPart], flown: Flown, cells: GroundCells, exposure: Terrain | None
) -> tuple[Flown, Coverage, list[Gap]]:
    """Count the photos of every cell and lay more lanes over what too few see, until the zone is covered as
    asked or more lanes do not help."""
    views, aim = job.settings.views_asked, job.settings.min_share
    reach = job.camera.footprint_m(job.height_m)[0] / 2
    coverage = _count(cells, flown.sorties)
    gaps = find_gaps(coverage, views, job, reach, flown.lost)
    for _ in range(_ROUNDS):
        mendable = [gap for gap in gaps if gap.why is not Why.BATTERY]
        lacking = 1 - coverage.share(views)
        if lacking <= 1 - aim or not mendable:
            break
        for mend in (_with_closer_photos, _with_more_lanes):
            mended = mend(job, parts, mendable, reach)
            if mended is None:
                continue
            again = fly_lanes(job, mended, exposure)
            better = _count(cells, again.sorties)
            mends = (lacking - (1 - better.share(views))) * coverage.zone_area_m2
            if mends > 0.1 * sum(gap.area_m2 for gap in mendable):
                parts, flown, coverage = mended, again, better
                gaps = find_gaps(coverage, views, job, reach, flown.lost)
                break
        else:
            break
    return flown, coverage, gaps


def _with_closer_photos(
    job: SurveyJob, parts: Sequence[LaidPart], gaps: list[Gap], reach_m: float
) -> list[LaidPart] | None:
    """The parts with photos closer together on the lanes beside gaps, as far as the camera keeps up."""
    kit = job.kits[0]
    closest = max(kit.camera.min_trigger_interval_s * kit.speed_mps / kit.trigger_m, _CLOSEST)
    changed, mended = False, []
    for part in parts:
        closer = closer_photos(gaps, part.lanes, reach_m, closest)
        changed = changed or bool(closer)
        lanes = tuple(closer.get(i, lane) for i, lane in enumerate(part.lanes))
        mended.append(replace(part, lanes=lanes))
    return mended if changed else None


def _with_more_lanes(
    job: SurveyJob, parts: Sequence[LaidPart], gaps: list[Gap], _reach_m: float
) -> list[LaidPart] | None:
    """The parts and lanes over the gaps."""
    shortest = job.settings.views_asked * job.trigger_m
    more = mending_lanes(gaps, job.obstacles, job.spacing_m, job.trigger_m, shortest)
    return [*parts, *_with_priority(more, job)] if more else None


def _with_priority(lanes: Sequence[Lane], job: SurveyJob) -> list[LaidPart]:
    """Mending lanes as parts of the area that each lies in."""
    owned: dict[float, list[Lane]] = {area.priority: [] for area in job.areas}
    for lane in lanes:
        middle = lane.line.interpolate(0.5, normalized=True)
        owned[min(job.areas, key=lambda area: area.region.distance(middle)).priority].append(lane)
    return [LaidPart(tuple(own), 0.0, priority) for priority, own in owned.items() if own]
