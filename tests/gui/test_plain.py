"""Vehicle states in plain words: what is wrong, and what to do."""

import asyncio

import pytest

from flight.errors import FlightError, SigningError
from flight.links.link import parse_address
from flight.links.profiles import find_profile
from flight.signing.signatures import Verdict, read_key
from flight.station import Station, StationSettings
from gui import plain
from gui.words import LANGUAGES, Words

EN = Words("en")


def titles(news, age_s=0.0):
    return [(a.tone, a.title) for a in plain.alerts(news, age_s, EN)]


def test_a_vehicle_in_good_order_needs_no_attention(news):
    assert titles(news()) == []


@pytest.mark.parametrize(
    ("age_s", "tone"), [(2.9, None), (3.0, "warn"), (9.9, "warn"), (10.0, "bad"), (125.0, "bad")]
)
def test_silence_is_a_warning_and_then_an_alarm(news, age_s, tone):
    found = titles(news(), age_s)
    assert [t for t, _ in found] == ([tone] if tone else [])
    if tone:
        assert f"{age_s:.0f} s" in found[0][1]


@pytest.mark.parametrize(
    ("percent", "tone", "todo"),
    [(30.0, None, ""), (29.0, "warn", "come home"), (20.0, "warn", "come home"), (19.0, "bad", "Land now")],
)
def test_a_low_battery_says_what_to_do(news, percent, tone, todo):
    found = plain.alerts(news(battery_percent=percent), 0.0, EN)
    assert [a.tone for a in found] == ([tone] if tone else [])
    assert all(todo in a.todo for a in found)


def test_the_worst_stands_first(news):
    found = titles(news(battery_percent=12.0, armed=False, prearm_ok=False), 5.0)
    assert [tone for tone, _ in found] == ["bad", "warn", "info"]


def test_no_position_is_worse_in_the_air(news):
    assert titles(news(gps_fix=1, armed=True))[0][0] == "bad"
    assert titles(news(gps_fix=1, armed=False))[0][0] == "warn"


def test_what_a_vehicle_never_told_is_no_alarm(news):
    unknown = news(battery_percent=None, gps_fix=None, ekf_ok=None, prearm_ok=None)
    assert titles(unknown) == []


def test_known_modes_have_both_languages():
    for mode, (english, chinese) in plain._MODES.items():
        assert english, mode
        assert any("\u4e00" <= c <= "\u9fff" for c in chinese), mode


@pytest.mark.parametrize("address", ["nonsense", "tcp:host", "udp:0.0.0.0:99999", "tcp:host:port"])
def test_faults_of_an_address_are_said_in_chinese(address):
    with pytest.raises(FlightError) as caught:
        parse_address(address)
    line = str(caught.value)
    assert plain.fault_text(line, "en") == line
    chinese = plain.fault_text(line, "zh")
    assert chinese != line
    assert address in chinese or "host" in chinese


@pytest.mark.parametrize("verdict", [Verdict.UNSIGNED, Verdict.BAD, Verdict.OLD])
def test_why_a_vehicle_is_not_heard_is_said_in_chinese(verdict):
    lines = []

    async def story():
        settings = StationSettings(on_trouble=lines.append)
        Station(find_profile("wifi"), 250, None, settings)._rejected(verdict, 3)

    asyncio.run(story())
    chinese = plain.fault_text(lines[0], "zh")
    assert chinese != lines[0]
    assert "3" in chinese


def test_what_is_wrong_with_a_key_file_is_said_in_chinese(tmp_path):
    torn, open_to_all = tmp_path / "torn.key", tmp_path / "open.key"
    for file, mode in ((torn, 0o600), (open_to_all, 0o644)):
        file.write_text("ab")
        file.chmod(mode)
    for file in (torn, open_to_all, tmp_path / "none.key"):
        with pytest.raises(SigningError) as fault:
            read_key(file)
        chinese = plain.fault_text(str(fault.value), "zh")
        assert chinese != str(fault.value)
        assert str(file) in chinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lesser_figures_leave_out_what_is_not_known(news, language):
    w = Words(language)
    assert plain.detail_line(news(), w).count("·") == 2
    assert plain.detail_line(news(mission_seq=0), w).count("·") == 1
    bare = news(gps_fix=None, battery_v=None, mission_seq=None)
    assert plain.detail_line(bare, w) == ""
