"""How fast many photos are fixed and sorted, by how many processes: python -m benchmark.day [--photos 40] [--kills 0].

Makes a folder of portraits out of tests/photos, has it fixed by one process and by several, and compares every byte;
then one of photos of 12 megapixels in scenes of three, and has it sorted. Of each run it prints the time on the clock,
the processor's time for all processes, and the largest memory of one of them. On a machine that others use, the
processor's time tells more than the clock; both runs take turns, so that they share the same troubles. With `--kills`
a run is killed at as many random moments and gone on with, each time, and must come to the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from commands.journal import NAME
from photo.processes import count_cores

ROOT = Path(__file__).parents[1]
PORTRAITS = ROOT / "tests" / "photos"
_LARGE_PX = (4000, 3000)


@dataclass(frozen=True)
class Run:
    """One run: seconds on the clock, seconds of all its processes, and the largest memory of one of them, in MB."""

    clock: float
    processor: float
    memory: float


def main() -> int:
    """Measure and print; exit code 1 where two runs differ by a byte."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=40, help="how many portraits (default: %(default)s)")
    parser.add_argument("--large", type=int, default=24, help="how many of 12 megapixels (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="how many processes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=0, help="how often a run is killed (default: %(default)s)")
    options = parser.parse_args()
    print(f"{count_cores()} cores, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_portraits(place / "in", options.photos)
        differ = 0
        for _ in range(options.rounds):
            one = run(place, "in", "-o", "one", "--engine", "draft", "--no-library", "--workers", "1")
            several = run(
                place, "in", "-o", "several", "--engine", "draft", "--no-library", "--workers", str(options.workers)
            )
            tell("fixed by 1", one, options.photos)
            tell(f"fixed by {options.workers}", several, options.photos)
            print(f"{one.clock / several.clock:.2f} times as fast; load {os.getloadavg()[0]:.1f}")
            differ += digest(place / "one") != digest(place / "several")
        make_large(place / "large", options.large)
        for workers in (1, options.workers):
            sorted_ = run(place, "large", "--triage", "-o", f"sorted_{workers}", "--workers", str(workers))
            tell(f"sorted by {workers}, 12 MP", sorted_, options.large)
        if options.kills:
            differ += kill_often(place, options.kills, options.workers)
        print("every byte is the same" if not differ else f"{differ} runs differ")
    return 1 if differ else 0


def make_portraits(folder: Path, count: int) -> None:
    """Copies of the portraits under other names, as many as asked for."""
    folder.mkdir()
    portraits = sorted(PORTRAITS.glob("*.jpg"))
    for number in range(count):
        shutil.copy(portraits[number % len(portraits)], folder / f"{number:04d}.jpg")


def make_large(folder: Path, count: int) -> None:
    """Portraits on a canvas of 12 megapixels, in scenes of three that were taken seconds apart."""
    folder.mkdir()
    portraits = sorted(PORTRAITS.glob("*.jpg"))
    for number in range(count):
        image = Image.open(portraits[number // 3 % len(portraits)]).convert("RGB")
        scale = _LARGE_PX[1] / image.height
        canvas = Image.new("RGB", _LARGE_PX, (90, 110, 120))
        canvas.paste(image.resize((round(image.width * scale), _LARGE_PX[1])), (400 + 10 * (number % 3), 0))
        exif = Image.Exif()
        exif[306] = f"2026:05:01 {10 + number // 180:02d}:{number // 3 % 60:02d}:{number % 3:02d}"
        canvas.save(folder / f"{number:04d}.jpg", exif=exif, quality=92)


def begin(place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the program in a folder, quietly."""
    command = [sys.executable, str(ROOT / "main.py"), *arguments, "-q"]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(place: Path, *arguments: str) -> Run:
    """Run the program to its end, and measure it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    running = begin(place, *arguments)
    peaks = [0.0]
    watcher = threading.Thread(target=_watch_memory, args=(running, peaks), daemon=True)
    watcher.start()
    running.wait()
    clock = time.monotonic() - started
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(clock, processor, max(peaks))


def _watch_memory(running: subprocess.Popen[bytes], peaks: list[float]) -> None:
    """Note the largest memory of the program and of each of its processes, while it runs."""
    while running.poll() is None:
        with suppress(OSError, ValueError):
            children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            for process in (str(running.pid), *children):
                with suppress(OSError):
                    for line in Path(f"/proc/{process}/status").read_text().splitlines():
                        if line.startswith("VmHWM:"):
                            peaks.append(int(line.split()[1]) / 1024)
        time.sleep(0.2)


def tell(what: str, one: Run, photos: int) -> None:
    """Print one run."""
    print(
        f"{what:22} {photos} photos in {one.clock:6.1f} s: {photos / one.clock:5.2f} photos/s, "
        f"{one.processor / photos:.2f} s of processor time each, {one.memory:,.0f} MB in one process"
    )


def digest(folder: Path) -> dict[str, str]:
    """The content of every result."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != NAME}


def kill_often(place: Path, times: int, workers: int) -> int:
    """Kill a run at random moments, each time going on with it; return 1 where the end differs from that of `one`."""
    draw = random.Random(0)
    killed = 0
    arguments = ("in", "-o", "killed", "--engine", "draft", "--no-library", "--workers", str(workers))
    while killed < times:
        running = begin(place, *arguments)
        with suppress(subprocess.TimeoutExpired):
            running.wait(draw.uniform(4, 20))
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            running.wait()
            killed += 1
            broken = [path.name for path in (place / "killed").glob("*.jpg") if not _is_whole(path)]
            if broken:
                print(f"half-written after kill {killed}: {', '.join(broken)}")
                return 1
        else:
            shutil.rmtree(place / "killed")
    run(place, *arguments)
    print(f"killed {times} times")
    return int(digest(place / "killed") != digest(place / "one"))


def _is_whole(path: Path) -> bool:
    """Whether a JPEG can be read to its end."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
