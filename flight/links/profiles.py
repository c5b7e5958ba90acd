"""Link profiles: what a link can carry, and how long an answer may take on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FlightError

_ID = {
    "ATTITUDE": mavlink.MAVLINK_MSG_ID_ATTITUDE,
    "GLOBAL_POSITION_INT": mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT,
    "VFR_HUD": mavlink.MAVLINK_MSG_ID_VFR_HUD,
    "SYS_STATUS": mavlink.MAVLINK_MSG_ID_SYS_STATUS,
    "GPS_RAW_INT": mavlink.MAVLINK_MSG_ID_GPS_RAW_INT,
    "EKF_STATUS_REPORT": mavlink.MAVLINK_MSG_ID_EKF_STATUS_REPORT,
    "MISSION_CURRENT": mavlink.MAVLINK_MSG_ID_MISSION_CURRENT,
    "BATTERY_STATUS": mavlink.MAVLINK_MSG_ID_BATTERY_STATUS,
    "WIND": mavlink.MAVLINK_MSG_ID_WIND,
    "EXTENDED_SYS_STATE": mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE,
}


@dataclass(frozen=True)
class LinkProfile:
    """How to use a link. `rates_hz` are the streams to ask for, by message id."""

    name: str
    answer_s: float
    """How long to wait for an answer before asking again."""
    tries: int
    silence_s: float
    """After this long without a word the vehicle counts as not heard."""
    rates_hz: Mapping[int, float] = field(default_factory=dict)
    file_piece_bytes: int = 239
    """How much of a file a message carries. Telemetry radios lose long ones; 110 suits them best."""
    file_bytes_per_s: float | None = None
    """What file transfers may take of the link, both ways together; telemetry needs the rest. None: no limit,
    and files come in bursts."""
    ping_s: float | None = 1.0
    """How often the round trip is measured; None where each byte costs money."""
    beats: bool = True
    """Whether the station's heartbeat goes over it: not over satellites (MAVLink's high latency protocol)."""

    @property
    def commands_only(self) -> bool:
        """Whether it is a satellite link, over which commands go and nothing else
        (flight.links.high_latency_switch)."""
        return not self.beats


def _rates(**hz: float) -> dict[int, float]:
    return {_ID[name]: rate for name, rate in hz.items()}


PROFILES: Mapping[str, LinkProfile] = {
    profile.name: profile
    for profile in (
        LinkProfile(
            "wifi",
            answer_s=1.0,
            tries=6,
            silence_s=3.5,
            rates_hz=_rates(
                ATTITUDE=4,
                GLOBAL_POSITION_INT=4,
                VFR_HUD=2,
                SYS_STATUS=1,
                GPS_RAW_INT=1,
                EKF_STATUS_REPORT=1,
                MISSION_CURRENT=1,
                BATTERY_STATUS=0.5,
                WIND=0.5,
                EXTENDED_SYS_STATE=1,
            ),
        ),
        LinkProfile(
            "radio57k",
            answer_s=2.0,
            ping_s=2.0,
            file_piece_bytes=110,
            file_bytes_per_s=2500.0,
            tries=6,
            silence_s=5.0,
            rates_hz=_rates(
                ATTITUDE=1,
                GLOBAL_POSITION_INT=2,
                VFR_HUD=1,
                SYS_STATUS=0.5,
                GPS_RAW_INT=0.5,
                EKF_STATUS_REPORT=0.5,
                MISSION_CURRENT=0.5,
                EXTENDED_SYS_STATE=0.5,
            ),
        ),
        LinkProfile(
            "narrowband",
            answer_s=5.0,
            ping_s=10.0,
            file_piece_bytes=110,
            file_bytes_per_s=300.0,
            tries=6,
            silence_s=15.0,
            rates_hz=_rates(
                GLOBAL_POSITION_INT=0.3,
                SYS_STATUS=0.2,
                GPS_RAW_INT=0.1,
                EKF_STATUS_REPORT=0.2,
                MISSION_CURRENT=0.2,
            ),
        ),
        LinkProfile(
            "satellite",
            answer_s=20.0,
            ping_s=None,
            beats=False,
            file_piece_bytes=80,
            file_bytes_per_s=25.0,
            tries=5,
            silence_s=90.0,
            rates_hz=_rates(
                GLOBAL_POSITION_INT=0.05, SYS_STATUS=0.02, EKF_STATUS_REPORT=0.02, MISSION_CURRENT=0.05
            ),
        ),
    )
}


def find_profile(name: str) -> LinkProfile:
    """A profile by name. Raises FlightError that lists the names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise FlightError(f"link profile {name!r} is not known; one of: {', '.join(PROFILES)}") from None


def profile_of(address: str, usual: LinkProfile) -> tuple[str, LinkProfile]:
    """An address without its `?profile=NAME`, and the profile: the usual one where it names none.

    Raises FlightError for a profile that is not known or another option.
    """
    place, separator, option = address.partition("?")
    if not separator:
        return address, usual
    key, _, name = option.partition("=")
    if key != "profile":
        raise FlightError(
            f"address {address!r}: {option!r} is not understood; only ?profile=NAME may follow it"
        )
    return place, find_profile(name)
