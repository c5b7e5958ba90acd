"""Classes that analysts name themselves: FOLDER/032.json, 033.json, ... one file a class.

A code, once given, stands for its class in every raster made from this folder, so no file is ever renumbered.
Names shown and colour may be edited in the file; `name` is what strokes call the class.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import uuid4

from imagery.damage.legend import CLASSES, FIRST_OWN, LAST_OWN, Entry, Legend, own_colour, rgb_of
from imagery.errors import DamageError

_NO_NAMES = {"nan", "none", "null", "not_analysed", CLASSES[0].name_zh}
_LONGEST = 60


@dataclass(frozen=True)
class OwnClasses:
    """The own classes that a folder keeps."""

    folder: Path

    def legend(self) -> Legend:
        """All classes there are.

        Raises DamageError when a file of the folder cannot be read.
        """
        found = (path for path in sorted(self.folder.glob("*.json")) if path.stem.isdecimal())
        own = (_read(path) for path in found if FIRST_OWN <= int(path.stem) <= LAST_OWN)
        return Legend(tuple(own))

    def with_class(self, name: object) -> tuple[Legend, int]:
        """The legend and the code of the class of this name, which gets a new code unless it is known.

        Raises DamageError for a name that is none, and when the folder is full or cannot be written.
        """
        while True:
            legend = self.legend()
            known = legend.code(name)
            if known is not None:
                return legend, known
            taken = {entry.code for entry in legend.own}
            free = next((code for code in range(FIRST_OWN, LAST_OWN + 1) if code not in taken), None)
            if free is None:
                raise DamageError(f"{self.folder}: has {len(taken)} own classes, more there cannot be")
            self._claim(free, proper_name(name))

    def _claim(self, code: int, name: str) -> None:
        """Write the class's file, unless another run was faster with this code: the caller looks again."""
        entry = Entry(code, _key(name), own_colour(code), name, name)
        value = {"name": name, "name_en": name, "name_zh": name, "colour": entry.hex_colour}
        part = self.folder / f".{uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
            os.link(part, self.folder / f"{code:03d}.json")  # fails where there is one; a rename would not
        except FileExistsError:
            pass
        except OSError as error:
            raise DamageError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        finally:
            part.unlink(missing_ok=True)


def proper_name(name: object) -> str:
    """The name of a class of one's own as it was written, without blanks around.

    Raises DamageError when it is none: nothing, a number, "not analysed", longer than 60 letters.
    """
    text = " ".join(str(name).split()) if name is not None and name == name else ""
    if isinstance(name, bool | int | float) or not any(c.isalpha() for c in text):
        raise DamageError(f"'{text}' is no class of the legend, and no name for a class of one's own")
    if _key(text) in _NO_NAMES or len(text) > _LONGEST:
        raise DamageError(f"'{text[:_LONGEST]}' cannot be the name of a class of one's own")
    return text


def meant(name: str) -> str | None:
    """The class of `CLASSES` whose name is so like `name` that it may have been meant."""
    close = get_close_matches(_key(name), [entry.key for entry in CLASSES[1:]], 1, 0.8)
    return close[0] if close else None


def _key(name: str) -> str:
    return name.casefold().replace(" ", "_")


def _read(path: Path) -> Entry:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name = proper_name(value["name"])
        english, chinese = (str(value.get(field) or name) for field in ("name_en", "name_zh"))
        return Entry(int(path.stem), _key(name), rgb_of(value["colour"]), english, chinese)
    except (DamageError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamageError(f"{path}: does not describe a class ({error}); mend it or remove it") from error
