"""The radio of a survey that is being planned: ground without a link to keep out of, and what of the planned
flights loses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, LineString, MultiPolygon, Polygon

from missionctl.services.radio import antenna_json, link_json, proposal_json, relay_json, stretch_json
from plans.errors import SurveyError, TerrainError
from plans.frames import GeoPoint, LocalFrame
from plans.radio import Antenna, RadioLink
from plans.radio_area import radio_shadow
from plans.radio_paths import (
    RadioPath,
    connected_share,
    lost_stretches,
    path_margins,
    sortie_paths,
)
from plans.radio_relay import RelayProposal, best_relay
from plans.survey import SurveyPlan
from plans.terrain import Terrain
from plans.zones import Corridor, Zone

_AROUND_M = 300.0  # of zones and launch points: ways around a shadow are to have a link, too
_NARROW_M, _WALL_M = 20.0, 8.0  # nearer than so to a shadow nothing begins; walls begin so much nearer to it
_SLIT_M = 60.0  # more than the planner's margins on both sides fill
_MAST_M, _HOVER_M = 5.0, 100.0
_BETTER = 0.01  # of the flights, that a hovering relay must connect more than one on a mast
_LINES = 60  # across the zone, along which a relay's worth is told


@dataclass(frozen=True)
class RadioSetup:
    """The station, the link, and the relay that is there; with `keep_link` what has no link is not flown."""

    station: Antenna
    link: RadioLink
    relay: Antenna | None = None
    keep_link: bool = False


@dataclass(frozen=True)
class Shadow:
    """What a plan that keeps its link stays out of: `walls`, areas without a link at `height_agl_m`, or shut
    in by such. `reach` is the rest of the land in local metres, `share` that of the zone outside of it."""

    walls: Zone
    reach: Geometry
    share: float
    height_agl_m: float


def shadow_of(
    setup: RadioSetup,
    ground: Terrain,
    height_agl_m: float,
    area: Geometry,
    launches: Sequence[GeoPoint],
) -> Shadow | None:
    """Where a vehicle at this height above ground, less what it may fly lower, has no link, or cannot get to
    from a launch point without losing it; None when there is none such. `area` is the ground of the zones in
    local metres; without launch points the piece of land with most of it is kept.

    Raises SurveyError when that leaves nothing of the zones or holds a launch point.
    """
    lowest = height_agl_m - max(1.0, 0.05 * height_agl_m)  # as plans.fleet.follow_limits lets it
    places = [shapely.Point(*map(float, ground.frame.to_local(p.lat_deg, p.lon_deg))) for p in launches]
    land, lost = _shadow(setup, ground, lowest, shapely.union_all([area, *places]).convex_hull.buffer(1.0))
    if lost.is_empty:
        return None
    open_land = shapely.difference(land, lost.buffer(_NARROW_M, join_style="mitre"))
    pieces = [p for p in shapely.get_parts(open_land) if isinstance(p, Polygon)]
    where = f"{height_agl_m:.0f} m above ground from the station with {setup.link.name}"
    mend = "move or raise the station, add --relay, or plan without --keep-link"
    for launch, place in zip(launches, places, strict=True):
        if not any(piece.contains(place) for piece in pieces):
            raise SurveyError(
                f"launch point {launch.lat_deg:.6f},{launch.lon_deg:.6f} has no radio link at {where}; "
                f"launch elsewhere, {mend}"
            )
    if places:
        pieces = [piece for piece in pieces if any(piece.contains(place) for place in places)]
    else:
        pieces = sorted(pieces, key=lambda piece: -shapely.intersection(piece, area).area)[:1]
    reach = shapely.union_all(pieces).buffer(_NARROW_M - _WALL_M, join_style="mitre")
    share = 1 - shapely.intersection(reach, area).area / area.area
    if share > 0.99:
        raise SurveyError(
            f"hardly any of the zone has a radio link at {where}, or can be reached with it; {mend}"
        )
    walls = [wall for part in _polygons(land.difference(reach)) for wall in _without_holes(part)]
    geo = ground.frame.geometry_to_geo(MultiPolygon(walls))
    return Shadow(Zone("no radio link", geo), reach, share, height_agl_m)


def _shadow(
    setup: RadioSetup, ground: Terrain, height_agl_m: float, hull: Polygon
) -> tuple[Polygon, MultiPolygon]:
    """The land about the work and its shadow: the hull and around, or where the DEM ends there the hull."""
    rules = ground, setup.station, height_agl_m, setup.link
    wide = hull.buffer(_AROUND_M)
    try:
        return wide, radio_shadow(*rules, wide, setup.relay)
    except TerrainError:
        return hull, radio_shadow(*rules, hull, setup.relay)


def _polygons(geometry: Geometry) -> list[Polygon]:
    return [p for p in shapely.get_parts(geometry) if isinstance(p, Polygon) and p.area > 1.0]


def _without_holes(polygon: Polygon) -> list[Polygon]:
    """The polygon with a slit from each hole to the outside: the planner's walls have no holes."""
    done, waiting = [], [polygon]
    while waiting:
        part = waiting.pop()
        if not part.interiors:
            done.append(part)
            continue
        a, b = shapely.shortest_line(part.interiors[0], part.exterior).coords
        slit = (
            shapely.LineString([a, b]).buffer(_SLIT_M / 2) if a != b else shapely.Point(a).buffer(_SLIT_M / 2)
        )
        waiting += _polygons(part.difference(slit))
    return done


def within_reach(zones: Sequence[Zone] | Sequence[Corridor], shadow: Shadow, frame: LocalFrame) -> list[Any]:
    """What of the zones or corridors keeps the link; names and priorities stay."""
    kept: list[Any] = []
    for zone in zones:
        own = zone.polygon if isinstance(zone, Zone) else zone.line
        rest = shapely.intersection(frame.geometry_to_local(own), shadow.reach)
        if isinstance(zone, Zone):
            parts = _polygons(rest)
            if parts:
                kept.append(replace(zone, polygon=frame.geometry_to_geo(MultiPolygon(parts))))
        else:
            lines = [p for p in shapely.get_parts(rest) if isinstance(p, LineString) and p.length > 1.0]
            kept += [replace(zone, line=frame.geometry_to_geo(line)) for line in lines]
    return kept


def without_fence(plan: SurveyPlan, shadow: Shadow) -> SurveyPlan:
    """The plan with the shadow not in the fences of its flights: vehicles keep out by their routes, but must
    not take the straight way home through it for a breach."""
    parts = len(shapely.get_parts(shadow.walls.polygon))
    sorties = tuple(
        replace(s, mission=replace(s.mission, fence_exclusion=s.mission.fence_exclusion[:-parts]))
        for s in plan.sorties
    )
    return replace(plan, sorties=sorties)


def tell_shadow(shadow: Shadow, proposal: RelayProposal | None) -> str:
    """A note that says what is left out and where a relay would help."""
    note = (
        f"{_percent(shadow.share)} of the zone has no radio link at {shadow.height_agl_m:.0f} m above "
        "ground, or cannot be reached with it, and is left out"
    )
    if proposal is None:
        return f"{note}; no place for a relay within the station's reach brings any of it back"
    place = proposal.antenna.place
    return (
        f"{note}; a relay {proposal.antenna.height_agl_m:g} m above ground at {place.lat_deg:.5f},"
        f"{place.lon_deg:.5f} would bring the link to {_percent(proposal.share_after)} of the zone"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or share == 0 else f"{share:.2%}"


def radio_report(
    plan: SurveyPlan, setup: RadioSetup, ground: Terrain, shadow: Shadow | None, area: Geometry
) -> tuple[dict[str, Any], list[str]]:
    """The key `radio` of a plan's report, and notes. `area` is all ground that was asked for. Raises
    TerrainError where the DEM lacks ground between the station and the flights."""
    paths = sortie_paths(plan.sorties)
    margins = path_margins(paths, ground, setup.station, setup.link, setup.relay)
    stretches = lost_stretches(paths, margins, plan.frame)
    proposal, about = None, "flights"
    if setup.relay is None:
        if shadow is not None:
            about = "zone"
            proposal = _proposal(_across(area, ground, shadow.height_agl_m), setup, ground)
        elif stretches:
            proposal = _proposal(paths, setup, ground)
    lost = [{"sortie": row.pop("flight"), **row} for row in map(stretch_json, stretches)]
    report = {
        "link": link_json(setup.link),
        "station": antenna_json(setup.station),
        "relay": relay_json(ground, setup.station, setup.relay, setup.link) if setup.relay else None,
        "share_connected": round(connected_share(paths, margins), 5),
        "worst_margin_db": round(min(float(m.min()) for m in margins), 2),
        "lost": lost,
        "left_out_share": round(shadow.share, 5) if shadow else 0.0,
        "relay_proposal": {**proposal_json(proposal), "share_of": about} if proposal else None,
    }
    return report, [tell_shadow(shadow, proposal)] if shadow and shadow.share > 0 else []


def _proposal(paths: Sequence[RadioPath], setup: RadioSetup, ground: Terrain) -> RelayProposal | None:
    """The best place for a mast, or for a hovering drone where that connects more."""
    found: RelayProposal | None = None
    for height in (_MAST_M, _HOVER_M):
        other = best_relay(paths, ground, setup.station, setup.link, height)
        if other and (found is None or other.share_after > found.share_after + _BETTER):
            found = other
    return found


def _across(region: Geometry, ground: Terrain, height_agl_m: float) -> list[RadioPath]:
    """Lines over the whole zone at a height above ground: what a relay connects of them, it connects of the
    zone."""
    west, south, east, north = region.bounds
    step = max(ground.step_m, (north - south) / _LINES)
    paths: list[RadioPath] = []
    for y in np.arange(south + step / 2, north, step):
        line = shapely.LineString([(west, y), (east, y)])
        for piece in shapely.get_parts(shapely.intersection(line, region)):
            if piece.length <= 0:
                continue
            count = max(math.ceil(piece.length / step), 1) + 1
            places = shapely.get_coordinates(
                shapely.line_interpolate_point(piece, np.linspace(0, 1, count), normalized=True)
            )
            up = ground.at(places[:, 0], places[:, 1]) + height_agl_m
            paths.append(RadioPath(len(paths), np.column_stack([places, up]), np.full(count, np.nan)))
    return paths
