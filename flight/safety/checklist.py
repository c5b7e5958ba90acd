"""The checklist of a vehicle and a plan: what was found by itself, and what a person ticks.

A check that FAILs keeps the vehicle from being armed unless the pilot accepts it by its key, which is put on
record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flight.errors import ChecklistError


class CheckState(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    TO_TICK = "to tick"


@dataclass(frozen=True)
class Check:
    """One line of the checklist; `words` has (what is the matter, what to do) by language."""

    key: str
    state: CheckState
    words: Mapping[str, tuple[str, str]]

    def says(self, language: str = "en") -> str:
        """What was found."""
        return self.words[language][0]

    def todo(self, language: str = "en") -> str:
        """What to do about it; empty where nothing is."""
        return self.words[language][1]

    def line(self, language: str = "en") -> str:
        """Both on one line."""
        todo = self.todo(language)
        return f"{self.says(language)}; {todo}" if todo else self.says(language)

    def as_json(self) -> dict[str, Any]:
        """For reports and the workspace."""
        return {"key": self.key, "state": str(self.state), "says": self.says(), "do": self.todo()}


@dataclass(frozen=True)
class TickItem:
    """What only a person can see. A `needed` one that is not ticked keeps the vehicle on the ground."""

    key: str
    en: str
    zh: str
    needed: bool = False


@dataclass(frozen=True)
class Tick:
    """Somebody has looked."""

    key: str
    by: str
    time_utc: str


@dataclass(frozen=True)
class Checklist:
    """The whole list for one vehicle and plan. `accepted` are keys of failures that the pilot flies with."""

    checks: tuple[Check, ...]
    accepted: frozenset[str] = frozenset()

    @property
    def failed(self) -> tuple[Check, ...]:
        """What keeps the vehicle from being armed."""
        return tuple(c for c in self.checks if c.state is CheckState.FAIL and c.key not in self.accepted)

    @property
    def told(self) -> tuple[Check, ...]:
        """What the pilot should read: all that is not simply good."""
        return tuple(c for c in self.checks if c.state is not CheckState.OK)

    @property
    def taken(self) -> tuple[Check, ...]:
        """The failures that were accepted."""
        return tuple(c for c in self.checks if c.state is CheckState.FAIL and c.key in self.accepted)

    def require_ready(self) -> None:
        """Raise ChecklistError unless nothing has failed but what is accepted."""
        if self.failed:
            raise ChecklistError(tuple((check.key, check.line()) for check in self.failed))

    def as_json(self) -> dict[str, Any]:
        """For reports, recordings and the workspace."""
        return {
            "ready": not self.failed,
            "failed": [c.key for c in self.failed],
            "accepted": [c.key for c in self.taken],
            "checks": [c.as_json() for c in self.checks],
        }


def tick_checks(items: Sequence[TickItem], ticks: Sequence[Tick]) -> tuple[Check, ...]:
    """The items for a person, ticked or not."""
    done = {tick.key: tick for tick in ticks}
    found = []
    for item in items:
        tick = done.get(item.key)
        if tick is not None:
            state = CheckState.OK
            words = {
                "en": (f"{item.en}: ticked by {tick.by}", ""),
                "zh": (f"{item.zh}：{tick.by} 已确认", ""),
            }
        else:
            state = CheckState.FAIL if item.needed else CheckState.TO_TICK
            words = {
                "en": (f"{item.en}: not ticked", f"look, then --tick {item.key}"),
                "zh": (f"{item.zh}：未确认", f"请检查后勾选 {item.key}"),
            }
        found.append(Check(item.key, state, words))
    return tuple(found)
