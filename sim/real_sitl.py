"""A real autopilot's own simulator as the vehicle: ArduPilot or PX4 SITL binaries, started as children.

The binary brings its own dynamics and its own MAVLink; this module puts it at the home position with the
right frame and speed-up and a camera to trigger, says where it can be reached, and ends it with us. The
working folder (parameters, logs of the autopilot) is a temporary one. Sources: ArduPilot's
libraries/AP_HAL_SITL/SITL_cmdline.cpp, PX4's ROMFS/px4fmu_common/init.d-posix (rcS, px4-rc.mavlink,
px4-rc.simulator) and its drivers/camera_trigger.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plans.frames import GeoPoint, LocalFrame
from sim.errors import SettingsError, SitlError

_ARDUCOPTER_DEFAULTS = """\
FRAME_CLASS 1
FRAME_TYPE 0
BATT_MONITOR 4
BATT_CAPACITY 12000
CAM1_TYPE 1
CAM2_TYPE 0
COMPASS_OFS_X 5
COMPASS_OFS_Y 13
COMPASS_OFS_Z -18
COMPASS_OFS2_X 5
COMPASS_OFS2_Y 13
COMPASS_OFS2_Z -18
COMPASS_OFS3_X 5
COMPASS_OFS3_Y 13
COMPASS_OFS3_Z -18
INS_ACCOFFS_X 0.001
INS_ACCOFFS_Y 0.001
INS_ACCOFFS_Z 0.001
INS_ACCSCAL_X 1.001
INS_ACCSCAL_Y 1.001
INS_ACCSCAL_Z 1.001
INS_ACC2OFFS_X 0.001
INS_ACC2OFFS_Y 0.001
INS_ACC2OFFS_Z 0.001
INS_ACC2SCAL_X 1.001
INS_ACC2SCAL_Y 1.001
INS_ACC2SCAL_Z 1.001
"""
"""A calibrated quadrotor (ArduCopter's simulator refuses to arm without) with a battery for 25 minutes."""

_PX4_PARAMS = """\
param set-default TRIG_MODE 4
param set-default TRIG_INTERFACE 3
param set-default SDLOG_MODE 0
param set-default SDLOG_PROFILE 1
param set-default SIM_BAT_DRAIN 3000
param set-default SIM_BAT_MIN_PCT 0
"""
"""A camera that is triggered by distance while the mission asks for it; logs as vehicles write them, from
arming to disarming (the simulator's own hold ten times as much); a battery that lasts 50 minutes (its own is
half empty after one, and stays so). PX4's start script runs this file
(`px4-rc.params`) from the PATH; the camera's driver starts only where it finds these at the start."""

_PX4_MAVLINK = """\
mavlink start -x -u {own} -o {station} -r 4000000 -f
mavlink start -x -u {own_api} -o {api} -r 4000000 -f -m onboard
"""
"""A link for the station and one for programs (`px4-rc.mavlink`). PX4's own file has all vehicles call one
station's port, where the second of two stations hears nothing, and streams six messages 50 times a simulated
second, which at a speed-up is more than a busy machine reads."""

_PX4_STATION_PORT = 14550
"""The first PX4 calls the station here until somebody speaks to it, and then only whoever spoke first; each
further one calls at the next port."""
_PX4_OWN_PORT = 18570
_PX4_API_PORT, _PX4_OWN_API_PORT = 14540, 14580
_APART_M = 3.0
"""Several vehicles stand in a row to the east, so far from each other."""
_PATIENCE_S = 10.0
"""A simulator that has not said it is up after this long, and has not ended, is taken to be up."""
_GRACE_S = 5.0
_TAIL_LINES = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class SitlSettings:
    """`autopilot` is ardupilot or px4; `binary` is ArduPilot's arducopter, or PX4's bin/px4 in its build
    folder. `home` needs a height. `instance` numbers the first vehicle, from 0; its system id is one more.
    None takes the first number that no PX4 on this machine has."""

    autopilot: str
    binary: Path
    home: GeoPoint
    speedup: float = 1.0
    vehicles: int = 1
    instance: int | None = None

    def check(self) -> None:
        """Raise SettingsError for what cannot be started."""
        if self.autopilot not in _COMMANDS:
            raise SettingsError(
                f"autopilot {self.autopilot!r} is not known; take one of: {', '.join(_COMMANDS)}"
            )
        if not self.binary.is_file():
            raise SettingsError(
                f"{self.binary}: no such file; name the {self.autopilot} SITL binary with --binary"
            )
        if not os.access(self.binary, os.X_OK):
            raise SettingsError(f"{self.binary}: cannot be run; name the {self.autopilot} SITL binary")
        if self.home.alt_amsl_m is None:
            raise SettingsError("a real autopilot needs the height of its home; give --home LAT,LON,ALT")
        if self.autopilot == "px4" and not (self.binary.resolve().parent.parent / "etc").is_dir():
            raise SettingsError(
                f"{self.binary}: has no etc folder beside its bin folder; name bin/px4 in PX4's build folder"
            )
        if not 1 <= self.vehicles <= 50:
            raise SettingsError(f"{self.vehicles} vehicles are not possible; take 1 to 50")


@dataclass(frozen=True)
class _Start:
    """How to start a binary and where it answers."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    connect: str
    up: bytes
    """What it prints when it can be reached."""


def _ardupilot(settings: SitlSettings, folder: Path, number: int) -> _Start:
    defaults = folder / "defaults.parm"
    defaults.write_text(_ARDUCOPTER_DEFAULTS, encoding="ascii")
    port, home = _free_port(), settings.home
    place = f"{home.lat_deg:.8f},{home.lon_deg:.8f},{home.alt_amsl_m:.3f},0"
    arguments = ["--base-port", str(port), f"-I{number}", "--model", "+", "--wipe", "--home", place]
    arguments += ["--speedup", f"{settings.speedup:g}", "--defaults", str(defaults)]
    if number:
        arguments += ["--sysid", str(number + 1)]
    return _Start(tuple(arguments), {}, f"tcp:127.0.0.1:{port}", b"Waiting for connection")


def _px4(settings: SitlSettings, folder: Path, number: int) -> _Start:
    home, station_port = settings.home, _PX4_STATION_PORT + number
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "px4-rc.params").write_text(_PX4_PARAMS, encoding="ascii")
    link = _PX4_MAVLINK.format(
        own=_PX4_OWN_PORT + number,
        station=station_port,
        own_api=_PX4_OWN_API_PORT + number,
        api=_PX4_API_PORT + number,
    )
    (scripts / "px4-rc.mavlink").write_text(link, encoding="ascii")
    environment = {
        "PATH": os.pathsep.join((str(scripts), os.environ.get("PATH", os.defpath))),
        "PX4_SIM_MODEL": "sihsim_quadx",
        "PX4_SIMULATOR": "sihsim",
        "PX4_HOME_LAT": f"{home.lat_deg:.8f}",
        "PX4_HOME_LON": f"{home.lon_deg:.8f}",
        "PX4_HOME_ALT": f"{home.alt_amsl_m:.3f}",
        "PX4_SIM_SPEED_FACTOR": f"{settings.speedup:g}",
    }
    data = settings.binary.resolve().parent.parent / "etc"
    arguments = ("-d", str(data), "-w", str(folder), "-i", str(number))
    return _Start(arguments, environment, f"udpin:127.0.0.1:{station_port}", b"Startup script returned")


_COMMANDS: dict[str, Callable[[SitlSettings, Path, int], _Start]] = {"ardupilot": _ardupilot, "px4": _px4}


@dataclass(frozen=True)
class _Child:
    """A binary that runs."""

    process: subprocess.Popen[bytes]
    start: _Start
    log: Path

    def is_up(self) -> bool:
        return self.start.up in self.log.read_bytes()


def run_sitl(
    settings: SitlSettings,
    on_ready: Callable[[tuple[str, ...]], None] | None = None,
    stop_event: threading.Event | None = None,
) -> None:
    """Run SITL binaries until `stop_event` is set, then end them and return. `on_ready` gets their addresses.

    Raises SettingsError for what cannot be started and SitlError when one of them ends by itself.
    """
    settings.check()
    stop = stop_event or threading.Event()
    children: list[_Child] = []
    with tempfile.TemporaryDirectory(prefix="missionctl-sitl-", ignore_cleanup_errors=True) as name:
        try:
            for place, number in enumerate(_numbers(settings)):
                children.append(_start(settings, Path(name), place, number))
            ready_by_s = time.monotonic() + _PATIENCE_S
            told = False
            while not stop.wait(0.1):
                for child in children:
                    if child.process.poll() is not None:
                        raise SitlError(_obituary(settings, child))
                late = time.monotonic() > ready_by_s
                if not told and (late or all(child.is_up() for child in children)):
                    told = True
                    if on_ready is not None:
                        on_ready(tuple(child.start.connect for child in children))
        finally:
            _end([child.process for child in children])


def _numbers(settings: SitlSettings) -> list[int]:
    """The instance number of each vehicle."""
    first = settings.instance or 0
    numbers = itertools.count(first)
    if settings.autopilot == "px4" and settings.instance is None:
        return list(itertools.islice((n for n in numbers if _is_free(_PX4_OWN_PORT + n)), settings.vehicles))
    return list(itertools.islice(numbers, settings.vehicles))


def _start(settings: SitlSettings, base: Path, place: int, number: int) -> _Child:
    """Start the vehicle in the given place of the row. Raises SettingsError."""
    home = settings.home
    folder = base / str(number)
    folder.mkdir()
    lat, lon = LocalFrame(home.lat_deg, home.lon_deg).to_geo(_APART_M * place, 0.0)
    stand = GeoPoint(float(lat), float(lon), home.alt_amsl_m) if place else home
    start = _COMMANDS[settings.autopilot](replace(settings, home=stand), folder, number)
    log = folder / "output.log"
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(
                [str(settings.binary.resolve()), *start.arguments],
                cwd=folder,
                env={**os.environ, **start.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise SettingsError(f"{settings.binary}: cannot be run ({error.strerror})") from error
    return _Child(process, start, log)


def _die_with_parent() -> None:
    """In the child: be killed when the parent dies however it dies (Linux: prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()  # does nothing to one that has ended
    end_by_s = time.monotonic() + _GRACE_S
    for process in processes:
        try:
            process.wait(max(0.0, end_by_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _obituary(settings: SitlSettings, child: _Child) -> str:
    words = child.log.read_text(encoding="utf-8", errors="replace")
    lines = _COLOURS.sub("", words).strip().splitlines()[-_TAIL_LINES:]
    said = "; it said: " + " / ".join(lines) if lines else " without a word"
    return f"{settings.binary.name} ended by itself (code {child.process.returncode}){said}"


def _is_free(udp_port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", udp_port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
