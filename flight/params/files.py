"""Parameter files: QGroundControl's .params and Mission Planner's .param.

1<tab>1<tab>RTL_ALT<tab>1500<tab>9          QGroundControl: vehicle, component, name, value, type
RTL_ALT,1500                                Mission Planner; MAVProxy writes blanks for the comma
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from flight.errors import ParameterError
from flight.params.protocol import REAL32, Param

_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,15}$")


def read_params(path: Path) -> dict[str, Param]:
    """Read a parameter file of either form. Raises ParameterError that names the file and the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror}); name a parameter file") from None
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: is not a text file; give a .params or .param file") from None
    params: dict[str, Param] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.split("#", 1)[0].strip()
        if not bare:
            continue
        param = _read_line(bare)
        if param is None:
            raise ParameterError(f"{path}: line {number} is no parameter: {bare[:60]!r}")
        params[param.name] = param
    if not params:
        raise ParameterError(f"{path}: holds no parameters")
    return params


def _read_line(line: str) -> Param | None:
    fields = line.split("\t") if "\t" in line else re.split(r"[,\s]+", line)
    fields = [f.strip() for f in fields if f.strip()]
    kind = REAL32
    with contextlib.suppress(ValueError):
        if len(fields) == 5:
            kind, fields = int(fields[4]), fields[2:4]
        if len(fields) == 2 and _NAME.match(fields[0]):
            return Param(fields[0].upper(), float(fields[1]), kind)
    return None


def check_suffix(path: Path) -> str:
    """The suffix that says the form. Raises ParameterError for any other."""
    suffix = path.suffix.lower()
    if suffix not in (".params", ".param", ".parm"):
        raise ParameterError(f"{path}: end its name in .params (QGroundControl) or .param (Mission Planner)")
    return suffix


def write_params(path: Path, params: Mapping[str, Param], sysid: int = 1, compid: int = 1) -> None:
    """Write a parameter file, whole or not at all; the form is that of the suffix.

    Raises ParameterError for another suffix or a place that cannot be written.
    """
    if check_suffix(path) == ".params":
        lines = [f"# Onboard parameters for Vehicle {sysid}", "#"]
        lines += ["# Vehicle-Id Component-Id Name Value Type"]
        lines += [f"{sysid}\t{compid}\t{p.name}\t{p.text()}\t{p.type}" for p in params.values()]
    else:
        lines = [f"{p.name},{p.text()}" for p in params.values()]
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ParameterError(f"{path}: cannot be written ({error.strerror})") from None
