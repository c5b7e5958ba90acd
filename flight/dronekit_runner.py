"""Runs one DroneKit script: python -m flight.dronekit_runner SCRIPT [ARGS...]. The child of
flight.dronekit_scripts; here nothing of the station is loaded.

DroneKit 2.9.2 was written for Python 2 and 3.8: it takes abstract classes from `collections`, from where
Python 3.10 removed them, and its example scripts do the same. They are put back before anything is loaded.
"""

from __future__ import annotations

import collections
import collections.abc
import os
import runpy
import sys
from typing import Any

CONNECT_VARIABLE = "MISSIONCTL_CONNECT"
"""Where a script that takes no --connect finds its vehicle."""


def mend_collections() -> None:
    """Put back the names that Python 3.10 took out of `collections`."""
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def take_addresses() -> None:
    """Let dronekit.connect take our addresses, the baud rate of a serial port in them included."""
    import dronekit

    plain = dronekit.connect

    def connect(ip: str, *args: Any, **kwargs: Any) -> Any:
        address, baud = split_address(ip)
        if baud is not None:
            kwargs.setdefault("baud", baud)
        return plain(address, *args, **kwargs)

    dronekit.connect = connect


def split_address(text: str) -> tuple[str, int | None]:
    """An address in pymavlink's form, and the baud rate of a serial port."""
    kind, _, rest = text.partition(":")
    rest = rest.removeprefix("//")
    if kind.lower() == "serial":
        device, separator, baud = rest.rpartition(":")
        return (device, int(baud)) if separator and baud.isdigit() else (rest, 57600)
    if kind.lower() in ("udp", "udpin", "udpout", "tcp", "tcpout", "tcpin"):
        host, separator, port = rest.rpartition(":")
        host = host or ("127.0.0.1" if kind.lower() in ("udpout", "tcp", "tcpout") else "0.0.0.0")
        return (
            f"{kind.lower().removesuffix('out') if kind == 'tcpout' else kind.lower()}:{host}:{port}",
            None,
        )
    return text, None


def main(arguments: list[str]) -> None:
    """Run the script as if it had been started by hand."""
    script = arguments[0]
    mend_collections()
    take_addresses()
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
