"""Type for every name: our own fonts first, then those of this machine, then 〓 and a word about it."""

from __future__ import annotations

import lzma
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

GETA: Final = "〓"
"""Stands for a character that no font here can draw: what Chinese printers set for a type they lacked."""

_RESOURCES: Final = Path(__file__).parent / "resources"
_COMMON: Final = "missionctl-cjk.ttf"
_NAMES: Final = "missionctl-cjk-names.ttf"
_RARE: Final = "missionctl-cjk-rare.ttf.xz"
_LATIN: Final = "DejaVu Sans"


def families(text: object = "") -> tuple[str, ...]:
    """Font families that together draw the text; where one lacks a character the next is tried."""
    line = str(text)
    common = (_LATIN, _common()[0])
    unusual = sorted({c for c in line if ord(c) not in _everyday()})
    if not unusual:
        return common
    further = [family for c in unusual if (family := _family_of(c)) is not None]
    return *common, *dict.fromkeys(further)


def drawable(text: object) -> str:
    """One line that the fonts can draw: blanks for line breaks, `GETA` for a character that none has."""
    line = " ".join(unicodedata.normalize("NFC", str(text)).split())
    return "".join(c if ord(c) in _everyday() or _family_of(c) else GETA for c in line)


def without_type(texts: Iterable[object]) -> tuple[str, ...]:
    """The characters of the texts that no font here can draw, each once."""
    lines = (unicodedata.normalize("NFC", str(text)) for text in texts)
    seen = {c for line in lines for c in " ".join(line.split()) if ord(c) not in _everyday()}
    return tuple(sorted(c for c in seen if _family_of(c) is None))


@lru_cache(maxsize=1)
def _common() -> tuple[str, frozenset[int]]:
    return _add(_RESOURCES / _COMMON)


@lru_cache(maxsize=1)
def _everyday() -> frozenset[int]:
    """Characters that Latin and everyday Chinese type draw."""
    latin = font_manager.findfont(FontProperties(family=_LATIN))
    return frozenset(FT2Font(latin).get_charmap()) | _common()[1]


@lru_cache(maxsize=4096)
def _family_of(char: str) -> str | None:
    """A family with a character that is not an everyday one, None where there is none."""
    for family, glyphs in _uncommon():
        if ord(char) in glyphs:
            return family
    if unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs"):
        return None
    return _of_this_machine(char)


@lru_cache(maxsize=1)
def _uncommon() -> tuple[tuple[str, frozenset[int]], ...]:
    """Our own fonts of rare characters. The large one is unpacked now, since few sheets need it."""
    unpacked = Path(_unpacked().name) / _RARE.removesuffix(".xz")
    unpacked.write_bytes(lzma.decompress((_RESOURCES / _RARE).read_bytes()))
    return _add(_RESOURCES / _NAMES), _add(unpacked)


@lru_cache(maxsize=1)
def _unpacked() -> TemporaryDirectory[str]:
    """A folder that goes when the program ends."""
    return TemporaryDirectory(prefix="missionctl-type", ignore_cleanup_errors=True)


def _of_this_machine(char: str) -> str | None:
    for path in _system_fonts():
        try:
            if ord(char) in FT2Font(path).get_charmap():
                return _add(Path(path))[0]
        except (RuntimeError, OSError):  # a font file that is damaged or of an unknown kind
            continue
    return None


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    """All but macOS's font of last resort, which draws every character as a box."""
    found = font_manager.findSystemFonts()
    return tuple(sorted(path for path in found if "lastresort" not in Path(path).name.casefold()))


@lru_cache(maxsize=64)
def _add(path: Path) -> tuple[str, frozenset[int]]:
    """Make a font known: its family and its characters. One weight stands for bold too (`text_effects`
    makes it look so)."""
    known = font_manager.fontManager
    known.addfont(str(path))
    entry = known.ttflist[-1]
    for weight in (400, 700):
        if weight != entry.weight:
            known.ttflist.append(replace(entry, weight=weight))
    return entry.name, frozenset(FT2Font(str(path)).get_charmap())
