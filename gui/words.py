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
    "plan_kicker": ("Survey plan", "航测规划"),
    "mosaic_kicker": ("Newest mosaic", "最新正射影像"),
    "damage_kicker": ("Newest damage map", "最新灾损图"),
    "newest_plan": ("Newest plan: {name}", "最新规划：{name}"),
    "save_plan": ("Save plan", "保存规划"),
    "saved_as": ("Saved as {file}", "已保存为 {file}"),
    "not_saved": ("Not saved as a plan yet", "尚未保存为规划"),
    "restored": ("This drawing was not saved as a plan", "此绘制内容尚未保存为规划"),
    "restored_how": (
        "missionctl ended before. Nothing that was drawn is lost.",
        "上次程序已退出，绘制内容没有丢失。",
    ),
    "restored_keep": ("Go on with it", "继续编辑"),
    "restored_drop": ("Drop it", "放弃"),
    "areas": ("Areas", "区域"),
    "no_areas": ("Nothing drawn yet", "尚未绘制"),
    "no_areas_how": (
        "Take Zone at the left of the map and click round the flooded ground.",
        "选择地图左侧的“任务区”，沿受淹区域依次点击。",
    ),
    "new_zone": ("Zone", "任务区"),
    "new_no_fly": ("No-fly area", "禁飞区"),
    "area_name": ("Name of the area", "区域名称"),
    "name_taken": ("Another area is called {name}.", "已有名为 {name} 的区域。"),
    "priority_name": ("Priority (higher first)", "优先级（高者先飞）"),
    "wishes": ("Wishes", "要求"),
    "choose_camera": ("Choose a camera", "选择相机"),
    "automatic": ("auto", "自动"),
    "by_height": ("by height", "按高度"),
    "by_gsd": ("by pixel", "按分辨率"),
    "wish_gsd": ("Ground pixel", "地面分辨率"),
    "wish_height": ("Height above ground", "离地高度"),
    "wish_overlap": ("Overlap along", "航向重叠"),
    "wish_sidelap": ("Overlap aside", "旁向重叠"),
    "wish_speed": ("Speed", "飞行速度"),
    "wish_angle": ("Direction of lanes", "航线方向"),
    "wish_clearance": ("Least clearance", "最小离地间隙"),
    "wish_drones": ("Drones", "无人机数量"),
    "wish_endurance": ("Battery lasts", "续航时间"),
    "result": ("What comes of it", "规划结果"),
    "show_views": ("Show how many photos see the ground", "显示地面被拍摄次数"),
    "makespan": ("until the last has landed", "至全部降落"),
    "sortie_battery": ("{p} % of the battery", "用电 {p} %"),
    "profile": ("Terrain along sortie 1", "第 1 架次地形剖面"),
    "profile_axis": ("m above sea level", "海拔（米）"),
    "profile_about": (
        "Terrain along sortie {n}: at least {m} m between ground and drone",
        "第 {n} 架次地形剖面：离地至少 {m} 米",
    ),
    "notes": ("Notes", "说明"),
    "place_ask": ("Where is it?", "任务地点"),
    "place_how": (
        "Latitude and longitude, as 31.0215, 103.6120",
        "纬度和经度，例如 31.0215，103.6120",
    ),
    "place_go": ("Go there", "前往"),
    "place_wrong": ("Not a place: give latitude and longitude in degrees", "无法识别：请以度输入纬度和经度"),
    "tool_select": ("Select", "选择"),
    "tool_select_how": ("Choose and change what is drawn", "选择并修改已绘制的内容"),
    "tool_zone": ("Zone", "任务区"),
    "tool_zone_how": ("Draw ground to be mapped", "绘制需要航测的区域"),
    "tool_no_fly": ("No-fly", "禁飞区"),
    "tool_no_fly_how": ("Draw an area to stay out of", "绘制禁止飞入的区域"),
    "tool_hole": ("Hole", "挖空"),
    "tool_hole_how": ("Cut a piece out of an area", "从区域中挖去一块"),
    "tool_split": ("Split", "分割"),
    "tool_split_how": ("Cut an area in two with a line", "用一条线把区域分成两块"),
    "tool_launch": ("Launch", "起飞点"),
    "tool_launch_how": ("Put a launch point", "放置起飞点"),
    "tool_measure": ("Measure", "测量"),
    "tool_measure_how": ("Measure length and area", "测量长度和面积"),
    "tool_join": ("Join", "合并"),
    "tool_join_how": ("Make one area of those that touch", "把相接的区域合并为一个"),
    "tool_delete": ("Delete", "删除"),
    "tool_delete_how": ("Delete the area in hand (Delete)", "删除选中的区域（Delete）"),
    "tool_undo": ("Undo", "撤销"),
    "tool_undo_how": ("Take the last step back (Ctrl+Z)", "撤销上一步（Ctrl+Z）"),
    "tool_redo": ("Redo", "重做"),
    "tool_redo_how": ("Take it again (Ctrl+Shift+Z)", "重做（Ctrl+Shift+Z）"),
    "hint_empty": (
        "Take Zone (Z) and click round the flooded ground.",
        "选择“任务区”（Z），沿受淹区域依次点击。",
    ),
    "hint_select": (
        "Click an area to change it. Drag its corners; drag an edge for a new corner.",
        "点击区域进行修改：拖动角点移动，拖动边可增加角点。",
    ),
    "hint_zone": (
        "Click the corners. A click on the first one, or Enter, closes it. Esc gives up.",
        "依次点击角点；点击第一个角点或按 Enter 结束，按 Esc 放弃。",
    ),
    "hint_no_fly": (
        "Click the corners of what is barred. Enter closes it. Esc gives up.",
        "依次点击禁飞区的角点；按 Enter 结束，按 Esc 放弃。",
    ),
    "hint_hole": (
        "Click round what is to be left out. Enter closes it. Esc gives up.",
        "沿需要挖去的部分依次点击；按 Enter 结束，按 Esc 放弃。",
    ),
    "hint_split": (
        "Click a line from outside the area to its other side; Enter ends it.",
        "从区域外一侧点击到另一侧画线；按 Enter 结束。",
    ),
    "hint_launch": ("Click where a drone takes off. Esc gives up.", "点击无人机起飞的位置；按 Esc 放弃。"),
    "hint_measure": (
        "Click along what is to be measured; Enter ends it.",
        "沿需要测量的路线依次点击；按 Enter 结束。",
    ),
    "crosses_itself": ("The border would cross itself; nothing was changed.", "边界会自相交，未作修改。"),
    "needs_three": (
        "An area needs three corners; delete the whole area instead.",
        "区域至少需要三个角点；请删除整个区域。",
    ),
    "hole_outside": ("Draw the hole inside one area.", "请在一个区域内绘制要挖去的部分。"),
    "split_outside": ("The line must cross one area from side to side.", "分割线须从一侧贯穿区域到另一侧。"),
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
    "paint": ("Paint what you see", "标注所见地物"),
    "paint_how": (
        "Take a class and stroke over it on the map; {n} short strokes each, far apart.",
        "选择一类并在地图上涂画；每类画 {n} 笔短线，彼此分散。",
    ),
    "own_class": ("A class of your own, Enter", "自定义类别，按 Enter 添加"),
    "brush_width": ("Width of the brush", "笔宽"),
    "erase": ("Erase a stroke", "擦除一笔"),
    "preview": ("Preview", "预览"),
    "make_map": ("Make the damage map", "生成灾损图"),
    "stop_map": ("Stop making the map", "停止生成"),
    "grade_begin": ("Grade the buildings", "逐栋判定房屋"),
    "grade_building": ("Building {id} ({n} left)", "房屋 {id}（剩余 {n} 栋）"),
    "grade_suggested": ("Suggested: {grade}, {p} % sure", "建议：{grade}，可信度 {p} %"),
    "grade_skip": ("Later (Space)", "稍后（空格）"),
    "grade_end": ("End (Esc)", "结束（Esc）"),
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
    "unit_cm": ("cm", "厘米"),
    "unit_min": ("min", "分钟"),
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
