"""Which photos of a live mosaic show the same ground, looked up by photo: no photo costs a walk over all."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from imagery.matching import PairMatches

Pair = tuple[str, str]
"""The names of two photos, in order."""


class Ties:
    """Matches of pairs of photos by their names; None where two show nothing in common."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, PairMatches | None]] = {}

    def add(self, a: str, b: str, match: PairMatches | None) -> None:
        """Take in a pair's match; the first is the one whose name is first."""
        self._of.setdefault(a, {})[b] = match
        self._of.setdefault(b, {})[a] = match

    def forget(self, name: str) -> None:
        """A photo is another one now."""
        for other in self._of.pop(name, {}):
            del self._of[other][name]

    def mates(self, name: str) -> list[str]:
        """The photos that show some of the same ground."""
        return [other for other, match in self._of.get(name, {}).items() if match is not None]

    def shared(self, a: str, b: str) -> int:
        """How many points two photos have in common."""
        match = self._of.get(a, {}).get(b)
        return 0 if match is None else len(match.first_ids)

    def among(self, names: Collection[str], others: Collection[str] = ()) -> dict[Pair, PairMatches]:
        """The matches between these photos, and of these with others, by pair; not those of two others."""
        wanted, further = set(names), {*names, *others}
        return {
            (min(a, b), max(a, b)): match
            for a in sorted(wanted)
            for b, match in self._of.get(a, {}).items()
            if match is not None and b in further and (a < b or b not in wanted)
        }

    def __iter__(self) -> Iterator[tuple[Pair, PairMatches | None]]:
        for a, others in self._of.items():
            yield from (((a, b), match) for b, match in others.items() if a < b)
