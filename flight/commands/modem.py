"""A vehicle's satellite modem opened or closed by hand (MAV_CMD_CONTROL_HIGH_LATENCY).

`fly` does it by itself (flight.links.high_latency_switch). By hand it is for a modem that was left open, and
for trying one out on the ground.
"""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.evidence import ActionResult, Doing
from flight.commands.protocol import result_words
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message

_WORD_S = 90.0
"""So long the first word over an opened modem may take: PX4 speaks each 66 s."""
_ON_ITS_WAY_S = 60.0
"""So long a word may still come that was said before the modem was closed."""
_QUIET_S = 70.0
"""Who has been silent for so long over a satellite has closed it; after 90 s a station calls again."""
_TRIES = 3


async def control_modem(vehicle: Vehicle, on: bool) -> ActionResult:
    """Open or close the satellite modem, over whichever link works. Opening is seen where this station has a
    satellite link, by the first word over it; closing over the satellite alone, by silence.

    Raises CommandError when it is refused, NotSeenError, DisputedError.
    """
    doing = Doing(vehicle, f"{'open' if on else 'close'} the satellite modem")
    with vehicle.inbox() as inbox:
        if vehicle.by_satellite:
            return await (_opened(doing, inbox) if on else _closed_from_afar(doing, inbox))
        await doing.command(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, float(on))
        if not on:
            return doing.result("accepted; what was said before may still come", proven=False)
        if not vehicle.station.satellite_links:
            return doing.result("accepted; no link of this station goes over it", proven=False)
        return await _opened(doing, inbox)


def _is_word(message: Message) -> bool:
    return message.get_type() in ("HIGH_LATENCY", "HIGH_LATENCY2")


async def _opened(doing: Doing, inbox: Inbox) -> ActionResult:
    if await inbox.next(_is_word, _WORD_S) is None:
        raise doing.not_seen(f"no word has come over the satellite for {_WORD_S:.0f} s")
    return doing.result("open: its word has come over the satellite")


async def _closed_from_afar(doing: Doing, inbox: Inbox) -> ActionResult:
    """A modem that closes may have no way left to say so, and a PX4 never answers over one."""
    vehicle, number = doing.vehicle, mavlink.MAV_CMD_CONTROL_HIGH_LATENCY

    def answers(message: Message) -> bool:
        return message.get_type() == "COMMAND_ACK" and message.command == number

    for _ in range(_TRIES):
        vehicle.send(
            mavlink.MAVLink_command_long_message(vehicle.sysid, vehicle.compid, number, 0, 0.0, *([0.0] * 6))
        )
        answer = await inbox.next(answers, _ON_ITS_WAY_S)
        if answer is not None and answer.result != mavlink.MAV_RESULT_ACCEPTED:
            raise doing.fault(result_words(answer.result))
        if answer is not None:
            return doing.result("accepted; what was said before may still come", proven=False)
        if await inbox.next(_is_word, max(_QUIET_S - vehicle.silence_s(), 0.0)) is None:
            return doing.result(f"closed: silent for {_QUIET_S:.0f} s")
    raise doing.fault("it goes on telling of itself over the satellite")
