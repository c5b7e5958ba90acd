"""The simulator of a training run, a process of its own.

    python -m missionctl.services.training_sim SETTINGS.json

It writes what happens to the vehicle to a file, a JSON line each, and the flight in numbers at its end: the
truth, which no ground station has.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from missionctl.services.simulator import stop_when_stdin_closes
from plans.errors import MissionError
from plans.frames import GeoPoint
from sim.scenario import read_scenario
from sim.server import SimSettings, serve
from sim.watcher import News


def main(settings_file: Path) -> int:
    """Simulate until SIGTERM, Ctrl-C, or the end of the standard input, which is who started it."""
    stop = threading.Event()
    stop_when_stdin_closes(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    told: dict[str, Any] = json.loads(settings_file.read_text(encoding="utf-8"))
    settings = SimSettings(
        home=GeoPoint(*told["home"]) if told["home"] else None,
        listen=tuple(told["listen"]),
        speedup=told["speedup"],
        world=Path(told["world"]) if told["world"] else None,
        seed=told["seed"],
    )
    try:
        settings = read_scenario(Path(told["scenario"])).apply(settings)
        with Path(told["news"]).open("w", encoding="utf-8") as out:

            def tell(line: dict[str, Any]) -> None:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()

            def on_news(news: News) -> None:
                tell(asdict(news))

            def on_ready(addresses: tuple[str, ...]) -> None:
                tell({"kind": "ready", "connect": list(addresses)})

            for summary in serve(settings, on_ready, stop, on_news):
                tell({"kind": "summary", **asdict(summary)})
    except MissionError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
