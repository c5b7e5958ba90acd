"""A Dask cluster of separate processes makes the mosaic that one machine makes, whoever dies on the way."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager

import pytest

from imagery import cluster as cluster_module
from imagery import mosaic
from imagery.cluster import Cluster, cluster_workers
from imagery.errors import MosaicError
from imagery.mosaic import MosaicOptions, make_mosaic

distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install 'missionctl[cluster]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed", "ignore:Port 8787 is already"),
]

OPTIONS = MosaicOptions(workers=2)


@contextmanager
def workers_of(count):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def pair():
    """Two workers, each with a nanny that starts it again."""
    with workers_of(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def here(known_block, tmp_path_factory):
    """Digests of what this machine makes, by file."""
    place = tmp_path_factory.mktemp("here")
    make_mosaic(known_block.folder, place / "o.tif", OPTIONS)
    return digests(place)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def pids(cluster):
    return [nanny.pid for nanny in cluster.workers.values()]


def made_there(cluster, known_block, place, on_progress=None):
    place.mkdir()
    with cluster_workers(cluster.scheduler_address, known_block.folder) as workers:
        make_mosaic(known_block.folder, place / "o.tif", OPTIONS, on_progress, workers=workers)
    return digests(place)


def test_a_cluster_makes_the_same_bytes(pair, here, known_block, tmp_path):
    assert made_there(pair, known_block, tmp_path / "there") == here


def test_the_same_where_photos_do_not_fit_into_memory(pair, known_block, tmp_path, monkeypatch):
    """They are decoded for each stage, and cut."""
    monkeypatch.setattr(mosaic, "KEPT_SHARE", 0.0)
    (tmp_path / "here").mkdir()
    make_mosaic(known_block.folder, tmp_path / "here" / "o.tif", OPTIONS)
    there = made_there(pair, known_block, tmp_path / "there")
    assert there == digests(tmp_path / "here")


def test_a_worker_killed_in_the_middle_changes_nothing(pair, here, known_block, tmp_path):
    killed = []

    def on_progress(name, share):
        if name in ("match", "render") and 0 < share < 1 and name not in killed:
            os.kill(pids(pair)[len(killed)], signal.SIGKILL)  # one of the two, then the other
            killed.append(name)

    assert made_there(pair, known_block, tmp_path / "there", on_progress=on_progress) == here
    assert killed == ["match", "render"]


def test_what_a_stage_shares_is_sent_again_when_all_who_had_it_were_killed(here, known_block, tmp_path):
    killed = []

    def on_progress(name, share):
        if name in ("match", "render") and 0 < share < 1 and name not in killed:
            killed.append(name)
            os.kill(pids(alone)[0], signal.SIGKILL)

    with workers_of(1) as alone:
        assert made_there(alone, known_block, tmp_path / "there", on_progress=on_progress) == here
    assert killed == ["match", "render"]


def test_a_scheduler_that_goes_is_one_line_and_nothing_half_written(known_block, tmp_path):
    with processes(tmp_path) as (address, scheduler):

        def on_progress(name, share):
            if name == "render" and share > 0:
                scheduler.kill()

        out = tmp_path / "out" / "o.tif"
        out.parent.mkdir()
        out.write_bytes(b"the mosaic of yesterday")
        with (
            pytest.raises(MosaicError, match=f"{address}: the Dask scheduler has gone") as told,
            cluster_workers(address, known_block.folder) as workers,
        ):
            make_mosaic(known_block.folder, out, OPTIONS, on_progress, workers=workers)
    assert "\n" not in str(told.value)
    assert [p.name for p in out.parent.iterdir()] == ["o.tif"]
    assert out.read_bytes() == b"the mosaic of yesterday"


@contextmanager
def processes(folder):
    """A scheduler and a worker as a person starts them; address and process of the scheduler."""
    dask = [sys.executable, "-m", "dask"]
    log = (folder / "scheduler.log").open("w+")
    listen = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, *listen], stderr=subprocess.STDOUT, stdout=log, cwd=folder)
    worker = None
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"tcp://[\d.]+:\d+", (folder / "scheduler.log").read_text())):
            assert scheduler.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        join = ["worker", found[0], "--nthreads", "1", "--no-dashboard", "--death-timeout", "5"]
        worker = subprocess.Popen(
            [*dask, *join], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=folder
        )
        with distributed.Client(found[0], set_as_default=False) as client:
            client.wait_for_workers(1, timeout=120)
        yield found[0], scheduler
    finally:
        for process in (worker, scheduler):
            if process is not None:
                process.terminate()
                process.wait(60)
        log.close()


def test_a_cluster_that_does_not_answer_is_named_within_seconds(tmp_path):
    begun_s = time.monotonic()
    with (
        pytest.raises(MosaicError, match=r"127\.0\.0\.1:9.*dask scheduler"),
        cluster_workers("tcp://127.0.0.1:9", tmp_path),
    ):
        pass
    assert time.monotonic() - begun_s < 60


def test_an_address_that_is_none_is_told(tmp_path):
    with (
        pytest.raises(MosaicError, match=r"office:8786x.*dask scheduler"),
        cluster_workers("office:8786x", tmp_path),
    ):
        pass


@pytest.mark.parametrize("joined", ["before", "during the run"])
def test_a_photo_that_a_worker_does_not_see_is_named(pair, known_block, tmp_path, monkeypatch, joined):
    """What the client sees and the workers do not: gone once the client has looked."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in known_block.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    look = Cluster._terms

    def seen_here_only(self):
        terms = look(self)
        (folder / "P003.JPG").unlink(missing_ok=True)
        return terms

    monkeypatch.setattr(Cluster, "_terms", seen_here_only)
    if joined == "during the run":
        monkeypatch.setattr(Cluster, "check", lambda self: None)
    with (
        pytest.raises(MosaicError, match=r"P003\.JPG: cannot be seen .*worker tcp://127\.0\.0\.1:\d+\)$"),
        cluster_workers(pair.scheduler_address, folder) as workers,
    ):
        list(workers.map(max, 1, [2, 3]))


def test_another_version_there_is_told(pair, known_block, monkeypatch):
    versions = cluster_module.versions_here() | {"numpy": "1.0.0"}
    monkeypatch.setattr(cluster_module, "versions_here", lambda: versions)
    with (
        pytest.raises(MosaicError, match=r"numpy is 2\S+ there and 1\.0\.0 here.*worker tcp://127"),
        cluster_workers(pair.scheduler_address, known_block.folder),
    ):
        pass


def test_a_cluster_without_workers_says_how_to_start_some(known_block):
    with (
        workers_of(0) as empty,
        pytest.raises(MosaicError, match="no workers; start some with: dask worker tcp://127"),
        cluster_workers(empty.scheduler_address, known_block.folder),
    ):
        pass


def test_workers_that_have_all_left_are_not_waited_for_for_ever(known_block, monkeypatch):
    monkeypatch.setattr(cluster_module, "_NOBODY_S", 1.0)
    monkeypatch.setattr(cluster_module, "_LOOK_S", 0.2)
    with workers_of(1) as alone, cluster_workers(alone.scheduler_address, known_block.folder) as workers:
        results = workers.map(_slow, 1, list(range(100)))
        next(results)
        alone.scale(0)
        for more in (results, workers.map(_slow, 1, list(range(100)))):
            with pytest.raises(MosaicError, match="no worker has been left"):
                list(more)


def _slow(shared, task):
    time.sleep(0.5)
    return task


def test_work_that_kills_whoever_does_it_is_told(known_block):
    with (
        workers_of(1) as alone,
        cluster_workers(alone.scheduler_address, known_block.folder) as workers,
        pytest.raises(MosaicError, match=r"several workers died|workers died"),
    ):
        list(workers.map(_deadly, None, [1]))


def _deadly(shared, task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_takes_long_is_waited_for(pair, known_block, monkeypatch):
    """Longer than between two looks at whether anybody is left, with results that come just then."""
    monkeypatch.setattr(cluster_module, "_LOOK_S", 0.05)
    with cluster_workers(pair.scheduler_address, known_block.folder) as workers:
        assert list(workers.map(_heavy, 0.05, list(range(60)))) == [bytes([n]) * 1_000_000 for n in range(60)]


def _heavy(shared, task):
    time.sleep(shared)
    return bytes([task]) * 1_000_000
