"""Workers of a Dask cluster: processes on other machines that see the photos under the same path.

What goes out is small (paths, poses, tie points), once to each process what all tasks of a stage share; what
comes back is features, matches, and squares of the mosaic already compressed.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import platform
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from imagery.errors import MosaicError
from imagery.photos import list_photo_files
from imagery.workers import Result, Shared, Task

if TYPE_CHECKING:
    from distributed import Client, Future

_T = TypeVar("_T")

_CONNECT_S = 5
_LOOK_S = 5.0
_NOBODY_S = 60.0
"""So long a cluster may be without any worker: they are started again, or a switch is."""
_CHUNKS_EACH = 6
_MOST_IN_CHUNK = 8
_AHEAD = 2
_TRIES = 5
_SHELF_SHARE = 0.35
"""Of a worker's memory, for decoded photos."""
_LEAST_SHELF_BYTES = 100_000_000


@dataclass(frozen=True)
class Terms:
    """What a worker must see and be to give what this machine would: photos' sizes by name, and versions."""

    folder: str
    sizes: Mapping[str, int]
    versions: Mapping[str, str]

    @property
    def key(self) -> str:
        """Equal for equal terms."""
        told = repr((self.folder, sorted(self.sizes.items()), sorted(self.versions.items())))
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class _Order:
    """What all tasks of a stage share. Opaque to Dask; a worker takes it apart once."""

    terms: Terms
    work: Callable[[Any, Any], Any]
    shared: Any


@dataclass(frozen=True)
class _Chunk:
    tasks: tuple[Any, ...]


@dataclass(frozen=True)
class _Job:
    """Tasks in work: what will come of them, and the order that they were given out with."""

    future: Future[Any]
    there: Future[Any]
    tasks: Sequence[Any]


@contextmanager
def cluster_workers(address: str, photos_dir: Path) -> Iterator[Cluster]:
    """The workers of the cluster whose scheduler listens at `address` ("tcp://host:port").

    Raises MosaicError when Dask is not installed, nothing answers there, there are no workers, or one of them
    does not see the photos or runs another version of anything that shows in a mosaic.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError:
        raise MosaicError(
            "--cluster needs Dask; install it with: pip install 'missionctl[cluster]'"
        ) from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what matters of it is raised
    try:
        # first without Dask: a Client that cannot connect may hang in a thread when it is collected
        socket.create_connection(get_address_host_port(address, strict=True), _CONNECT_S).close()
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MosaicError(
            f"{address}: no Dask scheduler answers there ({error}); start one with: dask scheduler"
        ) from None
    with client:
        cluster = Cluster(client, address, Path(photos_dir).resolve())
        cluster.check()
        yield cluster


class Cluster:
    """Workers (imagery.workers) of a Dask cluster. A task whose worker dies is done by another one."""

    def __init__(self, client: Client, address: str, folder: Path) -> None:
        self._client, self._address, self._folder = client, address, folder
        self._there: tuple[_Order, Future[Any]] | None = None

    def check(self) -> None:
        """Raises MosaicError when there are no workers, or one of them does not fit."""
        answers = self._asked(lambda: self._client.run(_misfit, self._terms(), on_error="return"))
        if not answers:
            raise MosaicError(
                f"{self._address}: the cluster has no workers; start some with: dask worker {self._address}"
            )
        for worker, answer in sorted(answers.items()):
            if isinstance(answer, Exception):
                raise MosaicError(
                    f"worker {worker} cannot load missionctl ({answer}); install the same missionctl there"
                )
            if answer:
                raise MosaicError(f"{answer} (worker {worker})")

    @property
    def shelf_bytes(self) -> int | None:
        """What each process of theirs may hold of decoded photos."""
        limits = [w["memory_limit"] for w in self._client.scheduler_info(n_workers=-1)["workers"].values()]
        return max(int(min(limits, default=0) * _SHELF_SHARE), _LEAST_SHELF_BYTES)

    def map(
        self, work: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        """See imagery.workers.Workers. Neighbouring tasks go to one worker: they need the same photos."""
        threads = max(1, sum(self._asked(self._client.nthreads).values()))
        size = max(1, min(_MOST_IN_CHUNK, len(tasks) // (_CHUNKS_EACH * threads)))
        chunks = iter([tasks[start : start + size] for start in range(0, len(tasks), size)])
        order = _Order(self._terms(), work, shared)
        waiting = deque(self._begin(order, c) for c in itertools.islice(chunks, _AHEAD * threads))
        while waiting:
            results = self._result(order, waiting.popleft())
            waiting.extend(self._begin(order, c) for c in itertools.islice(chunks, 1))
            yield from results

    def _begin(self, order: _Order, tasks: Sequence[Any]) -> _Job:
        """Hand tasks to the cluster, with what they share where no worker has it."""
        if self._there is None or self._there[0] is not order:
            self._there = order, self._asked(self._scattered, order)
        there = self._there[1]
        future = self._client.submit(
            _do, there, _Chunk(tuple(tasks)), pure=False, key=f"mosaic-{uuid.uuid4().hex}"
        )
        return _Job(future, there, tasks)

    def _scattered(self, order: _Order) -> Future[Any]:
        try:
            (there,) = self._client.scatter([order], broadcast=True, hash=False, timeout=_NOBODY_S)
        except TimeoutError:
            raise self._nobody() from None
        return there

    def _result(self, order: _Order, job: _Job) -> list[Any]:
        from distributed import CancelledError, KilledWorker

        for _ in range(_TRIES):
            try:
                return self._awaited(job.future)
            except KilledWorker:
                raise MosaicError(
                    f"{self._address}: several workers died over the same photos; "
                    "start fewer on each machine, or give them more memory (dask worker --memory-limit)"
                ) from None
            except CancelledError:  # gone with the scheduler, or all that held what the stage shares
                if self._client.status != "running":
                    raise self._gone() from None
                if self._there is not None and self._there[1] is job.there:
                    self._there = None
                job = self._begin(order, job.tasks)
        raise MosaicError(
            f"{self._address}: workers died {_TRIES} times; look at what they say, and start again"
        )

    def _awaited(self, future: Future[Any]) -> list[Any]:
        """What the tasks gave, in their order. Raises MosaicError when nobody is left to do them."""
        from distributed import wait

        nobody_since = None
        while True:
            try:
                with self._client.as_current():
                    wait([future], timeout=_LOOK_S)
                break
            except TimeoutError:
                pass
            if self._client.status != "running":
                raise self._gone()
            if self._asked(self._client.nthreads):
                nobody_since = None
            elif time.monotonic() - (nobody_since := nobody_since or time.monotonic()) > _NOBODY_S:
                raise self._nobody()
        if future.status == "error":
            return list(future.result())  # raises what the task raised, an OSError too
        return list(self._asked(future.result))  # however long it takes to come: a link may be slow

    def _asked(self, ask: Callable[..., _T], *args: Any) -> _T:
        try:
            return ask(*args)
        except OSError:  # CommClosedError and TimeoutError are such
            raise self._gone() from None

    def _terms(self) -> Terms:
        sizes = {}
        for path in list_photo_files(self._folder):
            try:
                sizes[path.name] = path.stat().st_size
            except OSError:  # gone meanwhile: whoever decodes it says so
                continue
        return Terms(str(self._folder), sizes, versions_here())

    def _nobody(self) -> MosaicError:
        return MosaicError(
            f"{self._address}: no worker has been left for {_NOBODY_S:.0f} s; "
            f"start some with: dask worker {self._address}"
        )

    def _gone(self) -> MosaicError:
        return MosaicError(
            f"{self._address}: the Dask scheduler has gone; start it and its workers, and run this again"
        )


def versions_here() -> dict[str, str]:
    """Versions of all that shows in a mosaic, by name; "missionctl" is a digest of its source."""
    libraries = ("numpy", "scipy", "opencv-python-headless", "pyproj", "dask", "distributed")
    found = {"Python": platform.python_version().rpartition(".")[0]}
    return found | {name: version(name) for name in libraries} | {"missionctl": _source_digest()}


@cache
def _source_digest() -> str:
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(p for package in ("imagery", "plans") for p in (root / package).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _misfit(terms: Terms) -> str | None:
    """On a worker: what it lacks to do as the client's machine would; None when nothing."""
    own = versions_here()
    for name, wanted in terms.versions.items():
        if own.get(name) != wanted:
            return f"{name} is {own.get(name)} there and {wanted} here; install the same on all machines"
    for name, size in terms.sizes.items():
        path = Path(terms.folder, name)
        try:
            seen = path.stat().st_size
        except OSError as error:
            return f"{path}: cannot be seen ({error.strerror}); share its folder under one path everywhere"
        if seen != size:
            return f"{path}: has {seen} bytes there and {size} here; share one folder, or copy it anew"
    return None


_fit: set[str] = set()
"""On a worker: keys of the terms that it was found to fit. It may have joined during the run."""


def _do(order: _Order, chunk: _Chunk) -> list[Any]:
    """On a worker: the tasks in order."""
    _one_thread_each()
    if order.terms.key not in _fit:
        if reason := _misfit(order.terms):
            from distributed import get_worker

            raise MosaicError(f"{reason} (worker {get_worker().address})")
        _fit.add(order.terms.key)
    return [order.work(order.shared, task) for task in chunk.tasks]


@cache
def _one_thread_each() -> None:
    """For good: processes are the parallelism, and sums by more threads differ in the last bit."""
    cv2.setNumThreads(1)
    threadpool_limits(1)
