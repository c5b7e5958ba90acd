"""What this machine has: libraries, system parts, outside programs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Check:
    """One thing looked for. `found` says what is there; `gives` what its absence costs and how to get it."""

    name: str
    ok: bool
    needed: bool
    found: str
    gives: str


_LIBRARIES = {
    "numpy": "all computing",
    "scipy": "adjustment of photo blocks",
    "opencv-python-headless": "features and warping of photos",
    "shapely": "zones and lanes",
    "pyproj": "coordinates",
    "rasterio": "DEMs, mosaics and damage rasters",
    "pyogrio": "vector files",
    "exactextract": "statistics per township",
    "scikit-learn": "painted classes",
    "Pillow": "photo tags",
    "defusedxml": "photo tags and KML",
    "pymavlink": "talking to vehicles",
    "pyserial": "radios on a serial port",
    "pyulog": "logs of PX4 (.ulg)",
    "dronekit": "DroneKit scripts (missionctl script)",
    "PyQt6": "the desktop app (missionctl-gui)",
    "pydantic": "checking files from outside",
    "pystac": "STAC catalogues",
    "rio-cogeo": "checks of Cloud Optimized GeoTIFFs",
    "matplotlib": "map sheets",
    "openpyxl": "XLSX tables",
}
_EXTRAS = {
    "onnxruntime": ("ai", "damage --model FILE.onnx: segmentation models of your own"),
    "distributed": ("cluster", "mosaic --cluster: work spread over several machines"),
}


def check_all() -> list[Check]:
    """Every check, the needed ones first."""
    checks = [_python()]
    checks += [_library(name, f"needed for {use}; run: make demo") for name, use in _LIBRARIES.items()]
    checks.append(
        _guarded("OpenCV without windows", _opencv_is_headless, "the GUI build breaks the desktop app")
    )
    checks.append(_guarded("GDAL drivers", _gdal_drivers, "needed for COG, GPKG, MBTiles and KMZ files"))
    checks.append(
        _guarded(
            "Qt platform",
            _qt_starts,
            "the desktop app cannot start; install: " + _qt_packages(),
            needed=False,
        )
    )
    for name, (extra, gives) in _EXTRAS.items():
        checks.append(_library(name, f"{gives}; run: pip install 'missionctl[{extra}]'", needed=False))
    checks.append(_screen())
    checks += [
        _program("arducopter", "a real ArduCopter SITL to train and test against"),
        _program("px4", "a real PX4 SITL to train and test against"),
        _program("mavproxy.py", "MAVProxy beside missionctl on the same vehicle"),
    ]
    checks += [_memory(), _disk()]
    return checks


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    return Check("Python", ok, True, platform.python_version(), "Python 3.11 or newer is needed")


def _library(name: str, gives: str, needed: bool = True) -> Check:
    try:
        return Check(name, True, needed, metadata.version(name), gives)
    except metadata.PackageNotFoundError:
        return Check(name, False, needed, "", gives)


def _guarded(name: str, probe: Callable[[], str], gives: str, needed: bool = True) -> Check:
    """A probe that raises says why in `gives`: the check is there to find just such failures."""
    try:
        return Check(name, True, needed, probe(), gives)
    except Exception as error:
        return Check(name, False, needed, "", f"{gives} ({error})")


def _opencv_is_headless() -> str:
    import cv2

    gui = next((line for line in cv2.getBuildInformation().splitlines() if "GUI:" in line), "GUI: NONE")
    if "NONE" not in gui:
        raise RuntimeError("opencv-python is installed beside opencv-python-headless; uninstall it")
    return "headless"


def _gdal_drivers() -> str:
    import pyogrio
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    raster_driver_extensions()
    with rasterio.Env() as env:
        raster = env.drivers()
    missing = [d for d in ("COG", "GTiff", "MBTiles", "KMLSUPEROVERLAY") if d not in raster]
    vector = pyogrio.list_drivers(write=True)
    missing += [d for d in ("GPKG", "GeoJSON", "ESRI Shapefile") if d not in vector]
    if missing:
        raise RuntimeError("without: " + ", ".join(missing))
    return f"raster GDAL {rasterio.__gdal_version__}, vector GDAL {pyogrio.__gdal_version_string__}"


def _qt_starts() -> str:
    """Load Qt in a process of its own: a missing library would end ours."""
    code = (
        "from PyQt6.QtWidgets import QApplication; from PyQt6.QtCore import qVersion;"
        "QApplication([]); print(qVersion())"
    )
    env = {**os.environ, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(lines[-1])
    return f"Qt {done.stdout.strip()}"


def _qt_packages() -> str:
    return "the packages of gui/resources/debian-packages.txt (make does it when it may)"


def _screen() -> Check:
    named = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or ""
    ok = bool(named) or sys.platform in ("win32", "darwin")
    return Check("screen", ok, False, named or sys.platform, "no screen here: all but the desktop app works")


def _program(name: str, gives: str) -> Check:
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name) or (str(beside) if beside.exists() else "")
    return Check(name, bool(found), False, "found" if found else "", gives)


def _memory() -> Check:
    try:
        total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return Check("memory", True, False, "not known here", "4 GB are needed for large mosaics")
    return Check("memory", total_gb >= 3.5, False, f"{total_gb:.0f} GB", "4 GB are needed for large mosaics")


def _disk() -> Check:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check(
        "free disk here", free_gb >= 5, False, f"{free_gb:.0f} GB", "less than 5 GB: a flight may not fit"
    )
