"""Other stations' file transfer against our simulator, and ours against a real ArduCopter.

The real one is named by MISSIONCTL_ARDUCOPTER (an arducopter SITL binary); without it those tests are
skipped.
"""

import asyncio
import importlib.util
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.autopilot.params import PARAMETERS

SITL = os.environ.get("MISSIONCTL_ARDUCOPTER", "")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(random.Random(1).randbytes(60_000))
    return path


def test_mavsdk_lists_writes_fetches_and_removes(missionctl_sim, until, file, tmp_path):
    pytest.importorskip("mavsdk")
    from mavsdk import ComponentType, Configuration, Mavsdk
    from mavsdk.plugins.ftp import Ftp, FtpError, FtpResult

    (url,) = missionctl_sim()
    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
    try:
        assert sdk.add_any_connection(url.replace("tcp:", "tcpout://")) == 0
        ftp = Ftp(sdk.first_autopilot(15.0))

        def over(start):
            news = []
            start(lambda result, data, ud: news.append(result))
            until(lambda: news and news[-1] is not FtpResult.NEXT)
            return news[-1]

        ftp.create_directory("/APM/NEW")
        assert over(lambda done: ftp.upload_async(str(file), "/APM/NEW", done)) is FtpResult.SUCCESS
        (entry,) = ftp.list_directory("/APM/NEW").entries
        assert (entry.name, entry.size_bytes) == ("big.bin", 60_000)
        assert [e.name for e in ftp.list_directory("/APM").entries] == ["LOGS", "NEW"]
        assert ftp.are_files_identical(str(file), "/APM/NEW/big.bin")
        for burst in (True, False):
            back = tmp_path / f"back{burst}"
            back.mkdir()
            got = over(lambda done, b=burst, d=back: ftp.download_async("/APM/NEW/big.bin", str(d), b, done))
            assert got is FtpResult.SUCCESS
            assert (back / "big.bin").read_bytes() == file.read_bytes()
        ftp.rename("/APM/NEW/big.bin", "/APM/NEW/b.bin")
        ftp.remove_file("/APM/NEW/b.bin")
        ftp.remove_directory("/APM/NEW")
        with pytest.raises(FtpError):
            ftp.list_directory("/APM/NEW")
    finally:
        sdk.destroy()


@pytest.fixture
def mavftp(missionctl_sim, monkeypatch):
    """pymavlink's own client (it is MAVProxy's too), and where it is connected."""
    monkeypatch.setitem(os.environ, "MAVLINK20", "1")
    from pymavlink import mavutil
    from pymavlink.mavftp import MAVFTP

    (url,) = missionctl_sim()
    link = mavutil.mavlink_connection(url, source_system=255, autoreconnect=False)
    link.wait_heartbeat(timeout=10)
    yield MAVFTP(link, 1, 1)
    link.close()


@pytest.mark.slow
def test_pymavlinks_client_lists_writes_fetches_and_removes(mavftp, file, tmp_path):
    def do(*words):
        result = mavftp.cmd_ftp(list(map(str, words)))
        return mavftp.process_ftp_reply(words[0], timeout=20) if words[0] in ("get", "put") else result

    assert do("put", file, "/APM/big.bin").error_code == 0
    entries = {e.name: (e.is_dir, e.size_b) for e in do("list", "/APM").directory_listing}
    assert entries == {"LOGS": (True, 0), "big.bin": (False, 60_000)}
    assert do("crc", "/APM/big.bin").error_code == 0
    assert do("get", "/APM/big.bin", tmp_path / "back").error_code == 0
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert do("rename", "/APM/big.bin", "/APM/b.bin").error_code == 0
    assert do("rm", "/APM/b.bin").error_code == 0
    assert do("mkdir", "/APM/NEW").error_code == 0
    assert do("rmdir", "/APM/NEW").error_code == 0


def test_pymavlinks_client_unpacks_our_simulators_parameters(mavftp, tmp_path):
    assert mavftp.cmd_ftp(["getparams", str(tmp_path / "p.param")]).error_code == 0
    mavftp.process_ftp_reply("getparams", timeout=20)
    lines = (tmp_path / "p.param").read_text().splitlines()
    assert len(lines) == len(PARAMETERS)
    assert any(line.startswith("RTL_ALT") and float(line.split(",")[-1]) == 1500 for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("MAVProxy") is None, reason="MAVProxy is not installed")
def test_mavproxy_lists_and_fetches(missionctl_sim, talk, missionctl, until, file, tmp_path):
    (url,) = missionctl_sim()
    missionctl("files", url, "put", file, "/APM/big.bin")
    program = Path(sys.executable).with_name("mavproxy.py")
    proxy = talk(
        *(sys.executable, "-u", program, "--master", url, "--state-basedir", tmp_path),
        *("--default-modules", "param,ftp"),
    )
    proxy.wait_for("parameters")
    proxy.tell("ftp list /APM")
    proxy.wait_for("big.bin")
    proxy.tell("ftp get /APM/big.bin back.bin")
    proxy.wait_for("Wrote 60000")
    until(lambda: (tmp_path / "back.bin").read_bytes() == file.read_bytes())  # it closes the file later


# -- a real ArduCopter ---------------------------------------------------------------------------------


@pytest.fixture
def arducopter(free_port, tmp_path):
    """A real ArduCopter in its own simulator; gives its address."""
    if not SITL:
        pytest.skip("MISSIONCTL_ARDUCOPTER names no arducopter SITL binary")
    port = free_port()
    folder = tmp_path / "sitl"
    folder.mkdir()
    with (tmp_path / "sitl.txt").open("wb") as words:
        child = subprocess.Popen(
            [SITL, "--base-port", str(port), "-I0", "--model", "+", "--wipe", "--home", "30,103,500,0"],
            cwd=folder,
            stdout=words,
            stderr=words,
            stdin=subprocess.DEVNULL,
        )
        time.sleep(1.0)
        yield f"tcp:127.0.0.1:{port}"
        child.kill()
        child.wait()


def on_vehicle(url, work):
    from flight.links.profiles import find_profile
    from flight.station import open_station

    async def run():
        async with open_station([url], find_profile("wifi")) as station:
            return await work(await station.wait_for_vehicle(30))

    return asyncio.run(run())


def test_files_of_a_real_arducopter(arducopter, file, tmp_path):
    from flight.errors import FileMissingError, FilePresentError
    from flight.ftp.files import open_files

    async def work(vehicle):
        async with open_files(vehicle) as files:
            sent = await files.put(file, "./big.bin")
            got = await files.get("./big.bin", tmp_path / "back.bin")
            with pytest.raises(FileMissingError):
                await files.get("./none.bin", tmp_path / "none")
            await files.make_folder("./new")
            with pytest.raises(FilePresentError):
                await files.make_folder("./new")
            await files.put(file, "./big.bin")  # replaces the old one
            await files.rename("./big.bin", "./new/b.bin")
            listed = await files.list("./new")
            await files.remove("./new/b.bin")
            await files.remove_folder("./new")
            return sent, got, [(e.name, e.size_bytes) for e in listed]

    sent, got, listed = on_vehicle(arducopter, work)
    assert sent.checked
    assert got.checked
    assert (tmp_path / "back.bin").read_bytes() == file.read_bytes()
    assert listed == [("b.bin", 60_000)]


def test_parameters_of_a_real_arducopter_are_the_same_both_ways(arducopter):
    from flight.ftp.files import open_files
    from flight.params.fetch import PACKED_FILE, fetch_params
    from flight.params.protocol import fetch_all

    async def work(vehicle):
        async with open_files(vehicle) as files:
            packed = await files.read(PACKED_FILE)
        for _ in range(20):  # sensors that it finds at boot change some meanwhile
            fast, classic = await fetch_params(vehicle), await fetch_all(vehicle)
            if fast == classic:
                break
        return len(packed), fast, classic

    size, fast, classic = on_vehicle(arducopter, work)
    assert size > 10_000
    assert len(fast) > 1000
    assert fast == classic
