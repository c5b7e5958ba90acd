"""The legend: what each code of a damage raster and each grade of a building or road means.

The numbers are a contract: rasters on disk, the simulator's truth, map sheets and tables all use them.
Colours are chosen to stay apart for colour-blind readers and over an aerial photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NOT_ANALYSED: Final = 0

# Ground classes (classes.tif)
WATER: Final = 1
MUD: Final = 2
DEBRIS: Final = 3
ROAD: Final = 4
BUILDING: Final = 5
VEGETATION: Final = 6
BARE: Final = 7

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
ROAD_NOT_ANALYSED: Final = "Not Analysed"


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
}  # fmt: skip


def class_code(name: object) -> int | None:
    """The ground class that a sample or model calls `name` (English or Chinese, any case, or the code
    itself); None when the legend knows no such class."""
    if isinstance(name, bool) or name is None:
        return None
    text = str(name).strip().lower().replace("_", " ").replace("-", " ")
    if text.replace(".0", "", 1).isdigit():
        code = int(float(text))
        return code if 1 <= code < len(CLASSES) else None
    for entry in CLASSES[1:]:
        if text in (entry.key.replace("_", " "), entry.name_en.lower(), entry.name_zh):
            return entry.code
    return _ALIASES.get(text)


def grade_entry(grade: str) -> Entry:
    """The legend line of a building grade."""
    return next(entry for entry in GRADES if entry.key == grade)


def road_entry(state: str) -> Entry:
    """The legend line of a road state."""
    return next(entry for entry in ROAD_STATES if entry.key == state)
