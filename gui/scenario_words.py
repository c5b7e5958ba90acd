"""The packaged training scenarios in Chinese; their own files speak English."""

from __future__ import annotations

_CHINESE: dict[str, tuple[str, str]] = {
    "calm": ("平静的早晨", "无风，电量充足，链路良好。用于熟悉从规划到降落的全过程。"),
    "gps-trouble": (
        "GPS 故障",
        "两侧山壁陡峭，定位跳变 25 米后恢复，随后丢失 20 秒。"
        "失去定位时飞行器会就地降落：下方是什么？请准备手动接管。",
    ),
    "gusty-valley": (
        "山谷阵风",
        "顺着山谷的风在飞行中增强，接收机没有差分改正。请对照风速观察地速，并留意电量：够返航吗？",
    ),
    "lost-link": (
        "链路中断",
        "电台信号弱，飞行途中中断 40 秒。超过 FS_GCS_TIMEOUT 收不到地面站时飞行器会返航："
        "您看到什么？链路恢复后怎么办？",
    ),
    "ridge-shadow": (
        "山脊背后",
        "电台只能覆盖三公里，天线杆很矮，山体遮挡处什么也收不到；返航途中有大鸟横穿。"
        "没有地面站时飞行器继续执行任务：您是等待，还是事先把天线规划在别处？",
    ),
    "rising-water": (
        "水位上涨",
        "起飞后五分钟内水位上涨三米。飞行器返航时起飞点还是干的吗？请在高处设置集结点，或在降落前手动接管。",
    ),
    "silent-camera": (
        "相机失声",
        "相机有半分钟不写照片，但每次拍摄都有通报。降落后请清点照片：区域缺了哪一块？续飞规划补了什么？",
    ),
    "tired-battery": (
        "老化电池",
        "旧电池只有四分之三电量，起飞一分钟后负载下电压跌落，低电量保护使其返航。请根据已有照片规划余下的航线。",
    ),
    "wrong-north": (
        "北向错误",
        "起飞点旁有钢材：起飞两分钟后罗盘偏差 30 度，同时气压下降。机头偏离航线，滤波器不再可信。"
        "您相信哪个读数：罗盘、地面航迹、气压计还是卫星高度？",
    ),
}


def lesson_words(key: str, name: str, about: str, language: str) -> tuple[str, str]:
    """Name and text of a scenario in a language, as its file has them where we have no translation."""
    if language == "zh" and key in _CHINESE:
        return _CHINESE[key]
    return name, about
