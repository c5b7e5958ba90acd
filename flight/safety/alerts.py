"""What a pilot is told about safety: a stable key, how bad it is, one plain sentence and what to do about it.

The words are in words.json, English and Chinese, by key; values are filled in. A window may show them
in its own words by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


class Severity(StrEnum):
    """How much it matters. BAD wants somebody to act now, or keeps a flight on the ground."""

    INFO = "info"
    WARN = "warn"
    BAD = "bad"


_ORDER = (Severity.BAD, Severity.WARN, Severity.INFO)


@dataclass(frozen=True)
class Alert:
    """One thing that a pilot should know. `about` tells alerts of one key apart (an item, a vehicle). A value
    may be an Alert: its sentence is filled in."""

    key: str
    severity: Severity
    values: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for the same trouble at two moments, whatever its figures are."""
        return self.key, self.about

    def says(self, language: str = "en") -> str:
        """What is the matter, in one sentence."""
        return phrase(self.key, language, self._figures(language))[0]

    def todo(self, language: str = "en") -> str:
        """What to do about it, in one sentence; empty where nothing is to be done."""
        return phrase(self.key, language, self._figures(language))[1]

    def _figures(self, language: str) -> dict[str, Any]:
        return {k: v.says(language) if isinstance(v, Alert) else v for k, v in self.values.items()}

    def line(self, language: str = "en") -> str:
        """Both on one line."""
        todo = self.todo(language)
        return f"{self.says(language)}; {todo}" if todo else self.says(language)

    def as_json(self) -> dict[str, Any]:
        """For reports and recordings: key, severity, figures and the English words."""
        return {
            "key": self.key,
            "about": self.about,
            "severity": str(self.severity),
            "says": self.says(),
            "do": self.todo(),
            "values": self._figures("en"),
        }


def worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """By severity, otherwise in their order."""
    return tuple(sorted(alerts, key=lambda alert: _ORDER.index(alert.severity)))


@cache
def safety_words() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """(what is the matter, what to do) by key and language."""
    text = files("flight.safety").joinpath("words.json").read_text(encoding="utf-8")
    return {
        key: {language: (pair[0], pair[1]) for language, pair in by_language.items()}
        for key, by_language in json.loads(text).items()
    }


def phrase(key: str, language: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """(what is the matter, what to do) in a language, figures filled in. KeyError for an unknown key."""
    says, todo = safety_words()[key][language if language in LANGUAGES else "en"]
    return says.format(**values), todo.format(**values)
