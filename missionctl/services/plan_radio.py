"""The radio of a survey that is being planned: ground without a link to keep out of, and what of the planned
flights loses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, MultiPolygon, Polygon

from missionctl.services.radio import antenna_json, link_json, proposal_json, relay_json, stretch_json
from plans.errors import SurveyError, TerrainError
from plans.frames import GeoPoint
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
from plans.zones import Zone

_AROUND_M = 300.0  # of zones and launch points: ways around a shadow are to have a link, too
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
    """Ground without a link at `height_agl_m` as an area to keep out of, and its share of the zones."""

    zone: Zone
    share: float
    height_agl_m: float


def shadow_of(
    setup: RadioSetup,
    ground: Terrain,
    height_agl_m: float,
    area: Geometry,
    launches: Sequence[GeoPoint],
) -> Shadow | None:
    """Where a vehicle at this height above ground, less what it may fly lower, has no link; None where that
    touches nothing. `area` is all ground of the zones in local metres.

    Raises SurveyError when it leaves nothing of the zones or holds a launch point.
    """
    lowest = height_agl_m - max(1.0, 0.05 * height_agl_m)  # as plans.fleet.follow_limits lets it
    places = [shapely.Point(*map(float, ground.frame.to_local(p.lat_deg, p.lon_deg))) for p in launches]
    hull = shapely.union_all([area, *places]).convex_hull.buffer(1.0)
    lost = _filled(_shadow(setup, ground, lowest, hull))
    if lost.is_empty:
        return None
    share = shapely.intersection(lost, area).area / area.area
    where = f"{height_agl_m:.0f} m above ground from the station with {setup.link.name}"
    mend = "move or raise the station, add --relay, or plan without --keep-link"
    if share > 0.99:
        raise SurveyError(f"no part of the zone has a radio link at {where}; {mend}")
    for launch, place in zip(launches, places, strict=True):
        if lost.buffer(15.0).contains(place):
            raise SurveyError(
                f"launch point {launch.lat_deg:.6f},{launch.lon_deg:.6f} lies in ground without a radio link "
                f"at {where}, or is shut in by it; launch elsewhere, {mend}"
            )
    return Shadow(Zone("no radio link", ground.frame.geometry_to_geo(lost)), share, height_agl_m)


def _shadow(setup: RadioSetup, ground: Terrain, height_agl_m: float, hull: Polygon) -> MultiPolygon:
    """The shadow on the hull of the work and around, or where the DEM ends there on the hull alone."""
    rules = ground, setup.station, height_agl_m, setup.link
    try:
        return radio_shadow(*rules, hull.buffer(_AROUND_M), setup.relay)
    except TerrainError:
        return radio_shadow(*rules, hull, setup.relay)


def _filled(shadow: MultiPolygon) -> Geometry:
    """Without holes: what the shadow encloses cannot be reached without crossing it."""
    return shapely.union_all([Polygon(part.exterior) for part in shadow.geoms])


def without_fence(plan: SurveyPlan, shadow: Shadow) -> SurveyPlan:
    """The plan with the shadow not in the fences of its flights: vehicles keep out by their routes, but must
    not take the straight way home through it for a breach."""
    parts = len(shapely.get_parts(shadow.zone.polygon))
    sorties = tuple(
        replace(s, mission=replace(s.mission, fence_exclusion=s.mission.fence_exclusion[:-parts]))
        for s in plan.sorties
    )
    return replace(plan, sorties=sorties)


def tell_shadow(shadow: Shadow, proposal: RelayProposal | None) -> str:
    """A note that says what is left out and where a relay would help."""
    note = (
        f"{_percent(shadow.share)} of the zone has no radio link at {shadow.height_agl_m:.0f} m above ground "
        "and is left out"
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
    plan: SurveyPlan, setup: RadioSetup, ground: Terrain, shadow: Shadow | None
) -> tuple[dict[str, Any], list[str]]:
    """The key `radio` of a plan's report, and notes. Raises TerrainError where the DEM lacks ground between
    the station and the flights."""
    paths = sortie_paths(plan.sorties)
    margins = path_margins(paths, ground, setup.station, setup.link, setup.relay)
    stretches = lost_stretches(paths, margins, plan.frame)
    proposal, about = None, "flights"
    if setup.relay is None:
        if shadow is not None:
            about = "zone"
            proposal = _proposal(_across(plan.region, ground, shadow.height_agl_m), setup, ground)
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


def _across(region: Polygon | MultiPolygon, ground: Terrain, height_agl_m: float) -> list[RadioPath]:
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
