"""The whole job, as `make demo` does it: run time and the figures of its report."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_demo(seed, tmp_path, benchmark, tell):
    out = tmp_path / "demo"
    command = [
        sys.executable,
        "-m",
        "missionctl.cli.main",
        "demo",
        "--seed",
        str(seed),
        "--out",
        str(out),
        "--json",
    ]

    def run():
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = benchmark.pedantic(run, rounds=1)
    report = json.loads(done.stdout)
    flight, mosaic, iou = report["flight"], report["mosaic"], report["damage"]["iou"]
    tell(
        f"demo, seed {seed}: {report['seconds']:.0f} s; {flight['items_sent']} items sent, "
        f"{flight['items_read_back']} read back; {flight['photos_confirmed']} photos taken, "
        f"{mosaic['placed']} placed; RMSE {mosaic['rmse_gsd']:.2f} GSD; water IoU {iou['water']:.2f}"
    )
    tell("IoU: " + ", ".join(f"{name} {value:.2f}" for name, value in iou.items()))
    assert all(report["checks"].values()), report["checks"]
    assert report["seconds"] < 300
