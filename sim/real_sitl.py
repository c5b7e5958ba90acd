"""A real autopilot's own simulator as the vehicle: an ArduPilot or PX4 SITL binary, started as a child.

The binary brings its own dynamics and its own MAVLink; this module puts it at the home position with the
right frame and speed-up, says where it can be reached, and ends it with us. The working folder (parameters,
logs of the autopilot) is a temporary one. Sources: ArduPilot's libraries/AP_HAL_SITL/SITL_cmdline.cpp, PX4's
ROMFS/px4fmu_common/init.d-posix (px4-rc.mavlink, px4-rc.sihsim).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plans.frames import GeoPoint
from sim.errors import SettingsError, SitlError

_ARDUCOPTER_DEFAULTS = """\
FRAME_CLASS 1
FRAME_TYPE 0
BATT_MONITOR 4
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
"""A calibrated quadrotor: without these ArduCopter's simulator refuses to arm."""

_PX4_STATION_PORT = 14550
"""PX4's simulator calls the station here, whoever asks."""
_PATIENCE_S = 10.0
"""A simulator that has not said it is up after this long, and has not ended, is taken to be up."""
_GRACE_S = 5.0
_TAIL_LINES = 3


@dataclass(frozen=True)
class SitlSettings:
    """`autopilot` is ardupilot or px4; `binary` is ArduPilot's arducopter, or PX4's bin/px4 in its build
    folder. `home` needs a height."""

    autopilot: str
    binary: Path
    home: GeoPoint
    speedup: float = 1.0

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


@dataclass(frozen=True)
class _Start:
    """How to start a binary and where it answers."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    connect: str
    up: bytes
    """What it prints when it can be reached."""


def _ardupilot(settings: SitlSettings, folder: Path) -> _Start:
    defaults = folder / "defaults.parm"
    defaults.write_text(_ARDUCOPTER_DEFAULTS, encoding="ascii")
    port, home = _free_port(), settings.home
    place = f"{home.lat_deg:.8f},{home.lon_deg:.8f},{home.alt_amsl_m:.3f},0"
    arguments = ["--base-port", str(port), "-I0", "--model", "+", "--wipe", "--home", place]
    arguments += ["--speedup", f"{settings.speedup:g}", "--defaults", str(defaults)]
    return _Start(tuple(arguments), {}, f"tcp:127.0.0.1:{port}", b"Waiting for connection")


def _px4(settings: SitlSettings, folder: Path) -> _Start:
    home = settings.home
    environment = {
        "PX4_SIM_MODEL": "sihsim_quadx",
        "PX4_SIMULATOR": "sihsim",
        "PX4_HOME_LAT": f"{home.lat_deg:.8f}",
        "PX4_HOME_LON": f"{home.lon_deg:.8f}",
        "PX4_HOME_ALT": f"{home.alt_amsl_m:.3f}",
        "PX4_SIM_SPEED_FACTOR": f"{settings.speedup:g}",
    }
    data = settings.binary.resolve().parent.parent / "etc"
    arguments = ("-d", str(data), "-w", str(folder), "-i", "0")
    return _Start(arguments, environment, f"udpin:127.0.0.1:{_PX4_STATION_PORT}", b"Startup script returned")


_COMMANDS: dict[str, Callable[[SitlSettings, Path], _Start]] = {"ardupilot": _ardupilot, "px4": _px4}


def run_sitl(
    settings: SitlSettings,
    on_ready: Callable[[tuple[str, ...]], None] | None = None,
    stop_event: threading.Event | None = None,
) -> None:
    """Run a SITL binary until `stop_event` is set, then end it and return. `on_ready` gets its address.

    Raises SettingsError for what cannot be started and SitlError when the binary ends by itself.
    """
    settings.check()
    stop = stop_event or threading.Event()
    with tempfile.TemporaryDirectory(prefix="missionctl-sitl-") as name:
        folder = Path(name)
        start = _COMMANDS[settings.autopilot](settings, folder)
        log = folder / "output.log"
        with log.open("wb") as out:
            try:
                child = subprocess.Popen(
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
        try:
            ready_by_s = time.monotonic() + _PATIENCE_S
            told = False
            while not stop.wait(0.1):
                if child.poll() is not None:
                    raise SitlError(_obituary(settings, child.returncode, log))
                if not told and (start.up in log.read_bytes() or time.monotonic() > ready_by_s):
                    told = True
                    if on_ready is not None:
                        on_ready((start.connect,))
        finally:
            _end(child)


def _die_with_parent() -> None:
    """In the child: be killed when the parent dies however it dies (Linux: prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _obituary(settings: SitlSettings, code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_TAIL_LINES:]
    said = "; it said: " + " / ".join(lines) if lines else " without a word"
    return f"{settings.binary.name} ended by itself (code {code}){said}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
