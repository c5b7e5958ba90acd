"""What a trainer does: a scenario with a simulated vehicle, flown by a plan or by a trainee, and scored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.commands.basics import request_streams
from flight.core import Core, with_station
from flight.errors import CommandError, FlightAborted, FlightError
from flight.logs.files import read_log
from flight.station import PLAIN, Station, StationSettings
from missionctl.errors import WorkspaceError
from missionctl.jsontext import to_json
from missionctl.services.flying import FlyRequest, expected_photos, fly_plan
from missionctl.services.grading import Evidence, grade
from missionctl.services.simulator import end_simulator, simulator_process, wait_until_ready
from missionctl.workspace import write_text
from plans.errors import MissionError
from plans.formats import read_mission
from plans.frames import GeoPoint
from plans.mission import Mission
from sim.autopilot.params import PARAMETERS
from sim.scenario import Scenario, find_scenario, packaged_scenarios, read_scenario

OnProgress = Callable[[str, float], None]
OnNews = Callable[[str], None]
ShouldStop = Callable[[], bool]

_READY_S = 60.0
_END_S = 10.0
_POLL_S = 0.1
_AFTER_LANDING_S = 2.0
_BEATS_HEARD = 2.5
_WATCHER_SYSID = 254
"""The record of a trainee's flight is kept beside the trainee's own station, which is 255."""


@dataclass(frozen=True)
class TrainingRequest:
    """What `missionctl train run` was asked for. Without a plan a trainee connects to `listen` and flies."""

    scenario: str
    out: Path
    plan: Path | None = None
    listen: str = "tcpin:127.0.0.1:5760"
    home: GeoPoint | None = None
    world: Path | None = None
    speedup: float = 1.0
    seed: int = 0
    settings: StationSettings = PLAIN


def list_scenarios() -> list[dict[str, Any]]:
    """The scenarios that come with the program."""
    rows = []
    for name, path in packaged_scenarios().items():
        scenario = read_scenario(path)
        rows.append(
            {
                "scenario": name,
                "title": scenario.name,
                "about": " ".join(scenario.about.split()),
                "faults": [str(f) for f in scenario.faults],
            }
        )
    return rows


def run_training(
    request: TrainingRequest,
    on_progress: OnProgress,
    on_news: OnNews = lambda text: None,
    should_stop: ShouldStop = lambda: False,
) -> dict[str, Any]:
    """Run a scenario to its end and score it; returns what stands in OUT/report.json.

    Raises ScenarioError, PlanFileError and WorkspaceError before anything starts; a flight that goes wrong is
    no error here but a result.
    """
    file = find_scenario(request.scenario)
    scenario = read_scenario(file)
    mission = read_mission(request.plan) if request.plan else None
    _check_speedup(request, scenario)
    home = request.home or _home_of(request, scenario, mission)
    out = request.out
    if out.exists() and any(out.iterdir()):
        raise WorkspaceError(f"{out}: is not empty; name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    with _simulator(request, file, home, 1 if mission else 2) as (addresses, finish):
        flight = out / "flight"
        if mission is not None and request.plan is not None:
            fly = FlyRequest(request.plan, addresses[0], flight, settings=request.settings)
            outcome = _fly(fly, on_progress, should_stop)
        else:
            on_news(f"connect to {addresses[0]} and fly; the run ends after the landing, or with Ctrl-C")
            outcome = _watch(addresses[1], request.settings, flight, out / "news.jsonl", on_news, should_stop)
        finish()
    result = _report(request, scenario, mission, outcome, flight)
    write_text(out / "report.json", to_json(result) + "\n")
    on_progress("scored", 1.0)
    return result


def _check_speedup(request: TrainingRequest, scenario: Scenario) -> None:
    """A station's heart beats once a second of our time; a vehicle whose time runs faster waits less long."""
    params = dict(scenario.params)
    if not params.get("FS_GCS_ENABLE"):
        return
    most = params.get("FS_GCS_TIMEOUT", PARAMETERS["FS_GCS_TIMEOUT"].default) / _BEATS_HEARD
    if request.speedup > most:
        raise MissionError(
            f"scenario {request.scenario!r} watches the station's heartbeat, which {request.speedup:g} times "
            f"as fast would always seem lost; take --speedup {most:g} at most"
        )


def _home_of(request: TrainingRequest, scenario: Scenario, mission: Mission | None) -> GeoPoint | None:
    if request.world is not None or scenario.world is not None:
        return None  # the world's launch point
    if mission is not None:
        place = mission.home or next(
            (GeoPoint(i.lat_deg, i.lon_deg) for i in mission.items if i.has_place), None
        )
        if place is not None:
            return GeoPoint(place.lat_deg, place.lon_deg, place.alt_amsl_m or 0.0)
    raise MissionError("where does the vehicle stand? give --home LAT,LON,ALT, --world DIR or a plan")


@contextlib.contextmanager
def _simulator(
    request: TrainingRequest, scenario: Path, home: GeoPoint | None, links: int
) -> Iterator[tuple[list[str], Callable[[], int | None]]]:
    """A simulated vehicle. Yields the addresses to connect to and a function that ends it in good order."""
    own = "tcpin:127.0.0.1:0"
    listen = [own] if request.plan else [request.listen, own]
    news = request.out / "news.jsonl"
    settings = {
        "scenario": str(scenario.resolve()),
        "home": [home.lat_deg, home.lon_deg, home.alt_amsl_m or 0.0] if home else None,
        "listen": listen[:links],
        "speedup": request.speedup,
        "world": str(request.world.resolve()) if request.world else None,
        "seed": request.seed,
        "news": str(news),
    }
    write_text(request.out / "simulator.json", to_json(settings) + "\n")
    log = request.out / "simulator.log"
    command = [sys.executable, "-m", "missionctl.services.training_sim", str(request.out / "simulator.json")]
    with simulator_process(command, log) as child:
        addresses = wait_until_ready(child, log, lambda: _ready_addresses(news))
        yield addresses, lambda: end_simulator(child, _END_S)


def _ready_addresses(news: Path) -> list[str] | None:
    ready = next((line for line in read_news(news) if line["kind"] == "ready"), None)
    return [str(url) for url in ready["connect"]] if ready else None


def read_news(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a news file; the last may still be in work."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _fly(request: FlyRequest, on_progress: OnProgress, should_stop: ShouldStop) -> dict[str, Any]:
    """Fly the plan with the ordinary station; what goes wrong is the outcome."""
    try:
        report = fly_plan(request, on_progress, should_stop)
    except FlightAborted as reason:
        return {"complete": False, "why": str(reason)}
    except FlightError as reason:
        return {"complete": False, "why": str(reason)}
    return {"complete": bool(report["complete"]), "why": ""}


def _watch(
    connect: str,
    settings: StationSettings,
    folder: Path,
    news: Path,
    on_news: OnNews,
    should_stop: ShouldStop,
) -> dict[str, Any]:
    """Record what the vehicle tells while a trainee flies it; ends after the landing."""
    stop = [False]

    def look() -> None:
        stop[0] = stop[0] or should_stop()

    async def work(station: Station, core: Core) -> dict[str, Any]:
        told, flown, ended_s = 0, False, None
        station.alive = lambda: False  # only the trainee's heartbeat counts
        vehicle = await station.wait_for_vehicle(_READY_S)
        for recorder in station.recorders:
            recorder.event("connected", vehicle=vehicle.sysid, mode=vehicle.state.mode, url=connect)
        with contextlib.suppress(CommandError):
            await request_streams(vehicle)
        while not stop[0] and (ended_s is None or station.now_s() < ended_s):
            lines = read_news(news)
            for line in lines[told:]:
                if line["kind"] in ("fault", "fault_over", "mode", "armed", "disarmed", "text"):
                    what = line["kind"].replace("_", " ")
                    core.tell(on_news, f"{line['time_s']:7.1f} s  {what}: {line['text']}")
                flown = flown or line["kind"] == "airborne"
                if flown and line["kind"] == "disarmed":
                    ended_s = station.now_s() + _AFTER_LANDING_S
            told = len(lines)
            await asyncio.sleep(_POLL_S)
        return {"complete": flown and ended_s is not None, "why": "" if flown else "nobody took off"}

    return with_station([connect], work, settings=settings, record=folder, sysid=_WATCHER_SYSID, each=look)


def _report(
    request: TrainingRequest,
    scenario: Scenario,
    mission: Mission | None,
    outcome: dict[str, Any],
    flight: Path,
) -> dict[str, Any]:
    news = read_news(request.out / "news.jsonl")
    log = None
    with contextlib.suppress(FlightError):
        log = read_log(flight / "telemetry.tlog")
    evidence = Evidence(
        news=tuple(line for line in news if line["kind"] not in ("ready", "summary")),
        summary=next((line for line in news if line["kind"] == "summary"), None),
        log=log,
        mission=mission,
        photos_expected=expected_photos(mission) if mission else None,
        complete=outcome["complete"] if mission else None,
    )
    return {
        "scenario": request.scenario,
        "title": scenario.name,
        "plan": str(request.plan) if request.plan else None,
        "faults": [str(f) for f in scenario.faults],
        "complete": outcome["complete"],
        "why": outcome["why"],
        **grade(evidence),
        "flight": str(flight),
        "news": str(request.out / "news.jsonl"),
    }
