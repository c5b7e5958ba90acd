"""missionctl files: what a person does with a vehicle's card, and what becomes of photos and logs on it."""

import random
import resource
import signal
import subprocess
import sys
import zlib

import pytest

from plans.cameras import find_camera
from sim.radio import RadioSettings
from sim.world import make_world


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """A world to fly over, and a camera's folder with photos (of noise) in it."""
    photos = tmp_path_factory.mktemp("card")
    for number in range(1, 6):
        (photos / f"SIM_{number:04d}.JPG").write_bytes(random.Random(number).randbytes(40_000 * number))
    return make_world(tmp_path_factory.mktemp("world"), 4, pixel_m=1.0).folder, photos


@pytest.fixture
def with_photos(simulator, card):
    world, photos = card
    return lambda **more: simulator(
        world=world, photos_dir=photos, camera=find_camera("Simulated 6 MP"), home=None, **more
    )


def test_the_photos_of_a_flight_come_off_the_card_and_the_card_is_cleared(
    run_json, run, with_photos, card, tmp_path
):
    url, (_, photos) = with_photos(), card
    listed = run_json("files", url, "list", "/DCIM")["entries"]
    assert {e["name"]: e["size_bytes"] for e in listed} == {
        p.name: p.stat().st_size for p in photos.iterdir()
    }
    got = run_json("files", url, "get", "/DCIM", "-o", tmp_path)["files"]
    assert len(got) == 5
    assert all(f["checked"] for f in got)
    for photo in photos.iterdir():
        assert (tmp_path / "DCIM" / photo.name).read_bytes() == photo.read_bytes()
    again = run("files", url, "get", "/DCIM", "-o", tmp_path)
    assert again.stdout.strip() == "all there already"
    (photos / "SIM_0009.JPG").write_bytes(b"no photo")
    run_json("files", url, "rm", "/DCIM/SIM_0009.JPG")
    assert not (photos / "SIM_0009.JPG").exists()


def test_a_file_is_put_looked_at_renamed_and_removed(run_json, run, complaint, simulator, tmp_path):
    url, file = simulator(), tmp_path / "terrain.dat"
    file.write_bytes(random.Random(1).randbytes(30_000))
    assert run_json("files", url, "put", file, "/APM/")["files"][0]["checked"]
    assert "30000  terrain.dat" in run("files", url, "list", "/APM").stdout
    bare = zlib.crc32(file.read_bytes(), 0xFFFFFFFF) ^ 0xFFFFFFFF
    assert run_json("files", url, "checksum", "/APM/terrain.dat")["crc32"] == f"{bare:08x}"
    run_json("files", url, "mkdir", "/APM/OLD")
    run_json("files", url, "mv", "/APM/terrain.dat", "/APM/OLD/t.dat")
    run_json("files", url, "truncate", "/APM/OLD/t.dat", "100")
    (done,) = run_json("files", url, "get", "/APM/OLD/t.dat", "-o", tmp_path / "back")["files"]
    assert (tmp_path / "back" / "t.dat").read_bytes() == file.read_bytes()[:100]
    assert done["path"] == "/APM/OLD/t.dat"
    assert run_json("files", url, "rm", "/APM/OLD/t.dat", "/APM/OLD")["removed"] == [
        "/APM/OLD/t.dat",
        "/APM/OLD",
    ]
    assert complaint("files", url, "get", "/APM/OLD/t.dat", "-o", tmp_path).endswith("is not on the vehicle")
    assert "its folder is not on the vehicle" in complaint("files", url, "put", file, "/NO/x")
    assert "cannot be read" in complaint("files", url, "put", tmp_path / "none", "/APM/x")


def test_over_a_slow_and_lossy_radio_photos_come_whole(run_json, with_photos, card, tmp_path):
    radio = RadioSettings(loss=0.1, latency_s=0.2, jitter_s=0.2, bytes_per_s=200_000)
    url, (_, photos) = with_photos(radio=radio), card
    run_json("files", url, "list", "/DCIM", "--profile", "radio57k")
    (done,) = run_json("files", url, "get", "/DCIM/SIM_0001.JPG", "-o", tmp_path)["files"]
    assert done["checked"]
    assert (tmp_path / "SIM_0001.JPG").read_bytes() == (photos / "SIM_0001.JPG").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are set in another way")
def test_a_full_disk_is_one_line_and_the_next_try_goes_on(run_json, with_photos, card, tmp_path):
    url, (_, photos) = with_photos(), card
    command = [sys.executable, "-m", "missionctl.cli.main", "files", url, "get", "/DCIM/SIM_0005.JPG"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 2
    assert "cannot be written here (File too large)" in done.stderr
    assert not (tmp_path / "SIM_0005.JPG").exists()
    (whole,) = run_json("files", url, "get", "/DCIM/SIM_0005.JPG", "-o", tmp_path)["files"]
    assert whole["resumed_bytes"] == 100_000
    assert (tmp_path / "SIM_0005.JPG").read_bytes() == (photos / "SIM_0005.JPG").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_in_the_middle_it_goes_on(run_json, with_photos, card, tmp_path):
    # the radio is slow in the simulator's time: 200 kB take some seconds
    url, (_, photos) = with_photos(radio=RadioSettings(bytes_per_s=30_000)), card
    command = [sys.executable, "-m", "missionctl.cli.main", "files", url, "get", "/DCIM/SIM_0005.JPG"]
    child = subprocess.Popen([*command, "-o", str(tmp_path)], stderr=subprocess.DEVNULL)
    part = tmp_path / ".SIM_0005.JPG.200000.part"
    while not (part.exists() and part.stat().st_size > 20_000):
        assert child.poll() is None
    child.kill()
    child.wait()
    have = part.stat().st_size
    assert have < 200_000
    (whole,) = run_json("files", url, "get", "/DCIM/SIM_0005.JPG", "-o", tmp_path)["files"]
    assert whole["resumed_bytes"] >= have
    assert (tmp_path / "SIM_0005.JPG").read_bytes() == (photos / "SIM_0005.JPG").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C of another process")
def test_ctrl_c_ends_it_in_good_order_and_it_goes_on(run_json, with_photos, card, tmp_path):
    url, (_, photos) = with_photos(radio=RadioSettings(bytes_per_s=30_000)), card
    command = [sys.executable, "-m", "missionctl.cli.main", "files", url, "get", "/DCIM/SIM_0005.JPG"]
    child = subprocess.Popen([*command, "-o", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    part = tmp_path / ".SIM_0005.JPG.200000.part"
    while not (part.exists() and part.stat().st_size > 20_000):
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=15)
    assert child.returncode == 130
    assert said.splitlines()[-1] == "missionctl: stopped"
    assert "Traceback" not in said
    have = part.stat().st_size
    assert 20_000 < have < 200_000
    (whole,) = run_json("files", url, "get", "/DCIM/SIM_0005.JPG", "-o", tmp_path)["files"]
    assert whole["resumed_bytes"] >= have
    assert (tmp_path / "SIM_0005.JPG").read_bytes() == (photos / "SIM_0005.JPG").read_bytes()
