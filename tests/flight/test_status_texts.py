"""Texts of vehicles: in pieces, in Chinese, with pieces lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.status_texts import PIECE_BYTES, TextJoiner, status_text, with_text

CHINESE = "电池电压低，请立即返航并降落；高度保持在一百二十米以上，避开高压线和桥梁"


def on_the_wire(content: bytes, number: int = 0, chunk: int = 0):
    message = mavlink.MAVLink_statustext_message(4, content, number, chunk)
    return mavlink.MAVLink(None).parse_buffer(message.pack(mavlink.MAVLink(None, 1, 1)))[0]


def pieces_of(text: str, number: int = 7):
    raw = text.encode()
    cut = [raw[i : i + PIECE_BYTES] for i in range(0, len(raw) + 1, PIECE_BYTES)]
    return [on_the_wire(piece, number, at) for at, piece in enumerate(cut)]


def test_chinese_is_read_though_a_piece_ends_in_the_midst_of_a_character():
    pieces = pieces_of(CHINESE)
    assert len(pieces) > 1
    texts = ()
    for message in pieces:
        texts = with_text(texts, status_text(message, 1.0), 50)
    assert [t.text for t in texts] == [CHINESE]
    assert status_text(on_the_wire("电池".encode()), 1.0).text == "电池"


def test_a_piece_that_is_lost_shows():
    first, _, last = pieces_of("a" * 50 + "b" * 50 + "end")
    texts = with_text((), status_text(first, 1.0), 50)
    assert texts[0].text == "a" * 50 + "…"
    texts = with_text(texts, status_text(last, 1.1), 50)
    assert [t.text for t in texts] == ["a" * 50 + "…end"]


def test_the_same_number_later_is_another_text():
    texts = with_text((), status_text(pieces_of("x" * 60)[0], 1.0), 50)
    texts = with_text(texts, status_text(pieces_of("y" * 60)[1], 60.0), 50)
    assert [t.text for t in texts] == ["x" * 50 + "…", "…" + "y" * 10]


@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=90), max_size=6
    ),
    st.randoms(use_true_random=False),
)
def test_the_joiner_gives_each_text_once_whatever_the_order(said, random):
    """Texts under different numbers, their pieces mixed with each other and each in any order."""
    messages = [m for number, text in enumerate(said, 1) for m in pieces_of(text, number)]
    random.shuffle(messages)
    joiner = TextJoiner()
    given_out = [t.text for m in messages for t in joiner.take(status_text(m, 1.0))]
    assert sorted(given_out) == sorted(said)
    assert not list(joiner.rest())


def test_what_never_ends_is_told_all_the_same():
    joiner = TextJoiner()
    assert not list(joiner.take(status_text(pieces_of("z" * 120)[0], 1.0)))
    assert not list(joiner.late(5.0))
    assert [t.text for t in joiner.late(7.0)] == ["z" * 50 + "…"]
    assert not list(joiner.late(8.0))


@pytest.mark.parametrize("number", [0, 3])
def test_nothing_said_is_an_empty_text(number):
    (text,) = TextJoiner().take(status_text(on_the_wire(b"", number), 1.0))
    assert text.text == ""
