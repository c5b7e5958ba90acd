"""Every word of the screen stands in both languages, is used, and can be drawn."""

import ast
import re
import string
from pathlib import Path

import pytest
from PyQt6.QtGui import QRawFont

import gui
from gui import words as module
from gui.scenario_words import _CHINESE, lesson_words
from gui.theme import CJK_FONT
from gui.words import LANGUAGES, Words
from imagery.damage.legend import CLASSES, GRADES, ROAD_STATES
from sim.scenario import packaged_scenarios

PAIRS = module._WORDS
HAN = re.compile("[\u4e00-\u9fff]")
SAME_IN_BOTH = {"app", "gps_3d"}
SOURCES = [p for p in Path(gui.__file__).parent.rglob("*.py") if p.name != "words.py"]


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("key", PAIRS)
def test_a_word_has_both_languages_and_the_same_gaps(key):
    english, chinese = PAIRS[key]
    assert english.strip()
    assert chinese.strip()
    assert fields(english) == fields(chinese)
    assert not HAN.search(english)
    assert HAN.search(chinese) or key in SAME_IN_BOTH


def called_words():
    """The literal keys that the program asks for: words("x"), w("x"), self._words("x")."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("words", "w", "_words"):
                found |= {
                    c.value
                    for c in ast.walk(node.args[0])
                    if isinstance(c, ast.Constant) and c.value in PAIRS
                } | ({node.args[0].value} if isinstance(node.args[0], ast.Constant) else set())
    return found


def test_every_word_that_is_asked_for_exists():
    assert called_words() <= set(PAIRS)


def test_no_word_is_left_over():
    text = "\n".join(s.read_text(encoding="utf-8") for s in SOURCES)
    text += (Path(gui.__file__).parent / "words.py").read_text(encoding="utf-8").partition("class Words")[2]
    made = {"alert_": "_alert(", "layer_": 'f"layer_', "job_": 'f"job_', "gps_": "_FIXES"}
    made |= {"tool_": 'f"tool_', "hint_": 'f"hint_'}
    for key in PAIRS:
        built = any(key.startswith(stem) and how in text for stem, how in made.items())
        assert built or re.search(rf"""["']{key}["']""", text), f"{key} is not used"


def test_the_own_font_draws_every_chinese_character(app):
    font = QRawFont(str(CJK_FONT), 16)
    texts = [chinese for _, chinese in PAIRS.values()] + [t for pair in _CHINESE.values() for t in pair]
    texts += [e.name_zh for e in (*CLASSES, *GRADES, *ROAD_STATES)]
    missing = {c for text in texts for c in text if HAN.match(c) and not font.supportsCharacter(ord(c))}
    assert not missing


def test_every_packaged_scenario_speaks_chinese():
    for key in packaged_scenarios():
        name, about = lesson_words(key, "x", "y", "zh")
        assert HAN.search(name)
        assert HAN.search(about)
    assert lesson_words("own", "My flight", "Mine.", "zh") == ("My flight", "Mine.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_take_the_unit_that_reads_best(language):
    w = Words(language)
    assert w.area(430).startswith("430 ")
    assert w.area(13_500).startswith("1.35 ")
    assert w.area(2_500_000).startswith("250 ")
    assert w.length(184).startswith("184 ")
    assert w.length(2410).startswith("2.41 ")
    assert w.duration(42).startswith("42 ")
    assert w.duration(497).startswith("8:17 ")
    assert w.duration(59.7).startswith("60 ")
