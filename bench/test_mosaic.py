"""The real photos and a simulated block stitched, beside decoding them once and beside OpenCV's Stitcher."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from missionctl.services.demo import standing_of
from missionctl.services.scoring import score_position
from sim.world.store import load_world

from .photo_blocks import make_block, make_wide_block

ROUNDS = 3

_OURS = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "missionctl.cli.main", "mosaic", *sys.argv[1:], "--json"],
                      capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.stdout.strip()[:-1] + f', "cpu_s": {used.ru_utime + used.ru_stime}' + "}")
"""
_DECODE = """
import json, resource, sys, cv2
from pathlib import Path
cv2.setNumThreads(1)
before = resource.getrusage(resource.RUSAGE_SELF)
for path in sorted(Path(sys.argv[1]).glob("*.JPG")):
    assert cv2.imread(str(path)) is not None
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}))
"""
_STITCHER = """
import json, resource, sys, cv2
from pathlib import Path
photos = [cv2.imread(str(p)) for p in sorted(Path(sys.argv[1]).glob("*.JPG"))]
stitcher = cv2.Stitcher.create(cv2.Stitcher_SCANS)
status, _ = stitcher.stitch(photos)
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"status": status, "used": len(stitcher.component()), "peak_rss_mb": rss}))
"""


@pytest.fixture
def blocks(tmp_path):
    """Where simulated photos are: in the folder that MISSIONCTL_BLOCKS names, from one run to the next."""
    return Path(os.environ.get("MISSIONCTL_BLOCKS", tmp_path))


def _timed(code, *arguments):
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return time.perf_counter() - begun, json.loads(done.stdout)


def _decode_all(folder):
    begun = time.perf_counter()
    for file in sorted(folder.glob("*.JPG")):
        assert cv2.imread(str(file)) is not None
    return time.perf_counter() - begun


def test_real_photos(brighton, tmp_path, benchmark, tell):
    rows = {"decode": [], "full": [], "quick": [], "stitcher": []}
    last = {}
    cpu = {"decode": [], "full": [], "quick": []}

    def round_of_all():
        cpu["decode"].append(_timed(_DECODE, brighton)[1]["cpu_s"])
        rows["decode"].append(_decode_all(brighton))
        for name in ("full", "quick"):
            words = [brighton, "-o", tmp_path / f"{name}.tif", "--quality", name]
            seconds, last[name] = _timed(_OURS, *words)
            rows[name].append(seconds)
            cpu[name].append(last[name]["cpu_s"])
        seconds, last["stitcher"] = _timed(_STITCHER, brighton)
        rows["stitcher"].append(seconds)

    benchmark.pedantic(round_of_all, rounds=ROUNDS)
    median = {name: statistics.median(times) for name, times in rows.items()}
    tell(f"decode the 18 photos once, one thread: {median['decode']:.1f} s (median of {ROUNDS})")
    for name in ("full", "quick"):
        report = last[name]
        tell(
            f"mosaic {name}: {median[name]:.1f} s; computing, start-up included, "
            f"{statistics.median(cpu[name]) / statistics.median(cpu['decode']):.1f} x decoding; "
            f"{report['peak_rss_mb']:.0f} MB, {report['placed']} of {report['photos']} photos, "
            f"{report['gsd_cm']:.2f} cm, reprojection {report['reprojection_rms_px']:.2f} px"
        )
    stitched = last["stitcher"]
    tell(
        f"OpenCV Stitcher (SCANS): {median['stitcher']:.1f} s, {stitched['peak_rss_mb']:.0f} MB, "
        f"{stitched['used']} of 18 photos, no georeference"
    )
    assert last["full"]["placed"] == 18


@pytest.mark.parametrize("photos", [130])
def test_a_simulated_block(photos, blocks, tmp_path, benchmark, tell):
    """12 Mpx photos over a valley, GPS off by 1.5 m, attitude by 1.5 degrees; the truth is known."""
    place = make_block(blocks / "valley", photos)
    world = load_world(blocks / "valley" / "world")
    mosaic = tmp_path / "mosaic.tif"
    cpu, walls = [], []

    def once():
        seconds, report = _timed(_OURS, place, "-o", mosaic, "--dem", world.dem)
        cpu.append(report["cpu_s"] / _timed(_DECODE, place)[1]["cpu_s"])
        walls.append(seconds)
        return report

    report = benchmark.pedantic(once, rounds=1)
    score = score_position(mosaic, world.after, world.truth_classes, standing_of(world))
    each_ms = 1000 * walls[0] / report["photos"]
    tell(
        f"{report['photos']} photos of 12 Mpx: {walls[0]:.1f} s, {each_ms:.0f} ms a photo; "
        f"computing, start-up included, {cpu[0]:.1f} x decoding; {report['peak_rss_mb']:.0f} MB; "
        f"{report['placed']} placed; reprojection {report['reprojection_rms_px']:.2f} px"
    )
    tell(
        f"against the truth: {score.rmse_gsd:.1f} GSD of {report['gsd_cm']:.1f} cm rms; after the best "
        f"shift, turn and scale {score.relative_gsd:.2f} GSD; {score.patches} patches"
    )
    assert report["placed"] == report["photos"]
    assert score.relative_gsd <= 1.0


@pytest.mark.soak
def test_a_thousand_photos(blocks, tmp_path, tell):
    """3 GB of photos; an hour where the cores are shared."""
    place = make_wide_block(blocks / "wide", 1010)
    words = [place, "-o", tmp_path / "mosaic.tif", "--dem", blocks / "wide" / "dem.tif", "--memory", 3500]
    seconds, report = _timed(_OURS, *words)
    decoding = _timed(_DECODE, place)[1]["cpu_s"]
    tell(
        f"{report['photos']} photos of 12 Mpx: {seconds / 60:.1f} min, {report['cpu_s']:.0f} s of computing, "
        f"{report['cpu_s'] / decoding:.1f} x decoding; {report['peak_rss_mb']:.0f} MB; "
        f"reprojection {report['reprojection_rms_px']:.2f} px"
    )
    assert report["placed"] == report["photos"]
    assert report["peak_rss_mb"] <= 3500
