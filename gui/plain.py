"""Vehicle states and messages in plain words: what is wrong and what to do. Knows no Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gui.words import Words
from missionctl.services.watching import VehicleNews

SILENT_S = 3.0
LOST_S = 10.0
BATTERY_LOW, BATTERY_EMPTY = 30.0, 20.0
GPS_3D = 3
_NOWHERE_DEG = 1e-4
_FIXES = {2: "gps_2d", 3: "gps_3d", 4: "gps_dgps", 5: "gps_float", 6: "gps_fixed"}


@dataclass(frozen=True)
class Alert:
    """Something that a pilot should know. `tone` is "bad", "warn" or "info"."""

    tone: str
    title: str
    todo: str


def alerts(news: VehicleNews, age_s: float, words: Words) -> list[Alert]:
    """What needs attention, the worst first."""
    found = []
    if age_s >= SILENT_S:
        tone = "bad" if age_s >= LOST_S else "warn"
        found.append(_alert(tone, "silent", words, s=f"{age_s:.0f}"))
    if news.battery_percent is not None and news.battery_percent < BATTERY_LOW:
        empty = news.battery_percent < BATTERY_EMPTY
        key = "battery_empty" if empty else "battery_low"
        found.append(_alert("bad" if empty else "warn", key, words, p=f"{news.battery_percent:.0f}"))
    if news.gps_fix is not None and news.gps_fix < GPS_3D:
        found.append(_alert("bad" if news.armed else "warn", "gps", words))
    if news.ekf_ok is False and (news.gps_fix or 0) >= GPS_3D:
        found.append(_alert("bad" if news.armed else "warn", "ekf", words))
    if news.prearm_ok is False and not news.armed:
        found.append(_alert("info", "prearm", words))
    return sorted(found, key=lambda a: ("bad", "warn", "info").index(a.tone))


def _alert(tone: str, key: str, words: Words, **values: object) -> Alert:
    return Alert(tone, words(f"alert_{key}", **values), words(f"alert_{key}_todo"))


def place_of(news: VehicleNews) -> tuple[float, float] | None:
    """(lat_deg, lon_deg), once it knows. Autopilots say 0, 0 until then; nobody flies a flood there."""
    if news.lat_deg is None or news.lon_deg is None:
        return None
    if abs(news.lat_deg) < _NOWHERE_DEG and abs(news.lon_deg) < _NOWHERE_DEG:
        return None
    return news.lat_deg, news.lon_deg


def age_line(age_s: float, words: Words) -> tuple[str, str]:
    """How long ago the vehicle was heard, and the tone to say it in."""
    if age_s < SILENT_S:
        return words("heard"), "good"
    return words("silence", s=f"{age_s:.0f}"), "bad" if age_s >= LOST_S else "warn"


def fix_line(fix: int | None, words: Words) -> str:
    """The kind of GPS position."""
    if fix is None:
        return ""
    return words(_FIXES.get(fix, "gps_none"))


def detail_line(news: VehicleNews, words: Words) -> str:
    """The lesser figures in one line: kind of position, voltage, mission item, wind."""
    parts = [fix_line(news.gps_fix, words)]
    if news.battery_v is not None:
        parts.append(f"{news.battery_v:.1f} V")
    if news.mission_seq:  # 0 is the launch point: no item is flown
        parts.append(words("mission_at", seq=news.mission_seq))
    if news.wind_mps is not None:
        parts.append(words("wind", v=words("mps", v=f"{news.wind_mps:.0f}")))
    return "  ·  ".join(p for p in parts if p)


def battery_tone(percent: float | None) -> str:
    """The tone for a state of charge."""
    if percent is None or percent >= BATTERY_LOW:
        return ""
    return "bad" if percent < BATTERY_EMPTY else "warn"


_MODES: dict[str, tuple[str, str]] = {
    "AUTO": ("flies its mission", "按任务飞行"),
    "AUTO.MISSION": ("flies its mission", "按任务飞行"),
    "AUTO.TAKEOFF": ("takes off", "正在起飞"),
    "AUTO.LOITER": ("holds its place", "悬停等待"),
    "AUTO.RTL": ("comes home", "正在返航"),
    "AUTO.LAND": ("lands", "正在降落"),
    "GUIDED": ("follows the station", "由地面站引导"),
    "OFFBOARD": ("follows the station", "由地面站引导"),
    "RTL": ("comes home", "正在返航"),
    "SMART_RTL": ("comes home the way it went", "沿原路返航"),
    "LAND": ("lands", "正在降落"),
    "BRAKE": ("stops", "正在刹停"),
    "LOITER": ("by hand, holds its place", "手动，自动定点"),
    "POSHOLD": ("by hand, holds its place", "手动，自动定点"),
    "POSCTL": ("by hand, holds its place", "手动，自动定点"),
    "ALT_HOLD": ("by hand, holds its height", "手动，自动定高"),
    "ALTCTL": ("by hand, holds its height", "手动，自动定高"),
    "STABILIZE": ("by hand", "手动"),
    "STABILIZED": ("by hand", "手动"),
    "MANUAL": ("by hand", "手动"),
}


def mode_line(mode: str, words: Words) -> str:
    """What a flight mode does, for those we know."""
    english, chinese = _MODES.get(mode, ("", ""))
    return chinese if words.language == "zh" else english


_FAULTS: Sequence[tuple[str, str]] = (
    (r"address (.+) is not understood; use one of: (.*)", "地址 {0} 无法识别，可用格式：{1}"),
    (r"address (.+) has no port; use one of: (.*)", "地址 {0} 缺少端口，可用格式：{1}"),
    (r"address (.+): a port is 1 to 65535", "地址 {0}：端口应为 1 至 65535"),
    (r"address (.+): (.+) is not a number; use one of: (.*)", "地址 {0}：{1} 不是数字，可用格式：{2}"),
    (r"(.+): cannot be opened \((.*)\); is it in use\?", "{0} 无法打开（{1}），是否已被占用？"),
    (r"(.+): nobody answers yet; is the vehicle powered\?", "{0}：尚无回应，飞行器是否已通电？"),
    (r"system (\d+) does not sign; if it is yours: (.*)", "飞行器 {0} 的消息没有签名；若属于本队：{1}"),
    (r"system (\d+) signs with another key, or .*", "飞行器 {0} 使用另一把密钥，或有人伪造它的消息"),
    (r"system (\d+) sent old or repeated messages .*", "飞行器 {0} 的消息陈旧或重复，已忽略"),
    (
        r"(.+): others can read this key; make it yours alone: (.*)",
        "{0}：其他人可读取此密钥，请执行：{1}",
    ),
    (r"(.+): cannot be read \((.*)\); name a key file", "{0}：无法读取（{1}），请选择密钥文件"),
    (r"(.+): is not a key file; make one with: (.*)", "{0}：不是密钥文件，可用命令新建：{1}"),
)


def fault_text(line: str, language: str = "en") -> str:
    """A fault of the link in the language of the screen; what we do not know passes as it is."""
    if language == "zh":
        for pattern, chinese in _FAULTS:
            match = re.fullmatch(pattern, line)
            if match:
                return chinese.format(*match.groups())
    return line
