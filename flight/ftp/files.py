"""Files on the vehicle (MAVLink file transfer protocol, "MAVFTP"): listed, fetched, written, removed.

    async with open_files(vehicle) as files:
        for entry in await files.list("/APM/LOGS"): ...
        await files.get("/APM/LOGS/00000001.BIN", Path("log.BIN"))

A file gets its final name, here and on the vehicle, when it is whole and its checksum is right. A download
that breaks off leaves .NAME.SIZE.part, an upload NAME.part on the vehicle; the next try goes on from there.

Source of the protocol: https://mavlink.io/en/services/ftp.html, and what ArduPilot and PX4 make of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_message
from flight.errors import (
    FileAnswerError,
    FileChangedError,
    FileError,
    FileMissingError,
    FilePresentError,
    FileServerSilentError,
    NoFileServerError,
    SessionLostError,
)
from flight.ftp.exchange import FtpLink, Request
from flight.ftp.packets import DATA_BYTES, Nak, Op, Packet
from flight.ftp.read import Download, Pieces, is_made_up, told_size
from flight.ftp.write import upload
from flight.vehicle import Vehicle

OnShare = Callable[[float], None]
OnFile = Callable[[str, float], None]

_OPEN_TRIES = 5
_PART = ".part"
_SLOWEST_CARD_BYTES_PER_S = 100_000
"""A checksum over a big file takes the vehicle its time."""
_PAGES_WITHOUT_NEWS = 3
_CHUNK = 1 << 20
_HEAD_BYTES = 64


@dataclass(frozen=True)
class Entry:
    """One line of a folder. `size_bytes` is 0 for folders."""

    name: str
    is_folder: bool
    size_bytes: int = 0


@dataclass(frozen=True)
class Transferred:
    """A file that has been fetched or written. `checked`: the checksums of both sides are the same (False:
    this vehicle has none to tell). `resumed_bytes` were there from an earlier try."""

    file: Path
    path: str
    size_bytes: int
    checked: bool
    resumed_bytes: int = 0


async def has_file_server(vehicle: Vehicle) -> bool:
    """Whether the autopilot says of itself that it transfers files."""
    version = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION)
    return version is not None and bool(version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_FTP)


@asynccontextmanager
async def open_files(vehicle: Vehicle, compid: int | None = None, share: float = 1.0) -> AsyncIterator[Files]:
    """The files of a vehicle's autopilot, or of another component (a camera, a companion computer). `share`:
    how many times what its profile grants to files they may take of the link."""
    with vehicle.inbox() as inbox:
        files = Files(FtpLink(vehicle, inbox, vehicle.compid if compid is None else compid, share))
        try:
            yield files
        finally:
            files.abandon()


class Files:
    """One file server. Made by `open_files`; one call at a time."""

    def __init__(self, link: FtpLink) -> None:
        self._link = link
        self._open = False

    # -- folders -------------------------------------------------------------------------------------------

    async def list(self, folder: str) -> tuple[Entry, ...]:
        """What is in a folder, by name. Raises FileError."""
        what = f"list {folder}"
        data = _path_bytes(folder, what)
        found: dict[str, Entry] = {}
        offset, stale = 0, 0
        while stale < _PAGES_WITHOUT_NEWS:
            try:
                answer = await self._ask(Request(Op.LIST, data, offset), what)
            except FileError as fault:
                if fault.code == Nak.EOF:
                    return tuple(found[name] for name in sorted(found))
                raise
            # pages are counted in entries, those that we leave out too; old ArduPilots put two noughts
            # between
            lines = [line for line in answer.data.split(b"\0") if line]
            entries = [entry for line in lines if (entry := _entry(line)) is not None]
            stale = 0 if any(entry.name not in found for entry in entries) else stale + 1
            found |= {entry.name: entry for entry in entries}
            offset += len(lines)
        raise FileAnswerError(f"{what}: the vehicle repeats itself without end")

    async def size(self, path: str) -> int | None:
        """The size of a file, None where none is listed. Raises FileError when the server is out of reach."""
        place = PurePosixPath(path)
        try:
            entries = await self.list(str(place.parent))
        except FileError as fault:
            if fault.code is None or fault.code == Nak.NO_SESSIONS:
                raise
            return None  # a folder that cannot be listed may still be written to
        return next((e.size_bytes for e in entries if e.name == place.name and not e.is_folder), None)

    async def make_folder(self, folder: str) -> None:
        """Make a folder. Raises FilePresentError where there is one, FileError."""
        await self._deed(Op.MAKE_FOLDER, f"mkdir {folder}", folder)

    async def remove_folder(self, folder: str) -> None:
        """Remove an empty folder. Raises FileError."""
        await self._deed(Op.REMOVE_FOLDER, f"rmdir {folder}", folder)

    # -- files as wholes -----------------------------------------------------------------------------------

    async def remove(self, path: str) -> None:
        """Remove a file. Raises FileError."""
        await self._deed(Op.REMOVE, f"rm {path}", path)

    async def rename(self, path: str, to: str) -> None:
        """Give a file or folder another name. Raises FileError."""
        what = f"rename {path} to {to}"
        data = _path_bytes(path, what) + b"\0" + _path_bytes(to, what)
        if len(data) > DATA_BYTES:
            raise FileError(
                f"{what}: the names are too long; both together have at most {DATA_BYTES - 1} bytes"
            )
        await self._ask(Request(Op.RENAME, data), what)

    async def truncate(self, path: str, size_bytes: int) -> None:
        """Cut a file to a length. Raises NoFileServerError where the vehicle cannot (ArduPilot),
        FileError."""
        what = f"truncate {path}"
        await self._ask(Request(Op.TRUNCATE, _path_bytes(path, what), size_bytes), what)

    async def crc32(self, path: str, size_bytes: int = 0) -> int:
        """The vehicle's checksum of a file; `size_bytes` says how long that may take. Raises FileError."""
        what = f"checksum of {path}"
        patience_s = self._link.patience_s + size_bytes / _SLOWEST_CARD_BYTES_PER_S
        answer = await self._ask(Request(Op.CRC32, _path_bytes(path, what)), what, patience_s)
        if len(answer.data) < 4:
            raise FileAnswerError(f"{what}: the vehicle's answer holds none")
        return int.from_bytes(answer.data[:4], "little")

    # -- down ----------------------------------------------------------------------------------------------

    async def read(
        self,
        path: str,
        on_share: OnShare | None = None,
        length_of: Callable[[bytes], int | None] = lambda content: None,
    ) -> bytes:
        """A whole file into memory, unchecked. `length_of` may find the size of a file that the vehicle makes
        up in its beginning; else its end has to be looked for. Raises FileError."""
        what, content = f"get {path}", bytearray()
        told = told_size(await self._open_file(Op.OPEN_READ, path, what), path)
        end = None if is_made_up(path) else told
        pieces = Pieces(content.extend, 0, end, lambda: length_of(bytes(content[:_HEAD_BYTES])))
        await self._download(path, pieces, told, on_share)
        return bytes(content)

    async def get(self, path: str, target: Path, on_share: OnShare | None = None) -> Transferred:
        """Fetch a file, going on where an earlier try broke off. Files that the vehicle makes up (@...) have
        no checksum. Raises FileError; what has come is kept for the next try."""
        if is_made_up(path):
            content = await self.read(path, on_share)
            _write_whole(target, content)
            return Transferred(target, path, len(content), checked=False)
        for _ in range(2):
            done = await self._get_once(path, target, on_share)
            if done is not None:
                return done
        raise FileChangedError(
            f"get {path}: the checksums differ, twice; it is being written on the vehicle, or the card is bad"
        )

    async def _get_once(self, path: str, target: Path, on_share: OnShare | None) -> Transferred | None:
        """None when the checksums differ; the part file is gone then."""
        what = f"get {path}"
        told = told_size(await self._open_file(Op.OPEN_READ, path, what), path)
        part = target.with_name(f".{target.name}.{told}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab") as file:
                have = file.tell()
                if have > told:
                    have = file.truncate(0)
                if on_share is not None:
                    on_share(have / max(told, 1))
                await self._download(path, Pieces(file.write, have, told), told, on_share)
                file.flush()
                os.fsync(file.fileno())
            checked = await self._same(path, part, told)
            if checked is False:
                part.unlink()
                return None
            os.replace(part, target)
        except OSError as error:
            raise FileError(f"{target}: cannot be written here ({error.strerror})") from None
        return Transferred(target, path, told, checked is True, have)

    async def _download(self, path: str, pieces: Pieces, told: int, on_share: OnShare | None) -> None:
        what = f"get {path}"

        async def reopen() -> None:
            size = told_size(await self._open_file(Op.OPEN_READ, path, what), path)
            if size < told and not is_made_up(path):
                raise FileChangedError(f"{what}: it has become shorter meanwhile; try again")

        try:
            await Download(self._link, path, pieces, told, on_share or (lambda share: None)).run(reopen)
        except BaseException:
            self.abandon()
            raise
        await self._close(what)

    async def get_folder(
        self, folder: str, target: Path, on_file: OnFile | None = None
    ) -> tuple[Transferred, ...]:
        """Fetch a folder with all that is in it. Files that are here already in their full size are left out,
        so that it goes on where it stopped. Raises FileError."""
        done: list[Transferred] = []
        for entry in await self.list(folder):
            path = str(PurePosixPath(folder) / entry.name)
            if not _is_plain(entry.name):
                raise FileAnswerError(f"list {folder}: {entry.name!r} is no name for a file")
            here = target / entry.name
            if entry.is_folder:
                done += await self.get_folder(path, here, on_file)
            elif not (here.is_file() and here.stat().st_size == entry.size_bytes):
                done.append(await self.get(path, here, _share_of(path, on_file)))
        return tuple(done)

    # -- up ------------------------------------------------------------------------------------------------

    async def put(self, file: Path, path: str, on_share: OnShare | None = None) -> Transferred:
        """Write a file to the vehicle, going on where an earlier try broke off; one of that name is replaced.
        Raises FileError."""
        try:
            return await self._put(file, path, on_share or (lambda share: None))
        except FileMissingError as fault:
            raise FileMissingError(f"put {path}: its folder is not on the vehicle", fault.code) from None
        except OSError as error:
            raise FileError(f"{file}: cannot be read ({error.strerror})") from None

    async def _put(self, file: Path, path: str, on_share: OnShare) -> Transferred:
        what = f"put {path}"
        _path_bytes(path + _PART, what)
        size = file.stat().st_size
        with file.open("rb") as source:
            if is_made_up(path):
                await self._write(source, path, size, on_share)
                return Transferred(file, path, size, checked=False)
            there = path + _PART
            start = await self._open_part(file, size, there, what)

            async def reopen() -> None:
                await self._open_file(Op.OPEN_WRITE, there, what)

            await self._send(source, start, size, what, reopen, on_share)
        checked = await self._same(there, file, size)
        if checked is False:
            with contextlib.suppress(FileError):
                await self.remove(there)
            raise FileChangedError(f"{what}: what the vehicle has stored is not what was sent; try again")
        await self._put_in_place(there, path)
        return Transferred(file, path, size, checked is True, start)

    async def write(self, path: str, content: bytes, on_share: OnShare | None = None) -> None:
        """Write one of the files that the vehicle makes up (@MISSION/...), as a whole: the vehicle takes it
        when it is closed, and does not say whether it likes it. Raises FileError."""
        await self._write(io.BytesIO(content), path, len(content), on_share or (lambda share: None))

    async def _write(self, source: BinaryIO, path: str, size: int, on_share: OnShare) -> None:
        what = f"put {path}"
        await self._open_file(Op.CREATE, path, what)

        async def begun_anew() -> None:
            raise SessionLostError(f"{what}: the vehicle has closed the file meanwhile; try again")

        await self._send(source, 0, size, what, begun_anew, on_share)

    async def _send(
        self,
        source: BinaryIO,
        start: int,
        size: int,
        what: str,
        reopen: Callable[[], Awaitable[None]],
        on_share: OnShare,
    ) -> None:
        try:
            await upload(self._link, source, start, size, what, reopen, on_share)
        except BaseException:
            self.abandon()
            raise
        await self._close(what)

    async def _open_part(self, file: Path, size: int, part: str, what: str) -> int:
        """Open the part file on the vehicle; the bytes in it that are those of the file."""
        have = await self.size(part) or 0
        if 0 < have <= size and await self._same(part, file, have):
            await self._open_file(Op.OPEN_WRITE, part, what)
            return have
        try:
            await self._open_file(Op.CREATE, part, what)
        except FilePresentError:  # some servers do not cut what is there
            await self.remove(part)
            await self._open_file(Op.CREATE, part, what)
        return 0

    async def _put_in_place(self, part: str, path: str) -> None:
        """Rename a part file to its final name. Where that is taken and the vehicle does not replace it, the
        old file has to go first."""
        try:
            await self.rename(part, path)
        except (FileServerSilentError, NoFileServerError, FileMissingError):
            raise
        except FileError:
            await self.remove(path)
            await self.rename(part, path)

    # -- sessions ------------------------------------------------------------------------------------------

    async def _open_file(self, op: Op, path: str, what: str) -> Packet:
        """Open a file. A server that has no session free (a station that died has it) is told to forget them
        all, then given time to do so."""
        request = Request(op, _path_bytes(path, what))
        for tries in range(_OPEN_TRIES):
            try:
                answer = await self._link.ask(request, what)
                self._open = True
                return answer
            except FileError as fault:
                if fault.code not in (Nak.FAIL, Nak.NO_SESSIONS) or tries == _OPEN_TRIES - 1:
                    raise
                if fault.code == Nak.FAIL and tries:
                    raise
                await self._link.ask(Request(Op.RESET), what)
                if tries:
                    await self._link.pause(1.0)
        raise AssertionError("unreachable")

    async def _close(self, what: str) -> None:
        self._open = False
        with contextlib.suppress(FileServerSilentError):
            # a server that has closed it already may say so: nothing is lost
            try:
                await self._link.ask(Request(Op.TERMINATE), what)
            except FileError as fault:
                if fault.code not in (Nak.INVALID_SESSION, Nak.NOT_FOUND, Nak.FAIL):
                    raise

    def abandon(self) -> None:
        """Tell the server that the open session is not needed any more, without waiting for its answer."""
        if self._open:
            self._open = False
            self._link.send(Request(Op.TERMINATE))

    async def _ask(self, request: Request, what: str, patience_s: float | None = None) -> Packet:
        return await self._link.ask(request, what, patience_s)

    async def _deed(self, op: Op, what: str, path: str) -> None:
        await self._ask(Request(op, _path_bytes(path, what)), what)

    async def _same(self, path: str, file: Path, size_bytes: int) -> bool | None:
        """Whether a file there and the first bytes of one here have the same checksum; None where the vehicle
        has none to tell."""
        try:
            there = await self.crc32(path, size_bytes)
        except NoFileServerError:
            return None
        return there in _checksums(file, size_bytes)


def _checksums(file: Path, size_bytes: int) -> tuple[int, int]:
    """CRC32 of the first bytes of a file in both ways that servers compute it: ArduPilot and PX4 begin with 0
    and invert nothing, others do as zip files do."""
    bare, usual, left = 0xFFFFFFFF, 0, size_bytes
    with file.open("rb") as opened:
        while left and (chunk := opened.read(min(_CHUNK, left))):
            bare, usual = zlib.crc32(chunk, bare), zlib.crc32(chunk, usual)
            left -= len(chunk)
    return bare ^ 0xFFFFFFFF, usual


def _entry(line: bytes) -> Entry | None:
    text = line.decode("utf-8", errors="replace")
    kind, rest = text[0], text[1:]
    if kind == "D":
        name = rest.split("\t")[0]
        return None if name in (".", "..") else Entry(name, is_folder=True)
    if kind == "F":
        name, _, size = rest.rpartition("\t")
        if name and size.isdigit():
            return Entry(name, is_folder=False, size_bytes=int(size))
        return Entry(rest, is_folder=False)
    return None


def _share_of(path: str, on_file: OnFile | None) -> OnShare | None:
    return None if on_file is None else lambda share: on_file(path, share)


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0:")


def _path_bytes(path: str, what: str) -> bytes:
    data = path.encode("utf-8")
    if not data or len(data) >= DATA_BYTES or b"\0" in data:
        raise FileError(f"{what}: a name on the vehicle has 1 to {DATA_BYTES - 1} bytes")
    return data


def _write_whole(target: Path, content: bytes) -> None:
    beside = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        os.replace(beside, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise FileError(f"{target}: cannot be written here ({error.strerror})") from None
