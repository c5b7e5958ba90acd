"""The real photos against the preview of a true orthophoto that another program made of them."""

import cv2
import numpy as np
import rasterio

from imagery.mosaic import MosaicOptions, make_mosaic

_PATCH_PX, _REACH_PX = 28, 12
_STEP_PX = 14
_ALIKE = 0.7
_WANTED_PX = 3.0


def _preview(brighton):
    """(rows, cols, 3) BGR and where it shows anything."""
    picture = cv2.imread(str(brighton.parent / "brighton_beach.jpg"))
    shown = (picture.min(axis=2) < 250).astype(np.uint8)
    return picture, cv2.erode(shown, np.ones((9, 9), np.uint8)) > 0


def _similarity(mosaic, preview, shown):
    """(2, 3) from the reduced mosaic to the preview, by features that agree: turned, scaled and moved."""
    sift = cv2.SIFT_create(6000)
    (ka, da), (kb, db) = (
        sift.detectAndCompute(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), m)
        for p, m in ((mosaic, None), (preview, shown.astype(np.uint8)))
    )
    pairs = [m for m, n in cv2.BFMatcher().knnMatch(da, db, k=2) if m.distance < 0.75 * n.distance]
    here, there = (np.array([k[i].pt for i in ids]) for k, ids in (
        (ka, [m.queryIdx for m in pairs]), (kb, [m.trainIdx for m in pairs])
    ))  # fmt: skip
    fit, agree = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=6.0, maxIters=20000)
    assert agree.sum() > 100
    return fit


def _ground(preview):
    """Asphalt, gravel and lawn: even and light. Crowns are rough, their shade and the lake dark."""
    grey = cv2.cvtColor(preview, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (15, 15))
    rough = np.sqrt(np.maximum(cv2.blur(grey**2, (15, 15)) - mean**2, 0))
    return (mean > 95) & (rough < 22)


def _shifts(ours, preview, ground):
    """(n, 4) place in the preview and by how much ours is off there, over patches that are ground
    and have something to tell them by; and how many of them agree nowhere near."""
    a, b = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY) for p in (ours, preview))
    found, unclear = [], 0
    side = _PATCH_PX + 2 * _REACH_PX
    for row in range(0, a.shape[0] - side, _STEP_PX):
        for col in range(0, a.shape[1] - side, _STEP_PX):
            inner = np.s_[row + _REACH_PX : row + side - _REACH_PX, col + _REACH_PX : col + side - _REACH_PX]
            around = np.s_[row : row + side, col : col + side]
            if ground[inner].mean() < 0.8 or a[around].min() == 0 or b[inner].std() < 5:
                continue
            score = cv2.matchTemplate(a[around], b[inner], cv2.TM_CCOEFF_NORMED)
            _, best, _, (x, y) = cv2.minMaxLoc(score)
            if best > _ALIKE and 0 < x < 2 * _REACH_PX and 0 < y < 2 * _REACH_PX:
                found.append((row + side // 2, col + side // 2, x - _REACH_PX, y - _REACH_PX))
            else:
                unclear += 1
    return np.array(found, float), unclear


def _after_similarity(found):
    """(n,) what is left of the shifts after the best shift, turn and scale of them all."""
    row, col, dx, dy = found.T
    x, y, one, none = col - col.mean(), row - row.mean(), np.ones(len(row)), np.zeros(len(row))
    rows = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    off = np.concatenate([dx, dy])
    left = off - rows @ np.linalg.lstsq(rows, off, rcond=None)[0]
    return np.hypot(*left.reshape(2, -1))


def test_the_ground_lies_as_in_a_true_orthophoto(brighton, tmp_path, tell):
    out = tmp_path / "mosaic.tif"
    report = make_mosaic(brighton, out, MosaicOptions(workers=2)).report()
    preview, shown = _preview(brighton)
    with rasterio.open(out) as source:
        reduced = source.read((3, 2, 1), out_shape=(3, source.height // 6, source.width // 6))
        small = np.moveaxis(reduced, 0, -1).copy()
    fit = _similarity(small, preview, shown)
    ours = cv2.warpAffine(small, fit, preview.shape[1::-1], flags=cv2.INTER_AREA)
    found, unclear = _shifts(ours, preview, _ground(preview) & shown)
    left = _after_similarity(found)
    rms = float(np.sqrt((left**2).mean()))
    pixel_cm = 6 * report["gsd_cm"] / float(np.hypot(fit[0, 0], fit[1, 0]))
    tell(
        f"ground against the preview ({pixel_cm:.1f} cm): {len(left)} patches ({unclear} unclear), "
        f"{rms:.2f} px rms, 95 % {np.percentile(left, 95):.2f}; seams {report['seam_rms_px']:.2f} px"
    )
    assert report["placed"] == 18
    assert len(left) > 200
    assert rms <= _WANTED_PX
