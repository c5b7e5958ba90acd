"""File transfer: megabytes a second from our simulator over a clean loopback link and over one that loses,
ours and pymavlink's client side by side; and all parameters by either way."""

import asyncio
import os
import random
import subprocess
import sys
import time

import pytest

from flight.ftp.files import open_files
from flight.links.profiles import find_profile
from flight.params.fetch import fetch_params
from flight.params.protocol import fetch_all
from flight.station import open_station

SIZE = 4_000_000
SERVER = """
import sys
from plans.frames import GeoPoint
from sim.radio import RadioSettings
from sim.server import SimSettings, serve
settings = SimSettings(home=GeoPoint(30.05, 103.15, 500.0), listen=("tcpin:127.0.0.1:0",), speedup=20.0,
                       radio=RadioSettings(loss=float(sys.argv[1])))
serve(settings, lambda urls: print(urls[0], flush=True))
"""


@pytest.fixture
def simulator():
    """A simulated vehicle in a process of its own, on a link of some loss; gives its address."""
    children = []

    def start(loss=0.0):
        child = subprocess.Popen([sys.executable, "-c", SERVER, str(loss)], stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child.stdout.readline().strip()

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def on_vehicle(url, work):
    async def run():
        async with open_station([url], find_profile("wifi")) as station:
            return await work(await station.wait_for_vehicle(20))

    return asyncio.run(run())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def ours(url, file, back):
    """Seconds to write and to fetch the file, checksums and all."""

    async def work(vehicle):
        async with open_files(vehicle) as files:
            times = [time.perf_counter()]
            await files.put(file, "/APM/big.bin")
            times.append(time.perf_counter())
            await files.get("/APM/big.bin", back)
            times.append(time.perf_counter())
            return times[1] - times[0], times[2] - times[1]

    return on_vehicle(url, work)


def theirs(url, back):
    """Seconds that pymavlink's client takes to fetch it."""
    os.environ["MAVLINK20"] = "1"
    from pymavlink import mavutil
    from pymavlink.mavftp import MAVFTP

    link = mavutil.mavlink_connection(url, source_system=255, autoreconnect=False)
    link.wait_heartbeat(timeout=10)
    client = MAVFTP(link, 1, 1)
    began = time.perf_counter()
    client.cmd_get(["/APM/big.bin", str(back)])
    assert client.process_ftp_reply("get", timeout=120).error_code == 0
    took = time.perf_counter() - began
    link.close()
    return took


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_file_comes_and_goes(simulator, file, tmp_path, tell, loss):
    url = simulator(loss)
    put_s, get_s = ours(url, file, tmp_path / "ours")
    their_s = theirs(url, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == file.read_bytes()
    assert (tmp_path / "theirs").read_bytes() == file.read_bytes()
    mb = SIZE / 1e6
    tell(
        f"ftp, loss {loss:.0%}: get {mb / get_s:.2f} MB/s, pymavlink's mavftp {mb / their_s:.2f} MB/s; "
        f"put {mb / put_s:.2f} MB/s"
    )


def test_all_parameters(simulator, tell):
    async def work(vehicle):
        times = [time.perf_counter()]
        for way in (fetch_params, fetch_all):
            await way(vehicle)
            times.append(time.perf_counter())
        return times[1] - times[0], times[2] - times[1]

    for loss in (0.0, 0.1):
        fast_s, classic_s = on_vehicle(simulator(loss), work)
        tell(f"ftp, loss {loss:.0%}: 55 parameters packed {fast_s:.2f} s, one by one {classic_s:.2f} s")
