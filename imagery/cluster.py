"""Features and matches on a Dask cluster: many machines that see the photos under one path."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from imagery.errors import MosaicError

_CONNECT_S = 10


@contextmanager
def cluster_finders(address: str, photos_dir: Path) -> Iterator[Executor]:
    """An executor whose tasks run on the cluster's workers.

    Raises MosaicError when nothing answers at the address, there are no workers, or one of them does not see
    the photos.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MosaicError(
            "--cluster needs Dask; install it with: pip install 'missionctl[cluster]'"
        ) from None
    folder = str(Path(photos_dir).resolve())
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise MosaicError(
            f"{address}: no Dask scheduler answers there ({type(error).__name__}); "
            "start one with: dask scheduler"
        ) from None
    with client:
        sees = client.run(_make_ready, folder)
        if not sees:
            raise MosaicError(
                f"{address}: the cluster has no workers; start some with: dask worker {address}"
            )
        blind = sorted(worker for worker, seen in sees.items() if not seen)
        if blind:
            raise MosaicError(
                f"{folder}: worker {blind[0]} does not see this folder; "
                "share it under the same path everywhere"
            )
        yield client.get_executor()


def _make_ready(folder: str) -> bool:
    """On a worker: one OpenCV thread (the workers are the parallelism), and whether it sees the folder."""
    import cv2

    cv2.setNumThreads(1)
    return Path(folder).is_dir()
