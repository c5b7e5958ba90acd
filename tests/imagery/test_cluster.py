"""Features and matches on a Dask cluster give the mosaic that one machine gives."""

import warnings

import numpy as np
import pytest

from imagery.cluster import cluster_finders
from imagery.errors import MosaicError
from imagery.mosaic import MosaicOptions, make_mosaic

distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install 'missionctl[cluster]'")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
def test_a_cluster_finds_what_one_machine_finds(known_block, tmp_path):
    options = MosaicOptions(quality="quick", workers=2)
    here = make_mosaic(known_block.folder, tmp_path / "here.tif", options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        )
        with cluster, cluster_finders(cluster.scheduler_address, known_block.folder) as finders:
            there = make_mosaic(known_block.folder, tmp_path / "there.tif", options, finders=finders)
    assert [p.name for p in there.photos] == [p.name for p in here.photos]
    apart = [
        np.linalg.norm(a.pose.centre - b.pose.centre) for a, b in zip(here.photos, there.photos, strict=True)
    ]
    assert max(apart) < 0.02
    assert there.reprojection_rms_px == pytest.approx(here.reprojection_rms_px, abs=0.02)


def test_a_cluster_that_does_not_answer_is_named(tmp_path):
    with (
        pytest.raises(MosaicError, match=r"127\.0\.0\.1:9.*dask scheduler"),
        cluster_finders("tcp://127.0.0.1:9", tmp_path),
    ):
        pass
