"""The page without a mission, opening another one, and bugs that leave the window standing."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent, QSize, Qt
from PyQt6.QtWidgets import QApplication, QFileDialog, QLabel

from flight.signing.signatures import SigningKey, write_key
from gui import theme as themes
from gui.desk import Desk
from gui.faults import BugCatcher
from gui.notice import Notice
from gui.recent import read_recent, recent_file, remember
from gui.start import StartWindow
from gui.window import MissionWindow
from gui.words import Words


@pytest.fixture
def desk(app, qtbot):
    made = Desk(themes.DAYLIGHT, Words("en"), QSize(1280, 720))
    yield made
    made.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def texts(widget):
    return [w.text() for w in widget.findChildren(QLabel) if w.isVisible()]


def test_the_start_page_says_how_to_begin(desk):
    page = desk.show_start()
    assert isinstance(page, StartWindow)
    shown = texts(page)
    assert "Open a mission folder" in shown
    assert "None opened yet." in shown
    assert any("missionctl new" in line for line in shown)


def test_a_mission_that_was_opened_can_be_opened_again(desk, mission, qtbot):
    desk.open(mission)
    page = desk.show_start()
    assert [b.accessibleName() for b in page.recent] == [str(mission)]
    assert min(page.recent[0].height(), page.open_button.height()) >= 44
    for line in page.recent[0].findChildren(QLabel):
        assert line.height() >= line.sizeHint().height()
    qtbot.mouseClick(page.recent[0], Qt.MouseButton.LeftButton)
    assert isinstance(desk.window, MissionWindow)


def test_a_mission_that_is_gone_cannot(desk):
    remember(Path("/no/such/mission"))
    page = desk.show_start()
    assert not page.recent[0].isEnabled()
    assert any("not there now" in line for line in texts(page))


def test_a_folder_that_is_no_mission_is_one_line(desk, tmp_path):
    page = desk.show_start()
    desk.try_open(tmp_path)
    assert desk.window is page
    assert str(tmp_path) in page.notice.line


def test_another_mission_takes_the_place_of_the_first(desk, make_mission, qtbot, monkeypatch):
    first = desk.open(make_mission("one"))
    qtbot.waitUntil(lambda: first.ready, timeout=10_000)
    second = make_mission("two")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(second))
    first.open_wanted.emit()
    assert isinstance(desk.window, MissionWindow)
    assert desk.window is not first
    assert desk.window.windowTitle() == "two - missionctl"
    assert not first.isVisible()
    assert read_recent()[0] == second.resolve()


def test_the_key_that_is_chosen_stays_when_another_mission_is_opened(
    desk, make_mission, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    drones = tmp_path / "drones.key"
    write_key(drones, SigningKey(bytes(range(32))))
    first = desk.open(make_mission("one"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(drones), ""))
    first.fly.key_button.click()
    second = desk.open(make_mission("two"))
    assert "drones.key" in second.fly.key_button.text(), "it is the drones', whatever mission they fly"
    second.fly.key_button.click()
    third = desk.open(make_mission("three"))
    assert "drones.key" not in third.fly.key_button.text(), "what was dropped stays dropped"


def test_a_key_of_the_command_line_gives_way_to_the_one_that_is_chosen(
    app, make_mission, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    given, chosen = tmp_path / "given.key", tmp_path / "chosen.key"
    for number, file in enumerate((given, chosen)):
        write_key(file, SigningKey(bytes(range(number, number + 32))))
    desk = Desk(themes.DAYLIGHT, Words("en"), QSize(1280, 720), given, allow_unsigned=True)
    window = desk.open(make_mission("one"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    window.fly.key_button.click()  # drops the first
    window.fly.key_button.click()
    other = desk.open(make_mission("two"))
    assert "chosen.key" in other.fly.key_button.text()
    assert other.live._settings.allow_unsigned, "as it was asked for on the command line"
    desk.close()


def test_no_folder_chosen_changes_nothing(desk, mission, monkeypatch):
    window = desk.open(mission)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    window.open_wanted.emit()
    assert desk.window is window


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", "no json"])
def test_a_damaged_list_of_missions_is_an_empty_one(text):
    recent_file().parent.mkdir(parents=True)
    recent_file().write_text(text)
    assert read_recent() == []


def test_the_list_keeps_the_last_eight_once_each(tmp_path):
    for number in [*range(10), 5]:
        remember(tmp_path / str(number))
    assert [f.name for f in read_recent()] == ["5", "9", "8", "7", "6", "4", "3", "2"]
    assert json.loads(recent_file().read_text())


def test_a_bug_goes_to_the_log_and_into_the_bar(desk, mission):
    window = desk.open(mission)
    catcher = BugCatcher(desk.tell_bug)
    try:
        raise RuntimeError("this should not be")
    except RuntimeError:
        catcher(*sys.exc_info())
    assert catcher.caught == 1
    assert "RuntimeError: this should not be" in window.notice.line
    log = Path(window.notice.line.rsplit(" ", 1)[-1])
    assert "Traceback" in log.read_text()
    assert window.isVisible()


def test_a_bug_without_a_place_for_the_log_goes_to_the_screen(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MISSIONCTL_LOG", str(tmp_path / "file" / "log"))
    told = []
    BugCatcher(lambda what, file: told.append(what))(RuntimeError, RuntimeError("x"), None)
    assert "RuntimeError" in capsys.readouterr().err
    assert told == ["RuntimeError: x"]


def test_the_notice_takes_back_what_its_speaker_takes_back(app, qtbot):
    notice = Notice(themes.DAYLIGHT, Words("en"))
    qtbot.addWidget(notice)
    notice.say("map", "one.tif cannot be shown", "two.tif cannot be shown")
    notice.say("link", "the link\nis gone")
    assert notice.line == "the link is gone"
    notice.say("link")
    assert notice.line == "one.tif cannot be shown"
    notice.close_line()
    assert notice.line == "two.tif cannot be shown"
    notice.say("map", "one.tif cannot be shown", "two.tif cannot be shown")
    assert notice.line == "two.tif cannot be shown"  # what was read stays closed
    notice.say("map")
    assert notice.isHidden()
    notice.say("map", "one.tif cannot be shown")
    assert notice.line == "one.tif cannot be shown"  # it went and came back: news


def test_a_long_line_wraps_and_does_not_widen_the_window(desk, mission):
    window = desk.open(mission)
    window.show_fault("a very long reason " * 60)
    QApplication.processEvents()
    assert window.width() == 1280
    assert window.minimumSizeHint().width() <= 1280


@pytest.mark.parametrize("chinese", [False, True])
def test_bold_text_is_bold_in_both_scripts(app, chinese):
    theme = replace(themes.DAYLIGHT, chinese=chinese)
    for text in ("Damage", "灾损图"):
        plain, bold = (ink(text, themes.font(theme, "title", bold=b)) for b in (False, True))
        assert bold > plain * 1.08, text


def ink(text, font):
    """How much of a picture a text covers."""
    import numpy as np
    from PyQt6.QtGui import QColor, QImage, QPainter

    image = QImage(300, 60, QImage.Format.Format_Grayscale8)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.setFont(font)
    painter.drawText(10, 40, text)
    painter.end()
    data = image.constBits()
    data.setsize(image.sizeInBytes())
    return float((255 - np.frombuffer(bytes(data), np.uint8).astype(float)).sum())


def luminance(colour):
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize(
    ("ink_name", "ground"),
    [
        *((i, "surface") for i in ("ink", "ink_soft", "accent", "good", "warn", "bad")),
        *((i, "surface_soft") for i in ("ink", "ink_soft")),
        ("accent_ink", "accent"),
        ("accent", "accent_soft"),
        ("rail_ink", "rail"),
        ("bad", "bad_soft"),
        ("ink", "warn_soft"),
        ("ink", "bad_soft"),
    ],
)
def test_text_stands_out_in_sunlight(ink_name, ground):
    """WCAG AA: 4.5 to 1."""
    a, b = (luminance(themes.DAYLIGHT.colour(name)) for name in (ink_name, ground))
    assert (max(a, b) + 0.05) / (min(a, b) + 0.05) >= 4.5
