"""Work in several processes: every task gets its result, and one that kills its process is named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from photo.processes import WorkerDied, choose_worker_count, count_cores, run_apart


def make_square() -> Callable[[int], int]:
    return square


def square(number: int) -> int:
    if number == 3:
        os._exit(7)
    return number * number


def make_first_quick() -> Callable[[str], str]:
    return sleep_unless_quick


def sleep_unless_quick(place: str) -> str:
    Path(place).write_text(str(os.getpid()))
    if Path(place).name == "slow":
        time.sleep(600)
    return place


def refuse() -> Callable[[int], int]:
    raise SystemExit(4)


def test_every_task_gets_its_result_and_a_death_is_named() -> None:
    results = dict(run_apart(make_square, range(6), 2))
    assert results == {0: 0, 1: 1, 2: 4, 3: WorkerDied(7), 4: 16, 5: 25}
    assert "code 7" in WorkerDied(7).why and "SIGKILL" in WorkerDied(-9).why


def test_work_that_cannot_begin_ends() -> None:
    assert dict(run_apart(refuse, range(3), 2)) == dict.fromkeys(range(3), WorkerDied(4))


def test_tasks_are_taken_only_when_there_is_a_hand_free() -> None:
    taken: list[int] = []

    def give() -> Iterator[int]:
        for number in (0, 1, 2, 4, 5, 6):
            taken.append(number)
            yield number

    running = run_apart(make_square, give(), 2)
    next(running)
    assert len(taken) <= 4
    assert len(list(running)) == 5


@pytest.mark.posix
def test_closing_ends_the_processes_at_once(tmp_path: Path) -> None:
    running = run_apart(make_first_quick, [str(tmp_path / name) for name in ("quick", "slow")], 2)
    next(running)
    while not (tmp_path / "slow").is_file() or not (tmp_path / "slow").read_text():
        time.sleep(0.05)
    started = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "slow").read_text()), 0)


def test_the_number_of_processes_suits_the_machine() -> None:
    assert choose_worker_count(1) == 1
    assert 1 <= choose_worker_count(10_000) <= max(1, count_cores() // 2)
