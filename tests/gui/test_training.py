"""Training flights: the list, the process that flies one, and its end with the window."""

import os
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QLabel

from gui.training import SimProcess, packaged_lessons, sim_command
from gui.training_control import fly_command
from sim.scenario import packaged_scenarios

SAYS_READY = """
    import json, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready = {"ready": True, "connect": ["tcp:127.0.0.1:7001", "tcp:127.0.0.1:7002"]}
    for line in json.dumps(ready, indent=2).splitlines():
        print(line, flush=True)
        time.sleep(0.02)
    time.sleep(600)
"""
ENDS_BADLY = """
    import sys
    sys.stderr.write("warming up\\nmissionctl: the world folder is damaged; make it anew\\n")
    sys.exit(2)
"""
HEEDS_NOTHING = SAYS_READY.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


@pytest.fixture
def stand_in(tmp_path):
    """A program that stands in for the simulator; it ignores its arguments."""

    def make(source):
        file = tmp_path / "stand_in.py"
        file.write_text(textwrap.dedent(source))
        return (sys.executable, str(file))

    return make


@pytest.fixture
def train(make_mission, open_window, radio, stand_in):
    """A window in its Train view whose simulator is a stand-in."""

    def open_it(source=SAYS_READY, **options):
        window = open_window(make_mission(world=True), "train", link=radio.link(), **options)
        window.training.process._command = stand_in(source)
        return window

    return open_it


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_packaged_scenario_is_listed_with_its_text(train):
    window = train()
    assert set(window.train.cards) == set(packaged_scenarios())
    texts = [w.text() for w in window.train.findChildren(QLabel)]
    for lesson in packaged_lessons():
        assert window.train.cards[lesson.key].head.text() == lesson.name
        assert lesson.about in texts
        assert "\n" not in lesson.about


def test_the_list_speaks_chinese(train):
    window = train(language="zh")
    assert window.train.cards["calm"].head.text() == "平静的早晨"
    assert window.train.cards["calm"].button.text() == "开始"


def test_one_card_is_open_at_a_time(train, qtbot):
    window = train()
    cards = window.train.cards
    assert [k for k, c in cards.items() if c.body.isVisible()] == ["calm"]
    qtbot.mouseClick(cards["lost-link"].head, Qt.MouseButton.LeftButton)
    assert [k for k, c in cards.items() if c.body.isVisible()] == ["lost-link"]


def test_without_a_simulated_valley_nothing_can_be_started(mission, open_window):
    window = open_window(mission, "train")
    texts = [w.text() for w in window.train.findChildren(QLabel) if w.isVisible()]
    assert "This mission has no simulated valley" in texts
    assert not any(card.button.isEnabled() for card in window.train.cards.values())


def test_a_lesson_starts_connects_and_stops(train, qtbot, radio, news):
    window = train()
    card = window.train.cards["calm"]
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(radio.watchers), timeout=10_000)
    pid = window.training.process.pid
    assert alive(pid)
    assert radio.last.url == "tcp:127.0.0.1:7001"
    assert "survey.plan --connect tcp:127.0.0.1:7002" in card.fly_box.command.text().replace("\u200b", "")
    qtbot.mouseClick(card.fly_box.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().endswith("survey.plan --connect tcp:127.0.0.1:7002")
    assert card.button.text() == "Stop"
    assert not window.train.cards["lost-link"].isVisible()
    radio.last.say(news())
    qtbot.waitUntil(lambda: 1 in window.live.vehicles, timeout=2000)
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.training.process.lesson == "", timeout=10_000)
    assert not alive(pid)
    assert not window.live.link.is_open
    assert card.button.text() == "Start"
    assert window.train.cards["lost-link"].isVisible()
    assert window.train.cards["lost-link"].button.isEnabled()
    assert window.notice.line == ""


def test_the_pace_is_handed_over(train, qtbot):
    window = train()
    asked = []
    window.train.start_wanted.connect(lambda lesson, pace: asked.append((lesson, pace)))
    card = window.train.cards["calm"]
    card._paces.button(2).click()
    qtbot.mouseClick(card.button, Qt.MouseButton.LeftButton)
    assert asked == [("calm", 5.0)]


def test_a_simulator_that_ends_by_itself_is_one_line(train, qtbot):
    window = train(ENDS_BADLY)
    qtbot.mouseClick(window.train.cards["calm"].button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(window.notice.line), timeout=10_000)
    assert window.notice.line == "The simulator ended: the world folder is damaged; make it anew"
    assert window.train.cards["calm"].button.isEnabled()


def test_a_simulator_that_cannot_be_started_is_one_line(train, qtbot):
    window = train()
    window.training.process._command = ("/no/such/program",)
    qtbot.mouseClick(window.train.cards["calm"].button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(window.notice.line), timeout=10_000)
    assert window.training.process.lesson == ""


@pytest.mark.parametrize("source", [SAYS_READY, HEEDS_NOTHING], ids=["orderly", "stubborn"])
def test_the_process_ends_with_the_window(train, qtbot, radio, source):
    window = train(source)
    qtbot.mouseClick(window.train.cards["calm"].button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(radio.watchers), timeout=10_000)
    pid = window.training.process.pid
    window.close()
    assert not alive(pid)
    assert radio.last.closed


STARTS_A_SIMULATOR = """
    import sys
    from PyQt6.QtCore import QCoreApplication
    from gui.training import SimProcess
    app = QCoreApplication([])
    process = SimProcess()
    process.started.connect(lambda stage: print(stage.app_url, flush=True))
    process.failed.connect(lambda why: (print(why, flush=True), app.quit()))
    process.start("calm", sys.argv[1:])
    app.exec()
"""


def listens(url):
    host, port = url.removeprefix("tcp:").rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_a_simulator_does_not_outlive_an_app_that_is_killed(tmp_path, stand_in):
    arguments = [*sim_command("calm", tmp_path, 1.0), "--home", "30.05,103.15,500"]
    del arguments[arguments.index("--world") : arguments.index("--world") + 2]
    app = subprocess.Popen([*stand_in(STARTS_A_SIMULATOR), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        url = app.stdout.readline().strip()
        assert listens(url), url
    finally:
        app.kill()
        app.wait()
        app.stdout.close()
    deadline_s = time.monotonic() + 20.0
    while listens(url):
        assert time.monotonic() < deadline_s, "it runs on, and nobody ends it"
        time.sleep(0.2)


def test_another_lesson_takes_the_place_of_the_one_that_runs(app, stand_in, qtbot):
    process = SimProcess(stand_in(SAYS_READY))
    with qtbot.waitSignal(process.started, timeout=10_000):
        process.start("calm", [])
    first = process.pid
    with qtbot.waitSignal(process.started, timeout=10_000) as started:
        process.start("lost-link", [])
    assert not alive(first)
    assert started.args[0].lesson == "lost-link"
    process.close()


def test_the_command_names_scenario_world_and_two_free_ports(tmp_path):
    command = sim_command("calm", tmp_path, 2.0)
    assert command[:3] == ["-m", "missionctl.cli.main", "sim"]
    assert command[command.index("--scenario") + 1] == "calm"
    assert command[command.index("--world") + 1] == str(tmp_path)
    assert command.count("tcpin:127.0.0.1:0") == 2
    assert command[command.index("--speedup") + 1] == "2"
    assert "--end-with-stdin" in command


@pytest.mark.skipif(os.name == "nt", reason="quotes of a POSIX shell")
def test_the_fly_command_can_be_pasted(tmp_path):
    line = fly_command(tmp_path / "my plan.plan", "tcp:127.0.0.1:1")
    assert f"'{tmp_path / 'my plan.plan'}'" in line
    assert fly_command(None, "tcp:127.0.0.1:1") == ""
