"""A small mission folder, windows on it, and vehicles that say what a test lets them say.

Any unexpected word of Qt or of a log fails the test that caused it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely import LineString, Polygon, box

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtCore import QEvent
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication

from flight.station import StationSettings
from gui import theme as themes
from gui.live import LiveLink
from gui.window import MissionWindow
from gui.words import Words
from missionctl.services.watching import VehicleNews
from missionctl.workspace import MissionConfig, Workspace
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 105.0)
HALF_M = 100.0
MOSAIC_RGB, BEFORE_RGB = (200, 40, 60), (30, 120, 200)
WATER_CODE = 1


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # the platform without a screen says so; no fault of ours
            item.add_marker(pytest.mark.qt_log_ignore("does not support propagateSizeHints"))


@pytest.fixture(autouse=True)
def quiet_logs(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test in which something was logged as a warning or worse."""
    yield
    if "broken_files" in request.fixturenames:
        return
    loud = [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert not loud, f"logged: {[r.getMessage() for r in loud]}"


@pytest.fixture
def broken_files() -> None:
    """The test hands out files that GDAL complains about in the log."""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Log and list of recent missions go to a folder of the test."""
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.delenv("MISSIONCTL_LOG", raising=False)
    return state


@pytest.fixture
def app(qapp: QApplication) -> QApplication:
    """The dressed application."""
    themes.apply(themes.DAYLIGHT, qapp)
    return qapp


# ------------------------------------------------------------------------------------------ folders


def _raster(path: Path, bands: np.ndarray, **options: Any) -> Path:
    count, height, width = bands.shape
    step = 2 * HALF_M / width
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    crs = rasterio.crs.CRS.from_wkt(FRAME.crs.to_wkt())
    transform = from_origin(-HALF_M, HALF_M, step, step)
    with rasterio.open(path, "w", crs=crs, transform=transform, **profile, **options) as file:
        file.write(bands)
    return path


def flat_image(path: Path, rgb: tuple[int, int, int], pixels: int = 200) -> Path:
    """A picture of one colour over the whole place."""
    bands = np.broadcast_to(np.array(rgb, np.uint8)[:, None, None], (3, pixels, pixels))
    return _raster(path, np.ascontiguousarray(bands), photometric="RGB")


def _geo(shape: Any) -> Any:
    return FRAME.geometry_to_geo(shape)


def _fill(workspace: Workspace) -> None:
    zone = Polygon([(-70, -60), (70, -60), (70, 50), (0, 70), (-70, 50)])
    workspace.add("zones", [(_geo(zone), {"name": "River bend", "priority": 2.0})])
    plan_file = workspace.path / "plans" / "survey.plan"
    plan_file.write_text("{}")
    report = {"photos": 12, "lanes": 3, "length_m": 900.0, "duration_s": 300.0, "gsd_cm": {"mean": 8.0}}
    lanes = LineString([(-60, -40), (60, -40), (60, 0), (-60, 0), (-60, 40), (60, 40)])
    row = {"name": "survey", "file": "plans/survey.plan", "camera": "DJI Mavic 3E"}
    workspace.add("plans", [(_geo(lanes), {**row, "report_json": json.dumps(report)})])
    flown = {"duration_s": 311.0, "photos_confirmed": 11, "photos_expected": 12}
    flight = {"flight_id": "20260702T013000Z", "plan": "survey.plan", "folder": "flights/20260702T013000Z"}
    flight |= {"started_utc": "2026-07-02T01:30:00+00:00", "ended_utc": "2026-07-02T01:36:00+00:00"}
    workspace.add("flights", [(_geo(lanes), {**flight, "report_json": json.dumps(flown)})])
    prints = [
        (_geo(box(x - 30, y - 20, x + 30, y + 20)), {"name": f"P{n}.JPG", "mosaic": "orthomosaic.tif"})
        for n, (x, y) in enumerate([(-40, -40), (0, -40), (40, -40), (-40, 0), (0, 0), (40, 0)])
    ]
    workspace.add("photos", prints)
    run = {"run": "first", "detail_json": "{}"}
    workspace.add(
        "damage",
        [
            (_geo(box(10, 10, 20, 18)), {"kind": "building", "grade": "Destroyed", **run}),
            (_geo(LineString([(-80, 20), (80, 25)])), {"kind": "road", "grade": "Blocked", **run}),
            (_geo(box(-60, -60, 60, -30)), {"kind": "water", "grade": "", **run}),
        ],
    )


@pytest.fixture
def make_mission(tmp_path: Path) -> Callable[..., Path]:
    """Makes mission folders: whole, or without some of it."""

    def make(
        name: str = "mission",
        place: bool = True,
        rasters: bool = True,
        rows: bool = True,
        world: bool = False,
    ) -> Path:
        folder = tmp_path / name
        config = MissionConfig(name="Flood at the bend", place="River county")
        if place:
            config = replace(config, origin_lat_deg=30.0, origin_lon_deg=105.0)
        workspace = Workspace.create(folder, config)
        if rows:
            _fill(workspace)
        if rasters:
            ramp = np.linspace(100, 140, 100, dtype=np.float32)
            dem = _raster(folder / "dem.tif", np.tile(ramp, (100, 1))[None], nodata=-9999)
            workspace.set_input("dem", dem)
            workspace.set_input("before_ortho", flat_image(folder / "before.tif", BEFORE_RGB))
            flat_image(folder / "mosaics" / "orthomosaic.tif", MOSAIC_RGB)
            run = folder / "damage" / "first"
            run.mkdir()
            _raster(run / "classes.tif", np.full((1, 100, 100), WATER_CODE, np.uint8), nodata=0)
            classes = {"water": {"value": 1, "area_m2": 40_000.0, "share": 1.0}}
            report = {"classes": classes, "buildings": {"Destroyed": 1}, "water_area_m2": 40_000.0}
            report["townships"] = [{"name_zh": "河湾镇", "name_en": "River Bend", "seen_share": 1.0}]
            (run / "report.json").write_text(json.dumps(report))
        if world:
            (folder / "world").mkdir()
            workspace.set_input("world", folder / "world")
        return folder

    return make


@pytest.fixture
def mission(make_mission: Callable[..., Path]) -> Path:
    """A whole mission folder of 200 m by 200 m."""
    return make_mission()


# ------------------------------------------------------------------------------------------ windows


@pytest.fixture
def open_window(app: QApplication, qtbot: Any) -> Iterator[Callable[..., MissionWindow]]:
    """Opens windows and waits until all that is to be seen has come; closes them after the test."""
    opened: list[MissionWindow] = []

    def all_there(window: MissionWindow) -> None:
        assert window.waiting_for == ""

    def open_it(
        folder: Path,
        view: str = "plan",
        language: str = "en",
        link: LiveLink | None = None,
        size: tuple[int, int] = (1280, 720),
        wait: bool = True,
    ) -> MissionWindow:
        theme = replace(themes.DAYLIGHT, chinese=language == "zh")
        window = MissionWindow(folder, theme, Words(language), view, link)
        opened.append(window)
        window.resize(*size)
        window.show()
        if wait:
            qtbot.waitUntil(lambda: all_there(window), timeout=20_000)
        return window

    yield open_it
    for window in opened:
        window.close()
        window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def colour_at() -> Callable[..., QColor]:
    """The colour on the map at a place in metres east and north."""

    def read(window: MissionWindow, east_m: float, north_m: float) -> QColor:
        from PyQt6.QtCore import QPointF

        canvas = window.map.canvas
        place = canvas.mapFromScene(QPointF(east_m, -north_m))
        picture = canvas.viewport().grab()
        ratio = picture.devicePixelRatio()
        return picture.toImage().pixelColor(round(place.x() * ratio), round(place.y() * ratio))

    return read


# ------------------------------------------------------------------------------------------ vehicles


class FakeWatcher:
    """Stands in for the listening thread: the test speaks for the vehicle."""

    def __init__(
        self,
        url: str,
        on_state: Callable[[VehicleNews], None],
        on_trouble: Callable[[str], None],
        settings: StationSettings,
    ):
        self.url, self.say, self.complain, self.settings = url, on_state, on_trouble, settings
        self.closed, self.pulses = False, 0

    def pulse(self) -> None:
        self.pulses += 1

    def close(self) -> None:
        self.closed = True


class FakeRadio:
    """What LiveLink starts instead of a real watcher."""

    def __init__(self) -> None:
        self.watchers: list[FakeWatcher] = []
        self.now_s = 1000.0

    def start(
        self,
        url: str,
        on_state: Callable[[VehicleNews], None],
        on_trouble: Callable[[str], None],
        settings: StationSettings,
    ) -> FakeWatcher:
        self.watchers.append(FakeWatcher(url, on_state, on_trouble, settings))
        return self.watchers[-1]

    @property
    def last(self) -> FakeWatcher:
        return self.watchers[-1]

    def link(self) -> LiveLink:
        return LiveLink(self.start, lambda: self.now_s)


@pytest.fixture
def radio() -> FakeRadio:
    return FakeRadio()


@pytest.fixture
def news() -> Callable[..., VehicleNews]:
    """A vehicle in good order at the middle of the mission; a test changes what it wants."""

    def make(**changes: Any) -> VehicleNews:
        good = VehicleNews(
            sysid=1,
            autopilot="ArduPilot",
            mode="AUTO",
            armed=True,
            age_s=0.1,
            lat_deg=30.0,
            lon_deg=105.0,
            alt_rel_m=60.4,
            heading_deg=90.0,
            groundspeed_mps=8.04,
            battery_percent=87.0,
            battery_v=23.9,
            gps_fix=6,
            satellites=28,
            ekf_ok=True,
            prearm_ok=True,
            mission_seq=7,
        )
        return replace(good, **changes)

    return make
