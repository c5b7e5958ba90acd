"""A search for photos in a log, from its beginning to what it gives."""

import asyncio

from flight.logs.files import read_log
from flight.logs.ranges import LogRanges
from flight.photos.windows import PhotoSearch, gaps


class Found:
    """What a search gives: the numbers and places in its excerpt (written to `file`), what it covered, how
    much it read."""

    def __init__(self, log, missing, heard, file, read_bytes=None):
        read_bytes = [] if read_bytes is None else read_bytes

        async def read(start, end):
            read_bytes.append(end - start)
            return log[start:end]

        async def search():
            search = PhotoSearch(LogRanges(read, len(log)), heard)
            await search.begin()
            covered = [await search.read(gap) for gap in gaps(missing, heard)]
            return search, covered

        search, covered = asyncio.run(search())
        self.share = sum(read_bytes) / len(log)
        self.covered = {n for numbers in covered for n in numbers}
        assert search.suffix == file.suffix
        file.write_bytes(search.excerpt())
        self.log = read_log(file)
        self.events = {e.index: e for e in self.log.camera_events}
