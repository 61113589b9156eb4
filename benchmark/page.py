"""Measures how quickly the page answers: from the drop of a photo to drawn faces, from a slider to the new picture.

    python -m benchmark.page [PHOTO ...]

The page runs as always, in a process of its own, and a headless Chromium on the same machine drives it. Without photos,
a sample is enlarged to 12 megapixels. Needs playwright and Chromium, as `make test` installs them.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIZE = (4032, 3024)
ROUNDS = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_SLIDER = "#settings input[type=range]:visible"
# Two frames after the boxes came into the page they are painted. Asking for them from outside would find them later.
_WATCH = """() => {
  window.drawn = new Promise(done => new MutationObserver((_changes, observer) => {
    if (!document.querySelector('#stage .mark')) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
  }).observe(document, {childList: true, subtree: true}));
}"""
_AFTER = "document.querySelector('#canvas .after img.face')"


@contextmanager
def serving() -> Iterator[str]:
    """Run the page, and give its address once it answers."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "main.py", "--gradio", "--engine", "draft", "--port", str(port)]
    page = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        # The models are loaded at the start; only then is it as quick as it will be.
        time.sleep(5)
        yield f"http://127.0.0.1:{port}/"
    finally:
        page.terminate()
        page.wait(30)


def time_page(page: Any, url: str, photo: Path) -> tuple[float, list[float]]:
    """Seconds from the drop to the drawn faces, and from each of some moves of a slider to the new picture."""
    page.goto(url)
    page.wait_for_selector("#drop input[type=file]", state="attached")
    page.wait_for_timeout(500)
    page.evaluate(_WATCH)
    start = time.perf_counter()
    page.set_input_files("#drop input[type=file]", str(photo))
    page.evaluate("drawn")
    drawn = time.perf_counter() - start
    page.locator(".mark").first.click()
    page.wait_for_function(f"() => {_AFTER}?.naturalWidth")
    page.wait_for_timeout(1500)
    moves = []
    for value in ("0.7", "0.3", "0.9"):
        old = page.evaluate(f"{_AFTER}.src")
        start = time.perf_counter()
        page.locator(_SLIDER).first.evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value
        )
        page.wait_for_function(
            f"old => {{ const img = {_AFTER}; return img && img.src !== old && img.complete && img.naturalWidth; }}",
            arg=old,
            polling=10,
        )
        moves.append(time.perf_counter() - start)
    return drawn, moves


def main() -> int:
    """Print the seconds of every round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    photos: list[Path] = parser.parse_args().photos
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("Chromium and playwright are needed: make test installs them.", file=sys.stderr)
        return 2
    all_drawn: list[float] = []
    all_moves: list[float] = []
    with tempfile.TemporaryDirectory() as folder, serving() as url, sync_playwright() as driver:
        if not photos:
            photos = [Path(folder) / "group_12_megapixels.jpg"]
            with Image.open(ROOT / "data" / "inputs" / "image_4.jpg") as image:
                image.resize(SIZE).save(photos[0], quality=92)
        with closing(driver.chromium.launch(executable_path=chromium, args=FLAGS)) as browser:
            for photo in photos * ROUNDS:
                with closing(browser.new_page(viewport={"width": 1280, "height": 860})) as page:
                    drawn, moves = time_page(page, url, photo)
                all_drawn.append(drawn)
                all_moves += moves
                print(f"{photo.name}: faces after {drawn:.2f} s, slider {' '.join(f'{s:.2f}' for s in moves)} s")
    for words, seconds in (("from drop to drawn faces", all_drawn), ("from slider to picture", all_moves)):
        print(f"{words}: median {sorted(seconds)[len(seconds) // 2]:.2f} s, slowest {max(seconds):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
