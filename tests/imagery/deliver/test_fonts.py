"""Names of villages and people with rare characters: drawn, or said to be missing, never a silent box."""

from pathlib import Path

import numpy as np
import pytest

from imagery.deliver import fonts
from imagery.deliver.fonts import GETA, drawable, families, without_type
from imagery.deliver.sheet_page import PAPERS, Page

RESOURCES = Path(fonts.__file__).parent / "resources"


@pytest.fixture
def no_fonts_here(monkeypatch):
    """A machine without fonts of its own."""
    fonts._family_of.cache_clear()
    monkeypatch.setattr(fonts, "_system_fonts", lambda: ())
    yield
    fonts._family_of.cache_clear()


def _ink(page: Page, text: str) -> np.ndarray:
    """What a text looks like, black on white."""
    for old in list(page.axes.texts):
        old.remove()
    page.text(20, 20, text, 20)
    page.figure.canvas.draw()
    return np.asarray(page.figure.canvas.buffer_rgba())[..., 0].copy()


def test_everyday_words_need_no_rare_font() -> None:
    assert families("上河镇 Upper Village 12 km²") == families("") == ("DejaVu Sans", "Missionctl CJK")


@pytest.mark.usefixtures("no_fonts_here")
def test_names_of_villages_with_rare_characters_are_drawn() -> None:
    """GBK, extension A, and the Table of General Standard Chinese Characters beyond both."""
    names = "㙟头村 垚峪 堃镕 硚口 圐圙 𣲘 𫭟 喆 崁 犇 龘"
    assert drawable(names) == names
    assert without_type([names]) == ()
    assert all(drawable(chr(code)) == chr(code) for code in range(0x4E00, 0x9FA6))
    page = Page(PAPERS["a4"], "zh")
    pictures = [_ink(page, char) for char in "㙟垚堃镕硚𣲘" + GETA]
    for i, one in enumerate(pictures):
        assert (one < 128).sum() > 100
        assert all((one != other).any() for other in pictures[:i]), "two characters look the same"


@pytest.mark.usefixtures("no_fonts_here")
def test_what_no_font_has_is_a_geta_and_is_said() -> None:
    assert drawable("上河镇 A\nB\t") == "上河镇 A B"
    assert drawable("甲\U00020000村") == f"甲{GETA}村"
    assert without_type(["甲\U00020000村", "上河镇\n", "㙟"]) == ("\U00020000",)


def test_a_font_of_this_machine_helps_out(monkeypatch) -> None:
    fonts._family_of.cache_clear()
    monkeypatch.setattr(fonts, "_uncommon", lambda: ())
    monkeypatch.setattr(
        fonts, "_system_fonts", lambda: (str(RESOURCES / "README.md"), str(RESOURCES / fonts._NAMES))
    )
    assert drawable("𣲘") == "𣲘"
    assert "Missionctl CJK Names" in families("𣲘")
    fonts._family_of.cache_clear()


def test_every_font_file_is_small_and_has_its_licence_beside_it() -> None:
    told = (RESOURCES / "README.md").read_text(encoding="utf-8")
    for file in RESOURCES.glob("*.ttf*"):
        assert file.name in told
        assert file.stat().st_size < 1_048_576
    for licence in RESOURCES.glob("*.LICENSE.txt"):
        assert licence.name in told
