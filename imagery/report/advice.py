"""What a pilot can do about a mosaic, as keys and figures; the sentences stand in words.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyproj

from imagery.account import Account, Share
from imagery.lanes import NO_LANE
from imagery.quality import MosaicReport

BLURRED_PX = 2.5
"""A Gaussian of so many pixels of the photo takes the edge off walls and cars."""
_LANE_SHARE = 0.4
_FEW_VIEWS = 3.0
_LEAST_THIN_SHARE = 0.01
_FAR_M, _FAR_TIMES = 8.0, 6.0
_CHECK_GSD = 2.0
_NAMES = 6


@dataclass(frozen=True)
class Advice:
    """One thing to know or to do. `key` names the sentence, `values` fill it; `urgent` where part of the map
    is missing or wrong without it."""

    key: str
    values: dict[str, Any]
    urgent: bool = False


def advice_of(report: MosaicReport) -> tuple[Advice, ...]:
    """Everything worth a line, urgent things first."""
    account = report.account
    if account is None:
        return ()
    found = [*_blurred(account.shares), *_by_tags(account.shares), *_thin(account, report.epsg)]
    found += _far_off(account.shares)
    if report.dropped:
        names = [d.name for d in report.dropped]
        found.append(Advice("left_out", {"count": len(names), "names": _listed(names)}))
    found += _position(report, account)
    return tuple(sorted(found, key=lambda a: not a.urgent))


def lanes(shares: Sequence[Share]) -> list[tuple[int, list[Share]]]:
    """The lanes with their photos, in the order flown."""
    numbers = sorted({s.lane for s in shares} - {NO_LANE})
    return [(n, [s for s in shares if s.lane == n]) for n in numbers]


def _blurred(shares: Sequence[Share]) -> list[Advice]:
    blurred = {s.name for s in shares if s.tied and s.blur_px is not None and s.blur_px > BLURRED_PX}
    found = []
    for number, photos in lanes(shares):
        bad = [s for s in photos if s.name in blurred]
        if len(bad) < max(2, _LANE_SHARE * len(photos)):
            continue
        blurred -= {s.name for s in bad}
        values = {
            "lane": number,
            "count": len(bad),
            "of": len(photos),
            "first": photos[0].name,
            "last": photos[-1].name,
            "px": float(np.median([s.blur_px or 0.0 for s in bad])),
        }
        found.append(Advice("blurred_lane", values, urgent=True))
    if blurred:
        names = sorted(blurred)
        found.append(Advice("blurred_photos", {"count": len(names), "names": _listed(names)}))
    return found


def _by_tags(shares: Sequence[Share]) -> list[Advice]:
    loose = [s for s in shares if not s.tied]
    if not loose:
        return []
    errors = [s.error_m for s in loose if s.error_m is not None]
    values = {
        "count": len(loose),
        "names": _listed([s.name for s in loose]),
        "lanes": ", ".join(str(n) for n in sorted({s.lane for s in loose} - {NO_LANE})) or "-",
        "error_m": max(errors) if errors else float("nan"),
    }
    return [Advice("by_tags" if errors else "by_tags_unpainted", values, urgent=bool(errors))]


def _thin(account: Account, epsg: int) -> list[Advice]:
    """The largest place between the photos that few of them see."""
    places = np.array([(s.east_m, s.north_m) for s in account.shares])
    if len(places) < 4:
        return []
    pixels = np.stack(
        [(places[:, 0] - account.west) / account.small_m, (account.north - places[:, 1]) / account.small_m], 1
    )
    inside = np.zeros(account.views.shape, np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.rint(pixels).astype(np.int32)), 1)
    few = (inside > 0) & ~(account.views >= _FEW_VIEWS)
    count, label, stats, middles = cv2.connectedComponentsWithStats(few.astype(np.uint8))
    if count < 2:
        return []
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    area = float(stats[largest, cv2.CC_STAT_AREA])
    if area < max(_LEAST_THIN_SHARE * inside.sum(), 4):
        return []
    rows, cols = np.nonzero(label == largest)
    at = int(np.argmin(np.hypot(rows - middles[largest][1], cols - middles[largest][0])))
    east = account.west + (cols[at] + 0.5) * account.small_m
    north = account.north - (rows[at] + 0.5) * account.small_m
    lon, lat = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True).transform(east, north)
    away = np.hypot(places[:, 0] - east, places[:, 1] - north)
    near: list[int] = []
    for i in np.argsort(away):
        lane = account.shares[int(i)].lane
        if lane != NO_LANE and lane not in near:
            near.append(lane)
    nothing = not (account.views[label == largest] >= 1).any()
    values = {
        "ha": area * account.small_m**2 / 1e4,
        "lat": float(lat),
        "lon": float(lon),
        "lanes": " / ".join(str(n) for n in sorted(near[:2])) or "-",
    }
    return [Advice("hole" if nothing else "thin", values, urgent=nothing)]


def _far_off(shares: Sequence[Share]) -> list[Advice]:
    moved = np.array([s.moved_m for s in shares if s.tied])
    if len(moved) < 4:
        return []
    limit = max(_FAR_M, _FAR_TIMES * float(np.median(moved)))
    far = [s for s in shares if s.tied and s.moved_m > limit]
    if not far:
        return []
    names = _listed([s.name for s in far])
    return [Advice("tags_far_off", {"count": len(far), "names": names, "m": max(s.moved_m for s in far)})]


def _position(report: MosaicReport, account: Account) -> list[Advice]:
    check = report.control.rms(check=True) if report.control else None
    if check and check.plan_m > _CHECK_GSD * report.gsd_m:
        values = {"m": check.plan_m, "gsd": check.plan_m / report.gsd_m, "points": check.points}
        return [Advice("check_off", values, urgent=True)]
    if report.control or account.expected_m is None:
        return []
    return [Advice("no_control", {"m": account.expected_m})]


def _listed(names: Sequence[str]) -> str:
    more = f" + {len(names) - _NAMES}" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
