"""Files on a vehicle, each call a station of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from flight.errors import FileError, FileMissingError
from flight.ftp.files import Entry, Files, Transferred, open_files
from flight.vehicle import Vehicle
from missionctl.services.vehicle_work import OnProgress, Target, with_vehicle

Result = TypeVar("Result")
FilesWork = Callable[[Files, OnProgress], Awaitable[Result]]


def with_files(
    target: Target,
    compid: int | None,
    work: FilesWork[Result],
    on_progress: OnProgress = lambda step, share: None,
) -> Result:
    """Find the vehicle and do some work on its files. Raises FlightError."""

    async def run(vehicle: Vehicle, tell: OnProgress) -> Result:
        async with open_files(vehicle, compid) as files:
            return await work(files, tell)

    return with_vehicle(target, run, on_progress)


def list_folder(target: Target, compid: int | None, folder: str) -> tuple[Entry, ...]:
    """What is in a folder of a vehicle."""
    return with_files(target, compid, lambda files, _: files.list(folder))


def get_paths(
    target: Target, compid: int | None, paths: Sequence[str], out: Path, on_progress: OnProgress
) -> tuple[Transferred, ...]:
    """Fetch files, and folders with all that is in them, into a folder. Photos that are there already are
    left out, so that the same call goes on where the last one broke off."""

    async def work(files: Files, tell: OnProgress) -> tuple[Transferred, ...]:
        done: list[Transferred] = []
        for path in paths:
            name = PurePosixPath(path).name
            if await _is_folder(files, path):
                done += await files.get_folder(path, out / name, tell)
            else:
                done.append(await files.get(path, out / (name or "file"), partial(tell, path)))
        return tuple(done)

    return with_files(target, compid, work, on_progress)


async def _is_folder(files: Files, path: str) -> bool:
    """Whether a path is a folder; its parent's list says so, where it can be had."""
    bare = path.rstrip("/")
    if not bare:
        return True
    place = PurePosixPath(bare)
    try:
        entries = await files.list(str(place.parent))
    except FileError as fault:
        if fault.code is None:
            raise
        return path.endswith("/")
    found = [entry for entry in entries if entry.name == place.name]
    return found[0].is_folder if found else path.endswith("/")


def put_file(
    target: Target, compid: int | None, file: Path, path: str, on_progress: OnProgress
) -> Transferred:
    """Write a file to a vehicle; a path that ends in / is a folder for it."""
    there = path + file.name if path.endswith("/") else path
    return with_files(
        target, compid, lambda files, tell: files.put(file, there, partial(tell, there)), on_progress
    )


def remove_paths(target: Target, compid: int | None, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove files, and folders that are empty. Raises FileError for the first that cannot be removed."""

    async def work(files: Files, _: OnProgress) -> tuple[str, ...]:
        for path in paths:
            if await _is_folder(files, path):
                await files.remove_folder(path.rstrip("/"))
            else:
                await files.remove(path)
        return tuple(paths)

    return with_files(target, compid, work)


def make_folder(target: Target, compid: int | None, folder: str) -> None:
    """Make a folder on a vehicle."""
    with_files(target, compid, lambda files, _: files.make_folder(folder))


def rename(target: Target, compid: int | None, path: str, to: str) -> None:
    """Give a file on a vehicle another name."""
    with_files(target, compid, lambda files, _: files.rename(path, to))


def truncate(target: Target, compid: int | None, path: str, size_bytes: int) -> None:
    """Cut a file on a vehicle to a length."""
    with_files(target, compid, lambda files, _: files.truncate(path, size_bytes))


def checksum(target: Target, compid: int | None, path: str) -> int:
    """The vehicle's checksum of a file."""

    async def work(files: Files, _: OnProgress) -> int:
        size = await files.size(path)
        if size is None:
            raise FileMissingError(f"checksum of {path}: is not on the vehicle")
        return await files.crc32(path, size)

    return with_files(target, compid, work)
