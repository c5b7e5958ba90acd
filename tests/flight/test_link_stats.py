"""How much of what a vehicle sends arrives."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from flight.links.profiles import find_profile
from flight.links.stats import LinkStats, heard
from flight.station import open_station
from sim.radio import RadioSettings


@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.integers(0, 255))
def test_lost_messages_are_counted_by_their_numbers(gaps, seq):
    stats = heard(LinkStats(), seq, 30, 0.0)
    for number, gap in enumerate(gaps):
        seq = (seq + gap + 1) % 256
        stats = heard(stats, seq, 30, number + 1.0)
    assert (stats.received, stats.lost) == (len(gaps) + 1, sum(gaps))
    assert stats.loss_share == sum(gaps) / (sum(gaps) + len(gaps) + 1)
    assert stats.bytes_per_s == 30 * (len(gaps) + 1) / len(gaps)


def test_a_late_message_or_a_jump_too_far_to_be_loss_is_not_counted():
    stats = heard(LinkStats(), 200, 30, 0.0)
    assert heard(stats, 199, 30, 1.0).lost == 0
    assert heard(stats, 72, 30, 1.0).lost == 127
    assert heard(stats, 73, 30, 1.0).lost == 0


def test_a_radio_that_loses_a_fifth_shows_as_one(simulator):
    async def story():
        address = simulator(radio=RadioSettings(loss=0.2), speedup=20.0)
        async with open_station([address], find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(10.0)
            async with asyncio.timeout(30.0):
                while vehicle.stats.received < 400:
                    vehicle.send(_all_streams())
                    await asyncio.sleep(0.1)
            return vehicle.stats

    stats = asyncio.run(story())
    assert 0.15 < stats.loss_share < 0.25
    assert stats.bytes_per_s > 1000


def _all_streams():
    from pymavlink.dialects.v20 import ardupilotmega as mavlink

    return mavlink.MAVLink_request_data_stream_message(1, 1, mavlink.MAV_DATA_STREAM_ALL, 10, 1)


def test_messages_of_another_dialect_and_answers_to_others_are_not_lost_ones(scripted, meet):
    from pymavlink.dialects.v20 import ardupilotmega as mavlink

    vehicle = scripted(mavlink.MAV_AUTOPILOT_PX4)

    async def story(seen):
        for _ in range(40):
            other = bytearray(vehicle.encoder.encode(mavlink.MAVLink_system_time_message(1, 2)))
            other[7:9] = (410).to_bytes(2, "little")
            vehicle.link.write(bytes(other))
            vehicle.send(mavlink.MAVLink_mission_count_message(254, 190, 3))
        vehicle.send(mavlink.MAVLink_system_time_message(0, 7))
        with seen.inbox() as inbox:
            assert await inbox.next(lambda m: m.get_type() == "SYSTEM_TIME", 5.0)
        return seen.stats

    stats = meet(vehicle, story)
    assert stats.received >= 80
    assert stats.lost == 0
