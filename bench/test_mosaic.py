"""The real photos stitched, beside decoding them once and beside OpenCV's Stitcher, in one run."""

import json
import statistics
import subprocess
import sys
import time

import cv2

ROUNDS = 3

_OURS = """
import json, sys
from pathlib import Path
from imagery.mosaic import MosaicOptions, make_mosaic
report = make_mosaic(Path(sys.argv[1]), Path(sys.argv[2]), MosaicOptions(quality=sys.argv[3])).report()
print(json.dumps(report))
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

    def round_of_all():
        rows["decode"].append(_decode_all(brighton))
        for name in ("full", "quick"):
            seconds, last[name] = _timed(_OURS, brighton, tmp_path / f"{name}.tif", name)
            rows[name].append(seconds)
        seconds, last["stitcher"] = _timed(_STITCHER, brighton)
        rows["stitcher"].append(seconds)

    benchmark.pedantic(round_of_all, rounds=ROUNDS)
    median = {name: statistics.median(times) for name, times in rows.items()}
    tell(f"decode the 18 photos once, one thread: {median['decode']:.1f} s (median of {ROUNDS})")
    for name in ("full", "quick"):
        report = last[name]
        tell(
            f"mosaic {name}: {median[name]:.1f} s, {median[name] / median['decode']:.0f} x decoding, "
            f"{report['peak_rss_mb']:.0f} MB, {report['placed']} of {report['photos']} photos, "
            f"{report['gsd_cm']:.2f} cm, reprojection {report['reprojection_rms_px']:.2f} px"
        )
    stitched = last["stitcher"]
    tell(
        f"OpenCV Stitcher (SCANS): {median['stitcher']:.1f} s, {stitched['peak_rss_mb']:.0f} MB, "
        f"{stitched['used']} of 18 photos, no georeference"
    )
    assert last["full"]["placed"] == 18
