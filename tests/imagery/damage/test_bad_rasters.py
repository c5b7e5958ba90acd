"""Mosaic, before-ortho and DEM that are broken, odd or elsewhere: one clear line each, or they are read."""

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine

from imagery.damage import DamageOptions, map_damage
from imagery.damage.register import register
from imagery.damage.scene import grid_of
from imagery.errors import DamageError

ROLES = ("mosaic", "before", "dem")


def _file(place, role):
    return place.after if role == "mosaic" else getattr(place, role)


def _map(place, role, path, out):
    """A map with one of its rasters exchanged."""
    given = {"before": place.before, "dem": place.dem, "samples": place.samples}
    if role != "mosaic":
        given[role] = path
    return map_damage(path if role == "mosaic" else place.after, out, DamageOptions(**given))


def _changed(place, role, target, change, **profile):
    with rasterio.open(_file(place, role)) as source:
        values, kept = change(source.read()), {**source.profile, **profile}
    kept |= {
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
    }
    with rasterio.open(target, "w", **kept) as sink:
        sink.write(values)
    return target


@pytest.mark.parametrize("role", ROLES)
def test_without_a_crs_it_is_named(place, role, tmp_path) -> None:
    path = _changed(place, role, tmp_path / "plain.tif", lambda v: v, crs=None)
    with pytest.raises(DamageError, match=r"plain.*no coordinate system"):
        _map(place, role, path, tmp_path / "out")


@pytest.mark.parametrize("role", ROLES)
def test_one_that_breaks_off_is_named(place, role, tmp_path) -> None:
    whole = _file(place, role).read_bytes()
    path = tmp_path / "short.tif"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DamageError, match=r"short"):
        _map(place, role, path, tmp_path / "out")
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.parametrize("role", ROLES)
def test_what_is_no_raster_is_named(place, role, tmp_path) -> None:
    path = tmp_path / "note.tif"
    path.write_text("not a picture", encoding="utf-8")
    with pytest.raises(DamageError, match=r"note.*cannot be read as a raster"):
        _map(place, role, path, tmp_path / "out")


@pytest.mark.parametrize("role", ["mosaic", "before"])
def test_one_band_is_no_picture(place, role, tmp_path) -> None:
    path = _changed(place, role, tmp_path / "grey.tif", lambda v: v[:1])
    with pytest.raises(DamageError, match=r"grey.*not red, green, blue"):
        _map(place, role, path, tmp_path / "out")


def test_a_dem_of_nothing_but_nan_is_told(place, tmp_path) -> None:
    path = _changed(place, "dem", tmp_path / "void.tif", lambda v: np.full_like(v, np.nan))
    with pytest.raises(DamageError, match=r"void"):
        _map(place, "dem", path, tmp_path / "out")


def test_a_before_ortho_of_floats_with_holes_is_registered_and_its_holes_are_not_compared(
    place, tmp_path
) -> None:
    def holed(values):
        found = values.astype(np.float32) / 255
        found[:, 300:420, 400:600] = np.nan
        return found

    path = _changed(place, "before", tmp_path / "holed.tif", holed, nodata=np.nan)
    found = register(place.after, path, grid_of(place.after))
    assert found is not None
    assert found.shift_m == pytest.approx((-0.73, 0.42), abs=0.15)
    map_damage(place.after, tmp_path / "out", DamageOptions(before=path))
    with rasterio.open(tmp_path / "out" / "change.tif") as source:
        codes = source.read(1)
        step = source.transform.a / 0.1
    rows, cols = (slice(round(a / step), round(b / step)) for a, b in ((315, 405), (415, 585)))
    assert (codes[rows, cols] == 0).all()


def test_a_before_ortho_of_sixteen_bits_compares_alike(place, tmp_path) -> None:
    path = _changed(place, "before", tmp_path / "deep.tif", lambda v: v.astype(np.uint16) * 180)
    found = register(place.after, path, grid_of(place.after))
    assert found is not None
    assert found.shift_m == pytest.approx((-0.73, 0.42), abs=0.15)


def test_a_before_ortho_in_another_crs_compares_alike(place, tmp_path) -> None:
    with rasterio.open(place.before) as source:
        transform, _, _ = rasterio.warp.calculate_default_transform(
            source.crs, "EPSG:4326", source.width, source.height, *source.bounds
        )
        values = np.zeros((3, 900, 1400), np.uint8)
        rasterio.warp.reproject(
            source.read(), values, src_transform=source.transform, src_crs=source.crs,
            dst_transform=transform, dst_crs="EPSG:4326",
        )  # fmt: skip
    path = tmp_path / "degrees.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=1400, height=900, count=3, dtype="uint8", crs="EPSG:4326",
        transform=transform, nodata=0,
    ) as sink:  # fmt: skip
        sink.write(values)
    found = register(place.after, path, grid_of(place.after))
    assert found is not None
    assert found.shift_m == pytest.approx((-0.73, 0.42), abs=0.25)


def test_a_dem_that_lies_elsewhere_is_told(place, tmp_path) -> None:
    far = Affine(1, 0, 700_000, 0, -1, 3_500_000)
    path = _changed(place, "dem", tmp_path / "far.tif", lambda v: v, transform=far)
    with pytest.raises(DamageError, match=r"far.*does not overlap"):
        _map(place, "dem", path, tmp_path / "out")
