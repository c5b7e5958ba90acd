"""The mission folder: one place for zones, plans, flights, photos, mosaics, damage and who did what.

NAME/
  mission.toml       what the mission is and where its inputs are
  mission.gpkg       zones, plans, flights, photos, damage, events, jobs (opens in QGIS)
  plans/  flights/<id>/{telemetry.tlog, events.jsonl, photos/}  mosaics/  damage/  reports/
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import socket
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shapely import Geometry

from missionctl import geopackage
from missionctl.errors import WorkspaceError
from missionctl.geopackage import Feature, Layer
from plans.frames import LocalFrame

INPUT_NAMES = (
    "basemap",
    "dem",
    "before_ortho",
    "footprints",
    "roads",
    "townships",
    "county",
    "land_use",
    "population",
    "rivers",
    "villages",
    "safe",
    "samples",
    "world",
)
"""Inputs that mission.toml may name, as paths relative to the folder or absolute."""

AUTOPILOTS = "ardupilot", "px4"
"""Autopilots that mission.toml may name for plans."""

FOLDERS = ("plans", "flights", "mosaics", "damage", "reports")

_STAMPS = {"created_utc": "TEXT", "author": "TEXT"}
LAYERS = (
    Layer("zones", {"name": "TEXT", "priority": "REAL", **_STAMPS}, description="areas to survey"),
    Layer(
        "plans",
        {"name": "TEXT", "file": "TEXT", "camera": "TEXT", "report_json": "TEXT", **_STAMPS},
        description="planned lanes, one row a plan",
    ),
    Layer(
        "flights",
        {
            "flight_id": "TEXT",
            "plan": "TEXT",
            "folder": "TEXT",
            "started_utc": "TEXT",
            "ended_utc": "TEXT",
            "report_json": "TEXT",
            **_STAMPS,
        },
        description="tracks as flown",
    ),
    Layer(
        "photos",
        {
            "name": "TEXT",
            "flight_id": "TEXT",
            "mosaic": "TEXT",
            "lat_deg": "REAL",
            "lon_deg": "REAL",
            "alt_amsl_m": "REAL",
            "yaw_deg": "REAL",
            "placed_by": "TEXT",
            **_STAMPS,
        },
        description="ground footprints of the photos in a mosaic",
    ),
    Layer(
        "damage",
        {
            "kind": "TEXT",
            "source_id": "TEXT",
            "grade": "TEXT",
            "detail_json": "TEXT",
            "run": "TEXT",
            **_STAMPS,
        },
        description="buildings, roads and water as interpreted from images",
    ),
    Layer(
        "events",
        {"time_utc": "TEXT", "actor": "TEXT", "action": "TEXT", "detail_json": "TEXT"},
        spatial=False,
        append_only=True,
        description="who did what when",
    ),
    Layer(
        "checks",
        {
            "time_utc": "TEXT",
            "actor": "TEXT",
            "plan": "TEXT",
            "plan_sha256": "TEXT",
            "vehicle": "INTEGER",
            "ready": "INTEGER",
            "accepted": "TEXT",
            "checks_json": "TEXT",
            "ticks_json": "TEXT",
        },
        spatial=False,
        append_only=True,
        description="preflight checklists: who checked which vehicle for which plan",
    ),
    Layer(
        "decisions",
        {
            "time_utc": "TEXT",
            "actor": "TEXT",
            "kind": "TEXT",
            "source_id": "TEXT",
            "grade": "TEXT",
            "was": "TEXT",
            "run": "TEXT",
            "note": "TEXT",
        },
        append_only=True,
        description="grades that analysts gave to buildings and roads; the last of a place holds",
    ),
    Layer(
        "verified",
        {
            "time_utc": "TEXT",
            "actor": "TEXT",
            "county": "TEXT",
            "township": "TEXT",
            "village": "TEXT",
            "item": "TEXT",
            "value": "REAL",
            "source": "TEXT",
            "note": "TEXT",
            "run": "TEXT",
        },
        spatial=False,
        append_only=True,
        description="figures that people verified on the ground; the last of a unit and item holds",
    ),
    Layer(
        "jobs",
        {
            "kind": "TEXT",
            "state": "TEXT",
            "stage": "TEXT",
            "progress": "REAL",
            "pid": "INTEGER",
            "host": "TEXT",
            "started_utc": "TEXT",
            "updated_utc": "TEXT",
            "detail_json": "TEXT",
        },
        spatial=False,
        description="long work: what runs, what ended and how",
    ),
)


@dataclass(frozen=True)
class MissionConfig:
    """mission.toml as a value. Paths are as written there; `camera` and `autopilot` (ardupilot or px4) are
    what plans are made for when none is named."""

    name: str
    place: str = ""
    camera: str = ""
    autopilot: str = ""
    origin_lat_deg: float | None = None
    origin_lon_deg: float | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def frame(self) -> LocalFrame | None:
        """The mission's local frame, once its place is known."""
        if self.origin_lat_deg is None or self.origin_lon_deg is None:
            return None
        return LocalFrame(self.origin_lat_deg, self.origin_lon_deg)


@dataclass(frozen=True)
class Workspace:
    """An open mission folder. Holds no state: every read and write goes to disk."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: MissionConfig) -> Workspace:
        """Make a new mission folder.

        Raises WorkspaceError when one is there already or the place cannot be written.
        """
        if (path / "mission.toml").exists() or (path / "mission.gpkg").exists():
            raise WorkspaceError(f"{path}: there is a mission already; open it or choose another folder")
        if path.exists() and not path.is_dir():
            raise WorkspaceError(f"{path}: is a file; choose a folder for the mission")
        try:
            for folder in FOLDERS:
                (path / folder).mkdir(parents=True, exist_ok=True)
            beside = path / ".mission.gpkg.part"
            beside.unlink(missing_ok=True)
            geopackage.create(beside, LAYERS)
            os.replace(beside, path / "mission.gpkg")
        except OSError as error:
            raise WorkspaceError(f"{path}: a mission folder cannot be made here ({error.strerror})") from None
        workspace = cls(path)
        workspace.write_config(config)
        workspace.log("mission created", name=config.name)
        return workspace

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """Open a mission folder.

        Raises WorkspaceError when the folder is not one or its files are damaged.
        """
        workspace = cls(path)
        if not (path / "mission.toml").is_file() or not (path / "mission.gpkg").is_file():
            raise WorkspaceError(f"{path}: not a mission folder (make one with: missionctl new {path})")
        _ = workspace.config
        return workspace

    @property
    def store(self) -> Path:
        """The mission's GeoPackage."""
        return self.path / "mission.gpkg"

    @property
    def config(self) -> MissionConfig:
        """mission.toml as it stands now."""
        file = self.path / "mission.toml"
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            frame = data.get("frame", {})
            return MissionConfig(
                name=str(data["name"]),
                place=str(data.get("place", "")),
                camera=str(data.get("camera", "")),
                autopilot=_autopilot(data.get("autopilot", "")),
                origin_lat_deg=frame.get("origin_lat_deg"),
                origin_lon_deg=frame.get("origin_lon_deg"),
                inputs={k: str(v) for k, v in data.get("inputs", {}).items()},
            )
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise WorkspaceError(f"{file}: cannot be read ({error}); mend or restore it") from None

    def write_config(self, config: MissionConfig) -> None:
        """Replace mission.toml in one step."""
        lines = [
            f"name = {_toml(config.name)}",
            f"place = {_toml(config.place)}",
            f"camera = {_toml(config.camera)}",
            *([f"autopilot = {_toml(config.autopilot)}"] if config.autopilot else []),
        ]
        if config.frame:
            lines += ["", "[frame]", f"origin_lat_deg = {config.origin_lat_deg!r}"]
            lines.append(f"origin_lon_deg = {config.origin_lon_deg!r}")
        if config.inputs:
            lines += ["", "[inputs]", *(f"{k} = {_toml(v)}" for k, v in sorted(config.inputs.items()))]
        write_text(self.path / "mission.toml", "\n".join(lines) + "\n")

    def set_input(self, name: str, file: Path) -> None:
        """Note where an input is; a path inside the folder is stored relative to it."""
        if name not in INPUT_NAMES:
            raise WorkspaceError(f"input {name!r} is not known; one of: {', '.join(INPUT_NAMES)}")
        absolute = file.resolve()
        root = self.path.resolve()
        stored = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)
        config = self.config
        self.write_config(replace(config, inputs={**config.inputs, name: stored}))

    def input(self, name: str) -> Path | None:
        """Where an input is, or None when the mission has none. A named file that is gone is an error."""
        stored = self.config.inputs.get(name)
        if stored is None:
            return None
        file = self.path / stored
        if not file.exists():
            raise WorkspaceError(f"{file}: named as {name} in mission.toml, but it is not there")
        return file

    def features(self, layer: str) -> list[Feature]:
        """The rows of a layer, oldest first; geometries in lon/lat."""
        self._have(layer)
        return geopackage.read(self.store, layer)

    def add(self, layer: str, rows: Sequence[tuple[Geometry | None, Mapping[str, Any]]]) -> list[int]:
        """Append rows; they are saved when this returns. Author and time are added where a layer has them."""
        known = self._have(layer).columns
        stamps = {k: v for k, v in (("created_utc", now_utc()), ("author", actor())) if k in known}
        return geopackage.insert(self.store, layer, [(g, {**stamps, **values}) for g, values in rows])

    def _have(self, name: str) -> Layer:
        """A layer by its name, made in folders from before there was one."""
        layer = next(item for item in LAYERS if item.name == name)
        geopackage.ensure(self.store, layer)
        return layer

    def log(self, action: str, **detail: Any) -> None:
        """Append to the mission's journal: who did what when."""
        self.add(
            "events",
            [
                (
                    None,
                    {
                        "time_utc": now_utc(),
                        "actor": actor(),
                        "action": action,
                        "detail_json": json.dumps(detail, ensure_ascii=False, default=str),
                    },
                )
            ],
        )

    def new_flight_folder(self) -> Path:
        """An empty folder flights/<id>/ that no other process got."""
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in range(1, 1000):
            folder = self.path / "flights" / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            (folder / "photos").mkdir()
            return folder
        raise WorkspaceError(f"{self.path}: no free flight folder for {stamp}")

    def newest(self, folder: str, pattern: str) -> Path | None:
        """The newest file of a sub-folder that fits a pattern, or None."""
        found = sorted((self.path / folder).glob(pattern), key=lambda p: p.stat().st_mtime)
        return found[-1] if found else None


def find_workspace(start: Path) -> Workspace | None:
    """The mission folder that `start` lies in, or None."""
    for folder in (start, *start.resolve().parents):
        if (folder / "mission.toml").is_file() and (folder / "mission.gpkg").is_file():
            return Workspace(folder)
    return None


def now_utc() -> str:
    """The present, ISO 8601 with milliseconds and Z."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def actor() -> str:
    """Who acts: MISSIONCTL_OPERATOR when set (duty officer A or B), else user@host."""
    named = os.environ.get("MISSIONCTL_OPERATOR")
    if named:
        return named
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, UTF-8.

    Raises WorkspaceError that names the file.
    """
    beside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WorkspaceError(f"{path}: cannot be written ({error.strerror})") from None


def _autopilot(name: object) -> str:
    if name not in ("", *AUTOPILOTS):
        raise ValueError(f"autopilot is {name!r}, not one of {', '.join(AUTOPILOTS)}")
    return str(name)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
