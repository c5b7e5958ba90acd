"""A live vehicle in the window: where it is, how it is, what to do when something is wrong."""

import threading

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton

from flight.signing.signatures import SigningKey, write_key
from gui.live import LiveLink
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 105.0)


def at(east_m, north_m):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return {"lat_deg": float(lat), "lon_deg": float(lon)}


@pytest.fixture
def fly(mission, open_window, radio):
    """A window in its Fly view, connected to a vehicle that has not spoken yet."""
    window = open_window(mission, "fly", link=radio.link())
    window.live.open("udp:0.0.0.0:14550")
    return window


def say(radio, *news):
    for item in news:
        radio.last.say(item)
    QApplication.processEvents()


def test_the_button_connects_and_disconnects(mission, open_window, radio, qtbot, news):
    window = open_window(mission, "fly", link=radio.link())
    panel = window.fly
    assert panel.button.text() == "Connect"
    panel.address.setText("　tcp：127.0.0.1：5760 ".replace("　", " "))
    qtbot.mouseClick(panel.button, Qt.MouseButton.LeftButton)
    assert radio.last.url == "tcp:127.0.0.1:5760"
    assert panel.button.text() == "Disconnect"
    assert "tcp:127.0.0.1:5760" in panel.status.text()
    say(radio, news())
    assert panel.vehicle.isVisible()
    qtbot.mouseClick(panel.button, Qt.MouseButton.LeftButton)
    assert panel.button.text() == "Connect"
    assert not panel.vehicle.isVisible()
    assert window.live.vehicles == {}
    qtbot.waitUntil(lambda: radio.last.closed, timeout=2000)


def test_news_moves_the_symbol(fly, radio, news):
    say(radio, news(**at(10.0, 20.0), heading_deg=45.0))
    shown = fly.live.vehicles[1]
    assert (shown.place.x(), shown.place.y()) == pytest.approx((10.0, -20.0), abs=0.01)
    assert shown.symbol.heading_deg == 45.0
    assert not shown.symbol.stale
    say(radio, news(**at(30.0, 25.0), heading_deg=None))
    assert (shown.place.x(), shown.place.y()) == pytest.approx((30.0, -25.0), abs=0.01)
    assert shown.symbol.heading_deg is None


def test_a_vehicle_that_does_not_know_its_place_yet_is_not_drawn(fly, radio, news):
    say(radio, news(lat_deg=0.0, lon_deg=0.0))
    assert fly.fly.vehicle.isVisible()
    assert fly.live.vehicles == {}
    say(radio, news())
    assert set(fly.live.vehicles) == {1}


def test_the_card_says_how_it_is(fly, radio, news):
    say(radio, news(status_texts=("Mission: 7 WP", "Odd words")))
    card = fly.fly.vehicle
    assert card.mode.text() == "AUTO"
    assert card.doing.text() == "flies its mission"
    assert card.armed.text() == "Armed"
    assert card.height_m.value == "60"
    assert card.speed_mps.value == "8.0"
    assert card.battery.value == "87"
    assert card.gps.value == "28"
    assert card.detail.text() == "RTK fixed  ·  23.9 V  ·  Mission item 7"
    assert card.texts.text() == "Odd words\nFlies to point 7"
    assert card.age.text() == "Heard just now"
    assert card.alerts == ()


def test_a_vehicle_that_has_told_nothing_shows_dashes(fly, radio, news):
    nothing = dict.fromkeys(
        ("lat_deg", "lon_deg", "alt_rel_m", "heading_deg", "groundspeed_mps", "battery_percent", "gps_fix",
         "satellites", "mission_seq", "battery_v", "ekf_ok", "prearm_ok")
    )  # fmt: skip
    say(radio, news(**nothing, mode="MODE 17"))
    card = fly.fly.vehicle
    assert [f.value for f in (card.height_m, card.speed_mps, card.battery, card.gps)] == ["–"] * 4
    assert card.doing.text() == ""
    assert fly.live.vehicles == {}


def test_a_height_just_under_zero_is_no_minus_zero(fly, radio, news):
    say(radio, news(alt_rel_m=-0.3))
    assert fly.fly.vehicle.height_m.value == "0"
    say(radio, news(alt_rel_m=-4.2))
    assert fly.fly.vehicle.height_m.value == "-4"


def test_a_silent_vehicle_grows_old_on_the_screen(fly, radio, news):
    say(radio, news())
    radio.now_s += 5.0
    fly.live.link.tick()
    card = fly.fly.vehicle
    assert card.age.text() == "No word for 5 s"
    assert fly.live.vehicles[1].symbol.stale
    assert [a.tone for a in card.alerts] == ["warn"]
    radio.now_s += 60.0
    fly.live.link.tick()
    assert [a.tone for a in card.alerts] == ["bad"]
    assert "comes home by itself" in card.alerts[0].todo
    say(radio, news())
    assert card.alerts == ()
    assert not fly.live.vehicles[1].symbol.stale


def test_alerts_are_in_plain_words_with_what_to_do(fly, radio, news):
    say(radio, news(battery_percent=14.0))
    texts = [w.text() for w in fly.fly.vehicle.findChildren(QLabel) if w.isVisible()]
    assert "Battery nearly empty: 14 %" in texts
    assert "Land now." in texts


def test_of_two_vehicles_one_is_chosen(fly, radio, news, qtbot):
    say(radio, news(sysid=1, mode="AUTO"), news(sysid=2, mode="RTL", **at(40.0, 0.0)))
    assert set(fly.live.vehicles) == {1, 2}
    assert fly.fly.vehicle.mode.text() == "AUTO"
    second = next(b for b in fly.fly.vehicle.findChildren(QPushButton) if b.text() == "2")
    qtbot.mouseClick(second, Qt.MouseButton.LeftButton)
    assert fly.fly.vehicle.mode.text() == "RTL"


def test_finding_it_brings_it_to_the_middle(fly, radio, news, qtbot):
    say(radio, news(**at(60.0, -30.0)))
    fly.map.canvas.zoom(4.0)
    find = next(b for b in fly.fly.vehicle.findChildren(QPushButton) if b.text() == "Find it on the map")
    qtbot.mouseClick(find, Qt.MouseButton.LeftButton)
    middle = fly.map.canvas.view_rect.center()
    assert (middle.x(), middle.y()) == pytest.approx((60.0, 30.0), abs=1.0)


def test_the_bar_shows_the_vehicle_in_the_other_views(fly, radio, news):
    say(radio, news(battery_percent=25.0))
    assert not fly.live.bar.isVisible()
    for view in ("plan", "map", "damage", "train"):
        fly.show_view(view)
        assert fly.live.bar.isVisible()
        assert "AUTO" in fly.live.bar.line
        assert "25 %" in fly.live.bar.line
    fly.show_view("fly")
    assert not fly.live.bar.isVisible()


@pytest.mark.parametrize("width", [900, 1280, 1920])
def test_the_bar_never_lies_under_the_buttons(mission, open_window, radio, news, width):
    window = open_window(mission, "map", link=radio.link(), size=(width, 720))
    window.live.open("udp:0.0.0.0:14550")
    say(radio, news())
    QApplication.processEvents()
    bar = window.live.bar
    assert bar.isVisible()
    if width >= 1280:
        assert not bar.geometry().intersects(window.map.buttons.geometry())
        assert not bar.geometry().intersects(window.layers.geometry())


@pytest.mark.parametrize("address", ["nonsense", "tcp:nowhere", "udp:0.0.0.0:123456"])
def test_a_wrong_address_is_one_line(mission, open_window, address):
    window = open_window(mission, "fly", link=LiveLink())
    window.live.open(address)
    assert address in window.notice.line
    assert "\n" not in window.notice.line
    assert window.fly.button.text() == "Connect"


def test_an_address_in_use_is_one_line_and_the_link_is_closed(mission, open_window, qtbot):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"tcpin:127.0.0.1:{taken.getsockname()[1]}"
        window = open_window(mission, "fly", link=LiveLink())
        window.live.open(url)
        qtbot.waitUntil(lambda: url in window.notice.line, timeout=5000)
    assert "is it in use?" in window.notice.line
    assert window.fly.button.text() == "Connect"


def test_the_next_try_takes_the_line_back(mission, open_window, radio):
    window = open_window(mission, "fly", link=radio.link())
    window.live.open("nonsense")
    assert window.notice.line
    window.live.open("udp:0.0.0.0:14550")
    assert window.notice.line == ""


def test_faults_of_the_link_are_said_in_chinese(mission, open_window, radio):
    window = open_window(mission, "fly", "zh", radio.link())
    window.live.open("nonsense")
    assert "无法识别" in window.notice.line


def test_a_remark_leaves_the_link_open(fly, radio, news):
    radio.last.complain("udp:0.0.0.0:14550: nobody answers yet; is the vehicle powered?")
    fly.live.link.tick()
    assert fly.live.link.is_open
    assert fly.notice.line == ""  # the panel says so already
    assert "Nothing heard yet" in fly.fly.status.text()


def test_a_listening_thread_that_has_ended_closes_the_link(fly, radio, qtbot):
    speaker = threading.Thread(target=radio.last.complain, args=("the radio is unplugged",))
    speaker.start()
    speaker.join()
    fly.live.link.tick()
    assert not fly.live.link.is_open
    assert fly.notice.line == "the radio is unplugged"


def test_news_of_a_link_that_was_closed_is_not_shown(fly, radio, news):
    late = radio.last
    fly.live.link.close()
    late.say(news())
    QApplication.processEvents()
    assert fly.live.vehicles == {}
    assert not fly.fly.vehicle.isVisible()


def test_the_watcher_is_kept_awake_and_closed_with_the_window(fly, radio, qtbot):
    qtbot.waitUntil(lambda: radio.last.pulses >= 2, timeout=3000)
    fly.close()
    assert radio.last.closed


def test_a_vehicle_gives_a_mission_without_a_place_one(make_mission, open_window, radio, news):
    folder = make_mission(place=False, rasters=False, rows=False)
    window = open_window(folder, "fly", link=radio.link())
    window.live.open("udp:0.0.0.0:14550")
    say(radio, news())
    assert 1 in window.live.vehicles
    assert window.map.canvas.view_rect.contains(window.live.vehicles[1].place)


def test_the_flights_on_record_are_listed(fly):
    texts = [w.text() for w in fly.fly.findChildren(QLabel)]
    assert "5:11 min, 11 of 12 photos" in texts


# -- signed ----------------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "drones.key"
    write_key(file, SigningKey(bytes(range(32))))
    return file


def test_the_key_that_is_chosen_signs_the_next_connection_until_it_is_dropped(
    mission, open_window, radio, qtbot, key_file, monkeypatch
):
    window = open_window(mission, "fly", link=radio.link())
    button = window.fly.key_button
    assert button.text() == "Choose a signing key"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(key_file), ""))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "drones.key" in button.text()
    window.live.open("udp:0.0.0.0:14550")
    assert radio.last.settings.key == SigningKey(bytes(range(32)))
    assert radio.last.settings.clock_folder == key_file.parent / "state" / "missionctl" / "signing"
    assert not button.isVisible()
    radio.last.complain("system 1 signs with another key, or somebody forges its messages")
    window.live.link.tick()
    assert "another key" in window.notice.line
    window.live.open("tcp:127.0.0.1:5760", signed=False)  # a simulator
    assert radio.last.settings.key is None
    window.live.link.close()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert button.text() == "Choose a signing key"
    window.live.open("udp:0.0.0.0:14550")
    assert radio.last.settings.key is None


def test_a_long_name_of_a_key_file_does_not_widen_the_panel(mission, open_window, radio, key_file):
    window = open_window(mission, "fly", link=radio.link())
    width = window.fly.widget().minimumSizeHint().width()
    file = key_file.rename(key_file.with_name("drones-of-the-whole-county-and-its-neighbours-2026.key"))
    window.live.use_key(file)
    assert window.fly.widget().minimumSizeHint().width() == width
    assert window.fly.key_button.toolTip() == file.name


def test_a_file_that_is_no_key_is_one_line_and_nothing_changes(mission, open_window, radio, key_file):
    window = open_window(mission, "fly", link=radio.link())
    window.live.use_key(key_file)
    torn = key_file.with_name("torn.key")
    torn.write_text("ab")
    torn.chmod(0o600)
    window.live.use_key(torn)
    assert "is not a key file" in window.notice.line
    assert "drones.key" in window.fly.key_button.text()
