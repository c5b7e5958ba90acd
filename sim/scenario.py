"""Scenario files: world, vehicles, weather, radio, battery, the faults to come and the goals, as TOML.

    name = "Link lost over the river"
    about = "The radio is cut for a minute; the vehicle comes home by itself."
    start = 2026-07-01T02:00:00Z          # simulated time at power-up; without it, now
    gnss = "standard"                     # or "rtk"
    autopilot = "px4"                     # whose behaviour; without it, ardupilot
    vehicles = 2
    world = "county"                      # a world's folder, from where this file is

    [place]                               # instead: a real place; files from where this one is, in any CRS
    ortho = "valley.tif"
    dem = "heights.tif"
    dsm = "roofs.tif"                     # if houses and trees are to stand up
    launch = [30.05, 103.15]              # else the most level open ground near the middle
    around = [30.05, 103.15]              # cut out a square about this place
    size_m = 900
    stage_m = 2.5                         # flood over the river's own surface; without it the place is dry
    peak_m = 3.4                          # how high it had been: mud is left up to there
    river = "river.gpkg"                  # lines, areas or a mask; or [[LAT, LON], ...]; else by the DEM

    [weather]
    wind_mps = 7.0
    from_deg = 250.0
    gust_mps = 1.5

    [radio]                               # the same both ways; times in simulated seconds
    loss = 0.05
    latency_s = 0.2
    jitter_s = 0.1
    bytes_per_s = 5700.0
    range_m = 6000                        # half is lost at this distance in the open, all behind a ridge
    station = [30.05, 103.15]             # its antenna; without it, where the vehicle starts
    antenna_m = 6                         # above the ground
    mhz = 915
    over_terrain = true                   # whether the ground stands in the way
    # instead: [[radios]] tables with these keys, one for each --listen, in their order

    [terrain]
    on_card = false                       # the vehicle asks the station for ground heights

    [battery]
    charge_share = 0.8
    capacity_mah = 10000.0

    [params]                              # the autopilot's names
    FS_GCS_ENABLE = 1

    [[faults]]                            # see sim.faults.Fault
    kind = "link_cut"
    at_s = 60
    since = "takeoff"
    duration_s = 60

    [goals]                               # see sim.goals.Goals; judged at the end
    photos = 120
    landed_within_m = 5.0
    fence_kept = true
    return_above = 0.3

What a scenario does not say stays as it was set.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plans.frames import GeoPoint
from sim.autopilot.params import problem_with
from sim.autopilot.personality import personality_of
from sim.dynamics import Weather
from sim.errors import ScenarioError, SettingsError, WorldError
from sim.faults import Fault
from sim.goals import Goals
from sim.radio import RadioSettings, Reach
from sim.sensors import find_gnss
from sim.server import SimSettings

if TYPE_CHECKING:
    from sim.world.real import RealPlace

_Share = Annotated[float, Field(ge=0, le=1)]
_Some = Annotated[float, Field(ge=0)]
_Degrees = Annotated[float, Field(ge=-360, le=360)]
_Metres = Annotated[float, Field(ge=-10_000, le=10_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Weather(_Strict):
    wind_mps: Annotated[float, Field(ge=0, le=40)] = 0.0
    from_deg: _Degrees = 0.0
    gust_mps: Annotated[float, Field(ge=0, le=15)] = 0.0


class _Radio(_Strict):
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0
    latency_s: Annotated[float, Field(ge=0, le=30)] = 0.0
    jitter_s: Annotated[float, Field(ge=0, le=30)] = 0.0
    bytes_per_s: _Some = 0.0
    range_m: Annotated[float, Field(ge=50, le=200_000)] | None = None
    station: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    antenna_m: Annotated[float, Field(ge=0, le=200)] = 2.0
    mhz: Annotated[float, Field(ge=30, le=30_000)] = 915.0
    over_terrain: bool = True


class _Terrain(_Strict):
    on_card: bool = True


class _Place(_Strict):
    ortho: Annotated[str, Field(min_length=1)]
    dem: Annotated[str, Field(min_length=1)]
    dsm: Annotated[str, Field(min_length=1)] | None = None
    launch: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    around: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    size_m: Annotated[float, Field(gt=0)] | None = None
    stage_m: Annotated[float, Field(gt=0)] | None = None
    peak_m: Annotated[float, Field(gt=0)] | None = None
    river: str | list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = None


class _Battery(_Strict):
    charge_share: Annotated[float, Field(gt=0, le=1)] | None = None
    capacity_mah: Annotated[float, Field(ge=500, le=100_000)] | None = None


class _Goals(_Strict):
    photos: Annotated[int, Field(ge=1, le=100_000)] | None = None
    all_photos: bool = False
    landed_within_m: _Some | None = None
    touchdown_mps: Annotated[float, Field(gt=0, le=50)] | None = None
    fence_kept: bool = False
    return_above: _Share | None = None
    charge_above: _Share | None = None
    apart_m: _Some | None = None
    flight_s: _Some | None = None


class _Fault(_Strict):
    kind: str
    at_s: _Some
    since: str = "start"
    duration_s: _Some = 0.0
    vehicle: Annotated[int, Field(ge=0, le=50)] = 0
    east_m: _Metres | None = None
    north_m: _Metres | None = None
    up_m: _Metres | None = None
    ohm: Annotated[float, Field(ge=0, le=10)] | None = None
    charge_share: _Share | None = None
    wind_mps: Annotated[float, Field(ge=0, le=40)] | None = None
    from_deg: _Degrees | None = None
    gust_mps: Annotated[float, Field(ge=0, le=15)] | None = None
    thrust_share: _Share | None = None
    speed_mps: Annotated[float, Field(ge=0, le=150)] | None = None
    deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    hpa_per_h: Annotated[float, Field(ge=-30, le=30)] | None = None


class _File(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    about: str = ""
    start: dt.datetime | None = None
    autopilot: str | None = None
    gnss: str | None = None
    vehicles: Annotated[int, Field(ge=1, le=50)] | None = None
    world: Annotated[str, Field(min_length=1)] | None = None
    place: _Place | None = None
    weather: _Weather | None = None
    radio: _Radio | None = None
    radios: Annotated[list[_Radio], Field(max_length=20)] = Field(default_factory=list)
    terrain: _Terrain | None = None
    battery: _Battery = Field(default_factory=_Battery)
    params: dict[str, float] = Field(default_factory=dict)
    faults: list[_Fault] = Field(default_factory=list)
    goals: _Goals | None = None


@dataclass(frozen=True)
class Scenario:
    """What a scenario file says. None is "as it was set"."""

    name: str
    about: str = ""
    start_utc: dt.datetime | None = None
    autopilot: str | None = None
    gnss: str | None = None
    vehicles: int | None = None
    world: Path | None = None
    """A world's folder; of a `real_place` it is where its world is made."""
    real_place: RealPlace | None = None
    weather: Weather | None = None
    radio: RadioSettings | None = None
    radios: tuple[RadioSettings, ...] = ()
    terrain_on_card: bool | None = None
    charge_share: float | None = None
    capacity_mah: float | None = None
    params: tuple[tuple[str, float], ...] = ()
    faults: tuple[Fault, ...] = ()
    goals: Goals | None = None

    def apply(self, settings: SimSettings) -> SimSettings:
        """The settings with all that this scenario says; its faults and parameters come after theirs. The
        world of a real place is made first, unless it is there already.

        Raises ScenarioError when a fault is meant for a vehicle that is not simulated, WorldError for files
        of which no world can be made.
        """
        vehicles = self.vehicles or settings.vehicles
        for number, fault in enumerate(self.faults, 1):
            if fault.vehicle > vehicles:
                raise ScenarioError(
                    f"scenario {self.name!r}: fault {number} ({fault.kind}) is for vehicle {fault.vehicle}, "
                    f"but {vehicles} fly; give --vehicles {fault.vehicle} or more"
                )
        if self.real_place is not None and self.world is not None and settings.world is None:
            from sim.world import make_real_world  # only simulations of a world pay for the imaging libraries

            make_real_world(self.world, self.real_place)
        pack = settings.pack
        if self.capacity_mah is not None:
            pack = replace(pack, capacity_mah=self.capacity_mah)
        return replace(
            settings,
            autopilot=self.autopilot or settings.autopilot,
            gnss=self.gnss or settings.gnss,
            vehicles=vehicles,
            world=settings.world or self.world,
            weather=self.weather or settings.weather,
            radio=self.radio or settings.radio,
            radios=self.radios or settings.radios,
            terrain_on_card=settings.terrain_on_card
            if self.terrain_on_card is None
            else self.terrain_on_card,
            pack=pack,
            charge_share=settings.charge_share if self.charge_share is None else self.charge_share,
            faults=settings.faults + self.faults,
            goals=self.goals or settings.goals,
            params=settings.params + self.params,
            start_utc=self.start_utc or settings.start_utc,
        )


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError that names the file, the entry and what is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); name a scenario file") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is no text file; name a scenario file (TOML)") from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, source: str) -> Scenario:
    """A scenario from its TOML text; `source` is named in errors (ScenarioError)."""
    try:
        entries: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: is not valid TOML: {error}") from error
    try:
        file = _File.model_validate(entries)
    except ValidationError as error:
        raise ScenarioError(f"{source}: {_first_problem(error)}") from error
    try:
        return _scenario_of(file, Path(source))
    except (ScenarioError, SettingsError) as error:
        raise ScenarioError(f"{source}: {error}") from error


def _scenario_of(file: _File, source: Path) -> Scenario:
    if file.start is not None and file.start.tzinfo is None:
        raise ScenarioError("start: has no time zone; write for example 2026-07-01T02:00:00Z")
    if file.gnss is not None:
        find_gnss(file.gnss)
    if file.world is not None and file.place is not None:
        raise ScenarioError("world and place: give one of them")
    known = personality_of(file.autopilot or "ardupilot").parameters
    for name, value in file.params.items():
        if problem := problem_with(name, value, known):
            raise ScenarioError(f"params: {problem}")
    return Scenario(
        name=file.name,
        about=file.about.strip(),
        start_utc=file.start.astimezone(dt.UTC) if file.start else None,
        autopilot=file.autopilot,
        gnss=file.gnss,
        vehicles=file.vehicles,
        world=_world_folder(file, source),
        real_place=_real_place(file.place, source.parent) if file.place is not None else None,
        weather=Weather(**file.weather.model_dump()) if file.weather else None,
        radio=_radio_of(file.radio, "radio") if file.radio else None,
        radios=tuple(_radio_of(radio, f"radios {n}") for n, radio in enumerate(file.radios, 1)),
        terrain_on_card=file.terrain.on_card if file.terrain else None,
        charge_share=file.battery.charge_share,
        capacity_mah=file.battery.capacity_mah,
        params=tuple(file.params.items()),
        faults=tuple(_fault_of(entry, number) for number, entry in enumerate(file.faults, 1)),
        goals=Goals(**file.goals.model_dump()) if file.goals else None,
    )


def _world_folder(file: _File, source: Path) -> Path | None:
    """The folder that is named; that of a real place lies beside the scenario, under its name."""
    if file.place is not None:
        return source.with_suffix(".world")
    return source.parent / file.world if file.world else None


def _real_place(entry: _Place, folder: Path) -> RealPlace:
    from sim.world.inundation import RealFlood
    from sim.world.real import RealPlace

    flood = None
    if entry.stage_m is not None:
        river = entry.river if entry.river is not None else []
        source = (
            folder / river
            if isinstance(river, str)
            else tuple(_point(at, f"place.river {n}") for n, at in enumerate(river, 1))
        )
        try:
            flood = RealFlood(entry.stage_m, entry.peak_m, source)
        except WorldError as error:
            raise ScenarioError(f"place: {error}") from error
    elif idle := sorted(entry.model_fields_set & {"peak_m", "river"}):
        raise ScenarioError(f"place: {', '.join(idle)} has no effect without stage_m; add it")
    return RealPlace(
        ortho=folder / entry.ortho,
        dem=folder / entry.dem,
        dsm=folder / entry.dsm if entry.dsm is not None else None,
        launch=_point(entry.launch, "place.launch") if entry.launch is not None else None,
        centre=_point(entry.around, "place.around") if entry.around is not None else None,
        size_m=entry.size_m,
        flood=flood,
    )


def _point(lat_lon: list[float], where: str) -> GeoPoint:
    lat, lon = lat_lon
    if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        raise ScenarioError(f"{where}: {lat:g}, {lon:g} is no place; write [LAT, LON] in degrees")
    return GeoPoint(lat, lon)


def _radio_of(entry: _Radio, where: str) -> RadioSettings:
    plain = RadioSettings(entry.loss, entry.latency_s, entry.jitter_s, entry.bytes_per_s)
    if entry.range_m is None:
        idle = sorted(entry.model_fields_set & {"station", "antenna_m", "mhz", "over_terrain"})
        if idle:
            raise ScenarioError(f"{where}: {', '.join(idle)} has no effect without range_m; add it")
        return plain
    station = _point(entry.station, f"{where}.station") if entry.station is not None else None
    reach = Reach(entry.range_m, station, entry.antenna_m, entry.mhz * 1e6, entry.over_terrain)
    return replace(plain, reach=reach)


def _fault_of(entry: _Fault, number: int) -> Fault:
    given = entry.model_dump(exclude_none=True)
    try:
        fault = Fault(**given)
        fault.check_numbers(set(given))
    except ScenarioError as error:
        raise ScenarioError(f"fault {number}: {error}") from error
    return fault


def _first_problem(error: ValidationError) -> str:
    """The first thing that pydantic found, with the place in the file as a person would name it."""
    found = error.errors()[0]
    place = ""
    for part in found["loc"]:
        if isinstance(part, int):
            place += f" {part + 1}"
        else:
            place += f".{part}" if place else str(part)
    if found["type"] == "extra_forbidden":
        parts: dict[Any, type[BaseModel]] = {
            "place": _Place,
            "weather": _Weather,
            "radio": _Radio,
            "radios": _Radio,
            "terrain": _Terrain,
            "goals": _Goals,
            "battery": _Battery,
            "faults": _Fault,
        }
        model = parts[found["loc"][0]] if len(found["loc"]) > 1 else _File
        return f"{place}: is not known; take {', '.join(model.model_fields)}"
    if found["type"] == "missing":
        return f"{place}: is missing; add it"
    value = found["input"]
    shown = f" (it is {value!r})" if isinstance(value, str | int | float) else ""
    message = found["msg"]
    return f"{place}: {message[0].lower()}{message[1:]}{shown}"


def packaged_scenarios() -> dict[str, Path]:
    """The scenarios that come with the program, by the name of their file without .toml."""
    folder = Path(str(resources.files("sim").joinpath("scenarios")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_scenario(name: str, folders: tuple[Path, ...] = ()) -> Path:
    """The file of a scenario: a path, or a name among the files in `folders` and those that are packaged.

    Raises ScenarioError that lists the known names.
    """
    if name.endswith(".toml") or Path(name).is_file():
        return Path(name)
    known = packaged_scenarios()
    for folder in folders:
        known.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    if name not in known:
        raise ScenarioError(f"scenario {name!r} is not known; take a file, or one of: {', '.join(known)}")
    return known[name]
