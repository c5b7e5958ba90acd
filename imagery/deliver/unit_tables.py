"""Tables of units that nest, and beside what imagery suggests what people have verified.

The two are never merged: a verified figure stands in a column of its own, with who entered it and when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagery.damage.legend import (
    DEPTHS,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NONE,
    GRADE_NOT_ANALYSED,
    GRADES,
)
from imagery.damage.series import SINCE
from imagery.deliver.folder import DamageFolder
from imagery.errors import DeliveryError

Row = list[Any]
VERIFIED_FILE: Final = "verified.json"
"""Beside report.json: the verified figures that hold, as the mission's log has them."""

_LEVELS: Final = {
    "total": "全部 Total",
    "county": "县 County",
    "township": "乡镇 Township",
    "village": "村 Village",
}
_UNIT_KEYS: Final = ("county", "township", "village")


@dataclass(frozen=True)
class Table:
    """A sheet: its title, heads in two languages, rows."""

    title: str
    chinese: list[str]
    english: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Item:
    """A figure that people verify, and what the imagery says to it (None: nothing)."""

    key: str
    zh: str
    en: str
    suspected: Callable[[Mapping[str, Any]], float | None]


def _hectares(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda row: None if row.get(name) is None else round(row[name] / 1e4, 3)


def _plain(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda row: row.get(name)


def _grade(grade: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda row: (row.get("buildings") or {}).get(grade)


def _nothing(row: Mapping[str, Any]) -> None:
    del row


ITEMS: Final = (
    Item("water_ha", "淹没面积（公顷）", "Flooded (ha)", _hectares("water_area_m2")),
    Item("farmland_ha", "受淹农田（公顷）", "Farmland flooded (ha)", _hectares("farmland_water_m2")),
    Item("destroyed", "倒塌损毁房屋（栋）", "Buildings destroyed", _grade(GRADE_DESTROYED)),
    Item("damaged", "受损房屋（栋）", "Buildings damaged", _grade(GRADE_DAMAGED)),
    Item("roads_cut_m", "中断道路（米）", "Roads cut (m)", _plain("roads_cut_m")),
    Item("affected", "受灾人口（人）", "People affected", _plain("people_exposed")),
    Item("moved", "转移安置人口（人）", "People moved to safety", _nothing),
    Item("missing", "失踪人口（人）", "People missing", _nothing),
    Item("dead", "死亡人口（人）", "People dead", _nothing),
)


def verified_of(folder: DamageFolder) -> list[dict[str, Any]]:
    """The verified figures that hold, newest of each unit and item; empty where there are none.

    Raises DeliveryError when the file cannot be read.
    """
    path = folder.path / VERIFIED_FILE
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["verified"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeliveryError(f"{path}: cannot be read ({error}); enter a figure again to renew it") from error
    return rows


def unit_tables(folder: DamageFolder) -> list[Table]:
    """Suspected figures of all units, and these beside verified ones; empty without units.

    Where nothing of a unit was seen, its figures stay empty: unseen is not unhurt.
    """
    rows = folder.report.get("units") or []
    if not rows:
        return []
    return [_suspected(folder, rows), _beside(folder, rows)]


def _place(row: Mapping[str, Any]) -> Row:
    return [_LEVELS[row["level"]], *(row[key] for key in _UNIT_KEYS)]


_PLACE_ZH: Final = ["级别", "县", "乡镇", "村"]
_PLACE_EN: Final = ["Level", "County", "Township", "Village"]


def _suspected(folder: DamageFolder, rows: list[dict[str, Any]]) -> Table:
    zh = [*_PLACE_ZH, "跨乡镇", "面积（公顷）", "已判读（%）"]
    en = [*_PLACE_EN, "In several townships", "Area (ha)", "Seen (%)"]
    values: list[Callable[[Mapping[str, Any]], Any]] = []

    def column(chinese: str, english: str, value: Callable[[Mapping[str, Any]], Any]) -> None:
        zh.append(f"影像判读{chinese}")
        en.append(english)
        values.append(value)

    column("淹没面积（公顷）", "Suspected flooded (ha)", _hectares("water_area_m2"))
    column("受淹农田（公顷）", "Suspected farmland flooded (ha)", _hectares("farmland_water_m2"))
    for entry in DEPTHS:
        column(f"水深{entry.name_zh}（公顷）", f"Depth {entry.name_en} (ha)", _part("depths_m2", entry.key))
    for grade in reversed(GRADES):
        suspected = grade.key not in (GRADE_NONE, GRADE_NOT_ANALYSED)
        column(
            f"{'疑似' if suspected else ''}{grade.name_zh}房屋（栋）",
            f"Buildings{', suspected' if suspected else ''}: {grade.name_en}",
            _grade(grade.key),
        )
    column("疑似进水房屋（栋）", "Buildings, suspected water at the walls", _plain("buildings_flooded"))
    column("道路（米）", "Roads (m)", _plain("roads_m"))
    column("疑似中断道路（米）", "Roads, suspected cut (m)", _plain("roads_cut_m"))
    column("未见道路（米）", "Roads not seen (m)", _plain("roads_unseen_m"))
    column("人口", "People", _plain("people"))
    column("临水人口", "People near water", _plain("people_exposed"))
    if folder.report.get("since"):
        for entry in SINCE[1:]:
            column(f"{entry.name_zh}（公顷）", f"{entry.name_en} (ha)", _part("since_m2", entry.key))
    kinds = dict.fromkeys(kind for row in rows for kind in row["land_water_m2"] or {})
    for kind in kinds:
        column(f"受淹：{kind}（公顷）", f"Flooded: {kind} (ha)", _part("land_water_m2", kind))
    made = []
    for row in rows:
        seen = row["seen_share"] > 0
        made.append(
            [
                *_place(row),
                "是 yes" if row["straddles"] else None,
                round(row["area_m2"] / 1e4, 3),
                round(100 * row["seen_share"], 1),
                *(value(row) if seen else None for value in values),
            ]
        )
    return Table("单元 Units", zh, en, made)


def _part(name: str, key: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda row: None if row.get(name) is None else round(row[name].get(key, 0.0) / 1e4, 3)


def _beside(folder: DamageFolder, rows: list[dict[str, Any]]) -> Table:
    entered = {(tuple(v[key] for key in _UNIT_KEYS), v["item"]): v for v in verified_of(folder)}
    zh, en = [*_PLACE_ZH, "已判读（%）"], [*_PLACE_EN, "Seen (%)"]
    for item in ITEMS:
        zh += [f"影像判读疑似{item.zh}", f"核实{item.zh}", "核实人、时间"]
        en += [f"Suspected from imagery: {item.en}", f"Verified: {item.en}", "Verified by, UTC"]
    made = []
    for row in rows:
        line = [*_place(row), round(100 * row["seen_share"], 1)]
        for item in ITEMS:
            known = entered.get((tuple(row[key] for key in _UNIT_KEYS), item.key))
            line += [
                item.suspected(row) if row["seen_share"] > 0 else None,
                known["value"] if known else None,
                f"{known['by']}, {known['time_utc']}" if known else None,
            ]
        made.append(line)
    return Table("核实对照 Verified", zh, en, made)
