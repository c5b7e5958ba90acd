"""The whole job on a simulated flood: zone, plan, flight, mosaic, damage, report, and the score of each part
against the truth that only a simulator has."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import shapely

from imagery.damage import DamageOptions
from imagery.damage.scoring import score
from imagery.deliver import export
from imagery.mosaic import MosaicOptions
from missionctl.errors import WorkspaceError
from missionctl.jsontext import to_json
from missionctl.services.damage import damage_from_mosaic
from missionctl.services.flying import FlyRequest, camera_events_of, fly_plan, match_flight_photos
from missionctl.services.mapping import mosaic_photos
from missionctl.services.planning import PlanRequest, plan_to_file
from missionctl.services.scoring import Standing, score_position
from missionctl.services.simulator import end_simulator, last_words, simulator_process, wait_until_ready
from missionctl.workspace import MissionConfig, Workspace, write_text
from plans.errors import MissionError
from sim.world import World, make_world, paint_samples
from sim.world.store import load_objects

OnProgress = Callable[[str, float], None]

CAMERA = "Simulated 6 MP"
_MARKER = ".missionctl-demo"
_SPEEDUP = 20.0
_STROKES_PER_CLASS = 20  # ten minutes of painting
_CARD_WAIT_S = 240.0
_LEAN = 0.35  # tangent of the widest view angle that the seams leave


@dataclass(frozen=True)
class DemoSize:
    """How much is flown: a coarser ground resolution means fewer photos, each of them of more ground."""

    gsd_m: float
    world_pixel_m: float
    world_size_m: float
    margin_m: float


_STAGE_SHARES = {"world": 0.15, "plan": 0.02, "flight": 0.33, "mosaic": 0.30, "damage": 0.12, "report": 0.08}
FULL = DemoSize(gsd_m=0.08, world_pixel_m=0.1, world_size_m=800, margin_m=150)
QUICK = DemoSize(gsd_m=0.12, world_pixel_m=0.2, world_size_m=960, margin_m=205)


def run_demo(out: Path, seed: int, quick: bool, on_progress: OnProgress) -> dict[str, Any]:
    """Run the demo into the mission folder `out`; returns what stands in reports/report.json.

    A folder that an earlier demo made is replaced; any other that is not empty is refused.
    """
    started_s = time.monotonic()
    size = QUICK if quick else FULL
    out = out.resolve()
    _make_room(out)
    stage = _stages(on_progress)

    world = make_world(
        out / "world", seed, size.world_size_m, size.world_pixel_m, stage("world"), margin_m=size.margin_m
    )
    workspace = _open_mission(out, world, seed)
    plan_file = out / "plans" / "survey.plan"
    stage("plan")("plan", 0.0)
    plan = plan_to_file(_plan_request(world, plan_file, size))
    flight = _fly(workspace, world, plan_file, seed, stage("flight"))
    mosaic_file = out / "mosaics" / "orthomosaic.tif"
    photos = Path(flight["photos_dir"])
    mosaic = mosaic_photos(photos, mosaic_file, MosaicOptions(), stage("mosaic")).report()
    damage_dir = out / "damage" / "first"
    options = DamageOptions(event="Simulated flood", analyst="demo (strokes drawn by the simulator)")
    damage = damage_from_mosaic(mosaic_file, damage_dir, options, stage("damage")).report()

    advance = stage("report")
    advance("score against the truth", 0.0)
    position = score_position(mosaic_file, world.after, world.truth_classes, standing_of(world))
    result: dict[str, Any] = {
        "plan": plan,
        "flight": flight,
        "mosaic": {**mosaic, "rmse_gsd": position.rmse_gsd, "position_score": asdict(position)},
        "damage": {**damage, "iou": score(damage_dir / "classes.tif", world.truth_classes).iou},
        "seed": seed,
        "quick": quick,
    }
    advance("map sheet and files", 0.2)
    result["files"] = _write_report_files(out, mosaic_file, damage_dir)
    result["seconds"] = time.monotonic() - started_s
    result["checks"] = _checks(result)
    write_text(out / "reports" / "report.json", to_json(result) + "\n")
    workspace.log("demo done", seconds=round(result["seconds"], 1), checks=result["checks"])
    advance("done", 1.0)
    return result


def _make_room(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise WorkspaceError(f"{out}: is a file; name a folder for the demo with --out")
    if out.exists() and any(out.iterdir()):
        if not (out / _MARKER).exists():
            raise WorkspaceError(f"{out}: is not empty and no demo made it; name another folder with --out")
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / _MARKER).write_text("made by missionctl demo; the next demo replaces this folder\n")
    except OSError as error:
        raise WorkspaceError(
            f"{out}: cannot be written ({error.strerror}); name another with --out"
        ) from None


def _stages(on_progress: OnProgress) -> Callable[[str], OnProgress]:
    """For each stage a progress callback that fills its share of the whole."""
    begins, total = {}, 0.0
    for name, share in _STAGE_SHARES.items():
        begins[name] = total
        total += share

    def stage(name: str) -> OnProgress:
        def advance(step: str, share: float) -> None:
            text = name if step == name else f"{name}: {step}"
            on_progress(text, begins[name] + _STAGE_SHARES[name] * min(max(share, 0.0), 1.0))

        return advance

    return stage


def _open_mission(out: Path, world: World, seed: int) -> Workspace:
    samples = world.folder / "samples.geojson"
    paint_samples(world, samples, strokes_per_class=_STROKES_PER_CLASS, seed=seed)
    config = MissionConfig(
        name="Simulated flood",
        place="a valley that does not exist",
        camera=CAMERA,
        origin_lat_deg=world.frame.origin_lat_deg,
        origin_lon_deg=world.frame.origin_lon_deg,
    )
    workspace = Workspace.create(out, config)
    inputs: dict[str, Path] = {
        "world": world.folder,
        "dem": world.dem,
        "before_ortho": world.before,
        "footprints": world.footprints,
        "roads": world.roads,
        "townships": world.townships,
        "population": world.population,
        "samples": samples,
    }
    for name, file in inputs.items():
        workspace.set_input(name, file)
    return workspace


def _plan_request(world: World, plan_file: Path, size: DemoSize) -> PlanRequest:
    return PlanRequest(
        zone=world.zone,
        out=plan_file,
        camera=CAMERA,
        gsd_m=size.gsd_m,
        dem=world.dem,
        launches=(world.launch,),
    )


def _fly(
    workspace: Workspace, world: World, plan_file: Path, seed: int, on_progress: OnProgress
) -> dict[str, Any]:
    folder = workspace.new_flight_folder()
    photos = folder / "photos"
    with simulated_vehicle(world, photos, seed, folder / "sim.log") as (url, finish):
        request = FlyRequest(plan=plan_file, connect=url, out=folder, photos=None, profile="wifi")
        report = fly_plan(request, lambda step, share: on_progress(step, 0.8 * share))
        on_progress("photos come from the card", 0.8)
        finish()
    on_progress("match photos with camera messages", 0.98)
    return {**report, "matching": match_flight_photos(photos, camera_events_of(folder))}


@contextlib.contextmanager
def simulated_vehicle(
    world: World, photos: Path, seed: int, log: Path
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A simulated vehicle as a process of its own. Yields its address and a function that stops it in good
    order (its last photos written)."""
    port = _free_port()
    home = world.launch
    command = [sys.executable, "-m", "missionctl.cli.main", "sim", "--world", str(world.folder)]
    command += ["--photos", str(photos), "--listen", f"tcpin:127.0.0.1:{port}", "--speedup", f"{_SPEEDUP:g}"]
    command += ["--home", f"{home.lat_deg:.9f},{home.lon_deg:.9f},{home.alt_amsl_m:.3f}", "--seed", str(seed)]
    command += ["--camera", CAMERA, "--gnss", "rtk", "--end-with-stdin"]
    with simulator_process(command, log) as child:
        wait_until_ready(child, log, lambda: True if "ready" in log.read_text(errors="replace") else None)
        yield f"tcp:127.0.0.1:{port}", lambda: _finish(child, log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _finish(child: subprocess.Popen[bytes], log: Path) -> None:
    """End the simulator in good order: it writes the photos that are still in work, then leaves."""
    code = end_simulator(child, _CARD_WAIT_S)
    if code is None:
        raise MissionError(f"the simulator did not write its photos within {_CARD_WAIT_S:.0f} s; see {log}")
    if code != 0:
        raise MissionError(f"the simulator ended with an error: {last_words(log)} (see {log})")


def standing_of(world: World) -> Standing:
    """Where the world's trees and buildings may lean to in a mosaic on the bare ground."""
    buildings, trees = load_objects(world.objects)
    reach_m = trees.radius_m + _LEAN * trees.height_m
    crowns = shapely.buffer(shapely.points(trees.east_m, trees.north_m), reach_m, quad_segs=3)
    houses = shapely.buffer(
        shapely.points([b.east_m for b in buildings], [b.north_m for b in buildings]),
        [0.5 * math.hypot(b.length_m, b.width_m) + _LEAN * (b.wall_m + b.rise_m) for b in buildings],
        quad_segs=3,
    )
    return Standing((*crowns, *houses), world.frame.crs)


def _write_report_files(out: Path, mosaic: Path, damage_dir: Path) -> list[str]:
    """The report folder: what a command post takes with it."""
    reports = out / "reports"
    ortho = reports / "orthomosaic.tif"
    try:
        os.link(mosaic, ortho)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(mosaic, ortho)
    files = [ortho, *export(damage_dir, ["cog", "gpkg", "csv", "xlsx", "pdf", "png", "kmz"], reports)]
    return sorted({f.relative_to(out).as_posix() for f in files})


def _checks(result: dict[str, Any]) -> dict[str, bool]:
    """What the demo promises, said of this run."""
    flight, mosaic, iou = result["flight"], result["mosaic"], result["damage"]["iou"]
    return {
        "mission_identical": bool(flight["identical"]) and flight["items_sent"] == flight["items_read_back"],
        "all_photos_matched": flight["photos_confirmed"] == flight["matching"]["matched"] == mosaic["photos"],
        "all_photos_placed": mosaic["placed"] == flight["photos_confirmed"],
        "position_within_2_gsd": bool(mosaic["rmse_gsd"] <= 2.0),
        "water_iou_at_least_0_80": bool(iou.get("water", 0.0) >= 0.80),
    }
