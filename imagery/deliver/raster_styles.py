"""QGIS styles beside the rasters (classes.qml beside classes.tif): only the classes that there are, named.

Without one QGIS lists all 256 colours of a TIFF's palette.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from imagery.damage.legend import DEPTH_EDGES_M, DEPTHS, Entry
from imagery.raster_io import whole_file

_HEAD: Final = (
    "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
    '<qgis version="3.22.0" styleCategories="Symbology"><pipe>'
)
_TAIL: Final = '<rasterresampler maxOversampling="2"/></pipe></qgis>\n'


def write_class_style(raster: Path, legend: Sequence[Entry], codes: Iterable[int]) -> Path:
    """A paletted style of the codes that occur; 0, which is nodata, is left out."""
    present = set(codes)
    entries = "".join(
        f'<paletteEntry value="{e.code}" color="{e.hex_colour}" alpha="255" label={quoteattr(_label(e))}/>'
        for e in legend
        if e.code in present and e.code
    )
    renderer = (
        '<rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">'
        f"<rasterTransparency/><colorPalette>{entries}</colorPalette></rasterrenderer>"
    )
    return _write(raster, renderer)


def write_depth_style(raster: Path) -> Path:
    """Depth in the classes of the legend: steps, since centimetres would say more than is known."""
    edges = [*(f"{edge:g}" for edge in DEPTH_EDGES_M[1:]), "inf"]
    items = "".join(
        f'<item value="{edge}" color="{e.hex_colour}" alpha="255" label={quoteattr(_label(e))}/>'
        for edge, e in zip(edges, DEPTHS, strict=True)
    )
    renderer = (
        '<rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" '
        'classificationMin="0" classificationMax="inf"><rasterTransparency/><rastershader>'
        '<colorrampshader colorRampType="DISCRETE" classificationMode="1" clip="0" minimumValue="0" '
        f'maximumValue="inf">{items}</colorrampshader></rastershader></rasterrenderer>'
    )
    return _write(raster, renderer)


def _label(entry: Entry) -> str:
    return f"{entry.name_en} / {entry.name_zh}"


def _write(raster: Path, renderer: str) -> Path:
    target = raster.with_suffix(".qml")
    with whole_file(target) as part:
        part.write_text(_HEAD + renderer + _TAIL, encoding="utf-8")
    return target
