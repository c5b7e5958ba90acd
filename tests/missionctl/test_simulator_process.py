"""A simulator as a process of its own: it does not outlive who started it."""

import socket
import subprocess
import sys
import time

from missionctl.services.simulator import simulator_process

STARTS_ONE = """
import sys
from pathlib import Path
from missionctl.services.simulator import simulator_process, wait_until_ready
log = Path(sys.argv[1])
command = [sys.executable, "-m", "missionctl.cli.main", "sim", "--home", "30.05,103.15,500"]
command += ["--listen", "tcpin:127.0.0.1:0", "--end-with-stdin"]
with simulator_process(command, log) as child:
    said = wait_until_ready(child, log, lambda: log.read_text() if "ready" in log.read_text() else None)
    print(said.strip(), flush=True)
    child.wait()
"""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_it_ends_when_who_started_it_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, str(tmp_path / "sim.log")], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(parent.stdout.readline().rsplit(":", 1)[1])
        assert listens(port)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline_s = time.monotonic() + 20.0
    while listens(port):
        assert time.monotonic() < deadline_s, "it runs on, and nobody ends it"
        time.sleep(0.2)


def test_it_ends_with_the_context(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with simulator_process(sleeper, tmp_path / "log") as child:
        assert child.poll() is None
    assert child.poll() is not None
