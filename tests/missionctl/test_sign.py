"""`missionctl sign` and --sign: keys stay out of sight, and mistakes are one line."""

import json
import os
import subprocess
import sys

import pytest

PASSPHRASE = "the river rises at night"


@pytest.fixture
def missionctl(tmp_path):
    """Run the command line with a state folder of its own."""

    def run(*arguments, stdin=None):
        return subprocess.run(
            [sys.executable, "-m", "missionctl.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            input=stdin,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )

    return run


def assert_one_line(done, *words):
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_key_is_made_and_shown_nowhere(missionctl, tmp_path):
    file = tmp_path / "drones.key"
    done = missionctl("sign", "new-key", file, "--json")
    assert done.returncode == 0, done.stderr
    secret = file.read_text().strip()
    assert len(secret) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in done.stdout + done.stderr
    assert len(json.loads(done.stdout)["key_name"]) == 8
    assert_one_line(missionctl("sign", "new-key", file), "never written over")
    assert file.read_text().strip() == secret


def test_a_passphrase_makes_the_same_key_each_time_and_the_one_of_other_stations(missionctl, tmp_path):
    import hashlib

    for name in ("a.key", "b.key"):
        done = missionctl("sign", "new-key", tmp_path / name, "--passphrase", stdin=PASSPHRASE + "\n")
        assert done.returncode == 0, done.stderr
        assert PASSPHRASE not in done.stdout + done.stderr
    wanted = hashlib.sha256(PASSPHRASE.encode()).hexdigest()
    assert (tmp_path / "a.key").read_text().strip() == wanted == (tmp_path / "b.key").read_text().strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vehicles", "--connect", "udp:127.0.0.1:0", "--sign", "{tmp}/none.key"], ["none.key", "key file"]),
        (["params", "list", "--connect", "udp:127.0.0.1:0", "--sign", "{tmp}/open.key"], ["chmod 600"]),
        (["logs", "list", "--connect", "udp:127.0.0.1:0", "--sign", "{tmp}/torn.key"], ["not a key file"]),
        (["vehicles", "--connect", "udp:127.0.0.1:0", "--forward", "x:1"], ["'x:1'"]),
        (["vehicles", "--connect", "udp:127.0.0.1:0", "--forward", "udpout:h:1?may=fly"], ["may=fly"]),
        (["sign", "enable", "--connect", "udp:127.0.0.1:0", "--key", "{tmp}/none.key"], ["none.key"]),
        (["sign", "new-key", "{tmp}/no/such/x.key"], ["x.key"]),
        (["sign", "new-key", "{tmp}/mission/x.key"], ["mission folder"]),
    ],
)
def test_mistakes_are_one_line(missionctl, tmp_path, arguments, words):
    (tmp_path / "open.key").write_text("ab" * 32)
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "torn.key").write_text("ab" * 10)
    (tmp_path / "torn.key").chmod(0o600)
    (tmp_path / "mission").mkdir()
    (tmp_path / "mission" / "mission.toml").touch()
    assert_one_line(missionctl(*(a.replace("{tmp}", str(tmp_path)) for a in arguments)), *words)
