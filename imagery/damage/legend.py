"""The legend: what each code of a damage raster and each grade of a building or road means.

The numbers are a contract: rasters on disk, the simulator's truth, map sheets and tables all use them.
Colours are chosen to stay apart for colour-blind readers and over an aerial photo.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NOT_ANALYSED: Final = 0

# Ground classes (classes.tif)
WATER: Final = 1
MUD: Final = 2
DEBRIS: Final = 3
ROAD: Final = 4
BUILDING: Final = 5
VEGETATION: Final = 6
BARE: Final = 7
LANDSLIDE: Final = 8
SHADOW: Final = 9
"""Too dark to tell what lies there: on the map as a class, in all figures as ground that was not analysed."""
FIRST_OWN, LAST_OWN = 32, 95
"""Codes of the analysts' own classes."""

# Change classes (change.tif)
UNCHANGED: Final = 1
FLOODED: Final = 2
MUD_OR_DEBRIS_LAID: Final = 3
BUILDING_LOST: Final = 4
ROAD_LOST: Final = 5
OTHER_CHANGE: Final = 6

# Building grades, Copernicus EMS wording (the strings themselves stand in the vector files)
GRADE_NONE: Final = "No visible damage"
GRADE_POSSIBLE: Final = "Possibly damaged"
GRADE_DAMAGED: Final = "Damaged"
GRADE_DESTROYED: Final = "Destroyed"
GRADE_NOT_ANALYSED: Final = "Not Analysed"

# Road states
ROAD_PASSABLE: Final = "Passable"
ROAD_FLOODED: Final = "Flooded"
ROAD_BLOCKED: Final = "Blocked"
ROAD_BRIDGE_OUT: Final = "Bridge out"
ROAD_NOT_ANALYSED: Final = "Not Analysed"
ROADS_CUT: Final = (ROAD_FLOODED, ROAD_BLOCKED, ROAD_BRIDGE_OUT)
"""What cannot be driven, the worst last."""


@dataclass(frozen=True)
class Entry:
    """One line of a legend: a code (raster value or string), its colour and its names."""

    code: int
    key: str
    """Stable name for files and reports: lower case, no blanks."""
    colour: tuple[int, int, int]
    name_en: str
    name_zh: str

    @property
    def hex_colour(self) -> str:
        """#rrggbb."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)

    def name(self, language: str = "en") -> str:
        """The name in "en" or "zh"."""
        return self.name_zh if language == "zh" else self.name_en


CLASSES: Final[tuple[Entry, ...]] = (
    Entry(0, "not_analysed", (160, 160, 160), "Not analysed", "未判读"),
    Entry(1, "water", (31, 104, 201), "Water", "水体"),
    Entry(2, "mud", (166, 112, 60), "Mud, flood trace", "淤泥（洪痕）"),
    Entry(3, "debris", (214, 39, 160), "Debris", "堆积杂物"),
    Entry(4, "road", (90, 90, 90), "Road", "道路"),
    Entry(5, "building", (230, 85, 50), "Building", "房屋"),
    Entry(6, "vegetation", (76, 145, 65), "Vegetation", "植被"),
    Entry(7, "bare_ground", (226, 205, 140), "Bare ground", "裸地"),
    Entry(8, "landslide", (130, 70, 175), "Landslide", "滑坡"),
    Entry(9, "shadow", (45, 48, 62), "Shadow, ground not seen", "阴影（未判读）"),
)

CHANGES: Final[tuple[Entry, ...]] = (
    Entry(0, "not_analysed", (160, 160, 160), "Not analysed", "未判读"),
    Entry(1, "unchanged", (236, 236, 228), "Unchanged", "无变化"),
    Entry(2, "flooded", (31, 104, 201), "Newly flooded", "新增淹没"),
    Entry(3, "mud_or_debris", (166, 112, 60), "Mud or debris laid", "新增淤积"),
    Entry(4, "building_lost", (215, 25, 28), "Building lost", "房屋损毁"),
    Entry(5, "road_lost", (120, 40, 140), "Road lost", "道路损毁"),
    Entry(6, "other_change", (244, 190, 60), "Other change", "其他变化"),
)

GRADES: Final[tuple[Entry, ...]] = (
    Entry(0, GRADE_NOT_ANALYSED, (160, 160, 160), GRADE_NOT_ANALYSED, "未判读"),
    Entry(1, GRADE_NONE, (112, 168, 0), GRADE_NONE, "无可见损坏"),
    Entry(2, GRADE_POSSIBLE, (255, 220, 60), GRADE_POSSIBLE, "可能受损"),
    Entry(3, GRADE_DAMAGED, (255, 140, 0), GRADE_DAMAGED, "受损"),
    Entry(4, GRADE_DESTROYED, (215, 25, 28), GRADE_DESTROYED, "损毁"),
)

ROAD_STATES: Final[tuple[Entry, ...]] = (
    Entry(0, ROAD_NOT_ANALYSED, (160, 160, 160), ROAD_NOT_ANALYSED, "未判读"),
    Entry(1, ROAD_PASSABLE, (60, 150, 60), ROAD_PASSABLE, "可通行"),
    Entry(2, ROAD_FLOODED, (0, 90, 220), ROAD_FLOODED, "淹没"),
    Entry(3, ROAD_BLOCKED, (200, 20, 30), ROAD_BLOCKED, "阻断"),
    Entry(4, ROAD_BRIDGE_OUT, (122, 1, 119), ROAD_BRIDGE_OUT, "桥梁中断"),
)

# Whether the roads reach a village
REACHABLE: Final = "reachable"
CUT_OFF: Final = "cut off"
ACCESS_UNKNOWN: Final = "unknown"

ACCESS: Final[tuple[Entry, ...]] = (
    Entry(0, ACCESS_UNKNOWN, (160, 160, 160), "Access unknown", "通行情况不明"),
    Entry(1, REACHABLE, (60, 150, 60), "Reachable by road", "道路可达"),
    Entry(2, CUT_OFF, (200, 20, 30), "Cut off", "道路中断（孤岛）"),
)

# Depth classes (metres): upper edge of each, the last one open
DEPTH_EDGES_M: Final[tuple[float, ...]] = (0.0, 0.5, 1.0, 2.0, 4.0)

DEPTHS: Final[tuple[Entry, ...]] = (
    Entry(1, "0-0.5", (198, 219, 239), "0 - 0.5 m", "0 - 0.5 米"),
    Entry(2, "0.5-1", (133, 188, 219), "0.5 - 1 m", "0.5 - 1 米"),
    Entry(3, "1-2", (66, 146, 198), "1 - 2 m", "1 - 2 米"),
    Entry(4, "2-4", (17, 93, 166), "2 - 4 m", "2 - 4 米"),
    Entry(5, "over 4", (8, 48, 107), "over 4 m", "4 米以上"),
)

_ALIASES: Final[dict[str, int]] = {
    "water": WATER, "flood": WATER, "flooded": WATER, "水": WATER, "水体": WATER, "洪水": WATER,
    "mud": MUD, "flood trace": MUD, "silt": MUD, "sediment": MUD, "淤泥": MUD, "泥": MUD, "洪痕": MUD,
    "debris": DEBRIS, "rubble": DEBRIS, "杂物": DEBRIS, "堆积杂物": DEBRIS, "废墟": DEBRIS,
    "road": ROAD, "roads": ROAD, "道路": ROAD, "路": ROAD,
    "building": BUILDING, "buildings": BUILDING, "roof": BUILDING, "house": BUILDING, "房屋": BUILDING,
    "屋顶": BUILDING,
    "vegetation": VEGETATION, "crop": VEGETATION, "trees": VEGETATION, "tree": VEGETATION,
    "grass": VEGETATION, "植被": VEGETATION,
    "bare": BARE, "bare ground": BARE, "bare soil": BARE, "soil": BARE, "裸地": BARE,
    "landslide": LANDSLIDE, "landslip": LANDSLIDE, "slide": LANDSLIDE, "scar": LANDSLIDE, "滑坡": LANDSLIDE,
    "泥石流": LANDSLIDE, "崩塌": LANDSLIDE,
    "shadow": SHADOW, "shadows": SHADOW, "shade": SHADOW, "阴影": SHADOW,
}  # fmt: skip

_OWN_COLOURS: Final = (
    (0, 160, 150), (245, 190, 0), (247, 140, 190), (165, 215, 60), (90, 210, 240), (40, 40, 140),
    (130, 130, 30), (130, 20, 40), (180, 160, 240), (150, 230, 190), (250, 150, 110), (105, 65, 35),
)  # fmt: skip


@dataclass(frozen=True)
class Legend:
    """The ground classes of a map: those of `CLASSES`, and the analysts' own."""

    own: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All lines, "not analysed" first."""
        return CLASSES + self.own

    def __getitem__(self, code: int) -> Entry:
        return next(entry for entry in self.entries if entry.code == code)

    def code(self, name: object) -> int | None:
        """The class that a sample or model calls `name` (English or Chinese, any case, or the code itself);
        None when the legend knows no such class."""
        text = _plain(name)
        if text is None:
            return None
        number = text.removesuffix(".0")
        if number.isdecimal():
            return next((e.code for e in self.entries[1:] if e.code == int(number)), None)
        for entry in self.entries[1:]:
            if text in (_plain(entry.key), _plain(entry.name_en), _plain(entry.name_zh)):
                return entry.code
        return _ALIASES.get(text)

    def plain(self) -> list[dict[str, Any]]:
        """For JSON; `legend_of` reads it back."""
        return [{**asdict(entry), "colour": entry.hex_colour} for entry in self.entries]


def legend_of(lines: Iterable[Mapping[str, Any]]) -> Legend:
    """The legend that `Legend.plain` has told; of an older file without one, that of `CLASSES`.

    Raises ValueError, KeyError or TypeError when a line is none.
    """
    own = [
        Entry(
            int(line["code"]),
            str(line["key"]),
            rgb_of(line["colour"]),
            str(line["name_en"]),
            str(line["name_zh"]),
        )
        for line in lines
        if FIRST_OWN <= int(line["code"]) <= LAST_OWN
    ]
    return Legend(tuple(sorted(own, key=lambda entry: entry.code)))


def rgb_of(text: str) -> tuple[int, int, int]:
    """#rrggbb as numbers.

    Raises ValueError when it is none.
    """
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"'{text}' is no colour like #1f68c9")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def own_colour(code: int) -> tuple[int, int, int]:
    """The colour that a class of one's own gets by its code."""
    number = code - FIRST_OWN
    if number < len(_OWN_COLOURS):
        return _OWN_COLOURS[number]
    hue = math.modf(number * 0.618034)[0]  # golden section: neighbours in number lie far apart in hue
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55, 0.75 + 0.2 * (number % 2))
    return round(255 * red), round(255 * green), round(255 * blue)


def class_code(name: object) -> int | None:
    """The class of `CLASSES` that a sample or model calls `name`; None when there is no such class."""
    return Legend().code(name)


def shows_ground(classes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where class codes say what the ground is: neither unseen nor in shadow."""
    return np.asarray((classes != NOT_ANALYSED) & (classes != SHADOW))


def _plain(name: object) -> str | None:
    """A name as it is compared: lower case, one blank between words; None for what is no name."""
    if name is None or isinstance(name, bool) or name != name:
        return None
    return " ".join(str(name).casefold().replace("_", " ").replace("-", " ").split()) or None


def grade_entry(grade: str) -> Entry:
    """The legend line of a building grade."""
    return next(entry for entry in GRADES if entry.key == grade)


def road_entry(state: str) -> Entry:
    """The legend line of a road state."""
    return next(entry for entry in ROAD_STATES if entry.key == state)
