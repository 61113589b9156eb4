"""Photos outlive crashes and full disks; more of them with python -m benchmark.crashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMES = 52
CARELESS = """
import sys
from pathlib import Path
from benchmark import crashes
import photo.files

photo.files.write_whole = lambda path, data, originals, check, last_check: path.write_bytes(data)
sys.argv[1:] = ["--times", "52"]
sys.exit(crashes.main())
"""

pytestmark = pytest.mark.posix


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark in a process of its own, which has no threads and may be copied."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_no_crash_and_no_full_disk_costs_a_photo() -> None:
    done = run("-m", "benchmark.crashes", "--times", str(TIMES), "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{TIMES} crashes, 0 harmful"
    assert all(
        fault in done.stdout
        for fault in ("killed ", "stopped ", "killed while writing", "stopped while writing", "full", "a whole library")
    )


def test_a_careless_writer_is_found_out() -> None:
    done = run("-c", CARELESS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the photo is lost" in done.stdout and "the result is cut short" in done.stdout
