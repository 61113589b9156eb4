"""Waits for new photos in folders, as a tethered camera puts them there, and until each is written to its end.

It looks once a second instead of asking the system to tell: that works on shares of a network, too, needs no package,
and costs nothing beside the work on a photo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_EVERY_S = 1.0
# A file counts as whole when it has not changed for so long: cameras write in bursts.
_QUIET_S = 2.0


def wait_for_photos(list_photos: Callable[[], Iterable[Path]], is_known: Callable[[Path], bool]) -> Iterator[set[Path]]:
    """Yield photos that are not known and are written to their end, some at a time; it never ends by itself.

    A file is whole when its size and its time of change stay the same from one look to the next, for `_QUIET_S` in all.
    """
    since: dict[Path, tuple[tuple[int, int], float]] = {}
    while True:
        now = time.monotonic()
        seen: dict[Path, tuple[tuple[int, int], float]] = {}
        for path in list_photos():
            if is_known(path):
                continue
            try:
                status = path.stat()
            except OSError:  # it is gone again
                continue
            state = status.st_size, status.st_mtime_ns
            before, first = since.get(path, (state, now))
            seen[path] = state, first if before == state else now
        since = seen
        ready = {path for path, (_, first) in seen.items() if now - first >= _QUIET_S}
        if ready:
            yield ready
        else:
            time.sleep(_EVERY_S)
