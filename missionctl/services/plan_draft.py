"""The plan that is being drawn: areas, launch points and wishes as one immutable value, kept in the mission
folder so that kill -9 loses at most the edit of the last second."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import shapely
from shapely import Polygon
from shapely.geometry import mapping, shape

from missionctl.errors import WorkspaceError
from missionctl.geopackage import Feature
from missionctl.services.planning import PlanRequest
from missionctl.workspace import MissionConfig, Workspace
from plans.errors import ZoneError
from plans.formats import PLAN_SUFFIXES
from plans.frames import GeoPoint

DRAFT = "drafts/plan.json"
_VERSION = 1
ZONE, NO_FLY = "zone", "no_fly"


@dataclass(frozen=True)
class DraftArea:
    """An area that is drawn: a zone to map, or one to stay out of. Polygon in lon/lat degrees."""

    number: int
    kind: str
    name: str
    polygon: Polygon
    priority: float = 1.0


@dataclass(frozen=True)
class Wishes:
    """What the pilot asks for, in the units of the screen; None means automatic."""

    camera: str = ""
    gsd_cm: float | None = 3.0
    height_m: float | None = None
    overlap_percent: float = 80.0
    sidelap_percent: float = 70.0
    speed_mps: float | None = None
    angle_deg: float | None = None
    clearance_m: float = 20.0
    drones: int = 1
    endurance_min: float = 25.0
    autopilot: str = ""


@dataclass(frozen=True)
class PlanDraft:
    """Everything that a plan is made of. `saved` is the plan file that was made of exactly this, if any;
    `known` are the names of the mission's zones that it has taken up: one of these that is not drawn any more
    was removed by hand, any other one is somebody else's."""

    areas: tuple[DraftArea, ...] = ()
    launches: tuple[GeoPoint, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)
    saved: str = ""
    known: tuple[str, ...] = ()

    @property
    def zones(self) -> tuple[DraftArea, ...]:
        """The areas to map."""
        return tuple(area for area in self.areas if area.kind == ZONE)

    def area(self, number: int) -> DraftArea | None:
        """An area by its number."""
        return next((area for area in self.areas if area.number == number), None)

    def with_area(self, kind: str, polygon: Polygon, name: str, priority: float = 1.0) -> PlanDraft:
        """One area more."""
        number = max((area.number for area in self.areas), default=0) + 1
        made = DraftArea(number, kind, self._free(name), polygon, priority)
        return replace(self, areas=(*self.areas, made), saved="")

    def changed(self, number: int, **values: Any) -> PlanDraft:
        """An area with other values."""
        areas = tuple(replace(a, **values) if a.number == number else a for a in self.areas)
        return replace(self, areas=areas, saved="")

    def without(self, *numbers: int) -> PlanDraft:
        """Without some areas."""
        return replace(self, areas=tuple(a for a in self.areas if a.number not in numbers), saved="")

    def with_wishes(self, **values: Any) -> PlanDraft:
        """Other wishes."""
        return replace(self, wishes=replace(self.wishes, **values), saved="")

    def with_launches(self, launches: tuple[GeoPoint, ...]) -> PlanDraft:
        """Other launch points."""
        return replace(self, launches=launches, saved="")

    def _free(self, name: str) -> str:
        """The name, with a number when an area has it already."""
        taken = {area.name for area in self.areas}
        if name not in taken:
            return name
        return next(f"{name} {n}" for n in range(2, 10_000) if f"{name} {n}" not in taken)


# ---------------------------------------------------------------------------- kept in the folder


def keep_draft(workspace: Workspace, draft: PlanDraft) -> None:
    """Put a draft on disk, whole and lasting when this returns. Raises WorkspaceError when it cannot be."""
    file = workspace.path / DRAFT
    beside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(exist_ok=True)
        with beside.open("w", encoding="utf-8") as out:
            json.dump(_to_json(draft), out, ensure_ascii=False, indent=1)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WorkspaceError(f"{file}: the drawing cannot be kept ({error.strerror})") from None


def read_draft(workspace: Workspace) -> PlanDraft | None:
    """The draft that was kept, or None when there is none.

    Raises WorkspaceError when the file is there and makes no sense; it stays where it is.
    """
    file = workspace.path / DRAFT
    try:
        return _from_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, shapely.errors.ShapelyError) as error:
        raise WorkspaceError(f"{file}: cannot be read ({error}); mend or remove it") from None


def draft_of(config: MissionConfig, zones: Sequence[Feature], plans: Sequence[Feature]) -> PlanDraft:
    """A draft of a mission's zones, for the first time somebody edits them; the camera is the mission's or
    the newest plan's."""
    camera = config.camera or (str(plans[-1].values["camera"] or "").split(",")[0] if plans else "")
    return with_zones_of(PlanDraft(wishes=Wishes(camera=camera, autopilot=config.autopilot)), zones)


def with_zones_of(draft: PlanDraft, zones: Sequence[Feature]) -> PlanDraft:
    """The draft with those zones of the mission that it has not taken up yet: somebody else's."""
    drawn = {area.name for area in draft.areas}
    names = [str(row.values["name"]) for row in zones]
    for name, row in zip(names, zones, strict=True):
        if name in draft.known or name in drawn or row.geometry is None:
            continue
        for part in shapely.get_parts(row.geometry).tolist():
            if part.geom_type == "Polygon" and not part.is_empty:
                priority = float(row.values["priority"] or 1.0)
                draft = draft.with_area(ZONE, shapely.force_2d(part), name, priority)
    return replace(draft, known=tuple(dict.fromkeys((*draft.known, *names))))


def _to_json(draft: PlanDraft) -> dict[str, Any]:
    areas = [
        {
            "number": a.number,
            "kind": a.kind,
            "name": a.name,
            "priority": a.priority,
            "polygon": mapping(a.polygon),
        }
        for a in draft.areas
    ]
    launches = [[p.lat_deg, p.lon_deg] for p in draft.launches]
    wishes = asdict(draft.wishes)
    return {
        "version": _VERSION,
        "areas": areas,
        "launches": launches,
        "wishes": wishes,
        "saved": draft.saved,
        "known": list(draft.known),
    }


def _from_json(data: Mapping[str, Any]) -> PlanDraft:
    if data["version"] != _VERSION:
        raise ValueError(f"version {data['version']} is not known")
    known = {f.name for f in fields(Wishes)}
    areas = tuple(
        DraftArea(int(a["number"]), str(a["kind"]), str(a["name"]), shape(a["polygon"]), float(a["priority"]))
        for a in data["areas"]
    )
    return PlanDraft(
        areas,
        tuple(GeoPoint(float(lat), float(lon)) for lat, lon in data["launches"]),
        Wishes(**{k: v for k, v in data["wishes"].items() if k in known}),
        str(data["saved"]),
        tuple(str(name) for name in data["known"]),
    )


# ---------------------------------------------------------------------------- to a plan


def request_of(draft: PlanDraft, folder: Path, out: Path) -> PlanRequest:
    """What `missionctl plan` would be asked for; the areas are written into `folder` as GeoJSON.

    Raises ZoneError when no zone is drawn.
    """
    if not draft.zones:
        raise ZoneError("no zone is drawn yet: draw one on the map")
    zone = _write_areas(folder / "zones.geojson", draft.zones)
    barred = [area for area in draft.areas if area.kind == NO_FLY]
    no_fly = _write_areas(folder / "no_fly.geojson", barred) if barred else None
    return replace(wished(draft, zone, out), no_fly=no_fly)


def wished(draft: PlanDraft, zone: Path, out: Path) -> PlanRequest:
    """A draft's wishes in the planner's units, for zones in a file."""
    wishes = draft.wishes
    return PlanRequest(
        zone=zone,
        out=out,
        camera=wishes.camera or None,
        gsd_m=None if wishes.gsd_cm is None or wishes.height_m is not None else wishes.gsd_cm / 100,
        height_agl_m=wishes.height_m,
        overlap=wishes.overlap_percent / 100,
        sidelap=wishes.sidelap_percent / 100,
        clearance_m=wishes.clearance_m,
        speed_mps=wishes.speed_mps,
        angle_deg=wishes.angle_deg,
        launches=draft.launches,
        drones=wishes.drones,
        endurance_s=wishes.endurance_min * 60,
        autopilot=wishes.autopilot or None,
    )


def free_plan_file(workspace: Workspace, stem: str = "survey", suffix: str = ".plan") -> Path:
    """The first name in plans/ that no plan has."""
    plans = workspace.path / "plans"
    taken = {p.stem for s in PLAN_SUFFIXES for p in plans.glob(f"*{s}")}
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 100_000))
    return plans / f"{next(name for name in names if name not in taken)}{suffix}"


def _write_areas(file: Path, areas: Any) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"name": a.name, "priority": a.priority},
            "geometry": mapping(a.polygon),
        }
        for a in areas
    ]
    file.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), encoding="utf-8"
    )
    return file
