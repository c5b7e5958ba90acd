"""Vehicles and their links as plain values, for lists and JSON."""

from __future__ import annotations

from typing import Any

from flight.state import VehicleState
from flight.vehicle import Vehicle


def describe(state: VehicleState, now_s: float) -> dict[str, Any]:
    """A vehicle's state; ages in seconds, None where never told."""
    place, battery, gps, health = state.position, state.battery, state.gps, state.health
    return {
        "vehicle": state.sysid,
        "autopilot": "ArduPilot" if state.is_ardupilot else "PX4" if state.is_px4 else str(state.autopilot),
        "mode": state.mode,
        "armed": state.armed,
        "age_s": round(now_s - state.heard_s, 2),
        "ages_s": {part: round(age_s, 2) for part, age_s in state.ages_s(now_s).items()},
        "lat_deg": place.lat_deg if place else None,
        "lon_deg": place.lon_deg if place else None,
        "alt_amsl_m": place.alt_amsl_m if place else None,
        "alt_rel_m": place.alt_rel_m if place else None,
        "heading_deg": place.heading_deg if place else None,
        "groundspeed_mps": place.ground_speed_mps if place else None,
        "battery_percent": battery.remaining_percent if battery else None,
        "battery_v": battery.voltage_v if battery else None,
        "gps_fix": gps.fix if gps else None,
        "satellites": gps.satellites if gps else None,
        "prearm_ok": health.prearm_ok if health else None,
        "faulty": list(health.faulty) if health else None,
        "rc_heard": state.rc.heard if state.rc else None,
        "mission_item": state.mission.current if state.mission else None,
    }


def describe_links(vehicle: Vehicle) -> list[dict[str, Any]]:
    """The links on which a vehicle is heard, the one in use first."""
    now_s = vehicle.now_s()
    paths = sorted(vehicle.paths.items(), key=lambda pair: pair[0] is not vehicle.link)
    return [
        {
            "link": str(link.address),
            "in_use": link is vehicle.link,
            "profile": path.profile.name,
            "heard_s_ago": round(now_s - path.heard_s, 2),
            "messages_received": path.stats.received,
            "messages_lost": path.stats.lost,
            "loss_share": path.stats.loss_share,
            "recent_loss_share": path.stats.recent_loss_share,
            "bytes_per_s": path.stats.bytes_per_s,
            "round_trip_s": path.round_trip.mean_s,
        }
        for link, path in paths
    ]
