"""The icons: line drawings on a 24 x 24 grid, drawn in any colour and size."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

_PATHS = {
    "plan": '<path d="M4 7 14 3l6 8-4 9-10-1z"/><path d="M8 8.5l2.2 8.6M12.2 6.8l2.4 9.9"/>',
    "fly": '<circle cx="5" cy="5" r="2.4"/><circle cx="19" cy="5" r="2.4"/><circle cx="5" cy="19" r="2.4"/>'
    '<circle cx="19" cy="19" r="2.4"/><path d="M6.8 6.8 9.5 9.5M17.2 6.8l-2.7 2.7M6.8 17.2l2.7-2.7M17.2 '
    '17.2l-2.7-2.7"/><rect x="9" y="9" width="6" height="6" rx="1.6"/>',
    "map": '<path d="M3 6.5 9 4l6 2.5L21 4v13.5L15 20l-6-2.5L3 20z"/><path d="M9 4v13.5M15 6.5V20"/>',
    "damage": '<path d="M3.5 11 12 4l8.5 7"/><path d="M6 9.5V20h12V9.5"/><path d="M12.5 8.5 10 12.2l3.4 '
    '2.2-2.2 5.4"/>',
    "train": '<path d="M20 12a8 8 0 1 1-2.6-5.9"/><path d="M20.5 3.5v4.2h-4.2"/><path d="M10 9v6l5-3z"/>',
    "layers": '<path d="M12 3.5 21 8l-9 4.5L3 8z"/><path d="M3.5 12.2 12 16.5l8.5-4.3M3.5 16.2l8.5 4.3 '
    '8.5-4.3"/>',
    "home": '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/><circle cx="12" cy="12" r="2.2"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "minus": '<path d="M5 12h14"/>',
    "folder": '<path d="M3 6.5h6l2 2.5h10v10.5H3z"/>',
    "close": '<path d="M6 6l12 12M18 6 6 18"/>',
    "target": '<circle cx="12" cy="12" r="6"/><path d="M12 2.5v5M12 16.5v5M2.5 12h5M16.5 12h5"/>',
    "play": '<path d="M8 5.5v13l10.5-6.5z"/>',
    "pause": '<path d="M8.5 5.5v13M15.5 5.5v13"/>',
    "grip": '<path d="M9 6v.01M15 6v.01M9 12v.01M15 12v.01M9 18v.01M15 18v.01"/>',
    "tool_select": '<path d="M6 3.500v15l4-3.800 2.600 6 2.600-1.100-2.600-5.900h5.400z"/>',
    "tool_zone": '<path d="M4 8 12 3.500l7 4-1.500 11L7 20z"/>',
    "tool_no_fly": '<circle cx="12" cy="12" r="8.200"/><path d="M6.300 6.300l11.400 11.400"/>',
    "tool_hole": '<path d="M4 5h16v14H4z"/><path d="M9 9.500h6v5H9z" stroke-dasharray="2 2"/>',
    "tool_split": '<path d="M4 6h16v12H4z"/><path d="M14.500 2.500l-5 19" stroke-dasharray="3 2"/>',
    "tool_launch": '<path d="M12 21c-4.500-5-6.500-8-6.500-11a6.500 6.500 0 0 1 13 0c0 3-2 6-6.500 11z"/>'
    '<circle cx="12" cy="10" r="2.300"/>',
    "tool_measure": '<path d="M3 16 16 3l5 5L8 21z"/><path d="M7 12l2.200 2.200M10.500 '
    '8.500l2.200 2.200M14 5l2.200 2.200"/>',
    "tool_join": '<path d="M3.500 7h9v10h-9z"/><path d="M12.500 7h8v10h-8" stroke-dasharray="2 2"/>'
    '<path d="M9 12h7M13.500 9.500 16 12l-2.500 2.500"/>',
    "tool_delete": '<path d="M5 7h14M9.500 7V4h5v3M7 7l1 13h8l1-13M10.500 11v5.500M13.500 11v5.500"/>',
    "tool_undo": '<path d="M8.500 5 4 9.500 8.500 14"/><path d="M4.500 9.500H14a5.500 5.500 0 0 1 0 11h-3"/>',
    "tool_redo": '<path d="M15.500 5 20 9.500 15.500 14"/><path d="M19.500 9.500H10a5.500 5.500 0 0 0 0 '
    '11h3"/>',
    "eye": '<path d="M2.5 12C5 7.5 8.3 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.8 6.5-9.5 6.5S5 16.500 2.5 '
    '12z"/><circle cx="12" cy="12" r="2.8"/>',
    "eye_off": '<path d="M4 9.500C6.500 12.800 9 14.200 12 14.200s5.500-1.400 8-4.700M12 14.200v3.300M6.800 '
    '13l-1.800 2.800M17.200 13l1.800 2.800"/>',
}


def icon_pixmap(name: str, colour: QColor, size_px: int, ratio: float = 1.0, width: float = 1.8) -> QPixmap:
    """An icon in one colour."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
        f'stroke="{colour.name()}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round">'
        f"{_PATHS[name]}</svg>"
    )
    pixmap = QPixmap(round(size_px * ratio), round(size_px * ratio))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, pixmap.width(), pixmap.height()))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def icon(name: str, colour: QColor, on_colour: QColor | None = None, size_px: int = 26) -> QIcon:
    """An icon; `on_colour` is for the checked state of a button."""
    made = QIcon()
    for ratio in (1.0, 2.0):
        made.addPixmap(icon_pixmap(name, colour, size_px, ratio), QIcon.Mode.Normal, QIcon.State.Off)
        on = on_colour or colour
        made.addPixmap(icon_pixmap(name, on, size_px, ratio), QIcon.Mode.Normal, QIcon.State.On)
    return made


def icon_size(size_px: int) -> QSize:
    """A square size."""
    return QSize(size_px, size_px)
