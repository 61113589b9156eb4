"""Whether a photo outlives crashes and full disks: python -m benchmark.crashes [--times 200] [--seed 0].

Each time a process of its own reads a photo, edits a pixel, and writes it, over the photo itself or beside it, in every
format in turn. It is killed, or stopped as by Ctrl+C, at a random time of its work or at a random line of
photo/writing.py, or its disk is full after a random number of bytes. Afterwards the photo has to be there as it was, or
as it was to become, to the last byte; what a killed process left behind has to vanish with the next one's work. Needs a
POSIX system. Exit code 1 and a line for each photo that was lost, cut short or left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from photo import writing
from photo.errors import UnwritablePhoto
from photo.files import FORMATS, load_photo, save_photo
from photo.types import Photo
from photo.writing import Originals

_SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGINT}
FAULTS = (*_SIGNALS, *(f"{name} while writing" for name in _SIGNALS), "full")
_SIZE = 400, 600
_WROTE, _REFUSED, _STOPPED = 0, 2, 130


@dataclass(frozen=True)
class Case:
    """A photo of one format in a folder of its own, the result beside it, and what both hold when all goes well."""

    photo: Path
    beside: Path
    original: bytes
    edited: bytes
    seconds: float
    lines: int


class LineCounter:
    """Counts the lines of photo/writing.py that are run, and does something `at` one of them."""

    def __init__(self, at: int, do: Callable[[], None]) -> None:
        self.lines, self._at, self._do = 0, at, do

    def __call__(self, frame: FrameType, event: str, _: object) -> LineCounter | None:
        """Trace the functions of that module, as `sys.settrace` asks for."""
        if frame.f_code.co_filename != writing.__file__:
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self._at:
                self._do()
        return self


def main() -> int:
    """Run the simulations and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200, help="how many crashes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed draws the same moments (default: %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts, complaints = simulate(Path(folder), options.times, options.seed)
    for (fault, came_of_it), count in sorted(counts.items()):
        print(f"{fault:22}  {came_of_it:30}  {count}")
    print("\n".join([f"{options.times} crashes, {len(complaints)} harmful", *complaints]))
    return 1 if complaints else 0


def simulate(folder: Path, times: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Return how often each fault left the old photo or the new one, and a line for each harm that was done."""
    draw = random.Random(seed)
    cases = [make_case(folder, name, photo) for name, photo in list_ways()]
    counts: Counter[tuple[str, str]] = Counter()
    complaints = []
    for index in range(times):
        case, fault = cases[index % len(cases)], FAULTS[draw.randrange(len(FAULTS))]
        target = case.photo if draw.random() < 0.5 else case.beside
        came_of_it, wrong = crash(case, target, fault, draw.random())
        counts[fault, came_of_it] += 1
        complaints += [f"{case.photo.name}, {fault}: {text}" for text in wrong]
    return counts, complaints


def list_ways() -> list[tuple[str, Photo]]:
    """A file name and a photo for every format, and for those that hold 16 bits another one."""
    noise = np.random.default_rng(5).integers(0, 256, (*_SIZE, 3), np.uint8)
    endings = {format_name: ending for ending, format_name in FORMATS.items()}
    deep = Photo(noise, native=noise.astype(np.uint16) * np.uint16(257))
    ways = [(f"plain{ending}", Photo(noise)) for ending in endings.values()]
    return [*ways, *((f"deep{endings[name]}", deep) for name in ("PNG", "TIFF"))]


def make_case(folder: Path, name: str, photo: Photo) -> Case:
    """Write a photo, and learn what its edited copy holds and how long that takes."""
    own = folder / name
    own.mkdir()
    path, beside = own / name, own / f"beside_{name}"
    save_photo(photo.pixels, photo, path)
    original = path.read_bytes()
    start = time.perf_counter()
    edit(path, beside)
    seconds = time.perf_counter() - start
    edited = beside.read_bytes()
    counter = LineCounter(-1, lambda: None)
    sys.settrace(counter)
    edit(path, beside)
    sys.settrace(None)
    beside.unlink()
    return Case(path, beside, original, edited, seconds, counter.lines)


def edit(source: Path, target: Path) -> None:
    """Read a photo, change one pixel, and write it to `target`, which may be the same file."""
    photo = load_photo(source)
    pixels = photo.pixels.copy()
    pixels[0, 0] ^= 128
    save_photo(pixels, photo, target, Originals(overwrite=True))


def crash(case: Case, target: Path, fault: str, moment: float) -> tuple[str, list[str]]:
    """Edit the photo in a process that is disturbed at a `moment`, 0 … 1; return what is there now, and all harm.

    The moment is one of the time that the work takes, of the lines that write, or of the bytes that find room.
    """

    def work() -> None:
        kind, _, is_by_line = fault.partition(" while ")
        if is_by_line:
            line = 1 + int(moment * case.lines)
            sys.settrace(LineCounter(line, lambda: os.kill(os.getpid(), _SIGNALS[kind])))
        edit(case.photo, target)

    code = _run_disturbed(work, case, fault, moment)
    before = case.original if target == case.photo else None
    found = target.read_bytes() if target.exists() else None
    wrong = []
    if case.photo.read_bytes() not in ((case.original, case.edited) if target == case.photo else (case.original,)):
        wrong.append("the photo is lost")
    if found not in (before, case.edited):
        wrong.append("the result is cut short")
    if code == _WROTE and found != case.edited:
        wrong.append("it says that it wrote what is not there")
    left = _list_left(case)
    if left and code != -signal.SIGKILL:
        wrong.append(f"{left[0]} is left behind")
    # The next one that works in this folder clears away what is left, and makes the result.
    case.photo.write_bytes(case.original)
    edit(case.photo, target)
    if target.read_bytes() != case.edited:
        wrong.append("the next one does not make the result")
    wrong += [f"{name} stays for ever" for name in _list_left(case)]
    case.beside.unlink(missing_ok=True)
    case.photo.write_bytes(case.original)
    came_of_it = "new photo" if found == case.edited else "old photo" if before else "no result"
    return f"{came_of_it}{', and a part of one' if left else ''}", wrong


def _run_disturbed(work: Callable[[], None], case: Case, fault: str, moment: float) -> int:
    """Do the work in a copy of this process; return its exit code, negative for a signal that ended it."""
    ready, begins = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the copy is ready for it
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _work(work, int(moment * len(case.edited)) if fault == "full" else None, begins)
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.read(ready, 1)
    if fault in _SIGNALS:
        time.sleep(moment * case.seconds)
        with suppress(ProcessLookupError):
            os.kill(child, _SIGNALS[fault])
    os.close(ready)
    os.close(begins)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _work(work: Callable[[], None], room: int | None, begins: int) -> int:
    """Do the work, with `room` for so many bytes in a file; return the exit code as the command line has it."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os.write(begins, b".")
        if room is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        work()
    except UnwritablePhoto:
        return _REFUSED
    except KeyboardInterrupt:
        return _STOPPED
    return _WROTE


def _list_left(case: Case) -> list[str]:
    """The names of files that are neither the photo nor the result."""
    return [path.name for path in case.photo.parent.iterdir() if path not in (case.photo, case.beside)]


if __name__ == "__main__":
    sys.exit(main())
