"""Says how fast work on many photos goes, and how long the rest takes."""

from __future__ import annotations

# Before so many photos are done nobody can tell.
_SURE_AFTER = 10


def describe_pace(done: int, of: int, seconds: float) -> str:
    """Return words such as "1.4 photos/s, 12 min left", for `done` photos of so many in so many seconds.

    Empty while too few are done to tell.
    """
    if done < _SURE_AFTER or seconds <= 0:
        return ""
    rate = done / seconds
    shown = f"{rate:.1f} photos/s" if rate >= 1 else f"{1 / rate:.1f} s per photo"
    return f"{shown}, {name_time((of - done) / rate)} left"


def name_time(seconds: float) -> str:
    """Return a time as people say it, such as "12 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
