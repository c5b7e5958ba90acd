"""What autopilots say, in plain words and two languages."""

import re
from pathlib import Path

import pytest

from flight.plain_texts import _FAMILIES, PlainText, pattern_of, plain, plain_text, sayings

SOURCES = set((Path(__file__).parent / "autopilot_texts.txt").read_text(encoding="utf-8").splitlines())
"""The formats in ArduPilot 4.7's and PX4 1.16's sources, one a line."""
EXAMPLE = {"d": "3", "i": "3", "u": "3", "f": "12.5", "s": "Radio", "x": "1f", "c": "A"}


def example(said):
    """The text as an autopilot would send it."""
    told = re.sub(r"%[-+0-9.]*(?:l|z)?([diufsxc])", lambda m: EXAMPLE[m.group(1)], said)
    return told.replace("%%", "%")


def test_there_are_many_and_each_stands_in_a_source_as_it_is_said():
    assert len(sayings()) >= 120
    before = {"any": "", "prearm": "", "preflight": "Preflight Fail: "}
    assert [s.key for s in sayings() if before[s.section] + s.said not in SOURCES] == []
    assert len({s.key for s in sayings()}) == len(sayings())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_is_understood_as_itself(language):
    sent = {"any": "", "prearm": "PreArm: ", "preflight": "Preflight Fail: "}
    for saying in sayings():
        found = plain(sent[saying.section] + example(saying.said), language)
        assert found.key == saying.key, saying.said
        assert "{" not in found.text + found.todo
        assert found.text != example(saying.said)
        chinese = any("\u4e00" <= c <= "\u9fff" for c in found.text)
        assert chinese == (language == "zh"), found.text
        assert bool(found.todo) == bool(plain(sent[saying.section] + example(saying.said)).todo)


def test_families_have_both_languages():
    for family in _FAMILIES:
        assert family.words["en"][0]
        assert any("\u4e00" <= c <= "\u9fff" for c in family.words["zh"][0]), family.key
        assert bool(family.words["en"][1]) == bool(family.words["zh"][1]), family.key


def test_values_are_put_in_again_and_a_per_cent_sign_stays():
    assert pattern_of("Yaw Imbalance %0.0f%%").startswith("Yaw")
    assert plain("Yaw Imbalance 81%").text == "Its motors pull unevenly (81 %)"
    assert plain("PreArm: Battery 1 below minimum arming voltage") == PlainText(
        "battery", "Not ready: battery 1: below minimum arming voltage", "Look at the battery."
    )
    assert plain("Arm: GPS 1: Bad fix", "zh").text == "未就绪：GPS 1 尚未定位"


def test_what_nobody_knows_passes_unchanged():
    assert plain("Frobnicator 7 engaged") == PlainText(None, "Frobnicator 7 engaged", "")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("PreArm: Need 3D Fix", "Not ready: no GPS position yet"),
        ("PreArm: Compass not calibrated", "Not ready: the compass is not calibrated"),
        ("PreArm: something new", "Not ready: something new"),
        ("Mission: 4 WP", "Flies to point 4"),
        ("Mission: 9 RTL", "Comes home to land"),
        ("Battery 1 failsafe", "Battery low: it will come home or land"),
        ("Frobnicator 7 engaged", "Frobnicator 7 engaged"),
        ("  two   blanks ", "two blanks"),
        ("braces {0} stay", "braces {0} stay"),
    ],
)
def test_messages_in_plain_words(text, english):
    assert plain_text(text) == english


def test_messages_with_braces_do_not_break_a_translation():
    assert plain_text("PreArm: odd {x} here") == "Not ready: odd {x} here"
