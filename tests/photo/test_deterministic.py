"""The same photo gives the same result in every run: no filter may depend on where a picture lies in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["retouch.pipeline", "library.index", "triage.run", "page.session"])
def test_filters_that_round_by_memory_alignment_are_off(module: str) -> None:
    code = f"import cv2, {module}\nprint(cv2.ipp.useIPP())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
