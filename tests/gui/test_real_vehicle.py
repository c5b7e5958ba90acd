"""The app beside a real simulator process: it takes off, is seen to move, and is missed when it is gone."""

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt

from flight.signing.signatures import SigningKey, write_key
from gui.live import LiveLink
from gui.training import SimProcess, sim_command

_peers = Path(__file__).parents[1] / "flight" / "signed_peers.py"
_spec = importlib.util.spec_from_file_location("signed_peers", _peers)
signed_peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(signed_peers)

HOME = (30.0, 105.0, 500.0)
SPEEDUP = 8


@pytest.fixture
def simulator():
    """A vehicle on flat ground with two addresses: one for the app, one for who flies it."""
    command = [sys.executable, "-m", "missionctl.cli.main", "sim", "--home", ",".join(map(str, HOME))]
    command += ["--listen", "tcpin:127.0.0.1:0"] * 2 + ["--speedup", str(SPEEDUP), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process, ready_urls(process)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def ready_urls(process):
    """The addresses, as soon as the simulator has told them all."""
    said = ""
    while line := process.stdout.readline():
        said += line
        if line.rstrip() == "}":
            return json.loads(said)["connect"]
    raise AssertionError(f"the simulator ended: {said}")


@pytest.fixture
def short_plan(tmp_path):
    """Up to 30 m, 60 m to the east, home."""
    rows = [
        (0, 1, 0, 16, 0, 0, 0, 0, HOME[0], HOME[1], HOME[2]),
        (1, 0, 3, 22, 0, 0, 0, 0, HOME[0], HOME[1], 30),
        (2, 0, 3, 16, 0, 0, 0, 0, HOME[0], HOME[1] + 60 / 96_490, 30),
        (3, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0),
    ]
    file = tmp_path / "short.waypoints"
    file.write_text("QGC WPL 110\n" + "".join("\t".join(map(str, (*row, 1))) + "\n" for row in rows))
    return file


@pytest.mark.slow
def test_a_simulated_flight_is_seen_from_take_off_to_silence(
    mission, open_window, qtbot, simulator, short_plan, tmp_path
):
    simulated, urls = simulator
    window = open_window(mission, "fly", link=LiveLink())
    card = window.fly.vehicle
    window.fly.address.setText(urls[0])
    qtbot.mouseClick(window.fly.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: 1 in window.live.vehicles, timeout=20_000)
    shown = window.live.vehicles[1]
    assert abs(shown.place.x()) + abs(shown.place.y()) < 2.0
    assert card.armed.text() == "Disarmed"

    fly = [sys.executable, "-m", "missionctl.cli.main", "fly", str(short_plan), "--yes"]
    fly += ["--connect", urls[1], "--out", str(tmp_path / "flight")]
    pilot = subprocess.Popen(fly, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        qtbot.waitUntil(lambda: card.mode.text() == "AUTO", timeout=60_000)
        assert card.armed.text() == "Armed"
        qtbot.waitUntil(lambda: shown.place.x() > 40.0, timeout=60_000)
        assert 20 < int(card.height_m.value) < 40
        assert float(card.battery.value) > 50
        _, told = pilot.communicate(timeout=120)
        assert pilot.returncode == 0, told
    finally:
        if pilot.poll() is None:
            pilot.kill()
            pilot.communicate()
    qtbot.waitUntil(lambda: card.armed.text() == "Disarmed", timeout=30_000)
    assert card.texts.text() != "None yet."

    simulated.kill()
    qtbot.waitUntil(lambda: shown.symbol.stale, timeout=15_000)
    assert card.age.text().startswith("No word for")
    assert card.alerts
    qtbot.mouseClick(window.fly.button, Qt.MouseButton.LeftButton)
    assert window.live.vehicles == {}


@pytest.mark.slow
def test_the_train_view_starts_the_real_simulator(app, qtbot, tmp_path):
    arguments = sim_command("calm", tmp_path, 1.0)
    place = arguments.index("--world")
    arguments[place : place + 2] = ["--home", ",".join(map(str, HOME))]  # flat ground needs no world
    process = SimProcess()
    with qtbot.waitSignal(process.started, timeout=60_000) as started:
        process.start("calm", arguments)
    stage = started.args[0]
    assert stage.app_url.startswith("tcp:127.0.0.1:")
    assert stage.app_url != stage.pilot_url
    process.close()
    assert process.pid == 0


@pytest.mark.slow
def test_a_world_that_is_none_is_told_by_the_simulator(app, qtbot, tmp_path):
    process = SimProcess()
    with qtbot.waitSignal(process.failed, timeout=60_000) as failed:
        process.start("calm", sim_command("calm", tmp_path / "nowhere", 1.0))
    assert "nowhere" in failed.args[0]


@pytest.mark.parametrize("ours", [True, False])
def test_a_vehicle_that_signs_is_seen_with_its_key_only(
    mission, open_window, qtbot, tmp_path, monkeypatch, caplog, ours
):
    caplog.set_level(logging.CRITICAL)  # pymavlink tells of new streams on its log
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    key = SigningKey(bytes(range(40, 72)))
    write_key(tmp_path / "drones.key", key if ours else SigningKey(bytes(32 * [7])))
    vehicle = signed_peers.SigningVehicle(key.reveal())
    window = open_window(mission, "fly", link=LiveLink())
    try:
        window.live.use_key(tmp_path / "drones.key")
        window.live.open(f"tcp:127.0.0.1:{vehicle.port}")
        if ours:
            qtbot.waitUntil(window.fly.vehicle.isVisible, timeout=10_000)
        else:
            qtbot.waitUntil(lambda: "signs with another key" in window.notice.line, timeout=10_000)
            assert not window.live.link.vehicles
    finally:
        window.live.close()
        vehicle.close()
