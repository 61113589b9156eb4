"""Whether a photo outlives crashes and full disks: python -m benchmark.crashes [--times 200] [--seed 0].

Each time a process of its own reads a photo, edits a pixel, and writes it, over the photo itself or beside it, in every
format in turn; or it writes layers or a report, or adds photos to a library. It is killed, or stopped as by Ctrl+C, at
a random time of its work or at a random line of the modules that write, or its disk is full after a random number of
bytes. Afterwards the photo has to be there as it was, or as it was to become, to the last byte, and the library whole,
with all that it knew; what a killed process left behind has to vanish with the next one's work. Needs a POSIX system.
Exit code 1 and a line for each photo that was lost, cut short or left behind.
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

import cv2
import numpy as np

from edit.options import Options
from library import store
from library.store import EMBEDDING_SIZE, FaceRecord, Library, PhotoRecord
from photo import writing
from photo.blend import Patch
from photo.errors import FixError
from photo.files import FORMATS, load_photo, save_photo
from photo.layers import ENDINGS as LAYER_ENDINGS
from photo.layers import NamedPatch, encode_layers
from photo.saving import Saving
from photo.types import Box, Photo, Region
from photo.writing import Originals, write_whole
from retouch.files import FileJob
from retouch.places import JobFiles

_SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGINT}
FAULTS = (*_SIGNALS, *(f"{name} while writing" for name in _SIGNALS), "full")
_SIZE = 400, 600
_MODULES_THAT_WRITE = writing.__file__, store.__file__
_PATCH = Box(0, 0, 60, 40)
# Photos that a library holds beforehand, and those that are added.
_KNOWN, _ADDED = 12, 8
Write = Callable[[Path, Path], None]
_WROTE, _REFUSED, _STOPPED = 0, 2, 130


_NOISE = np.random.default_rng(5).integers(0, 256, (*_SIZE, 3), np.uint8)
PLAIN = Photo(_NOISE)


@dataclass(frozen=True)
class Case:
    """A photo of one format in a folder of its own, the result beside it, and what both hold when all goes well.

    `write` makes the result of the photo; with `may_replace` that may take the place of the photo itself.
    """

    photo: Path
    beside: Path
    write: Write
    may_replace: bool
    original: bytes
    edited: bytes
    seconds: float
    lines: int


class LineCounter:
    """Counts the lines of the modules that write which are run, and does something `at` one of them."""

    def __init__(self, at: int, do: Callable[[], None]) -> None:
        self.lines, self._at, self._do = 0, at, do

    def __call__(self, frame: FrameType, event: str, _: object) -> LineCounter | None:
        """Trace the functions of these modules, as `sys.settrace` asks for."""
        if frame.f_code.co_filename not in _MODULES_THAT_WRITE:
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
    cv2.setNumThreads(1)  # a copy of this process would wait for threads that it does not have
    draw = random.Random(seed)
    cases = [
        *(make_case(folder, name, photo, f"beside_{name}", edit) for name, photo in list_ways()),
        *(make_case(folder, "of_layers.png", PLAIN, f"layers{ending}", write_layers) for ending in LAYER_ENDINGS[:2]),
        make_case(folder, "of_report.png", PLAIN, "report.json", write_report),
        make_library(folder),
    ]
    counts: Counter[tuple[str, str]] = Counter()
    complaints = []
    for index in range(times):
        case, fault = cases[index % len(cases)], FAULTS[draw.randrange(len(FAULTS))]
        target = case.photo if case.may_replace and draw.random() < 0.5 else case.beside
        if case.write is fill:
            came_of_it, wrong = crash_library(case, fault, draw.random())
        else:
            came_of_it, wrong = crash(case, target, fault, draw.random())
        counts[fault, came_of_it] += 1
        complaints += [f"{case.photo.name}, {fault}: {text}" for text in wrong]
    return counts, complaints


def list_ways() -> list[tuple[str, Photo]]:
    """A file name and a photo for every format, and for those that hold 16 bits another one."""
    endings = {format_name: ending for ending, format_name in FORMATS.items()}
    deep = Photo(_NOISE, native=_NOISE.astype(np.uint16) * np.uint16(257))
    ways = [(f"plain{ending}", PLAIN) for ending in endings.values()]
    return [*ways, *((f"deep{endings[name]}", deep) for name in ("PNG", "TIFF"))]


def make_case(folder: Path, name: str, photo: Photo, beside_name: str, write: Write) -> Case:
    """Write a photo, and learn what its result holds and how long that takes."""
    own = folder / f"{name}_{beside_name}"
    own.mkdir()
    path, beside = own / name, own / beside_name
    save_photo(photo.pixels, photo, path)
    original = path.read_bytes()
    seconds, lines = _measure(lambda: write(path, beside))
    edited = beside.read_bytes()
    beside.unlink()
    return Case(path, beside, write, write is edit, original, edited, seconds, lines)


def make_library(folder: Path) -> Case:
    """Make a library that knows some photos, and learn how long it takes to add the others."""
    own = folder / "library"
    own.mkdir()
    path = own / "library.sqlite"
    _add(path, _list_records()[:_KNOWN])
    original = path.read_bytes()
    seconds, lines = _measure(lambda: fill(path, path))
    edited = path.read_bytes()
    path.write_bytes(original)
    return Case(path, path, fill, False, original, edited, seconds, lines)


def _measure(work: Callable[[], None]) -> tuple[float, int]:
    """How many seconds some work takes that can be done twice, and how many lines of the modules that write."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    counter = LineCounter(-1, lambda: None)
    sys.settrace(counter)
    work()
    sys.settrace(None)
    return seconds, counter.lines


def edit(source: Path, target: Path) -> None:
    """Read a photo, change one pixel, and write it to `target`, which may be the same file."""
    photo = load_photo(source)
    pixels = photo.pixels.copy()
    pixels[0, 0] ^= 128
    save_photo(pixels, photo, target, Originals(overwrite=True))


def write_layers(source: Path, target: Path) -> None:
    """Read a photo, and write it with one edit as a layer."""
    photo = load_photo(source)
    pixels = photo.pixels.copy()
    pixels[_PATCH.slices] ^= 128
    alpha = np.ones((_PATCH.height, _PATCH.width), np.float32)
    patch = NamedPatch("left eye", Patch(Region(_PATCH, alpha), pixels[_PATCH.slices]))
    write_whole(target, encode_layers(target, pixels, photo, [patch], Saving())[0], Originals())


def write_report(source: Path, target: Path) -> None:
    """Write the report of a run that fixed a photo."""
    job = FileJob(JobFiles((source,)), Options(engine="draft"), print)
    entry: dict[str, object] = {"input": str(source), "output": None, "measured": list(range(2000))}
    job.write_report(target, [entry])


def fill(_source: Path, target: Path) -> None:
    """Add photos to a library, in place of what it may know of them already."""
    _add(target, _list_records()[_KNOWN:])


def _add(path: Path, records: list[PhotoRecord]) -> None:
    with Library(path) as library:
        for record in records:
            library.add(record)


def _list_records() -> list[PhotoRecord]:
    """Photos of two faces each, as a library knows them."""
    draw = np.random.default_rng(7)
    faces = [
        FaceRecord(
            number, (0.1, 0.1, 0.3, 0.4), 80.0, 0.0, 0.0, 0.7, 0.2, 0.0, 0.0, 0.1, 0.0,
            draw.standard_normal(EMBEDDING_SIZE).astype(np.float32),
        )
        for number in (1, 2)
    ]  # fmt: skip
    return [
        PhotoRecord(Path("/photos") / f"{number}.jpg", 1000 + number, number, bytes(32), faces=tuple(faces))
        for number in range(_KNOWN + _ADDED)
    ]


def crash_library(case: Case, fault: str, moment: float) -> tuple[str, list[str]]:
    """Add photos to a library in a process that is disturbed; return what it holds now, and all harm."""
    path, records = case.photo, _list_records()
    code = _run_disturbed(_prepare(case, path, fault, moment), case, fault, moment)
    wrong = []
    with Library(path, must_exist=True) as library:
        if damage := library.find_damage():
            wrong.append(f"the library is damaged: {damage}")
        found, summary = set(library.list_files()), library.summarize()
    if not found >= {record.path for record in records[:_KNOWN]}:
        wrong.append("the library has lost photos")
    if summary.faces != 2 * summary.photos:
        wrong.append("the library holds half a photo")
    if code == _WROTE and len(found) < len(records):
        wrong.append("it says that it added what is not there")
    fill(path, path)
    with Library(path, must_exist=True) as library:
        if len(library.list_files()) < len(records):
            wrong.append("the next one does not add the photos")
    wrong += [f"{name} stays for ever" for name in _list_left(case)]
    path.write_bytes(case.original)
    return "a whole library", wrong


def crash(case: Case, target: Path, fault: str, moment: float) -> tuple[str, list[str]]:
    """Edit the photo in a process that is disturbed at a `moment`, 0 … 1; return what is there now, and all harm.

    The moment is one of the time that the work takes, of the lines that write, or of the bytes that find room.
    """
    code = _run_disturbed(_prepare(case, target, fault, moment), case, fault, moment)
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
    case.write(case.photo, target)
    if target.read_bytes() != case.edited:
        wrong.append("the next one does not make the result")
    wrong += [f"{name} stays for ever" for name in _list_left(case)]
    case.beside.unlink(missing_ok=True)
    case.photo.write_bytes(case.original)
    came_of_it = "new photo" if found == case.edited else "old photo" if before else "no result"
    return f"{came_of_it}{', and a part of one' if left else ''}", wrong


def _prepare(case: Case, target: Path, fault: str, moment: float) -> Callable[[], None]:
    """The work of a case, disturbed at a line of its writing where the fault says so."""

    def work() -> None:
        kind, _, is_by_line = fault.partition(" while ")
        if is_by_line:
            line = 1 + int(moment * case.lines)
            sys.settrace(LineCounter(line, lambda: os.kill(os.getpid(), _SIGNALS[kind])))
        case.write(case.photo, target)

    return work


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
    except FixError:
        return _REFUSED
    except KeyboardInterrupt:
        return _STOPPED
    return _WROTE


def _list_left(case: Case) -> list[str]:
    """The names of files that are neither the photo nor the result."""
    return [path.name for path in case.photo.parent.iterdir() if path not in (case.photo, case.beside)]


if __name__ == "__main__":
    sys.exit(main())
