"""Work in several processes beside this one: each result comes as it is ready, and a process that dies is replaced.

Every process has one task at a time, so that the task of one that dies can be named. Processes are spawned: a copy of
this one would share the threads and locks of its networks.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# A process with all networks and a photo of 12 megapixels needs less than this many bytes.
_BYTES_EACH = 1_500_000_000
# Each process computes on more than one core, and takes seconds to start: fewer tasks than this are no work for one.
_CORES_EACH, _TASKS_EACH, _MOST = 2, 4, 8
# Seconds until a process that was told to end is killed.
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class WorkerDied:
    """What came of a task instead of a result: its process died; `code` is as `multiprocessing` gives it."""

    code: int | None

    @property
    def why(self) -> str:
        """How the process ended, to be put in a sentence."""
        if self.code is None or self.code >= 0:
            return f"ended with code {self.code}"
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"was ended by signal {-self.code}"


@dataclass(frozen=True)
class Failure:
    """What came of a task instead of a result: something went wrong; the exit code that stands for it, and a sentence.

    Whoever makes the work for `run_apart` catches errors, and returns these.
    """

    code: int
    complaint: str


def choose_worker_count(tasks: int) -> int:
    """Return how many processes suit this machine and so many tasks: what its cores and its free memory allow."""
    counts = [count_cores() // _CORES_EACH, tasks // _TASKS_EACH, _MOST]
    free = _find_free_memory()
    if free is not None:
        counts.append(free // _BYTES_EACH)
    return max(1, min(counts))


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_apart(
    make: Callable[[], Callable[[Task], Result]], tasks: Iterable[Task], workers: int
) -> Iterator[tuple[Task, Result | WorkerDied]]:
    """Yield every task with its result, as they become ready, from so many processes.

    In each process `make` is called once, and what it returns is called with one task after the other; what it raises
    ends that process. `make`, tasks and results are pickled. When the iterator is closed, all processes end at once.
    """
    todo = iter(tasks)
    crew: list[_Worker[Task, Result]] = []
    try:
        for task in islice(todo, workers):
            crew.append(_Worker(make))
            crew[-1].give(task)
        while crew:
            ready = wait([worker.connection for worker in crew])
            for worker in [worker for worker in crew if worker.connection in ready]:
                task, result = worker.task, worker.take()
                following = next(todo, _NONE)
                if following is _NONE or isinstance(result, WorkerDied):
                    worker.end()
                    crew.remove(worker)
                if following is not _NONE:
                    if worker not in crew:
                        worker = _Worker(make)
                        crew.append(worker)
                    worker.give(following)
                yield task, result
    finally:
        for worker in crew:
            worker.process.terminate()
        for worker in crew:
            worker.end()


class _Worker(Generic[Task, Result]):
    """One process, and the task that it has."""

    def __init__(self, make: Callable[[], Callable[[Task], Result]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        with hold_interrupts_back():
            self.process.start()
        theirs.close()
        self.task: Task

    def give(self, task: Task) -> None:
        """Send a task; where the process died before that, its connection says so when the result is taken."""
        self.task = task
        with suppress(OSError):
            self.connection.send(task)

    def take(self) -> Result | WorkerDied:
        """The result of the task."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join(_PATIENCE_S)
            return WorkerDied(self.process.exitcode)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_PATIENCE_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


_NONE: Any = object()


def _serve(connection: Connection, make: Callable[[], Callable[[Task], Result]]) -> None:
    """Work on tasks until there are none."""
    begin_to_serve()
    handle = make()
    with suppress(EOFError, OSError):  # whoever gave the tasks is gone
        while True:
            connection.send(handle(connection.recv()))


def begin_to_serve() -> None:
    """Begin a process that serves: Ctrl+C is for the one that gives tasks, and when that is killed, this one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def hold_interrupts_back() -> Iterator[None]:
    """Let Ctrl+C wait, here and in processes that are started within, where it would show a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _find_free_memory() -> int | None:
    """The bytes that are free, or would be if asked for; None where nobody tells."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
