"""How everything looks: colours, spacing, type, and the style sheet made of them. No other file names a
colour or a size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtGui import QColor, QFont, QFontDatabase, QFontMetricsF, QGuiApplication, QPalette

import imagery

CJK_FONT = Path(imagery.__file__).parent / "deliver" / "resources" / "missionctl-cjk.ttf"
CJK_FAMILY = "Missionctl CJK"
_LATIN_FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans")
_MONO_FAMILIES = ("JetBrains Mono", "Cascadia Mono", "SF Mono", "Noto Sans Mono", "DejaVu Sans Mono")
_SYSTEM_CJK = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC")


@dataclass(frozen=True)
class Palette:
    """Colours as #rrggbb. Text on its ground keeps a contrast of 4.5 : 1 or more (WCAG AA)."""

    ink: str = "#13232e"
    ink_soft: str = "#4d606d"
    line: str = "#d6dee3"
    surface: str = "#ffffff"
    surface_soft: str = "#f3f6f8"
    rail: str = "#12242f"
    rail_ink: str = "#b4c4cf"
    rail_active: str = "#24404f"
    accent: str = "#00695f"
    accent_soft: str = "#dff1ee"
    accent_ink: str = "#ffffff"
    good: str = "#1b7340"
    warn: str = "#8f4a00"
    warn_soft: str = "#fff0d9"
    bad: str = "#b3201a"
    bad_soft: str = "#fde7e5"
    map_ground: str = "#e4e8ea"
    map_sample: str = "#6f7f62"
    sample_relief_lit: str = "#d9dedf"
    sample_relief_dim: str = "#8b979c"
    sample_field: str = "#86a35c"
    sample_wood: str = "#3f5d34"
    sample_mud: str = "#8d7350"

    zone: str = "#ffd23f"
    no_fly: str = "#ff5a4f"
    launch: str = "#e0218a"
    sorties: tuple[str, ...] = (
        "#ffffff", "#5ce1ff", "#ff9ae0", "#b7f36b", "#ffb45c", "#c9b6ff", "#fff27a", "#7dffd0",
    )  # fmt: skip
    """Lines of sorties on a photo, in turn."""
    views_few: str = "#d7301f"
    views_short: str = "#fc8d59"
    views_enough: str = "#66a8d4"
    views_many: str = "#1f5f9e"
    """Ground by the photos that see it: one or none, too few, as many as asked for, twice as many."""
    lane: str = "#ffffff"
    track: str = "#ff7a1a"
    photo: str = "#bfe9ff"
    vehicle: str = "#e0218a"
    casing: str = "#0b1a23"
    water_line: str = "#1f68c9"


@dataclass(frozen=True)
class Sizes:
    """Lengths in device-independent pixels, type in pixels. Targets suit a gloved finger."""

    gap: int = 8
    pad: int = 16
    pad_wide: int = 24
    radius: int = 8
    target: int = 44
    row: int = 64
    rail: int = 92
    side: int = 372
    layers: int = 324
    icon: int = 26
    text_small: int = 13
    text: int = 15
    text_large: int = 18
    title: int = 23
    figure: int = 27
    mode: int = 34
    figure_large: int = 44
    """Digits of 8 mm and more on a common screen: read from two metres (16 minutes of arc, ISO 9241-303)."""


@dataclass(frozen=True)
class Theme:
    """Palette and sizes of one look."""

    colours: Palette = Palette()
    sizes: Sizes = Sizes()
    chinese: bool = False
    """Lines are as high as Chinese needs them: Latin and Chinese labels then stand on one line."""

    def colour(self, name: str, alpha: float = 1.0) -> QColor:
        """A colour of the palette by its name, `alpha` 0..1."""
        colour = QColor(getattr(self.colours, name))
        colour.setAlphaF(alpha)
        return colour

    def sortie(self, number: int, alpha: float = 1.0) -> QColor:
        """The colour of a sortie's line, numbers from 0."""
        colour = QColor(self.colours.sorties[number % len(self.colours.sorties)])
        colour.setAlphaF(alpha)
        return colour


DAYLIGHT = Theme()
_DESCENT = 0.24
"""Below the base line, as a share of a font's size: a small unit stands on a large figure's base line."""


def ui_families(chinese: bool = False) -> list[str]:
    """Families for text: the machine's best Latin one and one that has Chinese (ours when it has none).

    `chinese` puts the Chinese one first.
    """
    known = set(QFontDatabase.families())
    latin = [f for f in _LATIN_FAMILIES if f in known][:1] or [QGuiApplication.font().family()]
    found = [f for f in _SYSTEM_CJK if f in known][:1]
    if not found:
        if CJK_FAMILY not in known:
            QFontDatabase.addApplicationFont(str(CJK_FONT))
        found = [CJK_FAMILY]
    return found + latin if chinese else latin + found


def mono_families() -> list[str]:
    """Families for coordinates and codes."""
    known = set(QFontDatabase.families())
    return [f for f in _MONO_FAMILIES if f in known][:1] + ui_families()


def font(theme: Theme, size: str = "text", bold: bool = False) -> QFont:
    """The text font in a size of `Sizes`. Bold, not demi-bold: Qt thickens a Chinese font for bold only."""
    made = QFont()
    made.setFamilies(ui_families(theme.chinese))
    made.setPixelSize(getattr(theme.sizes, size))
    made.setWeight(QFont.Weight.Bold if bold else QFont.Weight.Normal)
    return made


def text_width(text: str, used: QFont) -> float:
    """Width of a line of text in pixels."""
    return QFontMetricsF(used).horizontalAdvance(text)


def qt_palette(theme: Theme) -> QPalette:
    """The palette for what the style sheet does not reach."""
    palette = QPalette()
    role = QPalette.ColorRole
    for which, name in (
        (role.Window, "surface"),
        (role.Base, "surface"),
        (role.Button, "surface"),
        (role.WindowText, "ink"),
        (role.Text, "ink"),
        (role.ButtonText, "ink"),
        (role.PlaceholderText, "ink_soft"),
        (role.Highlight, "accent"),
        (role.HighlightedText, "accent_ink"),
        (role.ToolTipBase, "ink"),
        (role.ToolTipText, "surface"),
    ):
        palette.setColor(which, theme.colour(name))
    return palette


def apply(theme: Theme, app: QGuiApplication) -> None:
    """Dress an application."""
    app.setPalette(qt_palette(theme))
    app.setFont(font(theme))
    app.setStyle("Fusion")  # type: ignore[attr-defined]
    app.setStyleSheet(style_sheet(theme))  # type: ignore[attr-defined]


def style_sheet(theme: Theme) -> str:
    """The application's style sheet."""
    c, s = theme.colours, theme.sizes
    mono = ", ".join(f'"{family}"' for family in mono_families())
    return f"""
    * {{ color: {c.ink}; }}
    QMainWindow, QDialog {{ background: {c.surface}; }}
    QToolTip {{ background: {c.ink}; color: {c.surface}; border: 0; padding: 6px 8px; }}
    QFrame#rail {{ background: {c.rail}; border: 0; }}
    QFrame#side {{ background: {c.surface}; border: 0; border-right: 1px solid {c.line}; }}
    QFrame#card {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px; }}
    QFrame#softbox {{ background: {c.surface_soft}; border: 0; border-radius: {s.radius}px; }}
    QFrame#rule {{ background: {c.line}; border: 0; max-height: 1px; min-height: 1px; }}
    QFrame#notice {{ background: {c.bad_soft}; border: 0; border-bottom: 1px solid {c.bad}; }}
    QFrame#notice QLabel {{ color: {c.bad}; font-size: {s.text}px; font-weight: 700; }}
    QFrame#alert_bad {{ background: {c.bad_soft}; border: 0; border-left: 4px solid {c.bad};
        border-radius: {s.radius // 2}px; }}
    QFrame#alert_warn {{ background: {c.warn_soft}; border: 0; border-left: 4px solid {c.warn};
        border-radius: {s.radius // 2}px; }}
    QFrame#alert_info {{ background: {c.surface_soft}; border: 0; border-left: 4px solid {c.line};
        border-radius: {s.radius // 2}px; }}
    QLabel {{ background: transparent; }}
    QLabel#mission {{ font-size: {s.text_large}px; font-weight: 700; }}
    QLabel#soft {{ color: {c.ink_soft}; }}
    QLabel#small {{ color: {c.ink_soft}; font-size: {s.text_small}px; }}
    QLabel#kicker {{ color: {c.accent}; font-size: {s.text_small}px; font-weight: 700; }}
    QLabel#title {{ font-size: {s.title}px; font-weight: 700; }}
    QLabel#heading {{ font-size: {s.text}px; font-weight: 700; color: {c.ink}; }}
    QLabel#figure {{ font-size: {s.figure}px; font-weight: 700; }}
    QLabel#figure_large {{ font-size: {s.figure_large}px; font-weight: 700; }}
    QLabel#unit {{ font-size: {s.text_large}px; font-weight: 700; color: {c.ink_soft};
        padding-bottom: {round(_DESCENT * (s.figure_large - s.text_large))}px; }}
    QLabel#mode {{ font-size: {s.mode}px; font-weight: 700; }}
    QLabel#good {{ color: {c.good}; font-weight: 700; }}
    QLabel#warn {{ color: {c.warn}; font-weight: 700; }}
    QLabel#bad {{ color: {c.bad}; font-weight: 700; }}
    QToolButton#rail {{ background: transparent; color: {c.rail_ink}; border: 0;
        border-left: 4px solid transparent; padding: 10px 4px 10px 0;
        font-size: {s.text_small + 1}px; font-weight: 700; }}
    QToolButton#rail:hover {{ background: {c.rail_active}; }}
    QToolButton#rail:checked {{ background: {c.rail_active}; color: white; border-left-color: #4fd0c0; }}
    QToolButton#rail:focus {{ background: #1b3441; }}
    QToolButton#rail:checked:focus {{ background: {c.rail_active}; }}
    QToolButton#map {{ background: {c.surface}; border: 1px solid {c.line};
        border-radius: {s.radius}px; padding: 0; }}
    QToolButton#map:hover {{ background: {c.surface_soft}; }}
    QToolButton#map:checked {{ background: {c.accent_soft}; border-color: {c.accent}; }}
    QToolButton#plain {{ background: transparent; border: 0; border-radius: {s.radius}px; padding: 0; }}
    QToolButton#plain:hover {{ background: {c.surface_soft}; }}
    QPushButton {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px;
        padding: 0 {s.pad}px; min-height: {s.target - 2}px; font-weight: 700; }}
    QPushButton:hover {{ background: {c.surface_soft}; }}
    QPushButton:focus, QLineEdit:focus, QToolButton#map:focus {{ border-color: {c.accent}; }}
    QPushButton#primary {{ background: {c.accent}; color: {c.accent_ink}; border-color: {c.accent}; }}
    QPushButton#primary:hover {{ background: #005149; }}
    QPushButton#choice {{ padding: 0 8px; }}
    QPushButton#choice:checked {{ background: {c.accent_soft}; border-color: {c.accent}; color: {c.accent}; }}
    QPushButton#recent {{ text-align: left; padding: 0; min-height: {s.row}px; }}
    QToolButton#tool {{ background: transparent; border: 0; border-radius: {s.radius}px;
        font-size: {s.text_small - 1}px; padding: 2px 0; }}
    QToolButton#tool:hover {{ background: {c.surface_soft}; }}
    QToolButton#tool:checked {{ background: {c.accent_soft}; color: {c.accent}; font-weight: 700; }}
    QToolButton#tool:focus {{ border: 1px solid {c.accent}; }}
    QToolButton#tool:disabled {{ color: #9aa7af; }}
    QToolButton#swatch {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px;
        padding: 0 8px; text-align: left; font-size: {s.text_small + 1}px; }}
    QToolButton#swatch:hover {{ background: {c.surface_soft}; }}
    QToolButton#swatch:checked {{ background: {c.accent_soft}; border: 2px solid {c.accent};
        font-weight: 700; }}
    QPushButton#grade {{ min-height: {s.target - 2}px; }}
    QLabel#hint {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px;
        padding: 11px 14px; }}
    QLabel#hint[wrong="true"] {{ background: {c.warn_soft}; color: {c.warn}; font-weight: 700; }}
    QFrame#area {{ background: transparent; border: 1px solid transparent; border-radius: {s.radius}px; }}
    QFrame#area:hover {{ background: {c.surface_soft}; }}
    QFrame#area[chosen="true"] {{ background: {c.accent_soft}; border-color: {c.accent}; }}
    QLineEdit#flat {{ background: transparent; border: 0; padding: 0 6px; font-weight: 700;
        min-height: {s.target}px; }}
    QLineEdit#flat:focus {{ background: {c.surface}; border: 1px solid {c.accent}; }}
    QLineEdit#wrong {{ border-color: {c.bad}; background: {c.bad_soft}; color: {c.bad}; }}
    QComboBox {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px;
        padding: 0 12px; min-height: {s.target - 2}px; }}
    QComboBox:focus {{ border-color: {c.accent}; }}
    QComboBox::drop-down {{ border: 0; width: 32px; }}
    QComboBox QAbstractItemView {{ background: {c.surface}; border: 1px solid {c.line}; outline: 0;
        selection-background-color: {c.accent_soft}; selection-color: {c.ink}; }}
    QCheckBox {{ spacing: 10px; }}
    QCheckBox::indicator {{ width: 22px; height: 22px; }}
    QWidget#ground {{ background: {c.map_ground}; }}
    QFrame#lesson {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px; }}
    QPushButton#lesson {{ border: 0; text-align: left; padding: 0 {s.pad}px; min-height: {s.target}px; }}
    QPushButton#lesson:focus {{ color: {c.accent}; }}
    QLabel#code {{ background: {c.surface_soft}; border-radius: {s.radius // 2}px; padding: 8px;
        font-family: {mono}; font-size: {s.text_small}px; }}
    QPushButton:disabled {{ color: #9aa7af; background: {c.surface_soft}; }}
    QLineEdit {{ background: {c.surface}; border: 1px solid {c.line}; border-radius: {s.radius}px;
        padding: 0 12px; min-height: {s.target - 2}px; selection-background-color: {c.accent}; }}
    QListWidget {{ background: transparent; border: 0; outline: 0; }}
    QListWidget::item {{ border-radius: {s.radius}px; padding: 0; }}
    QListWidget::item:selected, QListWidget::item:hover {{ background: {c.surface_soft}; }}
    QTableWidget {{ background: {c.surface}; border: 0; gridline-color: transparent; outline: 0; }}
    QTableWidget::item {{ border-bottom: 1px solid {c.line}; padding: 0 4px; }}
    QHeaderView::section {{ background: {c.surface}; color: {c.ink_soft}; border: 0;
        border-bottom: 1px solid {c.line}; padding: 6px 4px; font-size: {s.text_small}px; }}
    QScrollArea {{ background: transparent; border: 0; }}
    QScrollArea > QWidget > QWidget {{ background: transparent; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar::handle:vertical {{ background: #c3cdd3; border-radius: 4px; min-height: 36px; margin: 1px; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QScrollBar::handle:horizontal {{ background: #c3cdd3; border-radius: 4px; min-width: 36px; margin: 1px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QSlider {{ min-height: 40px; }}
    QSlider::groove:horizontal {{ height: 4px; background: {c.line}; border-radius: 2px; }}
    QSlider::sub-page:horizontal {{ background: {c.accent}; border-radius: 2px; }}
    QSlider::handle:horizontal {{ background: {c.accent}; border: 2px solid {c.surface}; width: 18px;
        height: 18px; margin: -9px 0; border-radius: 11px; }}
    QSlider::sub-page:horizontal:disabled {{ background: {c.line}; }}
    QSlider::handle:horizontal:disabled {{ background: #b9c4ca; }}
    QProgressBar {{ background: {c.line}; border: 0; border-radius: 4px; max-height: 8px; min-height: 8px; }}
    QProgressBar::chunk {{ background: {c.accent}; border-radius: 4px; }}
    """
