"""What changed since the last report, in words: growth apart from what was only seen for the first time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

_MOST_TOWNS: Final = 3
_WORTH_NAMING_M2: Final = 50.0
_SAID: Final = {
    "en": {
        "head": "Against what was known at {when} ({hours:.1f} h before): {new} flooded since, {dry} fallen "
        "dry.",
        "most_new": " Most new water: {}.",
        "first": " Not growth: {} of water was seen for the first time.",
        "gone": " {} of water known before was not seen this time and may still stand.",
        "sep": ", ",
    },
    "zh": {
        "head": "与 {when}（{hours:.1f} 小时前）已知情况相比：新增淹没 {new}，退水 {dry}。",
        "most_new": "新增最多：{}。",
        "first": "另有 {} 为首次判读的水体，不属新增。",
        "gone": "原有 {} 水体本次未见，可能仍被淹。",
        "sep": "、",
    },
}  # fmt: skip


def since_text(
    since: Mapping[str, Any],
    towns: Sequence[Mapping[str, Any]],
    language: str,
    area: Callable[[float, str], str],
) -> str:
    """A few sentences on the `since` of a report.json and its townships' `since_m2`; `area` writes m2."""
    said, moved = _SAID[language], since["areas_m2"]
    when = dt.datetime.fromisoformat(since["previous_utc"]).astimezone(dt.UTC)
    text = said["head"].format(
        when=f"{when:%Y-%m-%d %H:%M} UTC",
        hours=since["hours"],
        new=area(moved["new_water"], language),
        dry=area(moved["fallen_dry"], language),
    )
    hit = [t for t in towns if t.get("since_m2") and t["since_m2"]["new_water"] >= _WORTH_NAMING_M2]
    hit.sort(key=lambda t: -t["since_m2"]["new_water"])
    if hit:
        key = "name_zh" if language == "zh" else "name_en"
        names = [f"{t[key]} {area(t['since_m2']['new_water'], language)}" for t in hit[:_MOST_TOWNS]]
        text += said["most_new"].format(said["sep"].join(names))
    if moved["water_first_seen"] >= _WORTH_NAMING_M2:
        text += said["first"].format(area(moved["water_first_seen"], language))
    if moved["water_out_of_sight"] >= _WORTH_NAMING_M2:
        text += said["gone"].format(area(moved["water_out_of_sight"], language))
    return text
