"""`missionctl-gui` as a process: pictures, exit codes, one line for what is wrong."""

import os
import shutil
import subprocess
import sys

import pytest
from PyQt6.QtGui import QImage

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


@pytest.mark.parametrize("view", ["plan", "fly", "map", "damage", "train"])
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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere"], "nowhere"),
        (["."], "not a mission folder"),
        (["--size", "huge"], "--size huge"),
        (["--connect", "udp:0.0.0.0:14550"], "--connect"),
    ],
)
def test_what_cannot_be_opened_is_one_line_and_exit_2(arguments, named, tmp_path):
    done = subprocess.run(
        [*RUN, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_picture_that_cannot_be_written_is_one_line(mission, tmp_path):
    done = gui(mission, "--screenshot", tmp_path / "no" / "such" / "shot.png")
    assert done.returncode == 2
    assert "shot.png" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


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
