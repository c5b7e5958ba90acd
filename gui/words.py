"""Every word on the screen, English and Simplified Chinese."""

from __future__ import annotations

from dataclasses import dataclass

LANGUAGES = ("en", "zh")

_WORDS: dict[str, tuple[str, str]] = {
    # the window
    "app": ("missionctl", "missionctl"),
    "plan": ("Plan", "规划"),
    "fly": ("Fly", "飞行"),
    "map": ("Map", "成图"),
    "damage": ("Damage", "灾损"),
    "train": ("Train", "训练"),
    "open": ("Open a mission", "打开任务"),
    "open_folder": ("Choose a folder", "选择文件夹"),
    "close_notice": ("Close", "关闭"),
    "more_lines": ("+ {n} more", "另有 {n} 条"),
    "layers": ("Layers", "图层"),
    "zoom_in": ("Zoom in (+)", "放大（+）"),
    "zoom_out": ("Zoom out (-)", "缩小（-）"),
    "whole_mission": ("Whole mission (Home)", "显示整个任务（Home）"),
    "show_layers": ("Layers (L)", "图层（L）"),
    "no_place": ("This mission has no place yet", "此任务还没有位置"),
    "no_place_how": (
        "Plan a zone or name a DEM, and the map appears here.",
        "规划一个区域或指定高程数据后，地图将显示在这里。",
    ),
    "rest_reads": ("{file} cannot be shown: {reason}", "{file} 无法显示：{reason}"),
    # start page
    "start_title": ("Open a mission folder", "打开任务文件夹"),
    "start_text": (
        "A mission folder holds zones, plans, flights, mosaics and damage maps. "
        "Make one with: missionctl new",
        "任务文件夹包含区域、航线、飞行、正射影像和灾损图。可用命令新建：missionctl new",
    ),
    "bug": (
        "This is a fault of missionctl ({what}); details in {file}",
        "missionctl 出错（{what}），详见 {file}",
    ),
    "recent": ("Recent missions", "最近的任务"),
    "no_recent": ("None opened yet.", "还没有打开过任务。"),
    "gone": ("not there now", "已不存在"),
    # layers
    "layer_zones": ("Zones", "任务区"),
    "layer_lanes": ("Planned lanes", "规划航线"),
    "layer_track": ("Flown track", "飞行轨迹"),
    "layer_photos": ("Photo footprints", "照片范围"),
    "layer_buildings": ("Buildings", "房屋"),
    "layer_roads": ("Roads", "道路"),
    "legend_buildings": ("Buildings by grade", "房屋损毁等级"),
    "legend_roads": ("Roads by state", "道路状况"),
    "layer_water": ("Water outline", "水体边界"),
    "layer_classes": ("Damage classes", "灾损分类"),
    "layer_mosaic": ("Mosaic", "正射影像"),
    "layer_before": ("Before the flood", "灾前影像"),
    "layer_hillshade": ("Relief", "地形"),
    "drag_hint": ("Drag to change what lies on top", "拖动可调整上下顺序"),
    "opacity": ("Opacity", "不透明度"),
    # plan
    "plan_kicker": ("Newest plan", "最新规划"),
    "mosaic_kicker": ("Newest mosaic", "最新正射影像"),
    "damage_kicker": ("Newest damage map", "最新灾损图"),
    "plan_none": ("No plan yet", "尚无规划"),
    "plan_none_how": (
        "Make one with: missionctl plan ZONE --camera NAME -o plans/survey.plan",
        "可用命令：missionctl plan 区域文件 --camera 相机 -o plans/survey.plan",
    ),
    "photos": ("photos", "张照片"),
    "lanes": ("lanes", "条航线"),
    "flight_time": ("flight time", "飞行时间"),
    "flown_length": ("path length", "航程"),
    "coverage": ("seen from {k}+ photos", "至少 {k} 张照片覆盖"),
    "gsd": ("ground pixel", "地面分辨率"),
    "clearance": ("least clearance", "最小离地高度"),
    "sorties": ("sorties", "架次"),
    "sortie": ("Sortie {n}", "第 {n} 架次"),
    "sortie_line": ("{photos} photos, {length}, {time}", "{photos} 张，{length}，{time}"),
    "camera": ("Camera", "相机"),
    "file": ("File", "文件"),
    "zones": ("Zones", "任务区"),
    "no_zones": ("No zones yet.", "尚无任务区。"),
    "priority": ("priority {p}", "优先级 {p}"),
    # fly
    "connect": ("Connect", "连接"),
    "disconnect": ("Disconnect", "断开"),
    "connect_to": ("Vehicle address", "飞行器地址"),
    "key_choose": ("Choose a signing key", "选择签名密钥"),
    "key_drop": ("Signs with {name} (drop it)", "使用 {name} 签名（取消）"),
    "not_connected": (
        "Not connected. This view watches; the vehicle is flown by remote control or with: missionctl fly",
        "未连接。此视图仅用于监视；请用遥控器或命令 missionctl fly 控制飞行器。",
    ),
    "link_ended": ("{url}: listening has ended; connect again", "{url}：监听已中断，请重新连接"),
    "connecting": ("Waiting for the vehicle", "正在等待飞行器"),
    "connecting_how": (
        "Nothing heard yet on {url}. Check that the vehicle is on and the address is right.",
        "尚未收到 {url} 的信号。请检查飞行器是否开机、地址是否正确。",
    ),
    "armed": ("Armed", "已解锁"),
    "disarmed": ("Disarmed", "已上锁"),
    "height": ("above launch", "相对起飞点高度"),
    "speed": ("ground speed", "地速"),
    "battery": ("battery", "电量"),
    "gps": ("satellites", "卫星"),
    "gps_none": ("no position", "无定位"),
    "gps_2d": ("2D only", "仅二维"),
    "gps_3d": ("3D", "三维"),
    "gps_dgps": ("DGPS", "差分"),
    "gps_float": ("RTK float", "RTK 浮点"),
    "gps_fixed": ("RTK fixed", "RTK 固定"),
    "mission_at": ("Mission item {seq}", "任务第 {seq} 项"),
    "wind": ("wind {v}", "风速 {v}"),
    "silence": ("No word for {s} s", "已 {s} 秒没有消息"),
    "heard": ("Heard just now", "信号正常"),
    "alert_silent": ("No word from the vehicle for {s} s", "已 {s} 秒没有收到飞行器的消息"),
    "alert_silent_todo": (
        "Keep it in sight. Raise the antenna or move closer; it comes home by itself if the link stays lost.",
        "请保持目视，抬高天线或靠近飞行器；若持续失联，它将按设置自行返航。",
    ),
    "alert_battery_low": ("Battery at {p} %", "电量剩余 {p} %"),
    "alert_battery_low_todo": ("Finish this lane, then come home.", "完成当前航线后返航。"),
    "alert_battery_empty": ("Battery nearly empty: {p} %", "电量即将耗尽：{p} %"),
    "alert_battery_empty_todo": ("Land now.", "请立即降落。"),
    "alert_gps": ("No GPS position", "没有 GPS 定位"),
    "alert_gps_todo": ("Wait under open sky; do not take off.", "请在开阔处等待，不要起飞。"),
    "alert_ekf": ("The vehicle does not trust its position", "飞行器的定位不可信"),
    "alert_ekf_todo": (
        "On the ground: wait until it settles. In the air: be ready to fly by hand.",
        "在地面时请等待稳定；在空中时请准备手动接管。",
    ),
    "alert_prearm": ("Not ready to take off yet", "尚未具备起飞条件"),
    "alert_prearm_todo": ("The messages below say why.", "原因见下方消息。"),
    "vehicle": ("Vehicle {id}", "飞行器 {id}"),
    "messages": ("Messages", "消息"),
    "no_messages": ("None yet.", "暂无消息。"),
    "flights": ("Flown flights", "已完成的飞行"),
    "no_flights": ("No flights recorded yet.", "尚无飞行记录。"),
    "flight_line": ("{time}, {photos} of {expected} photos", "{time}，照片 {photos}/{expected}"),
    "center_vehicle": ("Find it on the map", "在地图上定位"),
    # mapping
    "mosaic_none": ("No mosaic yet", "尚无正射影像"),
    "mosaic_none_how": (
        "Make one with: missionctl mosaic PHOTOS -o mosaics/orthomosaic.tif",
        "可用命令：missionctl mosaic 照片文件夹 -o mosaics/orthomosaic.tif",
    ),
    "placed": ("photos placed", "已定位照片"),
    "photos_taken": ("photos in the folders", "文件夹中的照片"),
    "area": ("area", "面积"),
    "pixel": ("pixel", "像元"),
    "size_px": ("{w} x {h} px, {mb} MB", "{w} x {h} 像素，{mb} MB"),
    "placed_by": ("Placed by", "定位方式"),
    "placed_adjusted": ("matching with neighbours", "与相邻照片匹配"),
    "placed_prior": ("its own position only", "仅用自身位置"),
    "mosaics": ("Mosaics", "正射影像"),
    "newest": ("shown", "当前显示"),
    "jobs": ("At work", "正在进行"),
    "job_mosaic": ("Mosaic", "正射影像"),
    "job_damage": ("Damage map", "灾损图"),
    "job_interrupted": ("interrupted", "已中断"),
    # damage
    "damage_none": ("No damage map yet", "尚无灾损图"),
    "damage_none_how": (
        "Make one with: missionctl damage MOSAIC -o damage/first",
        "可用命令：missionctl damage 正射影像 -o damage/first",
    ),
    "suspected": (
        "Read from images, not verified on the ground.",
        "由影像判读，未经实地核实。",
    ),
    "people_exposed": ("people where it flooded", "受淹区人口"),
    "water_area": ("under water", "水面面积"),
    "roads_cut": ("road cut", "中断道路"),
    "buildings_hit": ("buildings damaged or destroyed", "受损或损毁房屋"),
    "classes": ("Ground classes", "地面分类"),
    "buildings": ("Buildings", "房屋"),
    "flooded_buildings": ("{n} stand in water", "其中 {n} 栋被水淹"),
    "townships": ("Townships", "乡镇"),
    "township": ("Township", "乡镇"),
    "water_short": ("Water", "水体"),
    "hit_short": ("Hit", "受损"),
    "people_short": ("People", "人口"),
    "seen_short": ("Seen", "已查"),
    # train
    "lessons": ("Training flights", "训练科目"),
    "lessons_text": (
        "A simulated vehicle flies here, over the flooded valley of this mission.",
        "模拟飞行器在本任务的洪水山谷上空飞行。",
    ),
    "no_world": ("This mission has no simulated valley", "此任务没有模拟场景"),
    "no_world_how": (
        "Training flights need one. Make a mission that has it with: missionctl demo --out FOLDER",
        "训练飞行需要模拟场景。可用命令新建带场景的任务：missionctl demo --out 文件夹",
    ),
    "start": ("Start", "开始"),
    "stop": ("Stop", "停止"),
    "sim_starting": ("The simulator starts", "模拟器正在启动"),
    "sim_running": ("The vehicle stands at the launch point.", "飞行器已在起飞点就位。"),
    "sim_fly_how": ("Fly it from a terminal:", "在终端中起飞："),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    "sim_failed": ("The simulator ended: {reason}", "模拟器已退出：{reason}"),
    "pace": ("Pace", "速度"),
    "pace_x": ("{x} x", "{x} 倍"),
    # units
    "unit_m": ("m", "米"),
    "unit_mps": ("m/s", "米/秒"),
    "ha": ("{v} ha", "{v} 公顷"),
    "m2": ("{v} m²", "{v} 平方米"),
    "km": ("{v} km", "{v} 公里"),
    "m": ("{v} m", "{v} 米"),
    "cm": ("{v} cm", "{v} 厘米"),
    "mps": ("{v} m/s", "{v} 米/秒"),
    "min": ("{v} min", "{v} 分钟"),
    "s": ("{v} s", "{v} 秒"),
}


@dataclass(frozen=True)
class Words:
    """The words of one language: `words("photos")`, `words("sortie", n=2)`."""

    language: str = "en"

    def __call__(self, key: str, **values: object) -> str:
        text = _WORDS[key][LANGUAGES.index(self.language)]
        return text.format(**values) if values else text

    def area(self, square_m: float) -> str:
        """An area in the unit that reads best."""
        if square_m >= 1000:
            return self("ha", v=_short(square_m / 1e4))
        return self("m2", v=f"{square_m:,.0f}")

    def length(self, metres: float) -> str:
        """A length in metres or kilometres."""
        if metres >= 1000:
            return self("km", v=_short(metres / 1000))
        return self("m", v=f"{metres:.0f}")

    def duration(self, seconds: float) -> str:
        """A duration as minutes:seconds, or seconds under a minute."""
        if seconds < 60:
            return self("s", v=f"{seconds:.0f}")
        whole = round(seconds)
        return self("min", v=f"{whole // 60}:{whole % 60:02d}")


def _short(value: float) -> str:
    """Three figures or so."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
