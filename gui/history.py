"""Undo and redo over immutable values: what was is kept, not computed backwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_STEPS = 500


@dataclass(frozen=True)
class History(Generic[T]):
    """A value, what it was before each change, and what undoing has taken back."""

    now: T
    past: tuple[T, ...] = ()
    future: tuple[T, ...] = ()

    def changed(self, value: T) -> History[T]:
        """Another value; the same one is no change."""
        if value == self.now:
            return self
        return History(value, (*self.past, self.now)[-_MOST_STEPS:])

    def mapped(self, turn: Callable[[T], T]) -> History[T]:
        """The present value turned without a step to undo."""
        return replace(self, now=turn(self.now))

    def undone(self) -> History[T]:
        """One step back; at the beginning nothing happens."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.now, *self.future))

    def redone(self) -> History[T]:
        """One step forward again."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.now), self.future[1:])
