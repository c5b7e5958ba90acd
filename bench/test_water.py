"""Which matches on water go and which on land stay, on scenes that the limits were not set on."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from imagery.adjust import adjust_block
from imagery.coherence import without_moving
from imagery.consistency import mend_priors
from imagery.features import FeatureRules, extract_features
from imagery.matching import match_pair
from imagery.photos import list_photo_files, read_block
from imagery.second_look import left_out, with_proven
from imagery.tracks import build_tracks, thin_tracks
from imagery.unplaced import pairs_to_match

from .water_scenes import SCENES, photographed


def _wet(matches, wet):
    return np.concatenate([wet[m.first][m.first_ids] | wet[m.second][m.second_ids] for m in matches])


def _dry(match, wet):
    """The match without what truly lies on water."""
    keep = ~(wet[match.first][match.first_ids] | wet[match.second][match.second_ids])
    return replace(match, first_ids=match.first_ids[keep], second_ids=match.second_ids[keep])


def _tie_points(block, features, matches, water, poses, doubted=()):
    """(share of tie points on water, camera centres off by so many metres, a common shift left out). The
    `doubted` matches are looked at again, as a mosaic does."""
    sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
    again = partial(with_proven, doubted=build_tracks(features, doubted), photos=block.photos, per_photo=400)
    tracks = thin_tracks(build_tracks(features, matches), sizes, 400)
    adjusted = adjust_block(block, tracks, measure=again)
    tracks = adjusted.tracks
    col, row = np.rint(tracks.xy_px).astype(int).T
    wet = np.array([water[p][r, c] for p, r, c in zip(tracks.photo, row, col, strict=True)])
    off = np.array([p.centre for p in adjusted.poses]) - [p.centre for p in poses]
    return float(wet.mean()), float(np.sqrt(((off - off.mean(axis=0)) ** 2).mean()))


@pytest.mark.parametrize("name", SCENES)
def test_water_goes_and_land_stays(name, tmp_path, benchmark, tell):
    poses, water = photographed(tmp_path / "photos", SCENES[name])
    block, _ = read_block(list_photo_files(tmp_path / "photos"))
    features = [extract_features(p, FeatureRules()) for p in block.photos]
    found = [match_pair(i, j, features[i], features[j]) for i, j in pairs_to_match(block, features)]
    matches = [m for m in found if m is not None]
    block, _ = mend_priors(block, features, matches)
    kept = benchmark.pedantic(without_moving, args=(block, features, matches), rounds=1)
    wet = []
    for mask, f in zip(water, features, strict=True):
        col, row = np.rint(f.xy_px).astype(int).T
        wet.append(mask[np.clip(row, 0, mask.shape[0] - 1), np.clip(col, 0, mask.shape[1] - 1)])
    before, after = _wet(matches, wet), _wet(kept, wet)
    gone_wet, gone = before.sum() - after.sum(), len(before) - len(after)
    land = (~after).sum() / (~before).sum()
    known = [_dry(m, wet) for m in matches]
    ways = (
        (matches, ()),
        (kept, ()),
        ([m for m in known if len(m.first_ids) >= 16], ()),
    )
    ties = [_tie_points(block, features, way, water, poses, doubted) for way, doubted in ways]
    again = _tie_points(block, features, kept, water, poses, left_out(matches, kept))
    tell(
        f"{name}: water {100 * np.mean([w.mean() for w in water]):.0f} % of the pictures, "
        f"{100 * before.mean():.1f} % of {len(before)} matches; of these gone "
        f"{100 * gone_wet / max(before.sum(), 1):.0f} % (precision {100 * gone_wet / max(gone, 1):.0f} %), "
        f"of the others kept {100 * land:.0f} %; tie points on water {100 * ties[0][0]:.1f} then "
        f"{100 * ties[1][0]:.1f} %; centres {ties[0][1]:.3f} then {ties[1][1]:.3f} m, {ties[2][1]:.3f} m "
        f"with all water known; after the second look {100 * again[0]:.1f} % and {again[1]:.3f} m"
    )
    assert land > 0.8
    assert ties[1][0] < 0.25 * ties[0][0] + 0.005
    assert ties[1][1] < 1.2 * ties[2][1] + 0.01
    assert again[0] < 0.25 * ties[0][0] + 0.005
    assert again[1] < 1.2 * ties[2][1] + 0.01
