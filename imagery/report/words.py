"""The words of the quality report, English and Chinese: data, as words.json has them."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final

from imagery.report.advice import Advice

LANGUAGES: Final = ("en", "zh")


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    text = resources.files("imagery.report").joinpath("words.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return loaded


def word(key: str, language: str) -> str:
    """A heading, label or caption."""
    return _texts()["words"][key][language]


def sentence(advice: Advice, language: str) -> str:
    """The advice in a language."""
    return _texts()["advice"][advice.key][language].format(**advice.values)
