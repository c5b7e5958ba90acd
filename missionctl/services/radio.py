"""From a plan file to where its radio link is lost, and where a relay would bring it back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.raster_io import write_cog
from missionctl.jobs import OnProgress
from missionctl.workspace import find_workspace, write_text
from plans.errors import SurveyError, TerrainError
from plans.formats import read_mission
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.mission import Mission
from plans.mission_shots import frame_of
from plans.radio import Antenna, RadioLink, find_link, margins_db
from plans.radio_area import margin_grid
from plans.radio_paths import (
    LostStretch,
    RadioPath,
    connected_share,
    lost_stretches,
    mission_paths,
    path_margins,
)
from plans.radio_relay import RelayProposal, best_relay
from plans.terrain import Terrain, read_terrain

_MARGIN_M = 500.0
_FARTHEST_M = 100_000.0
_CLASS_DB = 5.0  # pieces of path in a GeoJSON file keep within this
_NODATA = -9999.0
_OUTPUTS = (".tif", ".tiff", ".geojson")


@dataclass(frozen=True)
class RadioRequest:
    """What `missionctl radio` was asked for."""

    plan: Path
    station: Antenna
    link: str
    dem: Path | None = None
    relay: Antenna | None = None
    propose_height_m: float | None = None
    out: Path | None = None


@dataclass(frozen=True)
class _Scene:
    """All that the outputs are drawn from. `relayed` are the margins with the proposed relay."""

    request: RadioRequest
    link: RadioLink
    terrain: Terrain
    paths: tuple[RadioPath, ...]
    margins: tuple[FloatArray, ...]
    stretches: tuple[LostStretch, ...]
    proposal: RelayProposal | None
    relayed: tuple[FloatArray, ...] | None


def check_radio(request: RadioRequest, on_progress: OnProgress) -> dict[str, Any]:
    """Margins along the plan's flights, the stretches without a link, a relay if asked for, and the file."""
    if request.out and request.out.suffix.lower() not in _OUTPUTS:
        raise SurveyError(f"{request.out}: give a name that ends in .tif (margins over the land) or .geojson")
    link = find_link(request.link)
    mission = read_mission(request.plan)
    on_progress("terrain", 0.0)
    terrain = _terrain(request, mission)
    on_progress("margins", 0.3)
    paths = mission_paths(mission, terrain)
    margins = path_margins(paths, terrain, request.station, link, request.relay)
    proposal, relayed = None, None
    if request.propose_height_m is not None:
        on_progress("relay", 0.5)
        proposal = best_relay(paths, terrain, request.station, link, request.propose_height_m)
    if proposal is not None:
        relayed = path_margins(paths, terrain, request.station, link, proposal.antenna)
    stretches = lost_stretches(paths, margins, terrain.frame)
    scene = _Scene(request, link, terrain, paths, margins, stretches, proposal, relayed)
    result = _report(scene)
    if request.out:
        on_progress("file", 0.7)
        if request.out.suffix.lower() == ".geojson":
            _write_geojson(scene, request.out)
        else:
            result["raster_height_agl_m"] = round(_write_raster(scene, request.out), 1)
        result["file"] = str(request.out)
    on_progress("done", 1.0)
    return result


def _terrain(request: RadioRequest, mission: Mission) -> Terrain:
    workspace = find_workspace(request.plan.parent)
    dem = request.dem or (workspace.input("dem") if workspace else None)
    if dem is None:
        raise TerrainError(
            "no DEM: give --dem FILE; without ground heights nothing can be said about the radio"
        )
    frame = frame_of(mission)
    places = [GeoPoint(item.lat_deg, item.lon_deg) for item in mission.items if item.has_place]
    places += [mission.home] if mission.home else []
    return radio_ground(dem, frame, places, request.station, request.relay)


def radio_ground(
    dem: Path, frame: LocalFrame, places: Sequence[GeoPoint], station: Antenna, relay: Antenna | None
) -> Terrain:
    """The DEM over the places of a plan and all the ground that a relay may be sought on; the same piece when
    none is, so that margins do not hang on how the DEM is cut. Raises SurveyError for antennas far away."""
    flown = _local(frame, places)
    for what, antenna in {"the station": station, "the relay": relay}.items():
        if antenna is None:
            continue
        place = _local(frame, [antenna.place])
        away = float(np.hypot(*(flown - place).T).min())
        if not away <= _FARTHEST_M:
            raise SurveyError(f"{what} lies {away / 1000:.0f} km from the plan; check its coordinates")
        flown = np.vstack([flown, place])
    low, high = flown.min(axis=0), flown.max(axis=0)
    middle = _local(frame, [station.place])[0]
    reach = float(np.hypot(*(flown - middle).T).max())
    low, high = np.minimum(low, middle - reach), np.maximum(high, middle + reach)
    west, south = (float(v) - _MARGIN_M for v in low)
    east, north = (float(v) + _MARGIN_M for v in high)
    return read_terrain(dem, frame, (west, south, east, north))


def _local(frame: LocalFrame, places: Sequence[GeoPoint]) -> FloatArray:
    return np.column_stack(frame.to_local([p.lat_deg for p in places], [p.lon_deg for p in places]))


def _report(scene: _Scene) -> dict[str, Any]:
    request, link = scene.request, scene.link
    return {
        "plan": str(request.plan),
        "link": link_json(link),
        "station": antenna_json(request.station),
        "relay": (relay_json(scene.terrain, request.station, request.relay, link) if request.relay else None),
        "flights": len(scene.paths),
        "length_m": round(sum(float(path.steps_m.sum()) for path in scene.paths), 1),
        "connected_share": round(connected_share(scene.paths, scene.margins), 5),
        "worst_margin_db": round(min(float(m.min()) for m in scene.margins), 2),
        "lost": [stretch_json(stretch) for stretch in scene.stretches],
        "proposal": proposal_json(scene.proposal) if scene.proposal else None,
    }


def link_json(link: RadioLink) -> dict[str, Any]:
    """A link as reports have it."""
    return {"name": link.name, "frequency_mhz": link.frequency_hz / 1e6, "budget_db": link.budget_db}


def antenna_json(antenna: Antenna) -> dict[str, Any]:
    """An antenna as reports have it."""
    place = antenna.place
    return {"lat_deg": place.lat_deg, "lon_deg": place.lon_deg, "height_agl_m": antenna.height_agl_m}


def relay_json(terrain: Terrain, station: Antenna, relay: Antenna, link: RadioLink) -> dict[str, Any]:
    """A relay as reports have it, with the margin of its own link to the station."""
    place = relay.at_m(terrain, "the relay")[None]
    own = float(margins_db(terrain, station, place, link)[0])
    return {**antenna_json(relay), "station_margin_db": round(own, 2)}


def stretch_json(stretch: LostStretch) -> dict[str, Any]:
    """A stretch without a link as reports have it; flights count from 1."""
    return {
        "flight": stretch.flight + 1,
        "from": [round(stretch.start.lat_deg, 7), round(stretch.start.lon_deg, 7)],
        "to": [round(stretch.end.lat_deg, 7), round(stretch.end.lon_deg, 7)],
        "length_m": round(stretch.length_m, 1),
        "duration_s": None if stretch.duration_s is None else round(stretch.duration_s, 1),
        "worst_margin_db": round(stretch.worst_margin_db, 2),
    }


def proposal_json(proposal: RelayProposal) -> dict[str, Any]:
    """A proposed relay as reports have it."""
    place = proposal.antenna.place
    return {
        "lat_deg": round(place.lat_deg, 7),
        "lon_deg": round(place.lon_deg, 7),
        "height_agl_m": proposal.antenna.height_agl_m,
        "station_margin_db": round(proposal.station_margin_db, 2),
        "share_before": round(proposal.share_before, 5),
        "share_after": round(proposal.share_after, 5),
    }


def _write_raster(scene: _Scene, out: Path) -> float:
    """Margins at the flights' usual height above ground over all the land they cross; gives that height."""
    terrain, request = scene.terrain, scene.request
    points = np.vstack([path.points_m for path in scene.paths])
    above = points[:, 2] - terrain.at(points[:, 0], points[:, 1])
    height = max(float(np.nanmedian(above)), 0.0)
    relays = [request.relay] + ([scene.proposal.antenna] if scene.proposal else [])
    corners = [points[:, :2]] + [
        a.at_m(terrain)[None, :2] for a in (request.station, *relays) if a is not None
    ]
    area = shapely.MultiPoint(np.vstack(corners)).envelope.buffer(_MARGIN_M, join_style="mitre")
    grids = [margin_grid(terrain, request.station, height, scene.link, area, relay) for relay in relays]
    bands = [np.where(np.isfinite(g.margin_db), g.margin_db, _NODATA).astype(np.float32) for g in grids]
    names = ["link margin, dB", "link margin with the proposed relay, dB"][: len(bands)]
    tags = {"HEIGHT_AGL_M": f"{height:.1f}", "LINK": scene.link.name}
    write_cog(out, bands, grids[0].transform, terrain.frame.crs, nodata=_NODATA, names=names, tags=tags)
    return height


def _write_geojson(scene: _Scene, out: Path) -> None:
    """The flights in pieces of like margin, the station, and the relay that is there or proposed."""
    features = []
    for at, (path, margin) in enumerate(zip(scene.paths, scene.margins, strict=True)):
        relayed = scene.relayed[at] if scene.relayed else None
        for start, end in _pieces(margin):
            worst = float(margin[start:end].min())
            properties = {"kind": "path", "flight": path.flight + 1, "margin_db": round(worst, 2)}
            properties["lost"] = worst < 0
            if relayed is not None:
                properties["margin_with_relay_db"] = round(float(relayed[start:end].min()), 2)
            line = _places(path.points_m[start : end + 1], scene)  # on to the next piece, so that they join
            features.append(_feature("LineString", line, **properties))
    antennas = {"station": scene.request.station, "relay": scene.request.relay}
    antennas["proposed relay"] = scene.proposal.antenna if scene.proposal else None
    for kind, antenna in antennas.items():
        if antenna is not None:
            place = _places(antenna.at_m(scene.terrain)[None], scene)[0]
            features.append(_feature("Point", place, kind=kind, height_agl_m=antenna.height_agl_m))
    collection = {"type": "FeatureCollection", "features": features}
    write_text(out, json.dumps(collection, allow_nan=False) + "\n")


def _pieces(margin: FloatArray) -> list[tuple[int, int]]:
    """Runs start..end-1 of points of one class of margin; 0 dB is a border of classes."""
    borders = np.flatnonzero(np.diff(np.floor(margin / _CLASS_DB))) + 1
    edges = [0, *borders.tolist(), len(margin)]
    return [(a, b) for a, b in itertools.pairwise(edges) if a + 1 < len(margin)]


def _feature(shape: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": shape, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _places(points_m: FloatArray, scene: _Scene) -> list[list[float]]:
    lat, lon = scene.terrain.frame.to_geo(points_m[:, 0], points_m[:, 1])
    rows: list[list[float]] = np.column_stack([lon.round(7), lat.round(7), points_m[:, 2].round(1)]).tolist()
    return rows
