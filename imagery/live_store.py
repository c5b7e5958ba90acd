"""What a live mosaic knows, on disk: a file for each photo, for each square of the map, and for the block.

Each is written beside its name and renamed when whole, so a process that is killed leaves all or nothing of
it. What one photo adds to the block is a line behind it, so that it costs the same whether the block is
small or large. What cannot be read is as if it had never been there, and is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagery.errors import RasterError
from imagery.features import Features
from imagery.found import FileKey, file_key
from imagery.jpeg_cog import Packed, Square
from imagery.matching import PairMatches
from plans.frames import FloatArray

Cell = tuple[int, int]
"""Row and column of a square of the map."""

VERSION = 3
_DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class PhotoRecord:
    """All that was found in one photo: `features`, or the reason why it has none. `matches` are those with
    photos that came before, by key, None where the two show nothing in common; the pair's first is the one
    whose name is first."""

    name: str
    key: FileKey
    features: Features | str
    matches: Mapping[FileKey, PairMatches | None]


@dataclass(frozen=True)
class Painted:
    """A square of the map as it stands: which photos lie in it, and where their outlines (k, 2) local metres
    were when they were painted."""

    square: Square
    outlines: Mapping[str, FloatArray]


class LiveStore:
    """The folder of one live mosaic. What was found with other `rules` is thrown away."""

    def __init__(self, folder: Path, rules: Mapping[str, Any]) -> None:
        self._folder = folder
        self._rules = json.loads(json.dumps({"version": VERSION, **rules}))
        if self._told("rules.json") != self._rules:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            for name in ("photos", "squares"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RasterError(
                f"{folder}: cannot be written ({error.strerror}); choose another output folder"
            ) from error
        self._write("rules.json", json.dumps(self._rules).encode())
        self._block = 0

    def keep_photo(self, record: PhotoRecord, picture: bytes) -> None:
        """Keep what was found in a photo, and the photo reduced for the map (JPEG)."""
        told: dict[str, Any] = {"name": record.name, "size": record.key[1], "mtime_ns": record.key[2]}
        arrays: dict[str, npt.NDArray[Any]] = {"picture": _bytes(picture)}
        if isinstance(record.features, str):
            told["reason"] = record.features
        else:
            told["features"] = {}
            for field in fields(Features):
                value = getattr(record.features, field.name)
                if isinstance(value, np.ndarray):
                    arrays[field.name] = value
                elif isinstance(value, bytes):
                    arrays[f"bytes_{field.name}"] = _bytes(value)
                else:
                    told["features"][field.name] = value
        told["matches"] = []
        for (path, size, mtime_ns), match in record.matches.items():
            number = len(told["matches"])
            told["matches"].append([Path(path).name, size, mtime_ns, match is not None])
            if match is not None:
                arrays[f"first{number}"], arrays[f"second{number}"] = match.first_ids, match.second_ids
        self._write_arrays(f"photos/{record.name}.npz", told, arrays)

    def photos(self, place: Path) -> list[PhotoRecord]:
        """What is known of the photos in `place` as they are now."""
        records = []
        for file in sorted(self._folder.glob("photos/*.npz")):
            with suppress(*_DAMAGED):
                record = _record(file, place)
                if file_key(place / record.name) == record.key:
                    records.append(record)
        known = {r.key for r in records}
        return [replace(r, matches={k: m for k, m in r.matches.items() if k in known}) for r in records]

    def picture(self, name: str) -> bytes:
        """The photo reduced for the map (JPEG). Raises RasterError."""
        path = self._folder / f"photos/{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as data:
                return bytes(data["picture"].tobytes())
        except _DAMAGED as error:
            raise RasterError(f"{path}: cannot be read ({error}); begin the live mosaic again") from None

    def keep_square(self, cell: Cell, painted: Painted) -> None:
        """Keep a square of the map."""
        square = painted.square
        pieces = [*square.tiles, *([square.half] if square.half else [])]
        told = {
            "pieces": [[p.row, p.col] for p in pieces],
            "half": square.half is not None,
            "names": list(painted.outlines),
        }
        arrays: dict[str, npt.NDArray[Any]] = {}
        for n, piece in enumerate(pieces):
            arrays[f"picture{n}"], arrays[f"mask{n}"] = _bytes(piece.picture), _bytes(piece.mask)
        if square.quarter is not None:
            arrays["quarter"], arrays["quarter_mask"] = square.quarter
        for n, outline in enumerate(painted.outlines.values()):
            arrays[f"outline{n}"] = outline
        self._write_arrays(f"squares/{cell[0]}_{cell[1]}.npz", told, arrays)

    def squares(self) -> Iterator[tuple[Cell, Painted]]:
        """All squares that are kept; their own row and column are those in the file that they were written to
        last."""
        for file in sorted(self._folder.glob("squares/*.npz")):
            with suppress(*_DAMAGED):
                row, col = (int(v) for v in file.stem.split("_"))
                yield (row, col), _painted(file, (row, col))

    def keep_block(self, told: Mapping[str, Any]) -> None:
        """Keep what the block as a whole knows (JSON-ready)."""
        self._block += 1
        self._write("block.json", json.dumps({**told, "number": self._block}).encode())
        with suppress(OSError):  # its lines are of an older block by now
            (self._folder / "added.jsonl").unlink(missing_ok=True)

    def add_to_block(self, told: Mapping[str, Any]) -> None:
        """Keep what came to the block since (JSON-ready)."""
        path = self._folder / "added.jsonl"
        try:
            with open(path, "ab", buffering=0) as sink:
                # a line that a full disk or a kill cut short ends here
                sink.write(b"\n" + json.dumps({**told, "block": self._block}).encode() + b"\n")
        except OSError as error:
            raise _no_room(path, error) from error

    def block(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The block again, empty when there is none, and what was added to it since."""
        told = self._told("block.json")
        self._block = int(told.get("number", 0))
        try:
            lines = (self._folder / "added.jsonl").read_bytes().splitlines()
        except OSError:
            lines = []
        added = []
        for line in lines:
            with suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict) and value.get("block") == self._block:
                    added.append(value)
        return told, added

    def map_gsd(self, first_m: float) -> float:
        """The map's pixel in metres: what the first run chose."""
        told = self._told("map.json").get("gsd_m")
        if isinstance(told, float):
            return told
        self._write("map.json", json.dumps({"gsd_m": first_m}).encode())
        return first_m

    def forget_map(self) -> None:
        """The map is begun anew."""
        for file in [self._folder / "map.json", *self._folder.glob("squares/*.npz")]:
            file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _told(self, name: str) -> dict[str, Any]:
        try:
            told = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _write_arrays(
        self, name: str, told: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        path = self._folder / name
        part = path.with_name(f".{path.name}.part")
        try:
            with open(part, "wb") as sink:
                np.savez(sink, allow_pickle=False, **{"told": _bytes(json.dumps(told).encode()), **arrays})
            os.replace(part, path)
        except OSError as error:
            raise _no_room(path, error) from error

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data)
            os.replace(part, path)
        except OSError as error:
            raise _no_room(path, error) from error


def _no_room(path: Path, error: OSError) -> RasterError:
    return RasterError(f"{path}: cannot be written ({error.strerror or error}); free some space")


def _bytes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _record(file: Path, place: Path) -> PhotoRecord:
    with np.load(file, allow_pickle=False) as data:
        told = json.loads(data["told"].tobytes())
        name = str(told["name"])
        features: Features | str
        if "reason" in told:
            features = str(told["reason"])
        else:
            values = dict(told["features"])
            for field in fields(Features):
                if f"bytes_{field.name}" in data:
                    values[field.name] = data[f"bytes_{field.name}"].tobytes()
                elif field.name in data:
                    values[field.name] = data[field.name]
            features = Features(**values)
        matches: dict[FileKey, PairMatches | None] = {}
        for n, (other, size, mtime_ns, found) in enumerate(told["matches"]):
            match = PairMatches(0, 1, data[f"first{n}"], data[f"second{n}"]) if found else None
            matches[str(place / other), size, mtime_ns] = match
        key = (str(place / name), int(told["size"]), int(told["mtime_ns"]))
        return PhotoRecord(name, key, features, matches)


def _painted(file: Path, cell: Cell) -> Painted:
    with np.load(file, allow_pickle=False) as data:
        told = json.loads(data["told"].tobytes())
        pieces = [
            Packed(row, col, data[f"picture{n}"].tobytes(), data[f"mask{n}"].tobytes())
            for n, (row, col) in enumerate(told["pieces"])
        ]
        half = pieces.pop() if told["half"] else None
        quarter = (data["quarter"], data["quarter_mask"]) if "quarter" in data else None
        outlines = {name: data[f"outline{n}"] for n, name in enumerate(told["names"])}
        return Painted(Square(*cell, tuple(pieces), half, quarter), outlines)
