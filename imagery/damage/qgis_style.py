"""QGIS styles of vector layers (QML): symbols by a column's values, borders alone, names on the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

Colour = tuple[int, int, int]

_NAME_COLOUR: Final = "40,20,60,255"


@dataclass(frozen=True)
class VectorStyle:
    """How a layer is drawn."""

    kind: str
    """"Polygon", "LineString", "Point" or a multiple of them, as OGR names it."""
    symbols: tuple[tuple[str, str, Colour], ...]
    """(value, label, colour); one alone where all features look the same."""
    column: str | None = None
    """Whose values choose the symbol."""
    hollow: bool = False
    named_by: str | None = None
    """The column with the name that is set on each feature."""


def qml(style: VectorStyle) -> str:
    """The style as QGIS saves and reads it."""
    drawn = "".join(
        f'<symbol name="{i}" type="{_symbol_type(style.kind)}" alpha="1" clip_to_extent="1">'
        f"{_symbol_layer(style, colour)}</symbol>"
        for i, (_, _, colour) in enumerate(style.symbols)
    )
    if style.column and style.symbols[0][0]:
        categories = "".join(
            f'<category value={quoteattr(key)} label={quoteattr(label)} symbol="{i}" render="true"/>'
            for i, (key, label, _) in enumerate(style.symbols)
        )
        renderer = (
            f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(style.column)} forceraster="0" '
            f'enableorderby="0" symbollevels="0"><categories>{categories}</categories>'
            f"<symbols>{drawn}</symbols></renderer-v2>"
        )
    else:
        renderer = f'<renderer-v2 type="singleSymbol"><symbols>{drawn}</symbols></renderer-v2>'
    named = _labels(style.named_by, style.kind) if style.named_by else ""
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        f'<qgis version="3.22.0" styleCategories="Symbology|Labeling" labelsEnabled="{int(bool(named))}">'
        f"{renderer}{named}</qgis>"
    )


def _labels(column: str, kind: str) -> str:
    placed = '<placement placement="4" priority="3"/><rendering obstacle="0"/>'  # inside, and in nobody's way
    if "Point" in kind:
        placed = (
            '<placement placement="6" priority="9" dist="1.5" distUnits="MM" '
            'predefinedPositionOrder="R,L,TR,BR,TL,BL"/>'
        )
    return (
        '<labeling type="simple"><settings calloutType="simple">'
        f'<text-style fieldName={quoteattr(column)} isExpression="0" fontSize="10" fontSizeUnit="Point" '
        f'fontWeight="75" textColor="{_NAME_COLOUR}" textOpacity="1">'
        '<text-buffer bufferDraw="1" bufferSize="0.9" bufferSizeUnits="MM" bufferColor="255,255,255,255" '
        f'bufferOpacity="1"/></text-style>{placed}</settings></labeling>'
    )


def _symbol_type(kind: str) -> str:
    return "fill" if "Polygon" in kind else "line" if "Line" in kind else "marker"


def _symbol_layer(style: VectorStyle, colour: Colour) -> str:
    rgb = ",".join(map(str, colour))
    kind = _symbol_type(style.kind)
    options = {
        "fill": {
            "color": f"{rgb},150",
            "outline_color": f"{rgb},255",
            "outline_width": "0.6" if style.hollow else "0.3",
            "outline_style": "dash dot" if style.hollow else "solid",
            "style": "no" if style.hollow else "solid",
        },
        "line": {"line_color": f"{rgb},255", "line_width": "0.8", "capstyle": "round"},
        "marker": {"color": f"{rgb},255", "outline_color": "255,255,255,255", "size": "3"},
    }[kind]
    classes = {"fill": "SimpleFill", "line": "SimpleLine", "marker": "SimpleMarker"}
    listed = "".join(f'<prop k="{k}" v="{v}"/>' for k, v in options.items())
    return f'<layer class="{classes[kind]}" enabled="1" locked="0" pass="0">{listed}</layer>'
