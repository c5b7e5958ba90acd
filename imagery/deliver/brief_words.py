"""The sentences of the situation brief, English and Chinese: whole for page and radio, short for SMS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from imagery.damage.legend import road_entry
from imagery.deliver.brief_facts import Brief, NextFlight, total_unseen_m2
from imagery.deliver.since_words import since_text
from imagery.deliver.words import NOTICE, moment, note_text

_MOST_NAMES: Final = 6
_MOST_CUTS: Final = 4
_SMS_CHARS: Final = {True: 3 * 153, False: 3 * 67}
"""Characters of three messages in one: ASCII, and any others (GSM 03.38)."""

_SAID: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "Situation brief", "flooded": "Flooded", "buildings": "Buildings", "roads": "Roads",
        "access": "Cut off", "unseen": "Not seen", "sure": "How sure", "since": "Since the last report",
        "next": "Fly next", "as_of": "Situation of {}", "made": "made {}",
        "sep": ", ",
        "and": ", ", "colon": ": ", "semicolon": "; ", "stop": ".", "more": "{} more", "of": "{name} {value}",
        "no_classes": "Not mapped: the ground was not classified.",
        "water": "{area} under water, {share:.0%} of the ground analysed.",
        "most": "Most: {}.",
        "depth": "Depth about {mean:.1f} m on average, a tenth of it over {p90:.1f} m (± {half:.1f} m; an "
        "estimate).",
        "no_buildings": "Not graded: no footprints were given, or the ground was not classified.",
        "grades": "{destroyed:,} destroyed, {damaged:,} damaged, {possibly:,} possibly damaged, of {seen:,} "
        "seen (suspected). {wet:,} with water at the walls.",
        "people": "About {:,.0f} people live within 10 m of water.",
        "no_roads": "Not judged: no road lines were given, or the ground was not classified.",
        "cut": "{cut} of {all} cannot be driven.",
        "passable": "No cut was seen on {all} of road; what was not seen may be cut.",
        "cut_at": "Cut at: {}.", "cut_place": "{state} {length:.0f} m at {lat:.5f}, {lon:.5f}",
        "no_access": "Not known: nobody gave roads and villages.",
        "cut_off": "{n} of {all} villages: {names}.",
        "none_cut_off": "No village is known to be cut off, of {all}.",
        "access_unknown": "Not known for {n}: {names}.",
        "share_unseen": "{share:.0%} of the mosaic’s extent.",
        "towns_unseen": "Of the townships {area} were not seen: {names}. Nothing is known of these places; "
        "they are not counted as unharmed.",
        "all_seen": "Everything in the mosaic was analysed; beyond it nothing is known.",
        "accuracy": "Ground classes agree with {:.0%} of held-out samples.",
        "no_accuracy": "The accuracy of the ground classes is not known.",
        "nobody": "Nobody has been there: all figures are suspected from pictures.",
        "no_since": "This is the first report, or no earlier one was given.",
        "flight": "{name}{area} around {lat:.5f}, {lon:.5f}{why}",
        "beside": " (water runs up to it)", "no_next": "No larger ground within the townships is unseen.",
        "no_next_towns": "No gap in the mosaic; beyond it nobody said where to look.",
        "in": "{}: ",
    },
    "zh": {
        "title": "灾情简报", "flooded": "淹没", "buildings": "房屋", "roads": "道路",
        "access": "道路中断村庄", "unseen": "未见区域", "sure": "可信程度", "since": "较上次报告",
        "next": "建议下一步飞行", "as_of": "{} 的情况", "made": "制图 {}",
        "sep": "、",
        "and": "，", "colon": "：", "semicolon": "；", "stop": "。",
        "more": "其他 {} 个", "of": "{name} {value}",
        "no_classes": "未作地表分类，无淹没数据。",
        "water": "淹没 {area}，占已判读面积 {share:.0%}。",
        "most": "其中：{}。",
        "depth": "平均水深约 {mean:.1f} 米，一成水面深于 {p90:.1f} 米（± {half:.1f} 米，估算）。",
        "no_buildings": "未分级：未提供房屋轮廓，或未作地表分类。",
        "grades": "疑似损毁 {destroyed:,} 栋、受损 {damaged:,} 栋、可能受损 {possibly:,} 栋"
        "（已判读 {seen:,} 栋）；墙外有水 {wet:,} 栋。",
        "people": "距水 10 米以内居住约 {:,.0f} 人。",
        "no_roads": "未判断：未提供道路，或未作地表分类。",
        "cut": "道路全长 {all}，其中 {cut} 不能通行。",
        "passable": "道路全长 {all}，未见中断；未拍到的路段可能中断。",
        "cut_at": "中断点：{}。", "cut_place": "{state} {length:.0f} 米（{lat:.5f}, {lon:.5f}）",
        "no_access": "不明：未提供道路和村庄。",
        "cut_off": "{all} 个村庄中 {n} 个：{names}。",
        "none_cut_off": "{all} 个村庄中未发现道路中断。",
        "access_unknown": "{n} 个不明：{names}。",
        "share_unseen": "占影像范围 {share:.0%}。",
        "towns_unseen": "各乡镇未见面积 {area}：{names}。这些地方情况不明，不计为完好。",
        "all_seen": "影像范围内全部已判读；范围之外情况不明。",
        "accuracy": "地表分类与留出样本一致 {:.0%}。",
        "no_accuracy": "地表分类精度未知。",
        "nobody": "未经实地核查，所有数字均为影像判读疑似。",
        "no_since": "首次报告，或未提供上次报告。",
        "flight": "{name}{area}，中心 {lat:.5f}, {lon:.5f}{why}",
        "beside": "（水体延伸至此）", "no_next": "各乡镇内没有较大的未见区域。",
        "no_next_towns": "影像内无空缺；范围之外未指定。",
        "in": "{}：",
    },
}  # fmt: skip


def headings(language: str) -> dict[str, str]:
    """Title and section names."""
    return _SAID[language]


def sections(brief: Brief, language: str) -> list[tuple[str, str]]:
    """(head, text) of each point, in the order of what to act on."""
    said = _SAID[language]
    space = "" if language == "zh" else " "
    return [
        (said["flooded"], space.join(_flooded(brief, language))),
        (said["buildings"], space.join(_buildings(brief, language))),
        (said["roads"], space.join(_roads(brief, language))),
        (said["access"], space.join(_access(brief, language))),
        (said["unseen"], space.join(_unseen(brief, language))),
        (said["sure"], space.join(_sure(brief, language))),
        (said["since"], _since(brief, language)),
        (said["next"], _next(brief, language)),
    ]


def _since(brief: Brief, language: str) -> str:
    if brief.since is None:
        return _SAID[language]["no_since"]
    return since_text(brief.since, brief.townships, language, _area)


def plain_text(brief: Brief, language: str) -> str:
    """The brief to be read out: a point a line, no sign that a radio operator could not say."""
    said = _SAID[language]
    head = [
        title_of(brief, language),
        as_of(brief, language),
        NOTICE[language],
        "",
    ]
    points = [
        f"{n}. {name}{said['colon']}{text}"
        for n, (name, text) in enumerate(sections(brief, language), start=1)
    ]
    return "\n".join([*head, *points, ""])


def title_of(brief: Brief, language: str) -> str:
    """What it is, and of which event."""
    said = _SAID[language]
    return f"{said['title']}{said['colon']}{brief.event}" if brief.event else said["title"]


def as_of(brief: Brief, language: str) -> str:
    """When the photos were taken and the map was made."""
    said = _SAID[language]
    taken = said["as_of"].format(moment(brief.acquired_utc, language)) if brief.acquired_utc else ""
    made = said["made"].format(moment(brief.produced_utc, language))
    return said["and"].join(part for part in (taken, made) if part)


def short_message(brief: Brief, language: str) -> str:
    """One line for SMS or satellite, at most three messages long: figures first, as many names as fit."""
    for names in range(_MOST_NAMES, -1, -1):
        line = _message(brief, language, names).replace("²", "2")
        if len(line) <= _SMS_CHARS[line.isascii()]:
            return line
    return line[: _SMS_CHARS[line.isascii()]]


def _message(brief: Brief, language: str, names: int) -> str:
    zh = language == "zh"
    parts = [f"{'灾情' if zh else 'FLOOD'} {brief.event} {_short_time(brief)}".replace("  ", " ")]
    if brief.water_m2 is not None:
        towns = listed([name_of(t, language) for t in brief.worst], language, names) if names else ""
        inside = (f"（{towns}）" if zh else f" ({towns})") if towns else ""
        parts.append(f"{'淹没' if zh else 'water '}{_area(brief.water_m2, language)}{inside}")
    if brief.destroyed is not None:
        words = "疑似损毁{}受损{}可能{}栋" if zh else "bldg destroyed {} damaged {} possibly {}"
        parts.append(words.format(brief.destroyed, brief.damaged, brief.possibly))
    if brief.roads_cut_m is not None:
        at = f"{len(brief.cuts)}处" if zh else f" at {len(brief.cuts)} places"
        cut = _length(brief.roads_cut_m, language)
        parts.append(f"{'断路' if zh else 'roads cut '}{cut}{at if brief.cuts else ''}")
    if brief.since is not None:
        new, dry = (brief.since["areas_m2"][key] for key in ("new_water", "fallen_dry"))
        words = "新增{}退水{}" if zh else "new water {} fallen dry {}"
        parts.append(words.format(_area(new, language), _area(dry, language)))
    if brief.cut_off:
        cut_off = listed(brief.cut_off, language, names) if names else str(len(brief.cut_off))
        parts.append(f"{'孤村：' if zh else 'cut off: '}{cut_off}")
    parts.append(f"{'未见' if zh else 'unseen '}{1 - brief.seen_share:.0%}")
    parts.append("未经实地核查" if zh else "NOT VERIFIED")
    return ("；" if zh else "; ").join(parts) + ("。" if zh else ".")


def _short_time(brief: Brief) -> str:
    return (brief.acquired_utc or brief.produced_utc)[:16].replace("T", " ") + "Z"


def _flooded(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    if brief.water_m2 is None:
        return [said["no_classes"]]
    share = brief.water_m2 / brief.analysed_m2 if brief.analysed_m2 else 0.0
    found = [said["water"].format(area=_area(brief.water_m2, language), share=share)]
    wet = [town for town in brief.worst if town["water_area_m2"] > 0]
    if wet:
        values = [(name_of(t, language), _area(t["water_area_m2"], language)) for t in wet]
        found.append(said["most"].format(listed([f"{n} {v}" for n, v in values], language)))
    if brief.depth_m:
        depth = brief.depth_m
        said_depth = said["depth"].format(mean=depth["mean"], p90=depth["p90"], half=depth["half_width_mean"])
        found.append(said_depth)
    return found


def _buildings(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    if brief.destroyed is None:
        return [said["no_buildings"]]
    found = [
        said["grades"].format(
            destroyed=brief.destroyed,
            damaged=brief.damaged,
            possibly=brief.possibly,
            seen=brief.buildings_seen,
            wet=brief.buildings_in_water,
        )
    ]
    if brief.people_near_water is not None:
        found.append(said["people"].format(brief.people_near_water))
    return found


def _roads(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    if brief.roads_cut_m is None:
        return [said["no_roads"]]
    whole = _length(brief.roads_m, language)
    if not brief.roads_cut_m:
        return [said["passable"].format(all=whole)]
    found = [said["cut"].format(cut=_length(brief.roads_cut_m, language), all=whole)]
    if brief.cuts:
        places = [
            said["cut_place"].format(
                state=road_entry(cut.state).name(language),
                length=cut.length_m,
                lat=cut.lat_deg,
                lon=cut.lon_deg,
            )
            for cut in brief.cuts
        ]
        found.append(said["cut_at"].format(listed(places, language, _MOST_CUTS, said["semicolon"])))
    return found


def _access(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    if not brief.places:
        return [said["no_access"]]
    found = [said["none_cut_off"].format(all=brief.places)]
    if brief.cut_off:
        names = listed(brief.cut_off, language)
        found = [said["cut_off"].format(n=len(brief.cut_off), all=brief.places, names=names)]
    if brief.access_unknown:
        names = listed(brief.access_unknown, language)
        found.append(said["access_unknown"].format(n=len(brief.access_unknown), names=names))
    return found


def _unseen(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    found = [said["all_seen"]]
    if brief.seen_share < 0.995:
        found = [said["share_unseen"].format(share=1 - brief.seen_share)]
    if brief.unseen:
        names = [f"{name_of(t, language)} {1 - t['seen_share']:.0%}" for t in brief.unseen]
        area = _area(total_unseen_m2(brief), language)
        found.append(said["towns_unseen"].format(area=area, names=listed(names, language)))
    return found


def _sure(brief: Brief, language: str) -> list[str]:
    said = _SAID[language]
    found = [said["nobody"]]
    if brief.water_m2 is not None:
        known = brief.accuracy is not None
        found.append(said["accuracy"].format(brief.accuracy) if known else said["no_accuracy"])
    return found + [note_text(note, language) for note in brief.notes[:2]]


def _next(brief: Brief, language: str) -> str:
    said = _SAID[language]
    if not brief.next_flights:
        return said["no_next"] if brief.worst or brief.unseen else said["no_next_towns"]
    flights = [_flight(flight, language) for flight in brief.next_flights]
    return (
        "; ".join(f"({letter}) {text}" for letter, text in zip("ABCD", flights, strict=False)) + said["stop"]
    )


def _flight(flight: NextFlight, language: str) -> str:
    said = _SAID[language]
    unit = flight.unit_zh if language == "zh" else flight.unit_en
    return said["flight"].format(
        name=said["in"].format(unit) if unit else "",
        area=_area(flight.area_m2, language),
        lat=flight.lat_deg,
        lon=flight.lon_deg,
        why=said["beside"] if flight.beside_water else "",
    )


def name_of(unit: dict[str, Any], language: str) -> str:
    """A township's name in the language."""
    return str(unit["name_zh"] if language == "zh" else unit["name_en"])


def listed(names: Sequence[str], language: str, most: int = _MOST_NAMES, between: str = "") -> str:
    """The first names, and how many more there are."""
    said = _SAID[language]
    shown = [str(name) for name in names[:most]]
    if len(names) > most:
        shown.append(said["more"].format(len(names) - most))
    return (between or said["sep"]).join(shown)


def _area(area_m2: float, language: str) -> str:
    if area_m2 >= 1e6:
        return f"{area_m2 / 1e6:,.1f} {'平方公里' if language == 'zh' else 'km²'}"
    digits = 2 if area_m2 < 1e4 else 1 if area_m2 < 1e5 else 0
    return f"{area_m2 / 1e4:.{digits}f} {'公顷' if language == 'zh' else 'ha'}"


def _length(length_m: float, language: str) -> str:
    if length_m >= 1000:
        return f"{length_m / 1000:,.1f} {'公里' if language == 'zh' else 'km'}"
    return f"{length_m:.0f} {'米' if language == 'zh' else 'm'}"
