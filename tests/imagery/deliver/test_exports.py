"""One call for every format; every fault one line that says what to do."""

import os
import shutil
from pathlib import Path

import pytest

from imagery.deliver import FORMATS, export
from imagery.errors import DeliveryError


def test_all_formats_at_once(folder, tmp_path) -> None:
    seen = []
    made = export(
        folder, list(FORMATS), tmp_path / "out", paper="a4", on_progress=lambda *step: seen.append(step)
    )
    assert all(path.is_file() and path.stat().st_size for path in made)
    assert {p.parent for p in made} == {tmp_path / "out"}
    assert len(set(made)) == len(made)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {p.name for p in made}  # nothing left over
    expected = {"classes.tif", "damage.gpkg", "buildings.geojson", "damage.kmz", "roads.shp.zip"}
    expected |= {"map_sheet.pdf", "map_sheet.png", "townships.csv", "damage.xlsx", "damage.mbtiles"}
    expected |= {
        "depth_sheet.pdf",
        "brief.pdf",
        "brief_sms.txt",
        "damage.pmtiles",
        "roads.fgb",
        "classes.qml",
    }
    assert expected | {"catalog.json"} <= {p.name for p in made}
    assert [name for name, _ in seen] == [*FORMATS, "done"]
    assert [share for _, share in seen] == sorted(share for _, share in seen)


def test_by_default_the_folder_itself_receives_the_files(copied) -> None:
    folder = copied()
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    made = export(folder, ["CSV", " gpkg", "cog"])
    assert folder / "townships.csv" in made
    for name, content in before.items():
        assert (folder / name).read_bytes() == content


def test_a_format_named_twice_is_written_once(folder, tmp_path) -> None:
    steps = []
    made = export(folder, ["csv", "csv"], tmp_path, on_progress=lambda *step: steps.append(step))
    assert steps == [("csv", 0.0), ("done", 1.0)]
    assert (tmp_path / "townships.csv") in made
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("formats", "options", "says"),
    [
        (["csv", "dwg"], {}, "unknown format 'dwg'; use some of: cog, gpkg"),
        ([], {}, "no format was named"),
        (["pdf"], {"lang": "fr"}, "unknown language 'fr'; use en or zh"),
        (["pdf"], {"paper": "letter"}, "unknown paper 'letter'; use a4 or a3"),
    ],
)
def test_what_there_is_not_is_refused_before_any_work(folder, tmp_path, formats, options, says) -> None:
    with pytest.raises(DeliveryError, match=says):
        export(folder, formats, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_none_is_refused(tmp_path) -> None:
    with pytest.raises(DeliveryError, match=r"holds no report\.json"):
        export(tmp_path, ["csv"])
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(DeliveryError, match="lacks classes"):
        export(tmp_path, ["csv"])
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(DeliveryError, match="cannot be read"):
        export(tmp_path, ["csv"])


def test_a_report_without_its_rasters_is_refused(copied) -> None:
    folder = copied()
    (folder / "not_analysed.tif").unlink()
    with pytest.raises(DeliveryError, match="cannot be read") as caught:
        export(folder, ["csv"])
    assert "\n" not in str(caught.value)


def test_an_output_folder_that_is_a_file_is_refused(folder, tmp_path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DeliveryError, match=r"cannot be written \(is a file\); choose another folder"):
        export(folder, ["csv"], tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_permission_is_refused(folder, tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DeliveryError, match="cannot be written"):
        export(folder, ["csv"], tmp_path / "out")


def test_vectors_of_a_folder_without_any_are_refused(bare, tmp_path) -> None:
    for name in ("gpkg", "geojson", "shp"):
        with pytest.raises(DeliveryError, match="holds no vectors; map the damage with samples"):
            export(bare, [name], tmp_path)


def test_a_bare_folder_gives_what_it_can(bare, tmp_path) -> None:
    made = export(bare, ["cog", "kmz", "pdf", "csv", "xlsx", "mbtiles", "stac"], tmp_path, paper="a4")
    assert {Path(p).suffix for p in made} >= {".tif", ".kmz", ".pdf", ".csv", ".xlsx", ".mbtiles", ".json"}


def test_a_mosaic_that_is_gone_is_no_hindrance(copied, tmp_path) -> None:
    moved = copied(mosaic=str(tmp_path / "gone.tif"))
    made = export(moved, ["pdf", "mbtiles"], tmp_path / "out", paper="a4")
    assert [path.name for path in made] == ["map_sheet.pdf", "depth_sheet.pdf", "damage.mbtiles"]


def test_nothing_half_written_is_left_when_a_writer_fails(folder, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DeliveryError, match="No space left on device") as caught:
        export(folder, ["gpkg"], tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []
