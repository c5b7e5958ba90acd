"""Tables per township: CSV that Excel opens in Chinese (utf-8-sig) and XLSX.

Everything is named as what it is: suspected from imagery. Verified figures are a different table that people
fill in.
"""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from imagery.damage.legend import GRADE_NONE, GRADE_NOT_ANALYSED, GRADES, Entry
from imagery.deliver.folder import DamageFolder
from imagery.deliver.unit_tables import Table, unit_tables
from imagery.deliver.words import NOTICE
from imagery.raster_io import whole_file

try:
    from lxml.etree import LxmlError as _XmlError
except ImportError:
    _XmlError = OSError

Row = list[Any]
_DEPTH_COLUMN = 5 + len(GRADES) + 3


def township_table(folder: DamageFolder) -> tuple[list[str], list[str], list[Row]]:
    """(English heads, Chinese heads, rows): a row per township, or one for the whole mosaic when no
    townships were given; the last row is the total."""
    report = folder.report
    grades = list(reversed(GRADES))
    classes = [e for e in folder.legend.entries[1:] if e.key in report["classes"]]
    english = ["Township", "Township (zh)", "Area (ha)", "Seen (%)", "Under water (ha)"]
    chinese = ["乡镇（英文）", "乡镇", "面积（公顷）", "已判读（%）", "影像判读淹没面积（公顷）"]
    english += [_building_head(e, "en") for e in grades] + ["Buildings with water at the walls"]
    chinese += [_building_head(e, "zh") for e in grades] + ["影像判读进水房屋（栋）"]
    english += ["Roads (m)", "Roads cut (m)", "Mean depth (m, estimate)", "People", "People near water"]
    chinese += ["道路（米）", "影像判读中断道路（米）", "平均水深（米，估算）", "人口", "临水人口"]
    english += [f"{e.name_en} (ha)" for e in classes]
    chinese += [f"{e.name_zh}（公顷）" for e in classes]
    towns = [_known(town, report) for town in report["townships"] or [whole_mosaic(folder)]]
    rows = [_row(town, [e.key for e in grades], [e.key for e in classes]) for town in towns]
    if len(rows) > 1:
        rows.append(_total(towns, rows))
    return english, chinese, rows


def _building_head(grade: Entry, language: str) -> str:
    suspected = grade.key not in (GRADE_NONE, GRADE_NOT_ANALYSED)
    if language == "zh":
        return f"影像判读{'疑似' if suspected else ''}{grade.name_zh}房屋（栋）"
    return f"Buildings{', suspected' if suspected else ''}: {grade.name_en}"


def _row(town: dict[str, Any], grades: list[str], classes: list[str]) -> Row:
    unseen = town["seen_share"] <= 0
    return [
        town["name_en"],
        town["name_zh"],
        round(town["area_m2"] / 1e4, 3),
        round(100 * town["seen_share"], 1),
        _hectares(town["water_area_m2"]),
        *(town["buildings"].get(key) for key in grades),
        town["buildings_flooded"],
        town["roads_m"],
        town["roads_cut_m"],
        town["depth_mean_m"],
        town["people"],
        town["people_exposed"],
        *(_hectares(town["classes_m2"].get(key, None if unseen else 0.0)) for key in classes),
    ]


def _known(town: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The town without the noughts that stand for "not looked at": no classes, no footprints, no roads, or
    nothing of it seen. An unseen village is not an undamaged one."""
    blank: dict[str, Any] = {}
    unseen = town["seen_share"] <= 0
    if unseen or report["water_area_m2"] is None:
        blank |= {"water_area_m2": None, "people_exposed": None, "depth_mean_m": None, "classes_m2": {}}
    if unseen or not report["buildings"]:
        blank |= {"buildings": {}, "buildings_flooded": None}
    if unseen or report["roads_cut_m"] is None:
        blank |= {"roads_m": None, "roads_cut_m": None}
    return {**town, **blank}


def _hectares(area_m2: float | None) -> float | None:
    return None if area_m2 is None else round(area_m2 / 1e4, 3)


def whole_mosaic(folder: DamageFolder) -> dict[str, Any]:
    """The figures of the whole mosaic in the shape of a township's."""
    report = folder.report
    area = report["analysed_m2"] + report["not_analysed_m2"]
    return {
        "name_en": "Whole mosaic",
        "name_zh": "全图",
        "area_m2": area,
        "seen_share": report["analysed_m2"] / area if area else 0.0,
        "water_area_m2": report["water_area_m2"] or 0.0,
        "buildings": report["buildings"],
        "buildings_flooded": report["buildings_flooded"],
        "roads_m": report["roads_m"],
        "roads_cut_m": report["roads_cut_m"],
        "depth_mean_m": (report["depth_m"] or {}).get("mean"),
        "people": None,
        "people_exposed": report["people_exposed"],
        "classes_m2": {name: value["area_m2"] for name, value in report["classes"].items()},
    }


def _total(towns: list[dict[str, Any]], rows: list[Row]) -> Row:
    def added(column: int) -> Any:
        values = [row[column] for row in rows if row[column] is not None]
        return round(sum(values), 3) if values else None

    total = ["Total", "合计", *(added(i) for i in range(2, len(rows[0])))]
    area = sum(t["area_m2"] for t in towns)
    total[3] = round(100 * sum(t["area_m2"] * t["seen_share"] for t in towns) / area, 1) if area else 0.0
    wet = [(t["water_area_m2"], t["depth_mean_m"]) for t in towns if t["depth_mean_m"] is not None]
    weight = sum(w for w, _ in wet)
    total[_DEPTH_COLUMN] = round(sum(w * d for w, d in wet) / weight, 2) if weight else None
    return total


def export_csv(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """townships.csv, and with units units.csv and verified.csv: two head lines (Chinese, English), UTF-8 with
    the mark that Excel needs."""
    english, chinese, rows = township_table(folder)
    made = [_csv(out_dir / "townships.csv", Table("", chinese, english, rows))]
    names = ("units.csv", "verified.csv")
    return made + [_csv(out_dir / n, t) for n, t in zip(names, unit_tables(folder), strict=False)]


def _csv(target: Path, table: Table) -> Path:
    with whole_file(target) as part, open(part, "w", encoding="utf-8-sig", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerows([table.chinese, table.english, *table.rows])
        writer.writerow([])
        writer.writerow([f"{NOTICE['zh']} / {NOTICE['en']}"])
    return target


def export_xlsx(folder: DamageFolder, out_dir: Path) -> list[Path]:
    """damage.xlsx: a sheet per subject, heads in Chinese and English."""
    english, chinese, rows = township_table(folder)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "乡镇 Townships"
    _fill(sheet, chinese, english, rows)
    for table in unit_tables(folder):
        _fill(book.create_sheet(table.title), table.chinese, table.english, table.rows)
    _buildings(book, folder)
    about = book.create_sheet("说明 About")
    for line in _about(folder):
        about.append(line)
    about.column_dimensions["A"].width = 28
    about.column_dimensions["B"].width = 90
    target = out_dir / "damage.xlsx"
    made = BytesIO()  # openpyxl leaves a broken archive open where the disk is full
    try:
        book.save(made)
    except _XmlError as error:  # its scratch files go through lxml, where that is installed
        raise OSError(f"scratch files cannot be written: {error}") from error
    with whole_file(target) as part:
        part.write_bytes(made.getbuffer())
    return [target]


def _buildings(book: Workbook, folder: DamageFolder) -> None:
    layer = folder.features("buildings")
    if layer is None:
        return
    sheet = book.create_sheet("房屋 Buildings")
    names = ["id", "grade", "flooded", "confidence", "seen_share", "water_ring", "depth_m"]
    heads = ["编号", "疑似等级", "进水", "置信度", "已判读比例", "墙外水体比例", "水深（米，估算）"]
    values = [layer.columns[name].tolist() for name in names]
    rows = [[None if v != v else v for v in row] for row in zip(*values, strict=True)]
    _fill(sheet, heads, names, rows)


def _fill(sheet: Any, first: list[str], second: list[str], rows: list[Row]) -> None:
    sheet.append(first)
    sheet.append(second)
    for row in rows:
        sheet.append(row)
    for line in sheet.iter_rows(min_row=1, max_row=2):
        for cell in line:
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="DCE6F1")
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for index in range(1, len(first) + 1):
        sheet.column_dimensions[get_column_letter(index)].width = 16
    sheet.freeze_panes = "C3"


def _about(folder: DamageFolder) -> list[Row]:
    report = folder.report
    accuracy = report.get("accuracy")
    lines: list[Row] = [
        ["声明 Notice", f"{NOTICE['zh']} / {NOTICE['en']}"],
        ["正射影像 Mosaic", Path(report["mosaic"]).name],
        ["影像时间 Acquired (UTC)", report.get("acquired_utc")],
        ["制图时间 Produced (UTC)", report["produced_utc"]],
        ["方法 Method", report["method"]],
        ["判读员 Analyst", report["analyst"] or None],
        ["分区交叉验证精度 Blocked accuracy", accuracy["overall"] if accuracy else None],
    ]
    return lines + [["备注 Note", note] for note in report["notes"]]
