"""What is still to fly, from the photos and the camera messages that really came: the missing shots of the
same mission, or a survey of the ground that they do not show yet, for whatever drone is there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from missionctl.services.planning import choose_camera
from missionctl.services.resume_inputs import ResumeInputs, ResumeRequest
from missionctl.services.resume_report import coverage_json, log_rest, notes_of, record_plan, result_of
from plans.cameras import Camera
from plans.drones import Drone
from plans.energy import Battery, Wind
from plans.errors import MissionError, SurveyError
from plans.flight_time import airframe_of
from plans.formats import write_mission, write_plan
from plans.formats.qgc_plan import read_walls
from plans.formats.survey_goal import goal_of
from plans.frames import Pose
from plans.mission_shots import mission_poses
from plans.mission_use import FlightLimits
from plans.resume import Remaining, remaining_mission
from plans.resume_cover import Ground, Team, count_taken, plan_uncovered
from plans.survey import SurveySettings

_USUAL = SurveySettings()


def plan_rest(request: ResumeRequest) -> dict[str, Any]:
    """Plan what the photos that came do not show yet, write and record it; `file` is None when nothing is
    left. Raises a MissionError when it cannot be planned."""
    given = ResumeInputs.read(request)
    by = given.asks_for
    if request.mode == "shots" and request.of_another_survey:
        raise SurveyError(
            f"{', '.join(request.of_another_survey)}: the missing shots of a mission are flown as they were "
            "planned; leave --mode shots out to plan for another drone"
        )
    if request.mode == "shots" or (request.mode == "auto" and not by):
        why = "as asked" if request.mode == "shots" else "the same drone flies the shots that are missing"
        return _shots(given, why)
    why = f"{', '.join(by)} given" if by else "as asked"
    return _coverage(given, f"{why}: the ground that the photos do not show is planned anew")


def _shots(given: ResumeInputs, why: str) -> dict[str, Any]:
    request = given.request
    walls = read_walls(request.plan) if request.plan.suffix.lower() == ".plan" else ()
    rest = remaining_mission(
        given.mission, given.taken.places(), walls=walls, limits=_limits(given, request.endurance_s)
    )
    result = result_of(given, "shots", why, notes_of(given))
    result |= {
        "photos_planned": rest.shots_planned,
        "photos_taken": rest.shots_taken,
        "photos_to_take": rest.shots_planned - rest.shots_taken,
        "coverage": _coverage_of(given, rest),
    }
    if rest.mission is None:
        return result
    files = [write_mission(rest.mission, request.out, given.plan_camera, walls, given.goal, given.autopilot)]
    if len(rest.flights) > 1:
        for number, flight in enumerate(rest.flights, 1):
            one = request.out.with_name(f"{request.out.stem}-{number}{request.out.suffix}")
            files.append(write_mission(flight, one, given.plan_camera, walls, given.goal, given.autopilot))
    result |= {
        "file": str(request.out),
        "files": [str(file) for file in files],
        "items": len(rest.mission.items),
        "flights": len(rest.flights),
    }
    log_rest(given, result)
    return result


def _limits(given: ResumeInputs, endurance_s: float | None) -> FlightLimits:
    if endurance_s is not None and not (math.isfinite(endurance_s) and endurance_s > 0):
        raise SurveyError(f"endurance of {endurance_s / 60:g} min cannot be flown; give a number above 0")
    battery = None if endurance_s is None else Battery(endurance_s)
    return FlightLimits(battery, given.item_limit, airframe_of(given.autopilot), given.request.wind or Wind())


def _coverage_of(given: ResumeInputs, rest: Remaining) -> dict[str, Any] | None:
    """How much of the zone is seen now and will be, where the plan tells its zone and its camera."""
    if given.goal is None or given.plan_camera is None:
        return None
    try:
        ground = given.ground(given.goal.zones)
        placed = given.placed(ground, given.plan_camera)
        after: dict[Camera, list[Pose]] = {c: list(poses) for c, poses in placed.poses.items()}
        if rest.mission is not None:
            later = mission_poses(rest.mission, ground.terrain)
            after.setdefault(given.plan_camera, []).extend(later)
        height = given.plan_camera.height_for_gsd_m(given.goal.gsd_m)
        seen = [
            count_taken(given.goal.zones, photos, given.plan_camera, height, ground, given.no_fly())
            for photos in (placed.poses, after)
        ]
    except MissionError:  # the shots can be flown all the same; only their share is not known
        return None
    views = given.goal.views
    return coverage_json(views, seen[0], seen[0].share(views), seen[1].share(views))


def _coverage(given: ResumeInputs, why: str) -> dict[str, Any]:
    request, zones = given.request, given.zones()
    fallback = camera = given.camera()
    if request.photo_camera:
        fallback = choose_camera(request.photo_camera, None, given.workspace)
    elif given.plan_camera is not None:
        fallback = given.plan_camera
    ground = given.ground(zones)
    placed = given.placed(ground, fallback)
    no_fly = given.no_fly()
    settings = _settings(given, ground)
    drone = Drone(airframe=settings.airframe, battery=settings.battery, autopilot=given.autopilot)
    rest = plan_uncovered(
        zones,
        placed.poses,
        Team(camera, given.launches(), (drone,) * (1 if request.drones is None else request.drones)),
        settings,
        ground,
        no_fly=no_fly,
        barred=given.barred(no_fly, ground.frame),
    )
    result = result_of(given, "coverage", why, [*notes_of(given, placed), *rest.notes])
    result |= {
        "photos_planned": len(given.planned_places(ground)),
        "photos_taken": placed.count,
        "photos_to_take": len(rest.plan.shots) if rest.plan else 0,
        "camera": camera.name,
        "coverage": coverage_json(rest.views, rest.before, rest.share_before, rest.share_after, rest),
    }
    if rest.plan is None:
        return result
    shifts = {**(given.goal.shifts_m if given.goal else {}), **placed.shifts_m}
    goal = replace(goal_of(rest.plan, zones), views=rest.views, shifts_m=shifts)
    files = write_plan(rest.plan, request.out, goal=goal)
    report = rest.plan.report()
    result |= {
        "file": str(files[0]),
        "files": [str(file) for file in files],
        "items": sum(len(sortie.mission.items) for sortie in rest.plan.sorties),
        "flights": len(rest.plan.sorties),
        "sorties": report["sorties"],
        "duration_s": report["duration_s"],
        "min_clearance_m": report["min_clearance_m"],
    }
    record_plan(given, rest.plan, camera, files, report)
    log_rest(given, result)
    return result


def _settings(given: ResumeInputs, ground: Ground) -> SurveySettings:
    request, goal = given.request, given.goal
    changed = request.overlap is not None or request.sidelap is not None
    views = request.min_views
    if views is None and goal is not None and not changed:
        views = goal.views
    gsd = request.gsd_m
    if gsd is None and request.height_agl_m is None:
        gsd = given.gsd_m(ground)
    return SurveySettings(
        gsd_m=gsd,
        height_agl_m=request.height_agl_m,
        overlap=_given(request.overlap, goal.overlap if goal else _USUAL.overlap),
        sidelap=_given(request.sidelap, goal.sidelap if goal else _USUAL.sidelap),
        clearance_m=_given(request.clearance_m, goal.clearance_m if goal else _USUAL.clearance_m),
        speed_mps=request.speed_mps,
        wind=request.wind or Wind(),
        endurance_s=_given(request.endurance_s, goal.endurance_s if goal else _USUAL.endurance_s),
        airframe=airframe_of(given.autopilot),
        min_views=views,
        min_share=goal.min_share if goal else _USUAL.min_share,
        no_fly_margin_m=goal.no_fly_margin_m if goal else _USUAL.no_fly_margin_m,
        hole_margin_m=goal.hole_margin_m if goal else _USUAL.hole_margin_m,
    )


def _given(value: float | None, usual: float) -> float:
    return usual if value is None else value
