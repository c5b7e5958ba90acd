"""QGIS styles: well formed, each value with a symbol, names only where asked. (QGIS 3.22 has loaded and drawn
them; docs/deliverables.md.)"""

import xml.etree.ElementTree as ET

import pytest

from imagery.damage.legend import GRADES
from imagery.damage.qgis_style import VectorStyle, qml

GRADED = tuple((e.key, f"{e.name_en} / {e.name_zh}", e.colour) for e in GRADES)


@pytest.mark.parametrize(
    ("kind", "drawn"), [("MultiPolygon", "fill"), ("LineString", "line"), ("Point", "marker")]
)
def test_each_value_has_a_symbol_of_the_layers_kind(kind, drawn) -> None:
    root = ET.fromstring(qml(VectorStyle(kind, GRADED, "grade")))
    renderer = root.find("renderer-v2")
    assert renderer.get("attr") == "grade"
    symbols = {s.get("name"): s for s in renderer.iter("symbol")}
    values = {c.get("value"): c.get("symbol") for c in renderer.iter("category")}
    assert set(values) == {e.key for e in GRADES}
    for entry in GRADES:
        symbol = symbols[values[entry.key]]
        assert symbol.get("type") == drawn
        colours = [p.get("v") for p in symbol.iter("prop") if p.get("k").endswith("color")]
        assert any(v.startswith(",".join(map(str, entry.colour))) for v in colours)
    assert root.get("labelsEnabled") == "0"
    assert root.find("labeling") is None


def test_borders_alone_leave_the_ground_to_be_seen_and_carry_names() -> None:
    style = VectorStyle("MultiPolygon", (("", "townships", (1, 2, 3)),), hollow=True, named_by='name_"zh"')
    root = ET.fromstring(qml(style))
    options = {p.get("k"): p.get("v") for p in root.iter("prop")}
    assert options["style"] == "no"
    assert root.get("labelsEnabled") == "1"
    assert root.find(".//text-style").get("fieldName") == 'name_"zh"'
    assert root.find("renderer-v2").get("type") == "singleSymbol"
