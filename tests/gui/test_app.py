"""`missionctl-gui` as a process: pictures, exit codes, one line for what is wrong."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from PyQt6.QtGui import QImage

from gui.app import main

RUN = [sys.executable, "-c", "from gui.app import main; main()"]


def gui(*arguments, **environment):
    return subprocess.run(
        [*RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **environment},
    )


def colours_of(image):
    return {image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}


@pytest.mark.parametrize("view", ["damage", "train"])
def test_a_picture_of_a_view(mission, tmp_path, view):
    file = tmp_path / "shot.png"
    done = gui(mission, "--view", view, "--size", "1280x720", "--screenshot", file)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or set(done.stderr.splitlines()) == {
        "This plugin does not support propagateSizeHints()"
    }
    image = QImage(str(file))
    assert (image.width(), image.height()) == (1280, 720)
    assert len(colours_of(image)) > 20
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["shot.png"]


def test_a_picture_of_the_start_page_in_chinese(tmp_path):
    file = tmp_path / "start.png"
    done = gui("--lang", "zh", "--screenshot", file)
    assert done.returncode == 0, done.stderr
    assert not QImage(str(file)).isNull()


WRONG = [
    (["nowhere"], "nowhere"),
    (["."], "not a mission folder"),
    (["--size", "huge"], "--size huge"),
    (["--sign", "none.key"], "none.key: cannot be read"),
    (["--connect", "udp:0.0.0.0:14550"], "--connect"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG)
def test_what_cannot_be_opened_is_one_line_and_exit_2(arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert named in told[0]


def test_a_folder_that_is_none_ends_the_process_with_one_line(tmp_path):
    done = gui(tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"missionctl-gui: {tmp_path}: not a mission folder (make one with: missionctl new {tmp_path})\n"
    )


def test_a_picture_that_cannot_be_written_is_one_line(mission, tmp_path):
    done = gui(mission, "--screenshot", tmp_path / "no" / "such" / "shot.png")
    assert done.returncode == 2
    assert "shot.png" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_closes_it_in_good_order(mission, own_state):
    process = subprocess.Popen(
        [*RUN, str(mission)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    deadline_s = time.monotonic() + 60
    while not (own_state / "missionctl" / "recent.json").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    time.sleep(0.5)
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "Traceback" not in told


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")
def test_a_real_window_on_a_virtual_screen(mission, tmp_path):
    reader, writer = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as told:
            display = told.readline().strip()
        file = tmp_path / "shot.png"
        done = gui(
            mission, "--view", "damage", "--size", "1280x720", "--screenshot", file,
            QT_QPA_PLATFORM="xcb", DISPLAY=f":{display}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert len(colours_of(QImage(str(file)))) > 20
    finally:
        screen.terminate()
        screen.wait(10)
