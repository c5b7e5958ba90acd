"""The words of map sheets and tables, English and Chinese."""

from __future__ import annotations

import datetime as dt
from typing import Final

NOTICE: Final = {
    "en": "Preliminary image interpretation, not verified in the field",
    "zh": "影像初步判读，未经实地核查",
}

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "Flood damage map",
        "depth_title": "Flood depth map (estimate)",
        "depth_classes": "Water depth (estimate)",
        "depth_short": "Depth",
        "depth_method": "water's level at its edge over the DEM; ± {:.1f} m (80 % band)",
        "deep": "Deeper than 1 m",
        "of_water": "{:.0%} of the water",
        "fallen": "Fallen",
        "since_peak": "since its highest",
        "house": "Building",
        "buildings_plain": "Buildings",
        "places": "Villages",
        "places_cut_off": "Villages cut off",
        "places_of": "of {}; {} not known",
        "col_depth": "Depth|m",
        "col_wet": "In|water",
        "version": "Version",
        "of_extent": "of the mosaic’s extent",
        "legend": "Legend",
        "ground": "Ground",
        "buildings": "Buildings (suspected)",
        "roads": "Roads",
        "areas": "Areas",
        "township": "Township boundary",
        "flooded_house": "Water at the walls",
        "statistics": "Figures from imagery",
        "water": "Under water",
        "of_analysed": "{:.0%} of the analysed area",
        "analysed_aside": "analysed {area}, {share:.0%} of the mosaic’s extent",
        "harmed": "Damaged or destroyed",
        "of_seen": "suspected, of {:,} seen",
        "suspected": "buildings, suspected",
        "cut": "Roads cut",
        "of_roads": "of {}",
        "cut_mark": "Road cut here",
        "depth": "Depth, mean / 90 %",
        "depth_band": "± {:.1f} m (80 % band)",
        "people": "People near water",
        "near_water": "within 10 m of it",
        "col_seen": "Seen|%",
        "col_water": "Water|ha",
        "col_destroyed": "Destr.",
        "col_damaged": "Dam.",
        "col_possibly": "Poss.",
        "col_cut": "Cut|m",
        "col_people": "People|near",
        "others": "{} others",
        "whole": "Whole mosaic",
        "metre": "m",
        "kilometre": "km",
        "hectare": "ha",
        "square_kilometre": "km²",
        "note": "Note",
        "mosaic_gone": "file not at hand, not shown",
        "bar_buildings": "Buildings by suspected grade",
        "bar_depth": "Water by estimated depth (ha)",
        "bar_ground": "Ground (ha)",
        "situation": "Situation of {}",
        "grid": "Grid of {step}; degrees above and right",
        "locator": "Overview",
        "sources": "Sources",
        "mosaic": "Orthomosaic",
        "acquired": "Acquired",
        "produced": "Produced",
        "unknown": "not stated",
        "method": "Method",
        "confidence": "Confidence",
        "accuracy": "{:.0%} in blocked cross-validation",
        "mean_confidence": "mean {:.0%}",
        "no_accuracy": "no accuracy estimate",
        "analyst": "Analyst",
        "crs": "Coordinate system",
        "scale": "Scale",
        "inputs": "Inputs",
        "not_analysed": "Not analysed",
        "utc": "UTC",
    },
    "zh": {
        "title": "洪涝灾害影像判读图",
        "depth_title": "洪水水深图（估算）",
        "depth_classes": "水深（估算）",
        "depth_short": "水深",
        "depth_method": "由水体边缘水位与 DEM 推算；± {:.1f} 米（80 % 区间）",
        "deep": "深于 1 米",
        "of_water": "占水体 {:.0%}",
        "fallen": "水位下降",
        "since_peak": "自最高水位起",
        "house": "房屋",
        "buildings_plain": "房屋",
        "places": "村庄",
        "places_cut_off": "道路中断村庄",
        "places_of": "共 {} 个，{} 个不明",
        "col_depth": "水深|米",
        "col_wet": "进水|栋",
        "version": "版本",
        "of_extent": "占影像范围",
        "legend": "图例",
        "ground": "地表",
        "buildings": "房屋（疑似）",
        "roads": "道路",
        "areas": "区域",
        "township": "乡镇界线",
        "flooded_house": "墙外有水",
        "statistics": "影像判读统计",
        "water": "淹没面积",
        "of_analysed": "占已判读面积 {:.0%}",
        "analysed_aside": "已判读 {area}，占影像范围 {share:.0%}",
        "harmed": "受损或损毁房屋",
        "of_seen": "疑似，已判读 {:,} 栋",
        "suspected": "栋，疑似",
        "cut": "中断道路",
        "of_roads": "总长 {}",
        "cut_mark": "道路中断点",
        "depth": "水深 平均 / 90 %",
        "depth_band": "± {:.1f} 米（80 % 区间）",
        "people": "临水人口",
        "near_water": "距水 10 米以内",
        "col_seen": "已判读|%",
        "col_water": "淹没|公顷",
        "col_destroyed": "损毁|栋",
        "col_damaged": "受损|栋",
        "col_possibly": "可能|栋",
        "col_cut": "中断|米",
        "col_people": "临水|人口",
        "others": "其他 {} 个",
        "whole": "全图",
        "metre": "米",
        "kilometre": "公里",
        "hectare": "公顷",
        "square_kilometre": "平方公里",
        "note": "备注",
        "mosaic_gone": "文件缺失，未显示",
        "bar_buildings": "房屋疑似等级（栋）",
        "bar_depth": "估算水深分级面积（公顷）",
        "bar_ground": "地表分类面积（公顷）",
        "situation": "{} 的情况",
        "grid": "格网 {step}；上、右为经纬度",
        "locator": "位置示意",
        "sources": "资料来源",
        "mosaic": "正射影像",
        "acquired": "影像时间",
        "produced": "制图时间",
        "unknown": "未注明",
        "method": "方法",
        "confidence": "置信度",
        "accuracy": "分区交叉验证 {:.0%}",
        "mean_confidence": "平均 {:.0%}",
        "no_accuracy": "无精度估计",
        "analyst": "判读员",
        "crs": "坐标系",
        "scale": "比例尺",
        "inputs": "输入数据",
        "not_analysed": "未判读",
        "utc": "世界时",
    },
}

_METHODS_ZH: Final = {
    "forest of randomised trees on painted samples": "样本训练的随机树分类",
    "no classification": "未分类",
}
_MODEL: Final = "segmentation model "

_NOTES_ZH: Final = {
    "The before-ortho lies in part over 1 m": "灾前影像局部与本次影像相差超过 1 米，该处未作变化判读。",
    "An earlier report was left out": "有一份以往报告未参与对比：",
    "The before-ortho could not be registered": "灾前影像无法与正射影像配准，未作变化分析。",
    "Too little unchanged ground": "未变化地面太少，无法匹配灾前影像色彩，未作变化分析。",
    "Classes of the model that the legend does not have": "模型中有图例没有的类别：",
    "No samples and no model were given": "未提供样本或模型，未作地表分类。",
    "The samples lie too close together": "样本过于集中，无法作分区精度估计。",
    "Agreement on the earlier strokes fell": "新增样本降低了与原有样本的一致性，请检查，或恢复上一版本。",
    "Classes of your own": "自定义类别：",
    "Is a class of your own a slip of the pen": "自定义类别是否为笔误：",
    "Buildings and roads were not graded": "缺少地表分类，未对房屋和道路分级。",
}
"""Notes of the damage report by how they begin."""

_BEIJING: Final = dt.timezone(dt.timedelta(hours=8))


def method_name(method: str, language: str) -> str:
    """How the ground was classified, in the sheet's language."""
    if language != "zh":
        return method[:1].upper() + method[1:]
    if method.startswith(_MODEL):
        return f"语义分割模型 {method.removeprefix(_MODEL)}"
    return _METHODS_ZH.get(method, method)


def note_text(note: str, language: str) -> str:
    """A note of the damage report in the sheet's language; one without translation stays English."""
    if language != "zh":
        return note
    for begin, text in _NOTES_ZH.items():
        if note.startswith(begin):
            return text + note.partition(": ")[2] if text.endswith("：") else text
    return note


def moment(text: str | None, language: str) -> str:
    """A time of a report: UTC, on Chinese sheets with Beijing time beside it."""
    if not text:
        return WORDS[language]["unknown"]
    when = dt.datetime.fromisoformat(text)
    when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    if language != "zh":
        return f"{when:%Y-%m-%d %H:%M} UTC"
    return f"{when:%Y-%m-%d %H:%M} 世界时（北京 {when.astimezone(_BEIJING):%m-%d %H:%M}）"
