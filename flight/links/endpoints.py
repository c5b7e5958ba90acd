"""Endpoints: who else may listen to the vehicles, and what they may say.

`URL[?key=value&...]`: `udpout:127.0.0.1:14550?may=read&deny=RC_CHANNELS&systems=1,2`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import parse_qsl

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import AddressError
from flight.links.link import Address, parse_address

_FORMS = "may=listen|read|command, allow=NAME,..., deny=NAME,..., systems=ID,..., sign=own|lend"

_READS = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_PING,
        mavlink.MAVLINK_MSG_ID_TIMESYNC,
        mavlink.MAVLINK_MSG_ID_PARAM_REQUEST_READ,
        mavlink.MAVLINK_MSG_ID_PARAM_REQUEST_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_INT,
        mavlink.MAVLINK_MSG_ID_MISSION_ACK,
    }
)
_READ_COMMANDS = frozenset(
    {
        mavlink.MAV_CMD_REQUEST_MESSAGE,
        mavlink.MAV_CMD_GET_HOME_POSITION,
        mavlink.MAV_CMD_GET_MESSAGE_INTERVAL,
        mavlink.MAV_CMD_REQUEST_PROTOCOL_VERSION,
        mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES,
    }
)


class May(IntEnum):
    """What an endpoint may do. `READ`: ask for parameters, missions and messages, change nothing."""

    LISTEN = 0
    READ = 1
    COMMAND = 2

    def passes(self, message_id: int, command: int | None) -> bool:
        """Whether a message (and the command in it, if it holds one) may go on."""
        if self is May.READ:
            return message_id in _READS or command in _READ_COMMANDS
        return self is May.COMMAND


@dataclass(frozen=True)
class EndpointSpec:
    """One `--forward`. `allow` None lets every message through that `deny` does not name; `systems` None, the
    vehicles of every id. `lend`: what it says unsigned is signed with the station's key."""

    address: str
    may: May
    allow: frozenset[int] | None = None
    deny: frozenset[int] = frozenset()
    systems: frozenset[int] | None = None
    lend: bool = False

    def lets(self, message_id: int) -> bool:
        """Whether the filter lets a message through, either way."""
        return message_id not in self.deny and (self.allow is None or message_id in self.allow)

    def sees(self, sysid: int) -> bool:
        """Whether the vehicle is one of its own."""
        return self.systems is None or sysid in self.systems


def parse_endpoint(text: str) -> EndpointSpec:
    """Read `URL[?filter]`. On this machine an endpoint may command and is lent the station's signature unless
    it says otherwise; from elsewhere it may listen. Raises AddressError."""
    url, _, query = text.partition("?")
    address = parse_address(url)
    local = is_direct(address) and address.kind != "serial"
    may, lend = (May.COMMAND, True) if local else (May.LISTEN, False)
    allow: frozenset[int] | None = None
    deny: frozenset[int] = frozenset()
    systems: frozenset[int] | None = None
    try:
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
    except ValueError:
        raise AddressError(f"endpoint {text!r}: after the ? come {_FORMS}, joined by &") from None
    for key, value in pairs:
        if key == "may" and value.upper() in May.__members__:
            may = May[value.upper()]
        elif key == "allow":
            allow = _messages(value, text)
        elif key == "deny":
            deny = _messages(value, text)
        elif key == "systems":
            systems = _systems(value, text)
        elif key == "sign" and value in ("own", "lend"):
            lend = value == "lend"
        else:
            raise AddressError(f"endpoint {text!r}: {key}={value} is not understood; use {_FORMS}")
    return EndpointSpec(url.strip(), may, allow, deny, systems, lend)


def is_direct(address: Address) -> bool:
    """Whether an address is this machine or a cable to it. A serial radio looks like a cable."""
    if address.kind == "serial":
        return True
    if address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False


def _messages(value: str, text: str) -> frozenset[int]:
    return frozenset(_message_id(part.strip(), text) for part in value.split(","))


def _message_id(part: str, text: str) -> int:
    if re.fullmatch(r"\d{1,8}", part) and int(part) < 1 << 24:
        return int(part)
    number = getattr(mavlink, f"MAVLINK_MSG_ID_{part.upper()}", None)
    if not part or not isinstance(number, int) or number < 0:
        raise AddressError(f"endpoint {text!r}: {part or 'nothing'!r} is no MAVLink message")
    return number


def _systems(value: str, text: str) -> frozenset[int]:
    parts = [part.strip() for part in value.split(",")]
    if not all(re.fullmatch(r"\d{1,3}", part) and 1 <= int(part) <= 255 for part in parts):
        raise AddressError(f"endpoint {text!r}: systems={value}: give system ids from 1 to 255")
    return frozenset(map(int, parts))
