"""What an autopilot says (STATUSTEXT), in plain words, and what to do about it: English and Chinese.

The texts stand in plain_texts.txt as the autopilots' sources have them; a few families follow here, which
hold for many texts and for older autopilots. A text that nobody knows passes as it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

_FORMAT = re.compile(r"%%|%[-+0-9.]*(?:l|ll|z)?[diufsxXc]")
_BEFORE = {
    "any": "",
    "prearm": "(?:PreArm|Arm): ",
    "preflight": "Preflight Fail: ",
}
_NOT_READY = {"en": "Not ready: ", "zh": "未就绪："}


@dataclass(frozen=True)
class PlainText:
    """A text in plain words. `key` names it, None where it is not known: `text` is then the vehicle's own.
    `todo` is empty when there is nothing to do."""

    key: str | None
    text: str
    todo: str = ""


@dataclass(frozen=True)
class Saying:
    """One text that an autopilot says, as its source has it, and its words by language."""

    key: str
    section: str
    said: str
    words: dict[str, tuple[str, str]]

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the text."""
        return re.compile(_BEFORE[self.section] + pattern_of(self.said), re.IGNORECASE)


@dataclass(frozen=True)
class _Family:
    key: str
    pattern: re.Pattern[str]
    words: dict[str, tuple[str, str]]


def _family(key: str, pattern: str, en: str, todo: str, zh: str, zh_todo: str) -> _Family:
    return _Family(key, re.compile(pattern, re.IGNORECASE), {"en": (en, todo), "zh": (zh, zh_todo)})


_FAMILIES: Sequence[_Family] = (
    _family(
        "gps", r"PreArm: .*(3D Fix|GPS.*(fix|lock)|Bad Position).*",
        "Not ready: no GPS position yet", "Wait under open sky.", "未就绪：GPS 尚未定位", "请在开阔处等待。",
    ),
    _family("compass", r"PreArm: .*compass.*", "Not ready: the compass is not calibrated",
            "Calibrate it away from metal.", "未就绪：磁罗盘需要校准", "请远离金属物校准。"),
    _family("still", r"PreArm: .*(accel|gyro|INS).*", "Not ready: hold the vehicle still", "",
            "未就绪：请保持飞行器静止", ""),
    _family("power", r"PreArm: .*(battery|voltage).*", "Not ready: battery too low", "Change the battery.",
            "未就绪：电量不足", "请更换电池。"),
    _family("remote", r"PreArm: (RC|Radio|Throttle).*", "Not ready: check the remote control", "",
            "未就绪：请检查遥控器", ""),
    _family("settling", r"PreArm: .*(EKF|AHRS).*", "Not ready: position still settling, wait", "",
            "未就绪：定位尚未稳定，请稍候", ""),
    _family("not_ready", r"(?:PreArm|Arm|Preflight Fail|Arming denied): (.*)", "Not ready: {0}", "",
            "未就绪：{0}", ""),
    _family("arming", r"Arming motors.*", "Motors start", "", "电机启动", ""),
    _family("disarming", r"Disarming motors.*", "Motors stop", "", "电机停止", ""),
    _family("waypoint", r"Mission: (\d+) WP.*", "Flies to point {0}", "", "飞往航点 {0}", ""),
    _family("take_off", r"Mission: (\d+) Takeoff.*", "Takes off", "", "起飞", ""),
    _family("home", r"Mission: (\d+) (?:Land|RTL).*", "Comes home to land", "", "返航降落", ""),
    _family("item", r"Mission: (\d+) (.*)", "Mission item {0}: {1}", "", "任务第 {0} 项：{1}", ""),
    _family("reached", r"Reached waypoint #(\d+).*", "Reached point {0}", "", "到达航点 {0}", ""),
    _family("gps_used", r"EKF\d? IMU\d? is using GPS.*", "Position comes from GPS", "", "使用 GPS 定位", ""),
    _family("aligned", r"EKF\d? IMU\d? (?:origin set|tilt alignment complete|.*yaw alignment complete).*",
            "Ready to find its place", "", "姿态对准完成", ""),
    _family("battery_low", r".*Battery \d* ?failsafe.*|Battery .* (?:low|critical).*",
            "Battery low: it will come home or land", "Watch it.", "电量不足：将返航或降落", "请观察。"),
    _family("remote_lost", r".*(?:Radio|Throttle) Failsafe.*", "Remote control lost", "Watch it.",
            "遥控信号丢失", "请观察。"),
    _family("link_lost", r".*GCS Failsafe.*", "It lost the link to this station", "Look at the link.",
            "与地面站的连接中断", "请检查链路。"),
    _family("variance", r".*(?:EKF|compass) variance.*|EKF Failsafe.*|EKF .* variance",
            "It does not trust its position", "Be ready to take over by hand.", "定位不可信",
            "请准备手动接管。"),
    _family("glitch", r".*(?:GPS Glitch).*", "GPS position jumps", "Be ready to take over by hand.",
            "GPS 位置跳变", "请准备手动接管。"),
    _family("fence", r".*Fence breach.*", "It crossed its fence", "Watch it.", "越过电子围栏", "请观察。"),
    _family("terrain", r".*[Tt]errain data.*", "No terrain heights on board", "Load terrain heights.",
            "机上缺少地形数据", "请加载地形数据。"),
    _family("crash", r"Crash: Disarming.*", "Crash detected, motors stopped", "Note its last position.",
            "检测到坠机，电机已停止", "请记录最后位置。"),
    _family("ground", r"SIM Hit ground.*", "Touched the ground", "", "已触地", ""),
    _family("landed", r"Land complete.*|Landed.*", "Landed", "", "已降落", ""),
)  # fmt: skip


def pattern_of(said: str) -> str:
    """A printf format of a source as a regular expression, a group for each value."""
    parts, at = [], 0
    for found in _FORMAT.finditer(said):
        parts.append(re.escape(said[at : found.start()]))
        parts.append("%" if found.group() == "%%" else "(.+?)")
        at = found.end()
    return "".join(parts) + re.escape(said[at:])


@functools.cache
def sayings() -> tuple[Saying, ...]:
    """All texts of plain_texts.txt, those that leave least open first."""
    text = resources.files("flight").joinpath("plain_texts.txt").read_text(encoding="utf-8")
    return tuple(sorted(_read(text), key=lambda s: -len(_FORMAT.sub("", s.said))))


def _read(text: str) -> Iterator[Saying]:
    section = "any"
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith("#"):
            key, said, en, todo, zh, zh_todo = (part.strip() for part in line.split("|"))
            yield Saying(key, section, said, {"en": (en, todo), "zh": (zh, zh_todo)})


def plain(text: str, language: str = "en") -> PlainText:
    """A vehicle's own words in plain ones."""
    line = " ".join(text.split())
    for saying in sayings():
        match = saying.pattern.fullmatch(line)
        if match:
            words, todo = saying.words[language]
            told = words.format(*match.groups())
            if saying.section != "any":
                return PlainText(saying.key, _NOT_READY[language] + told, todo)
            return PlainText(saying.key, told[:1].upper() + told[1:], todo)
    for family in _FAMILIES:
        match = family.pattern.fullmatch(line)
        if match:
            words, todo = family.words[language]
            return PlainText(family.key, words.format(*match.groups()), todo)
    return PlainText(None, line)


def plain_text(text: str, language: str = "en") -> str:
    """The same as one sentence."""
    return plain(text, language).text
