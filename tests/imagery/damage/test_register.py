"""The before-ortho is brought to the mosaic, or nothing is compared."""

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy import ndimage

from imagery.damage import DamageOptions, map_damage
from imagery.damage.register import match_colours, register
from imagery.damage.scene import grid_of


def test_a_wrong_position_is_found_to_a_fraction_of_a_cell(place) -> None:
    found = register(place.after, place.before, grid_of(place.after))
    assert found is not None
    # The file says 0.73 m east and 0.42 m south of where its picture belongs.
    assert found.shift_m == pytest.approx((-0.73, 0.42), abs=0.1)
    assert found.rms_m < 0.2
    assert found.tiles_used >= 3


def test_a_picture_of_another_place_is_not_forced_onto_the_mosaic(place, make_raster, tmp_path) -> None:
    rng = np.random.default_rng(5)
    other = ndimage.gaussian_filter(rng.normal(size=(3, 800, 900)), (0, 4, 4))
    other = np.clip(128 + other * 600, 1, 255).astype(np.uint8)
    path = make_raster(tmp_path / "other.tif", other)
    assert register(place.after, path, grid_of(place.after)) is None


def test_a_picture_that_hardly_overlaps_is_not_compared(place, make_raster, tmp_path) -> None:
    far = Affine(0.1, 0, 600_000, 0, -0.1, 3_400_080)
    path = make_raster(tmp_path / "far.tif", np.full((3, 400, 400), 90, np.uint8), transform=far)
    assert register(place.after, path, grid_of(place.after)) is None


def test_faded_colours_are_matched_on_what_did_not_change(place) -> None:
    grid = grid_of(place.after)
    found = register(place.after, place.before, grid)
    assert found is not None
    colours = match_colours(place.after, place.before, grid, found.correction)
    assert colours is not None
    # before.tif was written as 0.88 * colour + 12
    for gain, offset in zip(colours.gain, colours.offset, strict=True):
        assert gain == pytest.approx(1 / 0.88, abs=0.12)
        assert gain * 120 + offset == pytest.approx((120 - 12) / 0.88, abs=6)
    assert colours.cells > 1000


SIDE_PX, PIXEL_M, CORNER = 1000, 0.3, Affine(0.3, 0, 600_000, 0, -0.3, 3_400_300)


def _town(seed: int) -> np.ndarray:
    """Fields and roofs, (rows, cols, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE_PX, SIDE_PX, 3), 120.0, np.float32)
    for sigma, spread in ((2, 28), (6, 120), (25, 600)):
        picture += ndimage.gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), sigma)[..., None] * spread
    for _ in range(220):
        middle, size = rng.uniform(0, SIDE_PX, 2).tolist(), rng.uniform(14, 50, 2).tolist()
        corners = cv2.boxPoints((middle, size, float(rng.uniform(0, 90)))).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, rng.uniform(60, 220, 3).tolist())
    return picture.clip(1, 255)


def _pair(folder, make_raster, *, shift_m=(0.0, 0.0), turn_deg=0.0, bulge_m=0.0, changed=0.0):
    """A before-ortho, and the mosaic of the same ground as it stands after: moved, turned, bulged in its
    east, and so much of it under mud. Returns both files and the true (dx, dy) in px of each cell."""
    before = _town(1)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    middle, turn = SIDE_PX / 2, np.radians(turn_deg)
    dx = (np.cos(turn) - 1) * (x - middle) - np.sin(turn) * (y - middle) + shift_m[0] / PIXEL_M
    dy = np.sin(turn) * (x - middle) + (np.cos(turn) - 1) * (y - middle) + shift_m[1] / PIXEL_M
    dx = dx + bulge_m / PIXEL_M * (x > 0.7 * SIDE_PX)
    after = cv2.remap(
        before, (x + dx).astype(np.float32), (y + dy).astype(np.float32), cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    if changed:
        where = ndimage.gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), 30)
        mud = 105 + ndimage.gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), 3)[..., None] * 60
        after = np.where((where > np.quantile(where, 1 - changed))[..., None], mud, after)
    after = after * 0.9 + 10 + rng.normal(0, 3, after.shape)
    files = [
        make_raster(folder / name, np.moveaxis(p.clip(1, 255).astype(np.uint8), -1, 0), transform=CORNER)
        for name, p in (("before.tif", before), ("after.tif", after))
    ]
    return *files, dx, dy


def _errors_m(correction, dx, dy) -> np.ndarray:
    """How far from its true place the corrected before-ortho lies, on every 50th cell."""
    y, x = np.mgrid[40 : SIDE_PX - 40 : 50, 40 : SIDE_PX - 40 : 50]
    here = np.array(CORNER * (x.ravel() + 0.5, y.ravel() + 0.5))
    was = np.array(CORNER * ((x + dx[y, x]).ravel() + 0.5, (y + dy[y, x]).ravel() + 0.5))
    moved = np.array(correction * tuple(was))
    return np.hypot(*(moved - here))


@pytest.mark.parametrize(
    ("given", "limit_m"),
    [
        ({"shift_m": (2.4, -1.6)}, 0.05),
        ({"shift_m": (2.4, -1.6), "changed": 0.6}, 0.1),
        ({"shift_m": (1.0, 1.0), "turn_deg": 0.3}, 0.05),
        ({"shift_m": (1.0, 1.0), "turn_deg": 0.3, "changed": 0.6}, 0.15),
        ({"shift_m": (1.0, 1.0), "turn_deg": 1.0, "changed": 0.3}, 0.15),
    ],
)
def test_shift_and_turn_are_found_to_a_fraction_of_a_cell_through_much_change(
    given, limit_m, make_raster, tmp_path
) -> None:
    before, after, dx, dy = _pair(tmp_path, make_raster, **given)
    found = register(after, before, grid_of(after))
    assert found is not None
    assert np.sqrt((_errors_m(found.correction, dx, dy) ** 2).mean()) < limit_m
    assert found.misplaced == ()


def test_where_it_lies_elsewhere_still_nothing_is_compared(make_raster, tmp_path) -> None:
    before, after, dx, dy = _pair(tmp_path, make_raster, shift_m=(1.0, 0.5), bulge_m=3.0)
    found = register(after, before, grid_of(after))
    assert found is not None
    errors = _errors_m(found.correction, dx, dy).reshape(19, 19)
    assert np.median(errors) < 0.1
    assert found.misplaced_m2 > 0.15 * (SIDE_PX * PIXEL_M) ** 2
    west = min(area.bounds[0] for area in found.misplaced)
    assert west > CORNER.c + 0.5 * SIDE_PX * PIXEL_M
    figures = map_damage(after, tmp_path / "out", DamageOptions(before=before)).figures
    assert figures["registration"]["misplaced_m2"] == pytest.approx(found.misplaced_m2, abs=0.1)
    assert any("beside the mosaic" in note for note in figures["notes"])
    with rasterio.open(tmp_path / "out" / "change.tif") as source:
        codes = source.read(1)
    assert (codes[100:-100, -150:-60] == 0).mean() > 0.9
    assert (codes[100:-100, 100:400] == 0).mean() < 0.02
